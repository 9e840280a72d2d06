"""How a record is told from others, in lines of JSON and in rows of tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from restore.history.records.chunk_lines import BEGIN, END, is_at_home, neighbourhood
from restore.history.records.record_id import RecordId, id_text, value_at
from restore.history.records.table_rows import primary_key, rows_of
from restore.tables.loss_report import LossReport
from restore.tables.registry import open_tables


@pytest.mark.parametrize("text", ["4711", "A/17", "Иван-7", 'x"y\\z', "a\tb", "\U0001f600", "1714563077.4212"])
@pytest.mark.parametrize("escaped", [False, True])
def test_every_way_of_writing_an_id_has_one_of_the_needles(text: str, *, escaped: bool) -> None:
    line = json.dumps({"id": text}, ensure_ascii=escaped)
    for written in (line, line.replace("/", "\\/")):
        assert any(needle in written.encode() for needle in RecordId(text).needles()), written


def test_escapes_in_capitals_are_met_too() -> None:
    assert any(needle in b'{"id": "\\u0418\\u0432-\\u044F"}' for needle in RecordId("Ив-я").needles())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17, "17"),
        (17.0, "17"),
        (17.5, "17.5"),
        (Decimal("1.50"), "1.50"),
        ("17", "17"),
        (True, None),
        (None, None),
        ([17], None),
    ],
)
def test_an_id_is_what_a_person_writes(value: Any, text: str | None) -> None:
    assert id_text(value) == text


def test_fields_within_fields_and_names_with_dots() -> None:
    record: dict[str, Any] = {"a": {"b": {"c": 1}}, "x.y": 2, "l": [1]}
    assert [value_at(record, name) for name in ("a.b.c", "x.y", "a.z", "l.b", "q")] == [1, 2, None, None, None]


def test_the_key_is_what_somebody_names_then_what_the_source_states_then_a_guess() -> None:
    record: dict[str, Any] = {"ID": 1, "number": 2, "reference": 3}
    assert RecordId("3", "reference").found_in(record, "number") == "reference"
    assert RecordId("2").found_in(record, "number") == "number"
    assert RecordId("1").found_in(record, "number") is None
    assert RecordId("1").found_in(record, "") == "ID"
    assert RecordId("2").found_in(record, "") == "number"
    assert RecordId("3").found_in(record, "") is None


def rows(file: Path, record: RecordId, stated: str = "") -> list[tuple[str, dict[str, Any]]]:
    tables = open_tables(file, file.suffix[1:], LossReport())
    return [(found.key, found.value) for found in rows_of(tables, record, stated)]


def test_rows_are_found_by_the_likeliest_column_that_has_the_id(tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    file.write_bytes(b"call_id,id,agent\n7,1,a\n8,7,b\n9,3,c\n7,4,d\n")
    assert rows(file, RecordId("7")) == [("id", {"call_id": "8", "id": "7", "agent": "b"})]
    assert [key for key, _ in rows(file, RecordId("9"))] == ["call_id"]
    assert [value["agent"] for _, value in rows(file, RecordId("7", "call_id"))] == ["a", "d"]
    assert rows(file, RecordId("a")) == rows(file, RecordId("7", "nothing")) == []


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 17, None], pa.int64()),
        pa.array([1, 17, 2], pa.uint8()),
        pa.array([1.5, 17.0, None], pa.float64()),
        pa.array(["1", "17", None], pa.string()),
        pa.array(["1", "17", "x"], pa.large_string()),
        pa.array([Decimal(1), Decimal(17), None], pa.decimal128(5, 0)),
    ],
)
def test_ids_of_every_type_are_met(column: pa.Array, tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": column, "place": [0, 1, 2]}), file)
    assert [value["place"] for _, value in rows(file, RecordId("17"))] == [1]


def test_a_database_states_its_primary_key_in_the_order_of_its_columns(tmp_path: Path) -> None:
    def field(name: str, place: int) -> pa.Field:
        return pa.field(name, pa.int64(), metadata={"sqlite.key": str(place)} if place else None)

    def key(*fields: pa.Field) -> Sequence[str]:
        file = tmp_path / "t.parquet"
        pq.write_table(pa.table([[1]] * len(fields), schema=pa.schema(fields)), file)
        return primary_key(file, "parquet")

    assert key(field("a", 0), field("b", 2), field("c", 1)) == ("c", "b")
    assert key(field("a", 0)) == () == primary_key(tmp_path / "nothing", "csv")
    (tmp_path / "no.parquet").write_bytes(b"PAR1 and nothing more")
    assert primary_key(tmp_path / "no.parquet", "parquet") == ()


def test_a_line_is_at_home_where_its_chunks_follow_each_other() -> None:
    chunks = [b"a", b"b", b"c", b"b"]
    assert is_at_home([b"c"], chunks) and is_at_home([b"b", b"c"], chunks) and is_at_home([BEGIN, b"a"], chunks)
    assert is_at_home([b"b", END], chunks)
    assert not is_at_home([b"a", b"c"], chunks) and not is_at_home([b"c", END], chunks) and not is_at_home([b"d"], chunks)
    assert not is_at_home([BEGIN, b"b"], chunks)


@pytest.mark.parametrize(
    ("home", "chunks", "near", "begins", "ends"),
    [
        ("c", "abxde", "bxd", False, False),
        ("a", "xbcde", "xb", True, False),
        ("e", "abcdx", "dx", False, True),
        ("c", "vwxyz", "vwxyz", True, True),
        ("bc", "axyde", "axyd", False, False),
        ("c", "axe", "axe", False, False),
        ("c", "edx", "ed", True, False),
    ],
)
def test_what_took_the_place_of_a_line(home: str, chunks: str, near: str, *, begins: bool, ends: bool) -> None:
    def ids(text: str) -> list[bytes]:
        return [one.encode() for one in text]

    found = neighbourhood(ids(home), ids("abcde"), ids(chunks))
    assert b"".join(found.chunks).decode() == near and (found.begins, found.ends) == (begins, ends)
