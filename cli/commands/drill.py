"""`strongroom drill`: restore a sample, compare it, and keep a record of how long that took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output, progress
from cli.options import Config, Identity, Json, Quiet
from strongroom import context, local_state
from vault import wording
from vault.errors import Damaged, Interrupted, StrongroomError
from vault.wording import counted

DONE_WITH_PROBLEMS = 3

if TYPE_CHECKING:
    from vault.repository.project import Project


def drill(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    config: Config = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Restore a random sample of each project and its newest report to a scratch folder, and compare every byte.

    The store is read below this machine's cache, as another machine would read it. Says how much was compared, how long it
    took, and what a restore of everything would take; `status` shows the last record. Ends with exit code 20 where a file does
    not come back as it was or not all was compared, and with 3 where the scratch folder does not take an attribute.
    """
    with context.opened(config, identity) as opened:
        place = opened.uncached()
        outcomes = [_one(place, project, quiet=quiet or as_json) for project in place.projects(projects or [])]
    if as_json:
        output.document({"drills": [told for told, _ in outcomes]} | _first_error([error for _, error in outcomes]))
    elif not quiet:
        for told, _ in outcomes:
            _tell(told)
    failed = [error for _, error in outcomes if error is not None]
    if failed:
        raise typer.Exit(failed[0].exit_code)
    if place.refused:
        raise typer.Exit(Damaged.exit_code)
    if any(told.get("problems") for told, _ in outcomes):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _one(place: context.Context, project: Project, *, quiet: bool) -> tuple[dict[str, Any], StrongroomError | None]:
    from strongroom.restore_drill import drill as restore_sample

    now = project.services.clock.now()
    error: StrongroomError | None = None
    try:
        with progress.shown(quiet=quiet, project=project.name) as listener:
            done = restore_sample(project, lambda: None, progress=listener)
        told = done.as_json()
        output.problems(done.problems)
        lost = [one.message for one in place.missing(project) if one.what == "snapshot"]
        if lost and not done.trouble:
            told["trouble"] = f"an older state was restored: {lost[0]}"
        if told["trouble"]:
            error = Damaged(f"{project.name}: {told['trouble']}")
    except Interrupted:
        raise
    except StrongroomError as failed:
        error = failed
        told = {"project": project.name, "trouble": str(failed)}
    if error is not None:
        output.failure(error)
    with local_state.noted(place.settings) as findings:
        if findings is not None:
            findings.drilled(project.name, now, told)
    if error is None:
        local_state.note_run(place.settings, project.name, "drill")
    return told | {"at": now.isoformat()}, error


def _first_error(errors: list[StrongroomError | None]) -> dict[str, Any]:
    """As whoever reads the document looks for it."""
    first = next((one for one in errors if one is not None), None)
    return {} if first is None else {"error": {"message": str(first), "hint": first.hint, "exit_code": first.exit_code}}


def _tell(told: dict[str, Any]) -> None:
    if "items" not in told:
        return
    verdict = "DAMAGED" if told["wrong"] else "NOT ALL COMPARED" if told["trouble"] else "as they were"
    parts = (
        counted(told["compared"], "file"),
        counted(told["folders_compared"], "folder"),
        f"attributes of {counted(told['attributes_compared'], 'item')}",
    )
    output.result(
        f"{told['project']}: {counted(told['items'], 'file')} ({wording.size(told['bytes'])}) restored in "
        f"{wording.duration(told['seconds'])}, {told['newest']} among them; compared: {', '.join(parts)}: {verdict}"
    )
    output.result(
        f"  all {counted(told['whole_items'], 'file')} ({wording.size(told['whole_bytes'])}) would take about "
        f"{wording.duration(told['whole_seconds'])}"
    )
    for line in told["wrong"]:
        output.result(f"  wrong: {line}")
