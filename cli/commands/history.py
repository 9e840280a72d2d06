"""`strongroom find` and `strongroom history`: what there ever was, and what became of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import environment, moments, output, progress, workplace
from cli.options import Config, Formats, Identity, Json, Kinds, Overlapping, Paths, Patterns, Periods, Quiet, Source
from cli.wishes import Asked
from vault.errors import UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from cli.workplace import Workplace
    from restore.history.events import Event, ItemHistory
    from restore.history.gather import History
    from restore.history.timeline import Question
    from restore.wish import Wish
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3
CLOCKS_NAMED = 3
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

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
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many items.")] = 1000,
    source: Source = None,
    config: Config = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Every item that ever was, over all snapshots: first and last seen, versions, whether it is deleted."""
    import pyarrow.compute as pc

    from restore.history.find import find as find_items
    from restore.history.near import nothing_found

    asked = Asked(patterns, paths, kinds, periods, formats, overlapping, None, deleted, source)
    with workplace.opened(config, identity, brief=True) as place:
        found = place.project(project)
        wish = asked.wish(place, found)
        question = question_of(place, found, wish, since, until)
        known = gathered(place, found, quiet=quiet or as_json)
        refuse_unknown_source(known, source)
        items = find_items(known, question)
    if deleted:
        items = items.filter(pc.is_valid(items["missing_since"]))
    if not items.num_rows:
        output.problems(known.problems)
        raise nothing_found(known, wish)
    shown = items.slice(0, limit).to_pylist()
    if as_json:
        told = [_found_json(row) for row in shown]
        damage = [problem.as_json() for problem in known.problems]
        output.document({"project": project, "total": items.num_rows, "items": told, "damage": damage})
    else:
        heads = ["SIZE", "FIRST SEEN", "LAST SEEN", "VERSIONS", "MISSING SINCE", "NEWEST SNAPSHOT", "PATH"]
        output.table([_found_cells(row) for row in shown], heads, right=(0, 3))
    more(items.num_rows - len(shown), "item")
    finish(known)


def _found_cells(row: dict[str, Any]) -> list[str]:
    missing = row["missing_since"]
    return [
        output.size(row["size"]),
        output.moment(row["first_seen"]),
        output.moment(row["last_seen"]),
        str(row["versions"]),
        output.moment(missing) if missing else "-",
        row["snapshot"],
        f"{printable(row['path'])}{output.consistency(row['consistency'])}",
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
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Every version of an item: when, how large, which snapshot, and what happened: created, changed, deleted, came back."""
    from restore.history.events import history as tell_history
    from restore.history.near import nothing_found

    asked = Asked(paths, None, kinds, periods, formats, overlapping, source=source)
    with workplace.opened(config, identity, brief=True) as place:
        found = place.project(project)
        wish = asked.wish(place, found)
        question = question_of(place, found, wish, since, until)
        known = gathered(place, found, quiet=quiet or as_json)
        refuse_unknown_source(known, source)
        told = tell_history(known, question, most=limit)
    if not told.items:
        output.problems(known.problems)
        raise nothing_found(known, wish)
    if as_json:
        damage = [problem.as_json() for problem in known.problems]
        items = [item.as_json() for item in told.items]
        output.document({"project": project, "total": told.total, "items": items, "damage": damage})
    else:
        for item in told.items:
            _tell(item)
    more(told.total - len(told.items), "item")
    finish(known)


def _tell(item: ItemHistory) -> None:
    output.result(f"{printable(item.path)}  ({item.type}, source {item.source})")
    heads = ["  WHEN", "WHAT", "SIZE", "SNAPSHOT", "MODIFIED", ""]
    output.table([_event_cells(event) for event in item.events], heads, right=(2,))


def _event_cells(event: Event) -> list[str]:
    about = ", ".join(event.changes)
    if event.last_seen_at is not None:
        about = f"last seen {output.moment(event.last_seen_at)}"
    return [
        f"  {output.moment(event.when)}",
        event.what,
        output.size(event.size),
        event.snapshot or "(forgotten)",
        modified(event.mtime),
        f"{about}{output.consistency(event.consistency)}".strip(),
    ]


def modified(seconds: int) -> str:
    """A time of modification; folders have none here, and some lie outside of what a calendar can show."""
    if not seconds:
        return "-"
    try:
        return output.moment(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, OSError, ValueError):
        return f"@{seconds}"


def question_of(place: Workplace, project: Project, wish: Wish, since: str | None, until: str | None) -> Question:
    """What the options mean. A date alone begins with the day where it is the first moment, and ends with it else."""
    from restore.history.near import mask_of
    from restore.history.timeline import Question

    zone = place.zone(project.name)
    start = moments.parse(since, project, zone)
    if start is not None and since is not None and _DATE.fullmatch(since.strip()):
        start -= timedelta(days=1, microseconds=-1)
    return Question(mask_of(wish), wish.source, start, moments.parse(until, project, zone))


def gathered(place: Workplace, project: Project, *, quiet: bool) -> History:
    """The project's history, up to date."""
    from restore.history.gather import Manner, gather, out_of_order
    from restore.history.kept import Kept

    place.gone(project)
    kept = Kept(project, environment.cache_folder() / place.repository.descriptor.repository)
    with progress.shown(quiet=quiet) as listener:
        found = gather(project, kept, Manner(progress=listener))
    wrong = list(out_of_order(found))
    for later, earlier in wrong[:CLOCKS_NAMED]:
        output.notice(
            f"warning: snapshot {later.id} ({output.moment(later.taken_at)}) was taken after {earlier.id} "
            f"({output.moment(earlier.taken_at)}): a clock was wrong, and what happened is told in the order of these times"
        )
    if len(wrong) > CLOCKS_NAMED:
        output.notice(f"warning: … and so were {len(wrong) - CLOCKS_NAMED} more")
    return found


def refuse_unknown_source(known: History, source: str | None) -> None:
    """Raises `UsageError` for a source that no snapshot is of."""
    if source is not None and known.ledgers and source not in known.ledgers:
        raise UsageError(
            f"project {known.project.name!r} has no snapshot of a source {source!r}",
            hint=f"there are: {', '.join(known.ledgers)}",
        )


def more(count: int, what: str) -> None:
    """Say that not all is shown."""
    if count > 0:
        output.notice(f"… and {counted(count, f'{what} more', f'{what}s more')}: narrow it down, or raise --limit")


def finish(known: History) -> None:
    """The problems, and the exit code that they deserve."""
    output.problems(known.problems)
    if known.problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)
