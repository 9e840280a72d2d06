"""Every trap of vendors' interfaces, by itself and together with others: with the right description nothing is lost, each
record is as it once was, and each snapshot is a state that the desk really had, where its interface lets anybody see one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.property.test_rest_readings import Happenings, script
from tests.support.clock import StillClock
from tests.support.rest_double import ModelDesk, serving
from tests.support.rest_sources import STYLES, described, lines, read, source_of
from tests.support.trap_desk import NAMED, SECRET, TRAPS, TrapDesk, described_for, fitting
from vault.errors import SourceError
from vault.source.rest.description import Description
from vault.source.rest.reading import Unsettled

AVOIDED = frozenset({"archived", "thirty-days", "page-limit"})
"""These snap at whoever asks without a moment, which the right description never does."""

MONTH = 40 * 86_400.0
DAY = 90_000.0
WORDS = ("add", "edit", "late", "delete", "merge", "comment", "archive")
happenings = st.lists(st.tuples(st.integers(1, 8), st.sampled_from(WORDS), st.integers(0, 30)), max_size=5)
silent = st.lists(st.tuples(st.sampled_from(("clear", "lose")), st.integers(0, 30)), max_size=2)


def filled(desk: TrapDesk, count: int) -> None:
    """Half of the tickets were last touched more than a month ago."""
    for number in range(count):
        if number == count // 2:
            desk.clock.sleep(MONTH)
        desk.add(title=f"{number}")


def records(desk: TrapDesk, description: Description, folder: Path) -> tuple[dict[int, str], bool] | None:
    """What a snapshot has, and whether deletions are believed; None where it is said that nothing could be had."""
    try:
        found, contents = read(source_of(desk, description, folder, clock=desk.clock, secret=SECRET))
    except Unsettled:
        event("unsettled")
        return None
    assert found.problems == [] and found.coverage is not None
    all_lines = lines(contents)
    by_id = {json.loads(line)["id"]: line for line in all_lines}
    assert len(by_id) == len(all_lines)
    return by_id, found.coverage.deletions


def ever(desk: ModelDesk) -> set[str]:
    return {line for state in desk.states for line in state.values()}


def now(desk: TrapDesk) -> dict[int, str]:
    return {number: desk.kept(number) for number in desk.tickets}


def what_nobody_says(desk: TrapDesk, happening: list[tuple[str, int]]) -> None:
    for what, which in happening:
        there = sorted(desk.tickets)
        if there and what == "clear":
            desk.clear(there[which % len(there)])
        elif there:
            desk.lose_comment(there[which % len(there)])


several_traps = given(
    style=st.sampled_from(STYLES), wanted=st.sets(st.sampled_from(sorted(TRAPS)), max_size=6), count=st.integers(0, 14),
    first=happenings, second=happenings, third=happenings, quietly=silent,
)  # fmt: skip


def whatever_traps(
    *, style: str, wanted: set[str], count: int, first: Happenings, second: Happenings, third: Happenings,
    quietly: list[tuple[str, int]],
) -> None:  # fmt: skip
    """An interface with some traps, backed up again and again while it changes."""
    traps, clock = fitting(style, wanted), StillClock()
    with serving(TrapDesk(clock, traps)) as desk, tempfile.TemporaryDirectory() as folder:
        desk.notes_states = True
        filled(desk, count)
        description, is_quiet = described_for(desk, style), True
        for happening, later in ((first, 120.0), (second, 120.0), (third, DAY)):
            clock.sleep(later)
            script(desk, happening)
            found = records(desk, description, Path(folder))
            is_lenient = "last-minute" in traps or not is_quiet
            if found is not None and not is_lenient:
                assert found[0] in desk.states if found[1] else _is_of_one_moment(desk, found[0])
            if found is not None:
                assert set(found[0].values()) <= ever(desk)
            what_nobody_says(desk, quietly)
            is_quiet = is_quiet and not quietly
        desk.between = lambda _: None
        clock.sleep(DAY)
        last = records(desk, description, Path(folder))
        assert last is not None or traps & NAMED
        assert last is None or last[0] == now(desk)


@settings(derandomize=True, deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@several_traps
def test_whatever_traps_an_interface_has_nothing_is_lost(**more: Any) -> None:
    whatever_traps(**more)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@several_traps
def test_whatever_traps_an_interface_has_nothing_is_lost_at_depth(**more: Any) -> None:
    whatever_traps(**more)


def _is_of_one_moment(desk: ModelDesk, found: dict[int, str]) -> bool:
    """Whether it is a state, with or without what was deleted before."""
    of_all = {number for state in desk.states for number in state}
    return any(state.items() <= found.items() and found.keys() - state.keys() <= of_all - state.keys() for state in desk.states)


def style_of(trap: str) -> str:
    """A way of paging that an interface with this trap may have."""
    return next(style for style in ("page", "next", "keyset") if trap in fitting(style, {trap}))


def is_as_it_is(desk: TrapDesk, description: Description, folder: Path) -> None:
    """All tickets with their comments, and the bytes of the attachment."""
    found, contents = read(source_of(desk, description, folder, clock=desk.clock, secret=SECRET))
    files = [data for name, data in contents.items() if "/attachments/" in name]
    assert files == [b"RIFF"] and found.problems == []
    kept = {one["id"]: one for one in map(json.loads, lines(contents))}
    assert kept.keys() == desk.tickets.keys()
    for number, one in kept.items():
        expected = json.loads(desk.kept(number, comments=True))
        assert one == expected | {"files": [{"id": file["id"], "name": file["name"]} for file in expected["files"]]}


@pytest.mark.parametrize("trap", sorted(TRAPS.keys() - NAMED))
def test_each_trap_snaps_and_nothing_is_lost_by_it(trap: str, tmp_path: Path) -> None:
    clock = StillClock()
    with serving(TrapDesk(clock, {trap})) as desk:
        filled(desk, 26)
        for number in (3, 3, 3, 20):
            desk.comment(number, "hello")
        desk.attach(20, "a.wav", b"RIFF")
        desk.set_archived(5)
        clock.sleep(120)
        description = described_for(desk, style_of(trap), comments=True, files=True)
        for change in range(3):
            is_as_it_is(desk, description, tmp_path)
            desk.edit(7, title=f"{change}")
            desk.comment(21, "late")
            clock.sleep(120)
            is_as_it_is(desk, description, tmp_path)
            desk.delete(10 + change)
            clock.sleep(DAY)
            if trap == "last-minute":
                desk.edit(21, title="now")  # it is in no listing, and must not be taken for deleted
        if trap in AVOIDED:
            careless = described("page", size=4)
            try:
                _, fewer = read(source_of(desk, careless, None, clock=clock, secret=SECRET))
                assert len(lines(fewer)) < len(desk.tickets)
            except SourceError as error:
                assert trap == "page-limit" and "answers 400" in str(error)
        assert desk.bites[trap] > 0


def test_pages_without_an_order_are_named_and_what_was_known_stays(tmp_path: Path) -> None:
    with serving(TrapDesk(StillClock(), {"no-order"})) as desk:
        filled(desk, 26)
        with pytest.raises(Unsettled, match="another order each time"):
            records_of(desk, described_for(desk, "page"), tmp_path)
        assert desk.bites["no-order"] > 0
        desk.traps.clear()
        assert records_of(desk, described_for(desk, "page"), tmp_path) == now(desk)


def records_of(desk: TrapDesk, description: Description, folder: Path) -> dict[int, str]:
    _, contents = read(source_of(desk, description, folder, clock=desk.clock, secret=SECRET))
    return {json.loads(line)["id"]: line for line in lines(contents)}
