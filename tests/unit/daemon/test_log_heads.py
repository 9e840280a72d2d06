"""The daemon tells people the heads of the log once a week, and has them stamped once a day, whatever fails meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.daemon import daemon
from policies.daemon.log_heads import LogTasks
from policies.notifications.message import Message
from policies.scheduling import periodic_tasks as scheduling_loop
from tests.unit.daemon.simulated_daemon import House, project
from vault.errors import StorageDenied

HEAD = f"{'c' * 32}/812/{'ab' * 32}"
DAY = 24


@pytest.fixture(autouse=True)
def beats_of_minutes(slow_beats: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens here happens once a day or a week, or an hour after a failure."""
    monkeypatch.setattr(daemon, "TICK", 60.0)
    monkeypatch.setattr(daemon, "LOOK", 600.0)
    monkeypatch.setattr(scheduling_loop, "LONGEST_SLEEP", 60.0)


class Tasks:
    """Counts what it was asked for."""

    def __init__(self) -> None:
        self.read = self.stamped = 0
        self.fails = False

    def heads(self) -> list[str]:
        self.read += 1
        if self.fails:
            raise StorageDenied("the store says no")
        return [HEAD]

    def stamp(self) -> None:
        self.stamped += 1
        if self.fails:
            raise StorageDenied("the store says no")


def restarted(house: House) -> None:
    house.history.close()
    house.begin()


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


@pytest.fixture
def house(tmp_path: Path, tasks: Tasks) -> Iterator[House]:
    made = House(tmp_path, project())
    plain = made.wanted
    made.wanted = lambda *projects: replace(plain(*projects), log=LogTasks(tasks.heads, tasks.stamp))  # type: ignore[method-assign]
    restarted(made)
    yield made
    made.close()


def test_heads_are_told_once_a_week_and_a_restart_repeats_nothing(house: House, tasks: Tasks) -> None:
    house.live(6 * DAY)
    assert house.channel.told == [] and tasks.read == 0
    restarted(house)
    house.live(1.5 * DAY)
    (told,) = house.channel.told
    assert told.subject == "Strongroom on here: the heads of the log"
    assert HEAD in told.text() and "audit verify --head" in told.text()
    assert (told.firing, told.resolved, told.severity) == ((), (), "")
    restarted(house)
    house.live(6 * DAY)
    assert len(house.channel.told) == 1
    house.live(7 * DAY)
    assert len(house.channel.told) == 2 and tasks.read == 2


def test_heads_are_stamped_at_once_and_then_once_a_day(house: House, tasks: Tasks) -> None:
    house.live(1)
    assert tasks.stamped == 1
    restarted(house)
    house.live(2.5 * DAY)
    assert tasks.stamped == 3


def test_what_fails_is_reported_and_tried_again_an_hour_later(house: House, tasks: Tasks) -> None:
    tasks.fails = True
    house.live(2.5)
    assert tasks.stamped == 3
    assert any("could not be stamped: the store says no" in line for line in house.lines)
    tasks.fails = False
    house.live(12)
    assert tasks.stamped == 4


def test_nobody_is_asked_where_there_are_no_channels(house: House, tasks: Tasks) -> None:
    house.daemon._outbox.use([])
    house.live(9 * DAY)
    assert tasks.read == 0 and tasks.stamped > 5


def test_a_message_with_heads_survives_the_outbox(house: House) -> None:
    house.live(8 * DAY)
    (told,) = house.channel.told
    assert Message.from_json(told.as_json()) == told
