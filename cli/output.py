"""What a person or a program sees: results on stdout, notices and errors on stderr, nothing anywhere else."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import select
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from cli import colour, terminal_layout
from strongroom import notices, schemas
from vault import wording
from vault.errors import StrongroomError, TargetError
from vault.problems import Problem

DONE_WITH_PROBLEMS = 3
"""The exit code of a command that did its work, but for some items."""

COMMAND_LOG = f"{notices.NAME}.command"
"""The logger of what commands say themselves: for the log file, as it is on the screen already."""

_said = logging.getLogger(COMMAND_LOG)

READER_PATIENCE = 1.0
"""Seconds that a program which logs waits for its reader."""


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


def result(text: str, tail: str = "", *, paint: tuple[str, colour.Style] | None = None) -> None:
    """A line of the result; several on a terminal that is too narrow for it. tail: its end, which begins a line of its own
    there · paint: a word of it, and its colour."""
    coloured = colour.wanted(sys.stdout)
    width = terminal_layout.width_of(sys.stdout)
    lines = [f"{text}{tail}"] if width is None or len(text) + len(tail) <= width else [text.rstrip(), f"  {tail}".rstrip()]
    with standard_output():
        for line in lines if tail else [text]:
            shown = terminal_layout.wrapped(line, width)
            if coloured:
                shown = colour.word(shown, *paint) if paint is not None else colour.opening(shown)
            typer.echo(shown, color=coloured)


def document(schema: str, value: Mapping[str, Any], *, line: bool = False) -> None:
    """The one JSON document of a command with `--json`. schema: its name and version, as `restore/1`; `strongroom.schemas` has
    a JSON Schema of that name · line: in one line, where further ones may follow."""
    with standard_output():
        whole = {"schema": schemas.identifier(schema), **value}
        typer.echo(json.dumps(whole, ensure_ascii=False, indent=None if line else 2))


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


def notice(text: str, *, level: int = logging.INFO) -> None:
    """A line that is not the result, for the log file too. level: as in `logging`."""
    _said.log(level, "%s", text)
    show(text)


def more(count: int, what: str, many: str | None = None) -> None:
    """Say that not all is shown. many: where it is not `what` with an s."""
    if count > 0:
        said = wording.counted(count, f"{what} more", f"{many or what + 's'} more")
        notice(f"… and {said}: narrow it down, or raise --limit")


def show(text: str) -> None:
    """A line on stderr. That nobody can read it stops nothing."""
    with suppress(OSError, ValueError):
        shown = terminal_layout.wrapped(text, terminal_layout.width_of(sys.stderr))
        coloured = colour.wanted(sys.stderr)
        # straight to the stream, as whoever draws a line there puts something before it that keeps both apart
        sys.stderr.write(f"{colour.opening(shown) if coloured else shown}\n")
        sys.stderr.flush()


def failure(error: StrongroomError) -> None:
    """An error and its hint, as text."""
    notice(f"strongroom: error: {error}", level=logging.ERROR)
    if error.hint:
        notice(f"hint: {error.hint}", level=logging.ERROR)


def problems(found: Sequence[Problem]) -> None:
    """The first problems, one a line, and how many more there are."""
    for line in wording.problem_lines(found):
        notice(line)


def finish(found: Sequence[Problem], *, refused: Sequence[Problem] = ()) -> None:
    """The end of a command that did its work: its problems, and exit 3 where there are some. refused: problems that were shown
    already."""
    problems(found)
    if found or refused:
        raise typer.Exit(DONE_WITH_PROBLEMS)


class NoticeHandler(logging.Handler):
    """Shows what the library says through its logger as notices."""

    def emit(self, record: logging.LogRecord) -> None:
        show(f"warning: {record.getMessage()}" if record.levelno == logging.WARNING else record.getMessage())


def table(
    rows: Iterable[Sequence[str]], heads: Sequence[str], *, right: Sequence[int] = (), spare: Sequence[int] = ()
) -> list[str]:
    """Aligned columns; on a terminal that is too narrow without some of them, else row by row. right: numbers of columns that
    hold numbers · spare: of those that may be left out, the least important one first. A column STATE has colours. Gives the
    heads that were left out."""
    coloured = colour.wanted(sys.stdout)
    cells, width = [list(row) for row in rows], terminal_layout.width_of(sys.stdout)
    kept = terminal_layout.fitting(cells, heads, spare, width)
    if kept is None and width is not None:
        lines, kept = terminal_layout.records(cells, heads, width), list(range(len(heads)))
    else:
        kept = list(range(len(heads))) if kept is None else kept
        paint = (lambda row, column, cell: _painted(row, heads[column], cell)) if coloured else None
        lines = terminal_layout.aligned(cells, heads, right, kept, paint)
    with standard_output():
        for line in lines:
            typer.echo(line, color=coloured)
    return [head.strip() for number, head in enumerate(heads) if number not in kept]


def _painted(row: int, head: str, cell: str) -> str:
    """A cell of a table in its colour. row: 0 is that of the heads."""
    style = colour.Style.HEADING if row == 0 else colour.state(cell) if head.strip() == "STATE" else None
    return cell if style is None else colour.painted(cell, style)


def tell_left_out(heads: Iterable[str]) -> None:
    """Say which columns `table` has left out, once each."""
    left_out = list(dict.fromkeys(heads))
    if left_out:
        notice(f"left out on this narrow terminal: {', '.join(left_out)}; --json has everything")


def flush() -> None:
    """Before the process ends without its usual farewell."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
