"""Record tables in the store: read in place of the records that they hold.

They are derived from records: nothing is lost with one that is missing or damaged, which `check` names and a prune takes away.
What they say counts only of records that the store lists, or that a table covers (see `listed_range`). Who joins tables writes
the new one before the old ones are deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from vault.errors import Damaged, ObjectNotFound
from vault.format import record_table, strict_json
from vault.format.chunks import ID_SIZE
from vault.format.record_table import Coverage, Row
from vault.format.snapshot_record import StoredRecord
from vault.problems import Problem
from vault.repository.project import Project
from vault.threads import parallel_map

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 4

ASKED = 3
"""How often the tables are listed where one is gone that a listing named: it was joined with others meanwhile."""


class StoredTable:
    """name: in the store · plain: its bytes · columns: what it holds, without the records · covers: what it says that it
    does."""

    def __init__(self, name: str, plain: bytearray, columns: pa.Table, covers: Coverage | None) -> None:
        self.name = name
        self.plain = plain
        self.columns = columns
        self.covers = covers
        self._rows: list[Row] | None = None

    @property
    def rows(self) -> list[Row]:
        """The same, one by one: of two years there are 17,520, and a restore needs one."""
        if self._rows is None:
            self._rows = record_table.rows_of(self.columns)
        return self._rows

    @property
    def id(self) -> bytes:
        """In its name."""
        return bytes.fromhex(self.name.rpartition("/")[2])


class RecordTables:
    """Tables that were read, and `damaged`: those that cannot be used. Of several rows of one snapshot any counts: they say the
    same."""

    def __init__(self, tables: Iterable[StoredTable], damaged: Iterable[Problem] = ()) -> None:
        self.tables = list(tables)
        self.damaged = list(damaged)
        self._columns: pa.Table | None = None

    @property
    def columns(self) -> pa.Table:
        """What all tables hold without the records, each snapshot once."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._columns is None:
            found = pa.concat_tables([record_table.no_rows(), *(table.columns for table in self.tables)])
            different = pc.unique(found["id"])
            if len(different) < len(found):
                found = found.take(pc.index_in(different, value_set=found["id"].combine_chunks()))
            self._columns = found
        return self._columns

    @property
    def ids(self) -> Collection[str]:
        """Of all snapshots, and records of moved packs, that are in tables."""
        return frozenset(self.columns["id"].to_pylist())

    @property
    def coverage(self) -> Coverage | None:
        """Of what tables say that they cover, what reaches furthest; it counts only where each table is there that it names."""
        there = {table.id for table in self.tables}
        found = [table.covers for table in self.tables if table.covers is not None and there.issuperset(table.covers.tables)]
        return max(found, default=None)

    def rows(self) -> Iterable[Row]:
        """All rows, a snapshot once for each table that has it."""
        return (row for table in self.tables for row in table.rows)

    def read(self, wanted: Iterable[str]) -> dict[str, StoredRecord]:
        """The records of these ids that are in tables and can be read."""
        found: dict[str, StoredRecord] = {}
        for table, numbers in self._by_table(wanted):
            try:
                texts = record_table.texts(table.plain, numbers)
                for row, text in zip(record_table.rows_of(table.columns.take(list(texts))), texts.values(), strict=True):
                    found[row.id] = record_table.record(row, text)
            except Damaged:
                continue  # the records themselves are read instead
        return found

    def _by_table(self, wanted: Iterable[str]) -> Iterable[tuple[StoredTable, list[int]]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        left = list(wanted)
        for table in self.tables:
            if not left:
                break
            found = pc.index_in(pa.array(left, pa.string()), value_set=table.columns["id"].combine_chunks()).to_pylist()
            left = [one for one, number in zip(left, found, strict=True) if number is None]
            numbers = [number for number in found if number is not None]
            if numbers:
                yield table, numbers


NONE = RecordTables(())


def load(project: Project) -> RecordTables:
    """Every table. One of another version of this program counts as not there. Raises `StorageError`."""
    for left in reversed(range(ASKED)):
        names = sorted(info.name for info in project.store.list(project.folder("records")))
        found = parallel_map(names, lambda name: _read(project, name), most=READERS, name="records")
        if not left or not any(isinstance(one, _Gone) for one in found):
            break
    return RecordTables(
        (one for one in found if isinstance(one, StoredTable)), (one for one in found if isinstance(one, Problem))
    )


def damage(project: Project) -> list[Problem]:
    """The tables that cannot be used, also of their records."""
    tables = load(project)
    bad = []
    for table in tables.tables:
        try:
            for number, text in record_table.texts(table.plain, range(len(table.rows))).items():
                record_table.record(table.rows[number], text)
        except Damaged as error:
            bad.append(_problem(table.name, error))
    return [*tables.damaged, *bad]


class _Gone(NamedTuple):
    """It was listed."""


def _read(project: Project, name: str) -> StoredTable | Problem | _Gone | None:
    def decode(plain: bytearray) -> StoredTable | None:
        columns = record_table.decode(plain, project.capability.record_table_key, table_id)
        return None if columns is None else StoredTable(name, plain, columns, record_table.coverage(plain))

    try:
        table_id = strict_json.from_hex(name.rpartition("/")[2], ID_SIZE, f"the name {name}")
        return project.read_sealed(name, decode)
    except ObjectNotFound:
        return _Gone()
    except Damaged as error:
        return _problem(name, error)


def _problem(name: str, error: Damaged) -> Problem:
    return Problem(
        name.encode(), "damaged-record-table", f"a table of records cannot be used, and `prune` takes it away: {error}"
    )
