"""Records as pages, into a sink: the pages item by item, then the index, then the files that belong to them, as they are.

people                  items of users and agents first: so pages can say who a number is
items of JSON Lines     a page a record, one record in memory at a time
the index               out of a private database, in three orders
everything else         byte for byte; with records that are named, only what belongs to these
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from restore.execution.executor import RestoreReport, refuse
from restore.execution.ordered_reader import contents
from restore.execution.row_view import taken
from restore.export.payload_names import portable
from restore.history.records.timeline import entity_of
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.sink import Entries, OutputEntry, OutputSink
from restore.outputs.write_items import OutputOptions, OutputReport, write_items
from restore.pages.attached_files import AttachedFile, AttachedFiles, named_after
from restore.pages.index_pages import NAMES, index_pages
from restore.pages.item_sorts import ChosenItems, record_rows
from restore.pages.lines import ReadRecord, Wanted, records_of
from restore.pages.record_page import PageFacts, record_page
from restore.pages.register import Register
from restore.pages.roles import PageRoles, name_of, plain_name
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import RestorePlan, make_plan
from restore.selection.select import Selection
from restore.tables.model import Value
from vault.errors import Damaged, NothingFound, StrongroomError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.progress import Progress
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 10_000
ENDING = b".html"
PEOPLE = frozenset(("users", "agents", "people", "employees", "contacts", "requesters", "customers", "operators", "staff"))
"""Entities whose records are people."""

_WHO = frozenset(
    (
        *("author", "authorid", "user", "userid", "requester", "requesterid", "submitter", "submitterid", "assignee"),
        *("assigneeid", "agent", "agentid", "responderid", "createdby", "createdbyid", "creator", "creatorid", "owner"),
        *("ownerid", "customer", "customerid", "contact", "contactid", "reporter", "updatedby", "closedby", "fromid", "toid"),
        *("responsibleid", "assignedbyid", "modifybyid", "operatorid"),
    )
)
"""Fields that have a person's number."""

MOST_NAMED = 100
"""Lines of an item that are no records, and are named one by one."""


class PageRequest(Struct, frozen=True):
    """What is to be written. selection, plan: of all items · wanted: which records · stated_key, roles: what the source says of
    the records of an item (source, path) · title: of the index · about: sentences for it · scratch: a private folder."""

    selection: Selection
    plan: RestorePlan
    wanted: Wanted
    stated_key: Callable[[str, bytes], str]
    roles: Callable[[str, bytes], PageRoles]
    title: str
    about: Sequence[str]
    scratch: Path


class PageCounts(Struct):
    """found: records that were asked for · records: that have a page · index_pages: of the index · deleted: records that are
    marked as deleted."""

    found: int = 0
    records: int = 0
    index_pages: int = 0
    deleted: int = 0


def write_pages(
    request: PageRequest, sink: OutputSink, counts: PageCounts, stop: Callable[[], None], progress: Progress
) -> OutputReport:
    """Write everything. Raises `Damaged` where content is missing that nobody gave up, `NothingFound` where no record is one of
    those that are asked for, what the sink raises."""
    refuse(request.plan)
    clock = request.plan.project.services.clock
    began = clock.monotonic()
    register = Register(request.scratch / "register.sqlite")
    try:
        writer = _PageWriter(request, sink, register, counts, stop, progress)
        output = writer.run()
    finally:
        register.close()
    output.report.seconds = clock.monotonic() - began
    return output


