"""Verdicts on snapshots, and the words they come with."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from policies.retention.calendar_span import CalendarSpan
from policies.retention.rules import ALL, DEFAULT_KEEP, Keep
from policies.retention.verdict import RetentionDecision, Snapshot, decide
from vault.format.hold import HeldPeriod, Hold, Release, Scope

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2024, 5, 17, 12, 0, tzinfo=UTC)
NOTHING = Keep(within=CalendarSpan(0, "day"))


def at(text: str, *, source: str = "files", good: bool = True, fold: int = 0) -> Snapshot:
    """A snapshot of that moment in Kyiv; its id says when."""
    moment = datetime.fromisoformat(text).replace(tzinfo=KYIV, fold=fold)
    return Snapshot(f"{text}{'+' * fold}", source, "reports", moment.astimezone(UTC), good=good, matches=frozenset())


def hold(scope: Scope, *, until: datetime | None = None, release: Release | None = None) -> Hold:
    return Hold("a" * 32, scope, "audit of 2024", "olena", NOW - timedelta(days=1), until, release)


def kept(verdict: RetentionDecision) -> list[str]:
    return [one.snapshot.id for one in verdict.kept]


def why(verdict: RetentionDecision, snapshot: str) -> list[str]:
    one = next(one for one in verdict.decisions if one.snapshot.id == snapshot)
    return [reason.text for reason in one.keep or one.forget]


def test_each_day_is_represented_by_its_newest_snapshot_and_says_so() -> None:
    days = [at(f"2024-05-{day:02}T{hour:02}:00") for day in (14, 15, 16, 17) for hour in (1, 13)]
    verdict = decide(days, replace(NOTHING, daily=3), [], NOW, KYIV)
    assert kept(verdict) == ["2024-05-15T13:00", "2024-05-16T13:00", "2024-05-17T13:00"]
    assert why(verdict, "2024-05-17T13:00") == ["daily for 2024-05-17 (1 of 3)", "newest good snapshot"]
    assert why(verdict, "2024-05-15T13:00") == ["daily for 2024-05-15 (3 of 3)"]
    assert why(verdict, "2024-05-16T01:00") == ["within: older than 0 days", "daily: another of 2024-05-16 stands for it"]
    assert why(verdict, "2024-05-14T13:00")[1] == "daily: not of the newest 3 days"


def test_days_without_a_snapshot_are_not_counted() -> None:
    days = [at("2024-01-02T10:00"), at("2024-03-03T10:00"), at("2024-05-17T10:00")]
    assert len(kept(decide(days, replace(NOTHING, daily=3), [], NOW, KYIV))) == 3


def test_days_are_those_of_the_projects_zone() -> None:
    two = [at("2024-05-15T23:30"), at("2024-05-16T00:30")]
    keep = replace(NOTHING, daily=2)
    assert len(kept(decide(two, keep, [], NOW, KYIV))) == 2
    assert kept(decide(two, keep, [], NOW, ZoneInfo("UTC"))) == ["2024-05-16T00:30"]


def test_weeks_are_isos_and_a_week_may_belong_to_another_year() -> None:
    three = [at("2024-12-29T10:00"), at("2024-12-30T10:00"), at("2025-01-05T10:00")]
    verdict = decide(three, replace(NOTHING, weekly=2, yearly=2), [], NOW + timedelta(days=365), KYIV)
    assert "weekly for 2025-W01 (1 of 2)" in why(verdict, "2025-01-05T10:00")
    assert "weekly for 2024-W52 (2 of 2)" in why(verdict, "2024-12-29T10:00")
    assert why(verdict, "2024-12-30T10:00") == ["yearly for 2024 (2 of 2)"]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    night = [at("2024-10-27T02:30"), at("2024-10-27T03:30"), at("2024-10-27T03:30", fold=1), at("2024-10-27T04:30")]
    verdict = decide(night, replace(NOTHING, hourly=4), [], NOW + timedelta(days=365), KYIV)
    assert len(kept(verdict)) == 4
    assert why(verdict, "2024-10-27T03:30+") == ["hourly for 2024-10-27 03h (again) (2 of 4)"]


def test_quarters_and_months_are_named_as_people_name_them() -> None:
    verdict = decide([at("2024-05-16T10:00")], Keep(quarterly=ALL, monthly=2), [], NOW, KYIV)
    reasons = why(verdict, "2024-05-16T10:00")
    assert reasons[:2] == ["monthly for 2024-05 (1 of 2)", "quarterly for 2024-Q2 (1 of all)"]
    assert reasons[2:] == ["within 90 days", "newest good snapshot"]


def test_a_good_snapshot_represents_its_day_before_a_newer_one_with_problems() -> None:
    day = [at("2024-05-16T10:00"), at("2024-05-16T12:00", good=False), at("2024-05-17T09:00")]
    assert kept(decide(day, replace(NOTHING, daily=2), [], NOW, KYIV)) == ["2024-05-16T10:00", "2024-05-17T09:00"]


def test_the_newest_good_snapshot_stays_though_no_rule_wants_it() -> None:
    found = [at("2023-01-01T10:00"), at("2023-01-02T10:00"), at("2024-05-17T10:00", good=False)]
    verdict = decide(found, NOTHING, [], NOW, KYIV)
    assert kept(verdict) == ["2023-01-02T10:00"]
    assert why(verdict, "2023-01-02T10:00") == ["newest good snapshot"]


def test_where_no_snapshot_is_good_the_newest_stays() -> None:
    found = [at("2023-01-01T10:00", good=False), at("2023-01-02T10:00", good=False)]
    verdict = decide(found, NOTHING, [], NOW, KYIV)
    assert kept(verdict) == ["2023-01-02T10:00"]
    assert why(verdict, "2023-01-02T10:00") == ["newest snapshot; none of its source is good"]


def test_what_nothing_supersedes_stays_though_a_clock_was_set_back_when_it_was_taken() -> None:
    found = [replace(at("2024-05-01T10:00"), superseded=False), at("2024-05-10T10:00")]
    verdict = decide(found, NOTHING, [], NOW, KYIV)
    assert kept(verdict) == ["2024-05-01T10:00", "2024-05-10T10:00"]
    assert why(verdict, "2024-05-01T10:00") == ["the current state of its source: no other supersedes it"]


def test_sources_do_not_take_each_others_places() -> None:
    found = [at("2024-05-16T10:00", source="calls"), at("2024-05-17T10:00", source="files")]
    assert len(kept(decide(found, replace(NOTHING, last=1), [], NOW, KYIV))) == 2


def test_a_snapshot_from_the_future_stays_and_takes_no_place() -> None:
    found = [at("2024-05-16T10:00"), at("2024-05-17T10:00"), at("2031-01-01T10:00")]
    verdict = decide(found, replace(NOTHING, last=2), [], NOW, KYIV)
    assert len(kept(verdict)) == 3
    assert why(verdict, "2031-01-01T10:00") == ["dated in the future (2031-01-01 10:00): it takes no other's place"]
    assert why(verdict, "2024-05-16T10:00") == ["last (2 of 2)"]


def test_the_last_moments_of_the_calendar_are_only_a_date_in_the_future() -> None:
    odd = [replace(at("2024-05-16T10:00"), id=str(moment), taken_at=moment.replace(tzinfo=UTC)) for moment in ENDS]
    verdict = decide([*odd, at("2024-05-17T10:00")], Keep(last=1, hourly=ALL), [], NOW, KYIV)
    assert len(kept(verdict)) == 3


ENDS = (datetime.min, datetime.max)


def test_within_keeps_all_that_is_younger_on_the_calendar_and_nothing_older() -> None:
    found = [at("2024-04-17T14:59"), at("2024-04-17T15:00"), at("2024-04-17T15:01"), at("2024-05-17T14:00")]
    verdict = decide(found, Keep(within=CalendarSpan(1, "month")), [], NOW, KYIV)
    assert kept(verdict) == ["2024-04-17T15:00", "2024-04-17T15:01", "2024-05-17T14:00"]
    assert why(verdict, "2024-04-17T14:59") == ["within: older than 1 month"]


def test_a_held_snapshot_says_why_and_by_whom() -> None:
    found = [at("2020-01-01T10:00"), at("2024-05-17T10:00")]
    verdict = decide(found, NOTHING, [hold(Scope(snapshot="2020-01-01T10:00"))], NOW, KYIV)
    assert why(verdict, "2020-01-01T10:00") == ["held: audit of 2024 (by olena)"]
    assert len(kept(verdict)) == 2


def test_a_hold_on_a_kind_keeps_the_snapshots_of_that_kind_alone() -> None:
    found = [at("2020-01-01T10:00"), replace(at("2020-01-01T11:00", source="calls"), kind="raw")]
    newer = [at("2024-05-17T10:00"), at("2024-05-17T11:00", source="calls")]
    assert "2020-01-01T11:00" in kept(decide([*found, *newer], NOTHING, [hold(Scope(kind="raw"))], NOW, KYIV))
    assert "2020-01-01T10:00" not in kept(decide([*found, *newer], NOTHING, [hold(Scope(kind="raw"))], NOW, KYIV))


def test_a_hold_on_a_period_keeps_the_snapshots_that_have_such_an_item_and_those_where_nobody_looked() -> None:
    old = at("2020-01-01T10:00")
    held = hold(Scope(kind="reports", period=HeldPeriod("2024", NOW, None)))
    newest = at("2024-05-17T10:00")
    for matches, stays in (
        (frozenset[str](), False),
        (frozenset({held.id}), True),
        (frozenset({"b" * 32}), False),
        (None, True),
    ):
        verdict = decide([replace(old, matches=matches), newest], NOTHING, [held], NOW, KYIV)
        assert (old.id in kept(verdict)) == stays
    other_kind = replace(old, kind="raw", matches=None)
    assert kept(decide([other_kind, newest], NOTHING, [held], NOW, KYIV)) == [newest.id]


def test_a_hold_ends_with_its_date_or_its_release_and_not_a_moment_earlier() -> None:
    found = [at("2020-01-01T10:00"), at("2024-05-17T10:00")]
    release = Release("b" * 32, "a" * 32, "the audit is over", "olena", NOW)
    for ended, stays in (
        (hold(Scope(), until=NOW + timedelta(microseconds=1)), True),
        (hold(Scope(), until=NOW), False),
        (hold(Scope(), release=release), False),
        (hold(Scope(), until=NOW + timedelta(days=9), release=release), False),
    ):
        assert (len(kept(decide(found, NOTHING, [ended], NOW, KYIV))) == 2) == stays


def test_a_hold_from_a_clock_that_is_ahead_binds_at_once() -> None:
    early = replace(hold(Scope()), placed_at=NOW + timedelta(days=1))
    assert len(kept(decide([at("2020-01-01T10:00"), at("2024-05-17T10:00")], NOTHING, [early], NOW, KYIV))) == 2


def test_a_hold_that_cannot_be_read_keeps_everything() -> None:
    found = [at("2020-01-01T10:00"), at("2024-05-17T10:00")]
    verdict = decide(found, NOTHING, [Hold.unreadable("c" * 32)], NOW, KYIV)
    assert why(verdict, "2020-01-01T10:00") == [
        "held: this hold cannot be read, so it is taken to be on everything (by unknown)"
    ]


def test_one_flagged_snapshot_freezes_every_source_of_its_project() -> None:
    found = [at("2020-01-01T10:00"), at("2024-05-17T10:00"), at("2020-01-01T09:00", source="calls")]
    flagged = replace(at("2024-05-17T11:00", source="calls"), flagged="94 % of its items vanished")
    verdict = decide([*found, flagged], NOTHING, [], NOW, KYIV)
    assert not verdict.forgotten
    assert verdict.frozen == "snapshot 2024-05-17T11:00 is flagged: 94 % of its items vanished"
    assert why(verdict, "2020-01-01T10:00") == [f"the project is frozen: {verdict.frozen}"]


def test_a_project_that_is_frozen_for_another_reason_forgets_nothing_either() -> None:
    found = [at("2020-01-01T10:00"), at("2024-05-17T10:00")]
    assert not decide(found, NOTHING, [], NOW, KYIV, frozen="a record cannot be read").forgotten


def test_two_years_of_hourly_snapshots_are_judged_at_once() -> None:
    start = NOW - timedelta(hours=17_520)
    found = [Snapshot(f"{hour:05}", "files", "reports", start + timedelta(hours=hour)) for hour in range(17_520)]
    began = time.process_time()
    verdict = decide(found, DEFAULT_KEEP, [], NOW, KYIV)
    assert time.process_time() - began < 1.0  # 0.12 s where it was measured; a loop in a loop would take minutes
    assert len(verdict.decisions) == 17_520


def test_a_project_without_snapshots_is_judged_too() -> None:
    assert decide([], DEFAULT_KEEP, [hold(Scope())], NOW, KYIV) == RetentionDecision(())
