"""What was committed, and when: the snapshots of a project.

LIST says which snapshots exist. A snapshot names its parents, so that the newest of a source is the one that no other
supersedes, whatever a clock said; only between several such ones does time decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from vault.errors import Damaged, ObjectNotFound, TransientStorageError
from vault.format import layout, manifest, record
from vault.format.record import Claim, Record
from vault.problems import Problem
from vault.repository.meta import MetaReader
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 8
"""Records that are fetched at once: each waits for a round trip."""


def ids(project: Project) -> list[str]:
    """The ids of all records, evicted ones included, by time."""
    names = (info.name.rpartition("/")[2] for info in project.store.list(project.folder("snapshots")))
    return sorted(name for name in names if layout.is_snapshot_id(name))


def read(project: Project, snapshot: str) -> Record | None:
    """One record, or None where its claim was evicted or it is gone. Raises `Damaged`."""
    name = layout.snapshot_name(project.id, snapshot)
    try:
        value = project.read_record(name, f"the record of snapshot {snapshot}")
    except ObjectNotFound as error:
        if snapshot in ids(project):  # without it, an older snapshot would silently pass for the newest
            raise TransientStorageError(f"the store lists snapshot {snapshot} and does not give it out") from error
        return None
    return record.read_record(value, snapshot)


class Committed(NamedTuple):
    """The snapshots of a project, by the moment that each is of, and the records that cannot be used."""

    records: list[Record]
    damaged: tuple[Problem, ...]


def committed(project: Project) -> Committed:
    """Every committed snapshot. One damaged record, or one that somebody planted, must not cost the others; whoever uses
    them tells it."""
    wanted = ids(project)
    with ThreadPoolExecutor(min(READERS, len(wanted)) or 1, thread_name_prefix="records") as pool:
        found = list(pool.map(lambda snapshot: _record_or_problem(project, snapshot), wanted))
    records = sorted((one for one in found if isinstance(one, Record)), key=lambda one: (one.taken_at, one.id))
    return Committed(records, tuple(one for one in found if isinstance(one, Problem)))


def read_all(project: Project) -> list[Record]:
    """Every committed snapshot. Raises `Damaged` where one cannot be used."""
    found = committed(project)
    if found.damaged:
        raise Damaged(found.damaged[0].message)
    return found.records


def _record_or_problem(project: Project, snapshot: str) -> Record | Problem | None:
    try:
        return read(project, snapshot)
    except Damaged as error:
        name = layout.snapshot_name(project.id, snapshot)
        return Problem(name.encode(), "damaged-record", f"a snapshot cannot be used: {error}")


def heads(records: Iterable[Record], source: str) -> list[Record]:
    """The snapshots of a source that no other supersedes, the newest last; usually one, two after two runs at once."""
    own = [one for one in records if one.source == source]
    superseded = {parent for one in own for parent in one.parents}
    return sorted((one for one in own if one.id not in superseded), key=lambda one: (one.taken_at, one.id))


def at(records: Sequence[Record], moment: datetime | None) -> list[Record]:
    """The project at a moment (None: now): the newest snapshot of each of its sources up to then, by source."""
    sources = sorted({one.source for one in records})
    past = [one for one in records if moment is None or one.taken_at <= moment]
    newest = [heads(past, source)[-1:] for source in sources]
    return [one for found in newest for one in found]


def read_manifest(reader: MetaReader, one: Record, *, columns: list[str] | None = None) -> pa.Table:
    """The table of a snapshot's items, or the named columns of it. Raises `Damaged`."""
    what = f"the manifest of snapshot {one.id}"
    return manifest.decode(reader.read(one.manifest, what), columns=columns)


def needed_packs(reader: MetaReader, one: Record) -> frozenset[bytes]:
    """Every pack that a snapshot needs (SHA-256 each). Raises `Damaged`."""
    what = f"the list of packs of snapshot {one.id}"
    lines = reader.read(one.packs, what).split()
    try:
        listed = frozenset(bytes.fromhex(line.decode("ascii")) for line in lines)
    except ValueError as error:
        raise Damaged(f"{what} is not readable") from error
    if any(len(pack) != 32 for pack in listed):
        raise Damaged(f"{what} is not readable")
    return listed | frozenset(one.own_packs)


def claims(project: Project) -> list[Claim]:
    """The snapshots that are being written, or whose writer died; for showing, so damaged claims are passed over."""
    found = []
    for info in list(project.store.list(project.folder("claims"))):
        try:
            found.append(Claim.from_json(project.read_record(info.name, f"the claim {info.name}")))
        except (ObjectNotFound, Damaged):
            continue  # committed meanwhile, or nobody's
    return found


def marked_packs(project: Project) -> frozenset[bytes]:
    """The packs that a prune means to delete: nothing new may lean on them. Raises `Damaged`."""
    marked: set[bytes] = set()
    for info in list(project.store.list(project.folder("marks"))):
        try:
            marked |= record.read_mark(project.read_record(info.name, f"the mark {info.name}"))
        except ObjectNotFound:
            continue  # that prune has ended
    return frozenset(marked)
