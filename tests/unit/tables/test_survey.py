"""The narrowest types that hold every cell."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from restore.tables.cells import NESTED
from restore.tables.model import Value
from restore.tables.survey import AT_EDGE, MIXED, ODD_NUMBER, TIME_WITH_OFFSET, TOO_LONG, Fit, survey
from tests.support.tables import ListTable

KYIV = ZoneInfo("Europe/Kyiv")
TASHKENT = ZoneInfo("Asia/Tashkent")
FIXED = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([], Fit(pa.null())),
        ([None, None], Fit(pa.null())),
        ([True, None, False], Fit(pa.bool_())),
        ([1, None, -(2**63)], Fit(pa.int64())),
        ([2**63 - 1], Fit(pa.int64())),
        ([1, 2**63], Fit(pa.decimal128(38, 0))),
        ([10**37, -1], Fit(pa.decimal128(38, 0))),
        ([10**40], Fit(pa.decimal256(41, 0))),
        ([10**75], Fit(pa.decimal256(76, 0))),
        ([10**76], Fit(pa.string(), TOO_LONG)),
        ([10**5000], Fit(pa.string(), TOO_LONG)),
        ([1.5, float("nan"), None], Fit(pa.float64())),
        ([1.5, 2**53], Fit(pa.float64())),
        ([1.5, 2**53 + 1], Fit(pa.string(), MIXED)),
        ([1.5, Decimal("1.5")], Fit(pa.string(), MIXED)),
        ([Decimal("1.50"), 1000], Fit(pa.decimal128(6, 2))),
        ([Decimal("0.00001")], Fit(pa.decimal128(5, 5))),
        ([Decimal("1E+3")], Fit(pa.decimal128(38, 0))),
        ([Decimal("1"), Decimal("NaN")], Fit(pa.string(), ODD_NUMBER)),
        ([Decimal("1E-100")], Fit(pa.string(), TOO_LONG)),
        ([Decimal("123456789012345678901234567890.123456789")], Fit(pa.decimal256(39, 9))),
        (["007", ""], Fit(pa.string())),
        ([b"", None], Fit(pa.binary())),
        ([date(1, 1, 1), date(9999, 12, 31)], Fit(pa.date32())),
        ([datetime(1, 1, 1), None], Fit(pa.timestamp("us"))),
        ([datetime(2024, 5, 17, tzinfo=KYIV)], Fit(pa.timestamp("us", "Europe/Kyiv"))),
        ([datetime(2024, 5, 17, tzinfo=FIXED)], Fit(pa.timestamp("us", "+05:30"))),
        ([datetime(2024, 5, 17, tzinfo=UTC)], Fit(pa.timestamp("us", "UTC"))),
        (
            [datetime(2024, 5, 17, tzinfo=KYIV), datetime(2024, 5, 17, tzinfo=TASHKENT)],
            Fit(pa.timestamp("us", "UTC"), zones=True),
        ),
        ([datetime(1, 1, 1, tzinfo=TASHKENT)], Fit(pa.string(), AT_EDGE)),
        ([datetime(2024, 5, 17), datetime(2024, 5, 17, tzinfo=UTC)], Fit(pa.string(), MIXED)),
        ([date(2024, 5, 17), datetime(2024, 5, 17)], Fit(pa.string(), MIXED)),
        ([time(14, 5)], Fit(pa.time64("us"))),
        ([time(14, 5, tzinfo=UTC)], Fit(pa.string(), TIME_WITH_OFFSET)),
        ([timedelta(days=1)], Fit(pa.duration("us"))),
        ([timedelta.max], Fit(pa.string(), TOO_LONG)),
        ([[1], {"a": 2}], Fit(pa.string(), NESTED)),
        ([1, "1"], Fit(pa.string(), MIXED)),
        ([True, 1], Fit(pa.string(), MIXED)),
    ],
)
def test_a_column_gets_the_narrowest_type_that_holds_its_cells(cells: list[Value], expected: Fit) -> None:
    assert survey(ListTable(["column"], [[cell] for cell in cells])) == [expected]


def test_what_is_seen_in_one_batch_is_remembered_in_the_next() -> None:
    table = ListTable(["n", "s"], [[1, "a"], [2, "b"], [2**70, None], [1, 5]], batch_rows=1)

    assert survey(table) == [Fit(pa.decimal128(38, 0)), Fit(pa.string(), MIXED)]


def test_a_column_with_a_type_keeps_it_and_a_table_of_such_columns_is_not_read() -> None:
    table = ListTable(["phone", "n"], [["007", 1]], types={0: pa.string(), 1: pa.int16()})

    assert survey(table) == [Fit(pa.string()), Fit(pa.int16())]
    assert table.walks == 0
