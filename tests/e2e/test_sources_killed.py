"""`kill -9` at random moments of a backup out of a WebDAV server and out of a bucket: the next one has everything, and does not
ask for everything again."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.dav_double import DavDouble, dav_double
from tests.support.desk import Desk
from tests.support.randomness import SeededChance
from tests.support.s3_double import BUCKET, S3Double, s3_double
from tests.support.tree_facts import write_files
from tests.support.trees import contents

COUNT = 400
FILES = {f"{number % 9}/{number}.bin": SeededChance(f"file {number}").token(3000) for number in range(COUNT)}
FILES["large.bin"] = SeededChance("large").token(2_500_000)


class Killed:
    """A desk whose project has a double of a server as its source. Packs are small, so that there are several."""

    def __init__(self, desk: Desk, server: DavDouble | S3Double, url: str, *options: str) -> None:
        self.desk, self.server = desk, server
        desk.init()
        desk.shrink_packs(40_000)
        desk.call("project", "add", "acme")
        words = [word for one in options for word in ("--option", one)]
        desk.call("source", "add", "acme", "raw", url, *words, "--yes")

    def reads(self) -> int:
        """Requests for contents."""
        return sum(one.method == "GET" and bool(getattr(one, "key", "content")) for one in self.server.asked)

    def kill_at(self, number: int) -> int:
        """A backup that is killed at the request of that number for a content; how many such requests it sent."""
        process: list[subprocess.Popen[bytes]] = []

        def before(_: int, asked: Any) -> None:
            if asked.method == "GET" and getattr(asked, "key", "content") and self.reads() == number:
                process[0].send_signal(signal.SIGKILL)

        self.server.asked.clear()
        self.server.before = before
        process.append(self.desk.start("backup", "--json"))
        process[0].communicate(timeout=120)
        assert process[0].returncode == -signal.SIGKILL
        self.server.before = None
        return self.reads()

    def backup(self) -> dict[str, Any]:
        self.server.asked.clear()
        (found,) = self.desk.call("backup", "--json").document["snapshots"]
        assert isinstance(found, dict)
        return found

    def proven(self) -> None:
        """Sound, and equal to what the server has."""
        self.desk.call("check", "--read-data")
        self.desk.call("restore", "acme", "--to", "proof")
        assert contents(self.desk.folder / "proof/raw") == FILES


@pytest.fixture(params=["webdav", "bucket"])
def killed(request: pytest.FixtureRequest, desk: Desk) -> Iterator[Killed]:
    with ExitStack() as stack:
        if request.param == "webdav":
            dav = stack.enter_context(dav_double(files=dict(FILES)))
            yield Killed(desk, dav, f"webdav://127.0.0.1:{dav.port}/files")
            return
        s3 = stack.enter_context(s3_double())
        for name, data in FILES.items():
            s3.put(f"in/{name}", data, content_type="x/y")
        yield Killed(desk, s3, f"s3://{BUCKET}/in", f"endpoint={s3.url}")


def test_after_a_kill_the_next_backup_has_everything_and_asks_for_the_rest_alone(killed: Killed) -> None:
    chance = random.Random("kill -9")
    asked = killed.kill_at(chance.randrange(300, 380))
    found = killed.backup()
    assert (found["problems"], found["files"], found["added"]) == (0, len(FILES), found["items"]), "as if nothing had happened"
    again = killed.reads()
    assert again <= len(FILES) - 100, f"{asked} contents were asked for before the kill, and {again} after it"
    assert killed.backup()["read_bytes"] == 0
    killed.proven()
    cache = killed.desk.folder / "home/.cache/strongroom"
    assert not [one for one in cache.rglob("unfinished/**/*") if one.is_file()], "it goes with the commit"


def test_however_often_it_is_killed_it_comes_further_each_time(killed: Killed) -> None:
    chance = random.Random("kills")
    first = chance.randrange(280, 320)
    killed.kill_at(first)
    second = chance.randrange(80, 100)
    killed.kill_at(second)
    found = killed.backup()
    assert (found["problems"], found["files"]) == (0, len(FILES))
    asked = killed.reads()
    assert asked <= len(FILES) - 130, f"after {first} and {second} contents were asked for, {asked} were again"
    killed.proven()


def test_what_changed_since_the_kill_is_asked_for_again(killed: Killed) -> None:
    killed.kill_at(350)
    changed = dict(list(FILES.items())[:40])
    for name in changed:
        new = SeededChance(f"changed {name}").token(3000)
        if isinstance(killed.server, S3Double):
            killed.server.put(f"in/{name}", new)
        else:
            killed.server.files[name] = new
        changed[name] = new
    found = killed.backup()
    assert found["problems"] == 0
    killed.desk.call("restore", "acme", "--to", "proof")
    assert contents(killed.desk.folder / "proof/raw") == FILES | changed


def test_a_journal_that_is_damaged_or_of_another_time_costs_requests_and_nothing_else(killed: Killed) -> None:
    killed.kill_at(350)
    cache = killed.desk.folder / "home/.cache/strongroom"
    pieces = sorted(one for one in cache.rglob("unfinished/**/*") if one.is_file())
    assert len(pieces) > 2
    pieces[0].write_bytes(pieces[0].read_bytes()[:-7])
    write_files(pieces[1].parent, {pieces[1].name: b"something else"})
    assert killed.backup()["problems"] == 0
    assert killed.reads() <= len(FILES) - 20
    killed.proven()
