"""`strongroom retention plan|apply` and `strongroom forget`: which snapshots go, why, and what that frees."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import output
from cli.options import EXIT_CODES, Config, Identity, Json, Yes
from strongroom import context, environment, local_state, object_lock, retention, time_parsing
from strongroom.settings import durations
from vault import wording
from vault.errors import RefusedByRule, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from policies.retention.plan import RetentionPlan
    from vault.format.housekeeping import Note
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3
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
    with context.opened(config, identity) as place:
        made = [(project, *_plan(place, project, on)) for project in place.projects(projects or list(place.settings.projects))]
        zones = {one.name: place.zone(one.name) for one, _, _ in made}
    if as_json:
        output.document({"projects": [{"project": one.name} | found.as_json() for one, found, _ in made]})
    else:
        for project, found, _ in made:
            _show(project, found, zones[project.name], every=every)
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
    with context.opened(config, identity) as place:
        for project in place.projects(projects or list(place.settings.projects)):
            found, problems = _plan(place, project, None)
            output.problems(problems)
            digest = found.world.digest()
            if shown is not None and not (len(shown) >= len("12345678") and digest.startswith(shown)):
                raise RefusedByRule(
                    f"plan {shown} of project {project.name!r} is not the current one: snapshots, holds or rules differ; "
                    "nothing was done",
                    hint=f"look at `strongroom retention plan {project.name}` again: it is {digest[:16]} now",
                )
            if not as_json:
                _show(project, found, place.zone(project.name), every=every)
            if found.goes and not yes:
                ask(f"Forget {counted(len(found.goes), 'snapshot')} of {project.name}?")
            gone = _apply(place, project, found)
            local_state.note_run(place.settings, project.name, "retention")
            answers.append({"project": project.name, "forgotten": gone} | found.as_json())
    if as_json:
        output.document({"projects": answers})


@app.command("log", epilog=EXIT_CODES)
def log(
    projects: Projects = None,
    every: Annotated[bool, typer.Option("--all", help="Every snapshot by its id.")] = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Show which snapshots were forgotten or given up as lost: when, by whom and why."""
    from vault.repository import forget_notes

    with context.opened(config, identity) as place:
        found = [(project, *forget_notes.each(project)) for project in place.projects(projects or [])]
    if as_json:
        output.document(
            {
                "projects": [
                    {
                        "project": project.name,
                        "notes": [note.as_json() | {"snapshots": _logged(note)} for note in notes if _logged(note)],
                        "damage": [problem.as_json() for problem in problems],
                    }
                    for project, notes, problems in found
                ]
            }
        )
    else:
        for project, notes, _ in found:
            _show_log(project, notes, every=every)
    problems = [problem for _, _, some in found for problem in some]
    output.problems(problems)
    if problems or place.refused:
        raise typer.Exit(DONE_WITH_PROBLEMS)


