"""Claims of writers that have ended on this machine, and how claims are waited for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.clock import StillClock
from tests.support.places import made_on, tiny_descriptor
from vault.errors import Interrupted
from vault.format.record import Process
from vault.process import LinuxProcesses
from vault.repository import claims
from vault.repository.own_claim import OwnClaim
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

PROCESSES = LinuxProcesses("here")


class Hearing:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        self.phases.append(name)

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        return


class Writer:
    """A writer that says it is another process than this one."""

    def __init__(self, process: Process | None) -> None:
        self._process = process

    def own(self) -> Process | None:
        return self._process

    def ended(self, process: Process) -> bool:
        return PROCESSES.ended(process)


def here(create_once: bool) -> Project:  # noqa: FBT001
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once), StillClock())
    return replace(project, services=replace(project.services, processes=PROCESSES))


def claim_of(project: Project, process: Process | None) -> OwnClaim:
    services = replace(project.services, processes=Writer(process))
    return OwnClaim.put(replace(project, services=services), "files")


def process(**other: object) -> Process:
    own = PROCESSES.own()
    assert own is not None
    return replace(own, **other)  # type: ignore[arg-type]


def ended_process() -> Process:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True, text=True)
    return process(number=int(child.stdout))


@pytest.mark.parametrize("create_once", [True, False])
def test_a_claim_whose_process_has_ended_here_goes_at_once(create_once: bool) -> None:  # noqa: FBT001
    project = here(create_once)
    claim = claim_of(project, ended_process())
    assert claims.wait(project, claims.standing(project), claims.Patience(seconds=0), lambda: None) == []
    assert claims.standing(project) == []
    assert not claim.stands()


def test_a_number_that_is_used_again_is_another_process() -> None:
    project = here(create_once=True)
    claim_of(project, process(started=1))
    assert len(claims.withdraw_dead(project)) == 1


@pytest.mark.parametrize("what", ["this very process", "another machine", "another container", "an older version"])
def test_where_it_is_in_doubt_a_claim_stays(what: str) -> None:
    project = here(create_once=True)
    ended = ended_process()
    whose = {
        "this very process": process(),
        "another machine": replace(ended, machine="another"),
        "another container": replace(ended, namespace="pid:[1]"),
        "an older version": None,
    }
    claim_of(project, whose[what])
    assert claims.withdraw_dead(project) == []
    assert len(claims.standing(project)) == 1


def test_a_dead_writer_that_may_have_sent_its_commit_keeps_its_claim_where_nothing_creates_once() -> None:
    project = here(create_once=False)
    claim = claim_of(project, ended_process())
    claim.rewrite(committing=True)
    assert claims.withdraw_dead(project) == []
    assert claim.stands()


def test_whom_a_prune_waits_for_is_told_and_stop_is_heard() -> None:
    project, hears = here(create_once=True), Hearing()
    claim_of(project, process())
    calls = iter(range(5))

    def stop() -> None:
        if next(calls, None) is None:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        claims.wait(project, claims.standing(project), claims.Patience(), stop, hears)
    assert project.services.clock.monotonic() < claims.LOOK_EVERY
    (told,) = hears.phases
    assert "files of test, begun 2026-03-14 12:00 UTC, last progress 2026-03-14 12:00 UTC" in told


def test_waiting_ends_with_the_time_that_there_is_altogether() -> None:
    project = here(create_once=True)
    claim_of(project, process())
    patience = claims.Patience(seconds=3600, altogether=30)
    assert claims.wait(project, claims.standing(project), patience, lambda: None) == claims.standing(project)
    assert project.services.clock.monotonic() < 60


def test_a_grace_period_that_was_cut_short_is_waited_for_by_the_next_prune() -> None:
    project = here(create_once=False)
    claim_of(project, process())
    hasty = claims.Patience(seconds=0, stale_after=timedelta(seconds=-1), altogether=60)
    (claim,) = claims.standing(project)
    assert claims.wait(project, [claim], hasty, lambda: None) == [claim]
    assert claims.standing(project) == []
    assert claims.wait(project, [], hasty, lambda: None) == [claim]
    began = project.services.clock.monotonic()
    assert claims.wait(project, [], claims.Patience(), lambda: None) == []
    assert project.services.clock.monotonic() - began == pytest.approx(3600, abs=1)
