"""`strongroom retention plan|apply` and `strongroom forget`: which snapshots go, why, and what that frees."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cli import output, progress
from cli.options import EXIT_CODES, Config, Identity, Json, Yes
from cli.prompts import confirm
from strongroom import command_log, time_parsing
from strongroom.context import Context, opened
from strongroom.forget import ForgetLog, accept_loss, forget_log, forget_snapshots, snapshots_of
from strongroom.retention import AppliedRetention, ProjectRetention, apply_retention, plan_retention
from strongroom.settings import durations
from vault import wording
from vault.errors import UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.project import Project

SHOWN = 12
"""Snapshots that go which are shown one by one; `--all` shows every one, and those that stay."""

app = typer.Typer(help="Which snapshots stay, which go, and why.", no_args_is_help=True, rich_markup_mode=None)
Projects = Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all of the settings.")]
All = Annotated[bool, typer.Option("--all", help="Show every snapshot, those that stay too.")]


@app.command("plan", epilog=EXIT_CODES)
def plan(
    projects: Projects = None,
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="What would still be there on that day.")] = None,
    every: All = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Show what would go and why, what stays and why, and what that frees. Nothing is changed.

    With --on it is shown what would still exist then if no further backup came.
    """
    with opened(config, identity) as context:
        chosen = context.projects(projects or list(context.settings.projects))
        made = []
        for project in chosen:
            with progress.phase("reading what snapshots need", project=project.name, as_json=as_json):
                made.append(plan_retention(context, project, on=_day(context, project, on)))
        zones = {project.name: context.zone(project.name) for project in chosen}
    if as_json:
        output.document("retention-plan/1", {"projects": [one.as_json() for one in made]})
    else:
        for one in made:
            _show(one, zones[one.project], every=every)
    for one in made:
        output.problems(one.problems)
    if any(one.problems for one in made):
        raise typer.Exit(output.DONE_WITH_PROBLEMS)


