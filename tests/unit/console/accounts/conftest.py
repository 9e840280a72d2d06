"""Accounts over a file of their own, with a clock that stands still and passwords that are cheap."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.accounts import accounts
from console.accounts.accounts import Accounts
from console.accounts.passwords import Work
from console.state import ConsoleState
from strongroom.settings.console import ConsoleSettings
from tests.support.clock import StillClock
from tests.support.randomness import SeededChance

PASSWORD = "correct horse battery"


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def state(tmp_path: Path) -> ConsoleState:
    return ConsoleState(tmp_path / "console.sqlite")


@pytest.fixture
def people(state: ConsoleState, clock: StillClock) -> Accounts:
    """With one account, anna's."""
    settings = ConsoleSettings.model_construct()
    made = accounts.opened(state, lambda: settings, clock, SeededChance("people"), Work(1, 8, 1))
    made.local.add("anna", PASSWORD, "Anna", ["managers"])
    return made
