"""Which columns a table has, and the SQL that says so.

All files of a table are united by the names of their columns. Of a Parquet file the types are its own. JSON has its own
too (`restore.query.json_columns`). Everything in a CSV file is text, and stays text unless the whole sample reads the same when
it is written back: `7` becomes a number, `007` and `+7 495` stay what they are, and so does a number of twenty digits. Texts
that are all ISO dates or times become dates or times; with a zone if they have one.

A sample proves nothing about the rest: each cell is checked as it is read, and the first one that is none of its column's type
ends the question, which is then asked anew with that column as text (`restore.query.engine`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from restore.query.duckdb_files import META, PREFIX, QueryFiles
from restore.query.json_columns import json_columns
from restore.query.sql_quoting import quoted, text
from restore.query.table_names import QueryTable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE_ROWS = 20_000
"""Rows of the first files that tell which texts are numbers, dates or times."""

FIRST_ROWS = 1000
"""Rows that most columns of text are told by: what is no number, date or time is not looked at any further. Of two years of
call records, this takes 40 ms where looking at the whole sample for all columns took 150."""

NOT_OF_ITS_TYPE = "strongroom-cell"
"""Begins the message of the error that a cell raises when it is none of its column's type."""

STAND_IN_ROWS = 1_000_000
_INT = r"0|-?[1-9][0-9]{0,17}"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = _DAY + r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
NUMBERS = {
    "BIGINT": _INT,
    "DOUBLE": rf"{_INT}|-?(0|[1-9][0-9]{{0,8}})\.[0-9]{{1,6}}",
}
TIMES = {
    "DATE": _DAY,
    "TIMESTAMP": _TIME,
    "TIMESTAMPTZ": _TIME + r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)",
}
"""What every cell of a column must look like, by type."""

JSON = ("json", "jsonl")


class QueryColumn(Struct, frozen=True):
    """A column of a table. raw: SQL of what the files have · checked: whether it is text there and each cell must look like its
    `type`."""

    name: str
    raw: str
    type: str
    checked: bool = False


class Shape(Struct, frozen=True):
    """A table's columns, and what reads its files."""

    view: QueryTable
    columns: tuple[QueryColumn, ...]

    def create(self, server: QueryFiles, rows: Sequence[int]) -> str:
        """SQL of a view over these files."""
        cells = [f"{_cell(self.view, one)} AS {quoted(shown(one.name))}" for one in self.columns]
        return self._views(cells, _scan(server, self.view, rows))

    def create_stub(self, names: Sequence[str]) -> str:
        """SQL of a view that has the same columns and files, for planning alone: none of the files is opened."""
        cells = [f"CAST({quoted(one.name)} AS {one.type}) AS {quoted(shown(one.name))}" for one in self.columns]
        texts = ", ".join(f"{text(one.name)}: 'VARCHAR'" for one in self.columns) or "'-': 'VARCHAR'"
        return self._views(cells, f"read_csv({_list(names)}, columns = {{{texts}}}, auto_detect = false, {_HIVE})")

    def create_stand_in(self) -> str:
        """SQL of a view that has the same columns and no files, for planning alone; its cells are no constants, which a plan
        would leave out."""
        types = {shown(one.name): one.type for one in self.columns} | META
        cells = [f"TRY_CAST(CAST(row AS VARCHAR) AS {type_}) AS {quoted(name)}" for name, type_ in types.items()]
        body = f"SELECT {', '.join(cells)} FROM range({STAND_IN_ROWS}) AS rows(row)"  # noqa: S608 (every part is quoted)
        return self._create(body)

    def _views(self, cells: list[str], scan: str) -> str:
        meta = [f"{quoted(PREFIX + name)} AS {quoted(name)}" for name in META]
        return self._create(f"SELECT {', '.join([*cells, *meta])} FROM {scan}")  # noqa: S608 (every part is quoted)

    def _create(self, body: str) -> str:
        return ";".join(f"CREATE OR REPLACE VIEW {quoted(name)} AS {body}" for name in self.view.names)


