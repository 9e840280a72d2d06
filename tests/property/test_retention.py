"""What must be true of every verdict, and of two years of verdicts one after another."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from policies.retention.calendar_span import CalendarSpan
from policies.retention.rules import ALL, Keep
from policies.retention.verdict import RetentionDecision, Snapshot, decide
from vault.format.hold import HeldPeriod, Hold, Scope

usual = settings(derandomize=True, deadline=None, max_examples=100)
deep = settings(derandomize=True, deadline=None, max_examples=5000)

ZONES = [
    ZoneInfo(name)
    for name in ("Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC", "Asia/Beirut")
]
START = datetime(2024, 1, 1, tzinfo=UTC)

zones = st.sampled_from(ZONES)
counts = st.sampled_from([0, 0, 1, 2, 3, 7, ALL])
spans = st.builds(CalendarSpan, st.integers(0, 40), st.sampled_from(["hour", "day", "week", "month"]))
keeps = st.builds(Keep, counts, counts, counts, counts, counts, counts, counts, spans)
# minutes since the start: some days full of snapshots, and a year with gaps
minutes = st.integers(0, 3000) | st.integers(0, 60 * 24 * 400)
moments = minutes.map(lambda minute: START + timedelta(minutes=minute))
matches = st.sampled_from([None, frozenset[str](), frozenset({"0" * 32})])
snapshots = st.lists(
    st.builds(
        Snapshot,
        id=st.integers(0, 10_000).map("{:05}".format),
        source=st.sampled_from(["a", "b"]),
        kind=st.sampled_from(["reports", "raw"]),
        taken_at=moments,
        good=st.booleans(),
        superseded=st.sampled_from([True, True, True, False]),
        matches=matches,
    ),
    max_size=30,
    unique_by=lambda one: one.id,
)
scopes = st.builds(
    Scope,
    kind=st.sampled_from([None, "reports"]),
    period=st.sampled_from([None, HeldPeriod("2024", START, None)]),
    snapshot=st.sampled_from([None, None, "00001"]),
)
holds = st.lists(
    st.builds(Hold, st.integers(0, 3).map("{:032}".format), scopes, st.just("r"), st.just("w"), moments, moments | st.none()),
    max_size=2,
)


def kept(verdict: RetentionDecision) -> set[str]:
    return {one.snapshot.id for one in verdict.kept}


def survivors(verdict: RetentionDecision) -> list[Snapshot]:
    return [one.snapshot for one in verdict.kept]


def more(keep: Keep, by: Iterable[int], span: int) -> Keep:
    """At least as much of everything."""
    names = [field.name for field in fields(Keep) if field.name != "within"]
    raised = {name: min(getattr(keep, name) + extra, ALL) for name, extra in zip(names, by, strict=True)}
    return Keep(**raised, within=replace(keep.within, count=keep.within.count + span))


@usual
@given(
    found=snapshots,
    keep=keeps,
    held=holds,
    now=moments,
    zone=zones,
    by=st.tuples(*[st.integers(0, 3)] * 7),
    span=st.integers(0, 9),
)
def test_more_keep_never_keeps_less(
    found: list[Snapshot], keep: Keep, held: list[Hold], now: datetime, zone: ZoneInfo, by: tuple[int, ...], span: int
) -> None:
    assert kept(decide(found, keep, held, now, zone)) <= kept(decide(found, more(keep, by, span), held, now, zone))


@usual
@given(found=snapshots, keep=keeps, held=holds, now=moments, zone=zones)
def test_a_hold_keeps_what_it_is_on_and_lets_nothing_else_go(
    found: list[Snapshot], keep: Keep, held: list[Hold], now: datetime, zone: ZoneInfo
) -> None:
    stays = kept(decide(found, keep, held, now, zone))
    assert kept(decide(found, keep, [], now, zone)) <= stays
    for hold in held:
        if hold.release is None and (hold.until is None or now < hold.until):
            on = [one for one in found if hold.scope.snapshot in (None, one.id)]
            if hold.scope.snapshot is None:
                on = [one for one in on if hold.scope.kind in (None, one.kind)]
                on = [one for one in on if hold.scope.period is None or one.matches is None or hold.id in one.matches]
            assert {one.id for one in on} <= stays


@usual
@given(found=snapshots, keep=keeps, now=moments, zone=zones)
def test_the_newest_good_snapshot_of_every_source_stays_and_so_does_its_current_state(
    found: list[Snapshot], keep: Keep, now: datetime, zone: ZoneInfo
) -> None:
    stays = kept(decide(found, keep, [], now, zone))
    for source in {one.source for one in found}:
        good = [one for one in found if one.source == source and one.good]
        assert not good or max(good, key=lambda one: (one.taken_at, one.id)).id in stays
        assert stays & {one.id for one in found if one.source == source}
    assert {one.id for one in found if not one.superseded} <= stays


@usual
@given(found=snapshots, keep=keeps, now=moments, zone=zones)
def test_a_snapshot_from_the_future_stays_and_evicts_no_other(
    found: list[Snapshot], keep: Keep, now: datetime, zone: ZoneInfo
) -> None:
    verdict = decide(found, keep, [], now, zone)
    ahead = {one.id for one in found if one.taken_at > now}
    alone = decide([one for one in found if one.id not in ahead], keep, [], now, zone)
    assert ahead <= kept(verdict)
    assert kept(alone) == kept(verdict) - ahead


@usual
@given(found=snapshots, keep=keeps, held=holds, now=moments, zone=zones, seed=st.integers(0, 99))
def test_nothing_depends_on_the_order_of_what_is_handed_in(
    found: list[Snapshot], keep: Keep, held: list[Hold], now: datetime, zone: ZoneInfo, seed: int
) -> None:
    shuffled = random.Random(seed).sample(found, len(found))
    assert decide(shuffled, keep, held[::-1], now, zone) == decide(found, keep, held, now, zone)


@usual
@given(found=snapshots, keep=keeps, held=holds, now=moments, zone=zones)
def test_judging_what_is_left_lets_nothing_more_go_and_gives_the_same_reasons(
    found: list[Snapshot], keep: Keep, held: list[Hold], now: datetime, zone: ZoneInfo
) -> None:
    once = decide(found, keep, held, now, zone)
    assert decide(survivors(once), keep, held, now, zone).decisions == once.kept


@usual
@given(found=snapshots, keep=keeps, now=moments, zone=zones, frozen=st.sampled_from(["", "by hand"]), place=st.integers(0, 39))
def test_a_frozen_project_forgets_nothing(
    found: list[Snapshot], keep: Keep, now: datetime, zone: ZoneInfo, frozen: str, place: int
) -> None:
    if not frozen and found:
        found[place % len(found)] = replace(found[place % len(found)], flagged="it shrank")
    if found:
        verdict = decide(found, keep, [], now, zone, frozen=frozen)
        assert verdict.frozen
        assert not verdict.forgotten


@usual
@given(found=snapshots, keep=keeps, held=holds, now=moments, zone=zones)
def test_every_snapshot_is_judged_once_and_for_a_reason(
    found: list[Snapshot], keep: Keep, held: list[Hold], now: datetime, zone: ZoneInfo
) -> None:
    verdict = decide(found, keep, held, now, zone)
    assert sorted(one.snapshot.id for one in verdict.decisions) == sorted(one.id for one in found)
    for one in verdict.decisions:
        assert bool(one.keep) != bool(one.forget)


def judged_on_the_way(found: list[Snapshot], keep: Keep, zone: ZoneInfo, looks: list[datetime]) -> list[Snapshot]:
    """Snapshots come one by one, and at each look those that need not stay go. The last look is at all of them."""
    waiting = sorted(found, key=lambda one: one.taken_at)
    there: list[Snapshot] = []
    for look in looks:
        there += [one for one in waiting if one.taken_at <= look]
        waiting = [one for one in waiting if one.taken_at > look]
        there = survivors(decide(there, keep, [], look, zone))
    return there


def same_however_often(found: list[Snapshot], keep: Keep, zone: ZoneInfo, looks: list[datetime]) -> None:
    last = max([one.taken_at for one in found] + looks)
    there = judged_on_the_way(found, keep, zone, [*sorted(looks), last])
    assert {one.id for one in there} == kept(decide(found, keep, [], last, zone))


@usual
@given(found=snapshots, keep=keeps, zone=zones, looks=st.lists(moments, min_size=1, max_size=12))
def test_it_makes_no_difference_how_often_a_judge_has_looked(
    found: list[Snapshot], keep: Keep, zone: ZoneInfo, looks: list[datetime]
) -> None:
    same_however_often(found, keep, zone, looks)


@pytest.mark.slow
@deep
@given(found=snapshots, keep=keeps, zone=zones, looks=st.lists(moments, min_size=1, max_size=40))
def test_it_makes_no_difference_how_often_a_judge_has_looked_at_depth(
    found: list[Snapshot], keep: Keep, zone: ZoneInfo, looks: list[datetime]
) -> None:
    same_however_often(found, keep, zone, looks)


# --- two years ------------------------------------------------------------------------------------------------------------

DENSE = Keep(last=3, hourly=26, daily=9, weekly=5, monthly=4, quarterly=3, yearly=2, within=CalendarSpan(6, "hour"))


class Ledger:
    """What must still be there, kept by counting and without a look at the judge: the newest snapshot of each hour, day, …"""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._newest: dict[str, dict[object, datetime]] = {name: {} for name in self._labels(START)}
        self._all: list[datetime] = []

    def add(self, moment: datetime) -> None:
        self._all.append(moment)
        for name, label in self._labels(moment).items():
            self._newest[name].pop(label, None)
            self._newest[name][label] = moment

    def promised(self, keep: Keep, now: datetime) -> set[datetime]:
        moments = set(self._all[-keep.last :]) | {one for one in self._all[-40:] if one >= now - timedelta(hours=6)}
        for name, newest in self._newest.items():
            moments.update(list(newest.values())[-getattr(keep, name) :])
        return moments

    def _labels(self, moment: datetime) -> dict[str, object]:
        wall = moment.astimezone(self._zone)
        day = date(wall.year, wall.month, wall.day)
        return {
            "hourly": (day, wall.hour, wall.utcoffset()),
            "daily": day,
            "weekly": day - timedelta(days=day.weekday()),
            "monthly": (day.year, day.month),
            "quarterly": (day.year, (day.month - 1) // 3),
            "yearly": day.year,
        }


def two_years(zone: ZoneInfo, *, every: int, start: datetime = datetime(2023, 3, 1, tzinfo=UTC)) -> None:
    """A snapshot an hour, a verdict after every so many. The years have 29 February 2024 and clock changes both ways."""
    ledger, there = Ledger(zone), list[Snapshot]()
    for hour in range(17_544):
        now = start + timedelta(hours=hour)
        ledger.add(now)
        there.append(Snapshot(f"{hour:05}", "files", "reports", now))
        if hour % every == every - 1:
            there = survivors(decide(there, DENSE, [], now, zone))
            assert {one.taken_at for one in there} == ledger.promised(DENSE, now)


@pytest.mark.parametrize("zone", ["Europe/Kyiv", "Australia/Lord_Howe"])
def test_over_two_years_of_daily_verdicts_all_that_was_promised_is_there_and_nothing_else(zone: str) -> None:
    two_years(ZoneInfo(zone), every=24)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Kyiv", "Australia/Lord_Howe", "Asia/Beirut"])
@pytest.mark.parametrize("every", [1, 7])
def test_over_two_years_of_hourly_verdicts_all_that_was_promised_is_there_and_nothing_else(zone: str, every: int) -> None:
    two_years(ZoneInfo(zone), every=every)


def test_over_the_nights_of_clock_changes_verdicts_of_every_hour_keep_what_was_promised() -> None:
    zone = ZoneInfo("Europe/Kyiv")
    for night in (datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 10, 27, tzinfo=UTC)):
        ledger, there = Ledger(zone), list[Snapshot]()
        for hour in range(-48, 96):
            now = night + timedelta(hours=hour)
            ledger.add(now)
            there = survivors(decide([*there, Snapshot(f"{hour:05}", "files", "reports", now)], DENSE, [], now, zone))
            assert {one.taken_at for one in there} == ledger.promised(DENSE, now)
