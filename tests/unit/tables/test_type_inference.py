"""The narrowest types that hold every cell."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from restore.tables.cell_text import NESTED
from restore.tables.model import Value
from restore.tables.type_inference import AT_EDGE, MIXED, ODD_NUMBER, TIME_WITH_OFFSET, TOO_LONG, InferredType, infer_types
from tests.support.tables import ListTable

KYIV = ZoneInfo("Europe/Kyiv")
TASHKENT = ZoneInfo("Asia/Tashkent")
FIXED = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([], InferredType(pa.null())),
        ([None, None], InferredType(pa.null())),
        ([True, None, False], InferredType(pa.bool_())),
        ([1, None, -(2**63)], InferredType(pa.int64())),
        ([2**63 - 1], InferredType(pa.int64())),
        ([1, 2**63], InferredType(pa.decimal128(38, 0))),
        ([10**37, -1], InferredType(pa.decimal128(38, 0))),
        ([10**40], InferredType(pa.decimal256(41, 0))),
        ([10**75], InferredType(pa.decimal256(76, 0))),
        ([10**76], InferredType(pa.string(), TOO_LONG)),
        ([10**5000], InferredType(pa.string(), TOO_LONG)),
        ([1.5, float("nan"), None], InferredType(pa.float64())),
        ([1.5, 2**53], InferredType(pa.float64())),
        ([1.5, 2**53 + 1], InferredType(pa.string(), MIXED)),
        ([1.5, Decimal("1.5")], InferredType(pa.string(), MIXED)),
        ([Decimal("1.50"), 1000], InferredType(pa.decimal128(6, 2))),
        ([Decimal("0.00001")], InferredType(pa.decimal128(5, 5))),
        ([Decimal("1E+3")], InferredType(pa.decimal128(38, 0))),
        ([Decimal("1"), Decimal("NaN")], InferredType(pa.string(), ODD_NUMBER)),
        ([Decimal("1E-100")], InferredType(pa.string(), TOO_LONG)),
        ([Decimal("123456789012345678901234567890.123456789")], InferredType(pa.decimal256(39, 9))),
        (["007", ""], InferredType(pa.string())),
        ([b"", None], InferredType(pa.binary())),
        ([date(1, 1, 1), date(9999, 12, 31)], InferredType(pa.date32())),
        ([datetime(1, 1, 1), None], InferredType(pa.timestamp("us"))),
        ([datetime(2024, 5, 17, tzinfo=KYIV)], InferredType(pa.timestamp("us", "Europe/Kyiv"))),
        ([datetime(2024, 5, 17, tzinfo=FIXED)], InferredType(pa.timestamp("us", "+05:30"))),
        ([datetime(2024, 5, 17, tzinfo=UTC)], InferredType(pa.timestamp("us", "UTC"))),
        (
            [datetime(2024, 5, 17, tzinfo=KYIV), datetime(2024, 5, 17, tzinfo=TASHKENT)],
            InferredType(pa.timestamp("us", "UTC"), zones=True),
        ),
        ([datetime(1, 1, 1, tzinfo=TASHKENT)], InferredType(pa.string(), AT_EDGE)),
        ([datetime(2024, 5, 17), datetime(2024, 5, 17, tzinfo=UTC)], InferredType(pa.string(), MIXED)),
        ([date(2024, 5, 17), datetime(2024, 5, 17)], InferredType(pa.string(), MIXED)),
        ([time(14, 5)], InferredType(pa.time64("us"))),
        ([time(14, 5, tzinfo=UTC)], InferredType(pa.string(), TIME_WITH_OFFSET)),
        ([timedelta(days=1)], InferredType(pa.duration("us"))),
        ([timedelta.max], InferredType(pa.string(), TOO_LONG)),
        ([[1], {"a": 2}], InferredType(pa.string(), NESTED)),
        ([1, "1"], InferredType(pa.string(), MIXED)),
        ([True, 1], InferredType(pa.string(), MIXED)),
    ],
)
def test_a_column_gets_the_narrowest_type_that_holds_its_cells(cells: list[Value], expected: InferredType) -> None:
    assert infer_types(ListTable(["column"], [[cell] for cell in cells])) == [expected]


def test_what_is_seen_in_one_batch_is_remembered_in_the_next() -> None:
    table = ListTable(["n", "s"], [[1, "a"], [2, "b"], [2**70, None], [1, 5]], batch_rows=1)

    assert infer_types(table) == [InferredType(pa.decimal128(38, 0)), InferredType(pa.string(), MIXED)]


def test_a_column_with_a_type_keeps_it_and_a_table_of_such_columns_is_not_read() -> None:
    table = ListTable(["phone", "n"], [["007", 1]], types={0: pa.string(), 1: pa.int16()})

    assert infer_types(table) == [InferredType(pa.string()), InferredType(pa.int16())]
    assert table.walks == 0
