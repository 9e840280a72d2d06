"""`strongroom query PROJECT SQL`: questions to a past moment, without restoring it."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO
from zoneinfo import ZoneInfo

import typer

from classify import period_grammar
from classify.period import Period
from cli import output
from cli.options import (
    At,
    Before,
    Config,
    Deleted,
    Formats,
    Header,
    Identity,
    Json,
    Kinds,
    Overlapping,
    Paths,
    Periods,
    Quiet,
    Repository,
    Sheets,
    Source,
)
from cli.selection_options import SelectionOptions, tell_beyond, tell_consistency
from strongroom import context
from vault import wording
from vault.errors import TargetError, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.query.engine import QueryEngine, TableSummary
    from restore.selection.select import Selection
    from restore.tables.loss_report import LossReport
    from restore.tables.readers.csv_header import Headers

DONE_WITH_PROBLEMS = 3
ROWS_SHOWN, ROWS_IN_JSON = 100, 10_000
LONGEST_CELL = 80
SEEKING = ("xlsx", "ods", "sqlite", "parquet", "feather")
"""Formats whose writers go back in their file."""


def query(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; the tables are named by their folders.")] = "",
    tables: Annotated[bool, typer.Option("--tables", help="The tables there are: columns, files, periods.")] = False,
    target: Annotated[
        str,
        typer.Option("--as", metavar="FORMAT", help="All rows as csv, xlsx, jsonl, json, parquet, feather, ods, sqlite, html."),
    ] = "",
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="Where to with --as; stdout if nothing is said.")] = "",
    paths: Paths = None,
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    at: At = None,
    before: Before = None,
    deleted: Deleted = False,
    header: Header = None,
    sheets: Sheets = None,
    source: Source = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ask CSV, JSON, JSON Lines and Parquet files of any moment a question in SQL (DuckDB's), without restoring them.

    Workbooks (XLSX, ODS) and SQLite files are asked where --sheet names one of their sheets or tables. Each folder is a table;
    every table also has the columns path, period, period_start, period_end and snapshot_time. A condition on these leaves files
    out before they are read.
    """
    from restore.selection.select import select
    from strongroom.sources import headers_of

    _refuse_nonsense(sql, tables=tables, target=target, to=to, as_json=as_json)
    asked = SelectionOptions(None, paths, kinds, periods, formats, overlapping, at, deleted, source, before)
    with context.opened(config, identity, address=repository) as place:
        found = place.project(project)
        found.capability.reading()
        missing = place.gone(found)
        selection = select(found, asked.query(place, found))
        tell_beyond(selection, periods)
        tell_consistency(selection.table)
        zone = place.zone(project)
        headers = headers_of(place.settings, found.name, header)
        with _questions(selection, zone, headers, tuple(sheets or ())) as questions:
            if tables:
                _tell_tables(questions, zone, as_json=as_json)
            elif target:
                _write(questions, sql, target, to)
            else:
                show = partial(_document, missing, questions) if as_json else _table
                questions.ask(sql, show)
            if not quiet and not tables:
                output.notice(f"{counted(questions.opened, 'file')} of {len(questions)} looked into")
            problems = [*selection.damage, *questions.sheets.problems]
            _tell_losses(questions.sheets.losses)
    output.problems(problems)
    if problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _refuse_nonsense(sql: str, *, tables: bool, target: str, to: str, as_json: bool) -> None:
    from restore.tables.registry import FORMATS

    if bool(sql) == tables:
        raise UsageError(
            "missing query: give SQL or --tables, not both", hint="strongroom query PROJECT 'select count(*) from calls'"
        )
    if target and target not in FORMATS:
        raise UsageError(f"unknown format {target!r} of --as", hint=f"known formats: {', '.join(FORMATS)}")
    if to and not target:
        raise UsageError("--to needs --as", hint="add --as csv, or another")
    if target in SEEKING and not to:
        raise UsageError(f"{target} cannot be written to stdout", hint="name a file with --to")
    if target and (tables or as_json):
        raise UsageError("--as excludes --tables and --json")


@contextmanager
def _questions(selection: Selection, zone: ZoneInfo, headers: Headers, sheets: tuple[str, ...]) -> Iterator[QueryEngine]:
    from restore.outputs.scratch_dir import scratch_dir

    with ExitStack() as stack:
        try:
            from restore.query.engine import QueryEngine
            from restore.query.sheet_files import SheetQuery

            chosen = SheetQuery(sheets, stack.enter_context(scratch_dir())) if sheets else None
            opened = QueryEngine(selection, zone, output.notice, headers, chosen)
        except ModuleNotFoundError as error:
            raise UsageError(f"{error.name} is not installed", hint="pip install 'strongroom[query]'") from error
        yield stack.enter_context(closing(opened))


