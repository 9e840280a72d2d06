"""The daemon's life in simulated time."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from policies.daemon import heartbeat
from policies.daemon.child_processes import ProcessResult
from policies.daemon.daemon import Daemon
from policies.daemon.health import Health
from policies.daemon.heartbeat import Heartbeat
from policies.daemon.job_config import ProjectConfig
from policies.daemon.systemd import Systemd
from policies.monitoring.state_store import PackSeen
from policies.notifications.healthchecks import Healthchecks
from tests.support.stage import NOON
from tests.unit.daemon.simulated_daemon import DONE, UNREACHABLE, House, project
from vault.errors import SettingsError, StrongroomError

Make = Callable[..., House]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    houses: list[House] = []

    def made(*projects: ProjectConfig, as_json: bool = False) -> House:
        houses.append(House(tmp_path, *projects, as_json=as_json))
        return houses[-1]

    yield made
    for house in houses:
        house.close()


def test_jobs_run_at_their_times_and_nobody_is_told_of_a_good_day(make: Make) -> None:
    house = make(project(nightly=True))
    house.live(24)
    assert house.ran.count(("sdek", "backup reports")) == 25 and ("sdek", "check") in house.ran
    assert house.channel.told == []


@pytest.mark.usefixtures("true_beats")
def test_the_daemon_beats_each_second(make: Make) -> None:
    house = make(project())
    begun = house.clock.monotonic()
    house.clock.after(600.5, lambda: setattr(house.hands, "stop", True))
    house.daemon.run(house.hands)
    assert 600 < house.clock.monotonic() - begun <= 602, "a signal is heeded within a second"
    house.hands.stop = False
    house.live(0.51)
    starts = [run.started for run in house.history.recent("sdek", "backup reports")]
    assert (starts[0] - NOON - timedelta(minutes=65)).total_seconds() <= 1.0


def test_a_store_that_is_unreachable_for_an_hour_is_tried_again_and_breaks_no_promise_of_three(make: Make) -> None:
    house = make(project(rpo=timedelta(hours=3)))
    house.live(1)
    house.answer = lambda *_: UNREACHABLE
    before = len(house.ran)
    house.live(1)
    assert len(house.ran) - before > 1
    house.answer = lambda *_: DONE
    house.live(2)
    assert house.channel.told == []
    assert [run.ending for run in house.history.recent("sdek", "backup reports", 2)] == ["done", "done"]


def test_a_promise_that_breaks_is_told_once_and_once_more_when_it_is_mended(make: Make) -> None:
    house = make(project())
    house.live(1)
    house.answer = lambda *_: UNREACHABLE
    house.live(9)
    (firing,) = [told for told in house.channel.told if any(line.promise == "rpo" for line in told.firing)]
    assert "the store does not answer" in firing.firing[0].message
    house.answer = lambda *_: DONE
    house.live(2)
    resolved = [line.promise for told in house.channel.told for line in told.resolved]
    assert sorted(resolved) == ["problems", "rpo"] and len(house.channel.told) <= 4


def test_a_restart_repeats_no_alerts_and_loses_none(make: Make) -> None:
    house = make(project())
    house.answer = lambda *_: UNREACHABLE
    house.live(4)
    told = len(house.channel.told)
    assert told >= 1
    for _ in range(3):
        house.stage._clock.forget()
        house.history.close()
        house.begin()
        house.live(1)
    assert [line.promise for one in house.channel.told for line in one.firing].count("rpo") == 1


def test_one_projects_failures_delay_no_other(make: Make) -> None:
    house = make(project("bad"), project("good"))
    house.answer = lambda name, _job: UNREACHABLE if name == "bad" else DONE
    house.live(12)
    assert house.ran.count(("good", "backup reports")) == 13


def test_settings_are_read_anew_and_bad_ones_refused_while_the_old_go_on(make: Make) -> None:
    house = make(project())
    house.live(1)

    def bad() -> object:
        raise SettingsError("line 3 is wrong")

    house.read_anew = bad  # type: ignore[assignment] # it only raises
    house.hands.reload = True
    house.live(1)
    assert any("cannot be used, the old ones stay in force: line 3 is wrong" in line for line in house.lines)
    assert len(house.ran) == 3
    house.read_anew = lambda: house.wanted(project(), project("new"))
    house.hands.reload = True
    house.live(1)
    assert ("new", "backup reports") in house.ran


def test_once_runs_what_is_due_and_ends(make: Make) -> None:
    house = make(project("bad"), project("good"))
    house.answer = lambda name, _job: UNREACHABLE if name == "bad" else DONE
    left = house.daemon.once(house.hands)
    assert [(run.project, run.ending) for run in left] == [("bad", "failed")]
    assert sorted(house.ran) == [("bad", "backup reports"), ("good", "backup reports")]
    house.ran.clear()
    assert house.daemon.once(house.hands) == left  # its next try is not due yet
    assert house.ran == []


def test_findings_of_runs_become_alerts_with_what_to_do(make: Make) -> None:
    house = make(project(nightly=True))
    now = house.clock.now()
    house.state_store.note("sdek", "backup", "reports", now, {"taken_at": now.isoformat(), "missing": ["2026-03-14 09h"]})
    house.state_store.note("sdek", "freeze", "", now, {"why": ["x of reports: 9 of 10 items vanished"]})
    house.state_store.note("sdek", "check", "", now, {"damage": ["pack ab is gone"]})
    house.state_store.drilled("sdek", now, {"trouble": "1 of 9 files are not as they were"})
    house.live(0.1)
    (message,) = house.channel.told
    assert sorted(line.promise for line in message.firing) == ["damage", "drill", "frozen", "missing"]
    assert all(line.hint for line in message.firing)


def test_packs_that_were_not_read_in_time_and_drills_that_never_came_are_told(make: Make) -> None:
    house = make(project(nightly=True))
    house.answer = lambda _name, job: DONE if job.startswith("backup") else UNREACHABLE
    house.state_store.write_packs("sdek", {b"x": PackSeen(house.clock.now() - timedelta(days=40), None, whole=True)})
    house.live(24 * 2)
    told = [line.promise for message in house.channel.told for line in message.firing]
    assert {"checked", "drill", "job"} <= set(told) and told.count("checked") == 1


def test_a_full_disk_under_the_books_stops_no_run_and_is_told(make: Make) -> None:
    house = make(project())
    house.live(1)
    house.history._disconnect()
    file = house.folder / "books.sqlite"
    aside = file.rename(file.with_name("aside"))
    file.mkdir()
    house.live(2)
    ran = len(house.ran)
    assert ran >= 3 and any("runs go on and are written down later" in line for line in house.lines)
    file.rmdir()
    aside.rename(file)
    house.live(1)
    assert len(house.history.recent("sdek", "backup reports")) == len(house.ran)


def test_json_lines_are_one_document_each(make: Make) -> None:
    house = make(project(), as_json=True)
    house.answer = lambda *_: ProcessResult(1, {}, "two\nlines")
    house.live(3)
    events = [json.loads(line) for line in house.lines]
    assert {"started", "ended", "firing", "notice"} <= {one["event"] for one in events}
    ended = next(one for one in events if one["event"] == "ended")
    assert (ended["project"], ended["job"], ended["ending"], ended["level"]) == ("sdek", "backup reports", "failed", "error")


def test_text_lines_stay_one_whatever_is_told(make: Make) -> None:
    house = make(project())
    house.answer = lambda *_: ProcessResult(1, {"error": {"message": "one\ntwo", "hint": None}}, "")
    house.live(1)
    assert all("\n" not in line for line in house.lines) and any("one two" in line for line in house.lines)


def test_a_ping_that_gets_no_thread_does_not_end_all_pings(make: Make) -> None:
    house = make(project())
    healthchecks = Healthchecks(lambda: "https://example.org/x")
    launched: list[str] = []

    def launch(name: str, work: Callable[[], None]) -> None:
        if name == "ping":
            launched.append(name)
            raise RuntimeError("can't start new thread")
        house.stage.launch(name, work)

    around = replace(house.around, launch=launch)
    daemon = Daemon(around, replace(house.wanted(project()), healthchecks=healthchecks), house.read_anew)
    house.clock.after(3600, lambda: setattr(house.hands, "stop", True))
    daemon.run(house.hands)
    assert len(launched) > 10


def test_what_fails_in_the_daemon_itself_is_shown_to_monitors_until_it_works_again(make: Make) -> None:
    house = make(project())
    health = Health("127.0.0.1:0", house.clock)
    house.daemon = Daemon(replace(house.around, health=health), house.wanted(project()), house.read_anew)
    pictures: list[list[str]] = []

    def picture() -> None:
        url = f"http://127.0.0.1:{health.port}/health"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                body = json.load(error)
        assert body["well"] == (not body["failing"]), body
        pictures.append([one["task"] for one in body["failing"]])

    house.fail_writing = True
    house.clock.after(100, picture)
    house.clock.after(200, lambda: setattr(house, "fail_writing", False))
    house.clock.after(4000, picture)
    try:
        house.live(1.5)
    finally:
        health.close()
    assert pictures == [["writing the log"], []]


def test_settings_that_are_read_while_the_books_cannot_be_do_not_end_the_daemon(make: Make) -> None:
    house = make(project())
    house.live(1)
    house.history._disconnect()
    file = house.folder / "books.sqlite"
    aside = file.rename(file.with_name("aside"))
    file.mkdir()
    house.read_anew = lambda: house.wanted(project(), project("new"))
    house.hands.reload = True
    house.live(1)
    assert ("new", "backup reports") in house.ran
    house.read_anew = lambda: 1 / 0  # type: ignore[assignment,return-value] # a mistake of ours
    house.hands.reload = True
    house.live(1)
    assert any("the old ones stay in force: a mistake in Strongroom itself" in line for line in house.lines)
    file.rmdir()
    aside.rename(file)
    house.live(1)
    assert len(house.history.recent("new", "backup reports")) >= 3


@pytest.mark.parametrize("name", ["books.sqlite", "findings.sqlite"])
def test_once_ends_with_an_error_where_what_it_did_cannot_be_written_down(make: Make, name: str) -> None:
    house = make(project())
    house.daemon.once(house.hands)
    house.clock.sleep(3600)

    def breaks(_project: str, _job: str) -> ProcessResult:
        file = house.folder / name
        file.rename(file.with_name("aside"))
        file.mkdir()
        return DONE

    house.answer = breaks
    with pytest.raises(StrongroomError, match="cannot be"):
        house.daemon.once(house.hands)
    assert len(house.ran) == 2
    (house.folder / name).rmdir()
    (house.folder / "aside").rename(house.folder / name)


def test_a_sign_of_life_tells_a_living_daemon_from_one_that_was_killed_hangs_or_ended(make: Make) -> None:
    house = make(project())
    history, seen = house.folder / "books.sqlite", list[Heartbeat]()
    assert heartbeat.read(house.folder / "others.sqlite", house.clock.now()).state == "none"
    house.clock.after(1000, lambda: seen.append(heartbeat.read(history, house.clock.now())))
    house.live(0.5)
    assert (seen[0].state, seen[0].failing) == ("running", ()) and seen[0].since is not None
    house.daemon._show_life()
    house.clock.sleep(1000)
    assert heartbeat.read(history, house.clock.now()).state == "stuck"
    house.history.close()
    assert heartbeat.read(history, house.clock.now()).state == "killed"
    house.begin()
    house.live(0.1)
    house.history.close()
    assert heartbeat.read(history, house.clock.now()).state == "ended"
    house.begin()


def _health(health: Health) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{health.port}/health", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class Supervisor(Systemd, frozen=True):
    """Remembers what systemd was told, in place of its socket."""

    told: ClassVar[list[str]] = []

    def notify(self, *words: str) -> None:
        self.told.extend(words)


def _asked_of(house: House, reach: Callable[[], None]) -> Daemon:
    """The house's daemon, as it runs under systemd; `reach` asks the store."""
    Supervisor.told.clear()
    house.around = replace(house.around, systemd=Supervisor(), reach=reach)
    house.daemon = Daemon(house.around, house.wanted(*house.projects), house.read_anew)
    return house.daemon


