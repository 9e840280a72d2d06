"""Records of an interface as they were last read, in a SQLite file of this machine.

A record is a line of JSON under its resource and key. Each item (the records of a resource with one label) has a count, a size
and a sum of hashes that are kept up with every change: what tells versions of it apart, whatever the order of changes. A *pass*
is one reading of a whole resource: the keys that it has met, and where it goes on after a kill.

The file may be deleted at any time, which costs a full reading. One that is damaged, or of another description, is begun anew.
It is changed by one process at a time, whoever holds its lock.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO, NamedTuple, Self

from msgspec import Struct

from vault.clock import Clock
from vault.errors import Busy, SourceError
from vault.progress import Stop

VERSION = "1"
WAIT = 10.0
"""Seconds that another process is waited for."""

BATCH = 10_000
_SUM = 1 << 128

_SCHEMA = """
create table facts (name text primary key, value text not null) without rowid;
create table resources (
    name text primary key, settled integer not null, watermark real, full_at real, passing text, began real, since real
) without rowid;
create table records (
    id integer primary key, resource text not null, sort blob not null, key text not null, label text not null,
    listed blob not null, hash blob not null, line blob not null
);
create unique index records_by_key on records (resource, sort);
create index records_by_label on records (resource, label, sort);
create table items (
    resource text not null, label text not null, count integer not null, size integer not null, sum blob not null,
    primary key (resource, label)
) without rowid;
create table met (resource text not null, sort blob not null, primary key (resource, sort)) without rowid;
create table attachments (
    resource text not null, sort blob not null, path text not null, source text not null, token blob not null,
    primary key (resource, sort, path)
) without rowid;
create index attachments_by_path on attachments (resource, path);
"""


class StoredRecord(NamedTuple):
    """What is known of a record. listed: hash of it as a listing has it · hash: of its line."""

    label: str
    listed: bytes
    hash: bytes


class NewRecord(NamedTuple):
    """A record to be kept. line: with its line break."""

    key: str
    label: str
    listed: bytes
    line: bytes


class StoredItem(NamedTuple):
    """An item. records: how many · size: bytes · token: tells its versions apart."""

    label: str
    records: int
    size: int
    token: bytes


class StoredAttachment(NamedTuple):
    """path: below the resource's attachments · source: where its bytes are, as JSON."""

    path: str
    source: str
    token: bytes


class ResourceState(Struct, frozen=True):
    """How far the reading of a resource is.

    - `settled`: whether a complete reading has come to an end since the file was begun
    - `watermark`: seconds since 1970, by the server: from then on (less the overlap) is asked for what was modified
    - `full_at`: when the last full scan ended, by our clock
    - `passing`: where a pass that was interrupted goes on, as JSON; None where there is none
    - `began`: when that pass began, by our clock · `since`: the same by the server's
    """

    settled: bool = False
    watermark: float | None = None
    full_at: float | None = None
    passing: str | None = None
    began: float | None = None
    since: float | None = None


