"""Which record became which: a SQLite file below the state folder, written before and after each request that creates one,
so that a run which was killed knows what it had begun; and a file for people, CSV or JSON Lines, which another machine can be
given.

No content of a record is in either, and no secret.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Self

import msgspec

from vault.errors import Busy, TargetError, UsageError

State = Literal["asked", "begun", "finished"]
"""It was sent, and no answer noted · it is there, not all of it · all of it is there, as far as it can be."""

COLUMNS = ("resource", "old", "new", "lost")
LARGEST_FILE = 256 << 20

_SCHEMA = """
create table if not exists records (
    resource text not null, old text not null, new text not null, state text not null, lost text not null,
    primary key (resource, old)
) without rowid;
create table if not exists children (
    resource text not null, old text not null, section text not null, child text not null, new text not null,
    primary key (resource, old, section, child)
) without rowid;
"""


class MappedRecord(NamedTuple):
    """new: empty where it is not known · lost: what could not be set, as sentences."""

    resource: str
    old: str
    new: str
    state: State
    lost: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and for a line of a file."""
        return {"resource": self.resource, "old": self.old, "new": self.new, "lost": list(self.lost)}


class IdMap:
    """See this module's text. Used by one thread, and locked against other runs."""

    def __init__(self, database: sqlite3.Connection, lock: IO[bytes] | None) -> None:
        self._database = database
        self._lock = lock
        self._given: dict[tuple[str, str], str] = {}

    @classmethod
    def open(cls, file: Path | None) -> Self:
        """The map of a file, which is made; None: one in memory. Raises `Busy` where another run has it, `TargetError` where it
        cannot be kept."""
        if file is None:
            return cls(_schema(sqlite3.connect(":memory:", isolation_level=None)), None)
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _locked(file.with_name(f"{file.name}.lock"))
            handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            os.close(handle)
        except OSError as error:
            hint = "free some room, or correct the permissions of that folder"
            raise TargetError(f"the map of ids cannot be kept in {file.parent}: {error.strerror}", hint=hint) from error
        try:
            database = sqlite3.connect(file, isolation_level=None)
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = full")
            return cls(_schema(database), lock)
        except sqlite3.Error as error:
            lock.close()
            hint = "move that file away: what was created is found by its marker, where the interface can be searched"
            raise TargetError(f"the map of ids {file} cannot be read: {error}", hint=hint) from error

    def close(self) -> None:
        """Nothing is lost: everything was written at once."""
        self._database.close()
        if self._lock is not None:
            self._lock.close()

    def give(self, entries: Iterable[MappedRecord]) -> None:
        """Take over what a person knows; it counts before what this machine knows."""
        for one in entries:
            self._given[one.resource, one.old] = one.new

    def given(self, resource: str, old: str) -> str | None:
        """What a person said of a record; "" for: it is not there."""
        return self._given.get((resource, old))

    def for_people(self) -> Iterator[MappedRecord]:
        """What a person said, as far as it is not known better, and all records that are there."""
        known = {(one.resource, one.old) for one in self.records()}
        for (resource, old), new in self._given.items():
            if (resource, old) not in known:
                yield MappedRecord(resource, old, new, "finished")
        yield from self.records()

    def record(self, resource: str, old: str) -> MappedRecord | None:
        """What is known of a record on this machine."""
        row = self._database.execute(
            "select resource, old, new, state, lost from records where resource = ? and old = ?", (resource, old)
        ).fetchone()
        return None if row is None else _record(row)

    def new(self, resource: str, old: str) -> str | None:
        """The new id of a record that is there."""
        given = self._given.get((resource, old))
        if given:
            return given
        known = self.record(resource, old)
        return known.new if known is not None and known.new else None

    def put(self, record: MappedRecord) -> None:
        """Note it; it stays, also after a kill."""
        values = (record.resource, record.old, record.new, record.state, msgspec.json.encode(record.lost).decode())
        self._write("insert or replace into records values (?, ?, ?, ?, ?)", values)

    def forget(self, resource: str, old: str) -> None:
        """It is not there (any more)."""
        self._write("delete from records where resource = ? and old = ?", (resource, old))
        self._write("delete from children where resource = ? and old = ?", (resource, old))

    def children(self, resource: str, old: str, section: str) -> dict[str, str]:
        """New keys of what belongs to a record, by old ones; "" where the interface does not say them."""
        rows = self._database.execute(
            "select child, new from children where resource = ? and old = ? and section = ?", (resource, old, section)
        )
        return dict(rows.fetchall())

    def put_child(self, resource: str, old: str, section: str, child: str, new: str) -> None:
        """Note one that was created."""
        self._write("insert or replace into children values (?, ?, ?, ?, ?)", (resource, old, section, child, new))

    def records(self) -> Iterator[MappedRecord]:
        """All that have a new id, by resource and old id."""
        rows = self._database.execute(
            "select resource, old, new, state, lost from records where new <> '' order by resource, length(old), old"
        )
        yield from map(_record, rows.fetchall())

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise TargetError(
                f"the map of ids cannot be kept: {error}", hint="free some room in the state folder, and run it again"
            ) from error


def read_file(file: Path) -> list[MappedRecord]:
    """What a file of ids has; nothing where there is none. Raises `UsageError` where it is something else."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise UsageError(f"{file} is too large for a map of ids", hint="name the right file with --id-map")
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the map of ids {file} cannot be read", hint="name a CSV or JSON Lines file with --id-map") from error
    try:
        return list(_lines(text) if _is_lines(file) else _rows(text))
    except (ValueError, KeyError, msgspec.MsgspecError, csv.Error) as error:
        hint = "a CSV file has the columns resource, old, new; a line of JSON Lines is an object with these names"
        raise UsageError(f"{file} is no map of ids", hint=hint) from error


def write_file(file: Path, records: Iterable[MappedRecord]) -> None:
    """CSV, or JSON Lines where its name ends so; whole, or not at all. Raises `TargetError`."""
    out = io.StringIO(newline="")
    if _is_lines(file):
        for one in records:
            out.write(msgspec.json.encode(one.as_json()).decode() + "\n")
    else:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((one.resource, one.old, one.new, "; ".join(one.lost)) for one in records)
    half = file.with_name(f".{file.name}.part")
    try:
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as opened:
            opened.write(out.getvalue().encode("utf-8", "replace"))
            opened.flush()
            os.fsync(opened.fileno())
        half.replace(file)
    except OSError as error:
        raise TargetError(
            f"the map of ids {file} cannot be written: {error.strerror}", hint="name another file with --id-map"
        ) from error


def _is_lines(file: Path) -> bool:
    return file.suffix.lower() in (".jsonl", ".ndjson", ".json")


def _lines(text: str) -> Iterator[MappedRecord]:
    for line in text.splitlines():
        if line.strip():
            found = msgspec.json.decode(line, type=dict[str, Any])
            yield MappedRecord(str(found["resource"]), str(found["old"]), str(found["new"]), "finished")


def _rows(text: str) -> Iterator[MappedRecord]:
    for row in csv.DictReader(io.StringIO(text, newline="")):
        yield MappedRecord(row["resource"], row["old"], row["new"] or "", "finished")


def _record(row: tuple[str, str, str, State, str]) -> MappedRecord:
    return MappedRecord(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4], type=tuple[str, ...]))


def _schema(database: sqlite3.Connection) -> sqlite3.Connection:
    for statement in _SCHEMA.split(";"):
        database.execute(statement)
    return database


def _locked(file: Path) -> IO[bytes]:
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    lock = os.fdopen(handle, "rb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise Busy("another restore to this interface is under way on this machine", hint="try again later") from None
    return lock
