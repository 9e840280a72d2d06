"""Worker processes: forked by the one that plans, each does whole tasks of its own and says what became of them.

    parent -> worker    tasks, a few ahead; at last that it shall leave: finish what is in hand
    worker -> parent    a result for each task; records for the log; at its end what it leaves behind, or an error

Forked, not started anew: a worker has what the parent has planned, and its keys, in memory, and writes neither down. For the
same reason a fork must not find a lock taken by a thread that is not copied, so there are none of Python's here: the processes
begin before the first thread of the work does, and a program that has threads of its own gets none (`is_possible`). What else
may run are Arrow's own threads, which wait for work at that moment and hold nothing. A worker touches its task's libraries, the
store and the target alone: no terminal, no listener. It ends by `_exit`, so that nothing of the parent's is tidied up twice.

A worker whose parent is gone ends too, by the kernel's help at once, else with its next look at the channel. A parent whose
worker is gone learns it from the channel's end and raises `StrongroomError`; it never waits for one that cannot answer.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import pickle
import queue
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from posix import _exit as end_process  # the system's own: `os._exit` may be something else in a test
from typing import Any, Generic, Protocol, TypeVar

from vault.errors import StrongroomError

MOST_WORKERS = 4
"""More would wait for the disk, and each takes the memory of `AHEAD` tasks."""

AHEAD = 2
"""Tasks whose input a worker fetches while it does another one."""

POLL = 0.1
"""Seconds after which whoever waits looks whether it should stop."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_HEAD = struct.Struct("<I")
_TASK, _LEAVE = "task", "leave"
_RESULT, _SAID, _LEFT, _ERROR = "result", "said", "left", "error"

Task = TypeVar("Task")
Input = TypeVar("Input")
Result = TypeVar("Result")
TakenTask = TypeVar("TakenTask", contravariant=True)
GivenResult = TypeVar("GivenResult", covariant=True)


class Worker(Protocol[TakenTask, Input, GivenResult]):
    """What a worker process does. Tasks and results are pickled; a result may be what went wrong with some of its items."""

    def fetch(self, task: TakenTask) -> Input:
        """What a task needs; in a thread, ahead of `work`."""
        ...

    def work(self, task: TakenTask, found: Input) -> GivenResult:
        """Do it. Raises what ends all the work."""
        ...

    def stop(self) -> None:
        """Called from another thread: `work` shall come to an end."""
        ...

    def leave(self) -> GivenResult:
        """Finish what is half done. Called once, also after an error."""
        ...


def is_possible() -> bool:
    """Whether this process may fork: on Linux (elsewhere the system's own libraries may have threads), and while it has one
    thread."""
    return sys.platform == "linux" and hasattr(os, "fork") and threading.active_count() == 1


def useful() -> int:
    """How many workers the processors that this process may use are good for; less than two: none at all."""
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class WorkerProcesses(Generic[Task, Input, Result]):
    """Started with the object, ended with `close`. make: makes a worker, in its own process.

    Raises OSError where the system gives no process; none is left then."""

    def __init__(self, count: int, make: Callable[[], Worker[Task, Input, Result]]) -> None:
        self._workers: list[_Process] = []
        gc.freeze()  # a search for cycles in a child would copy every page that it shares: a twentieth of its time
        try:
            for _ in range(count):
                self._workers.append(self._start(make))
        except BaseException:
            self.close()
            raise
        finally:
            gc.unfreeze()

    def results(self, next_task: Callable[[int], Task | None], stop: Callable[[], None]) -> Iterator[Result]:
        """What becomes of the tasks, in the order in which they are done. next_task: the next one for the worker of this
        number, None where nothing is left · stop: called often; what it raises comes out.

        Raises what a worker has raised, `StrongroomError` where one is gone."""
        for number, worker in enumerate(self._workers):
            for _ in range(AHEAD + 1):
                self._give(worker, next_task(number))
        while any(worker.busy for worker in self._workers):
            stop()
            for number, worker in self._readable():
                kind, value = worker.receive()
                if kind == _RESULT:
                    worker.busy -= 1
                    yield value
                    self._give(worker, next_task(number))
                else:
                    _hear(kind, value)

    def leave(self) -> Iterator[Result]:
        """Have them finish what is in hand; gives what they leave, the results that nobody has taken yet among it. Raises as
        `results`, after all have left."""
        error: BaseException | None = None
        for worker in self._workers:
            worker.send(_LEAVE, None)
        for worker in self._workers:
            kind = ""
            while kind != _LEFT and not worker.ended:
                try:
                    kind, value = worker.receive()
                    if kind in (_RESULT, _LEFT):
                        yield value
                    else:
                        _hear(kind, value)
                except Exception as found:  # noqa: BLE001 (the others must be heard first)
                    error = error or found
                    break
        if error is not None:
            raise error

    def close(self) -> None:
        """End those that have not ended."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def _give(self, worker: _Process, task: Task | None) -> None:
        if task is not None:
            worker.busy += 1
            worker.send(_TASK, task)

    def _readable(self) -> list[tuple[int, _Process]]:
        """Those that have said something, with their numbers."""
        poll = select.poll()
        by_descriptor = {worker.channel.fileno(): (number, worker) for number, worker in enumerate(self._workers)}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        return [by_descriptor[descriptor] for descriptor, _ in poll.poll(POLL * 1000)]

    def _start(self, make: Callable[[], Worker[Task, Input, Result]]) -> _Process:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python counts Arrow's threads: see above
                child = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if child == 0:
            code = 1
            try:
                for other in self._workers:
                    other.channel.close()  # else it would not end with the parent
                ours.close()
                _settle(parent)
                _serve(_Channel(theirs), make)
                code = 0
            finally:
                end_process(code)
        theirs.close()
        return _Process(child, _Channel(ours))


class _Channel:
    """Messages over a socket: a word and a value each. One thread reads; any may send."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._connection.fileno()

    def send(self, kind: str, value: object) -> None:
        """Raises OSError where the other end is gone."""
        data = pickle.dumps((kind, value), pickle.HIGHEST_PROTOCOL)
        with self._lock:
            self._connection.sendall(_HEAD.pack(len(data)) + data)

    def receive(self) -> tuple[str, Any]:
        """Raises EOFError where the other end is gone."""
        (length,) = _HEAD.unpack(self._exactly(_HEAD.size))
        kind, value = pickle.loads(self._exactly(length))  # noqa: S301 (our own process's)
        return kind, value

    def close(self) -> None:
        self._connection.close()

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            try:
                piece = self._connection.recv(min(length - len(data), 1 << 20))
            except ConnectionError as error:
                raise EOFError from error
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)


