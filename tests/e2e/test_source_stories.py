"""The day that sources exist for: two years of a client's data at a server, lived quickly with a clock that is moved. One
request deletes it, a month of further snapshots goes by, one command brings it back. It is equal again by the word of another
reader, what is newer is as it was, and life goes on: the next backup, retention, prune and check.

In a normal run a snapshot stands for a quarter of a year before the accident, and for four days after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from strongroom import environment
from tests.e2e.test_story import Calendar
from tests.support import webdav
from tests.support.desk import Desk
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.trees import contents, text, write_tree

START = datetime(2024, 1, 1, tzinfo=UTC)
TWO_YEARS, A_MONTH = timedelta(days=720), timedelta(days=30)
SNAPSHOTS = [(8, 8), pytest.param((24, 30), marks=pytest.mark.slow)]
"""Before the accident, and after it."""

KEEP = '\n[projects.acme.keep]\nwithin = "10 days"\ndaily = 40\nmonthly = 30\n'


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calendar]:
    made = Calendar()
    monkeypatch.setattr(environment, "SystemClock", lambda: made)
    yield made


class Life:
    """A desk in front of a server."""

    def __init__(self, desk: Desk, calendar: Calendar) -> None:
        self.desk, self.calendar = desk, calendar

    def begin(self, url: str, *options: str) -> None:
        self.desk.init()
        self.desk.call("project", "add", "acme")
        words = [word for one in options for word in ("--option", one)]
        self.desk.call("source", "add", "acme", "raw", url, "--name", "server", *words, "--yes")
        with self.desk.settings.open("a") as settings:
            settings.write(KEEP)

    def pass_time(self, count: int, step: timedelta, happens: Callable[[int], None]) -> list[dict[str, Any]]:
        """So many snapshots, with something before each of them."""
        taken = []
        for number in range(count):
            self.calendar.ahead += step
            happens(number)
            (found,) = self.desk.call("backup", "--json").document["snapshots"]
            assert found["problems"] == 0
            taken.append(found)
        return taken

    def goes_on(self) -> None:
        """The next backup has nothing to complain of; somebody says that the deletion is understood; the rest follows."""
        self.calendar.ahead += timedelta(hours=1)
        (found,) = self.desk.call("backup", "--json").document["snapshots"]
        assert found["problems"] == 0
        self.desk.call("snapshot", "accept", "acme", "--reason", "it was put back", "--yes", exits=(0, 2))
        before = len(self.desk.call("list", "--json").document["projects"][0]["snapshots"])
        self.calendar.ahead += timedelta(days=30)
        (again,) = self.desk.call("backup", "--json").document["snapshots"]
        assert (again["problems"], again["changed"], again["added"]) == (0, 0, 0), "nothing happened since"
        self.desk.call("retention", "apply", "--yes")
        self.desk.call("prune", "--yes")
        after = len(self.desk.call("list", "--json").document["projects"][0]["snapshots"])
        assert after <= before + 1
        self.desk.call("check", "--read-data")


def of_client(names: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in names.items() if name.startswith("client ж/")}


def over_webdav(life: Life, folder: Path, snapshots: tuple[int, int], *, a_month: int) -> None:
    """Reports appear on the server, a folder each time; the client's folder is deleted with one request."""
    folder.mkdir()
    months, days = snapshots

    def reports(number: int) -> None:
        at = START + TWO_YEARS / months * number
        written = {f"client ж/{at:%Y-%m}/{day:02} report.csv": text(f"{number} {day}", 400) for day in range(a_month)}
        written[f"other client/{at:%Y-%m}.csv"] = text(number, 100)
        written["client ж/summary.csv"] = text(f"summary {number}", 300)  # it changes every time
        write_tree(folder, written)
        for name in written:
            os.utime(folder / name, (at.timestamp(), at.timestamp()))

    def afterwards(day: int) -> None:
        write_tree(folder, {f"other client/after {day}.csv": text(f"after {day}", 120)})
        if day == 3:  # somebody begins anew
            write_tree(folder, {"client ж/summary.csv": b"a new summary", "client ж/2026-02/new.csv": b"new"})

    with webdav.served(folder) as url:
        life.begin(url.replace("http://", "webdav://"))
        life.pass_time(months, TWO_YEARS / months, reports)
        lost = of_client(contents(folder))
        webdav.ask("DELETE", url + quote("client ж/"))
        assert not (folder / "client ж").exists() and len(lost) > months
        flagged, *_ = life.pass_time(days, A_MONTH / days, afterwards)
        assert flagged["vanished"] > months
        newer = contents(folder)
        done = life.desk.call("restore", "acme", "raw/client ж/**", "--deleted", "--in-place", "--verify", "--yes", "--json")
        assert done.document["verification"]["items_differing"] == 0 and done.document["files"] == len(lost) - 1
        webdav.copied(url, life.desk.folder / "another reader")
        assert contents(life.desk.folder / "another reader") == lost | newer
        life.goes_on()
        (shown,) = [one for one in life.desk.call("ls", "acme", "--json").document["entries"] if one["name"] == "raw"]
        assert shown["items"] >= len(lost | newer)


