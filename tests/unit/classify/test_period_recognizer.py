"""What paths say about their period: a table of names, and bytes that no person would write."""

from __future__ import annotations

import time
import unicodedata
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classify import calendar_spans
from classify.period import in_zone
from classify.period_columns import FOLDER, NAME, columns
from classify.period_grammar import parse, written
from classify.period_recognizer import PeriodRecognizer

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)
NAMES = Path(__file__).with_name("names.tsv")

usual = settings(derandomize=True, deadline=None, max_examples=120)
deep = settings(derandomize=True, deadline=None, max_examples=4_000)


def table() -> list[tuple[str, str, str]]:
    lines = NAMES.read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(path, period, origin) for path, period, origin in rows]


def read(path: str | bytes, *, zone: ZoneInfo = KYIV, day_first: bool = True) -> str | None:
    found = PeriodRecognizer(zone, day_first=day_first).find(path.encode() if isinstance(path, str) else path)
    return written(found.period, zone) if found else None


def test_the_table_holds_at_least_five_hundred_names_each_once() -> None:
    paths = [path for path, _, _ in table()]
    assert len(paths) == len(set(paths)) >= 500


@pytest.mark.parametrize(("path", "period", "origin"), table())
def test_a_name_says_its_period(path: str, period: str, origin: str) -> None:
    found = PeriodRecognizer(KYIV).find(path.encode())
    said = (written(found.period, KYIV), found.origin) if found else ("-", "-")
    assert said == (period, origin)


@pytest.mark.parametrize(("path", "period", "origin"), table())
def test_a_name_says_the_same_in_capitals_and_as_other_systems_store_it(path: str, period: str, origin: str) -> None:
    stored = unicodedata.normalize("NFD", path.upper()).encode()
    found = PeriodRecognizer(KYIV).find(stored)
    assert (written(found.period, KYIV) if found else "-") == period


@pytest.mark.parametrize(
    ("name", "day_first", "month_first"),
    [
        ("01.02.2024.csv", "2024-02-01", "2024-01-02"),
        ("01-02-2024_14-00.csv", "2024-02-01T14", "2024-01-02T14"),
        ("01022024.csv", "2024-02-01", "2024-01-02"),
        ("17.05.2024.csv", "2024-05-17", "2024-05-17"),
        ("05.17.2024.csv", "2024-05-17", "2024-05-17"),
        ("2024/05.06.csv", "2024-06-05", "2024-05-06"),
        ("2024-01-02.csv", "2024-01-02", "2024-01-02"),
    ],
)
def test_an_ambiguous_date_is_day_first_unless_the_settings_turn_it_round(name: str, day_first: str, month_first: str) -> None:
    assert read(name) == day_first
    assert read(name, day_first=False) == month_first


def test_a_name_in_windows_1251_is_read() -> None:
    assert read("Отчет за май 2024.xlsx".encode("cp1251")) == "2024-05"
    assert read("2024/май/17.csv".encode("cp1251")) == "2024-05-17"


def test_the_same_name_is_another_moment_in_another_zone() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    found = PeriodRecognizer(tokyo).find(b"2024-05-17.csv")
    assert found is not None
    assert found.period == in_zone(calendar_spans.day(2024, 5, 17), tokyo)
    assert found.period != in_zone(calendar_spans.day(2024, 5, 17), KYIV)


def test_a_day_that_a_zone_left_out_says_nothing() -> None:
    assert read("2011-12-30.csv", zone=ZoneInfo("Pacific/Apia")) is None
    assert read("2011-12-30T14.csv", zone=ZoneInfo("Pacific/Apia")) is None
    assert read("2011-12-31.csv", zone=ZoneInfo("Pacific/Apia")) == "2011-12-31"


