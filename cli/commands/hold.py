"""`strongroom hold add|release|list`: what nobody may forget, who said so, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.options import EXIT_CODES, Config, Identity, Json
from strongroom import context, environment, object_lock, time_parsing
from vault import wording
from vault.errors import UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from vault.format.hold import HeldPeriod, Hold, Scope
    from vault.problems import Problem
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3
app = typer.Typer(
    help="Holds: what nobody may forget, prune or erase, with who, when and why.", no_args_is_help=True, rich_markup_mode=None
)
ProjectName = Annotated[str, typer.Argument(metavar="PROJECT")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the repository.")]


@app.command("add", epilog=EXIT_CODES)
def add(
    project: ProjectName,
    reason: Reason,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only items of this kind.")] = None,
    period: Annotated[str | None, typer.Option("--period", metavar="PERIOD", help="Only items that touch this period.")] = None,
    path: Annotated[str | None, typer.Option("--path", metavar="GLOB", help="Only items on these paths.")] = None,
    snapshot: Annotated[str | None, typer.Option("--snapshot", metavar="ID", help="This snapshot, instead of items.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="When it ends; without, by a release.")] = None,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Place a hold. It binds retention, prune and erasing for everybody who writes to the repository."""
    from vault.format.hold import Scope
    from vault.repository import holds

    with context.opened(config, identity) as place:
        found = place.project(project)
        zone = place.zone(project)
        now = found.services.clock.now()
        scope = Scope(kind, None if period is None else _period(period, place, project, now), path, snapshot)
        end = None if until is None else time_parsing.moment(until, zone, now)
        items, size = _touched(found, scope)
        hold = holds.place(found, scope, reason=reason, who=environment.person(), until=end)
        problems = object_lock.hold_placed(place, found, hold)
    if as_json:
        output.document({"project": project, "items": items, "bytes": size} | _as_json(hold, now))
    else:
        output.result(f"hold {hold.id} on {project}: {scope.as_text()}, {_until(hold)}")
    if snapshot is None and not as_json:
        output.result(
            f"it is on {counted(items, 'item')} ({wording.size(size)}) of the newest snapshots, and on older versions"
        )
        if not items:
            output.notice("notice: no item matches it now; it binds those that come, and those of older snapshots")
    _end(problems)


@app.command("release", epilog=EXIT_CODES)
def release(
    project: ProjectName,
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="Its id; the beginning is enough.")],
    reason: Reason,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """End a hold. That it was there, and who let go, stays on record."""
    from vault.repository import holds

    with context.opened(config, identity) as place:
        found = place.project(project)
        ids = [one.id for one in holds.read_all(found).holds if one.id.startswith(hold)]
        if len(ids) > 1:
            raise UsageError(f"{hold!r} is the beginning of {len(ids)} holds", hint=f"they are: {', '.join(ids)}")
        ended = holds.release(found, ids[0] if ids else hold, reason=reason, who=environment.person())
        problems = object_lock.hold_released(place, found, ended)
        now = found.services.clock.now()
    if as_json:
        output.document({"project": project} | _as_json(ended, now))
    else:
        output.result(f"hold {ended.id} on {project} ({ended.scope.as_text()}) is released")
    _end(problems)


@app.command("list", epilog=EXIT_CODES)
def list_(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """The holds that bind."""
    from vault.repository import holds

    rows: list[tuple[str, Hold, datetime]] = []
    problems: list[Problem] = []
    with context.opened(config, identity) as place:
        for project in place.projects(projects or []):
            placed = holds.read_all(project)
            now = project.services.clock.now()
            problems += placed.problems
            rows += [(project.name, hold, now) for hold in placed.holds if every or hold.binds(now)]
    if as_json:
        output.document({"holds": [{"project": name} | _as_json(hold, now) for name, hold, now in rows]})
    else:
        cells = [
            (name, hold.id, hold.scope.as_text(), _placed(hold), hold.who, hold.reason, _until(hold)) for name, hold, _ in rows
        ]
        output.table(cells, ["PROJECT", "HOLD", "ON", "SINCE", "WHO", "WHY", "UNTIL"])
    _end(problems, place.refused)


def _end(problems: Sequence[Problem], refused: Sequence[Problem] = ()) -> None:
    output.problems(problems)
    if problems or refused:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _period(text: str, place: context.Context, project: str, now: datetime) -> HeldPeriod:
    from classify import period_grammar
    from classify.period import EARLIEST, LATEST
    from vault.format.hold import HeldPeriod

    period = period_grammar.parse(text, place.zone(project), now)
    start, end = period.moments()
    return HeldPeriod(text, None if period.start == EARLIEST else start, None if period.end == LATEST else end)


def _touched(project: Project, scope: Scope) -> tuple[int, int]:
    """Items of the newest snapshots that a scope is on, folders aside, and their bytes."""
    import pyarrow.compute as pc

    from classify.path_patterns import pattern_regex
    from policies.retention.holds import COLUMNS, items_held
    from vault.format.hold import Hold
    from vault.format.manifest import FOLDER
    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import healed

    if scope.path is not None:
        pattern_regex(scope.path)  # what is no pattern would hold everything, which nobody means who writes one
    committed = snapshots.committed(project)
    reader = MetaReader(project, healed(project, ChunkIndex.load(project)))
    probe = Hold("", scope, "", "", None)
    items = size = 0
    for record in snapshots.at(committed.records, None):
        table = snapshots.read_manifest(reader, record, columns=[*COLUMNS, "type", "size"])
        held = table.filter(items_held(table, probe, pattern_regex))
        held = held.filter(pc.not_equal(held["type"], FOLDER))
        items += held.num_rows
        size += pc.sum(held["size"]).as_py() or 0
    return items, size


def _placed(hold: Hold) -> str:
    return "?" if hold.placed_at is None else wording.moment(hold.placed_at)


def _until(hold: Hold) -> str:
    if hold.release is not None:
        return f"released by {hold.release.who} on {wording.moment(hold.release.released_at)}: {hold.release.reason}"
    return "until it is released" if hold.until is None else f"until {wording.moment(hold.until)}"


def _as_json(hold: Hold, now: datetime) -> dict[str, Any]:
    released = hold.release
    return hold.as_json() | {
        "hold": hold.id,
        "binds": hold.binds(now),
        "released": None if released is None else released.as_json(),
    }