TABLE = """create table agents (id int primary key, name text not null);
create table calls (id bigint primary key, at timestamptz not null, client text not null, agent int references agents,
  price numeric(10,3), extra jsonb);
create index calls_at on calls (at);
insert into agents values (1, 'Olena'), (2, 'Петро');"""
HOURS = """insert into calls select n, timestamptz '2024-01-01 00:00+00' + n * interval '1 hour', case n % 3 when 0 then 'sdek'
  else 'others' end, n % 2 + 1, n / 7.0, jsonb_build_object('n', n) from generate_series({}, {}) n;"""
ROWS = "select id, at, client, agent, price, extra::text from calls order by id"


def over_sql(life: Life, server: PostgresServer, accident: str, snapshots: tuple[int, int]) -> None:
    """A row an hour; one statement deletes a client's, or all of the table with what it is."""
    months, days = snapshots
    database = server.new_database(TABLE)
    (life.desk.folder / "password").write_text(PASSWORD)

    def hours(number: int) -> None:
        server.run(database, HOURS.format(number * 720, number * 720 + 719))

    def afterwards(day: int) -> None:
        first = (months + 2) * 720 + day * 24
        if accident.startswith("drop") and day == 0:  # the application makes its table anew
            server.run(database, TABLE.partition(";")[2].partition("insert")[0])
        server.run(database, HOURS.format(first, first + 23))

    life.begin(server.url(database), f"user={OWNER}", "password_file=password")
    settings = life.desk.settings.read_text()
    life.desk.settings.write_text(settings.replace('name = "server"', 'name = "server"\ntime_column = "at"'))
    life.pass_time(months, TWO_YEARS / months, hours)
    whole = server.rows(database, ROWS)
    before = life.calendar.now() + timedelta(minutes=1)
    life.calendar.ahead += timedelta(minutes=5)
    server.run(database, accident)
    life.pass_time(days, A_MONTH / days, afterwards)
    newer = [row for row in server.rows(database, ROWS) if row not in whole]
    assert len(newer) == 24 * days and len(server.rows(database, ROWS)) < len(whole)
    moment = before.strftime("%Y-%m-%dT%H:%M:%SZ")
    command = ("restore", "acme", "raw/calls/**", "--at", moment, "--in-place", "--existing", "skip")
    planned = life.desk.call(*command, "--dry-run", "--json").document
    assert planned["tables"][0]["rows_left"] == 0 and len(server.rows(database, ROWS)) < len(whole)
    life.desk.call(*command, "--yes")
    assert server.rows(database, ROWS) == sorted([*whole, *newer])
    life.goes_on()


@pytest.mark.parametrize("snapshots", SNAPSHOTS)
def test_a_folder_on_a_webdav_server_is_back_after_a_month(
    desk: Desk, calendar: Calendar, tmp_path: Path, snapshots: tuple[int, int]
) -> None:
    over_webdav(Life(desk, calendar), tmp_path / "server", snapshots, a_month=5)


DELETED, DROPPED = "delete from calls where client = 'sdek'", "drop table calls"


@pytest.mark.parametrize("snapshots", SNAPSHOTS)
def test_rows_of_a_database_are_back_after_a_month(
    desk: Desk, calendar: Calendar, postgres: PostgresServer, snapshots: tuple[int, int]
) -> None:
    over_sql(Life(desk, calendar), postgres, DELETED, snapshots)


@pytest.mark.parametrize("snapshots", SNAPSHOTS)
def test_a_table_that_was_dropped_is_back_beside_the_new_one_s_rows(
    desk: Desk, calendar: Calendar, postgres: PostgresServer, snapshots: tuple[int, int]
) -> None:
    over_sql(Life(desk, calendar), postgres, DROPPED, snapshots)


@pytest.mark.slow
def test_a_folder_of_many_reports_is_back_after_a_month(desk: Desk, calendar: Calendar, tmp_path: Path) -> None:
    over_webdav(Life(desk, calendar), tmp_path / "server", (24, 30), a_month=720)