def test_the_hours_of_a_day_make_up_the_day_in_both_nights() -> None:
    for day, hours in (("2024-03-31", 23), ("2024-10-27", 25), ("2024-05-17", 24)):
        names = [f"{day}/{hour:02}.csv".encode() for hour in range(24)]
        starts, ends, _ = columns(names, [PeriodRecognizer(KYIV)])
        whole = parse(day, KYIV, NOW)
        spans_of = sorted(set(zip(starts.cast(pa.int64()).to_pylist(), ends.cast(pa.int64()).to_pylist(), strict=True)))
        lengths = [end - start for start, end in spans_of if (start, end) != (whole.start, whole.end)]
        assert sum(lengths) == hours * 3_600_000_000 == whole.end - whole.start


def test_many_paths_become_columns() -> None:
    paths = [b"2024/05/17/14.csv", b"2024/05/x.csv", b"nothing.csv"]
    for given_paths in (paths, pa.array(paths, pa.binary()), pa.chunked_array([paths[:1], paths[1:]], pa.binary())):
        start, end, origin = columns(given_paths, [PeriodRecognizer(ZoneInfo("UTC"))])
        assert start.type == end.type == pa.timestamp("us", tz="UTC")
        assert start.to_pylist() == [datetime(2024, 5, 17, 14, tzinfo=UTC), datetime(2024, 5, 1, tzinfo=UTC), None]
        assert end.to_pylist() == [datetime(2024, 5, 17, 15, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC), None]
        assert origin.to_pylist() == [NAME, FOLDER, None]


def test_what_stands_before_every_path_is_left_out() -> None:
    start, _, _ = columns([b"2023/may.csv"], [PeriodRecognizer(KYIV)], skip=len(b"2023/"))
    assert start.null_count == 1


GENITIVES = tuple("января февраля марта апреля мая июня июля августа сентября октября ноября декабря".split())  # noqa: SIM905


def _day_in_many_forms(day: date) -> st.SearchStrategy[str]:
    russian = GENITIVES[day.month - 1]
    return st.sampled_from([
        f"{day:%Y-%m-%d}", f"{day:%Y%m%d}", f"{day:%d.%m.%Y}", f"{day:%Y_%m_%d}", f"{day:%d-%m-%Y}", f"{day:%d.%m.%y}",
        f"{day.day} {russian} {day.year}", f"{day:%B} {day.day}, {day.year}", f"{day:%d-%b-%Y}", f"{day:%Y.%m.%d}",
        f"{day:%Y-%m-%d_%H%M}", f"{day:%Y%m%d_000000}", f"{day:%d.%m.%Y} 0.00.00", f"{day:%Y-%m-%d}T00-00-00",
    ])  # fmt: skip


fillers = st.sampled_from(
    [" - ", "_", "-", " по ", " to ", ", ", " and ", " и ", "..", " calls ", "_report_", " (", " vs ", "__"]
)
"""What may stand between two dates, but for words that say that the second one is of another thing."""


@st.composite
def names_of_days(draw: st.DrawFn) -> tuple[str, list[date]]:
    """A name of one to four days of a year, in any order and form, and what stands around and between them."""
    first = draw(st.dates(date(2020, 1, 1), date(2038, 12, 31)))
    days = [first + timedelta(days=by) for by in draw(st.lists(st.integers(0, 365), min_size=1, max_size=4))]
    text = draw(st.sampled_from(["", "calls ", "Отчет за ", "с ", "zendesk_export-", "q-600-", "[", "агенты "]))
    for at, day in enumerate(days):
        text += (draw(fillers) if at else "") + draw(_day_in_many_forms(day))
    return text + draw(st.sampled_from([".csv", "", " (1).xlsx", " final.pdf", "_v2.csv", ".tar.gz"])), days


def holds_all_days(name: str, days: list[date], above: str) -> None:
    utc = ZoneInfo("UTC")
    found = PeriodRecognizer(utc).find(f"{above}{name}".encode())
    assert found is not None
    wholes = [in_zone(calendar_spans.day(day.year, day.month, day.day), utc) for day in days]
    assert all(found.period.overlaps(whole) for whole in wholes), written(found.period, utc)


@usual
@given(named=names_of_days(), above=st.sampled_from(["", "2024/", "2024/05/", "2024/05/17/", "reports/"]))
def test_a_period_holds_every_day_that_the_name_says(named: tuple[str, list[date]], above: str) -> None:
    holds_all_days(*named, above)


