"""Contents into files: small ones by the threads that fetch them, others piece by piece, in whatever order the pieces come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from restore.execution.fetcher import WORKERS, ChunkUse, Fetched
from restore.execution.row_view import Rows
from restore.execution.small_files import COMMIT_BYTES, COMMIT_FILES, PortionResult, SmallFiles
from restore.local_fs import PendingFile, Target, Writer
from restore.local_fs.syscalls import open_files_for
from restore.planning.plan import RestorePlan
from vault.errors import StrongroomError
from vault.format.chunks import LARGEST_CHUNK, chunk_id
from vault.problems import Problem
from vault.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.execution.parallel_files import FileResult


class FileWriter:
    """Writes files of a plan. `begin`, then for each portion of contents `write_small` in the thread that fetched it and
    `write` in the caller's own (after `start_threads`), or, where processes write, `begin_pieces` before and `take` after it;
    then `leave`, whatever happened."""

    def __init__(
        self, plan: RestorePlan, rows: Rows, target: Target, writer: Writer, problems: list[Problem], progress: Progress
    ) -> None:
        self._plan = plan
        self._rows = rows
        self._target = target
        self._writer = writer
        self._progress = progress
        self._problems = problems
        self._key = plan.project.capability.chunk_id_key
        self._left: dict[int, int] = {}
        self._small: SmallFiles | None = None
        self._identities: dict[int, tuple[int, int]] = {}
        self._open: dict[int, PendingFile] = {}
        self._most_open = open_files_for(share=8)  # others are opened again when their next piece comes
        self._failed: set[int] = set()
        self._resumable: set[int] = set()
        self._batch_files = 0
        self._batch_bytes = 0
        self.pieces = bytearray(len(rows))
        """Not 0 for rows of files that are written in pieces."""
        self.has_pieces = False
        self.written = 0
        self.bytes = 0
        self.requests = 0

    def begin(self, rows: pa.Array, references: pa.Table) -> pa.Table:
        """Write what needs no content, look at what an earlier run left; gives the references that must be fetched. rows: of
        the files · references: theirs, by row."""
        import pyarrow.compute as pc

        mine = references["row"].combine_chunks()  # ascending
        repeated = mine[1:].filter(pc.equal(mine[1:], mine[:-1]))
        several = repeated.value_counts()
        counts = pc.add(several.field("counts"), 1).to_pylist()
        self._left.update(zip(several.field("values").to_pylist(), counts, strict=True))
        self._mark_pieces(references)
        for row in rows.filter(pc.invert(pc.is_in(rows, value_set=mine.cast(rows.type)))).to_pylist():
            self._without_content(row)
        return self._resume(references)

    def start_threads(self) -> None:
        """Before the first `write_small`."""
        self._small = SmallFiles(self._plan, self._rows, self._target, self._left, WORKERS)

    def write_small(self, contents: list[Fetched]) -> PortionResult:
        """The small files of a portion. From any of the threads that fetch. Raises `TargetError`."""
        if self._small is None:
            raise RuntimeError("call start_threads first")
        return self._small.write(contents)

    def begin_pieces(self, rows: Iterable[int]) -> dict[int, tuple[int, int]]:
        """Begin those of these files that are written in pieces and have not failed; what each is on this machine, for the
        processes that write them."""
        return {
            row: self._identities[row]
            for row in rows
            if self.pieces[row] and row not in self._failed and self._pending(row) is not None
        }

    def take(self, result: FileResult) -> None:
        """What a process has written."""
        self._problems += result.problems
        self.written += result.files
        self.bytes += result.bytes
        self.requests += result.requests
        self._target.adopt(result.made)
        self._progress.advance(items=result.files, size=result.bytes)
        for row, problem in result.failed:
            if row not in self._failed:
                self._fail(row, problem)
        for row, size in result.pieces:
            if row in self._failed:
                continue
            self._progress.advance(size=size)
            self.bytes += size
            self._batch_bytes += size
            pending = self._pending(row) if self._left.get(row, 1) == 1 else None
            self._one_less(row, pending)
        self._commit_batch()

    def write(self, portion: PortionResult) -> None:
        """What `write_small` left of a portion, into every file that has it."""
        self._problems += portion.problems
        self.written += portion.files
        self.bytes += portion.bytes
        self._progress.advance(items=portion.files, size=portion.bytes)
        for use, content in portion.left:
            self._write(use, content)

    def _write(self, use: ChunkUse, content: bytes | StrongroomError) -> None:
        for row, position in use.targets:
            if row in self._failed:
                continue
            if isinstance(content, StrongroomError):
                self._fail(row, Problem(self._path(row), "damaged", f"its content cannot be restored: {content}"))
            else:
                self._piece(row, position, content)
        self._commit_batch()

    def _commit_batch(self) -> None:
        if self._batch_files >= COMMIT_FILES or self._batch_bytes >= COMMIT_BYTES:
            self._unfinished(self._writer.commit_ahead())
            self._batch_files = self._batch_bytes = 0

    def _unfinished(self, problems: list[Problem]) -> None:
        self._problems += problems
        self.written -= len(problems)

    def leave(self) -> None:
        """Commit what is finished; half-done files stay under their temporary names, for the next run."""
        for pending in self._open.values():
            pending.close()
        self._open.clear()
        if self._small is not None:
            self._unfinished(self._small.leave(self._writer))
        self._unfinished(self._writer.commit())

    def _without_content(self, row: int) -> None:
        if self._rows.size[row] == 0:
            replace = row in self._plan.replacing
            self._done(row, self._writer.write_small(self._path(row), b"", self._rows.attributes(row), replace=replace), 0)
        else:
            pending = self._pending(row)
            if pending is not None:
                self._finish(row, pending)

    def _piece(self, row: int, position: int, content: bytes) -> None:
        if position + len(content) > self._rows.size[row]:
            self._fail(row, Problem(self._path(row), "damaged", "its content is longer than the snapshot says"))
            return
        pending = self._pending(row)
        if pending is None:
            return
        problem = pending.write_at(position, content)
        if problem is not None:
            self._fail(row, problem)
            return
        self._progress.advance(size=len(content))
        self.bytes += len(content)
        self._batch_bytes += len(content)
        self._one_less(row, pending)

    def _one_less(self, row: int, pending: PendingFile | None) -> None:
        left = self._left.get(row, 1) - 1
        self._left[row] = left
        if left == 0 and pending is not None:
            self._finish(row, pending)

    def _finish(self, row: int, pending: PendingFile) -> None:
        self._open.pop(row, None)
        self._done(row, pending.finish(self._rows.attributes(row)), 0)

    def _done(self, row: int, problems: list[Problem], size: int) -> None:
        self._problems += problems
        if all(problem.what == "attributes" for problem in problems):
            self.written += 1
            self.bytes += size
        self._batch_files += 1
        self._batch_bytes += size
        self._progress.advance(items=1, size=size)

    def _pending(self, row: int) -> PendingFile | None:
        """The open file of a row, opened (again) where it is not; None where that fails."""
        pending = self._open.pop(row, None)
        if pending is None:
            begun = self._writer.begin(
                self._path(row),
                self._rows.size[row],
                resume=row in self._resumable,
                replace=row in self._plan.replacing,
            )
            if isinstance(begun, Problem):
                self._fail(row, begun)
                return None
            pending = begun
            identity = pending.identity
            if self._identities.setdefault(row, identity) != identity:  # what was written of it is gone
                pending.abandon()
                self._fail(row, Problem(self._path(row), "blocked", "somebody has replaced it while it was being written"))
                return None
        self._resumable.add(row)
        self._open[row] = pending
        if len(self._open) > self._most_open:
            self._open.pop(next(iter(self._open))).close()
        return pending

    def _fail(self, row: int, problem: Problem) -> None:
        self._failed.add(row)
        self._problems.append(problem)
        pending = self._open.pop(row, None)
        if pending is not None:
            pending.abandon()

    def _mark_pieces(self, references: pa.Table) -> None:
        """A file is written in pieces unless one chunk is all of it."""
        import pyarrow.compute as pc

        for row in self._left:
            self.pieces[row] = 1
        whole = pc.equal(references["length"], self._plan.items["size"].take(references["row"]))
        for row in references["row"].filter(pc.invert(whole)).unique().to_pylist():
            self.pieces[row] = 1
        self.has_pieces = any(self.pieces)

    def _resume(self, references: pa.Table) -> pa.Table:
        """Leave out the chunks that an earlier run has written into files that it did not finish."""
        import pyarrow as pa
        import pyarrow.compute as pc

        half_done = self._half_done(references)
        if not half_done:
            return references
        self._resumable |= half_done
        mine = pc.is_in(references["row"].cast(pa.int64()), value_set=pa.array(sorted(half_done), pa.int64()))
        numbers = pc.indices_nonzero(mine).to_pylist()
        there: Counter[int] = Counter()
        standing: list[int] = []
        for number, one in zip(numbers, references.filter(mine).to_pylist(), strict=True):
            pending = self._pending(one["row"])
            if pending is not None and self._stands(pending, one["position"], one["length"], one["chunk"]):
                standing.append(number)
                there[one["row"]] += 1
        for row, count in there.items():
            self._left[row] -= count
            if self._left[row] == 0 and (pending := self._pending(row)) is not None:
                self._finish(row, pending)
        keep = pc.invert(pc.is_in(pa.array(range(references.num_rows), pa.int64()), pa.array(standing, pa.int64())))
        return references.filter(keep)

    def _half_done(self, references: pa.Table) -> set[int]:
        """Files of several chunks of which an earlier run left a beginning; not those with holes, which it may have
        filled."""
        several = {self._path(row): row for row in self._left}
        unfinished = {several[path] for path in self._target.unfinished(several)}
        if not unfinished:
            return unfinished
        lengths = references.group_by("row").aggregate([("length", "sum")])
        content = dict(zip(lengths["row"].to_pylist(), lengths["length_sum"].to_pylist(), strict=True))
        return {row for row in unfinished if content[row] == self._rows.size[row]}

    def _stands(self, pending: PendingFile, position: int, length: int, chunk: bytes) -> bool:
        if not pending.resumed or length > LARGEST_CHUNK:
            return False
        found = pending.read_at(position, length)
        return len(found) == length and chunk_id(self._key, found) == chunk

    def _path(self, row: int) -> bytes:
        return self._plan.renamed.get(row) or self._rows.path(row)
