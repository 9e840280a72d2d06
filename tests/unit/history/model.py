"""A plain model of a source's history, hour by hour in dicts, and the same committed to a repository in memory.

told = Told(project)
told.hour({b"reports/a": "first", b"reports/b": "second"})
told.hour({b"reports/a": "other"})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from benchmarks.history_data import FIRST_HOUR, HOUR, Item, Items, content_of, table_of, writing
from restore.history.cache import HistoryCache
from restore.history.update import History, UpdateOptions, update_history
from tests.support.places import made_on
from vault.format.snapshot_record import Record
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

State = Mapping[bytes, tuple[str, int]]
"""What a source has: the content (a word) and the mode of each path."""


def manifest_items(last: Items, state: State, now: datetime, before: datetime) -> Items:
    """The items of the manifest that a backup would write now, after one that had the items `last`."""
    items: Items = {}
    for path, (word, mode) in state.items():
        known = last.get(path)
        fresh = Item(len(word), int(now.timestamp()), content_of(word), now, mode)
        same = known is not None and known.vanished_at is None and (known.content, known.mode) == (fresh.content, mode)
        items[path] = known if same and known is not None else fresh
    for path in last.keys() - state.keys():
        gone = last[path]
        items[path] = gone if gone.vanished_at else replace(gone, last_seen_at=before, vanished_at=now)
    return items


@dataclass
class Told:
    """See this module's text. states: of each hour, as the source was · records: of each hour's snapshot."""

    project: Project = field(default_factory=lambda: made_on(MemoryStore()))
    source: str = "reports"
    states: list[State] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    items: Items = field(default_factory=dict)

    def hour(self, state: State) -> Record:
        """One more snapshot."""
        now = FIRST_HOUR + HOUR * len(self.states)
        last = self.records[-1] if self.records else None
        items = manifest_items(self.items, state, now, now - HOUR)
        with writing(self.project) as writer:
            table = None if last and items == self.items else table_of(items, self.source, "reports")
            record = writer.commit(table, self.source, now, last)
        self.states.append(dict(state))
        self.records.append(record)
        self.items = items
        return record


def known(project: Project, cache: Path) -> History:
    """The history as a client with this cache folder has it."""
    return update_history(project, HistoryCache(project, cache), UpdateOptions())


def just_before(hour: int) -> datetime:
    """A moment between the snapshot of an hour and the one before."""
    return FIRST_HOUR + HOUR * hour - timedelta(minutes=1)
