"""`strongroom retention plan|apply` and `strongroom forget`: which snapshots go, why, and what that frees."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import judging, local, moments, output, workplace
from cli.options import EXIT_CODES, Config, Identity, Json, Yes
from vault.errors import RefusedByRule, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from policies.retention.plan import Plan
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3
SHOWN = 12
"""Snapshots that go which are shown one by one; `--all` shows every one, and those that stay."""

app = typer.Typer(help="Which snapshots stay, which go, and why.", no_args_is_help=True, rich_markup_mode=None)
Projects = Annotated[list[str] | None, typer.Argument(metavar="[PROJECT]…", help="Default: all of the settings.")]
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
    with workplace.opened(config, identity) as place:
        made = [(project, *_plan(place, project, on)) for project in place.projects(projects or list(place.settings.projects))]
    if as_json:
        output.document({"projects": [{"name": one.name} | found.as_json() for one, found, _ in made]})
    else:
        for project, found, _ in made:
            _show(project, found, every=every)
    for _, _, problems in made:
        output.problems(problems)
    if any(problems for _, _, problems in made):
        raise typer.Exit(DONE_WITH_PROBLEMS)


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
    answers: list[dict[str, Any]] = []
    with workplace.opened(config, identity) as place:
        for project in place.projects(projects or list(place.settings.projects)):
            found, problems = _plan(place, project, None)
            output.problems(problems)
            digest = found.world.digest()
            if shown is not None and not (len(shown) >= len("12345678") and digest.startswith(shown)):
                raise RefusedByRule(
                    f"the world is not the one of plan {shown} any more; nothing was done",
                    hint=f"look at `strongroom retention plan {project.name}` again: it is {digest[:16]} now",
                )
            if not as_json:
                _show(project, found, every=every)
            if found.goes and not yes:
                ask(f"Forget {counted(len(found.goes), 'snapshot')} of {project.name}?")
            _apply(place, project, found)
            local.note_run(place.settings, project.name, "retention")
            answers.append({"name": project.name, "forgotten": list(found.goes)} | found.as_json())
    if as_json:
        output.document({"projects": answers})


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
    from vault.repository.forget import forget as drop

    with workplace.opened(config, identity) as place:
        found = place.project(project)
        if not yes:
            ask(f"Forget {counted(len(set(chosen)), 'snapshot')} of {project}?")
        held = judging.held(place.settings, found)
        gone = drop(found, chosen, reason=reason, held=held, newest_too=newest_too)
        place.memory.forget(found.id, [one.id for one in gone])
    if as_json:
        output.document({"project": project, "forgotten": [one.id for one in gone]})
    else:
        output.result(f"{project}: {counted(len(gone), 'snapshot')} forgotten; `strongroom prune {project}` reclaims the room")


def _plan(place: workplace.Workplace, project: Project, on: str | None) -> tuple[Plan, tuple[Any, ...]]:
    from policies.retention.plan import make_plan

    now = project.services.clock.now()
    world, problems = judging.world(place.settings, project)
    when = None if on is None else _day(on, place.zone(project.name), now)
    return make_plan(world, now, on=when, storage=judging.storage(project)), problems


def _day(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    when = moments.moment(text, zone, now)
    if when <= now:
        raise UsageError(f"{text!r} is not a later day", hint="the plan for now is the one without --on")
    return when


def _apply(place: workplace.Workplace, project: Project, found: Plan) -> None:
    from vault.repository.forget import forget as drop

    if not found.goes:
        return
    world, _ = judging.world(place.settings, project)
    found.refuse_unless_current(world)
    held = judging.held(place.settings, project)
    gone = drop(project, found.goes, reason=f"retention, plan {found.world.digest()[:16]}", held=held)
    place.memory.forget(project.id, [one.id for one in gone])
    output.notice(f"{project.name}: {counted(len(gone), 'snapshot')} forgotten; `strongroom prune` reclaims the room")


def _show(project: Project, found: Plan, *, every: bool) -> None:
    output.result(f"{project.name}: plan {found.world.digest()[:16]}")
    lines = list(found.lines() if every else found.summary())
    for line in lines:
        output.result(f"  {line}")
    if not every:
        goes = list(found.verdict.forgotten)
        for one in goes[:SHOWN]:
            why = "; ".join(reason.text for reason in one.forget)
            output.result(f"  goes: {one.snapshot.source} {output.moment(one.snapshot.taken_at)} {one.snapshot.id}: {why}")
        if len(goes) > SHOWN:
            output.result(f"  … and {len(goes) - SHOWN} more; --all shows every one")


def ask(question: str) -> None:
    from cli import environment

    if not environment.is_interactive():
        raise UsageError("nobody can be asked here, and nothing was done", hint="say yes beforehand with --yes")
    typer.confirm(question, err=True, abort=True)
