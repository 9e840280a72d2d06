"""Times as tables have them, and tables cut by them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.row_times import row_times
from restore.tables.rows_in_period import MONTH_FIRST, NO_TIME, Cut, NoTimeColumn, RowsInPeriod
from restore.tables.times import TimeReading, moments_of, settled
from tests.support.tables import ListTable, rows_of
from vault.errors import UsageError

KYIV = TimeReading("Europe/Kyiv")
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def utc(moments: pa.Array) -> list[str | None]:
    """As text, for people who read tests."""
    texts: list[str | None] = moments.cast(pa.timestamp("us")).cast(pa.string()).to_pylist()
    return [None if text is None else text.removesuffix(".000000") for text in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-17", "2024-05-16 21:00:00"),
        ("2024-05-17 14:05", "2024-05-17 11:05:00"),
        ("2024-05-17 14:05:06.25", "2024-05-17 11:05:06.250000"),
        ("2024-05-17T14:05:06Z", "2024-05-17 14:05:06"),
        ("2024-05-17T14:05:06+03:00", "2024-05-17 11:05:06"),
        ("2024-05-17 14:05:06.123456789-0530", "2024-05-17 19:35:06.123456"),
        ("2024-05-17 14:05 UTC", "2024-05-17 14:05:00"),
        ("2024/5/7 4:05", "2024-05-07 01:05:00"),
        ("17.05.2024 14:05:06", "2024-05-17 11:05:06"),
        ("17.05.2024, 14:05", "2024-05-17 11:05:00"),
        ("17.05.24", "2024-05-16 21:00:00"),
        ("01.02.2024", "2024-01-31 22:00:00"),
        ("17/05/2024 2:05 PM", "2024-05-17 11:05:00"),
        ("17/05/2024 12:05 am", "2024-05-16 21:05:00"),
        ("20240517", "2024-05-16 21:00:00"),
        ("20240517T140506", "2024-05-17 11:05:06"),
        ("20240517140506", "2024-05-17 11:05:06"),
        ("17.05.98", "1998-05-16 21:00:00"),
        ("17.05.2024 14.05", "2024-05-17 11:05:00"),
        ("2024-05-17 14.05.06", "2024-05-17 11:05:06"),
        ("Fri, 17 May 2024 14:05:06 GMT", "2024-05-17 14:05:06"),
        ("пт 17.05.2024", "2024-05-16 21:00:00"),
        ("17 maja 2024 r. 14:05", "2024-05-17 11:05:00"),
        ("17. März 2024", "2024-03-16 22:00:00"),
        (" 2024-05-17 ", "2024-05-16 21:00:00"),
        ("1715940306", "2024-05-17 10:05:06"),
        ("1715940306.5", "2024-05-17 10:05:06.500000"),
        ("1715940306250", "2024-05-17 10:05:06.250000"),
        ("2024-10-27 03:30", "2024-10-27 00:30:00"),
        ("2024-03-31 03:30", "2024-03-31 01:00:00"),
        ("0001-01-02", "0001-01-01 21:57:56"),
        *((text, None) for text in ("30.02.2024", "32.01.2024", "17.13.2024", "2024-05-17 24:00")),
        *((text, None) for text in ("14:05", "x", "", "9161234567", "-5")),
    ],
)
def test_a_text_is_the_moment_that_people_mean_or_none(text: str, expected: str | None) -> None:
    assert utc(moments_of(pa.array([text, "no time"]), KYIV)) == [expected, None]
    assert utc(moments_of([text, None], KYIV)) == [expected, None]


def test_the_month_comes_first_where_that_is_said() -> None:
    texts = pa.array(["05/17/2024 10:00", "17/05/2024", "01.02.2024"])

    assert utc(moments_of(texts, TimeReading(day_first=False))) == ["2024-05-17 10:00:00", None, "2024-01-02 00:00:00"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([datetime(2024, 5, 17, 1, tzinfo=UTC)], ["2024-05-17 01:00:00"]),
        ([datetime(2024, 10, 27, 3, 30, fold=1, tzinfo=ZoneInfo("Europe/Kyiv"))], ["2024-10-27 01:30:00"]),
        ([datetime(2024, 5, 17, 1)], ["2024-05-16 22:00:00"]),
        ([date(2024, 5, 17)], ["2024-05-16 21:00:00"]),
        ([1715940306, 1715940306.5], ["2024-05-17 10:05:06", "2024-05-17 10:05:06.500000"]),
        ([Decimal(1715940306250), Decimal("NaN")], ["2024-05-17 10:05:06.250000", None]),
        ([7, 1e300, float("nan"), True, b"x", [1], None], [None] * 7),
    ],
)
def test_values_of_any_kind_are_moments_or_none(cells: list[Value], expected: list[str | None]) -> None:
    assert utc(moments_of(cells, KYIV)) == expected


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([0, None], pa.timestamp("s", "Asia/Tashkent")), ["1970-01-01 00:00:00", None]),
        (pa.array([1_999], pa.timestamp("ns", "UTC")), ["1970-01-01 00:00:00.000001"]),
        (pa.array([0], pa.timestamp("ms")), ["1969-12-31 21:00:00"]),
        (pa.array([1], pa.date32()), ["1970-01-01 21:00:00"]),
        (pa.array([1715940306]), ["2024-05-17 10:05:06"]),
        (pa.array([2**30], pa.int32()).cast(pa.date32()), [None]),
        (pa.array([2**62], pa.timestamp("s")), [None]),
        (pa.array([True]), [None]),
    ],
)
def test_arrow_columns_of_any_type_are_moments_or_none(array: pa.Array, expected: list[str | None]) -> None:
    assert utc(moments_of(array, KYIV)) == expected


def cut(table: ListTable, losses: LossReport | None = None, column: str | None = None, hours: int = 1) -> RowsInPeriod:
    """To the hours from noon."""
    return RowsInPeriod(table, Cut(NOON, NOON.replace(hour=12 + hours), TimeReading(), column), losses or LossReport())


def test_the_start_belongs_to_a_period_and_the_end_does_not() -> None:
    texts = ["2024-05-17 11:59:59", "2024-05-17 12:00", "2024-05-17 12:59:59.999999", "2024-05-17 13:00"]
    table = cut(ListTable(["n", "time"], [[place, text] for place, text in enumerate(texts)], types={1: pa.string()}))

    assert rows_of(table) == [[1, texts[1]], [2, texts[2]]]
    assert (table.time_column, table.seen, table.kept, table.without_time) == ("time", 4, 2, 0)


def test_rows_without_a_time_are_left_out_and_counted_once() -> None:
    losses = LossReport()
    table = cut(ListTable(["time"], [["2024-05-17 12:30"]] * 8 + [[None], ["Итого"]]), losses)

    assert len(rows_of(table)) == len(rows_of(table)) == 8
    assert [(loss.what, loss.column, loss.cells, loss.examples) for loss in losses.all()] == [(NO_TIME, "time", 2, ["row 9"])]


@pytest.mark.parametrize(
    ("names", "row", "chosen"),
    [
        (["end", "start"], ["2024-05-17", "2024-05-17"], "start"),
        (["updated_at", "Created_At"], ["2024-05-17", "2024-05-17"], "Created_At"),
        (["Оператор", "Дата и время"], ["Иван", "17.05.2024 14:05"], "Дата и время"),
        (["time", "date"], ["14:05", "2024-05-17"], "date"),
        (["id", "anything"], [1715940306, "17.05.2024"], "anything"),
        (["phone", "moment of call"], ["1715940306", datetime(2024, 5, 17)], "moment of call"),
        (["timestamp"], [1715940306], "timestamp"),
        (["one", "two"], [date(2024, 5, 17), date(2024, 5, 17)], "one"),
    ],
)
def test_the_column_of_times_is_found_by_its_name_and_its_cells(names: list[str], row: Sequence[Value], chosen: str) -> None:
    assert cut(ListTable(names, [row])).time_column == chosen


def test_numbers_under_a_name_that_says_nothing_are_no_times() -> None:
    with pytest.raises(NoTimeColumn):
        cut(ListTable(["phone", "id"], [["1715940306", 1715940306]]))


def test_a_table_without_rows_is_cut_to_nothing() -> None:
    table = cut(ListTable(["a"], []))

    assert (rows_of(table), table.time_column) == ([], None)


def test_a_named_column_is_taken_whatever_it_looks_like() -> None:
    table = ListTable(["time", "Звонок"], [["2024-05-17 12:30", "2024-05-17 09:00"]])

    assert rows_of(cut(table, column=" звонок")) == []
    with pytest.raises(UsageError, match="'missing'") as caught:
        cut(table, column="missing")
    assert "'Звонок'" in str(caught.value.hint)


def test_typed_and_untyped_columns_are_cut_alike() -> None:
    rows: list[list[Value]] = [["2024-05-17 12:30", 1, "007"], ["2024-05-18", 2, "008"]]
    table = cut(ListTable(["time", "n", "phone"], rows, types={0: pa.string(), 2: pa.string()}))

    assert rows_of(table) == rows[:1]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("01/Sep/24 2:05 PM", datetime(2024, 9, 1, 14, 5)),
        ("1 сентября 2024 00:05", datetime(2024, 9, 1, 0, 5)),
        ("1 сентября 2024 г. 00:05:06", datetime(2024, 9, 1, 0, 5, 6)),
        ("1 вересня 2024 р., 10:00", datetime(2024, 9, 1, 10)),
        ("31 мая 2024", datetime(2024, 5, 31)),
        ("Sep 1, 2024 2:05 PM", datetime(2024, 9, 1, 14, 5)),
        ("September 1st, 2024", datetime(2024, 9, 1)),
        ("03-Dec-2024 08:00:00.250", datetime(2024, 12, 3, 8, 0, 0, 250_000)),
        ("01/Foo/24 2:05 PM", None),
        ("31 июня 2024", None),
        ("\ud800 1 мая 2024", None),
    ],
)
def test_months_that_are_words_are_times(text: str, moment: datetime | None) -> None:
    found = moments_of([text], TimeReading()).to_pylist()
    assert found == [None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1_000_000)]


AMERICAN = [["9/12/24 23:45", "a"], ["9/13/24 00:00", "b"], ["9/13/24 00:15", "c"], ["9/14/24 00:00", "d"]]


@pytest.mark.parametrize("typed", [True, False])
def test_a_date_with_one_reading_tells_the_order_of_all_dates_of_its_file(typed: bool) -> None:  # noqa: FBT001
    table = ListTable(["Interval Start", "x"], AMERICAN, types={0: pa.string()} if typed else None)
    losses = LossReport()
    cut = RowsInPeriod(table, Cut(datetime(2024, 9, 13, tzinfo=UTC), datetime(2024, 9, 14, tzinfo=UTC), TimeReading()), losses)
    assert [row[1] for row in rows_of(cut)] == ["b", "c"]
    assert (list(losses.notes()), losses.all()) == ([MONTH_FIRST], [])


def test_rows_are_looked_for_in_the_order_of_day_and_month_that_their_file_has() -> None:
    table = ListTable(["Start"], [["9/12/24 10:00"], ["9/13/24 10:00"]])
    found, _ = row_times([table], "Start", TimeReading("UTC"), most=100)
    assert [datetime.fromtimestamp(moment / 1_000_000, UTC).isoformat()[:16] for moment in found] == [
        "2024-09-12T10:00",
        "2024-09-13T10:00",
    ]


def test_dates_of_both_orders_are_read_as_the_setting_says() -> None:
    dates: list[Value] = ["9/13/24", "13/9/24", "1/2/24"]
    assert (
        settled([dates], TimeReading(day_first=True)).day_first and not settled([dates], TimeReading(day_first=False)).day_first
    )
    assert settled([["1/2/24"], ["25.12.2024"]], TimeReading(day_first=False)).day_first
    assert settled([[1, None, "x"], ["1/2/24"]], TimeReading(day_first=True)).day_first
