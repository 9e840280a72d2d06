"""Writes runs into the run history, all of a tick in one go; what the run history cannot take now is kept and written later.

Whoever watches hears of a run once it is written, or once it is known that it cannot be yet: a disk that is full must not keep
an alert silent. Writing and reporting are apart, so that runs can start between the two: a watcher that fails keeps no run from
its start, and hears the rest the next time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from policies.scheduling.job_state import mistake
from policies.scheduling.jobs import Watcher
from policies.scheduling.run import Run
from policies.scheduling.run_history import RunHistory
from vault.errors import StrongroomError

MOST_UNWRITTEN = 10_000
"""Runs that wait for the run history to be written again; the oldest of more are lost to it, not to the jobs."""


class HistoryWriter:
    """history: written at each `write` · watcher: hears of each run at `report`, and once when writing fails, and is possible
    again."""

    def __init__(self, history: RunHistory, watcher: Watcher) -> None:
        self._history = history
        self._watcher = watcher
        self._unwritten: deque[Run] = deque(maxlen=MOST_UNWRITTEN)
        self._unreported: deque[Run | str] = deque(maxlen=MOST_UNWRITTEN)
        self.is_behind = False

    @property
    def unwritten(self) -> list[Run]:
        """What the run history does not have yet, the oldest first."""
        return list(self._unwritten)

    def note(self, run: Run) -> None:
        """It has begun, has ended or is passed over."""
        self._unwritten.append(run)
        self._unreported.append(run)

    def write_anew(self, runs: Iterable[Run]) -> None:
        """Into a run history that was begun anew: all that is known, each job's runs in their order. What cannot be written
        now is written later."""
        known = list(runs)
        try:
            self._history.write_anew(known)
        except StrongroomError:
            ids = {run.id for run in known}
            self._unwritten = deque([*known, *(run for run in self._unwritten if run.id not in ids)], maxlen=MOST_UNWRITTEN)

    def notice(self, text: str) -> None:
        """Something that a person should know."""
        self._unreported.append(text)

    def write(self) -> None:
        """Write everything that is not written. What the run history cannot take is kept; that is never an error."""
        if not self._unwritten:
            return
        was_behind = self.is_behind
        try:
            self._history.write(*self._unwritten)
        except Exception as error:  # noqa: BLE001 (whatever it is, runs that are about to start must not wait for it)
            self.is_behind = True
            if not was_behind:
                what = str(error) if isinstance(error, StrongroomError) else mistake(error)
                self.notice(f"{what}; runs go on and are written down later")
        else:
            self.is_behind = False
            self._unwritten.clear()
            if was_behind:
                self.notice("the run history can be written again, and all runs are in it")

    def report(self) -> None:
        """Report everything that is not reported yet. Raises what the watcher raises; the rest is reported the next time."""
        while self._unreported:
            one = self._unreported.popleft()
            if isinstance(one, str):
                self._watcher.notice(one)
            elif one.ending is None:
                self._watcher.started(one)
            else:
                self._watcher.ended(one)
