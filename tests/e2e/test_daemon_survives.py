"""One daemon process through a bad day: a full disk, state that is deleted, replaced, damaged and unreadable, a store that is
away, settings that go bad. It does its work whenever that is possible, tells each alert once, and needs nobody to start it
again.
"""

from __future__ import annotations

import errno
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.support.desk import Desk, Place
from tests.support.sinks import WebSink, web_sink
from tests.support.small_disk import MB, small_disk
from tests.support.tree_facts import tree_facts, write_files

PATIENCE = 150.0
SETTINGS = """
[projects.acme.schedule]
backup = {{ every = "1 minute", retries = 100, back_off = "1 second" }}
[projects.acme.alerts]
problems_in_a_row = 1
[notify.webhook]
url_file = "hook"
[daemon]
state = "{state}"
metrics = "127.0.0.1:{port}"
"""


class Day(Struct, frozen=True):
    """desk: whose daemon it is · disk: its state and its log lie there · sink: hears its alerts."""

    desk: Desk
    disk: Path
    port: int
    sink: WebSink
    daemon: subprocess.Popen[bytes]

    @property
    def state(self) -> Path:
        (found,) = [folder for folder in (self.disk / "state").iterdir() if folder.is_dir()]
        return found

    def log(self) -> list[dict[str, str]]:
        """Whole lines; of the last one a part may be missing while the disk is full."""
        return [json.loads(line) for line in (self.disk / "log").read_text().rpartition("\n")[0].splitlines()]

    def logged(self, text: str) -> int:
        return sum(text in one["text"] for one in self.log())

    def failing(self) -> set[str]:
        url = f"http://127.0.0.1:{self.port}/health"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                body = json.load(error)
        return {one["task"] for one in body["failing"]}

    def told(self, what: str) -> list[str]:
        """Promises, in the order in which people heard of them. what: broken or mended."""
        return [one["promise"] for _, body in self.sink.posts for one in json.loads(body)[what]]

    def wait(self, until: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert self.daemon.poll() is None, f"the daemon has ended: {what}"
            assert time.monotonic() < deadline, f"{what}\n{self.log()[-15:]}\n{self.sink.posts}"
            time.sleep(0.2)

    def backs_up(self, what: str) -> None:
        """Something new at the source comes into the repository without anybody's help."""
        before = self.logged("acme/backup reports: done")
        write_files(self.desk.folder / "source", {f"{what}.csv": what.encode()})
        self.wait(lambda: self.logged("acme/backup reports: done") > before, f"no backup: {what}")


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    desk = Desk(tmp_path / "desk", Place("repository"))
    desk.init()
    write_files(desk.folder / "source", {f"{number}.csv": b"hour,calls\n1,%d\n" % number for number in range(5)})
    desk.add("acme", f"reports={desk.folder / 'source'}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with small_disk(tmp_path / "disk", 4 * MB) as disk, web_sink() as sink:
        (desk.folder / "hook").write_text(sink.url("/hook"))
        desk.settings.write_text(desk.settings.read_text() + SETTINGS.format(state=disk / "state", port=port))
        with (disk / "log").open("ab") as log:
            daemon = desk.start("daemon", "--json-log", stdout=log, stderr=log, start_new_session=True)
        try:
            yield Day(desk, disk, port, sink, daemon)
        finally:
            if daemon.poll() is None:
                daemon.kill()
            daemon.wait(PATIENCE)


def fill(disk: Path) -> Path:
    """Until nothing more goes on it."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return file


def a_full_disk(day: Day) -> None:
    filler = fill(day.disk)
    day.desk.folder.joinpath("source").rename(day.desk.folder / "elsewhere")
    day.wait(lambda: "problems" in day.told("broken"), "an alert was not told while the disk was full")
    day.wait(lambda: "writing the log" in day.failing(), "that the log cannot be written was not shown")
    shown = day.desk.run("status", "--json", exits=3).document
    assert shown["daemon"]["state"] == "running" and shown["daemon"]["failing"], shown["daemon"]
    filler.unlink()
    day.desk.folder.joinpath("elsewhere").rename(day.desk.folder / "source")
    day.backs_up("room again")
    day.wait(lambda: not day.failing() and "problems" in day.told("mended"), "it did not recover from the full disk")
    assert day.logged("of this log could not be written") == 1


def state_that_goes(day: Day) -> None:
    for one in day.state.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
    day.wait(lambda: day.logged("was deleted"), "that the books went was not seen")
    day.backs_up("deleted")
    assert day.desk.run("daemon", "--once", exits=11).err, "a second daemon is refused although the lock was deleted"
    for name in ("books.sqlite", "findings.sqlite"):
        (day.state / "new").write_bytes(b"this is no database" * 500)
        (day.state / "new").replace(day.state / name)
    day.wait(lambda: day.logged("books.sqlite is damaged"), "damage was not seen")
    day.wait(lambda: (day.state / "findings.sqlite.damaged").exists(), "damage was not seen by anybody")
    day.backs_up("damaged")
    findings = day.state / "findings.sqlite"
    aside = findings.rename(day.state / "aside")
    findings.mkdir()
    day.wait(lambda: "watching promises" in day.failing(), "findings that cannot be read were not shown")
    day.backs_up("unreadable")
    findings.rmdir()
    aside.rename(findings)
    day.wait(lambda: not day.failing(), "it did not recover")


def a_store_that_is_away(day: Day) -> None:
    before = day.told("broken").count("problems")
    day.desk.folder.joinpath("repository").rename(day.desk.folder / "away")
    day.wait(lambda: day.told("broken").count("problems") > before, "a store that is away was not told")
    shown = day.desk.run("status", "--all", exits=10).text
    assert "the daemon runs" in shown and " acme/reports: " in shown
    day.desk.folder.joinpath("away").rename(day.desk.folder / "repository")
    day.backs_up("the store is back")
    day.wait(lambda: day.told("mended").count("problems") > before, "it was not told that all is well")


def settings_that_go_bad(day: Day) -> None:
    good = day.desk.settings.read_text()
    day.desk.settings.write_text(good + "\nnonsense = 1\n")
    day.daemon.send_signal(signal.SIGHUP)
    day.wait(lambda: day.logged("the old ones stay in force"), "bad settings were not refused")
    day.backs_up("bad settings")
    day.desk.settings.unlink()
    day.daemon.send_signal(signal.SIGHUP)
    day.backs_up("no settings at all")
    day.desk.settings.write_text(good)
    day.daemon.send_signal(signal.SIGHUP)
    day.wait(lambda: day.logged("read anew"), "good settings were not taken")


@pytest.mark.slow
def test_a_daemon_lives_through_all_of_it_and_tells_each_alerts_once(day: Day) -> None:
    day.backs_up("a good day")
    a_full_disk(day)
    state_that_goes(day)
    a_store_that_is_away(day)
    settings_that_go_bad(day)
    day.daemon.send_signal(signal.SIGTERM)
    assert day.daemon.wait(PATIENCE) == 0
    broken, mended = day.told("broken"), day.told("mended")
    assert broken.count("problems") == mended.count("problems") == 2 and len(broken) == len(mended), (broken, mended)
    hints = {one["hint"] for _, body in day.sink.posts for one in json.loads(body)["broken"]}
    commands = [command for hint in hints for command in re.findall(r"`strongroom ([^`]+)`", hint)]
    assert commands
    for command in commands:
        day.desk.run(*shlex.split(command))
    day.desk.call("restore", "acme", "--to", "back", "--quiet")
    assert tree_facts(day.desk.folder / "back/reports") == tree_facts(day.desk.folder / "source")
    shown: Any = day.desk.call("status", "--json").document
    assert shown["alerts"] == [] and shown["daemon"]["state"] == "ended"