class Mirror:
    """See this module's text. Used by one thread, but for `line_pieces`, which has a connection of its own."""

    def __init__(self, file: Path, database: sqlite3.Connection, lock: IO[bytes]) -> None:
        self._file = file
        self._database = database
        self._lock = lock
        self._items: dict[tuple[str, str], list[int]] = {}

    @classmethod
    def open(cls, file: Path, fingerprint: str, clock: Clock, stop: Stop) -> Self:
        """The mirror of a description; an empty one where there is none, or one of another. Raises `Busy` where another process
        has it, `SourceError` where no file can be made."""
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _locked(file.with_name(f"{file.name}.lock"), clock, stop)
        except OSError as error:
            hint = "free some room, or correct the permissions of that folder"
            raise SourceError(f"no mirror can be kept in {file.parent}: {error.strerror}", hint=hint) from error
        try:
            return cls(file, _opened(file, fingerprint), lock)
        except BaseException:
            lock.close()
            raise

    def close(self) -> None:
        """What was not committed is dropped."""
        self._database.close()
        self._lock.close()

    def commit(self) -> None:
        """What was changed stays, also after a kill."""
        self._flush()
        self._database.execute("commit")
        self._database.execute("begin")

    def state(self, resource: str) -> ResourceState:
        row = self._database.execute(
            "select settled, watermark, full_at, passing, began, since from resources where name = ?", (resource,)
        ).fetchone()
        return ResourceState() if row is None else ResourceState(bool(row[0]), *row[1:])

    def set_state(self, resource: str, state: ResourceState) -> None:
        values = (resource, state.settled, state.watermark, state.full_at, state.passing, state.began, state.since)
        self._database.execute("insert or replace into resources values (?, ?, ?, ?, ?, ?, ?)", values)

    def record(self, resource: str, key: str) -> StoredRecord | None:
        row = self._database.execute(
            "select label, listed, hash from records where resource = ? and sort = ?", (resource, sort_key(key))
        ).fetchone()
        return None if row is None else StoredRecord(*row)

    def line(self, resource: str, key: str) -> bytes | None:
        row = self._database.execute(
            "select line from records where resource = ? and sort = ?", (resource, sort_key(key))
        ).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, resource: str, new: NewRecord, old: StoredRecord | None) -> bool:
        """Keep a record; whether its line is another one than before. old: what `record` gave."""
        found = blake2b(new.line, digest_size=16).digest()
        if old is not None and old.hash == found and old.label == new.label:
            if old.listed != new.listed:
                self._database.execute(
                    "update records set listed = ? where resource = ? and sort = ?", (new.listed, resource, sort_key(new.key))
                )
            return False
        if old is not None:
            self._drop(resource, new.key, old)
        self._database.execute(
            "insert into records (resource, sort, key, label, listed, hash, line) values (?, ?, ?, ?, ?, ?, ?)",
            (resource, sort_key(new.key), new.key, new.label, new.listed, found, new.line),
        )
        self._count(resource, new.label, 1, len(new.line), found)
        return True

    def meet(self, resource: str, key: str) -> bool:
        """Note that the pass has met a key; whether it is for the first time."""
        done = self._database.execute("insert or ignore into met values (?, ?)", (resource, sort_key(key)))
        return done.rowcount == 1

    def begin_pass(self, resource: str) -> None:
        """No key was met yet."""
        self._database.execute("delete from met where resource = ?", (resource,))

    def has_unmet(self, resource: str) -> bool:
        """Whether there are records that the pass has not met."""
        row = self._database.execute(
            "select 1 from records as r where resource = ? and not exists "
            "(select 1 from met where met.resource = r.resource and met.sort = r.sort) limit 1",
            (resource,),
        ).fetchone()
        return row is not None

    def drop_unmet(self, resource: str, stop: Stop) -> int:
        """What the pass has not met is gone; gives how many."""
        count = 0
        while True:
            stop()
            rows = self._database.execute(
                "select key, label, listed, hash from records as r where resource = ? and not exists "
                "(select 1 from met where met.resource = r.resource and met.sort = r.sort) limit ?",
                (resource, BATCH),
            ).fetchall()
            for row in rows:
                self._drop(resource, row[0], StoredRecord(*row[1:]))
                self.put_attachments(resource, row[0], [])
            count += len(rows)
            if len(rows) < BATCH:
                return count

    def count(self, resource: str) -> int:
        """Of records."""
        self._flush()
        row = self._database.execute("select coalesce(sum(count), 0) from items where resource = ?", (resource,)).fetchone()
        return int(row[0])

    def items(self, resource: str) -> list[StoredItem]:
        """By label."""
        self._flush()
        rows = self._database.execute(
            "select label, size, count, sum from items where resource = ? and count > 0 order by label", (resource,)
        )
        return [StoredItem(label, count, size, b"%d " % count + total) for label, size, count, total in rows]

    def put_attachments(self, resource: str, key: str, found: list[StoredAttachment]) -> None:
        """Those of a record, in the place of what it had."""
        sort = sort_key(key)
        self._database.execute("delete from attachments where resource = ? and sort = ?", (resource, sort))
        self._database.executemany(
            "insert or replace into attachments values (?, ?, ?, ?, ?)",
            ((resource, sort, one.path, one.source, one.token) for one in found),
        )

    def attachments(self, resource: str) -> Iterator[StoredAttachment]:
        """All of a resource."""
        rows = self._database.execute("select path, source, token from attachments where resource = ?", (resource,))
        yield from (StoredAttachment(*row) for row in rows)

    def attachment(self, resource: str, path: str) -> StoredAttachment | None:
        """One, also while others write."""
        connection = _connected(self._file)
        try:
            row = connection.execute(
                "select path, source, token from attachments where resource = ? and path = ?", (resource, path)
            ).fetchone()
            return None if row is None else StoredAttachment(*row)
        finally:
            connection.close()

    def line_pieces(self, resource: str, label: str, largest: int) -> Iterator[bytes]:
        """An item, in pieces of about so many bytes: what was committed, of one moment."""
        connection = _connected(self._file)
        try:
            piece = bytearray()
            query = "select line from records where resource = ? and label = ? order by sort"
            for (line,) in connection.execute(query, (resource, label)):
                piece += line
                if len(piece) >= largest:
                    yield bytes(piece)
                    piece.clear()
            if piece:
                yield bytes(piece)
        finally:
            connection.close()

    def forget_others(self, resources: list[str]) -> None:
        """What the description does not name any more goes."""
        known = self._database.execute("select name from resources union select distinct resource from items").fetchall()
        for (name,) in known:
            if name not in resources:
                self._database.execute("delete from resources where name = ?", (name,))
                for table in ("records", "items", "met", "attachments"):
                    self._database.execute(f"delete from {table} where resource = ?", (name,))  # noqa: S608 (own names)

    def _drop(self, resource: str, key: str, old: StoredRecord) -> None:
        row = self._database.execute(
            "delete from records where resource = ? and sort = ? returning length(line)", (resource, sort_key(key))
        ).fetchone()
        self._count(resource, old.label, -1, -row[0], old.hash)

    def _count(self, resource: str, label: str, count: int, size: int, found: bytes) -> None:
        known = self._items.get((resource, label))
        if known is None:
            row = self._database.execute(
                "select count, size, sum from items where resource = ? and label = ?", (resource, label)
            ).fetchone()
            known = [0, 0, 0] if row is None else [row[0], row[1], int.from_bytes(row[2], "big")]
            self._items[resource, label] = known
        known[0] += count
        known[1] += size
        known[2] = (known[2] + count * int.from_bytes(found, "big")) % _SUM

    def _flush(self) -> None:
        self._database.executemany(
            "insert or replace into items values (?, ?, ?, ?, ?)",
            ((*place, count, size, total.to_bytes(16, "big")) for place, (count, size, total) in self._items.items()),
        )
        self._items.clear()


