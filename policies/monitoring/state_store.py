"""What this machine's runs found out, in a file beside the run history (`findings.sqlite`), a table for each of these.

    found     the newest entry on a subject: the last backup of a source, the last check of a project, when a source was first
              seen
    drills    the newest hundred of each project: what was restored, and how long it took
    packs     which were seen, and which were read, when, and whether they were whole
    alarms    alerts that are firing, since when
    outbox    messages that are still to be sent, and by which channel

Every command writes here what it has found out, for one short moment; whoever asks, reads. It can be lost: what is known then
is found out anew by the next runs, and packs count as unread. A file that was deleted or replaced is opened anew by whoever has
it open; a damaged one is set aside, and another is begun.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from policies.monitoring import state_file
from policies.monitoring.state_file import StateFile
from policies.scheduling.run_history_file import lacks_room
from vault.clock import A_LITTLE
from vault.errors import StrongroomError

MOST_DRILLS = 100
LONGEST_WAIT = timedelta(hours=1)
"""From one try of a message to the next."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StateEntry(NamedTuple):
    """A finding, and when it was made."""

    at: datetime
    value: dict[str, Any]


class PackSeen(NamedTuple):
    """When a pack was first seen, when it was last read (None: never), and whether it was whole then."""

    seen_at: datetime
    read_at: datetime | None
    whole: bool


class Coverage(NamedTuple):
    """How many packs a project has, how many were read since some moment, how many are known to be damaged, and the oldest
    moment at which one was read, or first seen where it never was."""

    packs: int
    read: int
    damaged: int
    oldest: datetime | None


class NotedAlert(NamedTuple):
    """An alert that is firing: since when, what was said of it when it began, and what to do."""

    since: datetime
    message: str
    hint: str


class QueuedMessage(NamedTuple):
    """A message that waits for its channel."""

    number: int
    channel: str
    at: datetime
    value: dict[str, Any]
    attempts: int