class _PageWriter:
    def __init__(
        self,
        request: PageRequest,
        sink: OutputSink,
        register: Register,
        counts: PageCounts,
        stop: Callable[[], None],
        progress: Progress,
    ) -> None:
        self._request = request
        self._sink = sink
        self._register = register
        self._counts = counts
        self._stop = stop
        self._progress = progress
        self._items = request.plan.items
        self._entries = Entries(self._items)
        self._files = AttachedFiles(self._items)
        self._report = RestoreReport(problems=request.plan.problems)
        self._given_up = {problem.path for problem in request.plan.given_up}
        self._origins = {
            one.source: f"As of snapshot {one.id} of {one.taken_at.isoformat(' ', 'seconds')}"
            for one in request.selection.records
        }

    def run(self) -> OutputReport:
        request = self._request
        rows, chosen = record_rows(self._items), ChosenItems(self._items, all_=not request.wanted.ids)
        self._register.take_all(_paths(self._items) if chosen.any_others else [])
        self._register.take_all(b"%s.html" % name.encode() for name in NAMES.values())
        people = [row for row in rows if _leaf(self._path(row)) in PEOPLE]
        for row, content in self._contents(people):
            self._know(row, content)
        for one in request.wanted.ids:
            chosen.add(named_after(self._items, one))
        size = sum(self._items["size"][row].as_py() for row in rows)
        self._progress.phase("writing pages", items=len(rows), size=size)
        for row, content in self._contents(rows):
            self._item(row, content, chosen)
            self._progress.advance(items=1, size=self._items["size"][row].as_py())
        if request.wanted.ids and not self._counts.found:
            raise _not_found(request.wanted, len(rows))
        self._index()
        output = self._as_they_are(chosen.table())
        late = self._sink.finish()
        self._report.files -= sum(problem.what != "attributes" for problem in late)
        self._report.problems += late
        output.report = self._report
        return output

    def _contents(self, rows: Sequence[int]) -> Iterator[tuple[int, IO[bytes] | StrongroomError]]:
        """Contents of some items, with their rows among all."""
        if not rows:
            return
        plan = _plan_of(self._request, taken(self._items, rows))
        gone, references = {problem.path for problem in plan.given_up}, plan.references
        if gone:
            import pyarrow.compute as pc

            references = references.filter(pc.is_valid(references["pack"]))
        for place, content in contents(plan.items, references, plan.reader, self._stop, self._request.scratch):
            is_gone = plan.items["path"][place].as_py() in gone
            yield rows[place], Damaged("a part of its content is gone from the repository") if is_gone else content
        self._report.requests += plan.reader.requests

    def _know(self, row: int, content: IO[bytes] | StrongroomError) -> None:
        """Remember who has which number."""
        if isinstance(content, StrongroomError):
            return  # told when its own pages are written
        path = self._path(row)
        for found in records_of(content, self._stated(row), Wanted()):
            if isinstance(found, ReadRecord):
                self._register.know(_kind(path), found.key, _full_name(found.value))

    def _item(self, row: int, content: IO[bytes] | StrongroomError, chosen: ChosenItems) -> None:
        path = self._path(row)
        if isinstance(content, StrongroomError):
            if path not in self._given_up:  # named already
                self._report.problems.append(Problem(path, "damaged", f"its content cannot be restored: {content}"))
            return
        bad = 0
        for found in records_of(content, self._stated(row), self._request.wanted):
            self._stop()
            if isinstance(found, Damaged):
                bad += 1
                if bad <= MOST_NAMED:
                    self._report.problems.append(Problem(path, "not-read", f"it has no page: {found}"))
                continue
            self._counts.found += 1
            self._page(row, path, found, chosen)
        if bad > MOST_NAMED:
            more = counted(bad - MOST_NAMED, "more line is", "more lines are")
            self._report.problems.append(Problem(path, "not-read", f"{more} no record, too"))

    def _page(self, row: int, path: bytes, found: ReadRecord, chosen: ChosenItems) -> None:
        source: str = self._items["source"][row].as_py()
        key = found.key or f"line-{found.number}"
        stem = path.rpartition(b".")[0] + b"/" + portable(key.encode("utf-8", "surrogatepass")).encode()
        files = self._files_of(path, key)
        if self._request.wanted.ids:
            chosen.add(one.row for one in files)
        kind = _kind(path)
        gone_at: datetime | None = self._items["vanished_at"][row].as_py()
        about = PageFacts(
            path=self._register.free_name(stem, ENDING),
            entity=entity_of(path),
            key=key,
            origin=f"{self._origins.get(source, '')}: line {found.number} of {printable(path)}, source {source}".lstrip(": "),
            roles=self._request.roles(source, path),
            gone_at=gone_at,
            files=files,
            named=lambda name, value: self._register.who(kind, value) if plain_name(name) in _WHO else "",
        )
        content, entry = record_page(found.value, about)
        if self._write(about.path, content, self._entries.of_made(row)):
            self._register.enter(entry)
            self._counts.records += 1
            self._counts.deleted += entry.deleted

    def _files_of(self, path: bytes, key: str) -> list[AttachedFile]:
        files = self._files.of(path, key)
        if key not in self._request.wanted.ids:
            return files
        known = {one.row for one in files}
        rows = [row for row in named_after(self._items, key) if row not in known]
        lines = set(record_rows(taken(self._items, rows)))
        others = [row for place, row in enumerate(rows) if place not in lines]
        return files + [AttachedFile(row, self._path(row), self._items["size"][row].as_py()) for row in others]

    def _index(self) -> None:
        newest = self._entries.newest()
        about = [*self._request.about, counted(self._counts.records, "record") + "."]
        for name, content in index_pages(self._register, self._request.title, about):
            self._stop()
            self._counts.index_pages += self._write(name, content, newest)

    def _as_they_are(self, items: pa.Table) -> OutputReport:
        """The other files, byte for byte."""
        if not items.num_rows:
            return OutputReport(self._report)
        plan = _plan_of(self._request, items)
        output = write_items(plan, _Continued(self._sink), OutputOptions(self._request.scratch), self._stop, self._progress)
        known = {(one.path, one.what) for one in self._report.problems}
        self._report.files += output.report.files
        self._report.bytes += output.report.bytes
        self._report.requests += output.report.requests
        self._report.problems += [one for one in output.report.problems if (one.path, one.what) not in known]
        return output

    def _write(self, path: bytes, content: bytes, entry: OutputEntry) -> bool:
        outcome = ItemOutcome(-1, path, "html", outputs=[path])
        problems = self._sink.file(OutputItem(path, io.BytesIO(content), len(content), outcome), entry)
        self._report.problems += problems
        is_written = all(problem.what == "attributes" for problem in problems)
        self._report.files += is_written
        self._report.bytes += len(content) if is_written else 0
        return is_written

    def _path(self, row: int) -> bytes:
        found: bytes = self._items["path"][row].as_py()
        return found

    def _stated(self, row: int) -> str:
        return self._request.stated_key(self._items["source"][row].as_py(), self._path(row))


