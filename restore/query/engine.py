"""A question from its text to its answer.

the tables that it names -> their columns by a few files -> the files that it can need (pruning) -> the columns of these
-> asked; where a cell is none of its column's type, asked anew with that column as text
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from restore.execution.row_view import taken
from restore.fsspec.file_contents import FileContents
from restore.query.columns import JSON, NOT_OF_ITS_TYPE, Shape, shape, shown
from restore.query.database import Database
from restore.query.duckdb_files import QueryFiles
from restore.query.partition_pruning import files_needed
from restore.query.sheet_files import SheetFiles, SheetQuery, with_sheets, workbooks
from restore.query.sql_quoting import quoted, text
from restore.query.table_names import QueryTable, find_tables
from restore.selection.select import Selection
from restore.tables.readers.csv_header import NO_HEADER, Headers
from vault.errors import NothingFound, UsageError
from vault.problems import Problem
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MOST_FILES = 200_000
BATCH_ROWS = 8192
JSON_LOOKED_AT = 64 * 1024 * 1024
"""Content of JSON files that is read for its columns before the question is asked."""

SHOWN = 40
"""Characters of a cell in a notice."""


Taken: TypeAlias = "Callable[[pa.Schema, Callable[[], Iterator[pa.RecordBatch]]], None]"
"""What becomes of an answer: called once more, from the start, when the question had to be asked anew."""


class TableSummary(Struct, frozen=True):
    """What `--tables` says of one. period: the first start and the last end, None where no file has one."""

    view: QueryTable
    columns: tuple[tuple[str, str], ...]
    files: int
    bytes: int
    period: tuple[Any, Any] | None


class QueryEngine:
    """Questions to the items of a selection. `close` it."""

    def __init__(
        self,
        selection: Selection,
        zone: ZoneInfo,
        tell: Callable[[str], None],
        headers: Headers | None = None,
        sheets: SheetQuery | None = None,
    ) -> None:
        """sheets: of workbooks and SQLite files, which are left out where none is asked for."""
        self._items, of_rows = with_sheets(selection.table, sheets.sheets if sheets is not None else ())
        self._contents = FileContents(selection.project, selection.index, self._items)
        self.sheets = SheetFiles(self._items, self._contents, of_rows, sheets.scratch if sheets is not None else None)
        self.left_out = 0 if sheets is not None else len(workbooks(selection.table))
        taken = {record.source: record.taken_at for record in selection.records}
        self._server = QueryFiles(self._items, self._contents, taken, zone, headers, self.sheets)
        self._tell = tell
        self._texts: dict[str, set[str]] = {}
        self._reported_cuts: set[str] = set()
        self.views = find_tables(self._items, of_rows)
        if not self.views:
            raise NothingFound(
                "none of these items is a table that can be queried",
                hint="CSV, JSON, JSON Lines and Parquet can; of XLSX, ODS and SQLite the sheet or table named with --sheet",
            )
        if len(self) > MOST_FILES:
            raise UsageError(
                f"a query reads at most {MOST_FILES} files, and these are {len(self)}",
                hint="narrow them with --period, --kind or --path",
            )
        self._database = Database(self._server, zone.key)

    def interrupt(self) -> None:
        """End the question that runs; it raises `UsageError`. May be called from another thread."""
        self._database.interrupt()

    def close(self) -> None:
        """End whatever still runs."""
        self._database.close()

    def __len__(self) -> int:
        """How many files there are."""
        return sum(len(view.rows) for view in self.views)

    @property
    def damage(self) -> Sequence[Problem]:
        """Index segments that could not be used, and workbooks that lack a sheet or are damaged."""
        return (*self._contents.damage, *self.sheets.problems)

    @property
    def opened(self) -> int:
        """How many files have been looked into so far."""
        return len(self._server.opened)

    def tables(self, broken: Callable[[str, UsageError], None] | None = None) -> list[TableSummary]:
        """All tables, with the columns of a few of their files. broken: told of a table whose files cannot be read, which then
        has no columns; None: that is an error."""
        return [self._table(view, broken) for view in self.views]

    def _table(self, view: QueryTable, broken: Callable[[str, UsageError], None] | None) -> TableSummary:
        import pyarrow.compute as pc

        few = self._some(view)
        try:
            found = self._database.do(lambda connection: self._shape(connection, view, few)) if few else Shape(view, ())
        except UsageError as error:
            if broken is None:
                raise
            broken(view.name, error)
            found = Shape(view, ())
        mine = taken(self._items.select(["size", "period_start", "period_end"]), view.rows)
        start, end = pc.min(mine["period_start"]).as_py(), pc.max(mine["period_end"]).as_py()
        return TableSummary(
            view,
            tuple((shown(one.name), one.type) for one in found.columns),
            len(view.rows),
            pc.sum(mine["size"]).as_py() or 0,
            None if start is None else (start, end),
        )

    def ask(self, sql: str, take: Taken) -> None:
        """Ask, and hand the answer over. Raises `UsageError` with DuckDB's words, `Damaged`, `StorageError`."""
        asked = self._database.do(lambda connection: _one_question(connection, sql))
        folded = self._database.do(lambda connection: self._tables_of(connection, asked))
        views = [view for view in self.views if any(name.casefold() in folded for name in view.names)]
        self._prepare(views, asked)
        while True:
            try:
                self._answer(asked, take)
                return
            except UsageError as error:
                self._as_text(str(error), error)
            self._prepare(views, asked)

    def _tables_of(self, connection: DuckDBPyConnection, sql: str) -> set[str]:
        """The tables that a question names; views of an earlier one would be looked into. All of them where DuckDB cannot tell
        before it knows their columns (USING, NATURAL JOIN)."""
        import duckdb

        for name in (name for view in self.views for name in view.names):
            connection.execute(f"DROP VIEW IF EXISTS {quoted(name)}")
        try:
            return {name.casefold() for name in connection.get_table_names(sql)}
        except duckdb.BinderException:
            return {name.casefold() for view in self.views for name in view.names if name.casefold() in sql.casefold()}

    def _prepare(self, views: Sequence[QueryTable], sql: str) -> None:
        """Make the views that the question needs, over the files that it can need."""
        few = [self._some(view) for view in views]
        kept = self._database.do(lambda connection: self._needed(connection, views, few, sql))
        # here, not in the database's thread: Ctrl-C is heard between two workbooks
        ready = [self.sheets.readable(rows) or some[:1] for rows, some in zip(kept, few, strict=True)]
        self._database.do(lambda connection: self._make(connection, views, ready))

    def _some(self, view: QueryTable) -> list[int]:
        """A few files that can be read, whose columns are looked at first; of workbooks the first one that has the sheet, where
        those few do not."""
        few = self.sheets.readable(_few(view.rows))
        return few or next(([row] for row in view.rows if self.sheets.readable([row])), [])

    def _needed(
        self, connection: DuckDBPyConnection, views: Sequence[QueryTable], few: Sequence[Sequence[int]], sql: str
    ) -> list[list[int]]:
        """The files that a question can need, for each table. Raises `NothingFound` for a table without any."""
        import duckdb

        for view, some in zip(views, few, strict=True):
            if not some:
                raise NothingFound(f"no file of table {view.name} can be queried: {self.sheets.why(view.rows)}")
        try:
            shapes = [self._shape(connection, view, some) for view, some in zip(views, few, strict=True)]
            return files_needed(connection, self._server, shapes, sql)
        except duckdb.BinderException:  # perhaps a column that the first look did not meet
            return [list(view.rows) for view in views]

    def _make(self, connection: DuckDBPyConnection, views: Sequence[QueryTable], ready: Sequence[list[int]]) -> None:
        for view, some in zip(views, ready, strict=True):
            looked_at = self._looked_at(view, some)
            self._contents.expect(looked_at if view.stored != "parquet" else ())
            found = self._shape(connection, view, looked_at)
            connection.execute(found.create(self._server, some))
            self._tell_cut_times(connection, view, _few(some))
            self._tell_headers(view, some)
        self._contents.expect(
            [row for view, rows in zip(views, ready, strict=True) if view.stored != "parquet" for row in rows]
        )

    def _tell_headers(self, view: QueryTable, rows: Sequence[int]) -> None:
        """Say of how many files the first row was taken for data."""
        if view.format in ("csv", "tsv"):
            heads = self._server.by_head(rows, "\t" if view.format == "tsv" else None)
            count = sum(len(some) for head, some in heads.items() if head.guessed)
            if count:
                self._tell(f"{counted(count, 'file')} of {view.name}: {NO_HEADER}")

    def _tell_cut_times(self, connection: DuckDBPyConnection, view: QueryTable, rows: Sequence[int]) -> None:
        """Say which columns have times that a question sees to the microsecond, where a restore may give them finer."""
        if view.format != "parquet" or view.name in self._reported_cuts:
            return
        self._reported_cuts.add(view.name)
        names = ", ".join(map(text, self._server.names(rows)))
        asked = f"SELECT DISTINCT name FROM parquet_schema([{names}]) WHERE type = 'INT96' ORDER BY name"  # noqa: S608 (quoted)
        for (column,) in connection.execute(asked).fetchall():
            self._tell(f"the times of {column} in {view.name} are INT96: they are seen to the microsecond")

    def _looked_at(self, view: QueryTable, rows: list[int]) -> list[int]:
        """The files that tell the columns: all, or, where the columns of JSON would cost a reading of too much, some."""
        if view.format not in JSON:
            return rows
        size = sum(taken(self._items.select(["size"]), rows)["size"].to_pylist())
        step = -(-size // JSON_LOOKED_AT)
        if step > 1 and len(rows) > 1:
            some = sorted({*rows[::step], rows[-1]})
            self._tell(f"the columns of {view.name} are those of {len(some)} of its {len(rows)} files")
            return some
        return rows

    def _shape(self, connection: DuckDBPyConnection, view: QueryTable, rows: Sequence[int]) -> Shape:
        return shape(connection, self._server, view, rows, self._texts.get(view.name, frozenset()))

    def _answer(self, sql: str, take: Taken) -> None:
        def begin(connection: DuckDBPyConnection) -> Any:  # noqa: ANN401 (pyarrow has no types)
            return connection.sql(sql).to_arrow_reader(BATCH_ROWS)

        def read(reader: Any) -> Iterator[pa.RecordBatch]:  # noqa: ANN401
            while True:
                batch = self._database.do(lambda _: next(reader, None))
                if batch is None:
                    return
                yield batch

        waiting = [self._database.do(begin)]  # the first reading is the one that told the schema
        take(waiting[0].schema, lambda: read(waiting.pop() if waiting else self._database.do(begin)))

    def _as_text(self, message: str, error: UsageError) -> None:
        """Remember the column whose cell was none of its type. Raises the error where it says something else."""
        _, found, rest = message.partition(NOT_OF_ITS_TYPE)
        if not found:
            raise error
        (name, column), end = json.JSONDecoder().raw_decode(rest)
        self._texts.setdefault(name, set()).add(column)
        self._tell(f"column {column} of {name} is read as text: one of its cells is {rest[end : end + SHOWN]!r}")


def _one_question(connection: DuckDBPyConnection, sql: str) -> str:
    """The text of the one SELECT. Raises `UsageError` for anything else."""
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError("expected one query that begins with SELECT (or WITH, FROM, …)")
    query: str = statements[0].query
    return query


def _few(rows: Sequence[int]) -> list[int]:
    """The first, one between, the last: whose columns are looked at before it is known which files are needed."""
    return [rows[place] for place in sorted({0, len(rows) // 2, len(rows) - 1})]
