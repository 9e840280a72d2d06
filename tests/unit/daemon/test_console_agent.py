"""The daemon keeps the agent for a console running, begins it again when it has ended, and asks it to end with itself."""

from __future__ import annotations

from collections.abc import Callable

from policies.daemon.child_processes import ProcessResult
from policies.daemon.console_agent import LONGEST_PAUSE, ConsoleAgent
from policies.daemon.job_results import RunFailed, agent_ended
from policies.scheduling.jobs import Stop
from tests.support.clock import StillClock
from vault.errors import StrongroomError


class Threads:
    """Work that a test begins and ends."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def launch(self, _name: str, work: Callable[[], None]) -> None:
        self.waiting.append(work)

    def ends(self) -> None:
        self.waiting.pop(0)()


def made(work: Callable[[Stop], None]) -> tuple[ConsoleAgent, Threads, StillClock, list[str]]:
    clock, threads, said = StillClock(), Threads(), list[str]()
    agent = ConsoleAgent(clock, said.append, threads.launch)
    agent.use(work)
    return agent, threads, clock, said


def refused(_stop: Stop) -> None:
    raise StrongroomError("the console refuses the token of this host")


def test_there_is_one_at_a_time_and_it_begins_again_after_a_pause() -> None:
    agent, threads, clock, said = made(lambda _: None)
    for _ in range(3):
        agent.tick()
    assert len(threads.waiting) == 1
    threads.ends()
    agent.tick()
    assert len(threads.waiting) == 0, "not at once"
    clock.sleep(11)
    agent.tick()
    assert len(threads.waiting) == 1 and agent.is_running and said == []


def test_what_is_wrong_is_said_once_and_it_is_begun_ever_more_seldom() -> None:
    agent, threads, clock, said = made(refused)
    begun = 0
    for _ in range(4 * 360):
        agent.tick()
        if threads.waiting:
            begun += 1
            threads.ends()
        clock.sleep(10)
    assert said == ["the agent for the console: the console refuses the token of this host"]
    assert 4 * 3600 / LONGEST_PAUSE < begun < 40


def test_other_settings_and_the_end_of_the_daemon_ask_it_to_end() -> None:
    stops = list[Stop]()
    agent, threads, _, said = made(stops.append)
    agent.tick()
    threads.ends()
    agent.use(stops.append)
    agent.tick()
    agent.use(None)
    threads.ends()
    assert [one() for one in stops] == [False, True] and said == []
    agent.tick()
    assert not agent.is_running
    agent.use(stops.append)
    agent.tick()
    agent.end(0.5)
    threads.ends()
    assert stops[-1]()


def test_an_agent_that_was_asked_to_end_has_not_failed() -> None:
    agent_ended(ProcessResult(0, {}, ""))
    agent_ended(ProcessResult(-15, {}, "", asked=True))
    try:
        agent_ended(ProcessResult(12, {}, "strongroom: error: the token is refused"))
    except RunFailed as error:
        assert "refused" in str(error)
    else:
        raise AssertionError("it was taken for well")
