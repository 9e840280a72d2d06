"""`strongroom diff PROJECT --from TIME [--to TIME | --live]`: what differs between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.commands.history import DONE_WITH_PROBLEMS, gathered, more, refuse_unknown_source
from cli.options import (
    Config,
    Formats,
    Header,
    Identity,
    Json,
    Kinds,
    Overlapping,
    Paths,
    Patterns,
    Periods,
    Quiet,
    Repository,
    Source,
)
from cli.selection_options import SelectionOptions
from strongroom import context, own_paths, sources, time_parsing
from vault import wording
from vault.errors import NothingFound, SettingsError, UsageError
from vault.problems import Problem, printable
from vault.wording import counted

if TYPE_CHECKING:
    from restore.history.diff import Difference
    from restore.history.row_diff import ItemDifference, RowDifferences
    from restore.history.table_diff import TableDifference
    from restore.history.timeline import Question
    from restore.history.update import History
    from restore.selection.query import ItemQuery
    from strongroom.context import Context
    from vault.backup.run import Source as Folder
    from vault.repository.project import Project

SIGNS = {"created": "+", "changed": "~", "attributes changed": "a", "deleted": "-"}


def diff(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    paths: Paths = None,
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="The first moment, or a snapshot's id.")] = "",
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="The second one. Default: now.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Compare with the source's folder as it is now.")] = False,
    rows: Annotated[bool, typer.Option("--rows", help="Of changed tables, also rows and cells.")] = False,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="COLUMN", help="Tells rows apart; may be given again.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many items.")] = 1000,
    header: Header = None,
    tables: Annotated[int, typer.Option("--tables", min=1, help="Compare the rows of at most so many tables.")] = 20,
    source: Source = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """What was created, changed and deleted between two moments, or between a moment and the live folder."""
    from restore.history.find import ever_matched
    from restore.history.suggestions import nothing_found

    if not since:
        raise UsageError(
            "missing first moment: use --from TIME",
            hint="name the first moment with --from, the second one with --to or --live",
        )
    if live and until is not None:
        raise UsageError("--to and --live exclude each other", hint="leave one of them out")
    silent = quiet or as_json
    asked = SelectionOptions(patterns, paths, kinds, periods, formats, overlapping, source=source)
    with context.opened(config, identity, brief=True, address=repository) as place:
        found = place.project(project)
        if rows or key:
            found.capability.reading()
        query = asked.query(place, found)
        question = _question(place, found, query, since, until)
        known = gathered(place, found, quiet=silent)
        refuse_unknown_source(known, source)
        result = _live(place, known, question) if live else _between(known, question)
        if not result.difference.table.num_rows and not ever_matched(known, question):
            raise nothing_found(known, query)
        compared = _rows(place, known, result, key or [], tables, header) if rows or key else None
    problems = (*known.problems, *result.problems)
    if as_json:
        output.document({"project": project, **_json(result, compared, limit), "damage": [one.as_json() for one in problems]})
    else:
        _tell(result.difference, limit)
        for item in compared.items if compared else ():
            _tell_rows(item)
    more(result.difference.table.num_rows - limit, "item")
    if compared:
        more(compared.total - len(compared.items), "table")
        problems += tuple(item.problem for item in compared.items if item.problem)
    output.problems(problems)
    if problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


@dataclass(frozen=True, slots=True)
class _Result:
    """folders: of the sources that were compared live."""

    difference: Difference
    problems: tuple[Problem, ...]
    folders: dict[str, bytes]


def _question(place: Context, project: Project, query: ItemQuery, since: str, until: str | None) -> Question:
    from restore.history.suggestions import mask_of
    from restore.history.timeline import Question

    zone = place.zone(project.name)
    moments_ = [time_parsing.parse(one, project, zone) for one in (since, until)]
    return Question(mask_of(query), query.source, *moments_)


def _between(known: History, question: Question) -> _Result:
    from restore.history.diff import difference

    return _Result(difference(known, question), (), {})


def _live(place: Context, known: History, question: Question) -> _Result:
    from restore.history.diff import Difference, Sides, united
    from restore.history.live_diff import compared_with_live
    from vault.format.layout import META_TIER
    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import healed

    project = known.project
    index = healed(project, ChunkIndex.load(project, tier=META_TIER))
    reader, found, sides, folders = MetaReader(project, index), [], [], {}
    problems: list[Problem] = list(index.damaged)
    for name, ledger in known.ledgers.items():
        record = snapshots.at(ledger.records, question.since)
        if question.source not in (None, name) or not record:
            continue
        folder = _folder(place, project, name)
        table, missed = compared_with_live(reader, record[0], folder, question.mask, lambda: None)
        found.append(table)
        problems += missed
        folders[name] = folder.path
        sides.append(Sides(name, record[0], None))
    if not sides:
        raise NothingFound(
            f"project {project.name!r} has no snapshot up to the moment of --from", hint=f"see `strongroom list {project.name}`"
        )
    return _Result(Difference(united(found), tuple(sides)), tuple(problems), folders)


def _folder(place: Context, project: Project, name: str) -> Folder:
    """The source of that name. Raises `SettingsError`."""
    settings = place.settings.project(project.name)
    for one in settings.sources:
        if one.name == name:
            return sources.folder(settings, one, own_paths.paths(place.settings))
    raise SettingsError(
        f"{place.settings.file} does not say where the source {name!r} of project {project.name!r} is",
        hint="add it to the settings, or compare one that is there with --source NAME",
    )


def _rows(
    place: Context,
    known: History,
    result: _Result,
    keys: Sequence[str],
    most: int,
    header: bool | None,  # noqa: FBT001 (an option's three states)
) -> RowDifferences:
    from restore.history.row_diff import Opening, row_differences
    from restore.history.version_contents import Contents
    from restore.tables.loss_report import LossReport
    from restore.tables.registry import FORMATS, is_table, open_tables
    from strongroom.sources import headers_of

    endings = {ending.encode(): name for name, one in FORMATS.items() for ending in one.endings}
    headers, losses = headers_of(place.settings, known.project.name, header), LossReport()
    opening = Opening(
        open_tables=lambda file, name, source: open_tables(file, name, losses, headers.of(source)),
        is_table=is_table,
        format_of=lambda path: endings.get(path.rpartition(b".")[2].lower(), ""),
        keys=tuple(keys),
        most=most,
        folders=result.folders,
    )
    differences = row_differences(Contents(known.project, opening.stop), result.difference, opening)
    for text, files in losses.notes().items():
        output.notice(f"{counted(files, 'version')} of files: {text}")
    return differences


def _tell(difference: Difference, limit: int) -> None:
    for row in difference.table.slice(0, limit).to_pylist():
        sizes = [wording.size(row[name]) for name in ("before_size", "after_size") if row[name] is not None]
        told = " -> ".join(dict.fromkeys(sizes))
        output.result(f"{SIGNS[row['what']]} {told:>24}  {printable(row['path'])}")
    counts = difference.counts()
    output.result(", ".join(f"{number} {what}" for what, number in counts.items()))


def _tell_rows(item: ItemDifference) -> None:
    output.result(f"\n{printable(item.path)}")
    for table in item.tables:
        _tell_table(table)


def _tell_table(table: TableDifference) -> None:
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
            output.result(f"  {sign} column {column!r}")
    for cell in table.cells:
        where = f"row {cell.row}" + (f" ({', '.join(table.keys)} {cell.key})" if table.keys else "")
        output.result(f"  ~ {where}, {cell.column}: {cell.before!r} -> {cell.after!r}")
    for sign, rows in (("+", table.added_rows), ("-", table.removed_rows)):
        for number, row in rows:
            output.result(f"  {sign} row {number}: {', '.join(map(str, row))}")
    hidden = table.changed_cells - len(table.cells)
    if hidden > 0:
        output.result(f"  … and {counted(hidden, 'cell')} more")


def _json(result: _Result, compared: RowDifferences | None, limit: int) -> dict[str, Any]:
    from restore.history.diff import as_json

    difference = result.difference
    document: dict[str, Any] = {
        "sides": [
            {
                "source": one.source,
                "before": None if one.before is None else one.before.id,
                "after": None if one.after is None else one.after.id,
                "live": one.source in result.folders,
            }
            for one in difference.sides
        ],
        "counts": difference.counts(),
        "items": [as_json(row) for row in difference.table.slice(0, limit).to_pylist()],
    }
    if compared:
        document |= {"tables": [item.as_json() for item in compared.items], "tables_total": compared.total}
    return document
