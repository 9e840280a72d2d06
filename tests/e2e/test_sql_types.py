"""Every type of every engine through everything: backed up, asked by SQL, exported to every format, and put back.

What comes out is equal, or a loss that the report names by its column. What a format holds is read by a library that is not
ours; what a database holds, it says itself.
"""

from __future__ import annotations

import base64
import json
import math
import sqlite3
import struct
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from restore.tables.formats import FORMATS
from tests.support.desk import Desk
from tests.support.sql_engines import ENGINES, LITERAL, Engine, made
from tests.support.table_readers import EMPTY_IS_NULL, READERS, Columns


class Taken:
    """A database that was backed up. texts: what it says of itself."""

    def __init__(self, desk: Desk, engine: Engine) -> None:
        self.desk, self.engine = desk, engine
        desk.init()
        desk.call("project", "add", "acme")
        engine.add_to(desk)
        desk.call("backup")
        self.texts = engine.texts()


@pytest.fixture(params=ENGINES)
def taken(request: pytest.FixtureRequest, desk: Desk, tmp_path: Path) -> Taken:
    return Taken(desk, made(request.param, request, tmp_path / "database"))


def test_every_value_comes_back_as_it_was_and_again_as_equal(taken: Taken) -> None:
    command = ("restore", "acme", "raw/**", "--to", taken.engine.scratch, "--yes", "--json")
    (first,) = taken.desk.call(*command).document["tables"]
    assert first["inserted"] == first["rows"] > 0
    assert taken.engine.texts(scratch=True) == taken.texts
    (again,) = taken.desk.call(*command).document["tables"]
    assert (again["inserted"], again["equal"]) == (0, first["rows"])


def test_every_format_holds_what_the_database_has_or_names_the_loss(taken: Taken, tmp_path: Path) -> None:
    wrong = []
    for name in FORMATS:
        folder = tmp_path / "out" / name
        taken.desk.call("restore", "acme", "raw/matrix.parquet", "--as", name, "--to", str(folder))
        (file,) = (folder / "raw").iterdir()
        lost = losses(folder)
        wrong += [
            f"{name}: {text}" for text in differences(taken, READERS[name](file), lost, empty_is_null=name in EMPTY_IS_NULL)
        ]
    assert not wrong, "\n".join(wrong)


def test_a_query_sees_what_the_database_has(taken: Taken) -> None:
    pytest.importorskip("duckdb")
    columns = ", ".join(taken.texts)
    asked = taken.desk.call("query", "acme", f"select {columns} from raw order by id", "--json").out
    document = json.loads(asked, parse_float=Decimal)
    found = dict(zip(taken.texts, map(list, zip(*document["rows"], strict=True)), strict=True))
    wrong = differences(taken, found, {})
    assert not wrong, "\n".join(wrong)


def losses(folder: Path) -> dict[str, int]:
    """By column: how many cells the report says were changed."""
    report = json.loads((folder / "strongroom-report.json").read_bytes())
    found: dict[str, int] = {}
    for item in report["items"]:
        for loss in item.get("losses", ()):
            found[loss["column"]] = found.get(loss["column"], 0) + loss["cells"]
    return found


def differences(taken: Taken, found: Columns, lost: dict[str, int], *, empty_is_null: bool = False) -> list[str]:
    """The columns in which more cells differ than are known to. found: the cells."""
    wrong = []
    for column, texts in taken.texts.items():
        kind = taken.engine.kinds[column]
        same = is_sql if kind == "literal" and is_mixed(texts) else is_same
        pairs = [(text, cell) for text, cell in zip(texts, found[column], strict=True)]
        if empty_is_null:
            pairs = [(text, cell) for text, cell in pairs if text not in ("", "t") or cell not in ("", None)]
        differing = [(text, cell) for text, cell in pairs if not same(kind, text, cell)]
        if len(differing) > lost.get(column, 0):
            wrong.append(f"{column} ({taken.engine.declared[column]}): {differing[:3]}")
    return wrong


def is_mixed(texts: list[str | None]) -> bool:
    """Whether a column of SQLite has several types, or text that is not valid UTF-8: each value is then one of SQL."""
    known = [text for text in texts if text is not None]
    try:
        for text in known:
            bytes.fromhex(text[1:] if text[0] == "t" else "").decode()
    except UnicodeDecodeError:
        return True
    return len({text[0] for text in known}) > 1


def is_sql(_kind: str, text: str | None, cell: Any) -> bool:
    """Whether a cell is SQL for what a database says; SQLite reads it."""
    if text is None or cell is None:
        return text is None and cell in (None, "")
    with closing(sqlite3.connect(":memory:")) as database:
        return bool(database.execute(f"select {LITERAL.format('x')} from (select {cell} as x)").fetchone() == (text,))


def is_same(kind: str, text: str | None, cell: Any) -> bool:
    """Whether a cell is what a database says. kind: see `Engine`."""
    if text is None or cell is None:
        return text is None and (cell is None or (cell == "" and kind != "text"))
    try:
        return bool(_SAME[kind](text, cell))
    except (ValueError, ArithmeticError):
        return False


def _float(text: str, cell: Any) -> bool:
    one, other = float(text), float(cell)
    return one == other or (math.isnan(one) and math.isnan(other))


def _float4(text: str, cell: Any) -> bool:
    number = float(cell)
    return _float(text, cell) or struct.pack("f", float(text)) == struct.pack("f", number)


def _bytes(text: str, cell: Any) -> bool:
    data = bytes.fromhex(text.removeprefix("\\x"))
    return _is_data(data, cell)


def _is_data(data: bytes, cell: Any) -> bool:
    """Bytes; base64 of them in a format that has none, and hexadecimal digits in what a query prints."""
    return bool(cell in (data, data.hex()) or (isinstance(cell, str) and base64.b64decode(cell) == data))


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is None else found.astimezone(UTC)


def _plain(cell: Any) -> str:
    """A cell as text."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case datetime() | date() | time():
            return cell.isoformat()
        case Decimal():
            return format(cell, "f")
        case _:
            return str(cell)


def _literal(text: str, cell: Any) -> bool:
    """Of SQLite: the type first, then a number, or the bytes of a text or a blob."""
    kind, rest = text[0], text[1:]
    if kind in "ir":
        return _float(rest.replace("9.0e+999", "inf"), cell) if kind == "r" else int(rest) == int(cell)
    data = bytes.fromhex(rest)
    if kind == "b":
        return _is_data(data, cell)
    return bool(_plain(cell).encode() == data)


_SAME: dict[str, Any] = {
    "text": lambda text, cell: text == _plain(cell),
    "bool": lambda text, cell: {"t": "true", "f": "false"}.get(text, text) == _plain(cell).lower(),
    "int": lambda text, cell: int(text) == int(cell),
    "float": _float,
    "float4": _float4,
    "decimal": lambda text, cell: Decimal(text) == Decimal(str(cell)),
    "bytes": _bytes,
    "date": lambda text, cell: text == _plain(cell)[:10],
    "time": lambda text, cell: time.fromisoformat(text) == time.fromisoformat(_plain(cell)),
    "timestamp": lambda text, cell: _moment(text) == _moment(_plain(cell)),
    "timestamptz": lambda text, cell: _moment(text) == _moment(_plain(cell)),
    "literal": _literal,
}