@app.command("accept-loss", epilog=EXIT_CODES)
def accept_loss(
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
    from vault.repository import missing_snapshots

    stay = timedelta(0) if grace.strip() == "0" else durations.read(grace)
    with context.opened(config, identity) as place:
        found = place.project(project)
        place.gone(found)
        if not yes:
            ask(f"Give up {counted(len(set(lost)), 'snapshot')} of {project}? What only they needed goes with a later prune.")
        remembered, who = place.memory.recall("snapshots", found.id), environment.person()
        gone = missing_snapshots.accept(found, lost, reason=reason, who=who, remembered=remembered, packs_stay=stay)
        place.memory.forget(found.id, [one.id for one in gone])
    if as_json:
        output.document({"project": project, "accepted": [one.as_json() for one in gone]})
    else:
        output.result(f"{project}: the loss of {counted(len(gone), 'snapshot')} is noted; nothing misses them from now on")


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
    from vault.repository.gc.forget import forget as drop

    with context.opened(config, identity) as place:
        found = place.project(project)
        place.refuse_lost_holds(found)
        object_lock.begun(place, found)
        if not yes:
            ask(f"Forget {counted(len(set(chosen)), 'snapshot')} of {project}?")
        held = retention.held(found)
        gone = drop(found, chosen, reason=reason, who=environment.person(), held=held, newest_too=newest_too)
        place.memory.forget(found.id, [one.id for one in gone])
    if as_json:
        output.document({"project": project, "forgotten": [one.id for one in gone]})
    else:
        output.result(f"{project}: {counted(len(gone), 'snapshot')} forgotten; `strongroom prune {project}` reclaims the room")


def _logged(note: Note) -> list[dict[str, Any]]:
    """The snapshots of a note, without what prunes write for themselves."""
    from vault.repository.gc.repack import SOURCE

    return [one.as_json() for one in note.snapshots if one.source != SOURCE]


def _show_log(project: Project, notes: list[Note], *, every: bool) -> None:
    rows = []
    for note in notes:
        gone = _logged(note)
        sources = ", ".join(sorted({one["source"] or "?" for one in gone}))
        what = [one["id"] for one in gone] if every else [counted(len(gone), "snapshot")] if gone else []
        when, who = wording.moment(note.forgotten_at), note.who or f"? on {note.host}"
        rows += [(f"  {when}", who, one, sources, note.reason) for one in what]
    output.result(f"{project.name}: {counted(len(rows), 'entry', 'entries')}")
    if rows:
        output.table(rows, ["  WHEN", "WHO", "FORGOTTEN", "OF", "WHY"])


def _plan(place: context.Context, project: Project, on: str | None) -> tuple[RetentionPlan, tuple[Any, ...]]:
    from policies.retention.plan import make_plan

    now = project.services.clock.now()
    world, problems = retention.world(place.settings, project)
    when = None if on is None else _day(on, place.zone(project.name), now)
    return make_plan(world, now, on=when, storage=retention.storage(project)), problems


def _day(text: str, zone: ZoneInfo, now: datetime) -> datetime:
    when = time_parsing.moment(text, zone, now)
    if when <= now:
        raise UsageError(f"invalid --on {text!r}: it is not a later day", hint="the plan for now is the one without --on")
    return when


def _apply(place: context.Context, project: Project, found: RetentionPlan) -> list[str]:
    """Gives the ids of the snapshots that this run forgot."""
    from vault.repository import forget_notes
    from vault.repository.gc.forget import forget as drop

    if not found.goes:
        return []
    place.refuse_lost_holds(project)
    object_lock.begun(place, project)
    world, _ = retention.world(place.settings, project)
    if not forget_notes.read_all(project).by_id.keys() >= set(found.goes):
        found.refuse_unless_current(world)
    reason = f"retention, plan {found.world.digest()[:16]}"
    held, who = retention.held(project), environment.person()
    gone = drop(project, found.goes, reason=reason, who=who, held=held, unless_done=True)
    place.memory.forget(project.id, [one.id for one in gone])
    if gone:
        output.notice(f"{project.name}: {counted(len(gone), 'snapshot')} forgotten; `strongroom prune` reclaims the room")
    if len(gone) < len(found.goes):
        output.notice(f"{project.name}: {counted(len(found.goes) - len(gone), 'snapshot')} forgotten by another run meanwhile")
    return [one.id for one in gone]


def _show(project: Project, found: RetentionPlan, zone: ZoneInfo, *, every: bool) -> None:
    output.result(f"{project.name}: plan {found.world.digest()[:16]}")
    lines = list(found.lines() if every else found.summary())
    for line in lines:
        output.result(f"  {line}")
    if not every:
        goes = list(found.verdict.forgotten)
        for one in goes[:SHOWN]:
            why = "; ".join(reason.text for reason in one.forget)
            output.result(
                f"  goes: {one.snapshot.source} {wording.moment(one.snapshot.taken_at, zone)} {one.snapshot.id}: {why}"
            )
        if len(goes) > SHOWN:
            output.result(f"  … and {len(goes) - SHOWN} more; --all shows every one")


def ask(question: str) -> None:
    if not environment.is_interactive():
        raise UsageError("there is no terminal to confirm it, and nothing was done", hint="run it again with --yes")
    typer.confirm(question, err=True, abort=True)
