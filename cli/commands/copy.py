"""`strongroom copy [COPY]`: second copies of the repository are brought up to date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output, progress
from cli.commands.prune import size_in_bytes
from cli.options import Config, Identity, Json, Quiet
from strongroom import copies
from strongroom.command_log import recorded
from strongroom.context import Context, opened
from strongroom.copies import CopyStore
from strongroom.copy_repository import CopiedProject, CopyLimits, copy_project, note_failure, plan_copy, unopened
from vault import wording
from vault.errors import Busy, Interrupted, StrongroomError
from vault.wording import counted

if TYPE_CHECKING:
    from vault.copying.report import CopyPlan, CopyReport
    from vault.repository.project import Project


def copy(
    name: Annotated[str | None, typer.Argument(metavar="COPY", help="By its name in the settings. Default: all.")] = None,
    projects: Annotated[
        list[str] | None, typer.Option("--project", metavar="PROJECT", help="Only this project; may be given again.")
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option("--max-bytes", metavar="SIZE", help="Copy at most so much of each project, such as 10G.")
    ] = None,
    max_time: Annotated[
        float | None, typer.Option("--max-time", metavar="MINUTES", min=0, help="Begin nothing new after so many minutes.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also where nothing of a copy is left: everything is copied again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be copied, and copy nothing.")] = False,
    config: Config = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Bring second copies of the repository up to date: at other addresses, which the settings name under [copies.NAME].

    Only what is missing there is copied, each pack is compared with its name on the way, and every snapshot that stands in a
    copy is whole: the command may be interrupted anywhere, and the next run goes on. It runs beside backups and prunes of both.
    Nothing is deleted in a copy because it was deleted in the repository; what a copy forgets by its own rules is not copied
    again. What a copy has lost is copied again.
    """
    limits = CopyLimits(
        max_bytes=None if max_bytes is None else size_in_bytes(max_bytes),
        max_seconds=None if max_time is None else max_time * 60,
    )
    documents: list[dict[str, Any]] = []
    done: list[CopiedProject] = []
    plans: list[CopyPlan] = []
    failed: list[StrongroomError] = []
    with opened(config, identity) as context:
        chosen = context.projects(projects) if projects else context.available([])
        left_out = [] if projects else unopened(context, chosen)
        for one in [name] if name is not None else copies.names(context.settings):
            entry: dict[str, Any] = {"copy_name": one}
            try:
                with copies.opened_copy(context, one, create=not dry_run, begun=False, again=again) as store:
                    entry["address"] = store.address
                    run = _Run(context, store, limits, quiet=quiet, as_json=as_json)
                    if dry_run:
                        plans += (planned := [run.plan(project) for project in chosen])
                        entry["projects"] = [plan.as_json() for plan in planned]
                    else:
                        with recorded(context, "copy", chosen, {"copy": one}):
                            done += (copied := [run.copy(project) for project in chosen])
                        entry["projects"] = [found.as_json() for found in copied]
            except Interrupted:
                raise
            except StrongroomError as error:
                failed.append(error)
                if not dry_run:
                    note_failure(context, one, chosen, error)
                entry["error"] = error.as_json()
                output.failure(error)
            documents.append(entry)
    if left_out and not as_json:
        which = counted(len(left_out), "project is", "projects are")
        output.notice(f"{which} not copied: the identities at hand do not open them ({', '.join(left_out)})")
    errors = [*failed, *(one.error for one in done if one.error is not None)]
    if as_json:
        first = {"error": errors[0].as_json()} if errors else {}
        found = {"copy_list": documents, "projects_unopened": left_out, **first}
        output.document("copy-plan/1" if dry_run else "copy/1", found)
    _leave(done, plans, errors, refused=bool(context.refused))


def _leave(
    done: Sequence[CopiedProject], plans: Sequence[CopyPlan], errors: Sequence[StrongroomError], *, refused: bool
) -> None:
    """With the exit code that fits."""
    if errors:
        raise typer.Exit(errors[0].exit_code)
    if refused or any(one.problems for one in done) or any(one.problems for one in plans):
        raise typer.Exit(output.DONE_WITH_PROBLEMS)
    if any(one.report is not None and one.report.waiting for one in done):
        raise typer.Exit(Busy.exit_code)


class _Run:
    """To one copy."""

    def __init__(self, context: Context, store: CopyStore, limits: CopyLimits, *, quiet: bool, as_json: bool) -> None:
        self._context = context
        self._store = store
        self._limits = limits
        self._quiet = quiet
        self._as_json = as_json

    def plan(self, project: Project) -> CopyPlan:
        """What would be copied of a project, shown."""
        found = plan_copy(self._store, project)
        if not self._as_json:
            repaired = f", {found.repaired} of them lost there" if found.repaired else ""
            output.result(
                f"{self._title(project)}: {counted(len(found.snapshots), 'snapshot')} to copy, "
                f"{counted(found.packs, 'pack')} ({wording.size(found.size)}){repaired}, "
                f"{counted(found.objects, 'other object')}"
            )
        output.problems(found.problems)
        return found

    def copy(self, project: Project) -> CopiedProject:
        """A project, and what was done of it, shown."""
        from msgspec.structs import replace

        with progress.shown(quiet=self._quiet, as_json=self._as_json, project=self._title(project)) as listener:
            found = copy_project(self._context, self._store, project, replace(self._limits, progress=listener))
        if found.report is not None and not self._as_json and not self._quiet:
            self._show(project, found.report)
        for line in found.report.waiting if found.report is not None else ():
            output.notice(f"{self._title(project)}: {line}")
        output.problems(found.problems)
        if found.error is not None:
            output.failure(found.error)
        return found

    def _show(self, project: Project, report: CopyReport) -> None:
        repaired = f", {report.repaired} of them lost there before" if report.repaired else ""
        state = "up to date" if report.complete else f"{counted(report.left, 'snapshot')} left for the next run"
        output.result(
            f"{self._title(project)}: {counted(report.snapshots, 'snapshot')} copied, {counted(report.packs, 'pack')} "
            f"({wording.size(report.bytes)}){repaired} in {wording.duration(report.seconds)}; {state}"
        )

    def _title(self, project: Project) -> str:
        return f"{self._store.name}: {project.name}"
