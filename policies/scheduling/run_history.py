"""The history: every run of every job, in a file of this machine (`books.sqlite`): the newest thousand of each job, and its
last success.

They are what due times follow from, and what `status` shows. The daemon opens them to write; anybody may read meanwhile. When
they are opened to write, no other writer lives: a run without an end is one that nobody will end, and is written down as
aborted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import astuple, replace

from policies.scheduling import process_identity, run_history_file
from policies.scheduling.run import Run
from policies.scheduling.run_history_file import history_errors
from vault.clock import Clock
from vault.errors import StrongroomError

MOST_RUNS = 1000
"""Of each job: six weeks of hourly runs. 200 jobs are then about 40 MB."""
RECENT = 16

ABORTED = "its process ended without a word"

_NAMES = Run.__struct_fields__
_MOMENTS = frozenset({"since", "planned", "started", "ended"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SELECT = """
SELECT id, project, job, since, planned, attempt, started, ended, ending, problems, message, host, process, set_aside FROM runs
"""
_WRITE = """
INSERT INTO runs
    (id, project, job, since, planned, attempt, started, ended, ending, problems, message, host, process, set_aside)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    ended = excluded.ended, ending = excluded.ending, problems = excluded.problems, message = excluded.message
"""
_OF_NEWEST_SUCCESS = """
WHERE project = ? AND job = ? AND ending IN ('done', 'problems') ORDER BY number DESC LIMIT 1
"""
_SINCE_SUCCESS = """
WHERE project = ?1 AND job = ?2 AND NOT set_aside AND number > coalesce(
    (SELECT number FROM runs WHERE project = ?1 AND job = ?2 AND ending = 'done' ORDER BY number DESC LIMIT 1), 0)
ORDER BY number DESC
"""
_THIN = """
DELETE FROM runs WHERE project = ?1 AND job = ?2 AND ending IS NOT NULL
    AND number <= (SELECT number FROM runs WHERE project = ?1 AND job = ?2 ORDER BY number DESC LIMIT 1 OFFSET ?3)
    AND number IS NOT (SELECT max(number) FROM runs WHERE project = ?1 AND job = ?2 AND ending IN ('done', 'problems'))
"""
_Result = TypeVar("_Result")


class RunHistoryReader(Struct):
    """The run history as somebody else's daemon writes it. host: this machine."""

    file: Path
    host: str
    _connection: sqlite3.Connection

    @classmethod
    def open(cls, file: Path, host: str) -> RunHistoryReader:
        """Empty where there are none yet. Raises `Damaged`, `UnsupportedFormat`, `StrongroomError`."""
        with history_errors(file):
            return cls(file, host, run_history_file.open_to_read(file))

    def jobs(self) -> list[tuple[str, str]]:
        """Projects and names of all jobs that ever ran."""
        return self._ask(lambda base: [(row[0], row[1]) for row in _rows(base, "SELECT DISTINCT project, job FROM runs")])

    def recent(self, project: str, job: str, most: int = RECENT) -> list[Run]:
        """Its newest runs, the newest first."""
        return self._ask(lambda base: [self._as_seen(run) for run in _recent(base, project, job, most)])

    def since_success(self, project: str, job: str) -> list[Run]:
        """Its runs since the last one without any trouble, the newest first."""
        return self._ask(lambda base: [self._as_seen(run) for run in _select(base, _SINCE_SUCCESS, project, job)])

    def last_success(self, project: str, job: str) -> Run | None:
        """Its newest run that did its work, however long ago."""
        found = self._ask(lambda base: _select(base, _OF_NEWEST_SUCCESS, project, job))
        return found[0] if found else None

    def close(self) -> None:
        self._connection.close()

    def _as_seen(self, run: Run) -> Run:
        if run.ending is None and run.host == self.host and not process_identity.is_alive(run.process):
            return replace(run, ending="aborted", message=ABORTED)
        return run

    def _ask(self, question: Callable[[sqlite3.Connection], _Result]) -> _Result:
        with history_errors(self.file):
            return question(self._connection)