class _Process:
    """A worker, as its parent sees it. busy: tasks that it has not answered · ended: it has said its last word."""

    def __init__(self, number: int, channel: _Channel) -> None:
        self._number = number
        self.channel = channel
        self.busy = 0
        self.ended = False

    def send(self, kind: str, value: object) -> None:
        """One that is gone is found out by `receive`."""
        with suppress(OSError):
            self.channel.send(kind, value)

    def receive(self) -> tuple[str, Any]:
        """Its next message. Raises `StrongroomError` where it is gone without a last word, and what it has raised itself."""
        try:
            kind, value = self.channel.receive()
        except EOFError:
            self.ended = True
            raise self._lost() from None
        self.ended = kind in (_LEFT, _ERROR)
        if kind == _ERROR:
            raise value
        return kind, value

    def kill(self) -> None:
        """End it, if it has not ended, and let go of it."""
        self.channel.close()
        if self._number:
            with suppress(ProcessLookupError):
                os.kill(self._number, signal.SIGKILL)
            self._reap()

    def _reap(self) -> int | None:
        """Its status; None where somebody else has asked for it."""
        try:
            status: int | None = os.waitpid(self._number, 0)[1]
        except ChildProcessError:
            status = None
        self._number = 0
        return status

    def _lost(self) -> StrongroomError:
        status = self._reap() if self._number else None
        how = "has ended without a word"
        if status is not None and os.WIFSIGNALED(status):
            how = f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
        return StrongroomError(
            f"a worker process of this command {how}",
            hint="run the same command again; it goes on from there (a system that is short of memory ends processes)",
        )


def _hear(kind: str, value: object) -> None:
    """What a worker has to say, to the logger that it was meant for."""
    if kind == _SAID and isinstance(value, tuple):
        name, level, text = value
        logging.getLogger(name).log(level, "%s", text)


def _settle(parent: int) -> None:
    """Of a process that was just forked: signals are the parent's affair, and so is the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent says what it means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it was over before we had asked
        end_process(1)


class ParentHandler(logging.Handler):
    """Sends what is logged here to the parent."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            self._channel.send(_SAID, (record.name, record.levelno, record.getMessage()))


def _log_to(channel: _Channel) -> None:
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger().handlers[:] = [ParentHandler(channel)]


def _serve(channel: _Channel, make: Callable[[], Worker[Task, Input, Result]]) -> None:
    """The life of a worker. Errors are sent to the parent, and none is raised."""
    _log_to(channel)
    try:
        service = _Service(channel, make())
        try:
            service.run()
        except BaseException:
            with suppress(Exception):
                service.worker.leave()
            raise
        channel.send(_LEFT, service.worker.leave())
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        with suppress(OSError):
            channel.send(_ERROR, _portable(error))


def _portable(error: Exception) -> Exception:
    """An error that arrives as it left, with where it came from as a note."""
    if not isinstance(error, StrongroomError):
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (our own)
    except Exception:  # noqa: BLE001 (whatever it lacks for that)
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


class _Service(Generic[Task, Input, Result]):
    """The loop of a worker process: tasks are taken in by a thread, their input is fetched by others, and done one by one."""

    def __init__(self, channel: _Channel, worker: Worker[Task, Input, Result]) -> None:
        self.worker = worker
        self._channel = channel
        self._tasks: queue.SimpleQueue[tuple[Task] | None] = queue.SimpleQueue()
        self._leaving = threading.Event()
        threading.Thread(target=self._take_in, name="tasks", daemon=True).start()

    def run(self) -> None:
        """Until no more tasks come, or the parent wants an end."""
        pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="fetch")
        waiting: deque[tuple[Task, Future[Input]]] = deque()
        while not self._leaving.is_set():
            while not waiting or (len(waiting) <= AHEAD and not self._tasks.empty()):
                taken = self._tasks.get()
                if taken is None:
                    return
                waiting.append((taken[0], pool.submit(self.worker.fetch, taken[0])))
            task, found = waiting.popleft()
            while not wait([found], timeout=POLL).done:
                if self._leaving.is_set():  # a request that hangs must not keep what is finished from being brought home
                    return
            self._channel.send(_RESULT, self.worker.work(task, found.result()))

    def _take_in(self) -> None:
        """Always reads on, so that the parent never waits to be heard."""
        kind = ""
        try:
            while kind != _LEAVE:
                kind, value = self._channel.receive()
                if kind == _TASK:
                    self._tasks.put((value,))
            self._leaving.set()
            self.worker.stop()
            self._tasks.put(None)
        finally:
            if kind != _LEAVE:
                end_process(1)  # nobody is left who would want it
