"""Whether the store was reached since the daemon began: before that nobody can say that promises are kept.

It is asked at the start, and once a minute until it has answered; a run that did its work has reached it as
well. From then on the runs tell how it is.
"""

from __future__ import annotations

from collections.abc import Callable

from policies.scheduling.jobs import Launch
from policies.scheduling.periodic_tasks import Failure
from vault.clock import Clock
from vault.errors import StrongroomError

ASK_EVERY = 60.0
"""Seconds."""
TASK = "reaching the store"


class FirstContact:
    """ask: raises `StrongroomError` where the store cannot be reached; None where nobody can ask, and it counts as reached ·
    report: hears why it cannot, once for each reason, and that it can · launch: gives the question a thread."""

    def __init__(self, ask: Callable[[], None] | None, clock: Clock, report: Callable[[str], None], launch: Launch) -> None:
        self._ask = ask
        self._clock = clock
        self._report = report
        self._launch = launch
        self._asking = False
        self._next = clock.monotonic()
        self.reached = ask is None
        self.failure: Failure | None = None

    def try_again(self) -> None:
        """Ask, where it is time to and nobody is just asking. Raises what `launch` raises."""
        if self.reached or self._asking or self._clock.monotonic() < self._next:
            return
        self._asking, self._next = True, self._clock.monotonic() + ASK_EVERY
        try:
            self._launch(TASK, self._asked)
        except BaseException:
            self._asking = False
            raise

    def made(self) -> None:
        """A run did its work."""
        if not self.reached:
            self.reached, failed, self.failure = True, self.failure, None
            if failed is not None:
                self._report("the store is reached now")

    def _asked(self) -> None:
        try:
            if self._ask is not None:
                self._ask()
        except StrongroomError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 (a thread of its own: whatever it is, it is a reason)
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self.made()
        finally:
            self._asking = False

    def _failed(self, why: str) -> None:
        before = self.failure
        if self.reached:
            return
        self.failure = Failure(TASK, self._clock.now() if before is None else before.since, why)
        if before is None or before.error != why:
            self._report(f"the store was not reached yet: {why}; it is asked again every {ASK_EVERY:g} seconds")
