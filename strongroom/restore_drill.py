"""A restore drill: a random sample of a project and its newest report come back to a scratch folder, and are compared.

    select    the project as it is now
    choose    the newest report, and items at random, up to a number and a size, with the folders above them
    restore   as a person would have it restored; the time that this takes is measured
    compare   content and size of every file with the manifest's BLAKE3, attributes of files and folders

A drill that did not compare all that it restored has failed. Attributes that the scratch folder does not take are problems by
name; content is compared all the same. What a whole restore would take is reckoned from the time. The scratch folder (0700,
among the system's temporary files) goes afterwards.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import command_log, local_state
from vault.errors import Damaged, Interrupted, NothingFound, StrongroomError, TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.progress import Stop, never
from vault.storage.fallback import problems_of
from vault.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from restore.local_fs import Target
    from restore.planning.estimate import RestoreCost
    from restore.planning.plan import RestorePlan
    from restore.selection.select import Selection
    from strongroom.context import Context
    from strongroom.project_status import LastDrill
    from strongroom.settings import Settings
    from vault.progress import Progress
    from vault.repository.project import Project

ITEMS = 50
MOST_BYTES = 1 << 30
REPAIRED = frozenset({"damaged-index", "missing-index"})
"""Damage that costs nothing as long as all content is found: what is read is verified by other names."""

MOST_PAST = 50
"""Drills of the past that are told."""

NEWEST_OF = "reports"
"""The kind of which the newest item is always among the sample; another one where a project has none of it."""


class DrillComparison(Struct):
    """What was compared. files: their content · folders · attributes: items whose attributes are all as they should be ·
    wrong: files that are not what they should be, and why · problems: attributes that are not."""

    files: int = 0
    folders: int = 0
    attributes: int = 0
    wrong: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class DrillReport(Struct, frozen=True):
    """What a drill came to. items, folders: to be restored · bytes: of the items · seconds: from the first request to the last
    byte · compared: files whose content was · folders_compared, attributes_compared · whole_items, whole_bytes: of the project
    · whole_seconds: that all of it would take, as reckoned · newest: the newest report's path · wrong: files that are not what
    they should be, and why · problems: what the scratch folder does not take, for one."""

    project: str
    items: int
    folders: int
    bytes: int
    seconds: float
    compared: int
    folders_compared: int
    attributes_compared: int
    whole_items: int
    whole_bytes: int
    whole_seconds: float
    newest: str
    wrong: tuple[str, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def trouble(self) -> str:
        """What is wrong in a few words, or nothing."""
        if self.wrong:
            return f"{len(self.wrong)} of {counted(self.items, 'file')} did not come back as stored: {self.wrong[0]}"
        if self.compared < self.items or self.folders_compared < self.folders:
            files, folders = counted(self.items, "file"), counted(self.folders, "folder")
            return f"not all was compared: {self.compared} of {files} and {self.folders_compared} of {folders}"
        return ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and for the record of it."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        times = {name: round(found[name], 3) for name in ("seconds", "whole_seconds")}
        listed = {"problems": len(self.problems), "problem_list": [one.as_json() for one in self.problems]}
        return found | times | listed | {"wrong": list(self.wrong), "trouble": self.trouble}


def drill(
    project: Project,
    stop: Stop,
    *,
    items: int = ITEMS,
    most_bytes: int = MOST_BYTES,
    progress: Progress | None = None,
) -> DrillReport:
    """One drill. project: of a repository that is read below this machine's cache, to prove that another machine could restore.

    Raises `NothingFound`, `Damaged`, `KeyRefused`, `TargetError`, `StorageError`."""
    import pyarrow.compute as pc

    from restore.execution.executor import execute
    from restore.execution.row_view import taken
    from restore.local_fs import Target
    from restore.planning import estimate
    from restore.planning.conflict_policy import ConflictPolicy
    from restore.planning.plan import make_plan
    from restore.selection.select import ItemQuery, select

    project.capability.reading()
    clock = project.services.clock
    began = clock.monotonic()
    selection = select(project, ItemQuery())
    for one in selection.damage:
        if one.what not in REPAIRED:
            raise Damaged(one.message)
    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if not files.num_rows:
        raise NothingFound(f"project {project.name!r} has no file to restore", hint="drill it once it has one")
    rows = _chosen(files, project.services.randomness.fraction, items, most_bytes)
    sample = _only(selection, taken(files, rows))
    selected = clock.monotonic()
    with _scratch() as folder, Target(os.fsencode(folder)) as target:
        plan = make_plan(sample, target, ConflictPolicy.REFUSE, clock.now().date())
        report = execute(plan.without_missing(), target, stop, progress)
        took = clock.monotonic() - selected
        compared = _compare(plan, target, report.problems)
    pace = estimate.throughput_of(project.store.describe())
    return DrillReport(
        project=project.name,
        items=len(rows),
        folders=sample.table.num_rows - len(rows),
        bytes=plan.bytes_to_write,
        seconds=selected - began + took,
        compared=compared.files,
        folders_compared=compared.folders,
        attributes_compared=compared.attributes,
        whole_items=files.num_rows,
        whole_bytes=pc.sum(files["size"]).as_py() or 0,
        whole_seconds=(selected - began) + estimate.measured(_whole(selection, files), estimate.cost_of(plan), took, pace),
        newest=printable(files["path"][rows[0]].as_py()),
        wrong=tuple(compared.wrong),
        problems=tuple(
            dict.fromkeys([*selection.damage, *plan.damage, *compared.problems, *problems_of(project.store, project.id)])
        ),
    )


@contextmanager
def _scratch() -> Iterator[str]:
    """A folder that is gone afterwards. Raises `TargetError`."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="strongroom-drill-", ignore_cleanup_errors=True)
    except OSError as error:
        raise TargetError(
            f"a drill needs a folder for temporary files: {error.strerror}",
            hint="set TMPDIR to a folder that can be written to",
        ) from error
    with folder as name:
        yield name


