"""`strongroom query PROJECT SQL`: questions to a past moment, without restoring it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from cli import output, progress
from cli.option_groups import AccessOptions, PastItemOptions, grouped
from cli.options import (
    DESTINATION,
    TABLES,
    Header,
    Json,
    Quiet,
    Sheets,
    Source,
)
from strongroom.query import MOST_ROWS, SEEKING_FORMATS, ProjectTables, QueryResult, open_tables
from strongroom.selection import notice_beyond, warn_of_inconsistent
from vault import wording
from vault.errors import UsageError
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.tables.loss_report import Loss

ROWS_SHOWN = 100
LONGEST_CELL = 80


@grouped
def query(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; the tables are named by their folders.")] = "",
    *,
    tables: Annotated[bool, typer.Option("--tables", help="The tables there are: columns, files, periods.")] = False,
    target: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help="All rows as csv, xlsx, jsonl, json, parquet, feather, ods, sqlite, html.",
            rich_help_panel=TABLES,
        ),
    ] = "",
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="FILE", help="With --as: the file to write. Default: stdout.", rich_help_panel=DESTINATION
        ),
    ] = "",
    items: PastItemOptions,
    header: Header = None,
    sheets: Sheets = None,
    source: Source = None,
    access: AccessOptions,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Ask CSV, JSON, JSON Lines and Parquet files of any moment a question in SQL (DuckDB's), without restoring them.

    Workbooks (XLSX, ODS) and SQLite files are asked where --sheet names one of their sheets or tables. Each folder is a table;
    every table also has the columns path, period, period_start, period_end and snapshot_time. A condition on these leaves files
    out before they are read.
    """
    _refuse_nonsense(sql, tables=tables, target=target, to=to, as_json=as_json)
    options = items.selection(None, source)
    with access.opened_to_read() as context:
        own = context.project(project)
        with open_tables(context, own, options.query(context, own), header=header, sheets=sheets or ()) as found:
            notice_beyond(found.selection, items.periods)
            warn_of_inconsistent(found.selection.table)
            if tables:
                _show_tables(found, as_json=as_json)
            elif target:
                _write(found, sql, target, to)
            elif as_json:
                output.document("query/1", _read(found, sql, MOST_ROWS, quiet=quiet, as_json=True).as_json())
            else:
                _show(_read(found, sql, ROWS_SHOWN, quiet=quiet, as_json=False))
            if not quiet and not tables:
                output.notice(f"{counted(found.files_opened, 'file')} of {found.files} looked into")
            _show_losses(found.losses)
            problems = found.problems
    output.finish(problems)


def _read(tables: ProjectTables, sql: str, most: int, *, quiet: bool, as_json: bool) -> QueryResult:
    with progress.phase("reading", project=tables.selection.project.name, quiet=quiet, as_json=as_json):
        return tables.read(sql, most=most)


def _refuse_nonsense(sql: str, *, tables: bool, target: str, to: str, as_json: bool) -> None:
    from restore.tables.formats import FORMATS

    if bool(sql) == tables:
        raise UsageError(
            "missing query: give SQL or --tables, not both", hint="strongroom query PROJECT 'select count(*) from calls'"
        )
    if target and target not in FORMATS:
        raise UsageError(f"unknown format {target!r} of --as", hint=f"known formats: {', '.join(FORMATS)}")
    if to and not target:
        raise UsageError("--to needs --as", hint="add --as csv, or another")
    if target in SEEKING_FORMATS and not to:
        raise UsageError(f"{target} cannot be written to stdout", hint="name a file with --to")
    if target and (tables or as_json):
        raise UsageError("--as excludes --tables and --json", hint="leave --as out, or the others")


def _show_tables(tables: ProjectTables, *, as_json: bool) -> None:
    found = tables.describe()
    if as_json:
        output.document("query-tables/1", {"tables": [one.as_json() for one in found]})
        return
    for one in found:
        files, period = f"{counted(one.files, 'file')} {one.format}", one.period or "no period"
        output.result(f"{' = '.join(one.names)}: {files}, {wording.size(one.bytes)}, {period}")
        for name, type_ in one.columns:
            output.result(f"    {name}  {type_}")
    output.notice("every table also has path, period, period_start, period_end, snapshot_time")
    if tables.files_left_out:
        count = counted(tables.files_left_out, "file")
        output.notice(f"{count} with sheets (XLSX, ODS, SQLite) are not among them: name a sheet or table with --sheet")


def _show(answer: QueryResult) -> None:
    """The rows, aligned."""
    cells = answer.cells()
    numbers = [column for column, field in enumerate(answer.rows.schema) if _is_number(field)]
    output.table([[_cell(cell) for cell in row] for row in cells], answer.rows.schema.names, right=numbers)
    if answer.more:
        output.notice(f"only the first {ROWS_SHOWN} rows are shown; all of them with --as csv, or another format")
    else:
        output.notice(counted(len(cells), "row"))


def _is_number(field: pa.Field) -> bool:
    import pyarrow as pa

    return any(is_(field.type) for is_ in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal))


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    text = cell.isoformat(" ") if isinstance(cell, datetime) else str(cell)
    plain = "".join(char if char.isprintable() else " " for char in text)
    return plain if len(plain) <= LONGEST_CELL else f"{plain[: LONGEST_CELL - 1]}…"


def _write(tables: ProjectTables, sql: str, target: str, to: str) -> None:
    """All rows, in a file that has its name when it is whole, or on stdout."""
    _show_losses(tables.write_file(sql, target, to) if to else tables.write(sql, target, _standard_output, again=False))
    if to:
        output.result(f"written: {to}")


def _show_losses(losses: Iterable[Loss]) -> None:
    for loss in losses:
        output.notice(f"lost: {counted(loss.cells, 'cell')} of {loss.column}: {loss.what}")


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    with output.standard_output():
        yield sys.stdout.buffer
