"""The day that Strongroom exists for: two years of a client's reports deleted with one click, found out a month later, and put
back in place by one command; what came since is not touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest

from strongroom import environment
from tests.support import webdav
from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk, Place
from tests.support.tree_facts import tree_facts
from vault.clock import SystemClock

KYIV = ZoneInfo("Europe/Kyiv")
FIRST = datetime(2023, 1, 1, tzinfo=KYIV)


@dataclass
class Calendar:
    """Stands in for the system's clock: a day ahead of it, and as much further as the story has come."""

    ahead: timedelta = timedelta(days=1)
    real: SystemClock = field(default_factory=SystemClock)

    def now(self) -> datetime:
        return self.real.now() + self.ahead

    def monotonic(self) -> float:
        return self.real.monotonic()

    def sleep(self, seconds: float) -> None:
        self.real.sleep(seconds)


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendar]:
    made = Calendar()
    monkeypatch.setattr(environment, "SystemClock", lambda: made)
    yield made


def write(path: Path, text: str, at: datetime, mode: int = 0o640) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    stamp = int(at.timestamp()) * 1_000_000_000 + 123_456_789
    os.utime(path, ns=(stamp, stamp))


def hourly(client: Path, hour: datetime) -> None:
    lines = "".join(
        f"{hour:%Y-%m-%d %H}:{minute:02},{(minute * hour.day) % 97},+7916{minute:07}\n" for minute in range(0, 60, 5)
    )
    write(client / f"hourly/{hour:%Y/%m/%d/%H}.csv", "time,calls,phone\n" + lines, hour.astimezone(UTC) + timedelta(hours=1))


def two_years(client: Path, days: int) -> datetime:
    """Reports of every hour with their roll-ups by day, month and year; gives the hour that comes next."""
    start = FIRST.astimezone(UTC)
    for hour in range(days * 24):
        hourly(client, (start + timedelta(hours=hour)).astimezone(KYIV))
    for day in range(days):
        at = FIRST + timedelta(days=day)
        write(
            client / f"daily/{at:%Y-%m}/{at:%d.%m.%Y}.csv", f"day,calls\n{at:%Y-%m-%d},{day}\n", at + timedelta(days=1), 0o600
        )
        if at.day == 1:
            write(client / f"monthly/{at:%Y-%m}.csv", f"month,calls\n{at:%Y-%m},{day}\n", at, 0o444)
    for year in range(2023, (FIRST + timedelta(days=days - 1)).year + 1):
        write(client / f"summary {year}.csv", f"year,calls\n{year},1\n", FIRST)
    folders = [Path(folder) for folder, _, _ in os.walk(client)]
    for number, folder in enumerate(folders):
        os.utime(folder, ns=(number * 10**9 + 17, number * 10**9 + 17))
    return (start + timedelta(days=days)).astimezone(KYIV)


def the_story(desk: Desk, calendar: Calendar, *, days: int, before: int, after: int) -> None:
    reports = desk.folder / "reports"
    client = reports / "acme"
    two_years(client, days)
    write(reports / "other client/notes.txt", "nothing happens here\n", FIRST)
    desk.init()
    desk.call("project", "add", "sdek", "--source", f"reports={reports}", "--zone", "Europe/Kyiv")
    desk.call("backup")
    for hour in range(before):
        calendar.ahead += timedelta(hours=1)
        write(reports / f"other client/{hour}.txt", f"hour {hour}\n", FIRST)
        desk.call("backup")

    lost = tree_facts(client)
    shutil.rmtree(client)
    calendar.ahead += timedelta(hours=1)
    desk.call("backup")
    for day in range(after):
        calendar.ahead += timedelta(days=1)
        write(reports / f"other client/after {day}.txt", f"day {day}\n", FIRST)
        if day == 0:  # somebody sends one report anew, and a new one
            write(client / "summary 2023.csv", "year,calls\n2023,2\n", datetime.now(UTC))
            write(client / "hourly/2031/01/01/00.csv", "time,calls,phone\n", datetime.now(UTC))
        desk.call("backup")
    since = tree_facts(reports)

    shown = desk.call("restore", "sdek", "--kind", "reports", "--period", "2023..2024", "--deleted", "--in-place", "--dry-run")
    assert tree_facts(reports) == since, "looking writes nothing"
    assert "plan: " in shown.err
    told = desk.call("restore", "sdek", "--kind", "reports", "--period", "2023..2024", "--deleted", "--in-place", "--json")
    files = sum(1 for path in client.rglob("*") if path.is_file())
    assert told.document["files"] == files - 2, "but for the two that somebody has sent since"
    now = tree_facts(reports)
    folders = {path for path in now if not (reports / os.fsdecode(path)).is_file()}
    assert {path: fact for path, fact in now.items() if path in since and path not in folders} == {
        path: fact for path, fact in since.items() if path not in folders
    }, "what was there is as it was"
    back = tree_facts(client)
    sent_again = {b"summary 2023.csv", b"hourly/2031/01/01/00.csv"}
    grown = {b"", b"hourly", b"hourly/2031", b"hourly/2031/01", b"hourly/2031/01/01"}
    assert {path: back[path] for path in lost.keys() - sent_again - grown} == {
        path: fact for path, fact in lost.items() if path not in sent_again | grown
    }, "every byte, time and mode"
    again = desk.call("restore", "sdek", "--kind", "reports", "--period", "2023..2024", "--deleted", "--in-place", "--json")
    assert again.document["files"] == 0, "the same command twice has nothing left to do"


def test_a_deleted_folder_is_put_back_in_place_a_month_later(any_desk: Desk, calendar: Calendar) -> None:
    the_story(any_desk, calendar, days=40, before=2, after=2)


@pytest.mark.slow
@pytest.mark.parametrize("store", ["moto", "weed"])
def test_two_years_of_hourly_reports_are_put_back_in_place_a_month_later(
    store: str, tmp_path: Path, place_of: Callable[[str], Place], calendar: Calendar
) -> None:
    desk = Desk(tmp_path / "desk", place_of(store))
    the_story(desk, calendar, days=731, before=72, after=30)


def test_a_folder_on_a_webdav_server_is_lost_and_comes_back(desk: Desk) -> None:
    try:
        import wsgidav  # noqa: F401
    except ImportError:
        not_covered("a folder on a WebDAV server: wsgidav is not installed")
        return
    cloud, mirror = desk.folder / "cloud", desk.folder / "mirror"
    client = cloud / "client ж"
    two_years(client, days=3)
    right = {path.relative_to(cloud): path.read_bytes() for path in client.rglob("*") if path.is_file()}
    desk.init()
    with webdav.served(cloud) as url:
        assert webdav.copied(url, mirror) == len(right)
        desk.call("project", "add", "sdek", "--source", f"reports={mirror}", "--zone", "Europe/Kyiv")
        desk.call("backup")
        webdav.ask("DELETE", url + quote(client.name) + "/")
        assert not client.exists()
        shutil.rmtree(mirror)
        webdav.copied(url, mirror)
        (mirror / "left.txt").write_text("the source is not empty\n")
        desk.call("backup")
        desk.call("restore", "sdek", "--kind", "reports", "--period", "2023", "--deleted", "--to", "back")
        webdav.put_back(desk.folder / "back/reports" / client.name, url + quote(client.name))
    found = {path.relative_to(cloud): path.read_bytes() for path in client.rglob("*") if path.is_file()}
    assert found == right
