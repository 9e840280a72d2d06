"""The file under the run history: made so that its owner alone can read it, of a known version, and sound.

One process at a time may write; it holds a lock beside the file, which the system takes away with the process. A file that
SQLite calls damaged is set aside under another name, and a new run history is begun: what is due follows from the records, so
jobs whose records are lost are due at once. A file of a newer version is refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from vault.clock import Clock
from vault.errors import Busy, Damaged, StrongroomError, UnsupportedFormat

VERSION = 1
MOST_SET_ASIDE = 3
BUSY_SECONDS = 5.0
LOCK_TRIES, LOCK_PAUSE = 5, 0.05

TABLE = """
CREATE TABLE runs (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    id        TEXT    NOT NULL UNIQUE,
    project   TEXT    NOT NULL,
    job       TEXT    NOT NULL,
    since     INTEGER NOT NULL,
    planned   INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER,
    ending    TEXT,
    problems  INTEGER NOT NULL,
    message   TEXT    NOT NULL,
    host      TEXT    NOT NULL,
    process   TEXT    NOT NULL,
    set_aside INTEGER NOT NULL
)
"""
_BY_JOB = "CREATE INDEX runs_of_a_job ON runs (project, job, number)"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file's content is to blame, and not the disk, the rights or another process."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def lacks_room(error: StrongroomError) -> bool:
    """Whether a file cannot be used since the disk is full or fails: that may pass by itself, unlike wrong rights or a folder
    in its place."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@contextmanager
def history_errors(file: Path) -> Iterator[None]:
    """Errors of SQLite and of the file system become ours."""
    try:
        yield
    except sqlite3.Error as error:
        if is_damage(error):
            hint = "the daemon sets them aside and begins new ones when it starts"
            raise Damaged(f"the run history {file} is damaged: {error}", hint=hint) from error
        raise _unusable(file, error) from error
    except OSError as error:
        raise _unusable(file, error) from error


def open_to_write(file: Path) -> sqlite3.Connection:
    """The file, made where there is none. Raises sqlite3.DatabaseError where it is damaged, and `UnsupportedFormat`."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_file(file)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite gives its other files the same rights
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _check_version(file, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last rows, never the file; the runs of lost rows are due again.
        connection.execute("PRAGMA synchronous = NORMAL")
        _check_sound(connection)
        if not _has_table(connection):
            for statement in ("BEGIN", TABLE, _BY_JOB, f"PRAGMA user_version = {VERSION}", "COMMIT"):
                connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(file: Path) -> sqlite3.Connection:
    """The file as it is, while somebody else may be writing; an empty run history where there is none yet. Raises as above."""
    if identity(file) is not None:
        connection = connected_to_read(file)
        try:
            _check_version(file, connection)
            if _has_table(connection):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
    empty = sqlite3.connect(":memory:", isolation_level=None)
    empty.execute(TABLE)
    return empty


def connected_to_read(file: Path) -> sqlite3.Connection:
    """To a file that is there, and changes nothing beside it. In a folder that this process may not write to, SQLite cannot
    join whoever writes: then what it has put into the file itself is seen. Raises sqlite3.Error."""
    require_file(file)
    found: sqlite3.Connection | None = None
    for how in ("mode=ro", "mode=ro&immutable=1"):
        found = sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            found.execute("SELECT count(*) FROM sqlite_schema").close()
        except sqlite3.OperationalError as error:
            found.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if "immutable" in how or code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
        except BaseException:
            found.close()
            raise
        else:
            return found
    raise sqlite3.OperationalError(f"unable to open {file}")


def require_file(file: Path) -> None:
    """Opening a pipe waits for whoever is at its other end. Raises `OSError` where something else than a file is there."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "something that is no file is in its place", str(file))


def identity(file: Path) -> tuple[int, int] | None:
    """Which file stands under this name; None where none does. Raises `OSError`."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def journal_identity(file: Path) -> tuple[int, int] | None:
    """Which write-ahead log stands beside a file. Raises `OSError`."""
    return identity(file.with_name(f"{file.name}-wal"))


def drop_journal(file: Path, of: tuple[int, int] | None) -> None:
    """Where a file was replaced by another, the write-ahead log of the former one would be read into the next: take it away, if
    it is still that one. Raises `OSError`."""
    if of is not None and file.is_file() and journal_identity(file) == of:
        for suffix in ("-wal", "-shm"):
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)


def is_locked(file: Path) -> bool:
    """Whether a process has the writer's lock. Raises `OSError` where that cannot be seen."""
    try:
        handle = os.open(lock_file(file), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def is_lock_of(file: Path, handle: int) -> bool:
    """Whether a lock that was taken is still the one that others look for. Raises `OSError`."""
    held = os.fstat(handle)
    return identity(lock_file(file)) == (held.st_dev, held.st_ino)


def damaged(what: str) -> sqlite3.DatabaseError:
    """As SQLite would say it."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def lock(file: Path, clock: Clock) -> int:
    """Take the writer's lock; closing what is returned gives it back. Raises `Busy`."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_file(lock_file(file))
    handle = os.open(lock_file(file), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, file, clock)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _take(handle: int, file: Path, clock: Clock) -> None:
    for last in (*[False] * LOCK_TRIES, True):
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if last:
                raise Busy(
                    f"another process keeps the run history {file}",
                    hint="one daemon a machine is enough: it serves all projects",
                ) from error
        clock.sleep(LOCK_PAUSE)  # `status` looks for a moment whether somebody has it
    return None


def lock_file(file: Path) -> Path:
    """The file of the writer's lock, beside the run history."""
    return file.with_name(f"{file.name}.lock")


def set_aside(file: Path, now: datetime) -> Path:
    """Give a damaged file another name; the newest few of those are kept. Returns the name."""
    aside = file.with_name(f"{file.name}.damaged-{now:%Y%m%dT%H%M%S}Z")
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            file.with_name(f"{file.name}{suffix}").replace(aside.with_name(f"{aside.name}{suffix}"))
    file.replace(aside)
    for old in sorted(file.parent.glob(f"{file.name}.damaged-*Z"))[:-MOST_SET_ASIDE]:
        for suffix in ("", "-wal", "-shm"):
            old.with_name(f"{old.name}{suffix}").unlink(missing_ok=True)
    return aside


def _check_version(file: Path, connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise UnsupportedFormat(
            f"the run history {file} was written by a newer version (format {version}; this one knows {VERSION})"
        )


def _has_table(connection: sqlite3.Connection) -> bool:
    with closing(connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'runs'")) as rows:
        return rows.fetchone() is not None


def _check_sound(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(found)


def _unusable(file: Path, error: Exception) -> StrongroomError:
    hint = "see whether the disk is full, and whether the file belongs to the user that runs Strongroom"
    return StrongroomError(f"the run history {file} cannot be used: {error}", hint=hint)