class _Continued:
    """A sink to which more is given afterwards: it is not finished."""

    def __init__(self, sink: OutputSink) -> None:
        self._sink = sink
        self.folder, self.link, self.file = sink.folder, sink.link, sink.file

    def finish(self) -> list[Problem]:
        """Not yet."""
        return []


def _plan_of(request: PageRequest, items: pa.Table) -> RestorePlan:
    """The plan for some of the items, what is missing given up as it is in the plan for all."""
    own = replace(request.selection, table=items, above=manifest.schema().empty_table(), damage=())
    today = request.plan.project.services.clock.now().date()
    plan = make_plan(own, EmptyDestination(), ConflictPolicy.REFUSE, today)
    return plan.without_missing() if plan.missing else plan


def _paths(items: pa.Table) -> Iterator[bytes]:
    for batch in items.select(["path"]).to_batches(max_chunksize=BATCH):
        yield from batch["path"].to_pylist()


def _kind(path: bytes) -> str:
    return printable(path.partition(b"/")[0])


def _leaf(path: bytes) -> str:
    return entity_of(path).rpartition("/")[2].casefold()


def _full_name(record: dict[str, Value]) -> str:
    """Of a person."""
    plain = {plain_name(name): value for name, value in record.items()}
    parts = [plain.get(name) for name in ("firstname", "lastname")] if "lastname" in plain else []
    return " ".join(one for one in parts if isinstance(one, str) and one) or name_of(record)


def _not_found(wanted: Wanted, items: int) -> NothingFound:
    ids = ", ".join(map(repr, wanted.ids[:5]))
    by = f"the key {wanted.key!r}" if wanted.key else "what the source states, or a field such as id, key or number"
    return NothingFound(
        f"none of {counted(items, 'item')} has a record {ids}",
        hint=f"it was looked for by {by}; nothing was written. `strongroom find PROJECT --record ID` shows where it is, or was",
    )
