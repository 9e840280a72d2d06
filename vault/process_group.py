"""Commands of the settings as processes: ended with all that they have started, and the end of what they print."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import suppress
from typing import IO

from vault.problems import printable

OUTPUT_KEPT = 16 * 1024
"""Bytes, the last ones."""


def reason(code: int) -> str:
    """Why a process counts as failed, by its exit code; empty where it does not."""
    if code >= 0:
        return f"exit code {code}" if code else ""
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"


def end(process: subprocess.Popen[bytes], grace: float) -> None:
    """End a process that leads a session of its own, and all that it has started. grace: seconds from asking to ending."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)


class OutputTail:
    """The end of what a process prints, read beside it, so that it never waits for its reader."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def read(self, stream: IO[bytes] | None) -> None:
        """Begin to read, on a thread of its own."""
        if stream is not None:
            self._thread = threading.Thread(target=self._drain, args=(stream,), name="command-output", daemon=True)
            self._thread.start()

    def lines(self) -> tuple[str, ...]:
        """What was kept. A process that the command has left behind may still hold the other end: it is not waited for."""
        if self._thread is not None:
            self._thread.join(1.0)
        with self._lock:
            kept = b"".join(self._pieces)[-OUTPUT_KEPT:]
        return tuple(printable(line) for line in kept.splitlines() if line.strip())

    def _drain(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError), stream:
            while piece := os.read(stream.fileno(), 8192):
                with self._lock:
                    self._pieces.append(piece)
                    self._size += len(piece)
                    while self._size - len(self._pieces[0]) >= OUTPUT_KEPT:
                        self._size -= len(self._pieces.popleft())
