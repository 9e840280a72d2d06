"""Columns of JSON and JSON Lines: what the objects themselves say, looked at in full.

The fields of all objects make the columns. A text is no number, whatever it looks like; whole numbers are BIGINT, others
DOUBLE; objects and lists become STRUCT and lists; what is of several types in one place stays JSON. A value that is none of its
column's type ends the question with DuckDB's words, and is never silently nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from restore.query.sql_quoting import quoted, text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Structure: TypeAlias = "str | list[Structure] | dict[str, Structure]"
"""As `json_group_structure` gives it."""

MOST_OBJECTS = 1_000_000
_TYPES = {"UBIGINT": "BIGINT", "NULL": "VARCHAR"}


def json_columns(database: DuckDBPyConnection, scan: str) -> dict[str, tuple[str, str]]:
    """The columns of the objects that `scan` reads: by name, the SQL of a cell and its type."""
    sample = f"SELECT json FROM {scan} LIMIT {MOST_OBJECTS}"  # noqa: S608 (every part is quoted)
    # one object of each shape: of all objects, the aggregate would take ten times their room
    shapes = f"SELECT any_value(json) AS json FROM ({sample}) GROUP BY json_structure(json)"  # noqa: S608
    row = database.execute(f"SELECT json_group_structure(json) FROM ({shapes})").fetchone()  # noqa: S608
    found: Structure = json.loads(row[0]) if row and row[0] else {}
    if not isinstance(found, dict):
        return {"json": ("json", "JSON")}
    return {name: (_cell(name, one), _type(one)) for name, one in found.items()}


def _cell(name: str, one: Structure) -> str:
    pointer = text("/" + name.replace("~", "~0").replace("/", "~1"))
    if one in ("VARCHAR", "NULL"):
        return f"json_extract_string(json, {pointer})"
    if one == "JSON":
        return f"json_extract(json, {pointer})"
    return f"json_transform_strict(json_extract(json, {pointer}), {text(json.dumps(_mapped(one)))})"


def _mapped(one: Structure) -> Structure:
    if isinstance(one, dict):
        return {name: _mapped(inner) for name, inner in one.items()} or "JSON"
    return [_mapped(inner) for inner in one] if isinstance(one, list) else _TYPES.get(one, one)


def _type(one: Structure) -> str:
    mapped = _mapped(one)
    if isinstance(mapped, dict):
        return f"STRUCT({', '.join(f'{quoted(name)} {_type(inner)}' for name, inner in mapped.items())})"
    return f"{_type(mapped[0])}[]" if isinstance(mapped, list) else mapped
