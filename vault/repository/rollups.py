"""Roll-ups in the store: read in place of the manifests that they sum up, joined, and deleted when few of these are left.

They are derived from manifests: nothing is lost with one that is missing. Who joins some writes the new one, and reads it back,
before the old ones go; what stands of both is superseded, and goes with a prune.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from vault.errors import Damaged, ObjectNotFound, StorageDenied
from vault.format import layout, rollup, strict_json
from vault.format.chunks import ID_SIZE
from vault.format.rollup import EncodedRollup, Rollup
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.progress import Stop
from vault.repository import rollup_records
from vault.repository.project import Project
from vault.storage.contract import LARGEST_OBJECT
from vault.threads import parallel_map

READERS = 4

ASKED = 3
"""How often roll-ups are listed where one is gone that a listing named: it was joined with others meanwhile."""

LARGEST_PLAIN = LARGEST_OBJECT - 1024 * 1024
"""Bytes of a roll-up before it is sealed."""

T = TypeVar("T")
Decode = Callable[[bytes | bytearray, bytes, bytes], T | None]


def read_all(project: Project) -> tuple[dict[str, EncodedRollup], list[Problem]]:
    """Every roll-up by its name, and those that cannot be used. One of another version of this program counts as not there."""
    return _each(project, rollup.decode_head)


def decoded(name: str, one: EncodedRollup) -> Rollup | Problem:
    """A roll-up with its rows, or that these cannot be used."""
    try:
        return one.decoded()
    except Damaged as error:
        return _damaged(name, error)


def read_some(project: Project, names: Sequence[str]) -> dict[str, Rollup]:
    """Those of the roll-ups of these names that can be used."""
    return _read_each(project, names, rollup.decode).found


def rolled_up(project: Project) -> list[tuple[Record, ...]]:
    """The snapshots that are in roll-ups which can be used, by roll-up and time."""
    return list(by_name(project).values())


def by_name(project: Project) -> dict[str, tuple[Record, ...]]:
    """The same, by the names of the roll-ups."""
    for _ in range(ASKED):
        names = _names(project)
        known = rollup_records.load(project) if names else {}
        found, _, gone = _read_each(project, [name for name in names if name not in known], rollup.decode_records)
        if not gone:
            break
    rolled = {name: found.get(name) or known[name] for name in names if name in found or name in known}
    if found:
        rollup_records.save(project, rolled)
    return rolled


def damage(project: Project) -> list[Problem]:
    """The roll-ups that cannot be used."""
    return _each(project, rollup.decode)[1]


def write(project: Project, one: Rollup) -> bool:
    """Store a roll-up; False where it is too large for one object."""
    plain = rollup.encode(one)
    if len(plain) > LARGEST_PLAIN:
        return False
    name = layout.rollup_name(project.id, rollup.name(plain, project.capability.rollup_key))
    project.store.put(name, project.seal_catalogue(plain))
    return True


def replace(project: Project, names: Collection[str], one: Rollup, stop: Stop) -> int:
    """Store a roll-up that says what those of these names say, then delete them; gives how many went. None does where the new
    one is too large for an object. Raises `Damaged` where it does not read back: then nothing went."""
    plain = rollup.encode(one)
    if len(plain) > LARGEST_PLAIN:
        return 0
    key = project.capability.rollup_key
    rollup_id = rollup.name(plain, key)
    again = rollup.decode(plain, key, rollup_id)
    if again is None or len(again.records) != len(one.records) or not again.rows.equals(one.rows.cast(again.rows.schema)):
        raise Damaged("a roll-up could not be read again; nothing was replaced by it")
    name = layout.rollup_name(project.id, rollup_id)
    sealed = project.seal_catalogue(plain)
    project.store.put(name, sealed)
    if not project.stands_as(name, sealed):
        raise Damaged(f"{name} does not hold what was written; nothing was replaced by it")
    return _delete(project, [other for other in names if other != name], stop)


def thin(project: Project, standing: Collection[str], stop: Stop) -> int:
    """Delete roll-ups that are damaged or superseded, or of whose snapshots less than half exist; returns how many. What still
    stands is rolled up anew with others. One that the store will not delete stays, and costs its room."""
    found, damaged = _each(project, rollup.decode_records)
    spent = {name for name, records in found.items() if sum(one.id in standing for one in records) * 2 < len(records)}
    spent |= superseded({name: records for name, records in found.items() if name not in spent})
    return _delete(project, [*sorted(spent), *(one.path.decode() for one in damaged)], stop)


def superseded(found: Mapping[str, Sequence[Record]]) -> set[str]:
    """The names of roll-ups all of whose snapshots are in another one; of several with the same, the last stays."""
    held = {name: frozenset(one.id for one in records) for name, records in found.items()}
    by_size = sorted(held, key=lambda name: (len(held[name]), name))
    return {name for number, name in enumerate(by_size) if any(held[name] <= held[other] for other in by_size[number + 1 :])}


def _delete(project: Project, names: Iterable[str], stop: Stop) -> int:
    deleted = 0
    for name in names:
        stop()
        with suppress(StorageDenied):
            project.store.delete(name)
            deleted += 1
    return deleted


def _names(project: Project) -> list[str]:
    return sorted(info.name for info in project.store.list(project.folder("rollups")))


def _each(project: Project, decode: Decode[T]) -> tuple[dict[str, T], list[Problem]]:
    for _ in range(ASKED):
        found = _read_each(project, _names(project), decode)
        if not found.gone:
            break
    return found.found, found.damaged


class _Gone(NamedTuple):
    """It was listed."""


class _Read(NamedTuple, Generic[T]):
    """found: by name · gone: whether one is gone that was asked for."""

    found: dict[str, T]
    damaged: list[Problem]
    gone: bool


def _read_each(project: Project, names: Sequence[str], decode: Decode[T]) -> _Read[T]:
    read = parallel_map(names, lambda name: _read(project, name, decode), most=READERS, name="rollups")
    found = dict(zip(names, read, strict=True))
    by_name = {name: one for name, one in found.items() if one is not None and not isinstance(one, Problem | _Gone)}
    damaged = [one for one in found.values() if isinstance(one, Problem)]
    return _Read(by_name, damaged, any(isinstance(one, _Gone) for one in found.values()))


def _read(project: Project, name: str, decode: Decode[T]) -> T | Problem | _Gone | None:
    try:
        rollup_id = strict_json.from_hex(name.rpartition("/")[2], ID_SIZE, f"the name {name}")
        return project.read_sealed(name, lambda plain: decode(plain, project.capability.rollup_key, rollup_id))
    except ObjectNotFound:
        return _Gone()  # thinned or joined meanwhile
    except Damaged as error:
        return _damaged(name, error)


def _damaged(name: str, error: Damaged) -> Problem:
    return Problem(name.encode(), "damaged-rollup", f"a roll-up cannot be used, and `prune` takes it away: {error}")
