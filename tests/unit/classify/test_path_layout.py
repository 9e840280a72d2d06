"""Layouts of the settings: what is built by one is read by it."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from classify.path_layout import PathLayout
from classify.period_columns import LAYOUT, PeriodFinder, columns
from classify.period_grammar import written
from classify.period_recognizer import PeriodRecognizer
from vault.errors import SettingsError

usual = settings(derandomize=True, deadline=None, max_examples=120)
KYIV = ZoneInfo("Europe/Kyiv")
HOURLY = "{year}/{month:02}/{day:02}/report-{hour:02}.csv"


def read(layout: str, path: str | bytes) -> str | None:
    found = PathLayout.compiled(layout, KYIV).find(path.encode() if isinstance(path, str) else path)
    return written(found.period, KYIV) if found else None


@pytest.mark.parametrize(
    ("layout", "path", "period"),
    [
        (HOURLY, "2024/05/17/report-14.csv", "2024-05-17T14"),
        (HOURLY, "2024/05/17/report-1.csv", None),
        (HOURLY, "2024/5/17/report-14.csv", None),
        (HOURLY, "2024/05/17/report-24.csv", None),
        (HOURLY, "2024/02/30/report-14.csv", None),
        (HOURLY, "x/2024/05/17/report-14.csv", None),
        (HOURLY, "2024/05/17/report-14.csv.bak", None),
        (HOURLY, "2024/05/17/report-14xcsv", None),
        (HOURLY, "2024/05/17/report-14.csv\n", None),
        (HOURLY, "2024/10/27/report-03.csv", "2024-10-27T03"),
        (HOURLY, "2024/03/31/report-03.csv", None),
        ("**/{year}.csv", "2024.csv", "2024"),
        ("**/{year}.csv", "a/b/2024.csv", "2024"),
        ("**/{year}.csv", "a/b2024.csv", None),
        ("{year}/{month}.csv", "2024/5.csv", "2024-05"),
        ("{year}/{month}.csv", "2024/12.csv", "2024-12"),
        ("{year}/{month}.csv", "2024/05.csv", None),
        ("{year}-Q{quarter}.xlsx", "2024-Q3.xlsx", "2024-Q3"),
        ("{year}-Q{quarter}.xlsx", "2024-Q5.xlsx", None),
        ("{year}/Q{quarter}/{month:02}.csv", "2024/Q2/05.csv", "2024-05"),
        ("{year}/Q{quarter}/{month:02}.csv", "2024/Q3/05.csv", None),
        ("{year}-W{week:02}.csv", "2024-W20.csv", "2024-W20"),
        ("{year}-W{week:02}.csv", "2024-W53.csv", None),
        ("{any}/{year}-{month:02}-{day:02}{*}.csv", "queue 5/2024-05-17 (2).csv", "2024-05-17"),
        ("{any}/{year}.csv", "a/b/2024.csv", None),
        ("{year}/{year}-{month:02}.csv", "2024/2024-05.csv", "2024-05"),
        ("{year}/{year}-{month:02}.csv", "2024/2023-05.csv", None),
        ("{{{year}}}.csv", "{2024}.csv", "2024"),
        ("(a|b)+/{year:04}.csv", "(a|b)+/2024.csv", "2024"),
        ("звіти/{day:02}.{month:02}.{year}.xlsx", "звіти/17.05.2024.xlsx", "2024-05-17"),
        ("{year}.csv", "9999.csv", None),
        ("{year}.csv", "0000.csv", None),
        ("{year}.csv", "٢٠٢٤.csv", None),
    ],
)
def test_a_path_is_read_by_its_layout(layout: str, path: str, period: str | None) -> None:
    assert read(layout, path) == period


def test_bytes_that_are_no_text_fit_any() -> None:
    assert read("{any}/{year}.csv", b"\xff\xfe/2024.csv") == "2024"


@pytest.mark.parametrize(
    ("layout", "where", "hint"),
    [
        ("{year}/{mnth:02}.csv", "character 8: '{mnth:02}' is no field", "did you mean {month}?"),
        ("{year}/{}.csv", "character 8: '{}' is no field", "there are: year"),
        ("{year}/{month:2}.csv", "character 8: '{month:2}' has a width that is none", "{month:02}"),
        ("{year:02}.csv", "character 1: '{year:02}' has a width", "{year:04}"),
        ("{year}/{any:02}", "character 8: '{any:02}' has a width", "{any}"),
        ("{year}/{month.csv", "character 8: '{' is a brace without its partner", "{{"),
        ("{year}/month}.csv", "character 13: '}' is a brace without its partner", "}}"),
        ("{year}/*.csv", "character 7: '/*.csv' holds a *", "{any}"),
        ("a/**/{year}.csv", "character 1: 'a/**/' holds a *", "{any}"),
        ("{year}/{month}{day}.csv", "character 15: '{day}' follows another field", "{day:02}"),
        ("{any}{month}-{year}.csv", "character 6: '{month}' follows another field", "width"),
        ("report.csv", "does not say a period: its fields are: none", "a year"),
        ("", "does not say a period", "a year"),
        ("{month:02}.csv", "does not say a period: its fields are: month", "a year"),
        ("{year}/{day:02}.csv", "its fields are: year, day", "a month"),
        ("{year}/{month:02}/{hour:02}.csv", "its fields are: year, month, hour", "a day"),
        ("{year}/{week:02}/{month:02}.csv", "its fields are: year, month, week", "a week"),
    ],
)
def test_a_layout_that_is_none_is_refused_with_the_place(layout: str, where: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PathLayout.compiled(layout, KYIV)
    assert where in str(caught.value)
    assert hint in (caught.value.hint or "")


literals = st.sampled_from(["", "-", "_", "report-", "/", "x/", "Q", ".", "{{", "}}", "\\d", "(", "$", "^", "ї", "0x"])
field_sets = st.sampled_from([
    ["year"], ["year", "quarter"], ["year", "month"], ["year", "week"], ["year", "month", "day"],
    ["year", "month", "day", "hour"], ["year", "quarter", "month", "day", "hour"],
])  # fmt: skip


@settings(usual, max_examples=150)
@given(data=st.data(), at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), names=field_sets)
def test_a_path_that_a_layout_builds_says_the_moment_that_it_was_built_for(
    data: st.DataObject, at: datetime, names: list[str]
) -> None:
    year, week, _ = at.isocalendar() if "week" in names else (at.year, 0, 0)
    values = {"year": year, "quarter": (at.month + 2) // 3, "month": at.month, "week": week, "day": at.day, "hour": at.hour}
    order = data.draw(st.permutations([*names, *data.draw(st.lists(st.sampled_from(names), max_size=1))]))
    layout = path = data.draw(st.sampled_from(["", "**/"]))
    path = "any/where/" if layout else ""
    loose_before = False
    for name in order:
        literal = data.draw(literals)
        width = data.draw(st.sampled_from([":04"] if name == "year" else ["", ":02"]))
        assume(literal or not (loose_before and not width))
        layout += f"{literal}{{{name}{width}}}"
        path += literal.replace("{{", "{").replace("}}", "}") + (f"{values[name]:{width[1:]}}" if width else str(values[name]))
        loose_before = not width
    span = PathLayout.compiled(layout, KYIV).span(path)
    assert span is not None
    assert span.start <= at < span.end
    assert span.end - span.start >= timedelta(hours=1)


def test_a_layout_comes_before_recognition_which_fills_the_gaps() -> None:
    finders: list[PeriodFinder] = [
        PathLayout.compiled("{day:02}.{month:02}.{year}.csv", KYIV),
        PeriodRecognizer(KYIV, day_first=False),
    ]
    start, _, origin = columns([b"01.02.2024.csv", b"01.02.2024.xlsx", b"x.csv"], finders)
    assert origin.to_pylist() == [LAYOUT, "name", None]
    assert [one and one.astimezone(KYIV).month for one in start.to_pylist()] == [2, 1, None]


@usual
@given(path=st.binary(max_size=40))
def test_no_path_raises(path: bytes) -> None:
    layouts = [HOURLY, "**/{any}{year}{any}", "{any}-{year}-W{week}"]
    assert all(
        found is None or found.origin == LAYOUT for found in (PathLayout.compiled(one, KYIV).find(path) for one in layouts)
    )
