"""The agent of a host: it asks a console for restores that wait, and carries out one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from console.agent import work
from console.agent.work import LeasedTask
from console.errors import BadAnswer, ConsoleAway, LeaseLost, TokenRefused
from console.hosts.messages import AskBody, FinishBody, Work
from vault.errors import Interrupted, StrongroomError

if TYPE_CHECKING:
    from console.agent.client import ConsoleClient
    from console.agent.rules import HostRules
    from console.repositories import RepositoryPool
    from vault.clock import Clock

STEP = 0.5
"""Seconds after which a wait looks whether this host is to end."""
LONGEST_PAUSE = 300.0
"""Seconds between two questions to a console that does not answer."""


class Finished(Struct, frozen=True):
    """A restore that this host was given, and what came of it. state: of the task, as the console says; "" where it could not
    be told, or another host has it by now."""

    work: Work
    body: FinishBody
    state: str

    @property
    def is_whole(self) -> bool:
        """Whether everything that was asked for is back, and the console knows."""
        return self.state == "done"


class Agent:
    """rules: of this host as they are now · machine: its name · say: hears what happens, for people."""

    def __init__(
        self,
        repositories: RepositoryPool,
        client: ConsoleClient,
        rules: Callable[[], HostRules],
        machine: str,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._repositories = repositories
        self._client = client
        self._rules = rules
        self._machine = machine
        self._clock = clock
        self._say = say
        self._running: LeasedTask | None = None
        self._ending = False

    def end(self) -> None:
        """End soon: what it is at goes back to the console. Safe to be called by a handler of a signal."""
        self._ending = True
        if self._running is not None:
            self._running.end("stopped")

    def once(self) -> list[Finished]:
        """Carry out what waits, one after another. Raises `ConsoleAway`, `BadAnswer`, `TokenRefused`, and what opening the
        repository raises."""
        found = []
        while not self._ending and (done := self.next()) is not None:
            found.append(done)
        return found

    def run(self, every: float) -> None:
        """Ask again and again until it is ended. every: seconds. What goes wrong is said, and it is asked again later."""
        pause, failing = every, ""
        while not self._ending:
            try:
                done = self.next()
            except StrongroomError as error:
                done, pause = None, min(LONGEST_PAUSE, pause * 2)
                if str(error) != failing:
                    self._say(f"no work can be asked for: {error}" + (f" ({error.hint})" if error.hint else ""))
                failing = str(error)
            else:
                if failing:
                    self._say("work can be asked for again")
                pause, failing = every, ""
            if done is None:
                self._wait(pause)

    def next(self) -> Finished | None:
        """Ask for work, and carry it out; None where there is none. Raises as `once`."""
        with self._repositories.lent() as repository:
            offers = self._rules().offers(repository.projects())
        given = self._client.take(AskBody(self._machine, offers)).work
        return None if given is None else self._carried_out(given)

    def _carried_out(self, given: Work) -> Finished:
        what = "back to where it was" if given.goal == "place" else f"into {given.folder!r}"
        self._say(f"{given.project}: {given.person!r} asks for a restore {what} (task {given.task!r})")
        with LeasedTask(self._client, given, self._clock) as running:
            self._running = running
            if self._ending:
                running.end("stopped")
            body = work.carry_out(self._repositories, self._rules(), given, running)
        self._running = None
        try:
            state = work.tell(self._client, body, self._clock, self._require_going_on)
        except (ConsoleAway, BadAnswer, LeaseLost, TokenRefused) as error:
            self._say(f"{given.project}: the console could not be told what came of it: {error}")
            state = ""
        self._say(f"{given.project}: {_said(body, state)}")
        return Finished(given, body, state)

    def _require_going_on(self) -> None:
        if self._ending:
            raise Interrupted("the host is to end")

    def _wait(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        while not self._ending and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(STEP, left))


def _said(body: FinishBody, state: str) -> str:
    """In a line."""
    done, plan = body.outcome, body.plan
    if body.result == "restored":
        problems = f", {done.problems} things are not as they were asked for" if done.problems else ""
        return f"{done.files} files restored{problems}" + ("" if state in ("done", "partly") else "; the console does not know")
    if plan is not None:
        return f"{plan.replacing} items would be replaced; whoever asked must confirm that first"
    words = {"again": "tried again later", "stopped": "stopped"}.get(body.result, "not carried out")
    return f"{words}: {body.error}"
