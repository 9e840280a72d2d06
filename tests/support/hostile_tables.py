"""Small files that would take gigabytes, or break a reader, one or more of each format that is read as a table."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MIB = 1024 * 1024
LARGE = "x" * (80 * MIB)
"""A cell that is larger than a row may be."""

WIDE = "y" * MIB
_NAMESPACE = "http://schemas.openxmlformats.org/"
_RELATIONS = f"{_NAMESPACE}officeDocument/2006/relationships"
_PACKAGE_RELATIONS = f"{_NAMESPACE}package/2006/relationships"
_OASIS = "urn:oasis:names:tc:opendocument:xmlns"


def hostile_tables(folder: Path) -> dict[str, bytes]:
    """By file name. folder: where a database may be made."""
    return {
        "cell.parquet": _parquet(pa.table({"a": ["1"], "b": [LARGE]}), compression="brotli"),
        "list.parquet": _parquet(pa.table({"a": _list_of(WIDE, 4096)}), compression="zstd"),
        "wide.parquet": _parquet(pa.table({f"c{place}": [WIDE] for place in range(100)}), compression="zstd"),
        "cell.feather": _feather(pa.table({"a": ["1"], "b": [LARGE]})),
        "wide.feather": _feather(pa.table({f"c{place}": pa.array([WIDE] * 3).dictionary_encode() for place in range(100)})),
        "nulls.feather": _feather(pa.table({"a": pa.Array.from_buffers(pa.null(), 1 << 30, [None])})),
        "shared.xlsx": _xlsx([WIDE], "".join(f'<c r="{_letters(place)}1" t="s"><v>0</v></c>' for place in range(2000))),
        "repeated.ods": _ods(f'<table:table-cell table:number-columns-repeated="2000"{_text(WIDE)}</table:table-cell>'),
        "row.csv": b"a,b\n1," + b"z" * (17 * MIB) + b"\n",
        "nest.json": b"[" * 100_000 + b"]" * 100_000,
        "row.json": b'[{"a": "' + b"z" * (17 * MIB) + b'"}]',
        "row.jsonl": b'{"a": "' + b"z" * (17 * MIB) + b'"}\n',
        "generated.sqlite": _sqlite(folder / "made", "create table t(a, b as (hex(zeroblob(a))) virtual)", [(200_000_000,)]),
    }


def _list_of(text: str, times: int) -> pa.Array:
    """One row whose list points at one text again and again."""
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([text]))
    return pa.ListArray.from_arrays(pa.array([0, times], pa.int32()), cells)


def _parquet(table: pa.Table, compression: str) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression=compression)
    return out.getvalue()


def _feather(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return out.getvalue()


def _sqlite(path: Path, sql: str, rows: list[tuple[int]]) -> bytes:
    with sqlite3.connect(path) as database:
        database.execute(sql)
        database.executemany("insert into t values (?)", rows)
    database.close()
    return path.read_bytes()


def _zipped(parts: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text, zipfile.ZIP_STORED if name == "mimetype" else None)
    return out.getvalue()


def _xlsx(shared: list[str], cells: str) -> bytes:
    main = f'xmlns="{_NAMESPACE}spreadsheetml/2006/main" xmlns:r="{_RELATIONS}"'
    relations = f'<Relationships xmlns="{_PACKAGE_RELATIONS}">'
    return _zipped(
        {
            "_rels/.rels": f'{relations}<Relationship Id="w" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
            "</Relationships>",
            "xl/workbook.xml": f'<workbook {main}><sheets><sheet name="s" sheetId="1" r:id="a"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'{relations}<Relationship Id="a" Type="{_RELATIONS}/worksheet" Target="s.xml"/>'
            f'<Relationship Id="b" Type="{_RELATIONS}/sharedStrings" Target="t.xml"/></Relationships>',
            "xl/t.xml": f"<sst {main}>{''.join(f'<si><t>{text}</t></si>' for text in shared)}</sst>",
            "xl/s.xml": f'<worksheet {main}><sheetData><row r="1">{cells}</row></sheetData></worksheet>',
        }
    )


def _ods(cells: str) -> bytes:
    spaces = " ".join(f'xmlns:{name}="{_OASIS}:{name}:1.0"' for name in ("office", "table", "text"))
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>"
        f'<table:table table:name="s"><table:table-row>{cells}</table:table-row></table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    return _zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": content})


def _text(text: str) -> str:
    return f' office:value-type="string"><text:p>{text}</text:p>'


def _letters(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
