"""Recovery kits are reminded of once their time is over, which begins when a machine first hears of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from policies.monitoring import kit_reminders
from policies.monitoring.alerts import Alert
from policies.monitoring.kit_reminders import ATTEMPTED, PROVEN, KitConfig, KitName
from policies.monitoring.state_store import StateStore
from tests.support.stage import NOON

WITHIN = timedelta(days=180)
KITS = KitConfig((KitName("AAAA-BBBB", "AAAA-BBBB"), KitName("CCCC-DDDD", "CCCC-DDDD")), WITHIN)
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    with StateStore.open(tmp_path / "findings.sqlite") as opened:
        yield opened


def due(store: StateStore, days: float, config: KitConfig = KITS) -> list[Alert]:
    now = NOON + timedelta(days=days)
    return list(kit_reminders.reminders(config, kit_reminders.states(config, store, now), now))


def test_an_upgraded_machine_is_reminded_of_nothing_until_the_time_is_over(store: StateStore) -> None:
    assert due(store, 0) == [] and due(store, 180) == []
    found = due(store, 181)
    assert [one.subject for one in found] == ["recovery kit AAAA-BBBB", "recovery kit CCCC-DDDD"]
    assert all("has not been proven for 181 days" in one.message and one.severity == "warning" for one in found)
    assert {one.key for one in due(store, 400)} == {one.key for one in found}, "one reminder, whatever its words say"


def test_a_proof_begins_the_time_anew_for_its_own_kit_alone(store: StateStore) -> None:
    due(store, 0)
    store.note("", PROVEN, "AAAA-BBBB", NOON + 100 * DAY, {"projects": 3})
    assert [one.subject for one in due(store, 200)] == ["recovery kit CCCC-DDDD"]
    assert "was proven 181 days ago" in due(store, 281)[0].message


def test_a_failed_attempt_is_told_at_once_and_ends_with_a_proof(store: StateStore) -> None:
    due(store, 0)
    store.note("", ATTEMPTED, "AAAA-BBBB", NOON, {"trouble": "acme: it has no key object for this kit"})
    (found,) = due(store, 1)
    assert found.subject == "recovery kit AAAA-BBBB" and "acme: it has no key object" in found.message
    store.note("", PROVEN, "AAAA-BBBB", NOON + DAY, {})
    store.note("", ATTEMPTED, "AAAA-BBBB", NOON + DAY, {"trouble": ""})
    assert due(store, 2) == []


def test_a_proof_by_a_clock_that_was_ahead_does_not_hold_for_years(store: StateStore) -> None:
    due(store, 0)
    store.note("", PROVEN, "AAAA-BBBB", NOON + 3000 * DAY, {})
    assert [one.subject for one in due(store, 181)] == ["recovery kit AAAA-BBBB", "recovery kit CCCC-DDDD"]


def test_a_kit_that_the_settings_no_longer_name_is_forgotten(store: StateStore) -> None:
    due(store, 0)
    assert due(store, 181, KitConfig((), WITHIN)) == []
    assert kit_reminders.reminders(KitConfig(), (), NOON) == ()
