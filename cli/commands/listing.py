"""`strongroom list` and `strongroom ls`: what is kept."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

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
from strongroom.context import opened
from strongroom.items import Item, list_items
from strongroom.selection import SelectionOptions, notice_beyond, notice_moment
from strongroom.snapshots import ProjectSnapshots, list_snapshots
from vault import wording
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from vault.format.snapshot_record import Record

LETTERS = {"file": "-", "folder": "d", "link": "l"}


def list_(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """The snapshots of each project: when, how many items, bytes, new bytes stored, problems."""
    with opened(config, identity, brief=True, address=repository) as context:
        found = [list_snapshots(context, project) for project in context.projects(projects or [])]
    if as_json:
        output.document("list/1", {"projects": [one.as_json() for one in found]})
    else:
        _show(found)
    output.finish([problem for one in found for problem in one.damage], refused=context.refused)


def _show(found: Sequence[ProjectSnapshots]) -> None:
    if not found:
        output.notice("there is no project yet; add one with `strongroom project add NAME --source KIND=PATH`")
    left_out: list[str] = []
    for project in found:
        output.result(f"{project.project}: {counted(len(project.snapshots), 'snapshot')}")
        if project.snapshots:
            heads = ["  SNAPSHOT", "SOURCE", "TAKEN", "ITEMS", "SIZE", "STORED", "PROBLEMS"]
            cells = [_cells(one, project.zone) for one in project.snapshots]
            spare = [5, 1, 3] if len({one.source for one in project.snapshots}) == 1 else [5, 3, 1]
            spare = spare if any(one.counts.problems for one in project.snapshots) else [6, *spare]
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
    options = SelectionOptions(patterns, paths, kinds, periods, formats, overlapping, at, deleted, source, before)
    with opened(config, identity, brief=True, address=repository) as context:
        found = context.project(project)
        query = options.query(context, found)
        listing = list_items(context, found, query)
    notice_moment(query, listing.selection, listing.zone)
    notice_beyond(listing.selection, periods)
    if as_json:
        output.document("ls/1", listing.as_json())
    else:
        for item in listing.items():
            output.result(*_line(item, listing.zone))
    output.finish(listing.damage)


def _line(item: Item, zone: ZoneInfo) -> tuple[str, str]:
    """An item's facts, and its path."""
    letters = LETTERS[item.type] + stat.filemode(item.mode)[1:]
    period = item.period(zone) if item.period_origin not in (None, MTIME) else ""
    arrow = f" -> {printable(item.link_target)}" if item.link_target is not None else ""
    gone = f"  (vanished {wording.moment(item.vanished_at, zone)})" if item.vanished_at else ""
    notes = f"{gone}{wording.consistency(item.consistency)}"
    modified = _moment(item.mtime_ns // 1_000_000_000, zone)
    return f"{letters} {item.size:>12} {modified} {period or '-':<13} ", f"{printable(item.path)}{arrow}{notes}"


def _moment(seconds: int, zone: ZoneInfo) -> str:
    """A file's time; some lie outside of what a calendar here can show."""
    try:
        return wording.moment(datetime.fromtimestamp(seconds, UTC), zone)
    except (OverflowError, OSError, ValueError):
        return f"@{seconds}".ljust(19)
