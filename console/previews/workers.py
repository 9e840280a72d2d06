"""Processes that open what others wrote, kept for the next request; one that takes too long, or dies, is replaced.

A request waits for a process that is free, for a while; then it is refused, with a time after which to try again. So hostile
files cost their own readers time, and nobody else more than that.
"""

from __future__ import annotations

import selectors
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from console.previews.worker import Refusal, Request
from console.turns import Room
from strongroom import environment
from vault.clock import Clock, SystemClock
from vault.errors import Damaged, NothingFound

MOST_WORKERS = 2
SECONDS = 30.0
"""For one answer, by the clock; see also the worker's own limit."""

WAIT = 40.0
"""Seconds that a request waits for a free process."""

LARGEST_ANSWER = 16 << 20
_PIECE = 1 << 16

Shown = TypeVar("Shown")


class _Answer(msgspec.Struct, frozen=True):
    shown: msgspec.Raw = msgspec.Raw()
    refused: Refusal | None = None


class PreviewWorkers:
    """See this module's text. seconds: for one answer."""

    def __init__(self, clock: Clock | None = None, *, seconds: float = SECONDS, wait: float = WAIT) -> None:
        self._clock = clock or SystemClock()
        self._seconds = seconds
        self._wait = wait
        self._room = Room(MOST_WORKERS)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._closed = False

    def ask(self, request: Request, shown: type[Shown], person: str = "") -> Shown:
        """An answer of this type. person: who asks; one of theirs is made at a time. Raises `Damaged` where the file cannot be
        read, or not within bounds; `NothingFound`; `TooManyAtOnce` where nobody is free."""
        with self._room.taken(person, self._wait):
            return self._asked(request, shown)

    def close(self) -> None:
        """End those that are idle; the others end with their answers."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.end()

    def _asked(self, request: Request, shown: type[Shown]) -> Shown:
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _Worker(self._clock)
        whole = False
        try:
            answer = msgspec.json.decode(worker.answer(msgspec.json.encode(request), self._seconds), type=_Answer)
            whole = answer.refused is None or answer.refused.nothing
        finally:
            self._put_back(worker, sound=whole)
        if answer.refused is not None:
            kind = NothingFound if answer.refused.nothing else Damaged
            raise kind(answer.refused.message, hint=answer.refused.hint)
        return msgspec.json.decode(answer.shown, type=shown)

    def _put_back(self, worker: _Worker, *, sound: bool) -> None:
        """One that has met a broken file is not used again: who knows what it has left behind."""
        with self._lock:
            if sound and not self._closed:
                self._idle.append(worker)
                return
        worker.end()


class _Worker:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "console.previews.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment.for_warm_parent() | {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
            bufsize=0,
            start_new_session=True,
        )
        self._began = False

    def answer(self, request: bytes, seconds: float) -> bytes:
        """Raises `Damaged` where there is none in time."""
        if not self._began:
            self._line(60.0)  # it has imported what it needs; that is not the file's fault
            self._began = True
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write(request + b"\n")
                stdin.flush()
        except BrokenPipeError as error:
            raise _broken() from error
        return self._line(seconds)

    def end(self) -> None:
        """At once."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _line(self, seconds: float) -> bytes:
        out: Any = self._process.stdout
        until = self._clock.monotonic() + seconds
        found = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while not found.endswith(b"\n"):
                left = until - self._clock.monotonic()
                if left <= 0 or not selector.select(left):
                    raise Damaged("it takes too long to be shown here", hint="restore it to look at it with another program")
                piece = out.read(_PIECE)
                if not piece or len(found) + len(piece) > LARGEST_ANSWER:
                    raise _broken()
                found += piece
        return bytes(found)


def _broken() -> Damaged:
    return Damaged(
        "it takes more time or memory than a preview may, or its reader broke",
        hint="restore it to look at it with another program",
    )
