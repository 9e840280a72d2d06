"""What the tests of hosts share: an agent that asks the application without a socket, by its own client but for the wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import httpx2 as httpx

import strongroom
from console.agent.client import ConsoleClient
from console.agent.loop import Agent
from console.agent.rules import HostRules
from console.agent.work import LeasedTask, carry_out
from console.hosts.messages import FinishBody, Work
from console.repositories import RepositoryPool
from strongroom.settings.agent import AgentRule, AgentSettings
from tests.support.console import ConsoleClient as Console
from tests.support.console import text_of
from tests.support.desk import Desk
from vault.clock import Clock, SystemClock

UNTIL = "2027-06-30"


class DirectClient(ConsoleClient):
    """Asks the application itself. meet: hears of each request before it is sent, and may raise."""

    def __init__(self, console: Console, token: str, clock: Clock, meet: Callable[[str], None] = lambda _: None) -> None:
        super().__init__("http://127.0.0.1", lambda: token, clock)
        self._console = console
        self._meet = meet

    def _exchange(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        self._meet(path)
        answer = self._console.as_host(path, self._token(), body)
        return answer.status_code, answer.headers["content-type"], answer.content


def make_host(console: Console, name: str = "backup1", projects: str = "acme") -> str:
    """An administrator makes a token; gives it."""
    before, console.person = console.person, "root"
    page = console.post("/hosts", {"name": name, "projects": projects, "until": UNTIL})
    console.person = before
    assert page.status_code == 200, text_of(page)
    found = re.search(r"<code>(strongroom_host_[^<]*)</code>", page.text)
    assert found is not None
    return unescape(found[1])


def rules(*allow: AgentRule, folders: dict[str, Path] | None = None) -> AgentSettings:
    """The table [agent] of a host."""
    return AgentSettings.model_construct(
        allow=allow or (AgentRule.model_construct(projects=("acme",), in_place=True, folders=tuple(folders or {})),),
        folders=folders or {},
    )


@contextmanager
def agent_of(
    desk: Desk,
    console: Console,
    token: str,
    settings: AgentSettings | None = None,
    *,
    clock: Clock | None = None,
    identity: Sequence[Path] = (),
    meet: Callable[[str], None] = lambda _: None,
    said: list[str] | None = None,
) -> Iterator[Agent]:
    """An agent with the desk's own identity, which can read everything. said: gets what it says."""
    clock = clock or SystemClock()
    pool = RepositoryPool(lambda: strongroom.open_repository(desk.settings, identity=identity), clock)
    client = DirectClient(console, token, clock, meet)
    host = HostRules(settings or rules(), client.address)
    try:
        yield Agent(pool, client, lambda: host, "machine-1", clock, (said if said is not None else []).append)
    finally:
        pool.close()


def work_for(console: Console, token: str, *folders: str, in_place: bool = True) -> httpx.Response:
    """Ask for work as a host that offers everything of acme does."""
    offer = {"in_place": in_place, "folders": list(folders)}
    return console.as_host("/work", token, {"machine": "machine-1", "projects": {"acme": offer}})


def carried_out(desk: Desk, console: Console, token: str, settings: AgentSettings, given: Work) -> FinishBody:
    """What comes of work that a console has sent, on a host with these settings."""
    clock = SystemClock()
    pool = RepositoryPool(lambda: strongroom.open_repository(desk.settings), clock)
    client = DirectClient(console, token, clock)
    try:
        return carry_out(pool, HostRules(settings, client.address), given, LeasedTask(client, given, clock))
    finally:
        pool.close()
