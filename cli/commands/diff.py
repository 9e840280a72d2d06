"""`strongroom diff PROJECT --since TIME [--until TIME | --live]`: what differs between two moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import colour, output, progress
from cli.option_groups import AccessOptions, ItemOptions, grouped
from cli.options import (
    MOMENT,
    TABLES,
    Header,
    Json,
    Patterns,
    Quiet,
    Source,
)
from cli.record_output import change_text
from strongroom import time_parsing
from strongroom.diff import MOST_TABLES, DiffOptions, RowOptions, compare
from vault import wording
from vault.errors import UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from restore.history.diff import Difference
    from restore.history.row_diff import ItemDifference
    from restore.history.table_diff import Cell, TableDifference

SIGNS = {"created": "+", "changed": "~", "attributes changed": "a", "deleted": "-"}
SIGN_STYLES = {"+": colour.Style.ADDED, "-": colour.Style.REMOVED}


@grouped
def diff(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    *,
    items: ItemOptions,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="The first moment, or a snapshot's id.", rich_help_panel=MOMENT)
    ] = "",
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="The second one. Default: now.", rich_help_panel=MOMENT)
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Compare with the source's folder as it is now.", rich_help_panel=MOMENT)
    ] = False,
    rows: Annotated[
        bool, typer.Option("--rows", help="Of changed tables, also rows and cells.", rich_help_panel=TABLES)
    ] = False,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="COLUMN", help="Tells rows apart; may be given again.", rich_help_panel=TABLES),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many items.")] = 1000,
    header: Header = None,
    tables: Annotated[
        int, typer.Option("--max-tables", min=1, help="Compare the rows of at most so many tables.", rich_help_panel=TABLES)
    ] = MOST_TABLES,
    source: Source = None,
    access: AccessOptions,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """What was created, changed and deleted between two moments, or between a moment and the live folder."""
    if not since:
        raise UsageError(
            "missing first moment: use --since TIME",
            hint="name the first moment with --since, the second one with --until or --live",
        )
    if live and until is not None:
        raise UsageError("--until and --live exclude each other", hint="leave one of them out")
    options = items.selection(patterns, source)
    by_row = RowOptions(tuple(key or ()), tables, header) if rows or key else None
    with access.opened_to_look() as context:
        own = context.project(project)
        query = options.query(context, own)
        zone = context.zone(project)
        first, second = time_parsing.parse(since, own, zone), time_parsing.parse(until, own, zone)
        with progress.shown(quiet=quiet, as_json=as_json, project=project) as listener:
            found = compare(context, own, query, DiffOptions(first, second, live, by_row, listener))
    if as_json:
        output.document("diff/1", found.as_json(limit))
    else:
        _show(found.items, limit)
        for item in found.rows.items if found.rows else ():
            _show_rows(item)
    output.more(found.total - limit, "item")
    if found.rows:
        output.more(found.rows.total - len(found.rows.items), "table")
    output.finish(found.problems)


def _show(difference: Difference, limit: int) -> None:
    for row in difference.table.slice(0, limit).to_pylist():
        sizes = [wording.size(row[name]) for name in ("before_size", "after_size") if row[name] is not None]
        change = " -> ".join(dict.fromkeys(sizes))
        sign = SIGNS[row["what"]]
        output.result(
            f"{sign} {change:>24}  {printable(row['path'])}", paint=(sign, SIGN_STYLES.get(sign, colour.Style.CHANGED))
        )
    counts = difference.counts()
    output.result(", ".join(f"{number} {what}" for what, number in counts.items()))


def _show_rows(item: ItemDifference) -> None:
    output.result(f"\n{printable(item.path)}")
    for table in item.tables:
        _show_table(table)


def _cell_lines(cell: Cell) -> list[str]:
    """What changed in a cell: of lists and objects field by field."""
    if not cell.is_nested:
        return [f"{cell.column}: {cell.before!r} -> {cell.after!r}"]
    return [change_text(one) for one in cell.fields()]


def _show_table(table: TableDifference) -> None:
    name = f"{table.name}: " if table.name else ""
    output.result(
        f"  {name}{counted(table.rows_before, 'row')} -> {counted(table.rows_after, 'row')}: "
        f"{table.added} added, {table.removed} removed, {table.changed_rows} changed "
        f"({counted(table.changed_cells, 'cell')})"
    )
    if not table.compared:
        output.result("  too long to be compared row by row")
    for sign, names in (("+", table.columns_added), ("-", table.columns_removed)):
        for column in names:
            output.result(f"  {sign} column {column!r}", paint=(f"  {sign}", SIGN_STYLES[sign]))
    for cell in table.cells:
        where = f"row {cell.row}" + (f" ({', '.join(table.keys)} {cell.key})" if table.keys else "")
        for text in _cell_lines(cell):
            output.result(f"  ~ {where}, {text}", paint=("  ~", colour.Style.CHANGED))
    for sign, rows in (("+", table.added_rows), ("-", table.removed_rows)):
        for number, row in rows:
            output.result(f"  {sign} row {number}: {', '.join(map(str, row))}", paint=(f"  {sign}", SIGN_STYLES[sign]))
    hidden = table.changed_cells - len(table.cells)
    if hidden > 0:
        output.result(f"  … and {counted(hidden, 'cell')} more")
