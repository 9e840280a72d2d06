"""`strongroom list` and `strongroom ls`: what is kept."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from classify.period_columns import MTIME
from cli import output
from cli.option_groups import AccessOptions, PastItemOptions, grouped
from cli.options import (
    Config,
    FromCopy,
    Identity,
    Json,
    Patterns,
    Repository,
    Source,
)
from strongroom import time_parsing
from strongroom.reading import opened_to_look
from strongroom.selection import notice_beyond, notice_moment
from strongroom.snapshots import ProjectSnapshots, list_snapshots
from vault import wording
from vault.problems import printable
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from strongroom.context import Context
    from strongroom.item_levels import ItemLevel, LevelEntry
    from strongroom.items import Item, ItemListing
    from vault.format.snapshot_record import Record
    from vault.repository.project import Project

LETTERS = {"file": "-", "folder": "d", "link": "l"}


def list_(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    last: Annotated[
        int | None, typer.Option("--last", metavar="NUMBER", min=1, help="Only so many of each project, the newest.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only those from then on: 2026-11-01, '3 days ago', …")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only those up to then.")] = None,
    from_copy: FromCopy = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """The snapshots of each project, the newest last: when, how many items, bytes, new bytes stored, problems."""
    with opened_to_look(config, identity, address=repository, copy=from_copy) as context:
        found = [_snapshots(context, project, last, since, until) for project in context.projects(projects or [])]
    if as_json:
        output.document("list/1", {"projects": [one.as_json() for one in found]})
    else:
        _show(found)
    output.finish([problem for one in found for problem in one.damage], refused=context.refused)


def _snapshots(context: Context, project: Project, last: int | None, since: str | None, until: str | None) -> ProjectSnapshots:
    zone = context.zone(project.name)
    first = time_parsing.parse(since, project, zone, begin=True)
    return list_snapshots(context, project, since=first, until=time_parsing.parse(until, project, zone), last=last)


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
        if project.left_out:
            others = counted(project.left_out, "other snapshot is", "other snapshots are")
            output.notice(f"… {others} left out: `strongroom list {quoted(project.project)}` shows all")
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


@grouped
def ls(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Patterns = None,
    *,
    items: PastItemOptions,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="All items below, with their whole paths.")] = False,
    long: Annotated[bool, typer.Option("--long", "-l", help="Also mode, owner and group.")] = False,
    exact: Annotated[bool, typer.Option("--bytes", help="Sizes as numbers of bytes.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", metavar="NUMBER", min=1, help="Show at most so many.")] = None,
    source: Source = None,
    access: AccessOptions,
    as_json: Json = False,
) -> None:
    """The items of a project at a moment: what lies right in a folder; of each folder, how many items are below and their size.

    Without PATTERN the kinds are listed; with a folder (`reports/2024`) what is in it; with a glob what matches, from the
    folder in front of its first `*` on.
    """
    options = items.selection(patterns, source)
    with access.opened_to_look() as context:
        found = context.project(project)
        query = options.query(context, found)
        from strongroom.items import list_items

        listing = list_items(context, found, query)
    notice_moment(query, listing.selection, listing.zone)
    notice_beyond(listing.selection, items.periods)
    form = _Form(listing.zone, long=long, exact=exact)
    if recursive:
        _show_all(listing, form, limit, as_json=as_json)
    else:
        _show_level(listing.level([*(patterns or ()), *(items.paths or ())]), form, limit, as_json=as_json)
    output.finish(listing.damage)


class _Form:
    """How items are written."""

    def __init__(self, zone: ZoneInfo, *, long: bool, exact: bool) -> None:
        self._zone = zone
        self.long = long
        self._exact = exact

    def size(self, count: int) -> str:
        return str(count) if self._exact else wording.size(count)

    def facts(self, item: Item | None, size: int) -> list[str]:
        """The cells of an item before its name; None: of a folder of which nothing else is known."""
        if item is None:
            return [*(["-", "-"] if self.long else []), self.size(size), "-", "-"]
        period = item.period(self._zone) if item.period_origin not in (None, MTIME) else None
        modified = _moment(item.mtime_ns // 1_000_000_000, self._zone)
        owner = [self._mode(item), _owner(item)] if self.long else []
        shown = "-" if item.type == "folder" and not size else self.size(size)
        return [*owner, shown, modified, period or "-"]

    def name(self, item: Item | None, name: bytes, *, folder: bool) -> str:
        """Its name, a folder's with a slash behind it, and what is to be said of it."""
        shown = printable(name) + "/" * folder
        if item is None:
            return shown
        arrow = f" -> {printable(item.link_target)}" if item.link_target is not None else ""
        gone = f"  (vanished {wording.moment(item.vanished_at, self._zone)})" if item.vanished_at else ""
        return f"{shown}{arrow}{gone}{wording.consistency(item.consistency)}"

    @staticmethod
    def _mode(item: Item) -> str:
        return LETTERS[item.type] + stat.filemode(item.mode)[1:]


def _owner(item: Item) -> str:
    """A dash where the source knows no owners."""
    if item.uid < 0 and item.owner is None:
        return "-"
    return f"{item.owner or item.uid}:{item.group or item.gid}"


def _show_level(level: ItemLevel, form: _Form, limit: int | None, *, as_json: bool) -> None:
    if as_json:
        output.document("ls-level/1", level.as_json(limit))
        return
    heads = [*(["MODE", "OWNER"] if form.long else []), "SIZE", "MODIFIED", "PERIOD", "ITEMS", "NAME"]
    if level.folder:
        output.result(f"{printable(level.folder)}/")
    first = heads.index("SIZE")
    left_out = output.table(
        _level_cells(level.entries(limit), form), heads, right=(first, first + 3), spare=[first + 2, first + 1]
    )
    output.tell_left_out(left_out)
    if limit is not None:
        output.more(level.total - limit, "entry", "entries")


def _level_cells(entries: Iterator[LevelEntry], form: _Form) -> Iterator[list[str]]:
    for one in entries:
        items = "-" if one.items is None else str(one.items)
        yield [*form.facts(one.item, one.bytes), items, form.name(one.item, one.name, folder=one.is_folder)]


def _show_all(listing: ItemListing, form: _Form, limit: int | None, *, as_json: bool) -> None:
    """A line an item, as they come: there may be millions."""
    if as_json:
        output.document("ls/1", listing.as_json(limit))
        return
    mode, owner = ("MODE", "OWNER") if form.long else ("", "")
    output.result(*_aligned([*([mode, owner] if form.long else []), "SIZE", "MODIFIED", "PERIOD"], "PATH"))
    for item in islice(listing.items(), limit):
        output.result(*_aligned(form.facts(item, item.size), form.name(item, item.path, folder=item.type == "folder")))
    if limit is not None:
        output.more(listing.total - limit, "item")


def _aligned(facts: list[str], path: str) -> tuple[str, str]:
    """The facts in columns, and the path."""
    *owner, size, modified, period = facts
    begin = f"{owner[0]:<10} {owner[1]:<17} " if owner else ""
    return f"{begin}{size:>12} {modified:<23} {period:<13} ", path


def _moment(seconds: int, zone: ZoneInfo) -> str:
    """A file's time; some lie outside of what a calendar here can show."""
    try:
        return wording.moment(datetime.fromtimestamp(seconds, UTC), zone)
    except (OverflowError, OSError, ValueError):
        return f"@{seconds}".ljust(19)
