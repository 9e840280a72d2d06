"""Doing what a plan says: folders, links, files; content by packs; attributes; folders' times last.

Everything is written under a temporary name, verified chunk by chunk, brought to the disk and renamed, in batches. What an
interrupted run has finished is there and is recognised by the next plan; what it left half done is continued.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from restore.execution.fetcher import fetch
from restore.execution.file_writer import FileWriter
from restore.execution.row_view import Rows
from restore.local_fs import Attributes, Target, Writer, colliding
from restore.planning.conflicts import policies_for
from restore.planning.plan import LinkGroup, RestorePlan
from vault.errors import Damaged, TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.progress import HeldProgress, NoProgress, Progress, release_memory
from vault.storage.fallback import READ_FROM_COPY
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.execution.parallel_files import ParallelFiles


WORTH_FILES = 1000
WORTH_BYTES = 64 * 1024 * 1024
"""What pays for starting processes, which takes them about 15 ms."""

SHARED_DICTIONARIES = 8
"""That are opened before processes are started, so that not each of them opens them. A snapshot may refer to thousands."""


class RestoreReport(Struct):
    """What a restore did. bytes: content written."""

    files: int = 0
    folders: int = 0
    links: int = 0
    bytes: int = 0
    skipped: int = 0
    newer: int = 0
    already_there: int = 0
    attributes_only: int = 0
    requests: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        names = ("files", "folders", "links", "bytes", "skipped", "newer", "already_there", "attributes_only", "requests")
        found: dict[str, Any] = {name: getattr(self, name) for name in names}
        return found | {
            "seconds": round(self.seconds, 3),
            "problems": len(self.problems),
            "problem_list": [problem.as_json() for problem in self.problems],
        }


def failures(problems: Sequence[Problem]) -> int:
    """How many of these say that an item is not there; `attributes` says that it lacks something, and `read-from-copy` that an
    object of the repository does."""
    return sum(problem.what not in ("attributes", READ_FROM_COPY) for problem in problems)


def refuse(plan: RestorePlan) -> None:
    """Raises `TargetError` or `Damaged` where the plan must not be applied as it is; nothing has been written then."""
    if plan.missing:
        first = plan.missing[0]
        raise Damaged(
            f"{counted(len(plan.missing), 'item')} cannot be restored, such as {printable(first.path)}: {first.message}",
            hint="nothing was written; --incomplete restores the others, and `strongroom check` tells what is lost",
        )
    if plan.conflicts:
        first_conflict = plan.conflicts[0]
        raise TargetError(
            f"{counted(len(plan.conflicts), 'item is', 'items are')} in the way, "
            f"such as {printable(first_conflict.path)} ({first_conflict.standing})",
            hint=f"nothing was written; choose --existing {policies_for(plan.conflicts)}, or another target",
        )


def execute(
    plan: RestorePlan,
    target: Target,
    stop: Callable[[], None],
    progress: Progress | None = None,
    *,
    processes: int | None = None,
) -> RestoreReport:
    """Write what the plan says. processes: how many of them write files, 0: threads of this one; None: what is possible here
    and pays.

    Raises what `refuse` raises, `TargetError`, `Interrupted`, `StorageError`, `StrongroomError` where a process is gone."""
    refuse(plan)
    release_memory()
    clock = plan.project.services.clock
    began = clock.monotonic()
    if target.prepare():
        _refuse_collisions(plan)
    if processes is None:
        processes = _processes(plan)
    restorer = _Restorer(plan, target, stop, progress or NoProgress(), processes)
    report = restorer.run()
    report.seconds = clock.monotonic() - began
    return report


def _processes(plan: RestorePlan) -> int:
    """How many of them shall write the files."""
    if plan.files < WORTH_FILES and plan.bytes_to_write < WORTH_BYTES:
        return 0
    from restore.execution import worker_processes

    count = worker_processes.useful() if worker_processes.is_possible() else 0
    return count if count > 1 else 0


def _refuse_collisions(plan: RestorePlan) -> None:
    groups = colliding(plan.items["path"].to_pylist())
    if groups:
        raise TargetError(
            f"{' and '.join(map(printable, groups[0]))} would be one file in this target, which does not tell such names apart",
            hint="nothing was written; restore to a file system that tells capitals and Unicode forms apart",
        )


class _Restorer:
    """One application of a plan."""

    def __init__(self, plan: RestorePlan, target: Target, stop: Callable[[], None], progress: Progress, processes: int) -> None:
        self._plan = plan
        self._target = target
        self._stop = stop
        self._progress = HeldProgress(progress)
        self._processes = processes
        self._rows = Rows(plan.items)
        self._writer: Writer = target.writer()
        self._reader = plan.reader
        self._requests_before = plan.reader.requests
        self._report = RestoreReport(
            skipped=plan.skipped,
            newer=plan.newer,
            already_there=plan.already_there,
            problems=plan.problems,
        )
        self._given_up = {problem.path for problem in plan.given_up}

    def run(self) -> RestoreReport:
        """Folders first, so that empty ones exist; then links and files; at last the folders' attributes."""
        self._progress.phase("restoring", items=self._plan.files, size=self._plan.bytes_to_write)
        if not self._processes:
            self._progress.release()
        folders = self._rows_of(self._is(manifest.FOLDER))
        for row in folders:
            self._note(self._writer.make_folder(self._path(row)))
        self._links()
        self._repair()
        followers = self._followers()
        self._files(self._without(self._is(manifest.FILE), followers))
        self._follow(followers)
        attributes = ((self._path(row), self._of_folder(row)) for row in folders)
        self._note(self._target.finish(attributes))
        self._report.folders = len(folders)
        self._report.requests += self._reader.requests - self._requests_before
        return self._report

    def _links(self) -> None:
        targets = self._plan.items["link_target"]
        for row in self._rows_of(self._is(manifest.LINK)):
            points_to = targets[row].as_py() or b""
            attributes, replace = self._rows.attributes(row), row in self._plan.replacing
            problems = self._writer.write_link(self._path(row), points_to, attributes, replace=replace)
            self._note(problems)
            self._report.links += not failures(problems)
        self._report.links -= self._committed()

    def _repair(self) -> None:
        """Attributes of what is there already."""
        rows = Rows(self._plan.repairs)
        for row in range(len(rows)):
            problems = self._writer.set_attributes(rows.item(row))
            self._note(problems)
            self._report.attributes_only += not problems
        self._report.attributes_only += self._plan.folders_repaired

    def _committed(self) -> int:
        """Bring what is finished to its names; how much of it failed."""
        problems = self._writer.commit()
        self._note(problems)
        return failures(problems)

    def _groups(self) -> dict[int, LinkGroup]:
        """The rows of files that have several names, and which file each is one of."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = self._plan.items.select(["link_group", "blake3", "size"])
        rows = pc.indices_nonzero(pc.is_valid(table["link_group"])).cast(pa.int64())
        groups = ((one["link_group"], one["blake3"], one["size"]) for one in table.take(rows).to_pylist())
        return dict(zip(rows.to_pylist(), groups, strict=True))

    def _followers(self) -> dict[int, bytes]:
        """The rows that become other names of a file, each with the name that this has already: one that stands there whole, or
        that of the first row of its group."""
        leaders = dict(self._plan.linkable)
        followers = {}
        for row, group in self._groups().items():
            if leaders.setdefault(group, self._path(row)) != self._path(row):
                followers[row] = leaders[group]
        return followers

    def _follow(self, followers: dict[int, bytes]) -> None:
        """Make the other names. Where the file that they should be names of is not what it should be (it could not be restored,
        or no link can be made), one of them gets the content by itself and the others follow that one, or all get it."""
        failed = self._link(followers)
        groups = self._groups() if failed else {}
        leaders: dict[LinkGroup, bytes] = {}
        for row in failed:
            leaders.setdefault(groups[row], self._path(row))
        second = {row: leader for row in failed if (leader := leaders[groups[row]]) != self._path(row)}
        alone = [row for row in failed if row not in second]
        if alone:
            self._files(self._only(alone))
        rest = self._link(second) if second else []
        if rest:
            self._files(self._only(rest))

    def _link(self, followers: dict[int, bytes]) -> list[int]:
        """The rows for which that failed."""
        failed, digests = [], self._plan.items["blake3"]
        for row, leader in followers.items():
            size, digest, replace = self._rows.size[row], digests[row].as_py(), row in self._plan.replacing
            if self._writer.write_hard_link(self._path(row), leader, size, digest, replace=replace):
                failed.append(row)
            else:
                self._report.files += 1
                self._progress.advance(items=1, size=size)
        self._report.files -= self._committed()
        return failed

    def _files(self, meant: pa.Array) -> None:
        """meant: a boolean for each row."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._given_up:
            incomplete = pc.is_in(self._plan.items["path"], value_set=pa.array(sorted(self._given_up), pa.binary()))
            meant = pc.and_not(meant, incomplete.combine_chunks())
        references = self._plan.references
        own = meant.take(references["row"].combine_chunks())
        if not pc.all(own).as_py():  # a forged manifest may give content to what is no file
            references = references.filter(own)
        files = FileWriter(self._plan, self._rows, self._target, self._writer, self._report.problems, self._progress)
        try:
            rows = pc.indices_nonzero(meant)
            references = files.begin(rows, references)
            release_memory()
            parallel = self._parallel(files, rows, references)
            if parallel is not None:
                parallel.run(self._stop, self._progress.release)
            else:
                self._progress.release()
                files.start_threads()
                for portion in fetch(references, self._reader, self._stop, files.write_small):
                    files.write(portion)
        finally:
            files.leave()
        self._report.files += files.written
        self._report.bytes += files.bytes
        self._report.requests += files.requests

    def _parallel(self, files: FileWriter, rows: pa.Array, references: pa.Table) -> ParallelFiles | None:
        """Processes that write these files; None where threads do. Called once: afterwards there may be threads."""
        count, self._processes = self._processes, 0
        if not count or not references.num_rows:
            return None
        from restore.execution.parallel_files import FilesToWrite, ParallelFiles
        from restore.execution.reading_order import ReadingOrder

        for folder in _folders_of(self._plan.items["path"].take(rows)):
            self._writer.open_folder(folder)  # else each process would make those that are missing
        order = ReadingOrder(references)
        self._reader.open_dictionaries(order.dictionaries[:SHARED_DICTIONARIES])
        try:
            work = FilesToWrite(self._plan, self._rows, order, files.pieces, self._reader, self._target)
            return ParallelFiles(files, work, count)
        except OSError:
            return None  # the system gives no process

    def _is(self, kind: str) -> pa.Array:
        """Which rows are of a type."""
        import pyarrow.compute as pc

        return pc.equal(self._plan.items["type"], kind).combine_chunks()

    def _only(self, rows: Collection[int]) -> pa.Array:
        """A boolean for each row: whether it is among these."""
        import pyarrow as pa
        import pyarrow.compute as pc

        return pc.is_in(pa.array(range(len(self._rows)), pa.int64()), value_set=pa.array(sorted(rows), pa.int64()))

    def _without(self, meant: pa.Array, rows: Collection[int]) -> pa.Array:
        import pyarrow.compute as pc

        return pc.and_not(meant, self._only(rows)) if rows else meant

    def _rows_of(self, meant: pa.Array) -> list[int]:
        import pyarrow.compute as pc

        rows: list[int] = pc.indices_nonzero(meant).to_pylist()
        return rows

    def _of_folder(self, row: int) -> Attributes:
        kept = self._plan.untouched.get(row)
        return self._rows.attributes(row) if kept is None else Attributes(mtime_ns=kept)

    def _path(self, row: int) -> bytes:
        return self._plan.renamed.get(row) or self._rows.path(row)

    def _note(self, problems: list[Problem]) -> None:
        self._report.problems += problems


def _folders_of(paths: pa.ChunkedArray) -> list[bytes]:
    """The folders that these items lie in, sorted."""
    import pyarrow.compute as pc

    return sorted(pc.unique(pc.replace_substring_regex(paths, b"(?s)/?[^/]*\\z", b"")).to_pylist())
