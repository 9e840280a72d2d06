"""Object Lock on stores that have it: what is uploaded is locked, stays locked while snapshots lean on it, and prune waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom import environment
from tests.e2e.test_story import Calendar
from tests.support.buckets import legal_holds, locked_bucket, locks
from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk, Place
from tests.support.randomness import SeededChance
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.tree_facts import tree_facts, write_files

PACKS = ("packs", "meta")
LOCKED = (*PACKS, "index", "snapshots")


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendar]:
    made = Calendar(timedelta())
    monkeypatch.setattr(environment, "SystemClock", lambda: made)
    yield made


@pytest.fixture(params=["weed", "moto"])
def endpoint(request: pytest.FixtureRequest) -> str:
    if request.param == "moto":
        not_covered("moto lets anybody shorten a lock, so that it never gets shorter is seen on SeaweedFS alone")
    url: str = request.getfixturevalue(f"{request.param}_endpoint")
    return url


def desk_in(folder: Path, bucket: str, endpoint: str, settings: str = "") -> Desk:
    """A project with one file, not backed up yet."""
    desk = Desk(folder / "desk", Place(f"s3://{bucket}/depot", endpoint))
    write_files(desk.folder / "source", {"2024/a.bin": SeededChance("a").token(5000)})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    with desk.settings.open("a") as file:
        file.write(f'\n[projects.acme.keep]\nlast = 1\nwithin = "1 day"\n{settings}\n')
    return desk


def locked_for(days: int, mode: str = "governance") -> str:
    return f'\n[projects.acme.lock]\nmode = "{mode}"\ndays = {days}\n'


def days_from_now(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - datetime.now(UTC)) / timedelta(days=1)


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_uploads_are_locked_and_what_a_later_snapshot_leans_on_stays_locked(
    tmp_path: Path, endpoint: str, calendar: Calendar, mode: str
) -> None:
    bucket = locked_bucket(endpoint)
    desk = desk_in(tmp_path, bucket, endpoint, locked_for(20, mode))
    desk.call("backup")
    first = locks(endpoint, bucket, *LOCKED)
    assert len(first) >= 4 and all(19.9 < days_from_now(until) < 20.1 for until in first.values())
    assert set(locks(endpoint, bucket, "claims", "marks").values()) <= {None}
    entries = locks(endpoint, bucket, "audit")
    assert len(entries) == 1 and all(19.9 < days_from_now(until) < 20.1 for until in entries.values())

    calendar.ahead = timedelta(days=1)
    desk.call("backup")
    now = locks(endpoint, bucket, *LOCKED)
    assert {key: now[key] for key in first} == first, "nothing is asked for before a tenth of the days has gone by"

    calendar.ahead = timedelta(days=3)
    desk.call("backup")
    now = locks(endpoint, bucket, *PACKS)
    assert all(22.9 < days_from_now(until) < 23.1 for until in now.values())

    with desk.settings.open() as file:
        fewer = file.read().replace("days = 20", "days = 2")
    desk.settings.write_text(fewer)
    desk.call("backup")
    assert locks(endpoint, bucket, *PACKS) == now, "a lock is never made shorter"
    assert "sound" in desk.call("check", "--data").text


def test_what_opens_a_project_is_locked_too_and_stays_so(tmp_path: Path, endpoint: str, calendar: Calendar) -> None:
    bucket = locked_bucket(endpoint)
    desk = desk_in(tmp_path, bucket, endpoint, locked_for(20))
    told = desk.call("check", "--json", exits=3)
    parts = [name.split("/") for name in told.document["projects"][0]["unlocked"]]
    assert {one[0] if one[0] != "projects" else one[2] for one in parts} == {"strongroom.json", "keys", "grants"}
    desk.call("backup")
    for day in range(1, 3):
        calendar.ahead = timedelta(days=day)
        write_files(desk.folder / "source", {"2024/a.bin": SeededChance(f"day {day}").token(5000)})
        desk.call("backup", "-q")
    desk.call("retention", "apply", "--yes")
    desk.call("hold", "add", "acme", "--reason", "a court")
    lasting = lasting_locks(endpoint, bucket)
    assert {name.split("/")[0] for name in lasting} >= {"strongroom.json", "keys", "forgotten", "holds"}
    assert all(19.9 < days_from_now(until) < 22.1 for until in lasting.values())

    calendar.ahead = timedelta(days=12)
    desk.call("backup")
    later = lasting_locks(endpoint, bucket)
    assert later.keys() == lasting.keys() and all(31.9 < days_from_now(until) < 32.1 for until in later.values())
    assert desk.call("check", "--data", "--json").document["projects"][0]["unlocked"] == []


def test_check_and_doctor_name_what_has_come_unlocked(tmp_path: Path, endpoint: str, calendar: Calendar) -> None:
    bucket = locked_bucket(endpoint)
    desk = desk_in(tmp_path, bucket, endpoint, locked_for(5))
    desk.call("backup")
    assert "can be deleted" not in desk.call("doctor").err
    calendar.ahead = timedelta(days=30)
    told = desk.call("check", "--data", exits=3)
    assert "that the settings want locked can be deleted" in told.err
    assert "strongroom.json" in desk.call("doctor").err
    desk.call("backup")
    desk.call("check", "--data")


def lasting_locks(endpoint: str, bucket: str) -> dict[str, datetime | None]:
    """Until when what lasts as long as a project is locked, by its name below its project."""
    found = locks(endpoint, bucket, "holds", "forgotten")
    found = {name.split("/projects/")[1].split("/", 1)[1]: until for name, until in found.items()}
    with closing(raw_client(endpoint)) as client:
        for row in client.list_objects_v2(Bucket=bucket)["Contents"]:
            name = row["Key"].removeprefix("depot/")
            if name.startswith(("keys/", "strongroom")):
                found[name] = client.head_object(Bucket=bucket, Key=row["Key"]).get("ObjectLockRetainUntilDate")
    return found


def test_prune_leaves_what_is_locked_says_until_when_and_takes_it_afterwards(
    tmp_path: Path, endpoint: str, calendar: Calendar
) -> None:
    bucket = locked_bucket(endpoint)
    desk = desk_in(tmp_path, bucket, endpoint, locked_for(10))
    for day in range(3):
        calendar.ahead = timedelta(days=day * 2)
        write_files(desk.folder / "source", {"2024/a.bin": SeededChance(f"day {day}").token(50_000)})
        desk.call("backup", "-q")
    desk.call("retention", "apply", "--yes")
    before = locks(endpoint, bucket, *PACKS)
    shown = desk.call("prune", "--yes")
    assert "is locked by the store until" in shown.text and "records of forgotten snapshots stay" in shown.text
    assert locks(endpoint, bucket, *PACKS).keys() == before.keys()
    plan = desk.call("prune", "--dry-run", "--json").document["projects"][0]["plan"]
    assert plan["locked"] and len(plan["locked_records"]) == 2 and plan["dead"]["packs"] == 0

    calendar.ahead = timedelta(days=30)
    done = desk.call("prune", "--yes", "--json").document["projects"][0]
    assert done["deleted"] >= 2 and done["forgotten"] == 2 and done["done"] and not done["plan"]["locked"]
    assert "sound" in desk.call("check", "--data", exits=3).text, "no backup has extended the locks for a month"
    desk.call("restore", "acme", "--to", "back")
    assert tree_facts(desk.folder / "back/reports") == tree_facts(desk.folder / "source")


def test_a_hold_is_a_legal_hold_on_what_its_snapshots_need_until_no_hold_needs_it(
    tmp_path: Path, endpoint: str, calendar: Calendar
) -> None:
    bucket = locked_bucket(endpoint)
    desk = desk_in(tmp_path, bucket, endpoint, locked_for(10))
    desk.call("backup", "-q")
    hold = desk.call("hold", "add", "acme", "--period", "2024", "--reason", "an audit", "--json").document["hold"]
    held = legal_holds(endpoint, bucket, *PACKS, "snapshots")
    assert held == locks(endpoint, bucket, *PACKS, "snapshots").keys()

    write_files(desk.folder / "source", {"2024/b.bin": SeededChance("b").token(5000)})
    desk.call("backup", "-q")
    later = legal_holds(endpoint, bucket, *PACKS, "snapshots")
    assert held < later == locks(endpoint, bucket, *PACKS, "snapshots").keys(), "what comes later is held as well"

    first = min(key for key in held if "/snapshots/" in key).rpartition("/")[2]
    other = desk.call("hold", "add", "acme", "--snapshot", first, "--reason", "a court", "--json").document["hold"]
    desk.call("hold", "release", "acme", hold, "--reason", "the audit is over")
    assert legal_holds(endpoint, bucket, *PACKS, "snapshots") == held, "the other hold needs these"
    desk.call("hold", "release", "acme", other, "--reason", "settled")
    assert legal_holds(endpoint, bucket, *PACKS, "snapshots") == set()


def test_prune_says_that_a_legal_hold_keeps_a_pack(tmp_path: Path, weed_endpoint: str, calendar: Calendar) -> None:
    bucket = locked_bucket(weed_endpoint)
    desk = desk_in(tmp_path, bucket, weed_endpoint, locked_for(1))
    desk.call("backup", "-q")
    day = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"
    desk.call("hold", "add", "acme", "--reason", "for two days", "--until", day)
    calendar.ahead = timedelta(days=5)
    write_files(desk.folder / "source", {"2024/a.bin": SeededChance("other").token(5000)})
    desk.call("backup", "-q")
    desk.call("retention", "apply", "--yes")
    assert "is under a legal hold" in desk.call("prune", "--yes").text
    assert "sound" in desk.call("check", "--data").text


def test_a_bucket_with_a_default_retention_works_without_settings_of_its_own(
    tmp_path: Path, endpoint: str, calendar: Calendar
) -> None:
    bucket = locked_bucket(endpoint, default_days=5)
    desk = desk_in(tmp_path, bucket, endpoint)
    for day in range(3):
        calendar.ahead = timedelta(days=day)
        write_files(desk.folder / "source", {"2024/a.bin": SeededChance(f"day {day}").token(5000)})
        desk.call("backup", "-q")
    assert all(4.9 < days_from_now(until) < 5.1 for until in locks(endpoint, bucket, *LOCKED).values())
    assert locks(endpoint, bucket, "claims") == {}, "a deleted claim stays as a version, behind a marker"
    desk.call("retention", "apply", "--yes")
    assert "is locked by the store until" in desk.call("prune", "--yes").text
    calendar.ahead = timedelta(days=20)
    assert desk.call("prune", "--yes", "--json").document["projects"][0]["deleted"] > 0
    assert "sound" in desk.call("check", "--data").text


def test_a_bucket_without_object_lock_is_refused_before_anything_is_written(tmp_path: Path, endpoint: str) -> None:
    desk = desk_in(tmp_path, BUCKET, endpoint.rstrip("/"), locked_for(10))
    refused = desk.call("backup", exits=30)
    assert "has no Object Lock" in refused.err and "hint: Object Lock is a property" in refused.err
    assert desk.call("list", "--json").document["projects"][0]["snapshots"] == []
    assert "want Object Lock for acme" in desk.call("doctor").err


def test_a_folder_has_no_object_lock(desk: Desk) -> None:
    write_files(desk.folder / "source", {"a.csv": b"1"})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    with desk.settings.open("a") as file:
        file.write(locked_for(10))
    assert "has no Object Lock" in desk.call("backup", exits=30).err
