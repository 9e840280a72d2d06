"""The agent for a console elsewhere, as a process of its own that the daemon begins, and again when it has ended: restores that
people ask for there are carried out without another service.

That it fails is said when it begins to fail and otherwise than before; each time it has longer to wait.
"""

from __future__ import annotations

from collections.abc import Callable

from policies.scheduling.jobs import Launch, Stop
from vault.clock import Clock
from vault.errors import StrongroomError

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 600.0
"""Seconds until it is begun again."""
GOOD_AFTER = 600.0
"""Seconds after which one that ends has done well, so that the next one begins at once."""
FOR_EVER = 1e9
STEP = 0.1

AgentWork = Callable[[Stop], None]
"""Runs it until it ends, or is asked to. Raises `StrongroomError` where it did not end as it was asked to."""


class ConsoleAgent:
    """report: hears that it fails · launch: gives it a thread."""

    def __init__(self, clock: Clock, report: Callable[[str], None], launch: Launch) -> None:
        self._clock = clock
        self._report = report
        self._launch = launch
        self._work: AgentWork | None = None
        self._stop: Stop | None = None
        self._not_before = clock.monotonic()
        self._pause = FIRST_PAUSE
        self._failing = ""

    def use(self, work: AgentWork | None) -> None:
        """From now on this; one that runs is asked to end, as the settings may be others. None: none."""
        self._work = work
        self._pause, self._not_before = FIRST_PAUSE, self._clock.monotonic()
        if self._stop is not None:
            self._stop.ask()

    @property
    def is_running(self) -> bool:
        """Whether there is one."""
        return self._stop is not None

    def tick(self) -> None:
        """Begin it where it is to run and does not. Raises what `launch` raises."""
        if self._work is None or self._stop is not None or self._clock.monotonic() < self._not_before:
            return
        work, stop = self._work, Stop(self._clock, self._clock.monotonic() + FOR_EVER)
        self._stop = stop
        try:
            self._launch("console agent", lambda: self._run(work, stop))
        except BaseException:
            self._stop = None
            raise

    def end(self, seconds: float) -> None:
        """Ask it to end, and wait so long."""
        self._work = None
        until = self._clock.monotonic() + seconds
        if self._stop is not None:
            self._stop.ask()
        while self._stop is not None and self._clock.monotonic() < until:
            self._clock.sleep(STEP)

    def _run(self, work: AgentWork, stop: Stop) -> None:
        """On a thread of its own."""
        began = self._clock.monotonic()
        error = ""
        try:
            work(stop)
        except StrongroomError as met:
            error = str(met)
        except Exception as met:  # noqa: BLE001 (a thread of its own: whatever it is, it is a reason)
            error = f"{type(met).__name__}: {met}"
        if self._clock.monotonic() - began >= GOOD_AFTER:
            self._pause, self._failing = FIRST_PAUSE, ""
        if error and error != self._failing:
            self._report(f"the agent for the console: {error}")
        self._failing = error
        if stop.reason is None:
            self._not_before = self._clock.monotonic() + self._pause
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
        self._stop = None