def empty_history(file: Path, host: str) -> RunHistoryReader:
    """Where the run history cannot be read: as if there were none."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(run_history_file.TABLE)
    return RunHistoryReader(file, host, connection)


def rename_project(file: Path, old: str, new: str) -> int:
    """The runs of a project, from now on by its new name; gives how many. A daemon may have the file open meanwhile. Raises
    `Damaged`, `UnsupportedFormat`, `StrongroomError`."""
    with history_errors(file):
        if run_history_file.identity(file) is None:
            return 0
        with closing(run_history_file.open_to_write(file)) as base:
            return base.execute("UPDATE runs SET project = ? WHERE project = ?", (new, old)).rowcount


class RunHistory(Struct):
    """The run history, to write. report: hears that it was damaged, deleted or replaced. Of one thread.

    begun: how often the file was opened; after a further time it may hold less than was written, or other things.
    """

    file: Path
    clock: Clock
    report: Callable[[str], None]
    _lock: int
    _connection: sqlite3.Connection | None = None
    _opened: tuple[int, int] | None = None
    _journal: tuple[int, int] | None = None
    begun: int = 0
    _owes_ends: bool = False
    """Runs without an end are still in them, all of an earlier process: nothing was written since."""

    @classmethod
    def open(cls, file: Path, clock: Clock, report: Callable[[str], None]) -> RunHistory:
        """Made where there are none; damaged ones are set aside. Where the disk is full or fails, that is reported, and they
        are tried again with each change. Raises `Busy`, `UnsupportedFormat`, `StrongroomError`."""
        with history_errors(file):
            history = cls(file, clock, report, run_history_file.lock(file, clock))
        try:
            history.abort_unended()
        except StrongroomError as error:
            if not run_history_file.lacks_room(error):
                history.close()
                raise
            history._owes_ends = True
            report(f"{error}; runs go on and are written down later")
        except BaseException:
            history.close()
            raise
        return history

    def write(self, *runs: Run) -> None:
        """Write runs down when they start, and again when they have ended; of a job that has more than a thousand the oldest
        go then. All are written or none."""
        self._write_down(lambda base: _write(base, runs))

    def write_anew(self, runs: Sequence[Run]) -> None:
        """The same, as if none of them had been written before: they are the newest then, in their order."""
        self._write_down(lambda base: _write(base, runs, anew=True))

    def recent(self, project: str, job: str, most: int = RECENT) -> list[Run]:
        """Its newest runs that were not set aside, the newest first."""
        return self._seen(self._do(lambda base: _recent(base, project, job, most, "AND NOT set_aside")))

    def since_success(self, project: str, job: str) -> list[Run]:
        """Its runs since the last one without any trouble, the newest first."""
        return self._seen(self._do(lambda base: _select(base, _SINCE_SUCCESS, project, job)))

    def last_success(self, project: str, job: str) -> Run | None:
        """Its newest run that did its work, however long ago."""
        found = self._do(lambda base: _select(base, _OF_NEWEST_SUCCESS, project, job))
        return found[0] if found else None

    def set_aside(self, project: str, job: str, *, later_than: datetime) -> None:
        """The ended runs for later due times are from a clock that was ahead: they stay, and count for nothing."""
        statement = "UPDATE runs SET set_aside = 1 WHERE project = ? AND job = ? AND planned > ? AND ending IS NOT NULL"
        self._do(lambda base: _change(base, statement, project, job, _micros(later_than)))

    def abort_unended(self) -> None:
        """Whatever has no end gets one now."""
        statement = "UPDATE runs SET ending = 'aborted', ended = ?, message = ? WHERE ending IS NULL"
        self._do(lambda base: _change(base, statement, _micros(self.clock.now()), ABORTED))

    @property
    def lock(self) -> int:
        """The handle of the lock's file."""
        return self._lock

    def close(self) -> None:
        """And let others write."""
        self._disconnect()
        os.close(self._lock)

    def _write_down(self, work: Callable[[sqlite3.Connection], None]) -> None:
        if self._owes_ends:
            self.abort_unended()
            self._owes_ends = False
        self._do(work)

    def _seen(self, runs: list[Run]) -> list[Run]:
        """As they will be once the ends that are owed can be written."""
        if not self._owes_ends:
            return runs
        now = self.clock.now()
        return [replace(run, ending="aborted", ended=now, message=ABORTED) if run.ending is None else run for run in runs]

    def _do(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        with history_errors(self.file):
            try:
                return work(self._connected())
            except sqlite3.DatabaseError as error:
                if not run_history_file.is_damage(error):
                    raise
                self._disconnect()
                aside = run_history_file.set_aside(self.file, self.clock.now())
                self.report(
                    f"the run history {self.file} is damaged ({error}): it is set aside as {aside.name}, a new one begins"
                )
                return work(self._connected())

    def _connected(self) -> sqlite3.Connection:
        there = run_history_file.identity(self.file)
        if self._connection is not None and there != self._opened:
            self._disconnect()
            run_history_file.drop_journal(self.file, self._journal)
            what = "deleted" if there is None else "replaced"
            self.report(f"the run history {self.file} was {what}: it is begun anew with what is still in memory")
        if self._connection is None:
            self._connection = run_history_file.open_to_write(self.file)
            self._opened = run_history_file.identity(self.file)
            self.begun += 1
        self._journal = run_history_file.journal_identity(self.file)
        if not run_history_file.is_lock_of(self.file, self._lock):
            former, self._lock = self._lock, run_history_file.lock(self.file, self.clock)
            os.close(former)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _write(base: sqlite3.Connection, runs: Sequence[Run], *, anew: bool = False) -> None:
    _change(base, "BEGIN IMMEDIATE")
    try:
        for run in runs if anew else ():
            _change(base, "DELETE FROM runs WHERE id = ?", run.id)
        for run in runs:
            _change(base, _WRITE, *(_micros(value) if isinstance(value, datetime) else value for value in astuple(run)))
            if run.ending is not None:
                _change(base, _THIN, run.project, run.job, MOST_RUNS)
        _change(base, "COMMIT")
    except sqlite3.Error:
        if base.in_transaction:  # a full disk has ended it already
            _change(base, "ROLLBACK")
        raise


def _recent(base: sqlite3.Connection, project: str, job: str, most: int, which: str = "") -> list[Run]:
    return _select(base, f"WHERE project = ? AND job = ? {which} ORDER BY number DESC LIMIT ?", project, job, most)


def _select(base: sqlite3.Connection, which: str, *values: object) -> list[Run]:
    return [_run(row) for row in _rows(base, f"{_SELECT} {which}", *values)]


def _rows(base: sqlite3.Connection, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(base.execute(statement, values)) as found:
        return found.fetchall()


def _change(base: sqlite3.Connection, statement: str, *values: object) -> None:
    base.execute(statement, values).close()


def _run(row: tuple[Any, ...]) -> Run:
    found = dict(zip(_NAMES, row, strict=True))
    try:
        for name in _MOMENTS:
            if found[name] is not None:
                found[name] = _EPOCH + timedelta(microseconds=found[name])
        return Run(**found | {"set_aside": bool(found["set_aside"])})
    except (TypeError, OverflowError) as error:
        raise run_history_file.damaged(f"a row that is no run: {error}") from error


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
