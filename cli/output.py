"""What a person or a program sees: results on stdout, notices and errors on stderr, nothing anywhere else."""

from __future__ import annotations

import errno
import io
import json
import os
import select
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typer

from vault.errors import StrongroomError, TargetError, TransientStorageError
from vault.problems import Problem, printable

PROBLEMS_SHOWN = 20

READER_PATIENCE = 1.0
"""Seconds that a program which logs waits for its reader."""

RETRIES_SHOWN_AFTER = 3.0
RETRIES_SHOWN_EVERY = 60.0
"""Seconds."""


@contextmanager
def standard_output() -> Iterator[None]:
    """For writing results: what cannot be written is told as an error like another. Raises `TargetError`.

    A reader that has seen enough (`| head`) is not an error: its BrokenPipeError passes, and ends the command without a word.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_results()
        raise TargetError(
            f"cannot write to standard output: {error.strerror}", hint="free some room, or send the output elsewhere"
        ) from error


def discard_results() -> None:
    """Results go nowhere from now on: what is still buffered would be stumbled over once more at the process's end."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def ensure_streams() -> None:
    """Have standard streams that the parent has closed lead nowhere. Else the next files that are opened would get their
    numbers, and what is meant for a person would be written into them."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 (the lowest free number is this one)
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115


class Screen:
    """Standard error for drawing on: a terminal that is gone is drawn on in vain, and stops nobody."""

    def __init__(self) -> None:
        self._stream = sys.stderr  # who draws may put something else in its place
        self.encoding = self._stream.encoding

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def result(text: str) -> None:
    """A line of the result."""
    with standard_output():
        typer.echo(text)


def document(value: dict[str, Any]) -> None:
    """The one JSON document of a command with `--json`."""
    with standard_output():
        typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


class Lines:
    """Lines on standard output for a program that goes on when one cannot be written: nothing is kept in buffers that would be
    in the way later, and a line of which a part was written is finished before the next one. A reader that has stopped (a pipe
    that is full, a terminal that is held by Ctrl-S) is waited for a moment, once, and then no more until it reads again."""

    def __init__(self) -> None:
        self._rest = b""
        self._patience = READER_PATIENCE

    def write(self, text: str) -> None:
        """Raises `OSError`: it was not written, or only a part of it."""
        if sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        try:
            handle = sys.stdout.fileno()
        except io.UnsupportedOperation:  # it stays within this process
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            return
        self._rest = self._sent(handle, self._rest)
        if self._rest:
            raise OSError(errno.EAGAIN, "the line before is not written yet")
        line = f"{text}\n".encode("utf-8", "backslashreplace")
        left = self._sent(handle, line)
        if len(left) == len(line):
            raise OSError(errno.ENOSPC, "nothing of it could be written")
        self._rest = left

    def _sent(self, handle: int, data: bytes) -> bytes:
        """What of it could not be written."""
        writable = select.poll()
        writable.register(handle, select.POLLOUT)
        while data:
            if not writable.poll(self._patience * 1000):
                self._patience = 0.0
                break
            try:
                data = data[os.write(handle, data[: select.PIPE_BUF]) :]  # as much as a pipe that is ready takes at once
            except OSError:
                break
            self._patience = READER_PATIENCE
        return data


def notice(text: str) -> None:
    """A line that is not the result. That nobody can read it stops nothing."""
    with suppress(OSError, ValueError):
        typer.echo(text, err=True)


def failure(error: StrongroomError) -> None:
    """An error and its hint, as text."""
    notice(f"strongroom: error: {error}")
    if error.hint:
        notice(f"hint: {error.hint}")


class RetryNotices:
    """Says that the store does not answer and is asked again: after some seconds, then at most once a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = RETRIES_SHOWN_AFTER

    def waiting(self, error: TransientStorageError, *, elapsed: float, pause: float, left: float) -> None:
        """See `RetryListener`. From any thread."""
        with self._lock:
            if elapsed < self._next:
                return
            self._next = elapsed + RETRIES_SHOWN_EVERY
        notice(f"the store has not answered for {duration(elapsed)}: {error}; trying again for up to {duration(left)}")

    def answered(self, elapsed: float) -> None:
        """See `RetryListener`."""
        with self._lock:
            shown, self._next = self._next > RETRIES_SHOWN_AFTER, RETRIES_SHOWN_AFTER
        if shown:
            notice(f"the store answers again after {duration(elapsed)}")


def problems(found: Sequence[Problem]) -> None:
    """The first problems, one a line, and how many more there are."""
    for problem in found[:PROBLEMS_SHOWN]:
        notice(f"problem: {printable(problem.path)}: {problem.message}")
    if len(found) > PROBLEMS_SHOWN:
        notice(f"problem: … and {len(found) - PROBLEMS_SHOWN} more (all of them with --json)")


def named(paths: Sequence[bytes], *, most: int = 3) -> str:
    """The first of some paths, in one line."""
    more = len(paths) - most
    return ", ".join(map(printable, paths[:most])) + (f" and {more} more" if more > 0 else "")


def table(rows: Iterable[Sequence[str]], heads: Sequence[str], *, right: Sequence[int] = ()) -> None:
    """Aligned columns. right: numbers of the columns that hold numbers."""
    everything = [list(heads), *map(list, rows)]
    widths = [max(len(row[column]) for row in everything) for column in range(len(heads))]
    for row in everything:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        result("  ".join(cells).rstrip())


def size(count: float) -> str:
    """Bytes for people: 1.4 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise ValueError("no unit is left")


def duration(seconds: float) -> str:
    """Seconds for people: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(when: datetime, zone: ZoneInfo | None = None) -> str:
    """A moment to the second, with the name of its time zone: this machine's own one, where none is given."""
    return f"{when.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def consistency(mark: str | None) -> str:
    """What a manifest says of a content that is not that of a file at rest, as the end of a line."""
    if mark is None:
        return ""
    return "  (what it had at first: it grew)" if mark == "prefix" else "  (inconsistent: it changed while it was read)"


def flush() -> None:
    """Before the process ends without its usual farewell."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
