"""Older versions of what is selected: of each file the newest so many distinct contents, each under a name that says when it
was first seen.

    selection -> their versions in the ledgers -> contents that differ -> the fewest snapshots that hold them all -> rows

Only the manifests of these snapshots are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from restore.history.ledger import Ledger
from restore.history.timeline import Question, timeline, window
from restore.history.update import History
from restore.local_fs.names import LONGEST_PART, cut
from restore.selection.select import Selection
from vault.format import manifest
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_ENDING = 32


class SnapshotSpan(Protocol):
    """The snapshots that have something: numbers in a ledger."""

    @property
    def first(self) -> int:
        """The first."""

    @property
    def last(self) -> int:
        """And the last."""


Span = TypeVar("Span", bound=SnapshotSpan)


class _Version(Struct, frozen=True):
    """A content of a file, and the snapshots that have it: numbers in its ledger."""

    path: bytes
    digest: bytes | None
    seen: datetime
    first: int
    last: int


def with_older(selection: Selection, history: History, versions: int | None, at: datetime | None, zone: ZoneInfo) -> Selection:
    """The selection and the older versions of its files. versions: of each file, the newest one included; None for all · at: no
    later than that · zone: in which their names say when. Raises `Damaged`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = MetaReader(selection.project, selection.index)
    taken = set(selection.table["path"].to_pylist())
    tables = [selection.table]
    for source, ledger in history.ledgers.items():
        own = selection.table.filter(
            pc.and_(pc.equal(selection.table["source"], source), pc.equal(selection.table["type"], manifest.FILE))
        )
        older = list(_older(own, ledger, versions, at))
        for number, wanted in by_snapshot(older):
            rows = snapshots.read_manifest(reader, ledger.records[number])
            tables.append(_named(rows, wanted, taken, zone))
    return replace(selection, table=pa.concat_tables(tables).sort_by("path"))


def _older(own: pa.Table, ledger: Ledger, versions: int | None, at: datetime | None) -> Iterator[_Version]:
    """Of each file, the contents before the selected one, the newest first, no content twice."""
    import pyarrow.compute as pc

    wanted = own["path"].combine_chunks()
    current = dict(zip(own["path"].to_pylist(), own["blake3"].to_pylist(), strict=True))
    rows = timeline(ledger, lambda table: pc.is_in(table["path"], value_set=wanted), window(ledger, Question(until=at)))
    rows = rows.filter(pc.equal(rows["type"], manifest.FILE)).select(["path", "blake3", "seen_at", "first", "last"])
    rows = rows.sort_by([("path", "ascending"), ("first", "descending")])
    for path, group in groupby(_versions(rows), key=lambda one: one.path):
        known = {current[path]}
        for one in group:
            if one.digest not in known and (versions is None or len(known) < versions):
                known.add(one.digest)
                yield one


def _versions(rows: pa.Table) -> Iterator[_Version]:
    names = ("path", "blake3", "seen_at", "first", "last")
    return (_Version(*row) for row in zip(*(rows[name].to_pylist() for name in names), strict=True))


def by_snapshot(versions: Sequence[Span]) -> Iterator[tuple[int, list[Span]]]:
    """The fewest snapshots that hold all versions, each with its own: the last of the version that ends first, and so on."""
    left = sorted(versions, key=lambda one: one.last)
    while left:
        number = left[0].last
        held = [one for one in left if one.first <= number]
        yield number, held
        left = [one for one in left if one.first > number]


def _named(rows: pa.Table, wanted: Sequence[_Version], taken: set[bytes], zone: ZoneInfo) -> pa.Table:
    """The manifest's rows of these versions, under their new names."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {one.path: one for one in wanted}
    rows = rows.filter(pc.is_in(rows["path"], value_set=pa.array(sorted(found), pa.binary())))
    names = [free_name(path, found[path].seen.astimezone(zone), taken) for path in rows["path"].to_pylist()]
    at = rows.schema.get_field_index("path")
    return rows.set_column(at, rows.schema.field(at), pa.array(names, pa.binary()))


def free_name(path: bytes, seen: datetime, taken: set[bytes]) -> bytes:
    """`report (as of 2026-11-20 13.05).csv`; with seconds, then a number, where that name is taken. It is taken afterwards."""
    for mark in _marks(seen):
        name = _marked(path, mark)
        if name not in taken:
            break
    taken.add(name)
    return name


def _marks(seen: datetime) -> Iterator[str]:
    yield f" (as of {seen:%Y-%m-%d %H.%M})"
    yield f" (as of {seen:%Y-%m-%d %H.%M.%S})"
    number = 2
    while True:
        yield f" (as of {seen:%Y-%m-%d %H.%M.%S} {number})"
        number += 1


def _marked(path: bytes, mark: str) -> bytes:
    folder, slash, name = path.rpartition(b"/")
    stem, dot, ending = name.rpartition(b".")
    if not stem or len(ending) > _LONGEST_ENDING:
        stem, dot, ending = name, b"", b""
    tail = mark.encode() + dot + ending
    return folder + slash + cut(stem, LONGEST_PART - len(tail)) + tail
