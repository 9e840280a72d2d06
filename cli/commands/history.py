"""`strongroom find` and `strongroom history`: what there ever was, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from msgspec.structs import replace

from cli import output, progress, record_output
from cli.option_groups import AccessOptions, ItemOptions, grouped
from cli.options import (
    ITEMS,
    MOMENT,
    Formats,
    Json,
    Kinds,
    Overlapping,
    Patterns,
    Periods,
    Quiet,
    Source,
)
from strongroom import time_parsing
from strongroom.history import HistoryOptions, item_history
from strongroom.items import FoundItem, find_items
from strongroom.records import RecordId
from strongroom.selection import SelectionOptions
from vault import wording
from vault.errors import UsageError
from vault.problems import printable

if TYPE_CHECKING:
    from restore.history.events import Event, ItemHistory
    from strongroom.context import Context
    from vault.repository.project import Project

Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only snapshots from then on.", rich_help_panel=MOMENT)
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Only snapshots up to then.", rich_help_panel=MOMENT)
]
RecordOption = Annotated[
    str | None,
    typer.Option("--record", metavar="ID", help="One record: a ticket, a call, a row, by its id.", rich_help_panel=ITEMS),
]
KeyField = Annotated[
    str,
    typer.Option(
        "--key", metavar="FIELD", help="With --record: the field that has the id, if not found.", rich_help_panel=ITEMS
    ),
]


@grouped
def find(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    *,
    items: ItemOptions,
    deleted: Annotated[
        bool, typer.Option("--deleted", help="Only what the source no longer has.", rich_help_panel=ITEMS)
    ] = False,
    case_sensitive: Annotated[
        bool, typer.Option("--case-sensitive", help="Tell capitals from small letters in patterns.", rich_help_panel=ITEMS)
    ] = False,
    record: RecordOption = None,
    key: KeyField = "",
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many items.")] = 1000,
    source: Source = None,
    access: AccessOptions,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Every item that ever was, over all snapshots: first and last seen, versions, whether it is deleted.

    A word is looked for anywhere in the paths, and a glob at any depth; capitals and small letters are alike. With --record ID:
    the items that have this record in any version, and those with the id in their names, such as the recordings of a call.
    """
    record_output.refuse_key_alone(record, key)
    options = replace(items.selection(patterns, source), deleted=deleted)
    with access.opened_to_look() as context:
        own = context.project(project)
        query = replace(options.query(context, own), anywhere=True, fold=not case_sensitive)
        over = _over(context, own, since, until)
        if record is not None:
            record_output.find(context, own, query, RecordId(record, key), over, quiet=quiet, as_json=as_json)
            return
        with progress.shown(quiet=quiet, as_json=as_json, project=project) as listener:
            found = find_items(context, own, query, replace(over, progress=listener), deleted=deleted)
    if as_json:
        output.document("find/1", found.as_json(limit))
    else:
        heads = ["SIZE", "FIRST SEEN", "LAST SEEN", "VERSIONS", "MISSING SINCE", "NEWEST SNAPSHOT", "PATH"]
        cells = [_cells(item, found.zone) for item in found.items(limit)]
        output.tell_left_out(output.table(cells, heads, right=(0, 3), spare=(3, 5, 1)))
    output.more(found.total - limit, "item")
    output.finish(found.damage)


def _cells(item: FoundItem, zone: ZoneInfo) -> list[str]:
    return [
        wording.size(item.size),
        wording.moment(item.first_seen, zone) + (" or before" if item.older_forgotten else ""),
        wording.moment(item.last_seen, zone),
        str(item.versions),
        wording.moment(item.missing_since, zone) if item.missing_since else "-",
        item.snapshot,
        f"{printable(item.path)}{wording.consistency(item.consistency)}",
    ]


@grouped
def history(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH…", help="Paths (KIND/…) or globs; with --record, all by default.")
    ] = None,
    *,
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    record: RecordOption = None,
    key: KeyField = "",
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Tell of at most so many items.")] = 20,
    source: Source = None,
    access: AccessOptions,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Every version of an item: when, how large, which snapshot, and what happened: created, changed, deleted, came back.

    With --record ID: every version of one record, such as a ticket with its comments, field by field.
    """
    record_output.refuse_key_alone(record, key)
    if not paths and record is None:
        raise UsageError("missing PATH: name an item, or a record with --record ID", hint="for example reports/2024/may.csv")
    options = SelectionOptions(paths, None, kinds, periods, formats, overlapping, source=source)
    with access.opened_to_look() as context:
        own = context.project(project)
        query = options.query(context, own)
        over = _over(context, own, since, until)
        if record is not None:
            record_output.history(context, own, query, RecordId(record, key), over, quiet=quiet, as_json=as_json)
            return
        with progress.shown(quiet=quiet, as_json=as_json, project=project) as listener:
            found = item_history(context, own, query, replace(over, progress=listener), most=limit)
    if as_json:
        output.document("history/1", found.as_json())
    else:
        for item in found.items:
            _show(item, found.zone)
    output.more(found.total - len(found.items), "item")
    output.finish(found.damage)


def _over(context: Context, project: Project, since: str | None, until: str | None) -> HistoryOptions:
    """The time that the options mean. A date alone begins with the day where it is the first moment, and ends with it else."""
    zone = context.zone(project.name)
    start = time_parsing.parse(since, project, zone, begin=True)
    return HistoryOptions(start, time_parsing.parse(until, project, zone))


def _show(item: ItemHistory, zone: ZoneInfo) -> None:
    output.result(f"{printable(item.path)}  ({item.type}, source {item.source})")
    heads = ["  WHEN", "WHAT", "SIZE", "SNAPSHOT", "MODIFIED", ""]
    output.table([_event_cells(event, zone) for event in item.events], heads, right=(2,))


def _event_cells(event: Event, zone: ZoneInfo) -> list[str]:
    about = ", ".join(event.changes)
    if event.last_seen_at is not None:
        about = f"last seen {wording.moment(event.last_seen_at, zone)}"
    return [
        f"  {wording.moment(event.when, zone)}",
        event.what,
        wording.size(event.size),
        event.snapshot or "(forgotten)",
        _modified(event.mtime, zone),
        f"{about}{wording.consistency(event.consistency)}".strip(),
    ]


def _modified(seconds: int, zone: ZoneInfo) -> str:
    """A time of modification; folders have none here, and some lie outside of what a calendar can show."""
    if not seconds:
        return "-"
    try:
        return wording.moment(datetime.fromtimestamp(seconds, UTC), zone)
    except (OverflowError, OSError, ValueError):
        return f"@{seconds}"