def _compare(plan: RestorePlan, target: Target, known: Sequence[Problem]) -> DrillComparison:
    """What was restored, with what the manifest says. known: problems of the restore."""
    from restore.execution.row_view import Rows

    compared = DrillComparison()
    rows = Rows(plan.items)
    items = [rows.item(row) for row in range(len(rows))]
    refused = {one.path for one in known if one.what == "attributes"}
    compared.problems += [one for one in known if one.what == "attributes"]
    failed = {one.path: one.message for one in known if one.what != "attributes"}
    for item, found in zip(items, target.compare(items), strict=True):
        if not found.same:
            why = "its content is another one" if item.digest else "the snapshot has no checksum of it: it was not compared"
            compared.wrong.append(f"{printable(item.path)}: {failed.get(item.path, why)}")
            continue
        compared.files += item.kind == manifest.FILE
        compared.folders += item.kind == manifest.FOLDER
        if not found.differing:
            compared.attributes += 1
        elif item.path not in refused:
            message = f"the scratch folder gave it another {', '.join(found.differing)}"
            compared.problems.append(Problem(item.path, "attributes", message))
    return compared


def _whole(selection: Selection, files: pa.Table) -> RestoreCost:
    """What a restore of all files has to do."""
    import pyarrow.compute as pc

    from restore.planning.chunk_locations import count_bytes, count_requests, locate
    from restore.planning.estimate import RestoreCost

    references = locate(files, selection.index)
    size = pc.sum(files["size"]).as_py() or 0
    return RestoreCost(count_requests(references), count_bytes(references), size, files.num_rows)


def _chosen(files: pa.Table, fraction: Callable[[], float], items: int, most_bytes: int) -> list[int]:
    """Rows: the newest report first, whatever its size; then others at random while they fit. Each path once."""
    sizes = files["size"].combine_chunks()
    chosen = [_newest(files)]
    paths = {files["path"][chosen[0]].as_py()}
    left = most_bytes - sizes[chosen[0]].as_py()
    for _ in range(4 * items):
        if len(chosen) > items or len(chosen) == files.num_rows:
            break
        row = int(fraction() * files.num_rows)
        path, size = files["path"][row].as_py(), sizes[row].as_py()
        if path not in paths and size <= left:
            chosen.append(row)
            paths.add(path)
            left -= size
    return chosen


