"""A console and hosts as processes over loopback: whoever is killed, and whenever, nothing half-written is called done, nothing
is carried out twice at a time, and what waits is carried out in the end."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from html import unescape
from pathlib import Path
from time import monotonic, sleep

import httpx2 as httpx
import pytest

from tests.support.agent_process import PATIENCE, agent
from tests.support.console import text_of
from tests.support.console_login import CSRF, FORM, PASSWORD
from tests.support.console_process import Running, running
from tests.support.desk import Desk, Place
from tests.support.names_only import names_only
from tests.support.randomness import SeededChance
from tests.support.tree_facts import tree_facts, write_files

pytestmark = pytest.mark.slow

SHORT = """
from console import server
real = server.ConsoleLimits
server.ConsoleLimits = lambda **more: real(lease=4.0, retry=0.1, **more)
import sys
from cli.start import run
sys.argv = ["strongroom", *sys.argv[1:]]
sys.exit(run())
"""
ROLES = """
[[console.roles]]
role = "restorer"
people = ["anna"]

[agent]
every = "1 second"

[[agent.allow]]
projects = ["acme"]
in_place = true
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    randomness = SeededChance("hosts")
    write_files(made.folder / "reports", {f"2024/{number:02}.bin": randomness.token(30_000) for number in range(20)})
    write_files(made.folder / "reports", {"kept.txt": b"here"})
    made.init()
    made.shrink_packs(60_000)
    made.add("acme", f"reports={made.folder / 'reports'}")
    made.call("backup")
    names_only(made, "acme")
    made.settings.write_text(made.settings.read_text() + ROLES)
    password = made.folder / "password"
    password.write_text(PASSWORD)
    made.call("console", "user", "add", "anna", "--password-file", str(password))
    return made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@contextmanager
def short_console(desk: Desk, port: int = 0) -> Iterator[Running]:
    """With a key to names alone, and leases of some seconds."""
    options = ["--identity", str(names_only(desk)), *(["--listen", f"127.0.0.1:{port}"] if port else [])]
    with running(desk, *options, program=[sys.executable, "-P", "-c", SHORT]) as made:
        yield made


def token_of(desk: Desk, name: str) -> Path:
    """A file with the token of a new host."""
    until = "2027-01-31"
    made = desk.call("console", "host", "add", name, "--project", "acme", "--until", until, "--json").document
    file = desk.folder / f"{name}.token"
    file.write_text(f"{made['token']}\n")
    return file


