"""How much is said: the records of the loggers `strongroom` and below, on stderr and in a file.

    strongroom            notices, warnings and problems: shown always, with --quiet no notices
    strongroom.steps      what is being done (info): shown with --verbose and --debug
    strongroom.requests   every request to the store (debug): shown with --debug
    strongroom.console    what the console says while it runs (strongroom.agent: a host): shown always, with --quiet warnings
    strongroom.command    which command begins, what it says itself, and how it ends: only in the file

The file has the same as the screen would have with --verbose (with --debug: as with that), with times and the number of the
process. Only its owner may read it.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from cli import output
from strongroom import notices
from vault.errors import StrongroomError, TargetError
from vault.problems import printable

_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""Of an address that names a user and a password."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What would make one line look like others on a terminal."""

SERVERS = (f"{notices.NAME}.console", f"{notices.NAME}.agent")
"""Loggers of what stays: it says little, and that is all that there is of it."""

_command = logging.getLogger(output.COMMAND_LOG)


class Verbosity(Struct, frozen=True):
    """What was asked for: as the options of these names."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    log_file: Path | None = None

    @property
    def level(self) -> int:
        """Of what is shown on stderr."""
        if self.quiet:
            return logging.WARNING
        return logging.DEBUG if self.debug else logging.INFO


class ScreenHandler(output.NoticeHandler):
    """Shows records as notices on stderr."""

    def __init__(self, asked: Verbosity) -> None:
        super().__init__(asked.level)
        self._asked = asked

    def filter(self, record: logging.LogRecord) -> bool:
        """What is being done is shown to who asked for it; what servers say, to whoever looks into their journal."""
        if record.name in (notices.NAME, *SERVERS):
            return True
        return record.name != output.COMMAND_LOG and (self._asked.verbose or self._asked.debug)

    def emit(self, record: logging.LogRecord) -> None:
        """With --debug the time stands before it."""
        if self._asked.debug:
            output.show(f"{_time(record)} {_word(record)}{record.getMessage()}")
        else:
            super().emit(record)


class LineFormatter(logging.Formatter):
    """A line of the log file. What a record says in several lines, or with control characters, stays one line."""

    def format(self, record: logging.LogRecord) -> str:
        """`2026-11-29T14:30:00.125+00:00 [4711] info: …`"""
        zone = self.formatTime(record, "%z")
        day = self.formatTime(record, "%Y-%m-%d")
        text = _CONTROL.sub(
            lambda found: f"\\x{ord(found[0]):02x}", without_passwords(record.getMessage()).replace("\n", "\\n")
        )
        return f"{day}T{_time(record)}{zone[:3]}:{zone[3:]} [{os.getpid()}] {record.levelname.lower()}: {text}"


@contextmanager
def shown(asked: Verbosity, command: str) -> Iterator[None]:
    """While a command runs. Raises `TargetError` where the file cannot be written."""
    handlers: list[logging.Handler] = [ScreenHandler(asked)]
    if asked.log_file is not None:
        handlers.append(_file_handler(asked.log_file.expanduser(), debug=asked.debug))
    logger = logging.getLogger(notices.NAME)
    before = logger.level
    logger.setLevel(logging.DEBUG if asked.debug else logging.INFO)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        with _begun_and_ended(command):
            yield
    finally:
        logger.setLevel(before)
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def without_passwords(text: str) -> str:
    """Addresses without user names and passwords."""
    return _PASSWORD.sub("…", text)


@contextmanager
def _begun_and_ended(command: str) -> Iterator[None]:
    words = " ".join(printable(os.fsencode(word)) for word in sys.argv[1:])
    _command.info("strongroom %s begins: %s", command, without_passwords(words))
    try:
        yield
    except StrongroomError as error:
        _command.error("%s%s", error, f" (hint: {error.hint})" if error.hint else "")
        raise
    except BaseException as error:
        code = getattr(error, "exit_code", None)
        _command.info("strongroom %s ends with %s", command, type(error).__name__ if code is None else f"exit code {code}")
        raise
    _command.info("strongroom %s ends with exit code 0", command)


def _file_handler(file: Path, *, debug: bool) -> logging.Handler:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    try:
        handle = os.open(file, flags, 0o600)
    except OSError as error:
        raise TargetError(
            f"the log file {file} cannot be written: {error.strerror}", hint="name another with --log-file"
        ) from error
    handler = _FileHandler(os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace"))
    handler.setLevel(logging.DEBUG if debug else logging.INFO)
    handler.setFormatter(LineFormatter())
    return handler


class _FileHandler(logging.StreamHandler):  # type: ignore[type-arg]  # not generic when it runs
    """Closes its file. That a line cannot be written (a full disk) stops nothing."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the parent's name)
        """Nothing."""

    def close(self) -> None:
        """The file too."""
        self.stream.close()
        super().close()


def _time(record: logging.LogRecord) -> str:
    return f"{logging.Formatter().formatTime(record, '%H:%M:%S')}.{int(record.msecs):03}"


def _word(record: logging.LogRecord) -> str:
    return f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
