"""Power fails while holds are placed and released: each is there whole, or not at all, and nothing is let go by halves."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.support.dying import DyingStore, PowerCut, moments
from tests.support.places import FAR_AHEAD, made_on, through
from vault.format.hold import Scope
from vault.repository import holds
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

WRITES = 3


def work(project: Project) -> None:
    """Two holds, of which the first is released again."""
    first = holds.place(project, Scope(kind="tickets"), reason="audit", who="olena")
    holds.place(project, Scope(kind="raw"), reason="court", who="taras")
    holds.release(project, first.id, reason="the audit is over", who="olena")


def test_the_work_of_these_tests_has_as_many_writes_as_they_go_through() -> None:
    project = made_on(MemoryStore())
    store = DyingStore(project.store)
    work(through(project, store))
    assert store.writes == WRITES


@pytest.mark.parametrize(("lives", "when"), moments(WRITES))
def test_a_power_cut_leaves_each_hold_whole_or_absent(lives: int, when: Literal["before", "after"]) -> None:
    project = made_on(MemoryStore())
    with pytest.raises(PowerCut):
        work(through(project, DyingStore(project.store, lives=lives, when=when)))
    landed = lives + (when == "after")
    found = holds.read_all(project)
    assert not found.problems
    assert {hold.reason for hold in found.holds} == set(["audit", "court"][:landed])
    assert {hold.reason for hold in found.binding(FAR_AHEAD)} == [set(), {"audit"}, {"audit", "court"}, {"court"}][landed]
    work(project)
    assert not holds.read_all(project).problems
