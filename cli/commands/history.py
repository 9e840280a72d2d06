"""`strongroom find` and `strongroom history`: what there ever was, and what became of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import output, progress
from cli.options import Config, Formats, Identity, Json, Kinds, Overlapping, Paths, Patterns, Periods, Quiet, Repository, Source
from cli.selection_options import SelectionOptions
from strongroom import context, environment, time_parsing
from vault import wording
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from restore.history.events import Event, ItemHistory
    from restore.history.timeline import Question
    from restore.history.update import History
    from restore.selection.query import ItemQuery
    from strongroom.context import Context
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3
CLOCKS_NAMED = 3

Since = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Only snapshots from then on.")]
Until = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only snapshots up to then.")]


def find(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    paths: Paths = None,
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Only what the source no longer has.")] = False,
    case_sensitive: Annotated[
        bool, typer.Option("--case-sensitive", help="Tell capitals from small letters in patterns.")
    ] = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many items.")] = 1000,
    source: Source = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Every item that ever was, over all snapshots: first and last seen, versions, whether it is deleted.

    A word is looked for anywhere in the paths, and a glob at any depth; capitals and small letters are alike.
    """
    import pyarrow.compute as pc

    from restore.history.find import find as find_items
    from restore.history.suggestions import nothing_found

    asked = SelectionOptions(patterns, paths, kinds, periods, formats, overlapping, None, deleted, source)
    with context.opened(config, identity, brief=True, address=repository) as place:
        found = place.project(project)
        query = replace(asked.query(place, found), anywhere=True, fold=not case_sensitive)
        question = question_of(place, found, query, since, until)
        known = gathered(place, found, quiet=quiet or as_json)
        zone = place.zone(project)
        refuse_unknown_source(known, source)
        items = find_items(known, question)
    if deleted:
        items = items.filter(pc.is_valid(items["missing_since"]))
    if not items.num_rows:
        output.problems(known.problems)
        raise nothing_found(known, query)
    shown = [_with_first(row, known) for row in items.slice(0, limit).to_pylist()]
    if as_json:
        told = [_found_json(row) for row in shown]
        damage = [problem.as_json() for problem in known.problems]
        output.document({"project": project, "total": items.num_rows, "items": told, "damage": damage})
    else:
        heads = ["SIZE", "FIRST SEEN", "LAST SEEN", "VERSIONS", "MISSING SINCE", "NEWEST SNAPSHOT", "PATH"]
        cells = [_found_cells(row, zone) for row in shown]
        output.tell_left_out(output.table(cells, heads, right=(0, 3), spare=(3, 5, 1)))
    more(items.num_rows - len(shown), "item")
    finish(known)


def _with_first(row: dict[str, Any], known: History) -> dict[str, Any]:
    """A row of `find`, and whether an older version may have been forgotten."""
    older = known.ledgers[row["source"]].older_forgotten(row.pop("began"), row["first_seen"])
    return row | {"first_seen_in_what_is_kept": older}


def _found_cells(row: dict[str, Any], zone: ZoneInfo) -> list[str]:
    missing = row["missing_since"]
    return [
        wording.size(row["size"]),
        wording.moment(row["first_seen"], zone) + (" or before" if row["first_seen_in_what_is_kept"] else ""),
        wording.moment(row["last_seen"], zone),
        str(row["versions"]),
        wording.moment(missing, zone) if missing else "-",
        row["snapshot"],
        f"{printable(row['path'])}{wording.consistency(row['consistency'])}",
    ]


def _found_json(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
    return told | {"path": printable(row["path"]), "deleted": row["missing_since"] is not None}


def history(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    paths: Annotated[list[str], typer.Argument(metavar="PATH…", help="Paths (KIND/…) or globs.")],
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Tell of at most so many items.")] = 20,
    source: Source = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Every version of an item: when, how large, which snapshot, and what happened: created, changed, deleted, came back."""
    from restore.history.events import history as tell_history
    from restore.history.suggestions import nothing_found

    asked = SelectionOptions(paths, None, kinds, periods, formats, overlapping, source=source)
    with context.opened(config, identity, brief=True, address=repository) as place:
        found = place.project(project)
        query = asked.query(place, found)
        question = question_of(place, found, query, since, until)
        known = gathered(place, found, quiet=quiet or as_json)
        zone = place.zone(project)
        refuse_unknown_source(known, source)
        told = tell_history(known, question, most=limit)
    if not told.items:
        output.problems(known.problems)
        raise nothing_found(known, query)
    if as_json:
        damage = [problem.as_json() for problem in known.problems]
        items = [item.as_json() for item in told.items]
        output.document({"project": project, "total": told.total, "items": items, "damage": damage})
    else:
        for item in told.items:
            _tell(item, zone)
    more(told.total - len(told.items), "item")
    finish(known)


def _tell(item: ItemHistory, zone: ZoneInfo) -> None:
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
        modified(event.mtime, zone),
        f"{about}{wording.consistency(event.consistency)}".strip(),
    ]


def modified(seconds: int, zone: ZoneInfo) -> str:
    """A time of modification; folders have none here, and some lie outside of what a calendar can show."""
    if not seconds:
        return "-"
    try:
        return wording.moment(datetime.fromtimestamp(seconds, UTC), zone)
    except (OverflowError, OSError, ValueError):
        return f"@{seconds}"


def question_of(place: Context, project: Project, query: ItemQuery, since: str | None, until: str | None) -> Question:
    """What the options mean. A date alone begins with the day where it is the first moment, and ends with it else."""
    from restore.history.suggestions import mask_of
    from restore.history.timeline import Question

    zone = place.zone(project.name)
    start = time_parsing.parse(since, project, zone, begin=True)
    return Question(mask_of(query), query.source, start, time_parsing.parse(until, project, zone))


def gathered(place: Context, project: Project, *, quiet: bool) -> History:
    """The project's history, up to date."""
    from restore.history.cache import HistoryCache
    from restore.history.update import UpdateOptions, out_of_order, update_history

    place.gone(project)
    kept = HistoryCache(project, environment.cache_folder() / place.repository.descriptor.repository)
    with progress.shown(quiet=quiet, project=project.name) as listener:
        found = update_history(project, kept, UpdateOptions(progress=listener))
    wrong = list(out_of_order(found))
    for later, earlier in wrong[:CLOCKS_NAMED]:
        output.notice(
            f"warning: snapshot {later.id} ({wording.moment(later.taken_at)}) was taken after {earlier.id} "
            f"({wording.moment(earlier.taken_at)}): a clock was wrong, and what happened is told in the order of these times"
        )
    if len(wrong) > CLOCKS_NAMED:
        output.notice(f"warning: … and so were {len(wrong) - CLOCKS_NAMED} more")
    return found


def refuse_unknown_source(known: History, source: str | None) -> None:
    """Raises `UsageError` for a source that no snapshot is of."""
    from restore.selection import select

    select.refuse_unknown_source(known.project, source, known.ledgers)


def more(count: int, what: str) -> None:
    """Say that not all is shown."""
    if count > 0:
        output.notice(f"… and {counted(count, f'{what} more', f'{what}s more')}: narrow it down, or raise --limit")


def finish(known: History) -> None:
    """The problems, and the exit code that they deserve."""
    output.problems(known.problems)
    if known.problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)
