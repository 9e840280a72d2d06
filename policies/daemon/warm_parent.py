"""The daemon's side of the warm parent: a process that has imported what runs need, and forks a child for each.

    daemon  -> parent   a message with three descriptors: the run's channel, its standard output and error
    daemon  -> child    over the channel: arguments and environment. The parent never reads them: it holds no key and no secret
    parent  -> daemon   over the channel: a pidfd of the child; at its end, its exit code

Importing costs a short run more than its work. Where the parent is not ready, refuses (it has threads, or files that it has
imported were replaced: the package was upgraded) or is gone, runs are started as programs, and a new parent is started.
A child ends with the parent; its run is then started again, as a program.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from vault.clock import Clock

READY, REFUSED, RUN = b"ready", b"refused", b"run"
LARGEST_REPLY = 64
LARGEST_REQUEST = 128 * 1024
"""What a socket takes as one message."""

RESTART_AFTER = 60.0
"""Seconds from the start of a parent that was never ready to that of the next: it must not keep the machine busy."""
ANSWERS_WITHIN = 10.0
"""Seconds that a parent has to fork."""


def is_possible() -> bool:
    """Whether this system has what it takes: Linux 5.3 or newer."""
    if sys.platform != "linux" or not hasattr(signal, "pidfd_send_signal"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class ParentLost(Exception):
    """The parent of a run is gone, and with it the run's exit code."""


class ForkedRun:
    """A child of the warm parent, as `subprocess.Popen` would show it."""

    def __init__(self, channel: socket.socket, pid: int, pidfd: int) -> None:
        self._channel = channel
        self._pidfd = pidfd
        self.pid = pid

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, negative for a signal. Raises `subprocess.TimeoutExpired`, `ParentLost`."""
        if not _readable(self._channel.fileno(), timeout):
            raise subprocess.TimeoutExpired("a run", timeout or 0.0)
        try:
            reply = self._channel.recv(LARGEST_REPLY)
        except ConnectionError:
            reply = b""
        if not reply:
            raise ParentLost
        return int(reply)

    def terminate(self) -> None:
        """Ask it to end."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def kill(self) -> None:
        """End it, and what it has started."""
        if not _readable(self._pidfd, 0):  # its number is its own as long as it runs
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait_without_parent(self, timeout: float) -> None:
        """Until it has ended, of itself or after so many seconds by force: it is asked to end when its parent is gone."""
        if not _readable(self._pidfd, timeout):
            self.kill()
            _readable(self._pidfd, None)

    def close(self) -> None:
        """Let go of it."""
        self._channel.close()
        os.close(self._pidfd)


class WarmParent:
    """Starts the parent, and runs by it. prefix: how the command lines of runs begin: what follows are a run's arguments ·
    server: the command line of the parent, to which the number of its descriptor is added · environment: the parent's own,
    without secrets · notice: hears when it has died."""

    def __init__(
        self,
        prefix: Sequence[str],
        server: Sequence[str],
        environment: Mapping[str, str],
        clock: Clock,
        notice: Callable[[str], None],
        *,
        restart_after: float = RESTART_AFTER,
    ) -> None:
        self._prefix = tuple(prefix)
        self._server = tuple(server)
        self._environment = dict(environment)
        self._clock = clock
        self._notice = notice
        self._restart_after = restart_after
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._is_ready = False
        self._not_before = clock.monotonic()
        self.forked = 0
        """How many runs it has started."""

    @property
    def pid(self) -> int | None:
        """Of the parent; None where there is none."""
        return self._process.pid if self._process is not None else None

    def warm_up(self) -> bool:
        """Start the parent where there is none. Whether it has imported everything, and can be used."""
        with self._lock:
            return self._look_after()

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], out: IO[bytes], errors: IO[bytes]
    ) -> ForkedRun | None:
        """A run; None where it is to be started as a program. Raises `OSError` where the system has no room for it."""
        if tuple(command[: len(self._prefix)]) != self._prefix:
            return None
        request = json.dumps({"arguments": command[len(self._prefix) :], "environment": dict(environment)}).encode()
        if len(request) > LARGEST_REQUEST:
            return None
        with self._lock:
            if not self._look_after() or self._control is None:
                return None
            run = self._forked(self._control, request, out, errors)
            if run is None:
                self._end()  # upgraded, or of no use: the next one is started with the next run
                return None
            self.forked += 1
            return run

    def close(self) -> None:
        """End the parent: it ends when nobody holds the other end of its socket, and its children with it."""
        with self._lock:
            self._end()

    def _forked(self, control: socket.socket, request: bytes, out: IO[bytes], errors: IO[bytes]) -> ForkedRun | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                ours.settimeout(0)
                ours.send(request)
                socket.send_fds(control, [RUN], [theirs.fileno(), out.fileno(), errors.fileno()])
            if not _readable(ours.fileno(), ANSWERS_WITHIN):
                raise TimeoutError
            reply, descriptors, _, _ = socket.recv_fds(ours, LARGEST_REPLY, 1)
        except OSError:  # it is gone, or does not answer
            ours.close()
            return None
        if not descriptors:
            ours.close()
            return None
        return ForkedRun(ours, int(reply), descriptors[0])

    def _look_after(self) -> bool:
        """Whether there is a parent that is ready; starts one where there is none."""
        if not self._is_ready and self._control is not None and _readable(self._control.fileno(), 0):
            with suppress(OSError):
                self._is_ready = self._control.recv(LARGEST_REPLY) == READY
        if self._is_ready:
            self._not_before = self._clock.monotonic()
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            self._end()
            self._notice(f"the process that starts runs has ended with {code}; a new one is started")
        if self._process is None:
            self._begin()
            return False
        return self._is_ready

    def _begin(self) -> None:
        now = self._clock.monotonic()
        if now < self._not_before:
            return
        self._not_before = now + self._restart_after
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 (our own command line, no shell)
                    [*self._server, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=self._environment,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                self._notice(f"runs begin slowly: the process that starts them could not be started: {error.strerror}")
                return
        ours.settimeout(0)
        self._control = ours

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None and self._process.poll() is None:
            # it ends by itself once its children have: until then somebody has to wait for it
            threading.Thread(target=self._process.wait, name="the end of a warm parent", daemon=True).start()
        self._process, self._control, self._is_ready = None, None, False


def _readable(descriptor: int, timeout: float | None) -> bool:
    """timeout: in seconds, None for ever."""
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    return bool(ready.poll(None if timeout is None else timeout * 1000))