def _tell_tables(questions: QueryEngine, zone: ZoneInfo, *, as_json: bool) -> None:
    found = questions.tables()
    if as_json:
        output.document({"tables": [_table_json(one, zone) for one in found]})
        return
    for one in found:
        names = " = ".join(one.view.names)
        output.result(f"{names}: {counted(one.files, 'file')} {one.view.format}, {wording.size(one.bytes)}, {_span(one, zone)}")
        for name, type_ in one.columns:
            output.result(f"    {name}  {type_}")
    output.notice("every table also has path, period, period_start, period_end, snapshot_time")
    if questions.left_out:
        count = counted(questions.left_out, "file")
        output.notice(f"{count} with sheets (XLSX, ODS, SQLite) are not among them: name a sheet or table with --sheet")


def _table_json(one: TableSummary, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "names": list(one.view.names),
        "folder": one.view.folder,
        "format": one.view.format,
        "files": one.files,
        "bytes": one.bytes,
        "period": None if one.period is None else _span(one, zone),
        "columns": [{"name": name, "type": type_} for name, type_ in one.columns],
    }


def _span(one: TableSummary, zone: ZoneInfo) -> str:
    return "no period" if one.period is None else period_grammar.written(Period.between(*one.period), zone)


def _table(schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
    """The first rows, aligned."""
    rows, more = _first(read(), ROWS_SHOWN)
    numbers = [place for place, field in enumerate(schema) if _is_number(field)]
    output.table([[_cell(cell) for cell in row] for row in rows], schema.names, right=numbers)
    if more:
        output.notice(f"only the first {ROWS_SHOWN} rows are shown; all of them with --as csv, or another format")
    else:
        output.notice(counted(len(rows), "row"))


def _document(
    missing: list[str], questions: QueryEngine, schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]
) -> None:
    """The first rows as one JSON document. missing: ids of snapshots that are gone."""
    rows, more = _first(read(), ROWS_IN_JSON)
    columns = [{"name": field.name, "type": str(field.type)} for field in schema]
    cells = [[_json(cell) for cell in row] for row in rows]
    found = {"columns": columns, "rows": cells, "more": more, "missing_snapshots": missing}
    if questions.sheets.problems:
        found["problems"] = [problem.as_json() for problem in questions.sheets.problems]
    output.document(found)


def _first(batches: Iterator[pa.RecordBatch], count: int) -> tuple[list[tuple[Any, ...]], bool]:
    """So many rows, and whether there are more."""
    rows = list(itertools.islice((row for one in batches for row in _rows(one)), count + 1))
    return rows[:count], len(rows) > count


def _rows(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _is_number(field: pa.Field) -> bool:
    import pyarrow as pa

    return any(is_(field.type) for is_ in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal))


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    text = cell.isoformat(" ") if isinstance(cell, datetime) else str(cell)
    plain = "".join(char if char.isprintable() else " " for char in text)
    return plain if len(plain) <= LONGEST_CELL else f"{plain[: LONGEST_CELL - 1]}…"


def _json(cell: Any) -> Any:  # noqa: ANN401 (a cell of any type)
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, float):
        return cell if cell == cell and abs(cell) != float("inf") else str(cell)
    if isinstance(cell, dict):
        return {str(key): _json(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_json(value) for value in cell]
    if isinstance(cell, bytes):
        return cell.hex()
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _write(questions: QueryEngine, sql: str, target: str, to: str) -> None:
    """All rows, in a file that has its name when it is whole, or on stdout."""
    from restore.tables.loss_report import LossReport
    from restore.tables.readers.arrow_source import ArrowTable
    from restore.tables.registry import write_tables
    from restore.tables.write_options import WriteOptions

    found: list[LossReport] = []

    def take(schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        if found and not to:
            raise UsageError("a cell is none of its column's type, and a part is written already", hint="name a file with --to")
        found.append(LossReport())
        with _opened(to) if to else output.standard_output() as out:
            table = ArrowTable("answer", schema, read, found[-1])
            write_tables([table], target, out or sys.stdout.buffer, WriteOptions(), found[-1])

    questions.ask(sql, take)
    _tell_losses(found[-1])
    if to:
        output.result(f"written: {to}")


def _tell_losses(losses: LossReport) -> None:
    for loss in losses.all():
        output.notice(f"lost: {counted(loss.cells, 'cell')} of {loss.column}: {loss.what}")


@contextmanager
def _opened(to: str) -> Iterator[BinaryIO]:
    """A file that gets its name when it is whole. Raises `TargetError`."""
    path = Path(to).expanduser()
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with half.open("xb") as out:
            yield out
        half.replace(path)
    except OSError as error:
        raise TargetError(f"cannot write {to}: {error.strerror}") from error
    finally:
        half.unlink(missing_ok=True)