@pytest.mark.slow
@deep
@given(named=names_of_days(), above=st.sampled_from(["", "2024/", "2024/05/", "2024/05/17/", "reports/"]))
def test_a_period_holds_every_day_that_the_name_says_at_length(named: tuple[str, list[date]], above: str) -> None:
    holds_all_days(*named, above)


@pytest.mark.parametrize(
    ("path", "doubtful"),
    [
        ("2024-05-17.csv", False),
        ("2024-05-01_2024-05-15.csv", False),
        ("2024/с 02.09 по 08.09.xlsx", False),
        ("20240517_report_20240603.csv", True),
        ("2024-05-01-15.csv", True),
        ("2024-05-17_08-20.csv", True),
        ("2024/05/01-15.csv", True),
        ("Отчет за май 2024 (17.05.2024).xlsx", True),
        ("sep24.csv", True),
        ("2024/05/17/Отчет за май 2024.xlsx", True),
        ("2024/05/17/summary-2024.csv", False),
    ],
)
def test_what_can_be_read_in_several_ways_is_said_to_be_doubtful(path: str, doubtful: bool) -> None:  # noqa: FBT001
    found = PeriodRecognizer(KYIV).find(path.encode())
    assert found is not None and found.doubtful is doubtful


pieces = st.sampled_from([
    "2024", "05", "17", "14", "-", "_", ".", "/", " ", "T", "Q3", "W20", "май", "мая", "May", "квартал", "III", "по", "..",
    "+03", "h", "v", "№", "0", "31", "99", "20240231", ".csv", "\u0306", "\U0001f600",
])  # fmt: skip
hostile = st.one_of(st.binary(max_size=60), st.lists(pieces, max_size=12).map(lambda parts: "".join(parts).encode()))


def reads_quietly(path: bytes) -> None:
    recognizer = PeriodRecognizer(KYIV)
    first = recognizer.find(path)
    assert first == recognizer.find(path)
    assert first is None or (first.period.start < first.period.end and first.origin in (NAME, FOLDER))


@usual
@given(path=hostile)
def test_no_path_raises_and_each_says_the_same_twice(path: bytes) -> None:
    reads_quietly(path)


@pytest.mark.slow
@deep
@given(path=hostile)
def test_no_path_raises_and_each_says_the_same_twice_at_length(path: bytes) -> None:
    reads_quietly(path)


@settings(usual, max_examples=60)
@given(day=st.dates(date(1990, 1, 1), date(2100, 12, 31)), hour=st.integers(0, 23))
def test_every_usual_form_of_a_day_and_hour_is_read(day: date, hour: int) -> None:
    said = f"{day:%Y-%m-%d}"
    for form in ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%Y/%m/%d/x", "%Y_%m_%d", "%d-%m-%Y", "%d %B %Y", "%B %d, %Y", "%Y-%m/%d"):
        assert read(f"{day:{form}}.csv", zone=ZoneInfo("UTC")) == said
    for form in ("%Y-%m-%dT", "%Y%m%d_", "%d.%m.%Y ", "%Y/%m/%d/", "%Y-%m-%d/report-"):
        assert read(f"{day:{form}}{hour:02}.csv", zone=ZoneInfo("UTC")) == f"{said}T{hour:02}"


@pytest.mark.parametrize(
    "piece",
    [b"1", b"2024", b"2024-", b"20", b" ", b"-", b".", b"a", b"/", b"1/", b"2024/", b"\xff", "й".encode(), b"q1", b"1-",
     b"may ", "и\u0306".encode(), b"2024-05-17_", b"i", b"05.", b"#"],
)  # fmt: skip
def test_a_long_path_is_read_quickly(piece: bytes) -> None:
    began = time.process_time()
    for size in (1000, 100_000):
        recognizer = PeriodRecognizer(KYIV)
        recognizer.find(piece * (size // len(piece)))
        recognizer.find(b"2024/" + piece * (size // len(piece)))
    assert time.process_time() - began < 2
