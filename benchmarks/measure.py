"""Runs a command and says what it cost: the whole tree of processes that it started and waited for."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct


class CommandError(Exception):
    """A tool that is measured ended with an error; the message has the end of what it said."""


class Cost(Struct, frozen=True):
    """wall and cpu (user and system) in seconds; rss: the largest resident set of any one process, in bytes.

    The kernel lets a child inherit the resident set that its parent had when it forked, so rss is never less than this
    program's own, about 50 MB.
    """

    wall: float
    cpu: float
    rss: int
    output: bytes


def run(command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path, log: Path) -> Cost:
    """Runs to the end, with stdout and stderr in files (a full pipe would slow a tool down).

    Dirty pages are written back before the clock starts, so that nobody pays for what came before.
    Raises CommandError.
    """
    os.sync()
    with log.open("wb") as errors, log.with_suffix(".out").open("wb") as output:
        start = time.perf_counter()
        child = subprocess.Popen(command, env=dict(environment), cwd=folder, stdout=output, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    said = log.with_suffix(".out").read_bytes()
    if child.returncode:
        words = " ".join(str(word) for word in command)
        tail = (log.read_bytes() + said)[-2000:].decode("utf-8", "replace")
        raise CommandError(f"{words}: exit {child.returncode}\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, said)
