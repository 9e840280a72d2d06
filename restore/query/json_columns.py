"""Columns of JSON and JSON Lines: what the objects themselves say, looked at in full.

The fields of all objects make the columns. A text is no number, whatever it looks like; whole numbers are BIGINT, others
DOUBLE; objects and lists become STRUCT and lists; what is of several types in one place stays JSON. A value that is none of its
column's type, in a file or row that was not looked at, is never silently nothing or another (DuckDB would make 4 of 3.5 and 1
of true). The question is asked anew with that column as text; within objects and lists, DuckDB decides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeAlias

from restore.query.sql_quoting import quoted, text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Structure: TypeAlias = "str | list[Structure] | dict[str, Structure]"
"""As `json_group_structure` gives it."""

MOST_OBJECTS = 1_000_000
_TYPES = {"UBIGINT": "BIGINT", "NULL": "VARCHAR"}


_NUMBERS = ("BIGINT", "UBIGINT", "NULL")
_ALLOWED = {"BIGINT": _NUMBERS, "UBIGINT": _NUMBERS, "DOUBLE": (*_NUMBERS, "DOUBLE"), "BOOLEAN": ("BOOLEAN", "NULL")}
"""What JSON calls the values of a column, by its type."""


def json_columns(
    database: DuckDBPyConnection, scan: str, texts: Collection[str], fault: Callable[[str], str]
) -> dict[str, tuple[str, str]]:
    """The columns of the objects that `scan` reads: by name, the SQL of a cell and its type. texts: columns that are text
    whatever they look like · fault: the beginning, in SQL, of what is said of a cell that is none of its column's type."""
    sample = f"SELECT json FROM {scan} LIMIT {MOST_OBJECTS}"  # noqa: S608 (every part is quoted)
    # one object of each shape: of all objects, the aggregate would take ten times their room
    shapes = f"SELECT any_value(json) AS json FROM ({sample}) GROUP BY json_structure(json)"  # noqa: S608
    row = database.execute(f"SELECT json_group_structure(json) FROM ({shapes})").fetchone()  # noqa: S608
    found: Structure = json.loads(row[0]) if row and row[0] else {}
    if not isinstance(found, dict):
        return {"json": ("json", "JSON")}
    kept: dict[str, Structure] = {name: "VARCHAR" if name in texts else one for name, one in found.items()}
    return {name: (_cell(name, one, fault(name)), _type(one)) for name, one in kept.items()}


def _cell(name: str, one: Structure, fault: str) -> str:
    pointer = text("/" + name.replace("~", "~0").replace("/", "~1"))
    if one in ("VARCHAR", "NULL"):
        return f"json_extract_string(json, {pointer})"
    if one == "JSON":
        return f"json_extract(json, {pointer})"
    cell = f"json_transform_strict(json_extract(json, {pointer}), {text(json.dumps(_mapped(one)))})"
    if not isinstance(one, str) or one not in _ALLOWED:
        return cell
    allowed = ", ".join(map(text, _ALLOWED[one]))
    right = f"coalesce(json_type(json, {pointer}), 'NULL') IN ({allowed})"
    return f"CASE WHEN {right} THEN {cell} ELSE error({fault} || json_extract_string(json, {pointer})) END"


def _mapped(one: Structure) -> Structure:
    if isinstance(one, dict):
        return {name: _mapped(inner) for name, inner in one.items()} or "JSON"
    return [_mapped(inner) for inner in one] if isinstance(one, list) else _TYPES.get(one, one)


def _type(one: Structure) -> str:
    mapped = _mapped(one)
    if isinstance(mapped, dict):
        return f"STRUCT({', '.join(f'{quoted(name)} {_type(inner)}' for name, inner in mapped.items())})"
    return f"{_type(mapped[0])}[]" if isinstance(mapped, list) else mapped
