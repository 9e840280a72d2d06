"""Which formats of tables there are. What reads and writes them: `restore.tables.registry`."""

from __future__ import annotations

from msgspec import Struct


class TableFormat(Struct, frozen=True):
    """name: as `--as` has it · endings: of file names, the one that is written first · several: whether a file holds several
    tables, or one · reader: whether there is one."""

    name: str
    endings: tuple[str, ...]
    several: bool = False
    reader: bool = True


FORMATS = {
    made.name: made
    for made in (
        TableFormat("csv", ("csv", "tsv", "tab")),
        TableFormat("xlsx", ("xlsx", "xlsm"), several=True),
        TableFormat("jsonl", ("jsonl", "ndjson")),
        TableFormat("json", ("json",), several=True),
        TableFormat("parquet", ("parquet", "pq")),
        TableFormat("feather", ("feather", "arrow")),
        TableFormat("ods", ("ods",), several=True),
        TableFormat("sqlite", ("sqlite", "sqlite3", "db"), several=True),
        TableFormat("html", ("html",), several=True, reader=False),
    )
}
"""All of them, in the order in which help lists them."""


def is_table(name: str) -> bool:
    """Whether files of this format are read as tables."""
    return name in FORMATS and FORMATS[name].reader


_SAME_AS = {"tsv": "csv", "xlsm": "xlsx"}
"""Names that manifests have for formats that one reader reads."""


def read_as(format_name: str | None) -> str | None:
    """The table format that an item of this format is read as; None where it is no table. format_name: as manifests have it."""
    name = _SAME_AS.get(format_name or "", format_name or "")
    return name if is_table(name) else None


TABLE_FORMATS = frozenset(name for name in FORMATS if is_table(name))
"""Those that are read."""
