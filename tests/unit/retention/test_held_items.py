"""Which items a hold is on."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from classify.path_patterns import pattern_regex
from policies.retention.holds import items_held, matches
from tests.unit.retention.manifests import about, item, table
from vault.errors import UsageError
from vault.format.hold import HeldPeriod, Hold, Scope

YEAR = HeldPeriod("2024", datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))


def held(found: pa.Table, scope: Scope) -> list[str]:
    mask = items_held(found, Hold("a" * 32, scope, "r", "w", None), pattern_regex)
    assert len(mask) == found.num_rows
    assert mask.null_count == 0
    return [path.decode() for path in found.filter(mask)["path"].to_pylist()]


@pytest.fixture
def found() -> pa.Table:
    return table(
        item("reports/2023.csv", **about("2023-01-01", "2024-01-01")),
        item("reports/2024-05.csv", **about("2024-05-01", "2024-06-01")),
        item("reports/around.csv", **about("2023-12-31", "2025-01-02")),
        item("reports/moment.csv", **about("2024-01-01", "2024-01-01")),
        item("reports/next.csv", **about("2025-01-01", "2025-01-01")),
        item("reports/unknown.csv"),
        item("tickets/2024.csv", **about("2024-01-01", "2025-01-01")),
    )


def test_a_hold_on_the_project_is_on_every_item(found: pa.Table) -> None:
    assert len(held(found, Scope())) == found.num_rows


def test_a_hold_on_a_kind_is_on_its_items(found: pa.Table) -> None:
    assert held(found, Scope(kind="tickets")) == ["tickets/2024.csv"]
    assert held(found, Scope(kind="raw")) == []


def test_a_hold_on_a_period_is_on_what_overlaps_it_and_on_what_has_no_known_period(found: pa.Table) -> None:
    reports = Scope(kind="reports", period=YEAR)
    assert held(found, reports) == [f"reports/{name}.csv" for name in ("2024-05", "around", "moment", "unknown")]


def test_a_hold_on_a_period_may_be_open_on_either_side(found: pa.Table) -> None:
    before = held(found, Scope(kind="reports", period=HeldPeriod("..2023", None, YEAR.start)))
    since = held(found, Scope(kind="reports", period=HeldPeriod("2025..", YEAR.end, None)))
    assert before == ["reports/2023.csv", "reports/around.csv", "reports/unknown.csv"]
    assert since == ["reports/around.csv", "reports/next.csv", "reports/unknown.csv"]


def test_a_hold_on_a_path_means_what_the_pattern_means_in_a_restore(found: pa.Table) -> None:
    assert held(found, Scope(path="reports/2024*")) == ["reports/2024-05.csv"]
    assert held(found, Scope(path="tickets")) == ["tickets/2024.csv"]
    assert held(found, Scope(path="**/*2024*")) == ["reports/2024-05.csv", "tickets/2024.csv"]


def test_names_that_are_no_text_are_matched_too() -> None:
    odd = table(item(b"reports/\xff\n\xfe.csv", kind="reports"))
    mask = items_held(odd, Hold("a" * 32, Scope(path="reports/*.csv"), "r", "w", None), pattern_regex)
    assert mask.to_pylist() == [True]


def test_the_parts_of_a_scope_narrow_it_down(found: pa.Table) -> None:
    assert held(found, Scope(kind="tickets", period=YEAR, path="**/2024*")) == ["tickets/2024.csv"]
    assert held(found, Scope(kind="reports", period=YEAR, path="**/2024*")) == ["reports/2024-05.csv"]


def test_a_pattern_that_cannot_be_understood_holds_every_item(found: pa.Table) -> None:
    def refuses(pattern: str) -> str:
        raise UsageError(pattern)

    for regex in (refuses, lambda pattern: "("):
        mask = items_held(found, Hold("a" * 32, Scope(kind="tickets", path="[z-a]"), "r", "w", None), regex)
        assert mask.true_count == 1
        assert items_held(found, Hold("a" * 32, Scope(path="[z-a]"), "r", "w", None), regex).true_count == found.num_rows


def test_a_hold_on_a_snapshot_is_on_no_item_of_a_manifest_to_come(found: pa.Table) -> None:
    assert held(found, Scope(snapshot="20240517t120000z-0011223344556677")) == []


def test_a_manifest_matches_the_holds_that_are_on_an_item_of_it(found: pa.Table) -> None:
    holds = [
        Hold("a" * 32, Scope(kind="reports", period=YEAR), "r", "w", None),
        Hold("b" * 32, Scope(kind="raw", period=YEAR), "r", "w", None),
        Hold("c" * 32, Scope(path="tickets/*"), "r", "w", None),
    ]
    assert matches(found, holds, pattern_regex) == {"a" * 32, "c" * 32}
    assert matches(found.slice(0, 0), holds, pattern_regex) == frozenset()
