"""CSV as it is written: for machines exactly, for people without harm."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.tables.cell_text import BASE64, HALF, LOCAL, NESTED
from restore.tables.loss_report import LossReport
from restore.tables.model import Value
from restore.tables.readers.csv import read_csv
from restore.tables.write_options import Audience, WriteOptions
from restore.tables.writers.csv import FORMULA, NO_COLUMNS, NUL, write_csv
from tests.support.tables import ListTable, names_of, rows_of
from tests.unit.tables.text_files import file_of, lost, written
from vault.errors import UsageError

MOSCOW = timezone(timedelta(hours=3))
PEOPLE = WriteOptions(Audience.PEOPLE)


def test_every_value_has_one_text() -> None:
    table = ListTable(
        ["n", "value"],
        list(
            enumerate(
                [
                    True,
                    12345678901234567890,
                    0.1,
                    1e16,
                    float("nan"),
                    float("-inf"),
                    Decimal("1.50"),
                    Decimal("1E+5"),
                    Decimal("1E-7"),
                    Decimal("1E+5000"),
                    Decimal("NaN"),
                    date(2024, 5, 17),
                    time(14, 5),
                    datetime(2024, 5, 17, 14, 5),
                    datetime(2024, 5, 17, 14, 5, 0, 500000, MOSCOW),
                    timedelta(days=1, seconds=7384.5),
                    -timedelta(seconds=1),
                    "007",
                    "",
                    None,
                ]
            )
        ),
    )
    data, losses = written(write_csv, table)
    assert [line.split(",", 1)[1] for line in data.decode().splitlines()] == [
        "value",
        "true",
        "12345678901234567890",
        "0.1",
        "1e+16",
        "NaN",
        "-Infinity",
        "1.50",
        "100000",
        "0.0000001",
        "1E+5000",
        "NaN",
        "2024-05-17",
        "14:05:00",
        "2024-05-17T14:05:00",
        "2024-05-17T14:05:00.500000+03:00",
        "PT93784.5S",
        "-PT1S",
        "007",
        '""',
        "",
    ]
    assert not losses


def test_bytes_and_nested_values_become_text_and_are_counted() -> None:
    table = ListTable(["v"], [(b"ab",), ([1, Decimal("1.50"), 10**30, {"a": "я"}],), ({"d": date(2024, 1, 2)},)])
    data, losses = written(write_csv, table)
    assert data.decode().splitlines() == [
        "v",
        "YWI=",
        '"[1,1.50,1000000000000000000000000000000,{""a"":""я""}]"',
        '"{""d"":""2024-01-02""}"',
    ]
    assert losses == [(BASE64, "v", 1), (NESTED, "v", 2)]


def test_arrow_columns_and_python_values_have_the_same_texts() -> None:
    moments: list[Value] = [datetime(2024, 5, 17, 14, 5, tzinfo=UTC), None, datetime(2024, 1, 1, 0, 0, 0, 1000, UTC)]
    columns: list[tuple[pa.DataType, list[Value]]] = [
        (pa.int64(), [1, None, -(2**62)]),
        (pa.uint64(), [2**64 - 1, None, 0]),
        (pa.float64(), [0.1, None, 1e16]),
        (pa.bool_(), [True, None, False]),
        (pa.decimal128(20, 4), [Decimal("1.5000"), None, Decimal("-0.0001")]),
        (pa.decimal128(20, 9), [Decimal("0.000000001"), None, Decimal("1.000000000")]),
        (pa.date32(), [date(2024, 5, 17), None, date(1, 1, 1)]),
        (pa.time64("us"), [time(1, 2), None, time(1, 2, 3, 4)]),
        (pa.timestamp("us", "UTC"), moments),
        (pa.timestamp("ns", "Europe/Moscow"), moments),
        (pa.timestamp("ms"), [datetime(1, 1, 1), None, datetime(9999, 1, 1)]),
        (pa.duration("us"), [timedelta(1), None, -timedelta(microseconds=1)]),
        (pa.large_string(), ["a,b", None, ""]),
        (pa.binary(), [b"a", None, b""]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", None, "b"]),
    ]
    for type_, cells in columns:
        typed = ListTable(["v", "w"], [(cell, 1) for cell in cells], types={0: type_})
        plain = ListTable(["v", "w"], list(zip(pa.array(cells, type_).to_pylist(), [1, 1, 1], strict=True)))
        assert written(write_csv, typed) == written(write_csv, plain), type_


def test_digits_finer_than_a_microsecond_are_written() -> None:
    table = ListTable(["t"], [(1,)], types={0: pa.timestamp("ns")})
    assert written(write_csv, table)[0] == b"t\n1970-01-01T00:00:00.000000001\n"


def test_cells_are_quoted_where_any_reader_might_stumble() -> None:
    table = ListTable(["a;b", ""], [("x\ny", 'q"'), ("a|b", "t\tb"), ("a\rb", "plain text"), ("", None)])
    data, _ = written(write_csv, table)
    assert data == b'"a;b",""\n"x\ny","q"""\n"a|b","t\tb"\n"a\rb",plain text\n"",\n'


