"""Simulated days go by in beats of ten seconds, and promises are judged once a minute: else most of a test's time would go into
beats in which nothing is due. `test_the_daemon_beats_each_second` goes by the true ones."""

from __future__ import annotations

import pytest

from policies.daemon import daemon
from policies.scheduling import periodic_tasks as scheduling_loop

TRUE_BEATS = (daemon.TICK, daemon.LOOK, scheduling_loop.LONGEST_SLEEP)


@pytest.fixture(autouse=True)
def slow_beats(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the test is marked to go by the true ones."""
    if "true_beats" not in request.fixturenames:
        monkeypatch.setattr(daemon, "TICK", 10.0)
        monkeypatch.setattr(daemon, "LOOK", 60.0)
        monkeypatch.setattr(scheduling_loop, "LONGEST_SLEEP", 10.0)


@pytest.fixture
def true_beats() -> None:
    """For tests that are about them."""
    assert (daemon.TICK, daemon.LOOK, scheduling_loop.LONGEST_SLEEP) == TRUE_BEATS == (1.0, 15.0, 1.0)
