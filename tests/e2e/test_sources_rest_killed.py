"""`kill -9` at random moments of a backup out of a REST interface: while records are listed, while comments are asked for,
while attachments are read. Nothing is claimed, nothing is lost, and not everything is asked for again."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.test_sources_rest import DESCRIPTION, SECRET
from tests.support.desk import Desk
from tests.support.randomness import SeededChance
from tests.support.rest_double import ModelDesk, serving
from tests.support.trees import contents

TICKETS, FILES = 60, 90
PAGES = TICKETS // 10
SMALL_PAGES = DESCRIPTION.replace('total = "count"\n', 'total = "count"\nsize = 10\n')


class Killed:
    """A desk with a double as its source; packs are small, so that there are several."""

    def __init__(self, desk: Desk, model: ModelDesk) -> None:
        for number in range(1, TICKETS + 1):
            model.add(title=f"ticket {number}")
        for number in range(1, TICKETS + 1):
            model.comment(number, f"comment on {number}")
        for number in range(FILES):
            model.attach(1 + number % TICKETS, f"{number}.wav", SeededChance(f"{number}").token(3000))
        self.desk, self.model = desk, model
        (desk.folder / "secret").write_text(f"{SECRET}\n")
        (desk.folder / "desk.toml").write_text(SMALL_PAGES)
        desk.init()
        desk.shrink_packs(40_000)
        desk.call("project", "add", "acme")
        options = ("--option", f"base={model.url}", "--option", "password_file=secret", "--yes")
        desk.call("source", "add", "acme", "tickets", "rest:desk.toml", *options)

    def asked(self, since: int = 0) -> list[str]:
        """What was asked for: `list`, `comments`, `file`."""
        words = {"comments": "comments", "tickets": "list"}
        return [words.get(one.path.rpartition("/")[2], "file") for one in self.model.asked[since:]]

    def kill_at(self, number: int) -> None:
        """A backup that is killed at its request of that number."""
        begun, process = len(self.model.asked), list[subprocess.Popen[bytes]]()

        def between(count: int) -> None:
            if count - begun == number:
                process[0].send_signal(signal.SIGKILL)

        self.model.between = between
        with self.model.lock:  # no request is answered before the process is known
            process.append(self.desk.start("backup", "--json"))
        out, _ = process[0].communicate(timeout=120)
        assert process[0].returncode == -signal.SIGKILL and b"snapshot" not in out
        self.model.between = lambda _: None

    def snapshots(self) -> int:
        (project,) = self.desk.call("list", "acme", "--json").document["projects"]
        return len(project["snapshots"])

    def proven(self) -> None:
        """Sound, and what the desk has."""
        self.desk.call("check", "--read-data")
        self.desk.call("restore", "acme", "--to", "proof", "--yes")
        found = contents(self.desk.folder / "proof")
        assert sorted(data for name, data in found.items() if "/attachments/" in name) == sorted(self.model.files.values())
        (lines,) = [data.decode().splitlines() for name, data in found.items() if name.endswith(".jsonl")]
        assert lines == [self.model.kept(number, comments=True) for number in sorted(self.model.tickets)]


@pytest.fixture
def killed(desk: Desk) -> Iterator[Killed]:
    with serving(ModelDesk()) as model:
        model.secret = SECRET
        yield Killed(desk, model)


def survives(killed: Killed, moments: list[int]) -> list[str]:
    """Killed at these requests, one run after the other; what the run asks for that is left alone."""
    for moment in moments:
        killed.kill_at(moment)
        assert killed.snapshots() == 0
    since = len(killed.model.asked)
    (found,) = killed.desk.call("backup", "--json").document["snapshots"]
    assert (found["problems"], found["files"], killed.snapshots()) == (0, 1 + FILES, 1)
    asked = killed.asked(since)
    killed.proven()
    return asked


def test_killed_while_it_lists_it_goes_on_with_the_page_where_it_was(killed: Killed) -> None:
    moment = random.Random("listing").randrange(3 * 11 + 2, 6 * 11 - 1)
    asked = survives(killed, [moment])
    assert asked.count("comments") <= TICKETS - 10 * (moment // 11) + 10


def test_killed_while_it_reads_files_it_asks_for_the_rest_of_them_alone(killed: Killed) -> None:
    moment = PAGES * 11 + PAGES + random.Random("files").randrange(70, 85)
    asked = survives(killed, [moment])
    assert asked.count("comments") == 0
    assert asked.count("file") <= FILES - 20, asked


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_killed_again_and_again_at_random_moments_it_comes_to_an_end(killed: Killed, seed: int) -> None:
    chance = random.Random(f"kills {seed}")
    survives(killed, [chance.randrange(1, 30) for _ in range(4)])
