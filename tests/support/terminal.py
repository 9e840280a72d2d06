"""A command on a terminal of its own, as a person has it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time

from tests.support.desk import STRONGROOM, Desk


class Terminal:
    """A command on a terminal of its own: what it shows, and what is typed."""

    def __init__(self, desk: Desk, *arguments: str, columns: int = 120) -> None:
        self._mine, theirs = pty.openpty()

        def take() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        environment = desk.environment | {"TERM": "xterm", "COLUMNS": str(columns)}
        self.process = subprocess.Popen(
            [STRONGROOM, *arguments],
            cwd=desk.folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take,
        )
        os.close(theirs)
        self.shown = b""

    @property
    def text(self) -> str:
        """What a person reads: without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.shown.decode())

    def wait_for(self, text: bytes, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self._read()

    def type(self, text: bytes) -> None:
        time.sleep(0.05)  # a prompt turns the echo off just after it has been shown
        os.write(self._mine, text)

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._mine)
        return self.process.wait(30)

    def _read(self) -> bool:
        if not select.select([self._mine], [], [], 30)[0]:
            return False
        try:
            piece = os.read(self._mine, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += piece
        return bool(piece)
