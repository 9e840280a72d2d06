"""The loop: it beats by a clock that nobody can set, and no beat silences another."""

from __future__ import annotations

import itertools
from datetime import timedelta

from policies.scheduling.periodic_tasks import PeriodicLoop
from tests.support.stage import NOON, StageClock
from vault.errors import StrongroomError


def beats(clock: StageClock, loop: PeriodicLoop, seconds: int) -> None:
    end = clock.monotonic() + seconds
    loop.run(lambda: clock.monotonic() >= end)


def test_each_work_is_done_as_often_as_it_was_asked_for() -> None:
    clock, often, seldom = StageClock(), [], []
    loop = PeriodicLoop(clock, lambda _text: None)
    loop.every(1, lambda: often.append(clock.now()))
    loop.every(60, lambda: seldom.append(clock.now()))
    beats(clock, loop, 180)
    assert often == [NOON + timedelta(seconds=number) for number in range(180)]
    assert seldom == [NOON + timedelta(minutes=number) for number in range(3)]


def test_a_work_that_raises_is_told_and_stops_neither_the_others_nor_itself() -> None:
    clock, done = StageClock(), []
    told: list[str] = []
    loop = PeriodicLoop(clock, told.append)
    loop.every(1, lambda: 1 / 0, "dividing")
    loop.every(1, lambda: done.append(clock.now()))
    beats(clock, loop, 5)
    assert len(done) == 5
    assert told == ["dividing: a mistake in Strongroom itself: ZeroDivisionError: division by zero"]
    assert [(one.beat, one.since) for one in loop.failing] == [("dividing", NOON)]
    beats(clock, loop, 7200)
    assert len(told) == 3, "once an hour while it lasts"


def test_a_beat_that_fails_and_cannot_be_told_goes_on_and_is_said_to_work_again_once_it_does() -> None:
    clock, told = StageClock(), list[str]()
    troubles = [StrongroomError("the disk is full"), StrongroomError("the disk is full")]

    def work() -> None:
        if troubles:
            raise troubles.pop()

    def report(text: str) -> None:
        if troubles:
            raise OSError("the log cannot be written either")
        told.append(text)

    loop = PeriodicLoop(clock, report)
    loop.every(1, work, "watching")
    beats(clock, loop, 1)
    assert [one.error for one in loop.failing] == ["the disk is full"] and told == []
    beats(clock, loop, 5)
    assert loop.failing == ()
    assert told == [f"watching: works again, after it failed since {NOON:%Y-%m-%d %H:%M:%S} UTC"]


def test_a_clock_that_is_set_back_or_forward_changes_no_beat() -> None:
    clock, done = StageClock(), []
    loop = PeriodicLoop(clock, lambda _text: None)
    loop.every(10, lambda: done.append(clock.monotonic()))
    for days in (-1, 400, -1):
        beats(clock, loop, 100)
        clock.set(clock.now() + timedelta(days=days))
    beats(clock, loop, 100)
    assert [later - sooner for sooner, later in itertools.pairwise(done)] == [10.0] * 39


def test_beats_that_were_missed_are_not_made_up_for() -> None:
    clock, done = StageClock(), []
    loop = PeriodicLoop(clock, lambda _text: None)
    loop.every(1, lambda: done.append(clock.monotonic()))
    loop.beat()
    clock.sleep(100)
    loop.beat()
    loop.beat()
    assert len(done) == 2
