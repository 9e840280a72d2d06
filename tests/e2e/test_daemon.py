"""The daemon as a process: signals, kill -9, a full disk, two at once; and what it did can be restored."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.desk import Desk, Place
from tests.support.small_disk import MB, make_room, small_disk
from tests.support.tree_facts import tree_facts, write_files

PATIENCE = 120.0
SCHEDULE = """
[projects.acme.schedule]
backup = { every = "1 minute", retries = 100, back_off = "1 second" }
"""


@pytest.fixture
def home(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "desk", Place("repository"))
    desk.init()
    write_files(desk.folder / "source", {f"{number}.csv": b"hour,calls\n1,%d\n" % number for number in range(20)})
    desk.add("acme", f"reports={desk.folder / 'source'}")
    return desk


def settle(desk: Desk, text: str) -> None:
    desk.settings.write_text(desk.settings.read_text() + text)


@contextmanager
def running(desk: Desk, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon whose log is `log`, killed at the end if it still is there."""
    with (desk.folder / "log").open("ab") as log:
        process = desk.start("daemon", "--json-log", *more, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def log(desk: Desk) -> list[dict[str, str]]:
    found = []
    for line in (desk.folder / "log").read_text().splitlines():
        assert line.startswith("{"), line
        found.append(json.loads(line))
    return found


def wait(until: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def has(desk: Desk, event: str, text: str = "") -> bool:
    return any(one["event"] == event and text in one["text"] for one in log(desk))


def is_well(port: int) -> bool:
    """What the daemon answers; until its next beat it may not know of the first run."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=PATIENCE) as answer:
            return json.load(answer)["well"] is True
    except urllib.error.HTTPError:
        return False


def restored(desk: Desk, to: str) -> bool:
    desk.call("restore", "acme", "--to", to, "--quiet")
    return tree_facts(desk.folder / to / "reports") == tree_facts(desk.folder / "source")


def claims(desk: Desk) -> list[Path]:
    return [file for file in (desk.folder / "repository").glob("projects/*/claims/*") if file.is_file()]


def test_it_runs_what_is_due_tells_how_it_is_and_ends_when_it_is_asked_to(home: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settle(home, f'{SCHEDULE}[daemon]\nmetrics = "127.0.0.1:{port}"\n')
    with running(home) as daemon:
        wait(lambda: has(home, "ended", "acme/backup reports: done"), "no backup was made")
        wait(lambda: is_well(port), "the daemon does not say that it is well")
        assert home.run("daemon", "--once", exits=11).err.startswith("strongroom: error: another process keeps the run history")
        good = home.settings.read_text()
        home.settings.write_text(good + "\nnonsense = 1\n")
        daemon.send_signal(signal.SIGHUP)
        wait(lambda: has(home, "notice", "the old ones stay in force"), "bad settings were not refused")
        home.settings.write_text(good)
        daemon.send_signal(signal.SIGHUP)
        wait(lambda: has(home, "notice", "read anew"), "good settings were not taken")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0
    assert has(home, "notice", "the daemon has ended") and restored(home, "back")


def test_sigterm_lets_a_run_withdraw_and_leaves_no_claim(home: Desk) -> None:
    settle(home, SCHEDULE)
    write_files(home.folder / "source", {f"big{number}.bin": os.urandom(24_000_000) for number in range(4)})
    with running(home) as daemon:
        wait(lambda: claims(home), "no backup began")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0
    assert claims(home) == []
    assert has(home, "ended", "stopped") or has(home, "ended", "done")
    home.run("daemon", "--once")
    assert restored(home, "back")


def test_once_ends_with_3_where_a_run_failed_and_with_0_where_none_is_due(home: Desk) -> None:
    settle(home, SCHEDULE.replace("1 minute", "day"))
    (home.folder / "source").rename(home.folder / "elsewhere")
    assert "acme/backup reports: failed" in home.run("daemon", "--once", exits=3).text
    (home.folder / "elsewhere").rename(home.folder / "source")
    time.sleep(1.1)  # its back-off
    assert "acme/backup reports: done" in home.run("daemon", "--once").text
    assert "started" not in home.run("daemon", "--once").text


def test_on_a_full_disk_runs_fail_and_are_told_and_room_is_all_it_takes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4 * MB) as disk:
        home = Desk(tmp_path / "desk", Place(str(disk / "repository")))
        home.init()
        write_files(home.folder / "source", {f"{number}.bin": os.urandom(2 * MB) for number in range(4)})
        home.add("acme", f"reports={home.folder / 'source'}")
        settle(home, SCHEDULE)
        with running(home) as daemon:
            wait(lambda: has(home, "ended", "No space left on device"), "a full disk was not told")
            assert home.run("status", "--json", exits=3).document["sources"][0]["state"] == "never backed up"
            make_room(disk, 40 * MB)
            wait(lambda: has(home, "ended", "acme/backup reports: done"), "room did not help")
            assert "never backed up" not in home.run("status").text
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE) == 0
        assert restored(home, "back")


def test_a_unit_is_printed_without_starting_anything(home: Desk) -> None:
    told = home.call("daemon", "--systemd").text
    assert "Type=notify" in told and f"--config {home.settings}" in told


def test_a_flagged_snapshot_breaks_a_promise_until_a_person_accepts_it(home: Desk) -> None:
    home.call("backup")
    for number in range(12):
        (home.folder / f"source/{number}.csv").unlink()
    told = home.call("backup", "--json").document["snapshots"][0]
    (why,) = told["flagged"]
    assert why.startswith("12 of 20 files vanished (60 %), as reports/") and "nothing of the sort is usual on such a day" in why
    shown = home.call("status", "--all", exits=3).text
    assert "CRITICAL acme: retention is frozen" in shown and "FROZEN" in shown
    assert "needs a reason" in home.call("status", "--accept", "acme", exits=2).err
    older = home.call("status", "--accept", "acme", "--reason", "meant")
    assert why in older.text and "is now `strongroom snapshot accept acme`" in older.err
    assert home.call("status", "--json").document["projects"][0]["frozen"] == []
    home.call("status", "--accept", "acme", "--reason", "again", exits=2)


def test_a_row_that_is_missing_in_a_table_breaks_a_promise(home: Desk) -> None:
    sources = f'[[projects.acme.sources]]\nkind = "reports"\npath = "{home.folder / "source"}"\n'
    text = home.settings.read_text()
    start = text.index("[[projects.acme.sources]]") if "[[projects.acme.sources]]" in text else text.index("[projects.acme]")
    rows = 'expected = [{ path = "hours.csv", every = "hour", column = "time" }]\n'
    home.settings.write_text(text[:start] + sources + rows)
    now = time.time() // 3600 * 3600
    kept = [time.strftime("%Y-%m-%d %H:%M", time.gmtime(now - 3600 * back)) for back in (5, 4, 2, 1, 0)]
    write_files(home.folder / "source", {"hours.csv": ("time,calls\n" + "".join(f"{one},1\n" for one in kept)).encode()})
    (missing,) = home.call("backup", "--json").document["snapshots"][0]["missing"]
    assert missing == f"reports/hours.csv: {time.strftime('%Y-%m-%d %Hh', time.gmtime(now - 3600 * 3))}"
    assert f"1 report did not appear: {missing}" in home.call("status", exits=3).text


def test_a_drill_is_recorded_and_a_damaged_pack_is_told_by_drill_check_and_status(home: Desk) -> None:
    settle(home, SCHEDULE + 'check = { every = "day" }\n')
    home.call("backup")
    drilled = home.call("drill", "--json").document["drills"][0]
    assert drilled["items"] == 20 and drilled["trouble"] == "" and drilled["seconds"] > 0
    home.call("check", "--rolling")
    sound = home.call("status", "--json").document
    assert sound["alerts"] == [] and sound["projects"][0]["last_drill"]["whole_items"] == 20
    packs = [file for file in (home.folder / "repository/projects").rglob("packs/*/*") if file.is_file()]
    for pack in packs:
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:-100] + bytes(100))
    assert "DAMAGED" in home.call("drill", exits=20).text
    nights = [home.run("check", "--rolling", exits=(0, 20)).code for _ in range(3)]
    assert 20 in nights and nights[-1] == 20  # one pack a night; what is damaged is read every night from then on
    shown = home.call("status", "--json", exits=3).document["alerts"]
    assert {one["promise"] for one in shown} == {"damage", "drill"}


def test_status_tells_a_late_source_a_missing_report_and_the_next_run(home: Desk) -> None:
    text = home.settings.read_text()
    home.settings.write_text(text.replace("[projects.acme]\n", '[projects.acme]\nrpo = "1 second"\n') + SCHEDULE)
    home.call("backup")
    time.sleep(1.2)
    found = home.call("status", "--json", exits=3).document
    assert found["sources"][0]["state"] == "late" and found["sources"][0]["rpo_seconds"] == 1.0
    assert found["sources"][0]["next_run"] and [one["promise"] for one in found["alerts"]] == ["rpo"]


def killed_again_and_again(desk: Desk, kills: int, check_every: int, seed: int) -> None:
    """Each daemon gets a moment of its own choosing before it is killed; its runs then end by themselves."""
    randomness = random.Random(seed)
    settle(desk, SCHEDULE)
    for kill in range(kills):
        write_files(desk.folder / "source", {f"new{kill % 7}.bin": randomness.randbytes(randomness.randint(1, 3_000_000))})
        with running(desk) as daemon:
            time.sleep(randomness.uniform(0.3, 5.0))
            daemon.kill()
            daemon.wait(PATIENCE)
        if kill % check_every == check_every - 1:
            _everything_comes_back(desk, kill)


def _everything_comes_back(desk: Desk, number: int) -> None:
    wait(lambda: desk.run("backup", "--quiet").code == 0, "no backup was possible any more")
    assert "DAMAGED" not in desk.run("check", "--data").text
    assert restored(desk, f"back{number}")


def test_killed_with_minus_9_nothing_is_lost(home: Desk) -> None:
    killed_again_and_again(home, kills=3, check_every=3, seed=1)


@pytest.mark.slow
def test_killed_a_hundred_times_on_seaweedfs_everything_comes_back(tmp_path: Path, weed_endpoint: str) -> None:
    desk = Desk(tmp_path / "desk", Place("s3://strongroom-tests/daemon-killed", weed_endpoint))
    desk.init()
    write_files(desk.folder / "source", {f"{number}.csv": b"hour,calls\n1,%d\n" % number for number in range(20)})
    desk.add("acme", f"reports={desk.folder / 'source'}")
    killed_again_and_again(desk, kills=100, check_every=10, seed=2)
