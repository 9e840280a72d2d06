"""What a query picks out of a snapshot, and what is said when it picks nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from restore.selection.query import ItemQuery
from restore.selection.select import Selection, select
from tests.support.places import made_on
from tests.support.trees import write_tree
from vault.backup import run
from vault.backup.item_classification import ClassifyOptions
from vault.errors import UsageError
from vault.repository.project import Project
from vault.source.patterns import Rules
from vault.storage.memory import MemoryStore

CSV, TEXT = b"a,b\n1,2\n3,4\n", b"hello\n"
HOURS = [f"2024/{month:02}/{day:02}/{hour:02}.csv" for month in (1, 2, 3, 4) for day in (1, 28) for hour in (0, 23)]
OTHERS = [
    "2024/summary 2024.csv",
    "2024/Q1 2024.csv",
    "weeks/2024-W05.csv",
    "2023/12/month.csv",
    "2024/02/notes of 2024-02-28.txt",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("selection")
    made = made_on(MemoryStore())
    reports = write_tree(folder / "reports", {name: TEXT if name.endswith("txt") else CSV for name in HOURS + OTHERS})
    write_tree(folder / "tickets", {"2024-02/tickets.csv": CSV})
    options = ClassifyOptions(ZoneInfo("Europe/Kyiv"))
    for _ in range(2):
        for kind in ("reports", "tickets"):
            run.back_up(
                made, run.Source.of_folder(kind, kind, os.fsencode(folder / kind), Rules(), options), run.BackupOptions()
            )
        (reports / "2024/04/28/23.csv").unlink(missing_ok=True)
    return made


QUERY = ItemQuery(now=datetime(2024, 4, 2, tzinfo=UTC))


def picked(project: Project, **parts: object) -> set[str]:
    found = select(project, replace(QUERY, **parts)).table
    return {
        path.decode()
        for path, type_ in zip(found["path"].to_pylist(), found["type"].to_pylist(), strict=True)
        if type_ == "file"
    }


def refused(project: Project, **parts: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        select(project, replace(QUERY, **parts))
    return caught.value


def test_a_period_takes_what_lies_within_it_in_the_time_zone_of_the_project(project: Project) -> None:
    assert picked(project, periods=("2024-02-28",)) == {
        "reports/2024/02/28/00.csv",
        "reports/2024/02/28/23.csv",
        "reports/2024/02/notes of 2024-02-28.txt",
    }
    assert picked(project, periods=("2024-W05",)) == {
        "reports/weeks/2024-W05.csv",
        "reports/2024/02/01/00.csv",
        "reports/2024/02/01/23.csv",
    }


def test_kinds_formats_and_patterns_narrow_a_period_and_several_of_one_sort_unite(project: Project) -> None:
    assert picked(project, periods=("2024-02",), kinds=("tickets",)) == {"tickets/2024-02/tickets.csv"}
    assert picked(project, periods=("2024-02",), formats=("text",)) == {"reports/2024/02/notes of 2024-02-28.txt"}
    both = picked(project, periods=("2024-01", "2024-03"), kinds=("reports", "tickets"), patterns=("reports/2024/0*/28",))
    assert both == {f"reports/2024/{month}/28/{hour}.csv" for month in ("01", "03") for hour in ("00", "23")}


def test_months_named_one_by_one_take_the_summary_of_their_quarter_too(project: Project) -> None:
    months = picked(project, periods=("2024-01", "2024-02", "2024-03"))
    assert months == picked(project, periods=("2024-Q1",))
    assert "reports/2024/Q1 2024.csv" in months


def test_what_reaches_beyond_the_period_is_left_out_counted_and_taken_on_request(project: Project) -> None:
    within: Selection = select(project, replace(QUERY, periods=("2024-03",), kinds=("reports",)))
    assert (within.beyond.items, within.beyond.bytes > 0) == (2, True)
    wide = picked(project, periods=("2024-03",), kinds=("reports",), overlapping=True)
    assert wide - picked(project, periods=("2024-03",), kinds=("reports",)) == {
        "reports/2024/summary 2024.csv",
        "reports/2024/Q1 2024.csv",
    }


def test_last_month_counts_from_the_moment_of_asking(project: Project) -> None:
    assert picked(project, periods=("last-month",)) == picked(project, periods=("2024-03",))


def test_deleted_items_are_found_by_their_period(project: Project) -> None:
    assert picked(project, deleted=True, periods=("2024-Q2",)) == {"reports/2024/04/28/23.csv"}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"periods": ("2024-07",)}, "the nearest periods are 2024-04-28T00"),
        ({"periods": ("2022",)}, "the nearest periods are 2023"),
        ({"periods": ("2024-05-01..2024-05-02",), "kinds": ("reports",)}, "1 item reaches beyond it: ask with --overlapping"),
        ({"kinds": ("report",)}, "did you mean --kind reports?"),
        ({"kinds": ("zzz",)}, "there are: reports, tickets"),
        ({"formats": ("xlsx",)}, "no item has the format 'xlsx', there are: csv, text"),
        (
            {"patterns": ("reports/2024/04/28/23.csv",)},
            "1 matching item is deleted at the source: ask for it with --deleted",
        ),
        ({"patterns": ("reports/2024/01/28/23.csv",), "deleted": True}, "1 matching item is not deleted"),
        ({"patterns": ("report/2024/01/28/23.csv",)}, "did you mean reports/2024/01/28/23.csv"),
    ],
)
def test_a_selection_of_nothing_says_what_came_close(project: Project, parts: dict[str, object], expected: str) -> None:
    error = refused(project, **parts)
    assert error.exit_code == 1 and expected in (error.hint or ""), error.hint


@pytest.mark.parametrize("text", ["", "2024-13", "tomorrowish", "2024..2023", "2024-Q5"])
def test_what_is_no_period_is_refused_with_the_forms_that_there_are(project: Project, text: str) -> None:
    error = refused(project, periods=(text,))
    assert "invalid period" in str(error) and "2024-Q3" in (error.hint or "")


names = st.sampled_from(
    ["2024", "2023", "2024-Q1", "2024-Q2", "2024-02", "2024-W05", "2024-02-28", "2024-01-15..2024-02-10", "2024-04.."]
)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(periods=st.lists(names, min_size=1, max_size=3), others=st.lists(names, min_size=1, max_size=2))
def test_within_is_a_part_of_overlapping_and_more_periods_never_take_less(
    project: Project, periods: list[str], others: list[str]
) -> None:
    def taken(asked: list[str], *, overlapping: bool) -> set[str]:
        return _or_none(lambda: picked(project, periods=tuple(asked), overlapping=overlapping))

    within, wide = taken(periods, overlapping=False), taken(periods, overlapping=True)
    assert within <= wide
    assert within <= taken(periods + others, overlapping=False)
    assert wide | taken(others, overlapping=True) == taken(periods + others, overlapping=True)


def _or_none(taking: Callable[[], set[str]]) -> set[str]:
    try:
        return taking()
    except UsageError:
        return set()