class Anna:
    """With a browser, which is closed at the end."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        found = FORM.search(self.client.get("/login").text)
        assert found is not None
        form = {"form": unescape(found[1]), "name": "anna", "password": PASSWORD, "back": "/"}
        assert self.client.post("/login", data=form).status_code == 303

    def post(self, path: str, form: dict[str, str], page: str) -> httpx.Response:
        found = CSRF.search(self.client.get(page).text)
        assert found is not None
        return self.client.post(path, data={"csrf": unescape(found[1]), **form})

    def asks(self) -> str:
        """For the folder that is gone; gives the address of the task."""
        self.post("/projects/acme/basket", {"folder": "reports%2F2024"}, "/projects/acme/basket")
        page = self.client.get("/projects/acme/get-back?goal=place").text
        fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.partition('method="post"')[2]))
        begun = self.client.post("/projects/acme/get-back", data={name: unescape(one) for name, one in fields.items()})
        assert begun.status_code == 303, text_of(begun)
        return str(begun.headers["location"])

    def sees(self, task: str, words: str) -> str:
        """The page of a task once it says something."""
        until = monotonic() + PATIENCE
        while words not in (page := text_of(self.client.get(task))):
            assert monotonic() < until, page
            sleep(0.1)
        return page


def is_half(path: bytes) -> bool:
    return b".strongroom-" in path


def whole(desk: Desk, before: Mapping[bytes, object]) -> bool:
    """Whether everything is back as it was, and nothing besides; that what is there under its name is whole."""
    there = {path: facts for path, facts in tree_facts(desk.folder / "reports").items() if path.endswith((b".bin", b".txt"))}
    wanted = {path: facts for path, facts in before.items() if path.endswith((b".bin", b".txt"))}
    assert all(there[path] == wanted[path] for path in there if not is_half(path)), "a file is there that is not whole"
    return there == wanted


def test_a_host_that_is_killed_in_the_middle_is_followed_by_another_one(desk: Desk, stack: ExitStack) -> None:
    before = tree_facts(desk.folder / "reports")
    shutil.rmtree(desk.folder / "reports/2024")
    one, two = token_of(desk, "one"), token_of(desk, "two")
    with short_console(desk) as console:
        anna = Anna(console.url, stack)
        task = anna.asks()
        with agent(desk, console.url, one, waits_at=3) as first:
            first.in_the_middle()
            anna.sees(task, "The host one is at it")
            first.process.kill()
            first.process.wait()
            assert not whole(desk, before)
            assert "is done" not in anna.sees(task, "is running")
            anna.sees(task, "waits for a host")
        with agent(desk, console.url, two, "--once", "--json") as second:
            assert second.process.wait(PATIENCE) == 0, second.log
        assert "Carried out by the host two" in anna.sees(task, "is done")
    assert whole(desk, before)


def test_a_console_that_is_killed_in_the_middle_hears_of_it_when_it_is_back(desk: Desk, stack: ExitStack) -> None:
    before = tree_facts(desk.folder / "reports")
    shutil.rmtree(desk.folder / "reports/2024")
    token = token_of(desk, "one")
    with short_console(desk) as console:
        task = Anna(console.url, stack).asks()
        with agent(desk, console.url, token, waits_at=3) as one:
            one.in_the_middle()
            console.process.kill()
            console.process.wait()
            with short_console(desk, console.port) as again:
                anna = Anna(again.url, stack)
                one.go_on()
                anna.sees(task, "is done")
    assert whole(desk, before)


def test_a_host_that_hears_nothing_for_too_long_stops_and_calls_nothing_done(desk: Desk, stack: ExitStack) -> None:
    before = tree_facts(desk.folder / "reports")
    shutil.rmtree(desk.folder / "reports/2024")
    one, two = token_of(desk, "one"), token_of(desk, "two")
    with short_console(desk) as console:
        anna = Anna(console.url, stack)
        task = anna.asks()
        with agent(desk, console.url, one, waits_at=3) as first:
            first.in_the_middle()
            first.process.send_signal(signal.SIGSTOP)  # a machine that sleeps
            anna.sees(task, "waits for a host")
            with agent(desk, console.url, two) as second:
                second.says("another restore writes to")  # its lock is on this machine: elsewhere there is none
                first.process.send_signal(signal.SIGCONT)
                first.says("the console could not be told")
                anna.sees(task, "is done")
    assert whole(desk, before)


def test_cancelling_on_the_page_stops_the_host_and_going_on_ends_it_whole(desk: Desk, stack: ExitStack) -> None:
    before = tree_facts(desk.folder / "reports")
    shutil.rmtree(desk.folder / "reports/2024")
    token = token_of(desk, "one")
    with short_console(desk) as console:
        anna = Anna(console.url, stack)
        task = anna.asks()
        with agent(desk, console.url, token, waits_at=3) as one:
            one.in_the_middle()
            anna.post(f"{task}/cancel", {}, task)
            anna.sees(task, "was cancelled")
            one.says("stopped: it was cancelled")
            assert not whole(desk, before)
            anna.post(f"{task}/again", {}, task)
            anna.sees(task, "is done")
    assert whole(desk, before)


def test_two_hosts_at_once_carry_out_each_task_once(desk: Desk, stack: ExitStack) -> None:
    token, other = token_of(desk, "one"), token_of(desk, "two")
    with short_console(desk) as console:
        anna = Anna(console.url, stack)
        tasks = []
        for _ in range(4):
            shutil.rmtree(desk.folder / "reports/2024", ignore_errors=True)
            tasks.append(anna.asks())
        with (
            agent(desk, console.url, token, "--once", "--json") as one,
            agent(desk, console.url, other, "--once", "--json") as two,
        ):
            assert {one.process.wait(PATIENCE), two.process.wait(PATIENCE)} <= {0, 3}, one.log + two.log
            done = [
                restore for each in (one, two) for restore in document(each.log)["restores"] if restore["result"] == "restored"
            ]
        for task in tasks:
            anna.sees(task, "is done")
        assert sorted(restore["task"] for restore in done) == sorted(task.removeprefix("/tasks/") for task in tasks)


def document(log: str) -> dict[str, list[dict[str, str]]]:
    """The JSON that stands at the end of a log."""
    return dict(json.loads(log[log.index("\n{\n") :]))


def test_a_token_that_has_ended_ends_the_command_and_a_watching_agent_says_so_and_goes_on(desk: Desk, stack: ExitStack) -> None:
    token = token_of(desk, "one")
    with short_console(desk) as console:
        desk.call("console", "host", "remove", "one", "--yes")
        refused = desk.run(*("console", "agent", "--once", "--console", console.url, "--token-file", str(token)), exits=12).err
        assert "refuses the token of this host" in refused
        with agent(desk, console.url, token) as one:
            one.says("refuses the token of this host")
            fresh = token_of(desk, "one")
            token.write_text(fresh.read_text())
            one.says("work can be asked for again")
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(30) == 0


def test_the_daemon_carries_out_restores_where_the_settings_say_so(desk: Desk, stack: ExitStack) -> None:
    before = tree_facts(desk.folder / "reports")
    shutil.rmtree(desk.folder / "reports/2024")
    token = token_of(desk, "one")
    given = desk.settings.read_text()
    with short_console(desk) as console:
        table = f'[agent]\nconsole = "{console.url}"\ntoken_file = "{token}"\ndaemon = true\n'
        desk.settings.write_text(given.replace("[agent]\n", table))
        anna = Anna(console.url, stack)
        task = anna.asks()
        daemon = desk.start("daemon")
        try:
            assert "Carried out by the host one" in anna.sees(task, "is done")
        finally:
            daemon.send_signal(signal.SIGTERM)
            out, err = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, (out, err)
    assert whole(desk, before)
