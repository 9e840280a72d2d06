"""How a CSV file is written, told from its beginning."""

from __future__ import annotations

import io
import random

import pytest

from restore.query.csv_sniffing import SAMPLE, CsvDialect, dialect_of
from restore.tables.readers.csv_header import Header
from restore.tables.readers.csv_plain import PlainCsvReader
from tests.support.csv_files import made
from vault.errors import UsageError


def told(data: bytes, header: Header, plain: PlainCsvReader | None, delimiter: str | None = None) -> CsvDialect | None:
    try:
        return dialect_of(io.BytesIO(data), "a.csv", delimiter, header, plain)
    except UsageError:
        return None


@pytest.mark.parametrize("header", [None, True, False, ("one", "two")])
def test_what_is_told_quickly_of_plain_files_is_what_a_closer_look_says(header: Header) -> None:
    chance, plain = random.Random(f"dialect {header}"), PlainCsvReader()
    for _ in range(400):
        data = made(chance)
        assert told(data, header, plain) == told(data, header, None), data
        assert told(data, header, plain, "\t") == told(data, header, None, "\t"), data


def test_a_long_file_is_told_by_its_whole_lines() -> None:
    data = b"id;note\n" + b"".join(b'%06d;"a, b"\n' % number for number in range(SAMPLE // 10))

    assert told(data, None, PlainCsvReader()) == told(data, None, None) == CsvDialect(";", 0, ("id", "note"))
