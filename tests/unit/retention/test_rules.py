"""Retention rules as the settings write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.retention.calendar_span import UNITS, CalendarSpan
from policies.retention.rules import ALL, DEFAULT_KEEP, After, ItemRule, ItemRules, Keep
from vault.errors import SettingsError

usual = settings(derandomize=True, deadline=None, max_examples=100)
spans = st.builds(CalendarSpan, st.integers(0, 9999), st.sampled_from(UNITS))
counts = st.integers(0, 99) | st.just(ALL)


def test_a_table_gives_the_rules_that_it_names_and_90_days_of_whole_history() -> None:
    keep = Keep.parse({"last": 3, "hourly": 48, "monthly": "all"})
    assert keep == Keep(last=3, hourly=48, monthly=ALL, within=CalendarSpan(90, "day"))
    assert list(keep.counted()) == [("last", 3), ("hourly", 48), ("monthly", ALL)]


def test_without_any_rule_history_stays_whole_for_90_days_and_a_month_is_never_lost() -> None:
    assert Keep.parse({}) == DEFAULT_KEEP
    assert DEFAULT_KEEP.within == CalendarSpan(90, "day")
    assert DEFAULT_KEEP.monthly == ALL


def test_only_who_says_so_keeps_less_than_90_days_whole() -> None:
    assert Keep.parse({"daily": 7}).within == CalendarSpan(90, "day")
    assert Keep.parse({"daily": 7, "within": "2 days"}).within == CalendarSpan(2, "day")


@usual
@given(keep=st.builds(Keep, counts, counts, counts, counts, counts, counts, counts, spans))
def test_rules_that_are_written_down_parse_back(keep: Keep) -> None:
    assert Keep.parse(keep.as_json()) == keep


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"dayly": 7}, "did you mean 'daily'?"),
        ({"xyz": 1}, "there are: last, hourly"),
        ({"daily": -1}, "not negative"),
        ({"daily": True}, "not negative"),
        ({"daily": 2.0}, "not negative"),
        ({"daily": "7"}, "not negative"),
        ({"within": 90}, "such as '90 days'"),
        ({"within": "90 dais"}, "did you mean '90 days'?"),
    ],
)
def test_a_mistake_in_keep_is_refused_with_a_suggestion(table: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Keep.parse(table)
    assert words in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("7 years after period", ItemRule("k", CalendarSpan(7, "year"), After.PERIOD)),
        ("7 years after the end of its period", ItemRule("k", CalendarSpan(7, "year"), After.PERIOD)),
        ("5 years", ItemRule("k", CalendarSpan(5, "year"), After.PERIOD)),
        ("90 days after deletion", ItemRule("k", CalendarSpan(90, "day"), After.VANISHED)),
        ("90 Days  After  It  Was  Deleted", ItemRule("k", CalendarSpan(90, "day"), After.VANISHED)),
        ("1 year after backup", ItemRule("k", CalendarSpan(1, "year"), After.SEEN)),
        ("forever", ItemRule("k")),
        (" For Ever ", ItemRule("k")),
    ],
)
def test_an_item_rule_is_a_span_and_what_it_runs_from(text: str, rule: ItemRule) -> None:
    assert ItemRule.parse("k", text) == rule


@usual
@given(rule=st.builds(ItemRule, st.just("k"), spans | st.none(), st.sampled_from(After)))
def test_an_item_rule_that_is_printed_parses_back(rule: ItemRule) -> None:
    again = ItemRule.parse("k", str(rule))
    assert again.span == rule.span
    assert rule.span is None or again == rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7 years after perriod", "did you mean 'period'?"),
        ("7 years after delation", "did you mean 'deletion'?"),
        ("7 years after tea", "there are"),
        ("7 yers after period", "did you mean '7 years'?"),
        ("", "forever"),
        ("   ", "forever"),
        ("after period", "such as '90 days'"),
    ],
)
def test_a_mistake_in_an_item_rule_is_refused_with_a_suggestion(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        ItemRule.parse("k", text)
    assert words in f"{refused.value} {refused.value.hint}"


def test_a_kind_without_a_rule_is_kept_for_ever() -> None:
    rules = ItemRules.parse({"reports": "7 years after period"}, ["reports", "raw"])
    assert rules.of("reports").span == CalendarSpan(7, "year")
    assert rules.of("raw") == ItemRule("raw", None)


def test_a_rule_for_a_kind_that_the_project_has_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="'report' is not a kind") as refused:
        ItemRules.parse({"report": "forever"}, ["reports", "raw"])
    assert refused.value.hint == "did you mean 'reports'?"
    with pytest.raises(SettingsError, match="must be a text"):
        ItemRules.parse({"raw": 3}, ["raw"])
