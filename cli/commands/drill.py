"""`strongroom drill`: restore a sample, compare it, and keep a record of how long that took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import colour, output, progress
from cli.options import Config, Identity, Json, Quiet
from strongroom import command_log, context
from vault import wording
from vault.errors import Damaged
from vault.wording import counted

DONE_WITH_PROBLEMS = 3

if TYPE_CHECKING:
    from strongroom.restore_drill import RecordedDrill
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
    not come back as it was or not all was compared, and with 3 where the scratch folder does not take an attribute. Says which
    recovery kit was not proven for long (`strongroom keys check`).
    """
    from strongroom import recovery_check

    with context.opened(config, identity) as opened:
        below = opened.uncached()
        chosen = below.projects(projects or [])
        with command_log.recorded(below, "drill", chosen):
            done = [_one(below, project, quiet=quiet, as_json=as_json) for project in chosen]
        reminders = recovery_check.reminders(opened.settings)
    errors = [one.error for one in done if one.error is not None]
    if as_json:
        first = {"error": errors[0].as_json()} if errors else {}
        reminded = {"reminders": [one.as_json() for one in reminders]}
        output.document("drill/1", {"drills": [one.as_json() for one in done]} | reminded | first)
    elif not quiet:
        for one in done:
            _report(one)
    for reminder in reminders:
        output.notice(f"reminder: {reminder.title}: {reminder.message}")
        output.notice(f"hint: {reminder.hint}")
    if errors:
        raise typer.Exit(errors[0].exit_code)
    if below.refused:
        raise typer.Exit(Damaged.exit_code)
    if any(one.problems for one in done):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _one(opened: context.Context, project: Project, *, quiet: bool, as_json: bool) -> RecordedDrill:
    from strongroom.restore_drill import record_drill

    with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
        done = record_drill(opened, project, progress=listener)
    output.problems(done.problems)
    if done.error is not None:
        output.failure(done.error)
    return done


def _report(done: RecordedDrill) -> None:
    report = done.report
    if report is None:
        return
    verdict = "DAMAGED" if report.wrong else "NOT ALL COMPARED" if done.trouble else "as they were"
    parts = (
        counted(report.compared, "file"),
        counted(report.folders_compared, "folder"),
        f"attributes of {counted(report.attributes_compared, 'item')}",
    )
    output.result(
        f"{report.project}: {counted(report.items, 'file')} ({wording.size(report.bytes)}) restored in "
        f"{wording.duration(report.seconds)}, {report.newest} among them; compared: {', '.join(parts)}: {verdict}",
        paint=(verdict, colour.Style.GOOD if verdict == "as they were" else colour.Style.BAD),
    )
    output.result(
        f"  all {counted(report.whole_items, 'file')} ({wording.size(report.whole_bytes)}) would take about "
        f"{wording.duration(report.whole_seconds)}"
    )
    for line in report.wrong:
        output.result(f"  wrong: {line}", paint=("  wrong:", colour.Style.BAD))