def _newest(files: pa.Table) -> int:
    """The row of the report whose period ends last; of those without one, the one that was modified last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pc.indices_nonzero(pc.equal(files["kind"], NEWEST_OF))
    among = files.take(rows) if len(rows) else files
    ends = among["period_end"].combine_chunks()
    keys = pa.table({"known": pc.is_valid(ends), "end": ends, "mtime": among["mtime"]})
    order = pc.sort_indices(keys, sort_keys=[("known", "descending"), ("end", "descending"), ("mtime", "descending")])
    first = order[0].as_py()
    return int(rows[first].as_py()) if len(rows) else int(first)


def _only(selection: Selection, files: pa.Table) -> Selection:
    """The sample and the folders above it, of each path one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from restore.selection.duplicates import without_duplicate_folders
    from restore.selection.select import folders_above

    table = pa.concat_tables([files, folders_above(selection.table, files)])
    chosen = replace(selection, table=table.take(pc.sort_indices(table["path"])), above=selection.table.slice(0, 0))
    return without_duplicate_folders(chosen)


class RecordedDrill(Struct, frozen=True):
    """A drill, and the record that is kept of it. report: None where it could not be done · trouble: what is wrong, or nothing
    · at: when it began · error: what a command ends with; None where all is well."""

    project: str
    at: datetime
    report: DrillReport | None
    trouble: str
    error: StrongroomError | None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the scratch folder does not take, for one."""
        return () if self.report is None else self.report.problems

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and for the record."""
        found: dict[str, Any] = {"project": self.project} if self.report is None else self.report.as_json()
        return found | {"trouble": self.trouble, "at": self.at.isoformat()}


def record_drill(context: Context, project: Project, *, stop: Stop = never, progress: Progress | None = None) -> RecordedDrill:
    """Drill a project, and keep a record of it on this machine. context, project: read below this machine's cache (see
    `Context.uncached`). What is wrong is part of the result. Raises `Interrupted`."""
    with command_log.recorded(context, "drill", [project]) as entry:
        entry.begin()
        done = _recorded(context, project, stop, progress)
        entry.fail(done.error)
        entry.problems(len(done.problems))
        if done.report is not None:
            seconds, whole = round(done.report.seconds * 1000), round(done.report.whole_seconds * 1000)
            entry.count(files=done.report.items, bytes=done.report.bytes, compared=done.report.compared)
            entry.count(milliseconds=seconds, whole_milliseconds=whole, wrong=len(done.report.wrong))
    return done


def _recorded(context: Context, project: Project, stop: Stop, progress: Progress | None) -> RecordedDrill:
    at = project.services.clock.now()
    report, trouble = None, ""
    error: StrongroomError | None = None
    try:
        lost = [one.message for one in context.missing(project) if one.what == "snapshot"]
        report = drill(project, stop, progress=progress)
        trouble = report.trouble or (f"an older state was restored: {lost[0]}" if lost else "")
        error = Damaged(f"{project.name}: {trouble}") if trouble else None
    except Interrupted:
        raise
    except StrongroomError as failed:
        trouble, error = str(failed), failed
    done = RecordedDrill(project.name, at, report, trouble, error)
    with local_state.noted(context.settings) as state:
        if state is not None:
            state.drilled(project.name, at, done.as_json())
    if error is None:
        local_state.note_run(context.settings, project.name, "drill")
    return done


def past_drills(settings: Settings, project: str, most: int = MOST_PAST) -> tuple[LastDrill, ...]:
    """The drills of a project that this machine remembers, with the times that they took; the newest first. most: how many."""
    from strongroom import status_facts
    from strongroom.project_status import LastDrill

    with status_facts.open_local_state(settings) as known:
        return tuple(LastDrill.of(one) for one in known.state_store.drills(project, most))
