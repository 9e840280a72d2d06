"""The output of a command as one item: a dump by a database's own tool, an export script.

The command runs without a shell, once a backup, in a process group of its own. Its standard output is the content, as it comes;
nothing of it is kept on this machine. Only a command that ends with exit code 0, within its time, has given an item: otherwise
what it printed is a problem and no item, and the last good version stays. So is an output without a byte, unless the settings
say that it may be.
"""

from __future__ import annotations

import errno
import os
import select
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import IO, cast

from msgspec import Struct

from vault.clock import Clock
from vault.coverage import Coverage, CoveredEntity
from vault.errors import SourceDenied, SourceError
from vault.problems import Problem, printable
from vault.process_group import OutputTail, end, reason
from vault.progress import Stop, never
from vault.source.contract import NO_TOKEN, UNKNOWN_SIZE, Scan
from vault.source.item_list import ItemList, ListedItem
from vault.source.scan_columns import ScannedStatus
from vault.source.streams import SequentialStream, StreamReader

PIECE = 1024 * 1024
LOOK_EVERY = 0.2
"""Seconds between two looks at the time and at whether the run is to stop, while nothing comes."""

GRACE = 5.0
"""Seconds from asking a command to end to ending it."""

LINES_SAID = 10
"""Lines of its standard error that are shown, the last ones."""

SHOWN_WORDS = 200
"""Characters of a command in a message."""


class Command(Struct, frozen=True):
    """A command whose output is backed up.

    - `words`: the program and its arguments
    - `folder`: that it runs in
    - `environment`: all that it gets
    - `timeout`: seconds, after which it is ended
    - `may_be_empty`: whether no output is one
    """

    words: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    timeout: float
    may_be_empty: bool = False

    def __str__(self) -> str:
        """Its program alone: what follows may say more than others should read."""
        return printable(os.fsencode(self.words[0]))[:SHOWN_WORDS]

    def find_program(self) -> None:
        """Raises `SourceError` where the program is not there, `SourceDenied` where it may not be run."""
        program = self.words[0]
        name = str(self.folder / program) if "/" in program else program
        path = self.environment.get("PATH", os.defpath)
        if shutil.which(name, path=path) is not None:
            return
        if shutil.which(name, mode=os.F_OK, path=path) is not None:
            raise SourceDenied(f"the command {self} may not be run by this user", hint="let this user read and run it")
        raise SourceError(f"the command {self} is not there", hint="is it installed, and is the path right?")


class CommandSource(Struct, frozen=True):
    """See this module's text.

    - `command`: what is run
    - `prefix`: what the paths of items begin with
    - `item`: the name of the one item, relative
    - `say`: takes a line of what the command prints to its standard error
    """

    command: Command
    prefix: bytes
    item: bytes
    clock: Clock
    say: Callable[[str], None]

    def scan(self, stop: Stop) -> Scan:
        """The one item, whose content nobody knows before the command is run. Raises `SourceError` where its program is not
        there."""
        stop()
        self.command.find_program()
        now = int(self.clock.now().timestamp()) * 1_000_000_000
        found = ItemList(self.prefix, now)
        found.file(ListedItem(self.item, UNKNOWN_SIZE, now, b"", NO_TOKEN))
        coverage = Coverage("command", (CoveredEntity(f"the output of {self.command}"),), times=False, one_moment=True)
        return found.scan(frozenset({"size", "mtime", "mtime_nanos"}), coverage)

    def reader(self, stop: Stop = never) -> CommandReader:
        """Runs the command when the item is opened."""
        return CommandReader(self, stop)

    def close(self) -> None:
        """Nothing is left open."""


class CommandReader(StreamReader):
    """Opening the item runs the command."""

    reopens = False

    def __init__(self, source: CommandSource, stop: Stop) -> None:
        super().__init__(source.prefix)
        self._source = source
        self._stop = stop

    def open_large(self, path: bytes) -> SequentialStream | Problem:
        """The output, as it comes. The command is started with the first reading."""
        source = self._source
        if self._relative(path) != source.item:
            return Problem(path, "vanished-while-read", "the source has no such item")
        now = int(source.clock.now().timestamp()) * 1_000_000_000
        status = ListedItem(source.item, UNKNOWN_SIZE, now, b"", NO_TOKEN).status()
        return CommandOutput(path, status, source, self._stop)


class CommandOutput(SequentialStream):
    """The output of one run."""

    def __init__(self, path: bytes, status: ScannedStatus, source: CommandSource, stop: Stop) -> None:
        super().__init__(path, status, lambda: output(source.command, source.clock, source.say, stop))


def output(command: Command, clock: Clock, say: Callable[[str], None], stop: Stop = never) -> Generator[bytes, None, None]:
    """Run a command and give what it prints. say: takes the last lines of its standard error. Raises OSError where it cannot be
    started, fails, takes too long, or prints nothing and must not."""
    begun, errors, empty = clock.monotonic(), OutputTail(), True
    try:
        process = subprocess.Popen(  # noqa: S603 (the settings' owner names the command; no shell is involved)
            list(command.words),
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise OSError(errno.ENOEXEC, f"the command {command} could not be started: {error}") from error
    try:
        errors.read(process.stderr)
        with cast(IO[bytes], process.stdout) as out:
            while _waited_for(out.fileno(), command, begun, clock, stop) and (piece := os.read(out.fileno(), PIECE)):
                empty = False
                yield piece
        code = _exit_code(process, command, begun, clock, stop)
    finally:
        if process.poll() is None:
            end(process, GRACE)
        lines = errors.lines()[-LINES_SAID:]
        for line in lines:
            say(line)
    if code:
        said = f"; it said: {lines[-1]}" if lines else ""
        raise OSError(errno.EIO, f"the command {command} failed with {reason(code)}{said}; what it printed is not kept")
    if empty and not command.may_be_empty:
        raise OSError(errno.EIO, f"the command {command} printed nothing")


def _waited_for(descriptor: int, command: Command, begun: float, clock: Clock, stop: Stop) -> bool:
    """Wait until there is something to read. Raises OSError where the command takes too long, and what `stop` raises."""
    readable = select.poll()
    readable.register(descriptor, select.POLLIN)
    while not readable.poll(LOOK_EVERY * 1000):
        stop()
        _refuse_late(command, begun, clock)
    _refuse_late(command, begun, clock)
    return True


def _exit_code(process: subprocess.Popen[bytes], command: Command, begun: float, clock: Clock, stop: Stop) -> int:
    """Of a command that prints nothing more."""
    while True:
        try:
            return process.wait(LOOK_EVERY)
        except subprocess.TimeoutExpired:
            stop()
            _refuse_late(command, begun, clock)


def _refuse_late(command: Command, begun: float, clock: Clock) -> None:
    if clock.monotonic() - begun > command.timeout:
        seconds = f"{command.timeout:g} seconds"
        raise OSError(errno.ETIMEDOUT, f"the command {command} did not end within {seconds}, and was ended")
