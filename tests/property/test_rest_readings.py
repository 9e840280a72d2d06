"""Records that are written, edited, merged and deleted while pages are read: each snapshot is a state that the desk really
had, or the problem is named."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.clock import StillClock
from tests.support.rest_double import ModelDesk, serving
from tests.support.rest_sources import COMMENTS, INCREMENTAL, STYLES, described, lines, read, source_of
from vault.source.rest.description import Description
from vault.source.rest.reading import Unsettled

Happenings = list[tuple[int, str, int]]
"""After so many requests, what happens to which ticket."""

WORDS = ("add", "edit", "late", "delete", "merge", "comment")
happenings = st.lists(st.tuples(st.integers(1, 8), st.sampled_from(WORDS), st.integers(0, 30)), max_size=7)


def happen(desk: ModelDesk, what: str, which: int) -> None:
    there = sorted(desk.tickets)
    if what == "add" or not there:
        desk.add(title=f"new {which}")
        return
    number = there[which % len(there)]
    if what in ("edit", "late"):
        desk.edit(number, title=f"{what} {which}", late=what == "late")
    elif what == "delete":
        desk.delete(number)
    elif what == "archive":
        desk.set_archived(number)
    elif what == "merge" and len(there) > 1:
        desk.merge(
            number,
            there[(which + 1) % len(there)] if there[(which + 1) % len(there)] != number else there[which % len(there) - 1],
        )
    else:
        desk.comment(number, f"comment {which}")


def script(desk: ModelDesk, happening: Happenings) -> None:
    """What happens between the next requests."""
    begun = len(desk.asked)

    def between(number: int) -> None:
        for at, what, which in happening:
            if number - begun == at:
                happen(desk, what, which)

    desk.between = between


def snapshot(desk: ModelDesk, description: Description, folder: Path, clock: StillClock) -> tuple[dict[int, str], bool] | None:
    """The records, and whether deletions are believed; None where it is said that nothing could be had."""
    try:
        found, contents = read(source_of(desk, description, folder, clock=clock))
    except Unsettled:
        event("unsettled")
        return None
    assert found.problems == [] and found.coverage is not None
    records = {json.loads(line)["id"]: line for line in lines(contents)}
    assert len(records) == len(lines(contents))
    return records, found.coverage.deletions


def is_of_one_moment(desk: ModelDesk, records: dict[int, str], *, whole: bool) -> bool:
    """Whether the desk had this state. whole: also nothing that was deleted before."""
    if whole:
        return records in desk.states
    return any(
        state.items() <= records.items() and records.keys() - state.keys() <= _ever(desk) - state.keys()
        for state in desk.states
    )


def _ever(desk: ModelDesk) -> set[int]:
    return {number for state in desk.states for number in state}


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    style=st.sampled_from(STYLES), count=st.integers(0, 20), size=st.integers(2, 6), incremental=st.booleans(),
    first=happenings, second=happenings, third=happenings,
)  # fmt: skip
def test_each_snapshot_is_a_state_that_was_or_the_problem_is_named(
    *, style: str, count: int, size: int, incremental: bool, first: Happenings, second: Happenings, third: Happenings
) -> None:
    more = {"incremental": INCREMENTAL} if incremental else {}
    description = described(style, size=size, **more)
    with serving(ModelDesk()) as desk, tempfile.TemporaryDirectory() as folder:
        desk.notes_states = True
        for number in range(count):
            desk.add(title=f"{number}")
        clock = StillClock()
        for happening, later in ((first, 0.0), (second, 60.0), (third, 90_000.0)):
            clock.sleep(later)
            script(desk, happening)
            found = snapshot(desk, description, Path(folder), clock)
            if found is not None:
                assert is_of_one_moment(desk, found[0], whole=found[1])
            assert later < 90_000 or found is None or found[1]
        desk.between = lambda _: None
        clock.sleep(90_000)
        last = snapshot(desk, description, Path(folder), clock)
        assert last is not None and last[0] == desk.states[-1]  # once nothing happens any more, nothing is missing


@settings(derandomize=True, deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(style=st.sampled_from(STYLES), count=st.integers(1, 8), first=happenings, second=happenings)
def test_with_comments_too_the_last_word_is_the_state_that_is(
    *, style: str, count: int, first: Happenings, second: Happenings
) -> None:
    description = described(style, size=3, incremental=INCREMENTAL, children=COMMENTS)
    with serving(ModelDesk()) as desk, tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            desk.add(title=f"{number}")
        clock = StillClock()
        for happening in (first, second):
            script(desk, happening)
            snapshot(desk, description, Path(folder), clock)
        desk.between = lambda _: None
        clock.sleep(90_000)
        found = snapshot(desk, description, Path(folder), clock)
        assert found is not None
        assert found[0] == {number: desk.kept(number, comments=True) for number in desk.tickets}


faults = st.lists(st.tuples(st.integers(1, 20), st.sampled_from(("429", "503", "500", "cut", "nothing"))), max_size=8)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(style=st.sampled_from(STYLES), count=st.integers(0, 12), storm=faults)
def test_through_a_storm_of_refusals_and_broken_answers_all_records_come(
    *, style: str, count: int, storm: list[tuple[int, str]]
) -> None:
    description = described(style, size=3, incremental=INCREMENTAL, children=COMMENTS)
    with serving(ModelDesk()) as desk, tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            desk.add(title=f"{number}")
        desk.storm = dict(storm)
        clock = StillClock()
        found = snapshot(desk, description, Path(folder), clock)
        assert found is not None
        assert found[0] == {number: desk.kept(number, comments=True) for number in desk.tickets}
        assert sum(clock.slept) >= 7 * sum(what in ("429", "503") and at <= len(desk.asked) for at, what in desk.storm.items())
