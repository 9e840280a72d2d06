"""What is known of all messages of a server, so that a scan asks for news only: a SQLite file in the state folder.

It may be deleted at any time: the next scan asks for the headers of all messages then, and the contents are known by the last
snapshot as before. What is damaged, of another version or of another server is begun anew.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from vault.source.imap.messages import Message

VERSION = 1
SLICE = 10_000
_TABLES = """
create table if not exists about (version integer, server text);
create table if not exists mailbox (
    id integer primary key, path blob unique not null, name blob not null,
    validity integer not null, next integer not null, messages integer not null, modseq integer not null);
create table if not exists message (
    mailbox integer not null, uid integer not null, size integer not null, received integer, name blob not null,
    copy integer not null, flags blob not null, labels blob not null, primary key (mailbox, uid)) without rowid;
create index if not exists by_name on message (mailbox, name);
"""

_FIND = (
    "select b.name, b.validity, m.uid, m.size, m.received, m.flags, m.labels "
    "from message m indexed by by_name cross join mailbox b on b.id = m.mailbox "
    "where m.mailbox = (select id from mailbox where path = ?) and m.name = ? order by m.uid"
)
"""Says how to go about it: without statistics, the planner looks at all messages of a mailbox for each one."""


class MailboxState(NamedTuple):
    """What tells whether a mailbox has changed.

    - `validity`: another one means that all numbers are new (UIDVALIDITY)
    - `next`: the number of the next message (UIDNEXT)
    - `messages`: how many there are
    - `modseq`: grows with every change (HIGHESTMODSEQ); 0 where the server has none
    """

    validity: int
    next: int
    messages: int
    modseq: int


class StoredMessage(NamedTuple):
    """Where a message is, and what belongs to it. mailbox: as the server names it · validity: of the mailbox."""

    mailbox: bytes
    validity: int
    uid: int
    size: int
    received: int | None
    flags: bytes
    labels: bytes


class MessageTable:
    """Used by several threads."""

    def __init__(self, file: Path | None, server: str) -> None:
        """file: None for one that is gone afterwards · server: whose messages it knows, and for whom."""
        self._lock = threading.RLock()
        self._server = server
        self._db = _opened(file, server)

    def close(self) -> None:
        """It is not used afterwards."""
        with self._lock:
            self._db.close()

    def state(self, path: bytes) -> MailboxState | None:
        """Of a mailbox, as it was last; None where nothing is known of it, or not all."""
        with self._lock:
            row = self._db.execute("select validity, next, messages, modseq from mailbox where path = ?", (path,)).fetchone()
        return None if row is None else MailboxState(*row)

    def count(self, path: bytes) -> int:
        """How many messages are known in a mailbox."""
        with self._lock:
            sql = "select count(*) from message where mailbox = (select id from mailbox where path = ?)"
            found: int = self._db.execute(sql, (path,)).fetchone()[0]
        return found

    def size(self, path: bytes) -> int:
        """Bytes of the messages that are known in a mailbox, as the server says."""
        with self._lock:
            sql = "select total(size) from message where mailbox = (select id from mailbox where path = ?)"
            return int(self._db.execute(sql, (path,)).fetchone()[0])

    def uids(self, path: bytes) -> set[int]:
        """The numbers of the messages that are known in a mailbox."""
        with self._lock:
            sql = "select uid from message where mailbox = (select id from mailbox where path = ?)"
            return {uid for (uid,) in self._db.execute(sql, (path,))}

    def begin(self, path: bytes, name: bytes, validity: int) -> None:
        """A mailbox that is looked at: where its numbers are new, nothing is known of it any more."""
        with self._lock, self._db:
            known = self.state(path)
            if known is not None and known.validity == validity:
                self._db.execute("update mailbox set name = ? where path = ?", (name, path))
                return
            self._remove(path)
            self._db.execute("insert into mailbox values (null, ?, ?, ?, 0, -1, 0)", (path, name, validity))

    def add(self, path: bytes, messages: Iterable[Message]) -> None:
        """Messages that are new."""
        with self._lock, self._db:
            box = self._id(path)
            rows = ((box, m.uid, m.size, m.received, m.name, 1, m.flags, m.labels) for m in messages)
            self._db.executemany("insert or replace into message values (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def mark(self, path: bytes, marks: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Flags and labels of messages that are known, by number."""
        with self._lock, self._db:
            box = self._id(path)
            rows = ((flags, labels, box, uid) for uid, flags, labels in marks)
            self._db.executemany("update message set flags = ?, labels = ? where mailbox = ? and uid = ?", rows)

    def finish(self, path: bytes, gone: Iterable[int], state: MailboxState) -> None:
        """All is known of a mailbox. gone: numbers of messages that are not there any more."""
        with self._lock, self._db:
            box = self._id(path)
            self._db.executemany("delete from message where mailbox = ? and uid = ?", ((box, uid) for uid in gone))
            self._db.execute("update message set copy = 1 where mailbox = ? and copy <> 1", (box,))
            sql = "select name from message where mailbox = ? group by name having count(*) > 1"
            for (name,) in self._db.execute(sql, (box,)).fetchall():
                sql = "select uid from message where mailbox = ? and name = ? order by uid"
                uids = self._db.execute(sql, (box, name)).fetchall()
                copies = ((copy, box, uid) for copy, (uid,) in enumerate(uids, 1))
                self._db.executemany("update message set copy = ? where mailbox = ? and uid = ?", copies)
            values = (state.validity, state.next, state.messages, state.modseq, box)
            self._db.execute("update mailbox set validity = ?, next = ?, messages = ?, modseq = ? where id = ?", values)

    def keep_only(self, paths: Iterable[bytes]) -> None:
        """Forget the mailboxes that are not listed any more."""
        with self._lock, self._db:
            known = {path for (path,) in self._db.execute("select path from mailbox")}
            for path in known - set(paths):
                self._remove(path)

    def messages(self, path: bytes) -> Iterator[tuple[Message, int]]:
        """Each message of a mailbox, and which of its name it is there."""
        last = -1
        while True:
            with self._lock:
                sql = (
                    "select uid, size, received, name, flags, labels, copy from message "
                    "where mailbox = (select id from mailbox where path = ?) and uid > ? order by uid limit ?"
                )
                rows = self._db.execute(sql, (path, last, SLICE)).fetchall()
            if not rows:
                return
            for uid, size, received, name, flags, labels, copy in rows:
                yield Message(uid, size, received, name, flags, labels), copy
            last = rows[-1][0]

    def find(self, path: bytes, name: bytes, copy: int) -> StoredMessage | None:
        """A message. path: of its mailbox."""
        found = self.find_all(path, name)
        return found[copy - 1] if copy <= len(found) else None

    def find_all(self, path: bytes, name: bytes) -> list[StoredMessage]:
        """All messages of a name in a mailbox, in the order of their numbers, as they are counted."""
        with self._lock:
            return [StoredMessage(*row) for row in self._db.execute(_FIND, (path, name))]

    def _id(self, path: bytes) -> int:
        found: int = self._db.execute("select id from mailbox where path = ?", (path,)).fetchone()[0]
        return found

    def _remove(self, path: bytes) -> None:
        self._db.execute("delete from message where mailbox = (select id from mailbox where path = ?)", (path,))
        self._db.execute("delete from mailbox where path = ?", (path,))


def _opened(file: Path | None, server: str) -> sqlite3.Connection:
    """The database; a temporary one where that of the state folder cannot be had: another run may be using it."""
    if file is not None:
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for attempt in range(2):
            try:
                return _prepared(str(file), server)
            except sqlite3.OperationalError:
                break  # locked, no room, no right
            except sqlite3.DatabaseError:
                if attempt:
                    break
                for ending in ("", "-wal", "-shm"):
                    with suppress(OSError):
                        file.with_name(file.name + ending).unlink(missing_ok=True)
    return _prepared("", server)


def _prepared(name: str, server: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, timeout=5, check_same_thread=False)
    try:
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        version = db.execute("pragma user_version").fetchone()[0]
        known = db.execute("select server from about").fetchone() if version == VERSION else None
        if known != (server,):
            for table in ("about", "mailbox", "message"):
                db.execute(f"drop table if exists {table}")
            db.executescript(_TABLES)
            db.execute("insert into about values (?, ?)", (VERSION, server))
            db.execute(f"pragma user_version = {VERSION}")
            db.commit()
        db.execute("select 1 from mailbox, message limit 1").fetchone()
        return db
    except BaseException:
        db.close()
        raise
