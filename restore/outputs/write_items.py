"""A plan's items into a sink, in the order of their paths: contents fetched window by window, converted where that is wanted.

What cannot be had or be read is left out and told; the others are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from restore.execution.executor import RestoreReport, refuse
from restore.execution.ordered_reader import Room, contents, whole_window
from restore.execution.row_view import taken
from restore.execution.verification import Verification
from restore.outputs.conversion import Conversion
from restore.outputs.convert_items import Contents, as_they_are, convert_items
from restore.outputs.merge_items import merge_items
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.sink import Entries, OutputEntry, OutputSink
from restore.planning.plan import RestorePlan
from vault.errors import Damaged
from vault.format import manifest
from vault.problems import Problem
from vault.progress import NoProgress, Progress
from vault.repository.pack_reader import PackReader

if TYPE_CHECKING:
    import pyarrow as pa


UTC = ZoneInfo("UTC")


class OutputOptions(Struct, frozen=True):
    """How items are written. scratch: a private folder for plain contents · conversion: of tables, None to write everything as
    it is · merged: the path of the one table that all become · zone: of the periods in texts · report: makes what is written
    last, out of what became of everything · taken: names that no converted file may get · room: how much is read ahead."""

    scratch: Path
    conversion: Conversion | None = None
    merged: bytes | None = None
    zone: ZoneInfo = UTC
    report: Callable[[list[ItemOutcome]], OutputItem] | None = None
    taken: frozenset[bytes] = frozenset()
    room: Room = whole_window


class OutputReport(Struct):
    """What was written. outcomes: what became of each file · verification: where it was read again."""

    report: RestoreReport
    outcomes: list[ItemOutcome] = field(default_factory=list)
    verification: Verification | None = None


def write_items(
    plan: RestorePlan,
    sink: OutputSink,
    options: OutputOptions,
    stop: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> OutputReport:
    """Give what the plan says. Raises what `restore.execution.executor.refuse` raises, and what the sink does."""
    refuse(plan)
    clock = plan.project.services.clock
    began = clock.monotonic()
    writer = _ItemWriter(plan, sink, options, progress or NoProgress())
    outcome = writer.run(stop)
    outcome.report.seconds = clock.monotonic() - began
    return outcome


class _ItemWriter:
    def __init__(self, plan: RestorePlan, sink: OutputSink, options: OutputOptions, progress: Progress) -> None:
        self._plan = plan
        self._sink = sink
        self._options = options
        self._progress = progress
        self._entries = Entries(plan.items)
        self._given_up = {problem.path for problem in plan.given_up}
        self._output = OutputReport(
            RestoreReport(
                skipped=plan.skipped,
                newer=plan.newer,
                already_there=plan.already_there,
                problems=plan.problems,
            )
        )

    def run(self, stop: Callable[[], None]) -> OutputReport:
        reader = self._plan.reader
        report = self._output.report
        self._progress.phase("restoring", items=self._plan.files, size=self._plan.bytes_to_write)
        others = self._others()
        waiting = next(others, None)
        last: ItemOutcome | None = None
        for item in self._items(self._contents(reader, stop)):
            outcome = item.outcome
            while outcome.row >= 0 and waiting is not None and waiting[1] < outcome.path:
                self._other(*waiting)
                waiting = next(others, None)
            if outcome is not last:
                self._tell(outcome)
                last = outcome
            if item.content is not None:
                self._file(item)
        while waiting is not None:
            self._other(*waiting)
            waiting = next(others, None)
        if self._options.report is not None:
            last_of_all = self._options.report(self._output.outcomes)
            report.problems += self._sink.file(last_of_all, self._entries.newest(), replace=True)
        late = self._sink.finish()
        report.files -= sum(problem.what != "attributes" for problem in late)
        report.problems += late
        report.requests = reader.requests
        return self._output

    def _contents(self, reader: PackReader, stop: Callable[[], None]) -> Contents:
        """Contents of the files; of those that the person gives up, why they cannot be had."""
        import pyarrow.compute as pc

        plan = self._plan
        references = plan.references.filter(pc.is_valid(plan.references["pack"])) if plan.given_up else plan.references
        for row, content in contents(plan.items, references, reader, stop, self._options.scratch, self._options.room):
            gone = bool(plan.given_up) and plan.items["path"][row].as_py() in self._given_up
            yield row, Damaged("a part of its content is gone from the repository") if gone else content

    def _items(self, found: Contents) -> Iterator[OutputItem]:
        plan, options = self._plan, self._options
        if options.conversion is None:
            return as_they_are(plan.items, found)
        if options.merged is not None:
            return merge_items(plan.items, found, options.conversion, options.merged, options.scratch, options.zone)
        return convert_items(plan.items, found, options.conversion, options.scratch, options.taken)

    def _tell(self, outcome: ItemOutcome) -> None:
        """Before anything of an item is item: all is known of it by then."""
        self._output.outcomes.append(outcome)
        if outcome.path not in self._given_up:  # told already
            self._output.report.problems += outcome.problems
        if outcome.row >= 0:
            self._progress.advance(items=1, size=self._plan.items["size"][outcome.row].as_py())

    def _file(self, item: OutputItem) -> None:
        path = self._plan.renamed.get(item.outcome.row, item.path)
        replaces = item.outcome.row in self._plan.replacing
        problems = self._sink.file(item._replace(path=path), self._entry(item.outcome), replace=replaces)
        self._output.report.problems += problems
        if all(problem.what == "attributes" for problem in problems):
            self._output.report.files += 1
            self._output.report.bytes += item.size

    def _entry(self, outcome: ItemOutcome) -> OutputEntry:
        if outcome.row < 0:
            return self._entries.newest()
        return self._entries.of(outcome.row) if outcome.target is None else self._entries.of_made(outcome.row)

    def _others(self) -> Iterator[tuple[int, bytes]]:
        """Folders and links, by path: none of them belongs to a merged table."""
        if self._options.merged is not None:
            return
        rows = _not_files(self._plan.items)
        paths = taken(self._plan.items.select(["path"]), rows)["path"].to_pylist()
        yield from sorted(zip(rows, paths, strict=True), key=lambda one: one[1])

    def _other(self, row: int, path: bytes) -> None:
        entry, report = self._entries.of(row), self._output.report
        if self._plan.items["type"][row].as_py() == manifest.FOLDER:
            problems: list[Problem] = self._sink.folder(path, entry)
            report.folders += not problems
        else:
            points_to = self._plan.items["link_target"][row].as_py() or b""
            replaces = row in self._plan.replacing
            problems = self._sink.link(self._plan.renamed.get(row, path), points_to, entry, replace=replaces)
            report.links += not problems
        report.problems += problems


def _not_files(items: pa.Table) -> list[int]:
    import pyarrow.compute as pc

    rows: list[int] = pc.indices_nonzero(pc.not_equal(items["type"], manifest.FILE)).to_pylist()
    return rows
