"""What exported tables hold, as libraries that are not ours read them: each cell as a Python value, or as its text."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq

Columns = dict[str, list[Any]]


def _csv(file: Path) -> Columns:
    """Everything as text; what is empty without quotes is null."""
    names = file.read_text("utf-8-sig").partition("\n")[0].strip("\r").split(",")
    found = pyarrow.csv.read_csv(
        file,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return dict(found.to_pydict())


def _json(file: Path) -> Columns:
    document = json.loads(file.read_bytes(), parse_float=Decimal)
    rows = document if isinstance(document, list) else next(iter(document.values()))
    return _of_rows(rows)


def _jsonl(file: Path) -> Columns:
    return _of_rows([json.loads(line, parse_float=Decimal) for line in file.read_bytes().splitlines()])


def _of_rows(rows: list[dict[str, Any]]) -> Columns:
    return {name: [row.get(name) for row in rows] for name in rows[0]}


def _sqlite(file: Path) -> Columns:
    with closing(sqlite3.connect(file)) as database:
        ((name,),) = database.execute("select name from sqlite_schema where type = 'table'").fetchall()
        cursor = database.execute(f'select * from "{name}"')
        names = [one[0] for one in cursor.description]
        return dict(zip(names, map(list, zip(*cursor.fetchall(), strict=True)), strict=True))


def _xlsx(file: Path) -> Columns:
    import openpyxl
    from openpyxl.utils.escape import unescape

    def meant(cell: Any) -> Any:
        return unescape(cell) if isinstance(cell, str) else cell

    head, *rows = openpyxl.load_workbook(file).worksheets[0].iter_rows(values_only=True)
    return {str(name): [meant(row[place]) for row in rows] for place, name in enumerate(head)}


def _ods(file: Path) -> Columns:
    import python_calamine

    sheet = python_calamine.CalamineWorkbook.from_path(str(file)).get_sheet_by_index(0)
    head, *rows = sheet.to_python()
    return {str(name): [None if row[place] == "" else row[place] for row in rows] for place, name in enumerate(head)}


def _html(file: Path) -> Columns:
    class Cells(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.rows: list[list[str]] = []
            self.inside = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            del attrs
            if tag == "tr":
                self.rows.append([])
            elif tag in ("td", "th"):
                self.rows[-1].append("")
                self.inside = True
            elif tag == "br" and self.inside:
                self.rows[-1][-1] += "\n"

        def handle_endtag(self, tag: str) -> None:
            if tag in ("td", "th"):
                self.inside = False

        def handle_data(self, data: str) -> None:
            if self.inside:
                self.rows[-1][-1] += data

    cells = Cells()
    cells.feed(file.read_text())
    head, *rows = cells.rows
    return {name: [row[place] or None for row in rows] for place, name in enumerate(head)}


EMPTY_IS_NULL = frozenset({"html", "ods"})
"""Formats in which an empty text and nothing look the same."""

READERS: dict[str, Callable[[Path], Columns]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
    "parquet": lambda file: dict(pq.read_table(file).to_pydict()),
    "feather": lambda file: dict(pyarrow.feather.read_table(file).to_pydict()),
    "sqlite": _sqlite,
    "xlsx": _xlsx,
    "ods": _ods,
    "html": _html,
}
