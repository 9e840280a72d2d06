"""Roll-ups in the store: read in place of the manifests that they sum up, and deleted when few of these are left.

They are derived from manifests: nothing is lost with one that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TypeVar

from vault.at_once import each_of
from vault.errors import Damaged, ObjectNotFound, StorageDenied
from vault.format import layout, rollup, strict_json
from vault.format.chunks import ID_SIZE
from vault.format.rollup import Rollup
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository import rollup_records
from vault.repository.project import Project
from vault.storage.contract import LARGEST_OBJECT

READERS = 4
LARGEST_PLAIN = LARGEST_OBJECT - 1024 * 1024
"""Bytes of a roll-up before it is sealed."""

T = TypeVar("T")
Decode = Callable[[bytes | bytearray, bytes, bytes], T | None]


def read_all(project: Project) -> tuple[list[Rollup], list[Problem]]:
    """Every roll-up, and those that cannot be used. One of another version of this program counts as not there."""
    found, damaged = _each(project, rollup.decode)
    return list(found.values()), damaged


def rolled_up(project: Project) -> list[tuple[Record, ...]]:
    """The snapshots that are in roll-ups which can be used, by roll-up and time."""
    return list(by_name(project).values())


def by_name(project: Project) -> dict[str, tuple[Record, ...]]:
    """The same, by the names of the roll-ups."""
    names = _names(project)
    known = rollup_records.load(project) if names else {}
    found, _ = _read_each(project, [name for name in names if name not in known], rollup.decode_records)
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


def thin(project: Project, standing: Collection[str], stop: Callable[[], None]) -> int:
    """Delete roll-ups that are damaged, or of whose snapshots less than half exist; returns how many. What still stands is
    rolled up anew with others. One that the store will not delete stays, and costs its room."""
    found, damaged = _each(project, rollup.decode_records)
    spent = [name for name, records in found.items() if sum(one.id in standing for one in records) * 2 < len(records)]
    deleted = 0
    for name in [*spent, *(one.path.decode() for one in damaged)]:
        stop()
        with suppress(StorageDenied):
            project.store.delete(name)
            deleted += 1
    return deleted


def _names(project: Project) -> list[str]:
    return sorted(info.name for info in project.store.list(project.folder("rollups")))


def _each(project: Project, decode: Decode[T]) -> tuple[dict[str, T], list[Problem]]:
    return _read_each(project, _names(project), decode)


def _read_each(project: Project, names: Sequence[str], decode: Decode[T]) -> tuple[dict[str, T], list[Problem]]:
    read = each_of(names, lambda name: _read(project, name, decode), most=READERS, name="rollups")
    found = dict(zip(names, read, strict=True))
    by_name = {name: one for name, one in found.items() if one is not None and not isinstance(one, Problem)}
    return by_name, [one for one in found.values() if isinstance(one, Problem)]


def _read(project: Project, name: str, decode: Decode[T]) -> T | Problem | None:
    try:
        rollup_id = strict_json.from_hex(name.rpartition("/")[2], ID_SIZE, f"the name {name}")
        return project.read_sealed(name, lambda plain: decode(plain, project.capability.rollup_key, rollup_id))
    except ObjectNotFound:
        return None  # thinned meanwhile
    except Damaged as error:
        return Problem(name.encode(), "damaged-rollup", f"a roll-up cannot be used, and `prune` takes it away: {error}")
