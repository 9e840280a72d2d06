"""Errors that nobody expected: the log gets where they happened, under a number that the person is shown.

    3f9a61c2 GET /projects/{project}/item, asked by olena
    3f9a61c2   File "…/console/gateway/items.py", line 88, in item
    3f9a61c2     found = …
    3f9a61c2 KeyError (its words may hold content, and are left out)

The number stands before each line, so that a search for it finds all of them. A traceback has lines of the program and no
values; the words of an error may hold what was in a file, or a secret, so they are logged only where they are known not to.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.routing import Match, Route

from console.texts import marked
from vault.errors import StrongroomError
from vault.randomness import Randomness

_log = logging.getLogger("strongroom.console")

UNEXPECTED = marked("something went wrong that nobody expected")
NUMBERED = marked("tell whoever runs this console the number %(number)s: its log has under it where this happened")

MOST_FRAMES = 40
"""Of one error, the innermost: what calls itself has a thousand."""
MOST_ERRORS = 8
"""Of those that led to one another."""
_OF_CODE: tuple[type[BaseException], ...] = (AttributeError, ImportError, ModuleNotFoundError, NameError, RecursionError)
"""Their words are names in the program. Not those of kinds that are derived from them, which others write."""
_LEFT_OUT = "(its words may hold content, and are left out)"
_NOTE = "strongroom incident "
_LIFESPAN = "on"
"""The module of uvicorn that logs whole tracebacks as text, of beginning and end; `console.server` raises what these met."""


class Unexpected(StrongroomError):
    """An error that nobody expected, as people are told of it. number: under which the log has it."""

    def __init__(self, number: str) -> None:
        super().__init__(UNEXPECTED, hint=NUMBERED % {"number": number})


def noted(error: BaseException, about: str, randomness: Randomness) -> str:
    """Write it into the log; give its number, or that which it has already. about: what was being done, in words that everybody
    who reads the log may know."""
    for note in getattr(error, "__notes__", ()):
        if note.startswith(_NOTE):
            return str(note.removeprefix(_NOTE))
    number = randomness.token(4).hex()
    error.add_note(f"{_NOTE}{number}")
    _log.error("%s", "\n".join(f"{number} {line}" for line in (about, *lines(error))))
    return number


def asked(request: Request, person: str) -> str:
    """What was asked for, without the names and secrets that an address may hold. person: who asked; "" for nobody known."""
    routes = (one for one in request.app.routes if isinstance(one, Route) and one.matches(request.scope)[0] is not Match.NONE)
    path = next((one.path for one in routes), "another address")
    return f"{request.method} {path}, asked by {person or 'somebody who is not signed in'}"


def lines(error: BaseException) -> Iterator[str]:
    """Where it happened, and what led to it first, as lines of text."""
    for number, one in enumerate(reversed([*_led_to(error)])):
        if number:
            yield "which led to:"
        frames = traceback.StackSummary.extract(traceback.walk_tb(one.__traceback__), limit=-MOST_FRAMES)
        for text in frames.format():
            yield from text.rstrip("\n").split("\n")
        yield f"{type(one).__module__}.{type(one).__qualname__}: {_words(one)}".removeprefix("builtins.")
        for each in one.exceptions[:MOST_ERRORS] if isinstance(one, BaseExceptionGroup) else ():
            yield "of which one is:"
            yield from lines(each)


def _led_to(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, as far as Python itself shows them."""
    one: BaseException | None = error
    for _ in range(MOST_ERRORS):
        if one is None:
            return
        yield one
        one = one.__cause__ if one.__cause__ is not None or one.__suppress_context__ else one.__context__


def _words(error: BaseException) -> str:
    if isinstance(error, StrongroomError) or type(error) in _OF_CODE:
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _LEFT_OUT


@contextmanager
def logged(randomness: Randomness) -> Iterator[None]:
    """While the console serves: what nobody caught, in a thread, in the event loop or in the server, is in its log as all else
    is; Python's own way has the words of errors, and no number."""
    own = _OthersLog(randomness)
    loggers = [logging.getLogger(name) for name in ("asyncio", "uvicorn.error")]
    before = [(one, one.propagate) for one in loggers]
    hook = threading.excepthook

    def in_thread(met: threading.ExceptHookArgs) -> None:
        if met.exc_value is not None:
            noted(met.exc_value, f"the thread {met.thread.name if met.thread is not None else ''} has ended", randomness)

    for one in loggers:
        one.addHandler(own)
        one.propagate = False
    threading.excepthook = in_thread
    try:
        yield
    finally:
        threading.excepthook = hook
        for one, propagate in before:
            one.removeHandler(own)
            one.propagate = propagate


class _OthersLog(logging.Handler):
    """What others log in this process, in the console's log."""

    def __init__(self, randomness: Randomness) -> None:
        super().__init__(logging.WARNING)
        self._randomness = randomness

    def emit(self, record: logging.LogRecord) -> None:
        """Errors without their words. Those that the application has answered are there already, and one that was cancelled
        is none."""
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            if record.module != _LIFESPAN:
                _log.log(record.levelno, "%s: %s", record.name, _first_line(record))
        elif isinstance(error, Exception) and not isinstance(error.__cause__, StrongroomError):
            noted(error, f"{record.name}: {_first_line(record)}", self._randomness)


def _first_line(record: logging.LogRecord) -> str:
    """Further ones show values, such as a task that has failed with its error."""
    return next(iter(record.getMessage().strip().splitlines()), "")
