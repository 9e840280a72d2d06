"""What differs between two moments of a project, or between a moment and its sources' folders as they are now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from strongroom import command_log, notices
from vault.errors import NothingFound, SettingsError, UsageError
from vault.progress import NoProgress, Progress, Stop, never
from vault.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from restore.history.diff import Difference
    from restore.history.row_diff import RowDifferences
    from restore.history.timeline import Question
    from restore.history.update import History
    from restore.selection.query import ItemQuery
    from strongroom.context import Context
    from vault.backup.run import Source
    from vault.problems import Problem
    from vault.repository.project import Project

MOST_TABLES = 20


class RowOptions(Struct, frozen=True):
    """How the rows of changed tables are compared. keys: columns that tell rows apart; found, where none is given · most:
    tables that are compared · header: whether the first row of a CSV names its columns; None: what the settings say, else what
    it looks like · most_cells, most_rows: of each table, overwritten cells and rows of each sort that are kept to be shown;
    None for a few."""

    keys: tuple[str, ...] = ()
    most: int = MOST_TABLES
    header: bool | None = None
    most_cells: int | None = None
    most_rows: int | None = None


class DiffOptions(Struct, frozen=True):
    """What is compared. since, until: the first moment and the second one, aware; None for the newest snapshot · live: with the
    sources' folders as they are now, in place of a second moment · rows: of changed tables too, and how; None for items alone ·
    progress: hears how far the reading is · stop: called often, raises to end it."""

    since: datetime | None = None
    until: datetime | None = None
    live: bool = False
    rows: RowOptions | None = None
    progress: Progress = field(default_factory=NoProgress)
    stop: Stop = never


class ProjectDifference(Struct, frozen=True):
    """What was created, changed and deleted. items: what differs, as an Arrow table (see `restore.history.diff.Difference`) ·
    live: sources that were compared with their folders · rows: of changed tables, where they were asked for · damage: snapshots
    and items of folders that could not be read."""

    project: str
    items: Difference
    live: frozenset[str]
    rows: RowDifferences | None
    damage: tuple[Problem, ...]

    @property
    def total(self) -> int:
        """How many items differ."""
        return int(self.items.table.num_rows)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The damage, and the tables that could not be compared."""
        compared = self.rows.items if self.rows is not None else ()
        return (*self.damage, *(one.problem for one in compared if one.problem is not None))

    def as_json(self, most: int | None = None) -> dict[str, Any]:
        """For `--json`. most: items that are listed."""
        from restore.history.diff import as_json

        table = self.items.table if most is None else self.items.table.slice(0, most)
        document: dict[str, Any] = {
            "project": self.project,
            "sides": [
                {
                    "source": one.source,
                    "before": None if one.before is None else one.before.id,
                    "after": None if one.after is None else one.after.id,
                    "live": one.source in self.live,
                }
                for one in self.items.sides
            ],
            "counts": self.items.counts(),
            "items": [as_json(row) for row in table.to_pylist()],
        }
        if self.rows is not None:
            document |= {"tables": [one.as_json() for one in self.rows.items], "tables_total": self.rows.total}
        return document | {"damage": [one.as_json() for one in self.damage]}


def compare(context: Context, project: Project, query: ItemQuery, options: DiffOptions) -> ProjectDifference:
    """What differs among the items that a query means; its own moment counts for nothing.

    Raises `NothingFound` where no snapshot has anything of it, `UsageError`, `SettingsError` where the settings do not say
    where a source is, `KeyRefused` where rows are asked for without a key that reads content, `SourceError`, `StorageError`.
    """
    from restore.history.find import ever_matched
    from restore.history.suggestions import nothing_found
    from strongroom.history import HistoryOptions, load_history, question_of

    if options.live and options.until is not None:
        raise UsageError("a second moment and the live folder exclude each other", hint="leave one of them out")
    if options.rows is not None:
        command_log.require_reading(context, project, "diff")
    question = question_of(query, options.since, options.until)
    reading = HistoryOptions(progress=options.progress, stop=options.stop)
    known = load_history(context, project, reading, source=query.source)
    compared = _live(context, known, question, options.stop) if options.live else _between(known, question)
    if not compared.difference.table.num_rows and not ever_matched(known, question):
        raise nothing_found(known, query)
    return ProjectDifference(
        project=project.name,
        items=compared.difference,
        live=frozenset(compared.live),
        rows=None if options.rows is None else _recorded_rows(context, known, compared, query, options),
        damage=(*known.problems, *compared.problems),
    )


