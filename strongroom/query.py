"""Questions in SQL to the tables of a project at a moment, without restoring them.

with open_tables(context, project, ItemQuery(at=then)) as tables:
    tables.describe()                                   which tables there are, and their columns
    tables.read("select count(*) from calls")           the answer as an Arrow table
    tables.write_file("from calls", "xlsx", "calls.xlsx")    all of it, in a file
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from strongroom import command_log, notices
from vault.errors import TargetError, UsageError
from vault.storage.fallback import problems_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    import pyarrow as pa

    from restore.query.engine import QueryEngine, TableSummary
    from restore.selection.query import ItemQuery
    from restore.selection.select import Selection
    from restore.tables.loss_report import Loss, LossReport
    from strongroom.command_log import Recording
    from strongroom.context import Context
    from vault.problems import Problem
    from vault.repository.project import Project

MOST_ROWS = 10_000
"""Rows that an answer in memory has, if nothing else is said."""

SEEKING_FORMATS = frozenset({"xlsx", "ods", "sqlite", "parquet", "feather"})
"""Formats whose writers go back in their file, which a pipe does not allow."""

Only: TypeAlias = "Callable[[pa.Table], pa.Table]"
"""Of rows of manifests those that there are for somebody."""


def everything(table: pa.Table) -> pa.Table:
    """All of them."""
    return table


Opening = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens what an answer is written to."""


class TableInfo(Struct, frozen=True):
    """A table that can be asked. names: that a question may use, the shortest first · folder: kind and folders of its files ·
    format: of these · files: their number · bytes: their size · period: what they are about, as `--period` takes it; None where
    no file has one · columns: names and DuckDB's types, by a few files."""

    names: tuple[str, ...]
    folder: str
    format: str
    files: int
    bytes: int
    period: str | None
    columns: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "names": list(self.names),
            "folder": self.folder,
            "format": self.format,
            "files": self.files,
            "bytes": self.bytes,
            "period": self.period,
            "columns": [{"name": name, "type": type_} for name, type_ in self.columns],
        }


class QueryResult(Struct, frozen=True):
    """An answer. rows: an Arrow table · more: there are more rows than were asked for · missing: ids of snapshots that are gone
    though nobody forgot them, so that the answer may be an older one · damage: what could not be read, with the same effect ·
    problems: workbooks that lack the sheet or cannot be read, whose rows are in no table."""

    rows: pa.Table
    more: bool
    missing: tuple[str, ...] = ()
    damage: tuple[Problem, ...] = ()
    problems: tuple[Problem, ...] = ()

    def cells(self) -> list[tuple[Any, ...]]:
        """The rows as Python has their values."""
        return list(zip(*(column.to_pylist() for column in self.rows.columns), strict=True))

    def as_json(self) -> dict[str, Any]:
        """For `--json`: numbers and texts as they are, all else as text."""
        columns = [{"name": field.name, "type": str(field.type)} for field in self.rows.schema]
        rows = [[_plain(cell) for cell in row] for row in self.cells()]
        listed = [one.as_json() for one in self.problems]
        found = {"columns": columns, "rows": rows, "more": self.more, "missing_snapshots": list(self.missing)}
        return found | {"problem_list": listed} | ({"problems": listed} if listed else {})