def shape(
    database: DuckDBPyConnection, server: QueryFiles, view: QueryTable, rows: Sequence[int], texts: Collection[str]
) -> Shape:
    """The columns of these files of a table. texts: columns that stay text whatever they look like."""
    scan = _scan(server, view, rows)
    if view.stored in JSON:
        found, looks = json_columns(database, scan, texts, lambda name: _fault(view, name)), TIMES
    else:
        described = database.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608
        found = {name: (quoted(name), type_) for name, type_, *_ in described if not name.startswith(PREFIX)}
        looks = NUMBERS | TIMES
    asked = {}
    if view.stored != "parquet":
        asked = {name: raw for name, (raw, type_) in found.items() if type_ == "VARCHAR" and name not in texts}
    types = _looks_like(database, scan, asked, looks)
    columns = [QueryColumn(name, raw, types.get(name, type_), name in types) for name, (raw, type_) in found.items()]
    return Shape(view, tuple(columns))


def _looks_like(database: DuckDBPyConnection, scan: str, asked: dict[str, str], looks: dict[str, str]) -> dict[str, str]:
    """The first type that every cell of a sample looks like, for the columns that have one. asked: SQL of each."""
    types = {name: list(looks) for name in asked}
    for rows in (FIRST_ROWS, SAMPLE_ROWS):
        types = _still_possible(database, scan, asked, {name: some for name, some in types.items() if some}, looks, rows)
    return {name: some[0] for name, some in types.items() if some and some != list(looks)}


def _still_possible(
    database: DuckDBPyConnection,
    scan: str,
    asked: dict[str, str],
    types: dict[str, list[str]],
    looks: dict[str, str],
    rows: int,
) -> dict[str, list[str]]:
    """Of the types that each column could have, those that every cell of the first rows looks like. No cell looks like all."""
    if not types:
        return {}
    parts = [f"count({quoted(name)})" for name in types]
    pairs = [(name, type_) for name, some in types.items() for type_ in some]
    parts += [f"count(*) FILTER (regexp_full_match({quoted(name)}, {text(looks[type_])}))" for name, type_ in pairs]
    cells = ", ".join(f"{asked[name]} AS {quoted(name)}" for name in types)
    sample = f"SELECT {cells} FROM {scan} LIMIT {rows}"  # noqa: S608 (every part is quoted)
    counts = database.execute(f"SELECT {', '.join(parts)} FROM ({sample})").fetchone() or ()  # noqa: S608
    filled = dict(zip(types, counts, strict=False))
    like = dict(zip(pairs, counts[len(types) :], strict=True))
    return {name: [type_ for type_ in some if like[name, type_] == filled[name]] for name, some in types.items()}


def _fault(view: QueryTable, column: str) -> str:
    return text(NOT_OF_ITS_TYPE + json.dumps([view.name, column]))


def _cell(view: QueryTable, column: QueryColumn) -> str:
    """A cell as the question sees it."""
    if not column.checked:
        return column.raw
    raw, pattern = column.raw, (NUMBERS | TIMES)[column.type]
    fault = _fault(view, column.name)
    right = f"CASE WHEN regexp_full_match({raw}, {text(pattern)}) THEN TRY_CAST({raw} AS {column.type}) END"
    return f"coalesce({right}, CASE WHEN {raw} IS NOT NULL THEN error({fault} || {raw}) END)"


_HIVE_TYPES = ", ".join(f"'{PREFIX}{name}': {type_}" for name, type_ in META.items())
_HIVE = f"hive_partitioning = true, hive_types = {{{_HIVE_TYPES}}}"


def _scan(server: QueryFiles, view: QueryTable, rows: Sequence[int]) -> str:
    """What reads the files."""
    if view.stored in ("csv", "tsv"):
        parts = [
            f"SELECT * FROM read_csv({_list(server.names(some))}, {head.options()}, {_HIVE})"  # noqa: S608 (all is quoted)
            for head, some in server.by_head(rows, "\t" if view.stored == "tsv" else None).items()
        ]
        return f"({' UNION ALL BY NAME '.join(parts)})"
    files = _list(server.names(rows))
    if view.stored == "parquet":
        return f"read_parquet({files}, union_by_name = true, {_HIVE})"
    how = "newline_delimited" if view.stored == "jsonl" else "auto"
    return f"read_json_objects({files}, format = '{how}', {_HIVE})"


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(text, names))}]"


def shown(name: str) -> str:
    """What a file's column is called in a question: a name that every table has already bears a mark."""
    return f"{name}_in_file" if name.casefold() in META else name