@pytest.mark.parametrize("name", ["sep=;", "\ufeffa"])
def test_a_first_name_that_readers_take_for_something_else_is_quoted(name: str) -> None:
    assert written(write_csv, ListTable([name], []))[0] == f'"{name}"\n'.encode()


def test_what_csv_cannot_hold_is_replaced_and_counted() -> None:
    table = ListTable(["n", "v"], [("a\0b", "\ud800"), (None, "x")])
    assert written(write_csv, table) == ("n,v\na␀b,\\ud800\n,x\n".encode(), [(NUL, "n", 1), (HALF, "v", 1)])
    assert written(write_csv, ListTable([], [(), ()])) == (b"", [(NO_COLUMNS, "", 2)])


def test_people_get_a_mark_and_their_delimiter_where_they_want_them() -> None:
    options = WriteOptions(Audience.PEOPLE, delimiter=";", bom=True)
    assert written(write_csv, ListTable(["a", "b"], [("1,5", "x;y")]), options=options)[0] == b'\xef\xbb\xbfa;b\n"1,5";"x;y"\n'


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
def test_a_delimiter_that_cannot_be_one_is_refused(delimiter: str) -> None:
    with pytest.raises(UsageError):
        written(write_csv, ListTable(["a"], []), options=WriteOptions(delimiter=delimiter))


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(A1)", "\t=1", "\r=1", "-", "=", "+7x", "-1+A1"]
)
def test_people_get_no_live_formulas(text: str) -> None:
    data, losses = written(write_csv, ListTable(["v"], [(text,)]), options=PEOPLE)
    assert data.decode().split("\n", 1)[1].strip('"\n') == "'" + text
    assert losses == [(FORMULA, "v", 1)]


@pytest.mark.parametrize(
    "text", ["+79161234567", "+7 (916) 123-45-67", "-5", "-1,5", "-1.5e-3", "+380 44 123 45 67", "a=1", "1-2"]
)
def test_people_keep_telephone_numbers_and_signed_numbers(text: str) -> None:
    data, losses = written(write_csv, ListTable(["v"], [(text,)]), options=PEOPLE)
    assert data.decode().splitlines()[1].strip('"') == text
    assert not losses


def test_machines_get_formulas_as_they_are() -> None:
    assert written(write_csv, ListTable(["=n"], [("=1+1",)])) == (b"=n\n=1+1\n", [])
    assert written(write_csv, ListTable(["=n"], []), options=PEOPLE) == (b"'=n\n", [(FORMULA, "=n", 1)])


@pytest.mark.parametrize("type_", [None, pa.timestamp("us", "UTC")])
def test_people_read_moments_in_their_zone(type_: pa.DataType | None) -> None:
    rows = [(datetime(2024, 5, 17, 11, 5, tzinfo=UTC),), (None,)]
    table = ListTable(["t"], rows, types={} if type_ is None else {0: type_})
    options = WriteOptions(Audience.PEOPLE, zone="Europe/Moscow")
    what = LOCAL.format(zone="Europe/Moscow")
    assert written(write_csv, table, options=options) == (b"t\n2024-05-17 14:05:00\n\n", [(what, "t", 1)])
    assert written(write_csv, table, options=PEOPLE) == (b"t\n2024-05-17 11:05:00+00:00\n\n", [])


def test_people_read_durations_as_clocks() -> None:
    assert (
        written(write_csv, ListTable(["d"], [(timedelta(hours=26, seconds=184.5),)]), options=PEOPLE)[0] == b"d\n26:03:04.5\n"
    )


def test_where_a_loss_was_is_told() -> None:
    losses = LossReport()
    table = ListTable(["v"], [("x",)] * 7 + [("=1",)], name="calls", batch_rows=3)
    write_csv([table], BytesIO(), PEOPLE, losses)
    (loss,) = losses.all()
    assert (loss.table, loss.examples) == ("calls", ['row 8: "\'=1"'])


TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.tuples(
        st.lists(TEXT.map(lambda name: name or ""), min_size=width, max_size=width),
        st.lists(st.lists(TEXT, min_size=width, max_size=width), max_size=6),
    )
)


def comes_back(folder_of: pytest.TempPathFactory, names: list[str], rows: list[list[str | None]]) -> None:
    data, losses = written(write_csv, ListTable(names, rows, types=dict.fromkeys(range(0, len(names), 2), pa.string())))
    read: LossReport = LossReport()
    (table,) = read_csv(file_of(folder_of.getbasetemp(), data), read, header=True)  # names may look like data
    assert not losses
    assert not lost(read)
    assert (names_of(table), rows_of(table)) == (names, rows)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(TABLES)
def test_texts_and_nulls_come_back(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[list[str | None]]]
) -> None:
    comes_back(tmp_path_factory, *table)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=5000)
@given(TABLES)
def test_texts_and_nulls_come_back_in_depth(
    tmp_path_factory: pytest.TempPathFactory, table: tuple[list[str], list[list[str | None]]]
) -> None:
    comes_back(tmp_path_factory, *table)
