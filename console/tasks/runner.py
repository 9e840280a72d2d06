"""The threads that do tasks: as many as the limits allow, the next task of whoever has fewest running.

Only one console serves with a state (see `console.state.alone`): what runs when it begins was left by one that is gone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.errors import NotAllowed
from console.incidents import Unexpected, noted
from console.letters import task_is_over
from console.tasks.records import Outcome, State, Task, Tasks
from console.tasks.signals import RunningTask
from vault.errors import Busy, Interrupted, NoRepository, StorageError, StorageFull, StrongroomError

if TYPE_CHECKING:
    from console.visit import Console

_log = logging.getLogger("strongroom.console")

LOOK = 5.0
"""Seconds after which a thread looks whether something is due, though nobody has woken it."""

LONGEST_WAIT = 3600.0
PATIENCE = 20.0
"""Seconds that tasks get to come to an end when the console ends."""

Work = Callable[["Console", Task, RunningTask], Outcome]


class TaskRunner:
    """Begun by `start`, ended by `stop`. work: does a task · tend: is called now and then by the
    process that does them."""

    def __init__(self, console: Console, work: Work, tend: Callable[[Console], None] = lambda _: None) -> None:
        self._console = console
        self._work = work
        self._tend = tend
        self._tasks = Tasks(console.state)
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._revived = False
        self._reviving = threading.Lock()

    def start(self) -> None:
        """Begin to do tasks, with those that were left first."""
        for number in range(self._console.limits.tasks_at_once):
            thread = threading.Thread(target=self._serve, name=f"task-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End what runs; it goes on when a console starts again."""
        self._ending.set()
        self._console.tasks.end_all("stopped")
        self._console.tasks.wake.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _serve(self) -> None:
        while not self._ending.is_set():
            seen = self._console.tasks.wake.number
            try:
                self._revive()
                self._tend(self._console)
                busy = self._do_next()
            except StrongroomError as error:  # the state cannot be read: nothing is lost, it is tried again
                _log.error("tasks: %s", error)
                busy = False
            if not busy:
                self._console.tasks.wake.wait(seen, LOOK)

    def _revive(self) -> None:
        """Take up what a console has left that ended; once."""
        with self._reviving:
            if self._revived:
                return
            found = self._tasks.revive()
            self._revived = True
        if found:
            _log.info("%d tasks go on that were interrupted", found)

    def _do_next(self) -> bool:
        task = self._tasks.take(self._console.clock.now())
        if task is None:
            return False
        self._console.tasks.wake.set()  # there may be another one, for another thread
        running = RunningTask(self._console.clock)
        self._console.tasks.began(task.id, running)
        try:
            if self._ending.is_set():
                running.end("stopped")
            self._finish(self._done(task, running))
        finally:
            self._console.tasks.ended(task.id, running)
        return True

    def _done(self, task: Task, running: RunningTask) -> Task:
        """The task, as it is after it was done or tried."""
        now = self._console.clock.now
        try:
            outcome = self._work(self._console, task, running)
            return replace(
                task, state="partly" if outcome.problems else "done", ended=now(), outcome=outcome, error="", hint=""
            )
        except Interrupted:
            if running.ended_by == "cancelled":
                return replace(task, state="cancelled", ended=now())
            return replace(task, state="queued", attempts=task.attempts - 1)
        except StrongroomError as error:
            if _may_pass(error) and task.attempts < self._console.limits.attempts:
                wait = min(LONGEST_WAIT, self._console.limits.retry * 2 ** (task.attempts - 1))
                due = now() + timedelta(seconds=wait)
                return replace(task, state="queued", due=due, error=str(error), hint=error.hint or "")
            state: State = "refused" if isinstance(error, NotAllowed) else "failed"
            return replace(task, state=state, ended=now(), error=str(error), hint=error.hint or "")
        except Exception as error:  # noqa: BLE001 (the task says that it failed, and the log says why)
            shown = Unexpected(noted(error, f"task {task.id} of {task.person}", self._console.randomness))
            return replace(task, state="failed", ended=now(), error=str(shown), hint=shown.hint or "")

    def _finish(self, task: Task) -> None:
        self._tasks.change(task, unless=("cancelled",))
        if task.is_over:
            tell(self._console, task)


def tell(console: Console, task: Task) -> None:
    """Tell the person that their task is over."""
    console.post.tell(task.person, task_is_over(task))


def _may_pass(error: StrongroomError) -> bool:
    """Whether it is worth another try."""
    return isinstance(error, Busy | StorageError | NoRepository) and not isinstance(error, StorageFull)