@app.command("apply", epilog=EXIT_CODES)
def apply(
    projects: Projects = None,
    shown: Annotated[
        str | None, typer.Option("--plan", metavar="DIGEST", help="Do what a plan with this digest said, or refuse.")
    ] = None,
    every: All = False,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Forget the snapshots that no rule wants: plan, show, ask, and do it while nothing has changed.

    What only they needed stays in the store until `strongroom prune`.
    """
    done: list[AppliedRetention] = []
    with opened(config, identity) as context:
        chosen = context.projects(projects or list(context.settings.projects))
        with command_log.recorded(context, "retention", chosen):
            for project in chosen:
                with progress.phase("reading what snapshots need", project=project.name, as_json=as_json):
                    planned = plan_retention(context, project)
                output.problems(planned.problems)
                if shown is not None:
                    planned.refuse_unless(shown)
                if not as_json:
                    _show(planned, context.zone(project.name), every=every)
                goes = planned.plan.goes
                if goes and not yes:
                    confirm(f"Forget {counted(len(goes), 'snapshot')} of {project.name}?")
                with progress.phase("forgetting snapshots", project=project.name, as_json=as_json):
                    applied = apply_retention(context, project, planned)
                _show_applied(applied)
                done.append(applied)
    if as_json:
        output.document("retention-apply/1", {"projects": [one.as_json() for one in done]})


@app.command("log", epilog=EXIT_CODES)
def log(
    projects: Projects = None,
    every: Annotated[bool, typer.Option("--all", help="Every snapshot by its id, every item by its path.")] = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Show which snapshots were forgotten or given up as lost, and which lost items: when, by whom and why."""
    with opened(config, identity) as context:
        found = [forget_log(project) for project in context.projects(projects or [])]
    if as_json:
        output.document("retention-log/1", {"projects": [one.as_json() for one in found]})
    else:
        for one in found:
            _show_log(one, every=every)
    output.finish([problem for one in found for problem in one.damage], refused=context.refused)


@app.command("accept-loss", epilog=EXIT_CODES)
def accept(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    lost: Annotated[list[str], typer.Argument(metavar="SNAPSHOT…")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What happened; it is kept with the note.")],
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="So long no prune deletes a pack; 0 for none.")
    ] = "7 days",
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Note that missing or damaged snapshots are lost, so that check, prune and status go on without them.

    What only they needed goes with a prune after --grace: until then look for an older version or a copy of their records.
    `check --acknowledge` does the same for all snapshots that are missing or damaged, and for other objects.
    """
    stay = timedelta(0) if grace.strip() == "0" else durations.read(grace)

    def ask() -> None:
        if not yes:
            count = counted(len(set(lost)), "snapshot")
            confirm(f"Give up {count} of {project}? What only they needed goes with a later prune.")

    with opened(config, identity) as context:
        accepted = accept_loss(context, context.project(project), lost, reason=reason, grace=stay, confirm=ask)
    if as_json:
        output.document("retention-accept-loss/1", accepted.as_json())
    else:
        count = counted(len(accepted.snapshots), "snapshot")
        output.result(f"{project}: the loss of {count} is noted; nothing misses them from now on")


def forget(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    chosen: Annotated[list[str], typer.Argument(metavar="SNAPSHOT…")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the note.")],
    newest_too: Annotated[bool, typer.Option("--newest-too", help="Even the newest snapshot of a source.")] = False,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Forget snapshots by their ids. What a hold is on stays, and so does the newest snapshot of each source."""

    def ask() -> None:
        if not yes:
            confirm(f"Forget {counted(len(set(chosen)), 'snapshot')} of {project}?")

    with opened(config, identity) as context:
        found = context.project(project)
        gone = forget_snapshots(context, found, chosen, reason=reason, newest_too=newest_too, confirm=ask)
    if as_json:
        output.document("forget/1", gone.as_json())
    else:
        count = counted(len(gone.snapshots), "snapshot")
        output.result(f"{project}: {count} forgotten; `strongroom prune {project}` reclaims the room")


def _day(context: Context, project: Project, text: str | None) -> datetime | None:
    """The later moment that --on means; None for now. Raises `UsageError`."""
    if text is None:
        return None
    now = project.services.clock.now()
    when = time_parsing.moment(text, context.zone(project.name), now)
    if when <= now:
        raise UsageError(f"invalid --on {text!r}: it is not a later day", hint="the plan for now is the one without --on")
    return when


def _show_log(found: ForgetLog, *, every: bool) -> None:
    rows = []
    for note in found.notes:
        gone = snapshots_of(note)
        sources = ", ".join(sorted({one.source or "?" for one in gone}))
        what = [one.id for one in gone] if every else [counted(len(gone), "snapshot")] if gone else []
        when, who = wording.moment(note.forgotten_at), note.who or f"? on {note.host}"
        rows += [(f"  {when}", who, one, sources, note.reason) for one in what]
        items = [(one.path, one.source) for one in note.items] + [(one.path, one.source) for one in note.contents]
        lost = [path for path, _ in items] if every else [counted(len(items), "lost item")] if items else []
        of = ", ".join(sorted({source for _, source in items}))
        rows += [(f"  {when}", who, one, of, note.reason) for one in lost]
    output.result(f"{found.project}: {counted(len(rows), 'entry', 'entries')}")
    if rows:
        output.table(rows, ["  WHEN", "WHO", "FORGOTTEN", "OF", "WHY"])


def _show_applied(found: AppliedRetention) -> None:
    if found.forgotten:
        count = counted(len(found.forgotten), "snapshot")
        output.notice(f"{found.project}: {count} forgotten; `strongroom prune` reclaims the room")
    if found.by_others:
        output.notice(f"{found.project}: {counted(found.by_others, 'snapshot')} forgotten by another run meanwhile")


def _show(found: ProjectRetention, zone: ZoneInfo, *, every: bool) -> None:
    output.result(f"{found.project}: plan {found.digest[:16]}")
    for line in found.plan.lines() if every else found.plan.summary():
        output.result(f"  {line}")
    if not every:
        goes = list(found.plan.verdict.forgotten)
        for one in goes[:SHOWN]:
            why = "; ".join(reason.text for reason in one.forget)
            output.result(
                f"  goes: {one.snapshot.source} {wording.moment(one.snapshot.taken_at, zone)} {one.snapshot.id}: {why}"
            )
        if len(goes) > SHOWN:
            output.result(f"  … and {len(goes) - SHOWN} more; --all shows every one")