class _Compared(Struct, frozen=True):
    """live: the sources that were compared as they are now, by name."""

    difference: Difference
    problems: tuple[Problem, ...] = ()
    live: Mapping[str, Source] = field(default_factory=dict)


def _between(known: History, question: Question) -> _Compared:
    from restore.history.diff import difference

    return _Compared(difference(known, question))


def _live(context: Context, known: History, question: Question, stop: Stop) -> _Compared:
    from restore.history.diff import Difference, Sides, united
    from restore.history.live_diff import compared_with_live
    from vault.format.layout import META_TIER
    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import repaired_index

    project = known.project
    index = repaired_index(project, ChunkIndex.load(project, tier=META_TIER))
    reader, tables, sides, live = MetaReader(project, index), [], [], {}
    problems: list[Problem] = list(index.damaged)
    for name, ledger in known.ledgers.items():
        record = snapshots.at(ledger.records, question.since)
        if question.source not in (None, name) or not record:
            continue
        live[name] = _source(context, project, name)
        table, missed = compared_with_live(reader, record[0], live[name], question.mask, stop)
        tables.append(table)
        problems += missed
        sides.append(Sides(name, record[0], None))
    if not sides:
        raise NothingFound(
            f"project {project.name!r} has no snapshot up to the moment that was asked for",
            hint=f"see `strongroom list {project.name}`",
        )
    return _Compared(Difference(united(tables), tuple(sides)), tuple(problems), live)


def _source(context: Context, project: Project, name: str) -> Source:
    """The source of that name, as a backup takes it. Raises `SettingsError`."""
    from strongroom import sources

    settings = context.settings.project(project.name)
    for one in settings.sources:
        if one.name == name:
            return sources.backup_source(settings, one, sources.context_of(context.settings, project.name))
    raise SettingsError(
        f"{context.settings.file} does not say where the source {name!r} of project {project.name!r} is",
        hint="add it to the settings, or compare one that is there with --source NAME",
    )


def _recorded_rows(
    context: Context, known: History, compared: _Compared, query: ItemQuery, options: DiffOptions
) -> RowDifferences | None:
    """Rows are content: who looks at them is recorded."""
    rows = options.rows
    if rows is None:
        return None
    what = {
        "since": options.since,
        "until": options.until,
        "live": options.live,
        "patterns": query.patterns,
        "kinds": query.kinds,
        "periods": query.periods,
        "source": query.source,
    }
    with command_log.recorded(context, "diff", [known.project], what) as entry:
        entry.begin()
        found = _rows(context, known, compared, rows, options.stop)
        entry.count(tables=len(found.items))
    return found


def _rows(context: Context, known: History, compared: _Compared, options: RowOptions, stop: Stop) -> RowDifferences:
    from restore.history.live_diff import live_file
    from restore.history.row_diff import Opening, row_differences
    from restore.history.table_diff import MOST_CELLS, MOST_EXAMPLES, ShownDifferences
    from restore.history.version_contents import VersionContents
    from restore.tables.formats import FORMATS, is_table
    from restore.tables.loss_report import LossReport
    from restore.tables.registry import open_tables
    from strongroom.sources import headers_of

    endings = {ending.encode(): name for name, one in FORMATS.items() for ending in one.endings}
    headers, losses = headers_of(context.settings, known.project.name, options.header), LossReport()
    opening = Opening(
        open_tables=lambda file, name, source: open_tables(file, name, losses, headers.of(source)),
        is_table=is_table,
        format_of=lambda path: endings.get(path.rpartition(b".")[2].lower(), ""),
        keys=options.keys,
        most=options.most,
        live=lambda source, path: live_file(compared.live[source], path),
        stated=lambda file, name, source, path: _stated_keys(known, file, name, source, path),
        stop=stop,
        shown=ShownDifferences(
            MOST_CELLS if options.most_cells is None else options.most_cells,
            MOST_EXAMPLES if options.most_rows is None else options.most_rows,
        ),
    )
    differences = row_differences(VersionContents(known.project, opening.stop), compared.difference, opening)
    for text, files in losses.notes().items():
        notices.notice(f"{counted(files, 'version')} of files: {text}")
    return differences


def _stated_keys(known: History, file: Path, format_name: str, source: str, path: bytes) -> tuple[str, ...]:
    """What a source states to tell the rows of an item apart: records of an interface, tables of a database."""
    from restore.history.records.table_rows import primary_key
    from strongroom.records import stated_key

    stated = stated_key(known.ledgers[source], path)
    return (stated,) if stated else primary_key(file, format_name)