def test_no_promise_is_called_kept_before_the_store_was_reached(make: Make) -> None:
    house = make(replace(project(), jobs=()))
    away = True

    def reach() -> None:
        if away:
            raise StrongroomError("storage.example does not answer")

    daemon = _asked_of(house, reach)
    health = Health("127.0.0.1:0", house.clock)
    try:
        daemon._parts.health = health
        house.live(0.2)
        assert Supervisor.told[0] == "READY=1" and "the store was not reached yet" in Supervisor.told[1]
        assert not [word for word in Supervisor.told if "0 firing alerts" in word]
        assert sum("not reached yet: storage.example does not answer" in line for line in house.lines) == 1
        code, found = _health(health)
        assert code == 503 and found["store_reached"] is False
        assert [(line.promise, line.severity) for one in house.channel.told for line in one.firing] == [("daemon", "critical")]
        away = False
        Supervisor.told.clear()
        house.live(0.1)
        assert "STATUS=1 project, 0 jobs, 0 firing alerts" in Supervisor.told
        house.daemon.show()
        assert _health(health)[0] == 200, _health(health)
        assert any("the store is reached now" in line for line in house.lines)
        assert [line.promise for one in house.channel.told for line in one.resolved] == ["daemon"]
    finally:
        health.close()


def test_a_run_that_did_its_work_has_reached_the_store(make: Make) -> None:
    house = make(project())

    def reach() -> None:
        raise StrongroomError("this question is not answered")

    _asked_of(house, reach)
    house.live(1)
    assert "the store was not reached yet" in Supervisor.told[1]
    assert any(word.startswith("STATUS=") and word.endswith("0 firing alerts") for word in Supervisor.told)


