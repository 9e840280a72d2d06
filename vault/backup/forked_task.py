"""One task that a forked process does beside this one, where Python's lock would let only one of them go on.

A worker that is a program of its own (`worker_processes`) takes 0.1 s to start, a fork 10 ms, so that it pays for a task of a
twentieth of a second. A fork must not find a lock taken by a thread that is not copied. It is made before the run has threads
that work; those of others (progress, Arrow's own) wait at nearly all times, and hold at most the lock of standard error, which
the task has not: its `sys.stderr` goes nowhere. The task may read files, and writes nothing but its result.

Whatever becomes of the process, whoever wants the result gets it or None, and then does the task itself.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from posix import _exit as end_process  # the system's own: `os._exit` may be something else in a test
from threading import current_thread, main_thread
from threading import enumerate as all_threads

POLL = 0.05
"""Seconds after which whoever waits looks whether it should stop."""

PATIENCE = 400
"""Polls without a byte after which the task is given up: 20 s, where the longest takes one. A library may have had a lock of
its own at the moment of the fork."""

HARMLESS = frozenset({"progress"})
"""Threads of this program, by name, that may go on at the moment of a fork."""

Send = Callable[[bytes | bytearray | memoryview], None]
"""Gives away a piece of a result."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_F_SETPIPE_SZ = 1031  # linux/fcntl.h
_PIECE = 1 << 20
_WHOLE = b"\x00whole"


def is_possible() -> bool:
    """Whether this process may fork, and has two processors. On Linux: elsewhere the system's libraries may have threads."""
    if sys.platform != "linux" or current_thread() is not main_thread() or len(os.sched_getaffinity(0)) == 1:
        return False
    return all(one is main_thread() or one.name in HARMLESS for one in all_threads())


class ForkedStream:
    """Begins with the object. work: gives its result away piece by piece, with the function that it is called with; it waits
    there while nobody reads. Raises OSError where the system gives no process."""

    def __init__(self, work: Callable[[Send], None]) -> None:
        self._answer, theirs = os.pipe()
        parent = os.getpid()
        with suppress(ImportError, OSError):  # a person may have but so much of these
            from fcntl import fcntl

            fcntl(theirs, _F_SETPIPE_SZ, _PIECE)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python counts Arrow's threads, too
                self._child = os.fork()
        except OSError:
            os.close(self._answer)
            os.close(theirs)
            raise
        if self._child == 0:
            _serve(work, parent, theirs)
        os.close(theirs)

    def pieces(self, stop: Callable[[], None]) -> Iterator[bytes]:
        """What the task gives, cut anyhow; it ends where its process does, or does nothing any more. stop: called often; what
        it raises comes out."""
        waited = 0
        try:
            while waited < PATIENCE:
                if not select.select([self._answer], [], [], POLL)[0]:
                    stop()
                    waited += 1
                    continue
                piece, waited = os.read(self._answer, _PIECE), 0
                if not piece:
                    break
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """End the process, if it has not ended, and let go of it."""
        if self._child:
            os.close(self._answer)
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self._child, 0)
            self._child = 0


class ForkedTask(ForkedStream):
    """A task that gives its result in one piece. Begins and raises as a stream does."""

    def __init__(self, work: Callable[[], bytes]) -> None:
        super().__init__(lambda send: send(work() + _WHOLE))

    def result(self, stop: Callable[[], None]) -> bytes | None:
        """What the task gives; None where its process ended before it, or does nothing any more. stop: called often; what it
        raises comes out."""
        data = bytearray()
        for piece in self.pieces(stop):
            data += piece
        return bytes(data[: -len(_WHOLE)]) if data.endswith(_WHOLE) else None


def _serve(work: Callable[[Send], None], parent: int, theirs: int) -> None:
    """In the child. It ends with its parent, and leaves without tidying up what is the parent's."""
    code = 1

    def send(data: bytes | bytearray | memoryview) -> None:
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(theirs, left) :]

    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was over before this process had asked
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        work(send)
        code = 0
    finally:
        end_process(code)
