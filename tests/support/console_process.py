"""The console as a process of its own, on a free port of this machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from time import sleep

from msgspec import Struct

from tests.support.desk import STRONGROOM, Desk

TELLS = re.compile(r"the console is at (\S+) \(it listens at 127\.0\.0\.1:(\d+)\)")


class Running(Struct, frozen=True):
    """A console that runs. log: what it says, as a file."""

    process: subprocess.Popen[bytes]
    url: str
    port: int
    log: Path


@contextmanager
def running(desk: Desk, *options: str, program: Sequence[str] | None = None) -> Iterator[Running]:
    """On a free port; ended afterwards, whatever happens. program: in the place of the console script."""
    command = [*(program or [str(STRONGROOM)]), "console", "--listen", "127.0.0.1:0", *options]
    log = Path(mkdtemp(dir=desk.folder)) / "log"
    with log.open("wb") as out, subprocess.Popen(command, cwd=desk.folder, env=desk.environment, stderr=out) as process:
        try:
            while (found := TELLS.search(log.read_text())) is None:
                assert process.poll() is None, log.read_text()
                sleep(0.05)
            yield Running(process, found[1], int(found[2]), log)
        finally:
            process.kill()
