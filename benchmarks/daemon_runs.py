"""Commands as the daemon runs them: forked by a process that has imported everything already."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from benchmarks.measure import CommandError, Cost
from benchmarks.scratch import say
from policies.daemon.child_processes import Children
from policies.daemon.warm_parent import WarmParent, is_possible
from policies.scheduling.jobs import Stop
from strongroom import daemon_config
from vault.clock import SystemClock

TIME_LIMIT = 600.0


class ForkedRuns(Struct, frozen=True):
    """What the daemon has at hand when a schedule is due."""

    parent: WarmParent
    children: Children

    def run(self, arguments: Sequence[str]) -> Cost:
        """A command from the moment when it is due to its end; the memory of a forked process is not measured. Raises
        `CommandError` where it fails, or was not forked."""
        os.sync()
        clock, forked, before = SystemClock(), self.parent.forked, _processor_seconds(self.parent.pid)
        start = time.perf_counter()
        ended = self.children.run([*daemon_config.RUN, *arguments], Stop(clock, clock.monotonic() + TIME_LIMIT))
        wall = time.perf_counter() - start
        if ended.code or self.parent.forked != forked + 1:
            raise CommandError(f"a forked run of {' '.join(arguments)}: exit {ended.code}\n{ended.errors}")
        cpu = _processor_seconds(self.parent.pid) - before
        return Cost(wall, cpu, 0, json.dumps(ended.document).encode())


@contextmanager
def forked_runs(environment: Mapping[str, str], *, s3: bool = False) -> Iterator[ForkedRuns]:
    """Starts the process that forks, and waits until it is warm. environment: of the runs · s3: the repository is there.
    Raises `CommandError` where the system lets nothing be forked."""
    if not is_possible():
        raise CommandError("the daemon starts its runs as programs on this system, and forks none")
    clock = SystemClock()
    server = [*daemon_config.WARM_PARENT, *(["s3"] if s3 else [])]
    of_parent = {**environment, "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    parent = WarmParent(daemon_config.RUN, server, of_parent, clock, say)
    try:
        while not parent.warm_up():
            clock.sleep(0.05)
        yield ForkedRuns(parent, Children({**environment, "STRONGROOM_PARENT": str(os.getpid())}, warm=parent))
    finally:
        parent.close()


def _processor_seconds(pid: int | None) -> float:
    """Of a process and of all children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