class StateStore:
    """See this module's text. Of one thread; others open it for themselves. report: hears that the file was damaged, deleted or
    replaced."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._first_seen: dict[tuple[str, str], datetime] = {}

    @classmethod
    def open(cls, file: Path, report: Callable[[str], None] | None = None) -> Self:
        """Made where there is none; a damaged one begins anew. Raises `UnsupportedFormat`, `StrongroomError`."""
        store = cls(StateFile(file, state_file.opened, report or _ignore))
        store._require_usable()
        return store

    @classmethod
    def open_anyhow(cls, file: Path, report: Callable[[str], None]) -> Self:
        """As `open`; where the disk is full or fails, that is reported, and the file is tried again with each question. Raises
        `UnsupportedFormat`, `StrongroomError`."""
        try:
            return cls.open(file, report)
        except StrongroomError as error:
            if not lacks_room(error):
                raise
            report(str(error))
            return cls(StateFile(file, state_file.opened, report))

    @classmethod
    def open_to_read(cls, file: Path) -> Self:
        """As it is, empty where there is none; nothing is changed. Raises `UnsupportedFormat`, `StrongroomError`."""
        store = cls(StateFile(file, state_file.opened_to_read, _ignore))
        store._require_usable()
        return store

    @classmethod
    def nothing(cls, file: Path) -> Self:
        """Where the file cannot be read: as if there were none."""
        return cls(StateFile(file, state_file.empty, _ignore))

    def _require_usable(self) -> None:
        """Raises `StrongroomError`, and leaves nothing open then."""
        try:
            self._file.do("SELECT 1")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note(self, project: str, what: str, subject: str, at: datetime, value: Mapping[str, Any]) -> None:
        """The newest word on a subject."""
        self._file.do(
            "INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)", project, what, subject, _micros(at), json.dumps(dict(value))
        )

    def first_seen(self, project: str, subject: str, now: datetime) -> datetime:
        """When somebody first asked this about it: now, where it is new. Where that cannot be written down it is remembered
        for as long as this is open."""
        found = self.found(project, "met", subject)
        if found is not None and found.at <= now + A_LITTLE:
            return found.at
        seen = self._first_seen.setdefault((project, subject), now)
        if seen > now + A_LITTLE:  # the clock was ahead then, and nobody knows for how long
            seen = self._first_seen[project, subject] = now
        with suppress(StrongroomError):
            self._file.do("INSERT OR REPLACE INTO found VALUES (?, 'met', ?, ?, '{}')", project, subject, _micros(seen))
        return seen

    def found(self, project: str, what: str, subject: str = "") -> StateEntry | None:
        """What was noted last."""
        query = "SELECT at, value FROM found WHERE project = ? AND what = ? AND subject = ?"
        rows = self._file.ask(_found, query, project, what, subject)
        return rows[0] if rows else None

    def drilled(self, project: str, at: datetime, value: Mapping[str, Any]) -> None:
        """A drill's record."""
        with self._file.whole() as base:
            text = json.dumps(dict(value))
            base.execute("INSERT INTO drills (project, at, value) VALUES (?, ?, ?)", (project, _micros(at), text))
            base.execute(
                "DELETE FROM drills WHERE project = ?1 AND number <= "
                "(SELECT number FROM drills WHERE project = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                (project, MOST_DRILLS),
            )

    def drills(self, project: str, most: int = 1) -> list[StateEntry]:
        """The newest ones, the newest first."""
        return self._file.ask(
            _found, "SELECT at, value FROM drills WHERE project = ? ORDER BY number DESC LIMIT ?", project, most
        )

    def packs(self, project: str) -> dict[bytes, PackSeen]:
        """Every pack that was seen at the last check."""
        return dict(self._file.ask(_pack, "SELECT pack, seen_at, read_at, whole FROM packs WHERE project = ?", project))

    def damaged_packs(self, project: str) -> frozenset[bytes]:
        """The packs that were not whole when they were read last."""
        return frozenset(pack for pack, seen in self.packs(project).items() if seen.read_at is not None and not seen.whole)

    def write_packs(self, project: str, packs: Mapping[bytes, PackSeen]) -> None:
        """These are all that there are."""
        rows = [
            (project, pack, _micros(one.seen_at), None if one.read_at is None else _micros(one.read_at), one.whole)
            for pack, one in packs.items()
        ]
        with self._file.whole() as base:
            base.execute("DELETE FROM packs WHERE project = ?", (project,))
            base.executemany("INSERT INTO packs VALUES (?, ?, ?, ?, ?)", rows)

    def coverage(self, project: str, since: datetime) -> Coverage:
        """How far the project's packs have been read since some moment."""
        rows = self._file.ask(
            lambda row: Coverage(row[0], row[1], row[2], None if row[3] is None else _moment(row[3])),
            "SELECT count(*), count(*) FILTER (WHERE read_at >= ?2), count(*) FILTER (WHERE NOT whole), "
            "min(coalesce(read_at, seen_at)) FROM packs WHERE project = ?1",
            project,
            _micros(since),
        )
        return rows[0]

    def rename_project(self, old: str, new: str) -> None:
        """What is known of a project, from now on by its new name; what is known by that already stays. Alerts that are firing
        keep the old one: they are over with it."""
        with self._file.whole() as base:
            for table in ("found", "packs"):
                base.execute(f"UPDATE OR IGNORE {table} SET project = ?2 WHERE project = ?1", (old, new))  # noqa: S608
                base.execute(f"DELETE FROM {table} WHERE project = ?", (old,))  # noqa: S608
            base.execute("UPDATE drills SET project = ?2 WHERE project = ?1", (old, new))

    def alerts(self) -> dict[tuple[str, str, str], NotedAlert]:
        """Those that are firing, by project, promise and subject."""
        query = "SELECT project, promise, subject, since, message, hint FROM alarms"
        rows = self._file.ask(lambda row: ((row[0], row[1], row[2]), NotedAlert(_moment(row[3]), row[4], row[5])), query)
        return dict(rows)

    def change_alerts(
        self,
        begun: Iterable[tuple[str, str, str, datetime, str, str]],
        over: Iterable[tuple[str, str, str]],
        queued_messages: Iterable[tuple[str, Mapping[str, Any]]],
        now: datetime,
    ) -> None:
        """Alerts that begin and end, and the messages about them, by channel: all of it or nothing. begun: project, promise,
        subject, since, message, hint."""
        with self._file.whole() as base:
            for project, promise, subject, since, message, hint in begun:
                row = (project, promise, subject, _micros(since), message, hint)
                base.execute("INSERT OR REPLACE INTO alarms VALUES (?, ?, ?, ?, ?, ?)", row)
            for key in over:
                base.execute("DELETE FROM alarms WHERE project = ? AND promise = ? AND subject = ?", key)
            for channel, value in queued_messages:
                base.execute(
                    "INSERT INTO outbox (channel, at, value, attempts, due) VALUES (?, ?, ?, 0, ?)",
                    (channel, _micros(now), json.dumps(dict(value)), _micros(now)),
                )

    def queued_messages(self, now: datetime) -> list[QueuedMessage]:
        """Those that may be sent now, the oldest first; those too that wait for longer than any does, since the clock was set
        back."""
        query = "SELECT number, channel, at, value, attempts FROM outbox WHERE due <= ? OR due > ? ORDER BY number"
        moments = _micros(now), _micros(now + LONGEST_WAIT + A_LITTLE)
        return self._file.ask(
            lambda row: QueuedMessage(row[0], row[1], _moment(row[2]), _value(row[3]), row[4]), query, *moments
        )

    def sent(self, queued: QueuedMessage) -> None:
        """It was sent, or its channel is gone."""
        where = (queued.number, queued.channel, _micros(queued.at))
        self._file.do("DELETE FROM outbox WHERE number = ? AND channel = ? AND at = ?", *where)

    def not_sent(self, queued: QueuedMessage, due: datetime) -> None:
        """It could not be sent, or not to all; the next try comes then. The message as it is to be kept."""
        values = (queued.attempts, json.dumps(queued.value), _micros(due))
        where = (queued.number, queued.channel, _micros(queued.at))
        statement = "UPDATE outbox SET attempts = ?, value = ?, due = ? WHERE number = ? AND channel = ? AND at = ?"
        self._file.do(statement, *values, *where)


def _ignore(_text: str) -> None:
    """Nobody needs to hear it."""


def _found(row: Sequence[Any]) -> StateEntry:
    return StateEntry(_moment(row[0]), _value(row[1]))


def _pack(row: Sequence[Any]) -> tuple[bytes, PackSeen]:
    return row[0], PackSeen(_moment(row[1]), None if row[2] is None else _moment(row[2]), bool(row[3]))


def _value(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("no table of values")
    return value


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
