"""Items by what they are about: every item is counted once on each level, and gaps are where something is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from classify import period_grammar
from policies.monitoring.expected_files import ExpectedPattern, missing
from strongroom.expected_reports import SourceExpectation, missing_reports
from strongroom.period_levels import PeriodLevel, parent_of, period_level, unit_of, window_of
from vault.errors import UsageError

ZONE = ZoneInfo("Europe/Kyiv")
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
MOMENT = pa.timestamp("us", "UTC")


def items(*periods: str | tuple[str, str] | tuple[str, str, str]) -> pa.Table:
    """A file about each period, of kind `reports` or of the kind that follows it; with a third word, deleted."""
    rows = []
    for number, one in enumerate(periods):
        text, kind, *gone = (one, "reports") if isinstance(one, str) else one
        start, end = period_grammar.parse(text, ZONE, NOW).moments() if text else (None, None)
        rows.append(
            {"path": f"{kind}/{number}".encode(), "kind": kind, "type": "file", "size": 10, "period_start": start}
            | {"period_end": end, "vanished_at": NOW if gone else None}
        )
    rows.append({"path": b"reports", "kind": "reports", "type": "folder", "size": 0, "period_start": None, "period_end": None})
    fields = {"path": pa.binary(), "kind": pa.string(), "type": pa.string(), "size": pa.int64()}
    fields |= dict.fromkeys(("period_start", "period_end", "vanished_at"), MOMENT)
    return pa.Table.from_pylist(rows, schema=pa.schema(list(fields.items())))


def shown(level: PeriodLevel) -> dict[str, int]:
    return {one.text: sum(one.items.values()) for one in level.parts if one.items}


def test_it_goes_down_from_years_to_hours() -> None:
    table = items("2024-05-17T14", "2024-05-17T15", "2024-05-18", "2024-06", "2023-Q4", "2021", "")
    assert shown(period_level(table, "", ZONE, NOW)) == {"2021": 1, "2023": 1, "2024": 4}
    assert period_level(table, "", ZONE, NOW).unknown == 1
    assert shown(period_level(table, "2024", ZONE, NOW)) == {"2024-Q2": 4}
    assert shown(period_level(table, "2024-Q2", ZONE, NOW)) == {"2024-05": 3, "2024-06": 1}
    month = period_level(table, "2024-05", ZONE, NOW)
    assert shown(month) == {"2024-05-17": 2, "2024-05-18": 1} and len(month.parts) == 31
    day = period_level(table, "2024-05-17", ZONE, NOW)
    assert shown(day) == {"2024-05-17T14": 1, "2024-05-17T15": 1}
    assert period_level(table, "2024-05-17T14", ZONE, NOW).own.num_rows == 1


def test_what_is_about_the_whole_of_a_period_is_listed_beside_its_parts() -> None:
    level = period_level(items("2024-05", "2024-05-17"), "2024-05", ZONE, NOW)
    assert level.own["path"].to_pylist() == [b"reports/0"] and shown(level) == {"2024-05-17": 1}


def test_a_period_without_finer_parts_has_none() -> None:
    level = period_level(items("2024-05-17"), "2024-05-17", ZONE, NOW)
    assert level.parts == () and level.own.num_rows == 1


def gaps(level: PeriodLevel) -> list[str]:
    return [one.text for one in level.parts if one.is_gap]


def test_a_gap_lies_between_others_of_its_kind_and_is_over() -> None:
    days = [f"2024-05-{day:02}" for day in range(3, 29) if day not in (9, 10)]
    level = period_level(items(*days), "2024-05", ZONE, NOW)
    assert gaps(level) == ["2024-05-09", "2024-05-10"]
    assert gaps(period_level(items("2026-03-13", "2026-03-16"), "2026-03", ZONE, NOW)) == [], "14 and 15 are not over"


def test_a_kind_without_reports_of_hours_has_no_gaps_of_hours() -> None:
    table = items("2024-05-17T01", "2024-05-17T03", ("2024-05-16", "daily"), ("2024-05-17", "daily"), ("2024-05-18", "daily"))
    level = period_level(table, "2024-05-17", ZONE, NOW)
    assert [(one.text, one.gaps) for one in level.parts if one.gaps] == [("2024-05-17T02", ("reports",))]


def test_what_was_deleted_is_counted_apart_and_is_no_gap_but_one_of_what_is_there() -> None:
    table = items("2024-05-01", ("2024-05-02", "reports", "deleted"), "2024-05-03")
    level = period_level(table, "2024-05", ZONE, NOW)
    (second,) = (one for one in level.parts if one.text == "2024-05-02")
    assert second.deleted == {"reports": 1} and not second.items and second.bytes == 0 and second.is_gap


def lacking(table: pa.Table, every: str, taken_at: str, text: str, path: str = "**", since: str = "") -> PeriodLevel:
    """The level where reports are expected, an hour after their end; seen by a snapshot."""
    start = period_grammar.parse(since or taken_at, ZONE, NOW).moments()[0]
    until = period_grammar.parse(taken_at, ZONE, NOW).moments()[0]
    wanted = SourceExpectation("reports", "reports", every, path, timedelta(hours=1))
    found = missing_reports(wanted, table, start, until, ZONE, window_of(text, ZONE, NOW))
    return period_level(table, text, ZONE, NOW, [found])


def lacks(level: PeriodLevel) -> dict[str, int]:
    return {part.text: one.count for part in level.parts for one in part.missing}


def test_where_reports_are_expected_a_gap_is_what_did_not_appear_also_behind_the_last_one() -> None:
    days = items("2024-05-03", "2024-05-04", "2024-05-06", "2024-05-07")
    level = lacking(days, "day", "2024-05-11T09", "2024-05")
    assert lacks(level) == {"2024-05-05": 1, "2024-05-08": 1, "2024-05-09": 1, "2024-05-10": 1}
    assert gaps(level) == [*lacks(level)], "nothing is expected before the first one"
    (due,) = (one.due for part in level.parts for one in part.missing if part.text == "2024-05-05")
    assert due == datetime(2024, 5, 6, 1, tzinfo=ZONE)
    assert "2024-05-10" not in lacks(lacking(days, "day", "2024-05-11T00", "2024-05")), "it has its hour"


def test_where_nothing_ever_came_it_is_missing_since_the_first_snapshot() -> None:
    level = lacking(items(("2024-05-07", "raw")), "day", "2024-05-11T09", "2024-05", since="2024-05-08T12")
    assert lacks(level) == {"2024-05-08": 1, "2024-05-09": 1, "2024-05-10": 1}
    assert level.kinds == ("raw", "reports")


def test_a_day_that_is_not_expected_is_no_gap_though_it_lies_between_others() -> None:
    table = items("2024-05-02", "2024-05-03", "2024-05-06", "2024-05-08")
    assert gaps(lacking(table, "weekday", "2024-05-09T00", "2024-05")) == ["2024-05-07"]


def test_a_part_that_lacks_some_says_how_many_and_what_lasts_longer_says_nothing_of_it() -> None:
    hours = [f"2024-05-17T{hour:02}" for hour in range(24) if hour not in (3, 4)]
    level = lacking(items(*hours), "hour", "2024-05-18T02", "2024-05")
    (day,) = (part for part in level.parts if part.text == "2024-05-17")
    assert [one.count for one in day.missing] == [2] and not day.gaps and day.is_gap
    inside = lacking(items(*hours), "hour", "2024-05-18T02", "2024-05-17")
    assert [*lacks(inside)] == ["2024-05-17T03", "2024-05-17T04"] == gaps(inside)
    daily = lacking(items(*hours[:2]), "day", "2024-05-20T00", "2024-05-18")
    assert daily.parts == () and [one.count for one in daily.missing] == [1]
    weekly = lacking(items("2024-W18"), "week", "2024-05-20T02", "2024-05")
    assert lacks(weekly) == {} and [one.count for one in weekly.missing] == [2]


def test_years_in_which_nothing_came_any_more_are_shown() -> None:
    level = lacking(items("2023-01", "2023-02"), "month", "2025-02-10T00", "")
    assert lacks(level) == {"2023": 10, "2024": 12, "2025": 1}


@pytest.mark.parametrize("text", ["2024", "2024-Q2", "2024-05", "2024-05-17"])
def test_what_a_level_lacks_is_what_alerts_name(text: str) -> None:
    """Judged by the alerts' own labels, of a manifest."""
    chance = Random(7)
    hours = [f"2024-05-{day:02}T{hour:02}" for day in range(16, 20) for hour in range(24) if chance.random() > 0.2]
    table = items(*hours)
    taken_at = datetime(2024, 5, 20, 3, tzinfo=UTC)
    named = missing(table, ExpectedPattern("^reports/", "hour", timedelta(hours=1)), taken_at, taken_at, ZONE)
    wanted = SourceExpectation("reports", "reports", "hour", "**", timedelta(hours=1))
    found = missing_reports(wanted, table, taken_at, taken_at, ZONE, window_of(text, ZONE, NOW))
    level = period_level(table, text, ZONE, NOW, [found])
    inside = [one for one in named if text != "2024-05-17" or one.startswith("2024-05-17")]
    assert sum(lacks(level).values()) == len(inside) > 0


