"""Newest periods come back first, at no request more; and what a plan says of kinds, periods and time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from restore.execution.fetcher import fetch, portions
from restore.planning import estimate
from restore.planning.chunk_locations import count_requests, locate
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import EmptyDestination
from restore.planning.plan import RestorePlan, make_plan
from restore.selection.select import ItemQuery, select
from tests.support.places import TODAY, back_up, made_on
from tests.support.trees import text, write_tree
from vault.repository.pack_reader import PackReader
from vault.storage.memory import MemoryStore

KYIV = ZoneInfo("Europe/Kyiv")


@pytest.fixture
def plan(tmp_path: Path) -> RestorePlan:
    """Three years, four packs or so each, and a file about no period."""
    files = {f"{year}/{month:02}.csv": text(f"{year} {month}", 2500) for year in (2022, 2023, 2024) for month in range(1, 13)}
    project = made_on(MemoryStore())
    back_up(project, write_tree(tmp_path / "source", files))
    return make_plan(select(project, ItemQuery()), EmptyDestination(), ConflictPolicy.REFUSE, TODAY)


def periods_in_order(plan: RestorePlan, references: pa.Table) -> list[datetime]:
    """When the contents that come are about, pack by pack: of each pack, the newest."""
    starts = plan.items["period_start"].to_pylist()
    newest: dict[bytes, datetime] = {}
    for portion in portions(references):
        for use in portion:
            for row, _ in use.targets:
                newest[use.place.pack] = max(newest.get(use.place.pack, starts[row]), starts[row])
    return list(newest.values())


def test_packs_with_the_newest_periods_are_read_first(plan: RestorePlan) -> None:
    came = periods_in_order(plan, plan.references)
    assert len(came) > 6 and came == sorted(came, reverse=True) and came[0].year == 2024


def test_the_order_costs_no_request_and_every_chunk_comes_once(plan: RestorePlan) -> None:
    without = plan.references.drop_columns(["period"])
    assert periods_in_order(plan, without) == sorted(periods_in_order(plan, without))
    assert count_requests(without) == count_requests(plan.references)
    found = []
    for references in (without, plan.references):
        reader = PackReader(plan.project, plan.index)
        contents = [content for part in fetch(references, reader, lambda: None, list) for _, content in part]
        found.append((reader.requests, sorted(map(bytes, contents))))  # type: ignore[arg-type]  # none is damaged
    assert found[0] == found[1]


def test_items_without_periods_are_read_in_the_order_of_their_paths(plan: RestorePlan) -> None:
    at = plan.items.schema.get_field_index("period_start")
    nulls = pa.nulls(len(plan.items), plan.items.schema.field(at).type)
    references = locate(plan.items.set_column(at, "period_start", nulls), plan.index)
    assert "period" not in references.column_names
    came = periods_in_order(plan, references)
    assert came == sorted(came)


def test_counts_are_by_month_while_these_are_few_then_by_year(plan: RestorePlan) -> None:
    lines = estimate.by_period([plan], KYIV)
    assert [(line.kind, line.period, line.files) for line in lines] == [("reports", str(y), 12) for y in (2024, 2023, 2022)]
    assert sum(line.bytes for line in lines) == plan.bytes_to_write
    one_year = select(plan.project, ItemQuery(periods=("2023",), now=datetime(2026, 1, 1, tzinfo=UTC)))
    few = make_plan(one_year, EmptyDestination(), ConflictPolicy.REFUSE, TODAY)
    assert [line.period for line in estimate.by_period([few], KYIV)] == [f"2023-{month:02}" for month in range(12, 0, -1)]


def test_what_is_about_a_quarter_or_a_year_is_counted_beside_its_months(tmp_path: Path) -> None:
    project = made_on(MemoryStore())
    files = dict.fromkeys(("2024-01.csv", "2024-01-05.csv", "2024-Q1.csv", "2024.csv", "notes.txt"), b"1")
    back_up(project, write_tree(tmp_path / "source", files))
    lines = estimate.by_period(
        [make_plan(select(project, ItemQuery()), EmptyDestination(), ConflictPolicy.REFUSE, TODAY)], ZoneInfo("UTC")
    )
    found = {line.period: line.files for line in lines}
    assert [found[period] for period in ("2024-01", "2024-Q1", "2024")] == [2, 1, 1]


def test_more_work_is_said_to_take_longer(plan: RestorePlan) -> None:
    for pace in (estimate.BESIDE, estimate.REMOTE):
        one, two = (estimate.seconds(plans, pace) for plans in ([plan], [plan, plan]))
        assert pace.start < one < two
