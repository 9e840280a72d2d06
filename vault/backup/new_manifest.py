"""What was read becomes the manifest of a new snapshot, and the manifest becomes meta chunks.

    results -> rows -> their periods -> beside the rows of the last manifest that stay -> without what is retired
    -> needed packs -> bytes -> chunks -> the list of packs

Each stands in memory beside the next, so what is done with is let go at once: a million rows are 300 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vault.backup import item_classification, manifest_rows, table_profiles
from vault.backup.comparison import Comparison
from vault.errors import Damaged
from vault.format import manifest
from vault.format.snapshot_record import Record
from vault.format.tree import Buffer, Tree
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

    from classify.period import Period


MOST_OWN = 50_000
"""Chunks of the catalogue, stored while a manifest is written, whose packs are named in the record itself."""


@dataclass(frozen=True, slots=True)
class ItemRetirement:
    """Which items have outlived their retention, by the caller's rules and holds. columns: that `outlived` looks at ·
    outlived: a boolean for each row of a manifest."""

    columns: Sequence[str]
    outlived: Callable[[pa.Table], pa.Array]

    def goes(self, table: pa.Table) -> pa.ChunkedArray:
        """Of the rows of a manifest, those that have; only vanished items go."""
        import pyarrow.compute as pc

        if table["vanished_at"].null_count == table.num_rows:
            return pc.is_valid(table["vanished_at"])
        return pc.and_(self.outlived(table), pc.is_valid(table["vanished_at"]))


class ManifestUnreadable(Damaged):
    """The manifest of a snapshot that the new one follows cannot be read. snapshot: its id."""

    def __init__(self, snapshot: str, message: str) -> None:
        super().__init__(message)
        self.snapshot = snapshot


def read_base(session: Session, one: Record, columns: list[str] | None = None) -> pa.Table:
    """The manifest of a snapshot that the new one follows, or the named columns. Raises `ManifestUnreadable`."""
    try:
        return snapshots.read_manifest(session.catalogue, one, columns=columns)
    except Damaged as error:
        raise ManifestUnreadable(one.id, str(error)) from error


@dataclass(frozen=True, slots=True)
class PreviousState:
    """What a new manifest carries forward. heads: the snapshots that it follows, last the one that it was compared with ·
    difference: what that comparison found · spared: what has not vanished though it was not read."""

    session: Session
    heads: Sequence[Record]
    difference: Comparison
    spared: manifest_rows.Unvanished

    def beside(self, read: pa.Table, about: manifest_rows.SharedColumns) -> pa.Table:
        """Its rows, and those of what was read."""
        if not self.heads:
            return read
        last = read_base(self.session, self.heads[-1])
        table = manifest_rows.merged(last, self.difference, read, self.spared, about)
        del last
        for head in self.heads[:-1]:
            other = read_base(self.session, head)
            table = manifest_rows.joined(table, other, self.spared, replace(about, last_seen_at=head.taken_at))
        return table


@dataclass(frozen=True, slots=True)
class Description:
    """How items are described. profiles: of tables that were looked into · anew: also those that were described before, since
    the settings have changed · doubtful: takes the paths that can be read in several ways."""

    options: item_classification.ClassifyOptions
    of_content: dict[bytes, Period]
    profiles: dict[bytes, table_profiles.TableProfile]
    anew: bool
    doubtful: list[bytes] = field(default_factory=list)


def new_rows(
    results: manifest_rows.ReadResults, scan: pa.Table, about: manifest_rows.SharedColumns, description: Description
) -> pa.Table:
    """Rows of what was read. scan: the table that the results' rows count in; the results are spent afterwards."""
    read = item_classification.classified(
        results.table(scan, about), description.options, description.of_content, description.doubtful
    )
    return table_profiles.with_profiles(read, description.profiles)


def build(
    read: pa.Table,
    about: manifest_rows.SharedColumns,
    past: PreviousState,
    description: Description,
    retire: ItemRetirement | None,
) -> pa.Table:
    """The new manifest. read: rows of what was read."""
    import pyarrow.compute as pc

    table = past.beside(read, about)
    if description.anew:
        description.doubtful.clear()  # the rows of what was read are among these
        table = item_classification.classified(table, description.options, description.of_content, description.doubtful)
    if retire is None:
        return table
    goes = retire.goes(table)
    return table.filter(pc.invert(goes)) if pc.any(goes).as_py() else table


class ManifestWriter:
    """Stores a manifest and the list of the packs that its snapshot needs: `write`, then `finish`.

    chunks: that column of the manifest; its packs are stored.
    """

    def __init__(self, session: Session, chunks: pa.ChunkedArray) -> None:
        self._session = session
        self._meta = session.meta_writer()
        self._before = session.new_rows().num_rows  # a long manifest fills packs while it is being written
        self.index = session.index.with_rows([session.new_rows(), session.avoided_rows])  # the first place of a chunk counts
        self.needed, self.whole = needed_packs(chunks, self.index)
        """The packs of the snapshot, complete after `finish`; and whether every chunk lies in one."""

    def write(self, encoded: Buffer, rows: int) -> Tree:
        """The bytes of a manifest of so many rows."""
        root = self._meta.write(encoded, finer=manifest.finer(rows))
        self.needed |= self._meta.leaned_on
        self._meta.leaned_on.clear()
        return root

    def finish(self, heads: Sequence[Record]) -> tuple[Tree, tuple[bytes, ...]]:
        """The root of the list of packs, and those packs that came to be meanwhile. heads: the snapshots that it follows."""
        session, writer = self._session, self._meta
        session.packs.drain()
        if session.new_rows().num_rows - self._before > MOST_OWN:  # a record has little room; the list has as much as it needs
            writer.flush()
            session.packs.drain()
            self.needed |= self._news()
            self._before = session.new_rows().num_rows
        listed = "".join(f"{pack.hex()}\n" for pack in sorted(self.needed)).encode()
        packs = writer.write(listed)
        writer.flush()
        session.packs.drain()
        own = {*self._news(), *writer.leaned_on}
        session.look_for(frozenset(self.needed | writer.leaned_on), heads)
        self.needed |= own
        self.index = self.index.with_rows([session.new_rows()])
        return packs, tuple(sorted(own))

    def _news(self) -> set[bytes]:
        """The packs that were stored since the last look."""
        return set(self._session.new_rows().slice(self._before)["pack"].unique().to_pylist())


def needed_packs(chunks: pa.ChunkedArray, index: ChunkIndex) -> tuple[set[bytes], bool]:
    """The packs that hold the content of a manifest's items, dictionaries included; and whether that is all of it. chunks:
    that column of the manifest."""
    import pyarrow.compute as pc

    ids = chunks.combine_chunks().flatten().field("id").drop_null()
    places = pc.index_in(ids, value_set=index.table["chunk"].combine_chunks())
    used = pc.unique(places).drop_null()
    taught = index.locate(pc.unique(index.table["dictionary"].take(used)).drop_null())
    packs = {*pc.unique(index.table["pack"].take(used)).to_pylist(), *pc.unique(taught["pack"]).to_pylist()} - {None}
    return packs, not places.null_count and not taught["pack"].null_count
