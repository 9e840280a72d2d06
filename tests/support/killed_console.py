"""A console's threads in a process of their own, which ends as `kill -9` ends it once a task has come so far.

    python -m tests.support.killed_console SETTINGS STATE AFTER

AFTER: how often the restore has told of progress before. Prints `killed`, and is; `over` where nothing was left to be killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

import strongroom
from console.gateway.working import carry_out
from console.repositories import RepositoryPool
from console.state import ConsoleState
from console.tasks import records
from console.tasks.records import Outcome, Task, Tasks
from console.tasks.runner import TaskRunner
from console.tasks.signals import RunningTask
from console.visit import Console
from vault.clock import SystemClock
from vault.randomness import SystemRandomness

PATIENCE = 60.0


class DyingTask(RunningTask):
    """Kills its process."""

    def __init__(self, after: int) -> None:
        super().__init__(SystemClock())
        self._after = after

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """See `RunningTask`."""
        self._after -= 1
        if self._after < 0:
            sys.stdout.write("killed\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def main(settings: Path, file: Path, after: int) -> None:
    """See this module's text."""

    def work(console: Console, task: Task, running: RunningTask) -> Outcome:
        return carry_out(console, task, DyingTask(after))

    clock, nothing = SystemClock(), cast(Any, None)
    state = ConsoleState(file)
    state.migrate(records.AREA, records.TABLES)
    pool = RepositoryPool(lambda: strongroom.open_repository(settings), clock)
    runner = TaskRunner(Console(pool, state, nothing, nothing, nothing, clock, SystemRandomness()), work)
    (task,) = Tasks(state).of_person("anna")
    runner.start()
    deadline = clock.monotonic() + PATIENCE
    while not Tasks(state).get(task.id).is_over and clock.monotonic() < deadline:
        time.sleep(0.01)
    runner.stop()
    sys.stdout.write("over\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
