"""Restores that give everything as it is: to a folder, back in place, one file to standard output."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from cli import output, progress, prompts
from cli.restoring import giving_runs, showing
from cli.restoring.destinations import Archive, Bucket, Destination, Folder, OneFile, Stdout, parse
from cli.restoring.work import RestoreJob, ShownTarget, agreed, end, forecast
from strongroom import own_paths


def run(work: RestoreJob) -> None:
    """Do what is asked for. Raises what the destinations raise, and `typer.Exit` after problems."""
    if work.request.in_place:
        _in_place(work)
        return
    destination = parse(work.request.to, tables=work.request.tables.wanted)
    _refuse_own(work, destination)
    if isinstance(destination, OneFile):
        work = replace(work, request=replace(work.request, tables=work.request.tables.named(destination.format)))
    conversion = work.conversion
    if isinstance(destination, Stdout | OneFile) and not work.request.tables.merge:
        work = replace(work, selection=prompts.one_file(work.selection))
    match destination:
        case Stdout() if conversion is None:
            _stream(work)
        case Folder(path) if conversion is None:
            _to_folder(work, path)
        case Stdout() | OneFile():
            giving_runs.to_one_file(work, destination)
        case Folder(path):
            giving_runs.to_folder(work, path)
        case Archive():
            giving_runs.to_archive(work, destination)
        case Bucket():
            giving_runs.to_bucket(work, destination)


def _refuse_own(work: RestoreJob, destination: Destination) -> None:
    """Raises `RefusedByRule` where that is Strongroom's own."""
    settings = work.place.settings
    match destination:
        case Folder(path):
            own_paths.refuse_target(settings, path, folder=True)
        case Archive(path) | OneFile(path):
            own_paths.refuse_target(settings, path, folder=False)
        case Bucket(address):
            own_paths.refuse_bucket(settings, address, endpoint=work.request.endpoint)


def _stream(work: RestoreJob) -> None:
    from restore.execution.stream import stream

    with output.standard_output():
        stream(work.selection, sys.stdout.buffer, lambda: None)
    end(work, work.selection.damage, None)


def _to_folder(work: RestoreJob, folder: Path) -> None:
    from restore.execution.executor import execute
    from restore.local_fs import Target
    from restore.planning.plan import make_plan

    request = work.request
    with Target(os.fsencode(folder.absolute())) as target:
        plan = make_plan(work.selection, target, request.policy, work.today)
        if not agreed(work, [plan], ShownTarget(str(folder), folder)):
            return
        plan = plan.without_missing() if request.incomplete else plan
        with progress.shown(quiet=request.quiet or request.as_json, project=work.project) as listener:
            report = execute(plan, target, lambda: None, listener)
    if not request.as_json:
        showing.tell(report, str(folder))
    end(work, report.problems, {"plan": showing.plan_document([plan], forecast(work, [plan])), **report.as_json()})


def _in_place(work: RestoreJob) -> None:
    from restore.execution.in_place import apply_all, source_roots
    from restore.local_fs import Target
    from restore.planning.plan import make_plan

    request = work.request
    folders = {source.name: Path(source.path).absolute() for source in work.place.settings.project(work.project).sources}
    with ExitStack() as stack:
        planned = []
        for home in source_roots(work.selection, folders):
            target = stack.enter_context(Target(os.fsencode(home.folder)))
            planned.append((home, make_plan(home.selection, target, request.policy, work.today), target))
        where = " and ".join(str(home.folder) for home, _, _ in planned)
        if not agreed(work, [plan for _, plan, _ in planned], ShownTarget(where, planned[0][0].folder)):
            return
        if request.incomplete:
            planned = [(home, plan.without_missing(), target) for home, plan, target in planned]
        with progress.shown(quiet=request.quiet or request.as_json, project=work.project) as listener:
            reports = apply_all(planned, lambda: None, listener)
    reports[0].problems = [*work.selection.damage, *reports[0].problems]
    folders_told = []
    for (home, plan, _), report in zip(planned, reports, strict=True):
        if not request.as_json:
            showing.tell(report, str(home.folder))
        folders_told.append({"source": home.source, "folder": str(home.folder), "plan": plan.as_json(), **report.as_json()})
    plans = [plan for _, plan, _ in planned]
    document = {
        "plan": showing.plan_document(plans, forecast(work, plans)),
        **showing.summed([report.as_json() for report in reports]),
        "folders": folders_told,
    }
    end(work, [problem for report in reports for problem in report.problems], document)
