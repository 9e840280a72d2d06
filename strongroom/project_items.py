"""All items of a project over all its snapshots, read once and asked often: for programs that stay, as the console.

    known = load_project_items(context, project)
    known.at(moment).table      what there was at a moment, and what had vanished by then
    known.ever()                a row for each item that ever was
    known.events(path)          what became of one item
    known.missing(items, window)  reports that the settings expect, and that are not there
    known.version               another one as soon as the store has other snapshots: `stored_version`

Nothing here asks the store again, and no answer is changed once it is given: many threads may ask at once.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from strongroom import time_parsing
from vault.errors import NothingFound, UsageError
from vault.format.layout import is_snapshot_id

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.history.events import ItemHistory
    from restore.history.update import History
    from strongroom.context import Context
    from strongroom.expected_reports import MissingReports, SourceExpectation
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project

if TYPE_CHECKING:
    _Question = tuple[SourceExpectation, tuple[str, ...], tuple[datetime, datetime]]

COLUMNS = (
    *("path", "kind", "type", "size", "mtime", "format", "period_start", "period_end", "consistency"),
    *("seen_at", "vanished_at"),
)
"""Of an item at a moment; `source` stands beside them."""

MOMENTS_KEPT = 4
"""Tables of moments that stay in memory: one of 20,000 items has 3 MB."""

EVENTS_KEPT = 32
"""Items of which it is remembered what became of them."""


ANSWERS_KEPT = 32
"""Of what is missing."""


class ItemsAt(Struct, frozen=True):
    """The items of a project at a moment. table: `COLUMNS` and `source`, by path; an item that the source no longer had has its
    `vanished_at` · records: the snapshots that they are from, by source."""

    table: pa.Table
    records: tuple[Record, ...]

    @property
    def taken_at(self) -> datetime:
        """The moment of the newest of these snapshots."""
        return max(one.taken_at for one in self.records)

    def present(self) -> pa.Table:
        """What the sources had."""
        import pyarrow.compute as pc

        return self.table.filter(pc.is_null(self.table["vanished_at"]))

    def vanished(self) -> pa.Table:
        """What they no longer had."""
        import pyarrow.compute as pc

        return self.table.filter(pc.is_valid(self.table["vanished_at"]))


class ProjectItems:
    """See this module's text. history: of the project · zone: in which its moments are meant · version: of what the store
    had · expectations: what the settings say must appear."""

    def __init__(
        self, history: History, zone: ZoneInfo, version: str, expectations: tuple[SourceExpectation, ...] = ()
    ) -> None:
        self._history = history
        self._ledgers = history.ledgers
        self.zone = zone
        self.version = version
        self.expectations = expectations
        self.damage: tuple[Problem, ...] = history.problems
        records = [record for ledger in history.ledgers.values() for record in ledger.records]
        self.snapshots: tuple[Record, ...] = tuple(sorted(records, key=lambda one: (one.taken_at, one.id)))
        self._lock = threading.Lock()
        self._decoding = threading.Lock()  # one at a time: what is decoded for fifty people at once would fill the memory
        self._ever: pa.Table | None = None
        self._moments: OrderedDict[tuple[str, ...], ItemsAt] = OrderedDict()
        self._events: OrderedDict[tuple[bytes, str | None], tuple[ItemHistory, ...]] = OrderedDict()
        self._missing: OrderedDict[_Question, MissingReports] = OrderedDict()

    @property
    def project(self) -> str:
        """The project's name."""
        return self._history.project.name

    def moment(self, text: str, now: datetime) -> datetime | None:
        """What `--at` means, aware; None for now, which "" stands for. Raises `UsageError`."""
        if not text:
            return None
        if is_snapshot_id(text):
            found = next((one.taken_at for one in self.snapshots if one.id == text), None)
            if found is None:
                raise UsageError(f"there is no snapshot {text}", hint="choose another one from the timeline")
            return found
        return time_parsing.moment(text, self.zone, now)

    def at(self, moment: datetime | None = None) -> ItemsAt:
        """The items at a moment; None for now. Raises `NothingFound` where nothing was kept yet."""
        from vault.repository import snapshots

        numbers = {}
        for source, ledger in self._ledgers.items():
            found = snapshots.at(ledger.records, moment)
            if found:
                numbers[source] = ledger.records.index(found[0])
        if not numbers:
            raise NothingFound(
                f"project {self.project!r} has no snapshot so early" if self.snapshots else "there is no snapshot yet",
                hint="choose a later moment from the timeline" if self.snapshots else "wait for the first backup",
            )
        records = tuple(self._ledgers[source].records[number] for source, number in numbers.items())
        key = tuple(one.id for one in records)
        known = self._known(key)
        if known is not None:
            return known
        with self._decoding:
            known = self._known(key)
            if known is not None:
                return known
            made = ItemsAt(self._table(numbers), records)
            with self._lock:
                self._moments[key] = made
                while len(self._moments) > MOMENTS_KEPT:
                    self._moments.popitem(last=False)
            return made

    def _known(self, key: tuple[str, ...]) -> ItemsAt | None:
        with self._lock:
            if key in self._moments:
                self._moments.move_to_end(key)
            return self._moments.get(key)

    def _table(self, numbers: dict[str, int]) -> pa.Table:
        import pyarrow as pa

        parts = [
            some.append_column("source", pa.repeat(pa.scalar(source), len(some)))
            for source, number in numbers.items()
            for some in self._ledgers[source].state(number, COLUMNS)
        ]
        return pa.concat_tables(parts).sort_by([("path", "ascending"), ("source", "ascending")]).combine_chunks()

    def ever(self) -> pa.Table:
        """A row for each item that ever was, by path: see `restore.history.newest_versions`. Made once."""
        from restore.history.newest_versions import newest_versions
        from vault.progress import release_memory

        made = self._ever
        if made is not None:
            return made
        with self._decoding:
            if self._ever is None:
                self._ever = newest_versions(self._history)
                release_memory()
            return self._ever

    def missing(self, items: ItemsAt, window: tuple[datetime, datetime]) -> tuple[MissingReports, ...]:
        """What is expected of each source and was not there at the moment of its newest snapshot: as a backup alerts it, but
        for any window. items: as `at` gives them · window: aware; only what ends within it. What is expected of the rows of
        tables is left out: only a backup knows it."""
        taken_at = {one.source: one.taken_at for one in items.records}
        asked = [one for one in self.expectations if one.column is None and one.source in taken_at]
        return tuple(self._missing_of(one, items, taken_at[one.source], window) for one in asked)

    def missing_lately(self, items: ItemsAt) -> tuple[MissingReports, ...]:
        """The same, as far back as alerts look."""
        from policies.monitoring.expected_files import looked_back

        taken_at = {one.source: one.taken_at for one in items.records}
        asked = [one for one in self.expectations if one.column is None and one.source in taken_at]
        return tuple(
            self._missing_of(one, items, until, (until - looked_back(one.pattern), until))
            for one in asked
            for until in [taken_at[one.source]]
        )

    def _missing_of(
        self, expectation: SourceExpectation, items: ItemsAt, taken_at: datetime, window: tuple[datetime, datetime]
    ) -> MissingReports:
        import pyarrow.compute as pc

        from strongroom.expected_reports import missing_reports

        question = (expectation, tuple(one.id for one in items.records), window)
        with self._lock:
            if question in self._missing:
                self._missing.move_to_end(question)
                return self._missing[question]
        rows = items.table.filter(pc.equal(items.table["source"], expectation.source))
        since = min(one.taken_at for one in self.snapshots if one.source == expectation.source)
        found = missing_reports(expectation, rows, since, taken_at, self.zone, window)
        with self._lock:
            self._missing[question] = found
            while len(self._missing) > ANSWERS_KEPT:
                self._missing.popitem(last=False)
        return found

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, nearly."""
        with self._lock:
            tables = [self._ever, *(one.table for one in self._moments.values())]
        ledgers = sum(sum(map(len, one.closed)) + one.open_rows.nbytes for one in self._ledgers.values())
        return int(ledgers + sum(one.nbytes for one in tables if one is not None) + 4096 * len(self.snapshots))

    def events(self, path: bytes, source: str | None = None) -> tuple[ItemHistory, ...]:
        """What became of one item, of each source that ever had it; none where there was no such item. Of the last ones that
        were asked for it is remembered: whoever looks at an item goes to and fro between its versions."""
        from restore.history.events import history
        from restore.history.ledger import OnePath
        from restore.history.timeline import Question

        key = (path, source)
        with self._lock:
            known = self._events.get(key)
        if known is not None:
            return known
        with self._decoding:
            found = history(self._history, Question(OnePath(path), source), most=len(self._ledgers)).items
        with self._lock:
            self._events[key] = found
            while len(self._events) > EVENTS_KEPT:
                self._events.popitem(last=False)
        return found


def stored_version(project: Project) -> str:
    """What tells whether the store has other snapshots of a project than it had. Two lists, and nothing is read. Raises
    `StorageError`."""
    found = hashlib.sha256()
    for folder in ("snapshots", "forgotten"):
        for name in sorted(info.name for info in project.store.list(project.folder(folder))):
            found.update(name.encode() + b"\n")
    return found.hexdigest()


def load_project_items(context: Context, project: Project) -> ProjectItems:
    """Everything that the store has of a project's items, from what this machine has kept of it. Raises `StorageError`."""
    from strongroom.history import HistoryOptions, load_history

    version = stored_version(project)  # before the reading: what is written meanwhile is read the next time
    history = load_history(context, project, HistoryOptions())
    return ProjectItems(history, context.zone(project.name), version, expectations(context, project.name))


def expectations(context: Context, project: str) -> tuple[SourceExpectation, ...]:
    """What the settings say must appear; nothing of a project that they do not name."""
    from strongroom.expected_reports import expectations_of

    return expectations_of(context.settings.project(project))
