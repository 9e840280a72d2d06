"""`strongroom list` and `strongroom ls`: what is kept."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from classify import period_grammar
from classify.period import Period
from classify.period_columns import MTIME
from cli import output
from cli.options import (
    At,
    Before,
    Config,
    Deleted,
    Formats,
    Identity,
    Json,
    Kinds,
    Overlapping,
    Paths,
    Patterns,
    Periods,
    Repository,
    Source,
)
from cli.selection_options import SelectionOptions, tell_beyond, tell_moment
from strongroom import context
from vault import wording
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from vault.format.record import Record
    from vault.repository.project import Project
    from vault.repository.snapshots import Committed

DONE_WITH_PROBLEMS = 3
LETTERS = {"file": "-", "folder": "d", "link": "l"}


def list_(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """The snapshots of each project: when, how many items, bytes, new bytes stored, problems."""
    from vault.repository import snapshots

    with context.opened(config, identity, brief=True, address=repository) as place:
        chosen = place.projects(projects or [])
        missing = {project.id: place.gone(project) for project in chosen}
        found = [(project, snapshots.committed(project)) for project in chosen]
        zones = {project.name: place.zone(project.name) for project in chosen}
    if as_json:
        told = [_project_json(project, committed) | {"missing": missing[project.id]} for project, committed in found]
        output.document({"projects": told})
    else:
        _tell(found, zones)
    damage = [problem for _, committed in found for problem in committed.damaged]
    output.problems(damage)
    if damage or place.refused:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _tell(found: list[tuple[Project, Committed]], zones: dict[str, ZoneInfo]) -> None:
    if not found:
        output.notice("there is no project yet; add one with `strongroom project add NAME --source KIND=PATH`")
    left_out: list[str] = []
    for project, committed in found:
        output.result(f"{project.name}: {counted(len(committed.records), 'snapshot')}")
        if committed.records:
            heads = ["  SNAPSHOT", "SOURCE", "TAKEN", "ITEMS", "SIZE", "STORED", "PROBLEMS"]
            cells = [_cells(one, zones[project.name]) for one in committed.records]
            spare = [5, 1, 3] if len({one.source for one in committed.records}) == 1 else [5, 3, 1]
            spare = spare if any(one.counts.problems for one in committed.records) else [6, *spare]
            left_out += output.table(cells, heads, right=(3, 4, 5, 6), spare=spare)
    output.tell_left_out(left_out)


def _cells(one: Record, zone: ZoneInfo) -> list[str]:
    counts = one.counts
    return [
        f"  {one.id}",
        one.source,
        wording.moment(one.taken_at, zone),
        str(counts.items),
        wording.size(counts.bytes),
        wording.size(counts.stored_bytes),
        str(counts.problems) if counts.problems else "-",
    ]


def _project_json(project: Project, committed: Committed) -> dict[str, Any]:
    return {
        "project": project.name,
        "project_id": project.id,
        "snapshots": [
            {
                "snapshot": one.id,
                "source": one.source,
                "kind": one.kind,
                "taken_at": one.taken_at.isoformat(),
                "finished_at": one.finished_at.isoformat(),
                "host": one.host,
                "parents": list(one.parents),
                **one.counts.as_json(),
                "problem_list": list(one.problems),
            }
            for one in committed.records
        ],
        "damage": [problem.as_json() for problem in committed.damaged],
    }


def ls(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    paths: Paths = None,
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    at: At = None,
    before: Before = None,
    deleted: Deleted = False,
    source: Source = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """The items of a project at a moment."""
    from restore.selection.select import select

    asked = SelectionOptions(patterns, paths, kinds, periods, formats, overlapping, at, deleted, source, before)
    with context.opened(config, identity, brief=True, address=repository) as place:
        found = place.project(project)
        query = asked.query(place, found)
        selection = select(found, query)
        zone = place.zone(project)
    tell_moment(query, selection, zone)
    tell_beyond(selection, periods)
    table = selection.table
    rows = zip(*(table[name].to_pylist() for name in _SHOWN), strict=True)
    if as_json:
        output.document({"project": project, "items": [_item_json(row, zone) for row in rows]})
    else:
        for row in rows:
            output.result(*_line(row, zone))
    output.problems(selection.damage)
    if selection.damage:
        raise typer.Exit(DONE_WITH_PROBLEMS)


_SHOWN = ["path", "type", "size", "mtime", "mtime_nanos", "mode", "link_target", "vanished_at"]
_SHOWN += ["kind", "format", "period_start", "period_end", "period_origin", "consistency"]


def _line(row: tuple[Any, ...], zone: ZoneInfo) -> tuple[str, str]:
    """An item's facts, and its path."""
    path, kind, size, seconds, _, mode, target, vanished, _, _, start, end, origin, consistency = row
    letters = LETTERS[kind] + stat.filemode(mode)[1:]
    period = _period(start, end, zone) if origin not in (None, MTIME) else ""
    arrow = f" -> {printable(target)}" if target is not None else ""
    gone = f"  (vanished {wording.moment(vanished, zone)})" if vanished else ""
    notes = f"{gone}{wording.consistency(consistency)}"
    return f"{letters} {size:>12} {_moment(seconds, zone)} {period or '-':<13} ", f"{printable(path)}{arrow}{notes}"


def _period(start: datetime | None, end: datetime | None, zone: ZoneInfo) -> str | None:
    """A period as `--period` takes it."""
    if start is None or end is None:
        return None
    return period_grammar.written(Period.between(start, end), zone)


def _moment(seconds: int, zone: ZoneInfo) -> str:
    """A file's time; some lie outside of what a calendar here can show."""
    try:
        return wording.moment(datetime.fromtimestamp(seconds, UTC), zone)
    except (OverflowError, OSError, ValueError):
        return f"@{seconds}".ljust(19)


def _item_json(row: tuple[Any, ...], zone: ZoneInfo) -> dict[str, Any]:
    path, type_, size, seconds, nanos, mode, target, vanished, kind, format_, start, end, origin, consistency = row
    return {
        "path": printable(path),
        "type": type_,
        "size": size,
        "mtime_ns": seconds * 1_000_000_000 + nanos,
        "mode": f"{mode:04o}",
        "link_target": None if target is None else printable(target),
        "vanished_at": None if vanished is None else vanished.isoformat(),
        "kind": kind,
        "format": format_,
        "period": _period(start, end, zone),
        "period_start": None if start is None else start.isoformat(),
        "period_end": None if end is None else end.isoformat(),
        "period_origin": origin,
        "consistency": consistency,
    }
