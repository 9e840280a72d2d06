"""Restores: a plan is carried out, or one file goes to a stream.

    planned = plan_restore(context, selected, Archive(Path("back.zip"), "zip"))
    result = restore(planned)
    result.files, result.problems

What stops one item only is a problem of the result; what stops everything is raised.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

from restore.execution.executor import RestoreReport, execute
from restore.execution.in_place import apply_all, verify_source
from restore.execution.verification import verify_folder
from restore.local_fs import Target
from restore.planning.conflict_policy import ConflictPolicy
from strongroom.command_log import Recording, recorded
from strongroom.destinations import Folder, InPlace
from strongroom.restore_options import RestoreOptions, is_in_place
from strongroom.restore_parts import plan_of_all, refuse_several
from strongroom.restore_plan import PlannedRestore
from strongroom.restore_result import RestoredPart, RestoreResult
from vault.progress import NoProgress, Progress, Stop, never
from vault.storage.fallback import problems_of

if TYPE_CHECKING:
    from restore.execution.in_place import SourceRoot
    from restore.outputs.write_items import OutputReport
    from restore.planning.plan import RestorePlan
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from vault.repository.project import Project


def restore(planned: PlannedRestore, *, stop: Stop = never, progress: Progress | None = None) -> RestoreResult:
    """Do what a plan says.

    planned: of `plan_restore`; what it replaces is replaced without another question · stop: called often; what it raises ends
    the restore, and the same restore goes on from there later (an archive begins anew) · progress: hears how far it is.

    Raises what `PlannedRestore.refuse` raises, `TargetError` where the destination cannot be written, `Busy` where another
    restore writes to the same folder, `StorageError`.
    """
    planned.refuse()
    with recorded(planned.context, "restore", [planned.selected.project], _asked(planned)) as entry:
        entry.begin()
        result = _with_fallbacks(_restored(planned, stop, progress or NoProgress()), planned.selected.project)
        _count(entry, result)
    return result


def _asked(planned: PlannedRestore) -> dict[str, object]:
    """For the log."""
    options = planned.options
    return {
        "selection": planned.selected.options.as_json(),
        "to": planned.where,
        "in_place": is_in_place(planned.destination),
        "on_conflict": planned.policy.value,
        "tables": options.tables.as_json() if options.tables.wanted else None,
        "incomplete": options.incomplete,
        "verify": options.verify,
        "snapshots": [one.id for one in planned.selected.selection.records],
    }


def _count(entry: Recording, result: RestoreResult) -> None:
    entry.count(files=result.files, bytes=sum(part.report.bytes for part in result.parts))
    entry.problems(len(result.problems))


def _restored(planned: PlannedRestore, stop: Stop, progress: Progress) -> RestoreResult:
    destination = planned.destination
    if isinstance(destination, InPlace):
        return _in_place(planned, stop, progress)
    if isinstance(destination, Folder) and planned.conversion is None:
        return _folder(planned, destination, stop, progress)
    from strongroom.restore_outputs import OutputRun

    outcome = OutputRun.of(planned, stop, progress).to(destination)
    return _result(planned, outcome)


def _with_fallbacks(result: RestoreResult, project: Project) -> RestoreResult:
    """With what was read from copies among the problems, each object once: workers have said some of it."""
    report = result.parts[0].report
    report.problems = list(dict.fromkeys([*report.problems, *problems_of(project.store, project.id)]))
    return result


def stream(
    context: Context,
    selected: SelectedItems,
    out: BinaryIO,
    options: RestoreOptions | None = None,
    *,
    stop: Stop = never,
    progress: Progress | None = None,
) -> RestoreResult:
    """Write one file to a stream: the one that is selected, as it is or converted, or the one table that all become.

    out: open for writing bytes; it is flushed and stays open · options: None for the file as it is; `on_conflict` means nothing
    here. Nothing is written of a file as it is that was not verified.

    Raises `UsageError` where the selection does not come to one file, `Damaged` where content is missing or damaged,
    `StorageError`, and what writing to the stream raises.
    """
    options = options or RestoreOptions()
    options.tables.check(periods=bool(selected.query.periods))
    tables = options.tables.as_json() if options.tables.wanted else None
    what = {"selection": selected.options.as_json(), "to": "-", "tables": tables}
    with recorded(context, "restore", [selected.project], what) as entry:
        entry.begin()
        result = _streamed(context, selected, out, options, stop, progress or NoProgress())
        _count(entry, result)
    return result


def _streamed(
    context: Context,
    selected: SelectedItems,
    out: BinaryIO,
    options: RestoreOptions,
    stop: Stop,
    progress: Progress,
) -> RestoreResult:
    conversion = options.tables.conversion(selected.query, context, selected.project.name)
    if conversion is None:
        from restore.execution.stream import stream as stream_content

        clock = selected.project.services.clock
        began = clock.monotonic()
        size = stream_content(selected.selection, out, stop, options.room)
        took = clock.monotonic() - began
        report = RestoreReport(files=1, bytes=size, seconds=took, problems=[*selected.selection.damage])
        streamed = RestoreResult((RestoredPart("stream", report),), None, selected.missing_snapshots)
        return _with_fallbacks(streamed, selected.project)
    from strongroom.restore_outputs import OutputRun

    plan = plan_of_all(selected, options)
    refuse_several(selected.selection, plan, options.tables)
    policy = ConflictPolicy.REFUSE  # nothing exists in a stream
    run = OutputRun(context, selected, options.tables, conversion, plan, policy, stop, progress, room=options.room)
    outcome = run.to_stream(out)
    part = RestoredPart("stream", outcome.report, plan)
    converted = RestoreResult((part,), tuple(outcome.outcomes), selected.missing_snapshots)
    return _with_fallbacks(converted, selected.project)


def _folder(planned: PlannedRestore, folder: Folder, stop: Stop, progress: Progress) -> RestoreResult:
    """Everything as it is, to a folder."""
    (plan,) = planned.plans_to_execute()
    with Target(os.fsencode(folder.path.absolute())) as target:
        report = execute(plan, target, stop, progress)
        verified = verify_folder(plan, target, report.problems, stop, progress) if planned.options.verify else None
    if verified is not None:
        report.problems += verified.problems
    part = RestoredPart(planned.where, report, plan, verification=verified)
    return RestoreResult((part,), None, planned.selected.missing_snapshots, planned)


def _in_place(planned: PlannedRestore, stop: Stop, progress: Progress) -> RestoreResult:
    """Everything as it is, below the folders of the sources."""
    roots = [part.source_root for part in planned.parts if part.source_root is not None]
    with ExitStack() as stack:
        work: list[tuple[SourceRoot, RestorePlan, Target]] = []
        for root, plan in zip(roots, planned.plans_to_execute(), strict=True):
            work.append((root, plan, stack.enter_context(Target(os.fsencode(root.folder)))))
        reports = apply_all(work, stop, progress)
        verify = planned.options.verify
        verified = [
            verify_source(root, plan, target, report, stop, progress) if verify else None
            for (root, plan, target), report in zip(work, reports, strict=True)
        ]
    reports[0].problems = [*planned.selected.selection.damage, *reports[0].problems]
    parts = (
        RestoredPart(str(root.folder), report, plan, root, seen)
        for (root, plan, _), report, seen in zip(work, reports, verified, strict=True)
    )
    return RestoreResult(tuple(parts), None, planned.selected.missing_snapshots, planned)


def _result(planned: PlannedRestore, outcome: OutputReport) -> RestoreResult:
    (plan,) = planned.plans_to_execute()
    outcomes = None if planned.conversion is None else tuple(outcome.outcomes)
    if outcome.verification is not None:
        outcome.report.problems += outcome.verification.problems
    part = RestoredPart(planned.where, outcome.report, plan, verification=outcome.verification)
    return RestoreResult((part,), outcomes, planned.selected.missing_snapshots, planned)
