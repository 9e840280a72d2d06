"""`strongroom hold add|release|list`: what nobody may forget, who said so, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.options import EXIT_CODES, Config, FromCopy, Identity, Json
from strongroom import time_parsing
from strongroom.context import opened
from strongroom.holds import add_hold, held_period, list_holds, release_hold
from vault import wording
from vault.wording import counted

if TYPE_CHECKING:
    from vault.format.hold import Hold

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

    with opened(config, identity) as context:
        own = context.project(project)
        zone, now = context.zone(project), own.services.clock.now()
        scope = Scope(kind, None if period is None else held_period(period, zone, now), path, snapshot)
        end = None if until is None else time_parsing.moment(until, zone, now)
        made = add_hold(context, own, scope, reason=reason, until=end)
    hold = made.placed.hold
    if as_json:
        output.document("hold-add/1", made.as_json())
    else:
        output.result(f"hold {hold.id} on {project}: {scope.as_text()}, {_until(hold)}")
    if snapshot is None and not as_json:
        items, size = counted(made.items, "item"), wording.size(made.bytes)
        output.result(f"it is on {items} ({size}) of the newest snapshots, and on older versions")
        if not made.items:
            output.notice("notice: no item matches it now; it binds those that come, and those of older snapshots")
    output.finish(made.placed.problems)


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
    with opened(config, identity) as context:
        ended = release_hold(context, context.project(project), hold, reason=reason)
    if as_json:
        output.document("hold-release/1", ended.as_json())
    else:
        output.result(f"hold {ended.hold.id} on {project} ({ended.hold.scope.as_text()}) is released")
    output.finish(ended.problems)


@app.command("list", epilog=EXIT_CODES)
def list_(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    from_copy: FromCopy = None,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """The holds that bind."""
    with opened(config, identity, copy=from_copy) as context:
        found = [list_holds(project, ended=every) for project in context.projects(projects or [])]
    holds = [one for project in found for one in project.holds]
    if as_json:
        output.document("hold-list/1", {"holds": [one.as_json() for one in holds]})
    else:
        cells = [(one.project, *_cells(one.hold)) for one in holds]
        output.table(cells, ["PROJECT", "HOLD", "ON", "SINCE", "WHO", "WHY", "UNTIL"])
    output.finish([problem for project in found for problem in project.problems], refused=context.refused)


def _cells(hold: Hold) -> tuple[str, ...]:
    placed = "?" if hold.placed_at is None else wording.moment(hold.placed_at)
    return hold.id, hold.scope.as_text(), placed, hold.who, hold.reason, _until(hold)


def _until(hold: Hold) -> str:
    if hold.release is not None:
        return f"released by {hold.release.who} on {wording.moment(hold.release.released_at)}: {hold.release.reason}"
    return "until it is released" if hold.until is None else f"until {wording.moment(hold.until)}"
