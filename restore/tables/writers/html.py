"""HTML: one page that needs nothing else, has no scripts and can be printed: tables with their headers and row counts.

What HTML cannot hold (control characters other than TAB, LF and CR) becomes its picture, `␇`, and is counted. Null and an empty
text differ in the page's source and in its look.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from restore.tables.cell_text import CellPosition, strings, texts_of
from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.write_options import WriteOptions
from restore.tables.writers.arrow_text import has_any, write_joined

if TYPE_CHECKING:
    import pyarrow as pa

CONTROL = "a control character, which HTML cannot hold, became its picture"
HEADER = 0
"""The header's row number in the examples of losses."""

_HEAD = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px sans-serif; margin: 2em }}
table {{ border-collapse: collapse; margin-bottom: .5em }}
caption {{ font-weight: bold; text-align: left; padding: .3em 0 }}
th, td {{ border: 1px solid #bbb; padding: .2em .5em; text-align: left; vertical-align: top; white-space: pre-wrap }}
th {{ background: #eee }}
td.null {{ background: #f4f4f4 }}
</style>
</head>
<body>
"""
_NULL = '<td class="null"></td>'
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
_PICTURES = {code: chr(0x2421 if code == 127 else 0x2400 + code) for code in _CONTROLS}


def write_html(tables: Sequence[Table], out: BinaryIO, options: WriteOptions, losses: LossReport) -> None:
    """Writes forward only."""
    title = ", ".join(table.name for table in tables if table.name) or "Table"
    out.write(_HEAD.format(title=_escaped_name(title, CellPosition(losses, "", "", HEADER))).encode("utf-8"))
    for table in tables:
        _write_table(table, out, options, losses)
    out.write(b"</body>\n</html>\n")


def _write_table(table: Table, out: BinaryIO, options: WriteOptions, losses: LossReport) -> None:
    name = _escaped_name(table.name, CellPosition(losses, table.name, "", HEADER))
    names = [_escaped_name(column.name, CellPosition(losses, table.name, column.name, HEADER)) for column in table.columns]
    header = "".join(f"<th>{column}</th>" for column in names)
    caption = f"<caption>{name}</caption>\n" if name else ""
    out.write(f"<table>\n{caption}<thead>\n<tr>{header}</tr>\n</thead>\n<tbody>\n".encode())
    rows = 0
    for batch in table.batches():
        if batch.rows and table.columns:
            spots = [CellPosition(losses, table.name, column.name, rows + 1) for column in table.columns]
            cells = [_cells(texts_of(column, options, spot), spot) for column, spot in zip(batch.columns, spots, strict=True)]
            write_joined(out, ["<tr>", *cells], "", "</tr>\n")
        rows += batch.rows
    out.write(f"</tbody>\n</table>\n<p>Rows: {rows}</p>\n".encode())


def _escaped_name(name: str, spot: CellPosition) -> str:
    text: str = _escaped(strings([name], spot), spot)[0].as_py()
    return text


def _cells(texts: pa.StringArray, spot: CellPosition) -> pa.StringArray:
    import pyarrow.compute as pc

    cells = pc.binary_join_element_wise("<td>", _escaped(texts, spot), "</td>", "")
    return pc.fill_null(cells, _NULL) if cells.null_count else cells


def _escaped(texts: pa.StringArray, spot: CellPosition) -> pa.StringArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if has_any(texts, _CONTROLS):
        before = texts.to_pylist()
        after = [None if text is None else text.translate(_PICTURES) for text in before]
        for row, (old, new) in enumerate(zip(before, after, strict=True)):
            if new is not None and old != new:
                spot.record(row, CONTROL, new)
        texts = pa.array(after, pa.string())
    for sign in "&<>\r":
        if has_any(texts, sign.encode()):
            texts = pc.replace_substring(texts, sign, "&#13;" if sign == "\r" else html.escape(sign))
    return texts