@pytest.mark.parametrize("seed", range(2))
def test_every_item_of_a_level_is_in_one_part_or_its_own(seed: int) -> None:
    random = Random(seed)
    begin = datetime(2023, 12, 30, tzinfo=UTC)
    texts = []
    for _ in range(200):
        there = (begin + timedelta(hours=random.randrange(24 * 800))).astimezone(ZONE)
        texts.append(there.strftime(random.choice(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H"])))
    table = items(*(text for text in texts if _is_period(text)))

    def check(text: str) -> int:
        level = period_level(table, text, ZONE, NOW)
        inside = int(level.own.num_rows)
        for one in level.parts:
            if one.items:
                count = check(one.text)
                assert count == sum(one.items.values()), one.text
                inside += count
        return inside

    assert check("") == table.num_rows - 1


def _is_period(text: str) -> bool:
    try:
        period_grammar.parse(text, ZONE, NOW)
    except UsageError:  # an hour that no clock showed
        return False
    return True


def test_hours_of_nights_when_clocks_change_are_counted_too() -> None:
    spring = period_level(items("2024-03-31T02", "2024-03-31T04"), "2024-03-31", ZONE, NOW)
    assert [one.text for one in spring.parts][2:4] == ["2024-03-31T02", "2024-03-31T04"] and not gaps(spring)
    autumn = period_level(items("2024-10-27T03+03:00", "2024-10-27T03+02:00"), "2024-10-27", ZONE, NOW)
    assert shown(autumn) == {"2024-10-27T03": 2}


@pytest.mark.parametrize("text", ["2024-W20", "2024-H1", "2024-05-01..2024-05-03", "2024-05-17T14:30", "nonsense", "2024-13"])
def test_other_periods_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        period_level(items("2024-05"), text, ZONE, NOW)


@pytest.mark.parametrize("text", ["9999", "9999-12", "1000", "1000-01"])
def test_the_ends_of_the_calendar_are_refused_or_empty(text: str) -> None:
    try:
        assert period_level(items("2024-05"), text, ZONE, NOW).parts == ()
    except UsageError as error:
        assert error.hint


def test_each_level_knows_what_it_is_a_part_of() -> None:
    chain: Sequence[str] = ("2024-05-17T14", "2024-05-17", "2024-05", "2024-Q2", "2024", "")
    assert [parent_of(one, ZONE, NOW) for one in chain[:-1]] == list(chain[1:])
    assert [unit_of(one, ZONE, NOW) for one in chain] == ["hour", "day", "month", "quarter", "year", "ever"]
