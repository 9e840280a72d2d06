"""Alerts where the findings cannot be written or read, and of what the settings no longer name: each is told once."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.daemon.child_processes import ProcessResult
from policies.daemon.job_config import JobConfig, ProjectConfig
from policies.daemon.project_state import state_of
from policies.monitoring import state_file
from policies.monitoring.state_store import StateStore
from policies.notifications.message import Message
from policies.scheduling import run_history_file
from policies.scheduling.job_policy import JobPolicy, JobRetries
from tests.unit.daemon.simulated_daemon import DONE, HOURLY, UNREACHABLE, Channel, House, project

Make = Callable[..., House]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    houses: list[House] = []

    def made(*projects: ProjectConfig) -> House:
        houses.append(House(tmp_path, *projects))
        return houses[-1]

    yield made
    for house in houses:
        house.close()


def writable(house: House, *, yes: bool) -> None:
    """From now on the findings can be read, and written or not."""
    house.state_store._file._connected().execute(f"PRAGMA query_only = {'OFF' if yes else 'ON'}")


def told(house: House) -> list[str]:
    return [line.promise for message in house.channel.told for line in message.firing]


def restarted(house: House) -> None:
    house.stage._clock.forget()
    house.history.close()
    house.begin()


def test_an_alerts_that_cannot_be_written_down_is_mailed_and_logged_once(make: Make) -> None:
    house = make(project())
    house.live(1)
    writable(house, yes=False)
    house.answer = lambda *_: UNREACHABLE
    house.clock.after(4 * 3600, lambda: writable(house, yes=True))
    house.live(5)
    assert told(house).count("rpo") == 1 and told(house).count("problems") == 1
    assert sum("FIRING sdek/reports: no success" in line for line in house.lines) == 1
    assert told(house).count("daemon") == 1, "that the daemon cannot write its findings is told as well, once"
    restarted(house)
    house.live(1)
    assert told(house).count("rpo") == 1 and set(house.state_store.alerts()) >= {("sdek", "rpo", "reports")}
    assert any("watching promises: works again" in line for line in house.lines)


def test_a_delivered_letter_is_not_sent_again_while_that_cannot_be_written_down(make: Make) -> None:
    house = make(project())

    class Full(Channel):
        """The disk fills up while the letter is on its way."""

        def send(self, message: Message) -> None:
            super().send(message)
            writable(house, yes=False)

    house.channel = Full()
    restarted(house)
    house.answer = lambda *_: UNREACHABLE
    house.live(6)
    sent = len(house.channel.told)
    assert 1 <= sent <= 4 and told(house).count("rpo") == 1
    writable(house, yes=True)
    house.channel.send = house.channel.told.append  # type: ignore[method-assign,assignment] # from now on there is room
    house.live(0.2)
    assert house.state_store.queued_messages(house.clock.now()) == [] and told(house).count("rpo") == 1


def test_where_the_findings_cannot_be_read_at_all_late_backups_are_told_and_nothing_is_called_mended(make: Make) -> None:
    house = make(project(nightly=True))
    house.state_store.note("sdek", "check", "", house.clock.now(), {"damage": ["pack ab is gone"]})
    house.live(1)
    assert told(house) == ["damage"]
    file = house.folder / "findings.sqlite"
    aside = file.rename(file.with_name("aside"))
    file.mkdir()
    house.answer = lambda *_: UNREACHABLE
    house.live(4)
    assert {"rpo", "problems", "daemon"} <= set(told(house)) and told(house).count("rpo") == 1
    file.rmdir()
    aside.rename(file)
    house.answer = lambda *_: DONE
    house.live(2)
    resolved = {line.promise for message in house.channel.told for line in message.resolved}
    assert {"rpo", "problems", "daemon"} <= resolved and "damage" not in resolved


def test_findings_that_are_deleted_repeat_no_alert(make: Make) -> None:
    house = make(project())
    house.answer = lambda *_: UNREACHABLE
    house.live(5)
    before = told(house)
    (house.folder / "findings.sqlite").unlink()
    house.live(2)
    restarted(house)
    house.live(1)
    assert told(house) == before and ("sdek", "rpo", "reports") in house.state_store.alerts()


def test_the_alerts_of_a_project_that_left_the_settings_go_and_are_not_called_mended(make: Make) -> None:
    house = make(project("stays"), project("leaves"))
    house.answer = lambda *_: UNREACHABLE
    house.live(5)
    assert {key[0] for key in house.state_store.alerts()} == {"stays", "leaves"}
    house.read_anew = lambda: house.wanted(project("stays"))
    house.hands.reload = True
    house.live(1)
    assert {key[0] for key in house.state_store.alerts()} == {"stays"}
    assert [line for message in house.channel.told for line in message.resolved] == []
    assert any("leaves/reports: is no longer in the settings" in line for line in house.lines)


@pytest.mark.parametrize("attempts", [1, 3, 11, 21])
def test_days_that_failed_are_counted_by_due_times_however_often_each_was_tried(make: Make, attempts: int) -> None:
    retries = JobRetries(attempts, first=timedelta(seconds=20), most=timedelta(minutes=1))
    plan = replace(project(rpo=None), jobs=(JobConfig("backup", HOURLY, JobPolicy(retries=retries), "reports"),))
    house = make(plan)
    house.answer = lambda *_: UNREACHABLE
    house.live(1.2)  # two due times, with all of their tries
    assert told(house) == []
    house.live(10)
    assert told(house) == ["problems"] and [one.resolved for one in house.channel.told] == [()]
    house.answer = lambda *_: DONE
    house.live(1)
    assert [line.promise for message in house.channel.told for line in message.resolved] == ["problems"]


def test_a_store_that_is_away_is_one_alerts_that_names_every_project_and_one_that_it_is_over(make: Make) -> None:
    projects = [project(f"client {number:02}", rpo=timedelta(hours=2, minutes=number)) for number in range(11)]
    house = make(*projects, project("other"))
    house.live(1)

    def away(name: str, _job: str) -> ProcessResult:
        return DONE if name == "other" else ProcessResult(30, {"error": {"message": f"no answer for {len(house.ran)} s"}}, "")

    house.answer = away
    house.live(6)
    (message,) = house.channel.told
    (line,) = message.firing
    assert all(one.name in line.message for one in projects) and "the same stops 11 projects" in line.message
    assert "other" not in line.message and len(house.state_store.alerts()) == 22
    house.answer = lambda *_: DONE
    house.live(2)
    assert len(house.channel.told) == 2
    (resolved,) = house.channel.told[1].resolved
    assert "all 22 promises that broke for this reason are kept again" in resolved.message


def test_a_project_that_begins_to_fail_later_for_the_same_reason_is_named_as_well(make: Make) -> None:
    house = make(project("a"), project("b"), project("late"))
    house.live(1)
    house.answer = lambda name, _job: DONE if name == "late" else UNREACHABLE
    house.live(4)
    assert not any("late" in line.message for message in house.channel.told for line in message.firing)
    house.answer = lambda *_: UNREACHABLE
    house.live(4)
    assert sum("late/reports" in line.title for message in house.channel.told for line in message.firing) == 1


def test_a_snapshot_and_a_drill_from_a_clock_that_was_ahead_hide_no_broken_promise(make: Make) -> None:
    house = make(project(nightly=True))
    right = house.clock.now()
    house.clock.set(right + timedelta(days=400))
    ahead = house.clock.now()
    house.state_store.note("sdek", "backup", "reports", ahead, {"taken_at": ahead.isoformat()})
    house.state_store.drilled("sdek", ahead, {"trouble": ""})
    house.live(0.2)
    house.clock.set(right)
    house.answer = lambda *_: UNREACHABLE
    house.live(4)
    assert "rpo" in told(house)
    drills = state_of(house.projects[0], house.daemon._runner, house.state_store, house.clock.now()).drills
    assert drills is not None and drills.last is None and drills.due < house.clock.now() + timedelta(days=2)


def test_what_a_job_did_since_its_last_success_is_asked_of_the_books_once_after_each_run(make: Make) -> None:
    house = make(project())
    house.answer = lambda *_: UNREACHABLE
    asked: list[str] = []
    ask = house.history.since_success

    class Counted:
        def __getattr__(self, name: str) -> object:
            if name == "since_success":
                asked.append(name)
            return getattr(house.history, name)

    house.daemon._runner._history = Counted()  # type: ignore[assignment] # passes everything on
    house.live(12)
    ran = len(house.ran)
    assert ran > 12 and len(asked) <= 2 * ran + 2
    assert len(house.daemon._runner.since_success("sdek", "backup reports")) == len(ask("sdek", "backup reports")) == ran


def test_a_daemon_that_begins_on_a_full_disk_runs_tells_and_writes_all_down_once_there_is_room(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make(project())
    house.live(1)
    house.stage._lasts = lambda _title: 10_000.0  # a run that is under way when the process is killed
    house.live(1)
    house.stage._lasts = lambda _title: 30.0
    house.stage._clock.forget()
    house.close()
    is_full = [True]

    def opening(real: Callable[[Path], sqlite3.Connection]) -> Callable[[Path], sqlite3.Connection]:
        def opened(file: Path) -> sqlite3.Connection:
            if is_full:
                raise OSError(errno.ENOSPC, "no room")
            return real(file)

        return opened

    monkeypatch.setattr(run_history_file, "open_to_write", opening(run_history_file.open_to_write))
    monkeypatch.setattr(state_file, "opened", opening(state_file.opened))
    house.state_store = StateStore.open_anyhow(house.folder / "findings.sqlite", house.lines.append)
    before = len(house.ran)
    house.begin()
    house.answer = lambda *_: UNREACHABLE
    house.live(4)
    assert len(house.ran) > before + 3 and told(house).count("rpo") == 1 and told(house).count("problems") == 1
    is_full.clear()
    house.answer = lambda *_: DONE
    house.live(2)
    written = house.history.recent("sdek", "backup reports", 100)
    assert len(written) == len(house.ran) + 1 and {run.ending for run in written} == {"done", "failed", "aborted"}
    assert told(house).count("rpo") == 1 and house.state_store.alerts() == {}


def test_a_run_that_was_under_way_before_the_disk_was_full_is_not_waited_for(make: Make) -> None:
    """The books can be read, and not written."""
    house = make(project())
    house.stage._lasts = lambda _title: 10_000.0
    house.live(1)
    house.stage._lasts = lambda _title: 30.0
    restarted_with = house.history
    house.ran.append(("sdek", "killed"))  # runs of the next process have other ids
    house.stage._clock.forget()
    house.history.close()
    real = run_history_file.open_to_write

    def only_read(file: Path) -> sqlite3.Connection:
        connection = real(file)
        connection.execute("PRAGMA query_only = ON")  # a full disk is another error of SQLite's: see `lacks_room`
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_history_file, "open_to_write", only_read)
        patch.setattr(run_history_file, "lacks_room", lambda _error: True)
        house.begin()
        house.live(2)
    assert house.history is not restarted_with and house.ran.count(("sdek", "backup reports")) >= 2
    house.history._disconnect()
    house.live(1)
    endings = [run.ending for run in house.history.recent("sdek", "backup reports", 100)]
    assert endings.count("aborted") == 1 and None not in endings
