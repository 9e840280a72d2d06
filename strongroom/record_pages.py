"""Records as pages for people: a ticket, its comments and its files, to be read and printed where no help desk is any more.

planned = plan_pages(context, selected, Folder(Path("pages")), PageOptions(records=("4711",)))
result = write_record_pages(planned)
result.records, result.problems
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from restore.local_fs.syscalls import stands
from restore.outputs.archive_file import refuse_existing
from restore.outputs.scratch_dir import scratch_dir
from restore.outputs.sink import OutputSink
from restore.outputs.write_items import OutputReport
from restore.pages.item_sorts import record_rows
from restore.pages.lines import Wanted
from restore.pages.roles import PageRoles
from restore.pages.write_pages import PageCounts, PageRequest, write_pages
from restore.planning.conflict_policy import ConflictPolicy
from strongroom.command_log import recorded
from strongroom.destinations import Archive, Destination, Folder, Stdout, refuse_own
from strongroom.estimate import DiskShortage, Estimate, disk_shortage, estimate_of, plan_json
from strongroom.records import stated_by
from strongroom.restore_options import RestoreOptions
from strongroom.restore_outputs import OutputRun
from strongroom.restore_parts import plan_of_all
from strongroom.table_options import TableOptions
from vault.errors import SettingsError, UsageError
from vault.progress import NoProgress, Progress, Stop, never
from vault.storage.fallback import problems_of

if TYPE_CHECKING:
    from restore.execution.executor import RestoreReport
    from restore.planning.plan import RestorePlan
    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from vault.problems import Problem
    from vault.source.rest.description import Resource


class PageOptions(Struct, frozen=True, kw_only=True):
    """How to write pages.

    records: ids of the only ones that are wanted; none for all · key: the field that has them; "" to take what the source
    states, or else to guess · on_conflict: what becomes of files that are there; None to refuse · incomplete: write the others
    where content of some items is missing
    """

    records: tuple[str, ...] = ()
    key: str = ""
    on_conflict: ConflictPolicy | None = None
    incomplete: bool = False


class PlannedPages(Struct, frozen=True):
    """What would be written. items: of records; the others are given as they are."""

    context: Context
    selected: SelectedItems
    destination: Folder | Archive
    options: PageOptions
    plan: RestorePlan
    items: int
    estimate: Estimate
    shortage: DiskShortage | None
    notes: tuple[str, ...] = ()

    @property
    def plans(self) -> list[RestorePlan]:
        """As a restore has them: what is read."""
        return [self.plan]

    @property
    def where(self) -> str:
        """The destination, for people."""
        return self.destination.text

    @property
    def replacing(self) -> int:
        """How many files that exist would be replaced, as far as that is known: an archive."""
        return int(isinstance(self.destination, Archive) and stands(self.destination.path.absolute()))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return plan_json(self.plans, self.estimate) | {"notes": list(self.notes)}


class PagesResult(Struct, frozen=True):
    """What was written."""

    planned: PlannedPages
    report: RestoreReport
    counts: PageCounts

    @property
    def records(self) -> int:
        """That have a page."""
        return self.counts.records

    @property
    def problems(self) -> list[Problem]:
        """What is not there as it should be. Empty after a whole success."""
        return self.report.problems

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.planned.selected.project.name,
            "to": self.planned.where,
            "snapshots": [one.id for one in self.planned.selected.selection.records],
            "records": self.counts.records,
            "deleted_records": self.counts.deleted,
            "index_pages": self.counts.index_pages,
            "files": self.report.files,
            "bytes": self.report.bytes,
            "already_there": self.report.already_there,
            "skipped": self.report.skipped,
            "newer": self.report.newer,
            "seconds": round(self.report.seconds, 3),
            "problems": len(self.report.problems),
            "problem_list": [one.as_json() for one in self.report.problems],
        }


def plan_pages(
    context: Context, selected: SelectedItems, destination: Destination | Stdout, options: PageOptions
) -> PlannedPages:
    """What would be written; nothing is.

    Raises `UsageError` for a destination that is neither a folder nor an archive, and where no item has records;
    `RefusedByRule` where it is Strongroom's own, `TargetError` where an archive is there that must stay, `StorageError`.
    """
    if not isinstance(destination, Folder | Archive):
        raise UsageError("pages are written to a folder or an archive", hint="name one: --to DIR, or --to FILE.zip")
    refuse_own(context.settings, destination)
    policy = options.on_conflict or ConflictPolicy.REFUSE
    if isinstance(destination, Archive):
        refuse_existing(destination.path.absolute(), policy)
    plan = plan_of_all(selected, RestoreOptions(on_conflict=policy, incomplete=options.incomplete))
    items = len(record_rows(plan.items))
    if not items:
        raise UsageError(
            "no item that is selected has records as JSON Lines",
            hint="pages are made of records of REST interfaces; tables become pages of rows with --as html",
        )
    path = destination.path.absolute()
    shortage = disk_shortage(path if isinstance(destination, Folder) else path.parent, plan.bytes_to_write)
    estimate = estimate_of(context, [plan], selected.zone)
    notes = () if options.records else ("each record becomes a page",)
    return PlannedPages(context, selected, destination, options, plan, items, estimate, shortage, notes)


def write_record_pages(planned: PlannedPages, *, stop: Stop = never, progress: Progress | None = None) -> PagesResult:
    """Do what a plan says. The same restore, run again in the same folder, goes on from where one was interrupted.

    Raises `Damaged` where content is missing, `NothingFound` where no record is one of those that are asked for, `TargetError`
    where the destination cannot be written, `Busy`, `StorageError`.
    """
    from restore.execution.executor import refuse

    refuse(planned.plan)
    selected, options = planned.selected, planned.options
    what = {
        "selection": selected.options.as_json(),
        "to": planned.where,
        "pages_of_records": list(options.records) or "all",
        "key": options.key,
        "snapshots": [one.id for one in selected.selection.records],
    }
    counts = PageCounts()
    with recorded(planned.context, "restore", [selected.project], what) as entry:
        entry.begin()
        policy = options.on_conflict or ConflictPolicy.REFUSE
        run = _PagesRun(
            planned.context,
            selected,
            TableOptions(),
            None,
            planned.plan,
            policy,
            stop,
            progress or NoProgress(),
            planned=planned,
            counts=counts,
        )
        outcome = run.to(planned.destination)
        report, project = outcome.report, selected.project
        report.problems = list(dict.fromkeys([*report.problems, *problems_of(project.store, project.id)]))
        entry.count(files=report.files, bytes=report.bytes)
        entry.problems(len(report.problems))
    return PagesResult(planned, report, counts)


class _PagesRun(OutputRun, frozen=True, kw_only=True):
    """A restore whose files are pages."""

    planned: PlannedPages
    counts: PageCounts

    def _write(self, sink: OutputSink, *, scratch: Path | None = None, reported: bool = True) -> OutputReport:
        """See `OutputRun`."""
        with scratch_dir(scratch) as private:
            return write_pages(_request(self.planned, private), sink, self.counts, self.stop, self.progress)


def _request(planned: PlannedPages, scratch: Path) -> PageRequest:
    selected, options = planned.selected, planned.options
    records = selected.selection.records
    coverage = {one.source: one.coverage for one in records}
    resources = _Descriptions(planned.context, selected.project.name)
    moments = (f"Source {one.source}: snapshot {one.id} of {one.taken_at.isoformat(' ', 'seconds')}." for one in records)
    return PageRequest(
        selection=selected.selection,
        plan=planned.plan,
        wanted=Wanted(options.records, options.key),
        stated_key=lambda source, path: stated_by(coverage.get(source), path),
        roles=resources.roles,
        title=f"Records of {selected.project.name}",
        about=[*moments],
        scratch=scratch,
    )


class _Descriptions:
    """What the descriptions of a project's sources say of their records. The settings may have other sources by now, or none
    of them: then the usual names of fields count."""

    def __init__(self, context: Context, project: str) -> None:
        self._context = context
        self._project = project
        self._known: dict[str, dict[str, Resource]] = {}

    def roles(self, source: str, path: bytes) -> PageRoles:
        """Of the records of an item."""
        if source not in self._known:
            self._known[source] = self._resources(source)
        below = os.fsdecode(path).partition("/")[2]
        for name, resource in self._known[source].items():
            if below == f"{name}.jsonl" or below.startswith(f"{name}/"):
                found = resource.page
                return PageRoles(
                    found.title,
                    found.author,
                    found.body,
                    found.time or (resource.time if _is_plain(resource.time) else ""),
                    tuple(found.comments),
                    found.comment_author,
                    found.comment_body,
                    found.comment_time,
                )
        return PageRoles()

    def _resources(self, source: str) -> dict[str, Resource]:
        from strongroom.source_kinds import rest
        from strongroom.source_kinds.registry import scheme_of

        settings = self._context.settings
        known = settings.document.projects.get(self._project)
        for one in () if known is None else known.sources:
            if one.name == source and one.url is not None and scheme_of(one.url) == "rest":
                try:
                    return rest.described(one.url, settings.file.absolute().parent).resources
                except SettingsError:
                    return {}
        return {}


def _is_plain(pointer: str) -> bool:
    """Whether a pointer goes to a field of the record itself, and through no list."""
    return "." not in pointer