def test_all_is_well_is_not_pinged_before_the_store_was_reached(make: Make) -> None:
    pinged: list[str] = []

    class Recorder(Healthchecks, frozen=True):
        def _ping(self, suffix: str, body: str) -> None:
            pinged.append(f"{suffix} {body}")

    house = make(replace(project(), jobs=()))

    def reach() -> None:
        raise StrongroomError("storage.example does not answer")

    _asked_of(house, reach)
    house.daemon = Daemon(house.around, replace(house.wanted(*house.projects), healthchecks=Recorder(str)), house.read_anew)
    house.live(0.3)
    assert pinged[0].startswith("/start") and pinged[1:]
    assert all("/fail" in one and "the store was not reached yet" in one for one in pinged[1:])


def test_an_alerts_that_becomes_critical_is_told_again(make: Make) -> None:
    house = make(project(rpo=None))
    house.answer = lambda *_: ProcessResult(
        3, {"snapshots": [{"problems": 1, "problem_list": [{"path": "a", "message": "unreadable"}]}]}, ""
    )
    house.live(5)
    house.answer = lambda *_: UNREACHABLE
    house.live(5)
    told = [(line.promise, line.severity) for one in house.channel.told for line in one.firing]
    assert [severity for promise, severity in told if promise == "problems"] == ["warning", "critical"]