class ProjectTables(Struct, frozen=True):
    """The tables among the items of a selection. selection: these items · zone: of periods and times · missing: as for
    `QueryResult`. Made by `open_tables`."""

    selection: Selection
    zone: ZoneInfo
    missing: tuple[str, ...]
    _engine: QueryEngine
    _entry: Recording
    _questions: list[str]

    @property
    def files(self) -> int:
        """How many files the tables have."""
        return len(self._engine)

    @property
    def files_opened(self) -> int:
        """How many of them were looked into so far."""
        return self._engine.opened

    @property
    def files_left_out(self) -> int:
        """How many files have sheets of which none was named."""
        return self._engine.left_out

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be read: of the snapshot, and workbooks that lack the sheet or are damaged; and what was read from
        copies."""
        return tuple(dict.fromkeys((*self.selection.damage, *self._engine.damage, *self._fallbacks())))

    def _fallbacks(self) -> list[Problem]:
        project = self.selection.project
        return problems_of(project.store, project.id)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the sheets lost by becoming tables."""
        return tuple(self._engine.sheets.losses.all())

    def describe(self, broken: Callable[[str, UsageError], None] | None = None) -> list[TableInfo]:
        """All tables. broken: told of each whose files cannot be read, which then has no columns; None: that is an error.
        Raises `UsageError`, `Damaged`, `StorageError`."""
        self._begin("(which tables there are)")
        return [self._info(one) for one in self._engine.tables(broken)]

    def _info(self, one: TableSummary) -> TableInfo:
        from classify import period_grammar
        from classify.period import Period

        period = None if one.period is None else period_grammar.written(Period.between(*one.period), self.zone)
        return TableInfo(one.view.names, one.view.folder, one.view.format, one.files, one.bytes, period, one.columns)

    def interrupt(self) -> None:
        """End the question that runs; it raises `UsageError`. May be called from another thread."""
        self._engine.interrupt()

    def read(self, sql: str, *, most: int = MOST_ROWS) -> QueryResult:
        """The answer to one SELECT. most: rows. Raises `UsageError` with DuckDB's words, `Damaged`, `StorageError`."""
        import pyarrow as pa

        answers: list[pa.Table] = []
        self._begin(sql)

        def take(schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
            answers.append(pa.Table.from_batches(_first(read(), most + 1), schema))

        self._engine.ask(sql, take)
        rows = answers[-1]
        return QueryResult(
            rows.slice(0, most),
            rows.num_rows > most,
            self.missing,
            self.selection.damage,
            (*self._engine.damage, *self._fallbacks()),
        )

    def write(self, sql: str, format_: str, opening: Opening, *, again: bool, for_people: bool = False) -> tuple[Loss, ...]:
        """All rows of an answer, as a file of a format. again: whether a second opening begins the file anew, as it must where
        a cell turns out to be none of its column's type · for_people: as a spreadsheet may have it, without formulas. Gives
        what the format cannot hold.

        Raises `UsageError`, also for a format that there is not, `Damaged`, `StorageError`, and what the opening raises.
        """
        from restore.tables.formats import FORMATS
        from restore.tables.loss_report import LossReport
        from restore.tables.readers.arrow_source import ArrowTable
        from restore.tables.registry import write_tables
        from restore.tables.write_options import Audience, WriteOptions

        if format_ not in FORMATS:
            raise UsageError(f"unknown format {format_!r}", hint=f"known formats: {', '.join(FORMATS)}")
        options = WriteOptions(Audience.PEOPLE, self.zone.key) if for_people else WriteOptions()
        reports: list[LossReport] = []
        self._begin(sql)

        def take(schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
            if reports and not again:
                raise UsageError(
                    "a value does not have its column's type, and part of the output is written already",
                    hint="name a file with --to",
                )
            reports.append(LossReport())
            with opening() as out:
                table = ArrowTable("answer", schema, read, reports[-1])
                write_tables([table], format_, out, options, reports[-1])

        self._engine.ask(sql, take)
        return tuple(reports[-1].all())

    def _begin(self, question: str) -> None:
        """For the log, before anything is read."""
        self._questions.append(question)
        self._entry.note(questions=self._questions)
        self._entry.begin()

    def write_file(self, sql: str, format_: str, path: Path | str) -> tuple[Loss, ...]:
        """All rows of an answer, in a file that has its name when it is whole. Raises as `write`, and `TargetError`."""
        return self.write(sql, format_, lambda: _whole_file(path), again=True)


@contextmanager
def open_tables(
    context: Context,
    project: Project,
    query: ItemQuery,
    *,
    header: bool | None = None,
    sheets: Sequence[str] = (),
    only: Only = everything,
) -> Iterator[ProjectTables]:
    """The tables among the items that a query means, open for questions until the block ends. header: whether the first row of
    a CSV names its columns; None: what the settings say, else what it looks like · sheets: names or places of sheets of
    workbooks, or of tables of SQLite files; none of these files is a table without · only: which of the items there are for
    whoever asks.

    What files had to be taken for is said as notices, and which snapshots are gone, as warnings. Raises `NothingFound`,
    `UsageError` where DuckDB is not installed, `KeyRefused` without a key that reads content, `Damaged`, `StorageError`.
    """
    with command_log.recorded(context, "query", [project], _asked(query, sheets)) as entry:
        project.capability.reading()
        with _opened(context, project, query, sheets, header=header, only=only) as (selection, missing, engine):
            yield ProjectTables(selection, context.zone(project.name), missing, engine, entry, [])
            entry.count(files_opened=engine.opened)
            entry.problems(len({*selection.damage, *engine.damage}))


@contextmanager
def _opened(
    context: Context, project: Project, query: ItemQuery, sheets: Sequence[str], *, header: bool | None, only: Only
) -> Iterator[tuple[Selection, tuple[str, ...], QueryEngine]]:
    from restore.outputs.scratch_dir import scratch_dir
    from restore.selection.select import select
    from strongroom.sources import headers_of

    missing = tuple(context.gone_as_reader(project))
    selection = select(project, query)
    selection = replace(selection, table=only(selection.table))
    headers = headers_of(context.settings, project.name, header)
    with ExitStack() as stack:
        try:
            from restore.query.engine import QueryEngine
            from restore.query.sheet_files import SheetQuery

            chosen = SheetQuery(tuple(sheets), stack.enter_context(scratch_dir())) if sheets else None
            engine = QueryEngine(selection, context.zone(project.name), notices.notice, headers, chosen)
        except ModuleNotFoundError as error:
            raise UsageError(f"{error.name} is not installed", hint="pip install 'strongroom[query]'") from error
        stack.enter_context(closing(engine))
        yield selection, missing, engine


def _asked(query: ItemQuery, sheets: Sequence[str]) -> dict[str, object]:
    """For the log."""
    parts = ("patterns", "at", "deleted", "source", "kinds", "formats", "periods", "overlapping")
    return {name: getattr(query, name) for name in parts} | {"sheets": list(sheets)}


def query(context: Context, project: Project, sql: str, items: ItemQuery, *, most: int = MOST_ROWS) -> QueryResult:
    """One question to the tables among some items of a project. most: rows of the answer. Raises as `open_tables` and
    `ProjectTables.read`."""
    with open_tables(context, project, items) as tables:
        return tables.read(sql, most=most)


def _first(batches: Iterator[pa.RecordBatch], most: int) -> Iterator[pa.RecordBatch]:
    """So many rows, and no more than is read anyway."""
    for batch in batches:
        yield batch.slice(0, most)
        most -= batch.num_rows
        if most <= 0:
            return


def _plain(cell: Any) -> Any:  # noqa: ANN401 (a cell of any type)
    """As JSON has it."""
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, float):
        return cell if cell == cell and abs(cell) != float("inf") else str(cell)
    if isinstance(cell, dict):
        return {str(key): _plain(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell]
    if isinstance(cell, bytes):
        return cell.hex()
    return cell.isoformat() if isinstance(cell, date) else str(cell)


@contextmanager
def _whole_file(path: Path | str) -> Iterator[BinaryIO]:
    """A file that gets its name when it is whole. Raises `TargetError`."""
    whole = Path(path).expanduser()
    part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as out:
            yield out
        part.replace(whole)
    except OSError as error:
        raise TargetError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
