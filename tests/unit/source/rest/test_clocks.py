"""Three clocks: the one that stamps records, the one that the server tells, and ours."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.support.clock import StillClock
from tests.support.rest_double import Answered, ModelDesk, serving
from tests.support.rest_sources import INCREMENTAL, described, lines, read, source_of
from vault.errors import SourceError
from vault.source.rest import connections


@pytest.fixture
def desk() -> Iterator[ModelDesk]:
    with serving(ModelDesk()) as one:
        one.notes_states = True
        for number in range(200):
            one.add(title=f"{number}")
        yield one


def expected(desk: ModelDesk) -> list[str]:
    return [desk.kept(number) for number in sorted(desk.tickets)]


@pytest.mark.parametrize("hours", [-5, 0, 5])
@pytest.mark.parametrize("style", ["keyset", "page"])
def test_what_is_modified_early_in_a_long_reading_is_not_missed(
    desk: ModelDesk, tmp_path: Path, style: str, hours: int
) -> None:
    """Each request takes a quarter of a minute, so that a reading takes far longer than the overlap."""
    clock = StillClock()
    desk.clock_difference = timedelta(hours=hours)
    edits = {5: 3, 38: 190, 55: 4, 70: 5}

    def between(number: int) -> None:
        clock.sleep(15)
        desk.now += timedelta(seconds=15)
        if number in edits:
            desk.edit(edits[number], title=f"edited at {number}")

    desk.between = between
    description = described(style, size=5, incremental=INCREMENTAL)
    _, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert {json.loads(line)["id"]: line for line in lines(contents)} in desk.states
    desk.between = lambda _: None
    desk.edit(7, title="later")
    _, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert lines(contents) == expected(desk)


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_a_moment_to_wait_for_is_one_of_the_servers_clock(desk: ModelDesk, tmp_path: Path, hours: int) -> None:
    clock, answered = StillClock(), desk._answered
    desk.clock_difference = timedelta(hours=hours)
    left = [1]

    def busy(asked: object) -> Answered:
        if not left:
            return answered(asked)  # type: ignore[arg-type]
        left.pop()
        until = desk.now + desk.clock_difference + timedelta(seconds=30)
        return Answered(b"busy", 503, {"Retry-After": format_datetime(until, usegmt=True)})

    desk._answered = busy  # type: ignore[method-assign]
    source = source_of(desk, described("page"), tmp_path, clock=clock)
    found, contents = read(source)
    assert lines(contents) == expected(desk) and 29 <= sum(clock.slept) <= 31
    assert found.rate_limits is not None and found.rate_limits.longest_wait == 30


def test_a_server_that_falls_silent_is_asked_again_and_given_up_in_the_end(
    desk: ModelDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "TIMEOUT", 0.4)
    silent = threading.Event()
    clock = StillClock()

    def between(number: int) -> None:
        if number == 2:
            silent.wait(1)

    desk.between = between
    _, contents = read(source_of(desk, described("page", size=50), tmp_path, clock=clock))
    assert lines(contents) == expected(desk) and sum(clock.slept) > 0

    def silence(_: int) -> None:
        silent.wait(30)

    desk.between = silence
    with pytest.raises(SourceError, match="cannot be read: TimeoutError"):
        read(source_of(desk, described("page", size=50), tmp_path, clock=clock))
    silent.set()
