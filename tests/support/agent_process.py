"""The agent of a host as a process of its own, which may be made to wait in the middle of a restore, or to die there.

    with agent(desk, console.url, token, waits_at=5) as one:
        one.in_the_middle()
        one.process.kill()

It waits where it has told of progress so often, until `go_on` is called, or for a minute.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic, sleep

from msgspec import Struct

from tests.support.desk import Desk

PATIENCE = 60.0
PROGRAM = """
import sys, time
from pathlib import Path
from console.agent.work import LeasedTask
from cli.start import run
folder, left = Path(sys.argv[1]), int(sys.argv[2])
real = LeasedTask.advance
def advance(self, *, items=0, size=0):
    global left
    left -= 1
    if left == 0:
        (folder / "there").touch()
        until = time.monotonic() + 60
        while not (folder / "go").exists() and time.monotonic() < until:
            time.sleep(0.02)
            self()
    real(self, items=items, size=size)
LeasedTask.advance = advance
sys.argv = ["strongroom", *sys.argv[3:]]
sys.exit(run())
"""


class RunningAgent(Struct, frozen=True):
    """An agent that runs. log: what it says."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text()

    def in_the_middle(self) -> None:
        """Return once it waits in the middle of a restore."""
        until = monotonic() + PATIENCE
        while not (self.folder / "there").exists():
            assert self.process.poll() is None and monotonic() < until, self.log
            sleep(0.02)

    def go_on(self) -> None:
        """Let it go on."""
        (self.folder / "go").touch()

    def says(self, words: str) -> None:
        """Return once it has said something."""
        until = monotonic() + PATIENCE
        while words not in self.log:
            assert monotonic() < until, self.log
            sleep(0.05)


@contextmanager
def agent(desk: Desk, url: str, token: Path, *options: str, waits_at: int = 0) -> Iterator[RunningAgent]:
    """Killed afterwards, whatever happens."""
    folder = Path(mkdtemp(dir=desk.folder))
    command = [sys.executable, "-P", "-c", PROGRAM, str(folder), str(waits_at), "console", "agent"]
    words = ["--console", url, "--token-file", str(token), "--config", str(desk.settings), *options]
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen([*command, *words], cwd=desk.folder, env=desk.environment, stdout=out, stderr=out)
        try:
            yield RunningAgent(process, folder)
        finally:
            process.kill()
            process.wait()
