"""Object Lock in a copy's store: by the copy's own settings, whatever the repository's store has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from strongroom import environment
from tests.e2e.test_copy import name_copy
from tests.e2e.test_object_lock import LOCKED, PACKS, days_from_now, lasting_locks
from tests.e2e.test_story import Calendar
from tests.support.buckets import legal_holds, locked_bucket, locks
from tests.support.desk import Desk, Place
from tests.support.randomness import SeededChance
from tests.support.tree_facts import write_files


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendar]:
    made = Calendar(timedelta())
    monkeypatch.setattr(environment, "SystemClock", lambda: made)
    yield made


@pytest.fixture
def bucket(weed_endpoint: str) -> str:
    return locked_bucket(weed_endpoint)


@pytest.fixture
def desk(tmp_path: Path, weed_endpoint: str, bucket: str, calendar: Calendar) -> Desk:
    """A repository in a folder, which locks nothing, and settings for a copy whose objects are locked for twenty days."""
    made = Desk(tmp_path / "desk", Place("repository"))
    write_files(made.folder / "source", {"2024/a.bin": SeededChance("a").token(5000)})
    made.init()
    made.add("acme", f"reports={made.folder / 'source'}")
    keep = "[copies.offsite.keep]\nlast = 1\nwithin = '0 days'\n"
    lock = "[copies.offsite.lock]\nmode = 'governance'\ndays = 20\n"
    name_copy(made, Place(f"s3://{bucket}/depot", weed_endpoint), more=keep + lock)
    made.call("backup")
    return made


def test_what_is_copied_is_locked_and_stays_so_while_the_newest_snapshots_need_it(
    desk: Desk, weed_endpoint: str, bucket: str, calendar: Calendar
) -> None:
    desk.call("copy")
    first = locks(weed_endpoint, bucket, *LOCKED)
    assert len(first) >= 4 and all(19.9 < days_from_now(until) < 20.1 for until in first.values())
    assert {name.split("/")[0] for name in lasting_locks(weed_endpoint, bucket)} >= {"strongroom.json", "keys"}
    calendar.ahead = timedelta(days=5)
    write_files(desk.folder / "source", {"2024/b.bin": SeededChance("b").token(5000)})
    desk.call("backup")
    desk.call("copy")
    assert all(24.9 < days_from_now(until) < 25.1 for until in locks(weed_endpoint, bucket, "packs").values())
    assert all(24.9 < days_from_now(until) < 25.1 for until in lasting_locks(weed_endpoint, bucket).values())
    assert desk.call("check", "--from", "offsite", "--json").document["projects"][0]["unlocked"] == []


def test_a_prune_of_the_copy_leaves_what_is_locked(desk: Desk, calendar: Calendar) -> None:
    desk.call("copy")
    write_files(desk.folder / "source", {"2024/a.bin": SeededChance("another").token(5000)})
    desk.call("backup")
    desk.call("copy")
    desk.call("retention", "apply", "--from", "offsite", "--yes")
    assert "locked" in desk.call("prune", "--from", "offsite", "--yes").text
    calendar.ahead = timedelta(days=30)
    desk.call("prune", "--from", "offsite", "--yes")
    assert "sound" in desk.call("check", "--from", "offsite", "--data", exits=3).text, "no copy has extended the locks"
    (project,) = desk.call("list", "--from", "offsite", "--json").document["projects"]
    assert len(project["snapshots"]) == 1
    desk.call("backup")
    desk.call("copy")


def test_holds_are_legal_holds_in_the_copy(desk: Desk, weed_endpoint: str, bucket: str) -> None:
    hold = desk.call("hold", "add", "acme", "--reason", "case 17", "--json").document["hold"]
    desk.call("copy")
    held = legal_holds(weed_endpoint, bucket, *PACKS, "snapshots")
    assert held == set(locks(weed_endpoint, bucket, *PACKS, "snapshots"))
    desk.call("hold", "release", "acme", hold, "--reason", "over")
    write_files(desk.folder / "source", {"2024/b.bin": b"b"})
    desk.call("backup")
    desk.call("copy")
    assert legal_holds(weed_endpoint, bucket, *PACKS, "snapshots") == set()
