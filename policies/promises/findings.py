"""What this machine's runs found out, in a file beside the books.

    found     the newest word on a subject: the last backup of a source, the last check of a project, when a source was first
    met drills    the newest hundred of each project: what was restored, and how long it took
    packs     which were seen, and which were read, when, and whether they were whole
    alarms    promises that are broken, since when
    outbox    what is still to be told, and to whom

Every command writes here what it has found out, for one short moment; whoever asks, reads. It can be lost: what is known then
is found out anew by the next runs, and packs count as unread.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from policies.schedule.books_file import BUSY_SECONDS, is_damage
from vault.errors import StrongroomError, UnsupportedFormat

VERSION = 1
DRILLS_KEPT = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TABLES = """
CREATE TABLE found (
    project TEXT, what TEXT, subject TEXT, at INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (project, what, subject)
) WITHOUT ROWID;
CREATE TABLE drills (number INTEGER PRIMARY KEY, project TEXT NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL);
CREATE INDEX drills_of_a_project ON drills (project, number);
CREATE TABLE packs (
    project TEXT, pack BLOB, seen_at INTEGER NOT NULL, read_at INTEGER, whole INTEGER NOT NULL, PRIMARY KEY (project, pack)
) WITHOUT ROWID;
CREATE TABLE alarms (
    project TEXT, promise TEXT, subject TEXT, since INTEGER NOT NULL, message TEXT NOT NULL, hint TEXT NOT NULL,
    PRIMARY KEY (project, promise, subject)
) WITHOUT ROWID;
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY, channel TEXT NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL, attempts INTEGER NOT NULL,
    due INTEGER NOT NULL
)
"""


class Found(NamedTuple):
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


class Letter(NamedTuple):
    """Something that is to be told through a channel."""

    number: int
    channel: str
    at: datetime
    value: dict[str, Any]
    attempts: int


@dataclass(slots=True)
class Findings:
    """See this module's text. Of one thread; others open it for themselves."""

    file: Path
    _base: sqlite3.Connection

    @classmethod
    def open(cls, file: Path) -> Self:
        """Made where there is none; a damaged one begins anew. Raises `UnsupportedFormat`, `StrongroomError`."""
        with _errors(file):
            try:
                return cls(file, _opened(file))
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                for suffix in ("", "-wal", "-shm"):
                    with suppress(FileNotFoundError):
                        file.with_name(f"{file.name}{suffix}").replace(file.with_name(f"{file.name}.damaged{suffix}"))
                return cls(file, _opened(file))

    def close(self) -> None:
        self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note(self, project: str, what: str, subject: str, at: datetime, value: Mapping[str, Any]) -> None:
        """The newest word on a subject."""
        self._do(
            "INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)", project, what, subject, _micros(at), json.dumps(dict(value))
        )

    def first_met(self, project: str, subject: str, now: datetime) -> datetime:
        """When somebody first asked this about it: now, where it is new."""
        self._do("INSERT OR IGNORE INTO found VALUES (?, 'met', ?, ?, '{}')", project, subject, _micros(now))
        found = self.found(project, "met", subject)
        return found.at if found else now

    def found(self, project: str, what: str, subject: str = "") -> Found | None:
        """What was noted last."""
        rows = self._ask("SELECT at, value FROM found WHERE project = ? AND what = ? AND subject = ?", project, what, subject)
        return Found(_moment(rows[0][0]), json.loads(rows[0][1])) if rows else None

    def drilled(self, project: str, at: datetime, value: Mapping[str, Any]) -> None:
        """A drill's record."""
        with self._whole():
            self._do("INSERT INTO drills (project, at, value) VALUES (?, ?, ?)", project, _micros(at), json.dumps(dict(value)))
            self._do(
                "DELETE FROM drills WHERE project = ?1 AND number <= "
                "(SELECT number FROM drills WHERE project = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                project,
                DRILLS_KEPT,
            )

    def drills(self, project: str, most: int = 1) -> list[Found]:
        """The newest ones, the newest first."""
        rows = self._ask("SELECT at, value FROM drills WHERE project = ? ORDER BY number DESC LIMIT ?", project, most)
        return [Found(_moment(at), json.loads(value)) for at, value in rows]

    def packs(self, project: str) -> dict[bytes, PackSeen]:
        """Every pack that was seen at the last check."""
        rows = self._ask("SELECT pack, seen_at, read_at, whole FROM packs WHERE project = ?", project)
        return {
            pack: PackSeen(_moment(seen), None if read is None else _moment(read), bool(whole))
            for pack, seen, read, whole in rows
        }

    def damaged_packs(self, project: str) -> frozenset[bytes]:
        """The packs that were not whole when they were read last."""
        return frozenset(pack for pack, seen in self.packs(project).items() if seen.read_at is not None and not seen.whole)

    def write_packs(self, project: str, packs: Mapping[bytes, PackSeen]) -> None:
        """These are all that there are."""
        rows = [
            (project, pack, _micros(one.seen_at), None if one.read_at is None else _micros(one.read_at), one.whole)
            for pack, one in packs.items()
        ]
        with self._whole():
            self._do("DELETE FROM packs WHERE project = ?", project)
            with _errors(self.file):
                self._base.executemany("INSERT INTO packs VALUES (?, ?, ?, ?, ?)", rows)

    def coverage(self, project: str, since: datetime) -> Coverage:
        """How far the project's packs have been read since some moment."""
        rows = self._ask(
            "SELECT count(*), count(*) FILTER (WHERE read_at >= ?2), count(*) FILTER (WHERE NOT whole), "
            "min(coalesce(read_at, seen_at)) FROM packs WHERE project = ?1",
            project,
            _micros(since),
        )
        packs, read, damaged, oldest = rows[0]
        return Coverage(packs, read, damaged, None if oldest is None else _moment(oldest))

    def alarms(self) -> dict[tuple[str, str, str], datetime]:
        """Project, promise and subject of those that stand, and since when."""
        rows = self._ask("SELECT project, promise, subject, since FROM alarms")
        return {(project, promise, subject): _moment(since) for project, promise, subject, since in rows}

    def change_alarms(
        self,
        begun: Iterable[tuple[str, str, str, datetime, str, str]],
        over: Iterable[tuple[str, str, str]],
        letters: Iterable[tuple[str, Mapping[str, Any]]],
        now: datetime,
    ) -> None:
        """Alarms that begin and end, and what is to be told of it, by channel: all of it or nothing. begun: project, promise,
        subject, since, message, hint."""
        with self._whole():
            for project, promise, subject, since, message, hint in begun:
                self._do(
                    "INSERT OR REPLACE INTO alarms VALUES (?, ?, ?, ?, ?, ?)",
                    project, promise, subject, _micros(since), message, hint,
                )  # fmt: skip
            for key in over:
                self._do("DELETE FROM alarms WHERE project = ? AND promise = ? AND subject = ?", *key)
            for channel, value in letters:
                self._do(
                    "INSERT INTO outbox (channel, at, value, attempts, due) VALUES (?, ?, ?, 0, ?)",
                    channel, _micros(now), json.dumps(dict(value)), _micros(now),
                )  # fmt: skip

    def message_of(self, key: tuple[str, str, str]) -> str:
        """What was said of an alarm when it began."""
        rows = self._ask("SELECT message FROM alarms WHERE project = ? AND promise = ? AND subject = ?", *key)
        return str(rows[0][0]) if rows else ""

    def letters(self, now: datetime) -> list[Letter]:
        """Those that may be sent now, the oldest first."""
        rows = self._ask("SELECT number, channel, at, value, attempts FROM outbox WHERE due <= ? ORDER BY number", _micros(now))
        return [Letter(number, channel, _moment(at), json.loads(value), tries) for number, channel, at, value, tries in rows]

    def sent(self, number: int) -> None:
        """It was told, or nobody can be told it any more."""
        self._do("DELETE FROM outbox WHERE number = ?", number)

    def not_sent(self, number: int, due: datetime) -> None:
        """It could not be told; the next try comes then."""
        self._do("UPDATE outbox SET attempts = attempts + 1, due = ? WHERE number = ?", _micros(due), number)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self._do("BEGIN IMMEDIATE")
        try:
            yield
            self._do("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self._base.rollback()
            raise

    def _do(self, statement: str, *values: object) -> None:
        with _errors(self.file):
            self._base.execute(statement, values).close()

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with _errors(self.file):
            return self._base.execute(statement, values).fetchall()


def _opened(file: Path) -> sqlite3.Connection:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    base = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _make(file, base)
        base.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        base.close()
        raise
    return base


def _make(file: Path, base: sqlite3.Connection) -> None:
    """The tables, where there are none; two commands may come at once."""
    if _version(file, base) == VERSION:
        return
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("BEGIN IMMEDIATE")
    if _version(file, base) < VERSION:
        for statement in _TABLES.split(";"):
            base.execute(statement)
        base.execute(f"PRAGMA user_version = {VERSION}")
    base.execute("COMMIT")


def _version(file: Path, base: sqlite3.Connection) -> int:
    found = int(base.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise UnsupportedFormat(f"{file} was written by a newer version (format {found}; this one knows {VERSION})")
    return found


@contextmanager
def _errors(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StrongroomError(
            f"{file} cannot be used: {error}", hint="it may be deleted: what it holds is found anew"
        ) from error
    except OSError as error:
        raise StrongroomError(f"{file} cannot be used: {error.strerror}", hint="free some room, or mend its rights") from error


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