def sort_key(key: str) -> bytes:
    """Bytes in the order of keys: whole numbers by value before all other texts."""
    if key.isascii() and key.isdigit() and len(key) < 256 and (key[0] != "0" or key == "0"):
        return b"0" + bytes([len(key)]) + key.encode()
    return b"1" + key.encode("utf-8", "surrogatepass")


def _connected(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=30.0)


def _opened(file: Path, fingerprint: str) -> sqlite3.Connection:
    """What is damaged, or of another version or description, is begun anew."""
    for _ in range(2):
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(handle)
        database = _connected(file)
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")
            database.execute("pragma cache_size = -32768")
            database.execute("begin")
            if not database.execute("select 1 from sqlite_schema where name = 'facts'").fetchone():
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
                database.execute("insert into facts values ('description', ?)", (f"{VERSION} {fingerprint}",))
                return database
            row = database.execute("select value from facts where name = 'description'").fetchone()
            if row is not None and row[0] == f"{VERSION} {fingerprint}":
                return database
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                database.close()
                raise Busy(f"another process uses the mirror {file}", hint="try again later") from error
        database.close()
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    raise SourceError(f"the mirror {file} cannot be made", hint="delete that file, and look at the disk")


def _locked(file: Path, clock: Clock, stop: Stop) -> IO[bytes]:
    """The lock of a mirror. Raises `Busy`."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    lock = os.fdopen(handle, "rb")
    begun = clock.monotonic()
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if clock.monotonic() - begun > WAIT:
                lock.close()
                raise Busy(f"another process reads this source: {file} is locked", hint="try again later") from None
            stop()
            clock.sleep(0.2)
