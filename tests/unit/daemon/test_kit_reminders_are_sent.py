"""The daemon sends a reminder of a recovery kit once, and its end; monitors see neither."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.daemon.daemon import DaemonConfig
from policies.monitoring.kit_reminders import PROVEN, KitConfig, KitName
from tests.unit.daemon.simulated_daemon import House, project


class WithKits(House):
    """Its settings name recovery kits."""

    kits = KitConfig((KitName("AAAA-BBBB", "AAAA-BBBB"),), timedelta(hours=10))

    def wanted(self, *projects: object) -> DaemonConfig:
        return replace(super().wanted(*projects), kits=self.kits)  # type: ignore[arg-type]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WithKits]:
    made = WithKits(tmp_path, project())
    yield made
    made.close()


def told(house: House) -> list[tuple[str, str]]:
    """What was sent: of each line its form and its promise."""
    found = []
    for message in house.channel.told:
        found += [("firing", line.title) for line in message.firing if line.promise == "kit"]
        found += [("resolved", line.title) for line in message.resolved if line.promise == "kit"]
    return found


def test_a_reminder_is_sent_once_and_once_more_when_the_kit_is_proven(house: WithKits) -> None:
    house.live(9)
    assert told(house) == []
    house.live(10)
    assert told(house) == [("firing", "recovery kit AAAA-BBBB")]
    house.stage._clock.forget()
    house.history.close()
    house.begin()
    house.live(3)
    assert told(house) == [("firing", "recovery kit AAAA-BBBB")], "a restart does not repeat it"
    house.state_store.note("", PROVEN, "AAAA-BBBB", house.clock.now(), {})
    house.live(1)
    assert told(house)[1:] == [("resolved", "recovery kit AAAA-BBBB")]


def test_a_reminder_is_no_alert_for_monitors(house: WithKits) -> None:
    house.live(12)
    assert told(house) and house.daemon._monitor.alerts == ()
    assert [one.promise for one in house.daemon._monitor.reminders] == ["kit"]
    assert "0 firing alerts" in house.daemon._status()


def test_a_kit_that_leaves_the_settings_is_taken_back_without_a_message(house: WithKits) -> None:
    house.live(12)
    house.kits = KitConfig()
    house.read_anew = lambda: house.wanted(*house.projects)
    house.hands.reload = True
    house.live(1)
    assert told(house) == [("firing", "recovery kit AAAA-BBBB")]
    assert any("is no longer in the settings" in line for line in house.lines)
