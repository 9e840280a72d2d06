"""Which files a question can need at all, told before one of them is opened.

DuckDB plans the question over stand-ins that have the same files and columns. Its plan says by which conditions on the names of
files (`period`, `path`, …) it leaves files out, and how many stay. These conditions, asked of a table of the files, give the
files; if their number is another than the plan's, or anything about the plan is strange, all files stay, and DuckDB leaves out
what it can when the question is asked. So this only spares looking into files for their columns, and can be wrong without harm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from restore.query.columns import Shape
from restore.query.duckdb_files import META, PREFIX, QueryFiles
from restore.query.sql_quoting import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FILES = "strongroom_files"
_SCANNED = "read_csv"


def files_needed(database: DuckDBPyConnection, server: QueryFiles, shapes: Sequence[Shape], sql: str) -> list[list[int]]:
    """For each table the rows of the files that may be needed. Raises what DuckDB says about the question."""
    return [_survivors(database, server, shapes, number, sql) for number in range(len(shapes))]


def _survivors(database: DuckDBPyConnection, server: QueryFiles, shapes: Sequence[Shape], number: int, sql: str) -> list[int]:
    for other, shape in enumerate(shapes):
        stub = shape.create_stub(server.names(shape.view.rows)) if other == number else shape.create_stand_in()
        database.execute(stub)
    plan = database.execute(f"EXPLAIN (FORMAT JSON) {sql}").fetchall()[0][1]
    rows = list(shapes[number].view.rows)
    scans = [scan for scan in _scans(json.loads(plan)) if scan.get("Function", "").lower() == _SCANNED]
    if not scans or any("File Filters" not in scan for scan in scans):
        return rows
    kept: set[int] = set()
    for scan in scans:
        some = _matching(database, server, rows, scan["File Filters"])
        if some is None or f"{len(some)}/{len(rows)}" != scan.get("Scanning Files"):
            return rows
        kept.update(some)
    return [row for row in rows if row in kept]


def _scans(node: object) -> list[dict[str, Any]]:
    """What the plan says about each reading of files."""
    if isinstance(node, list):
        return [scan for one in node for scan in _scans(one)]
    if not isinstance(node, dict):
        return []
    extra = node.get("extra_info")
    own = [extra] if isinstance(extra, dict) and "Scanning Files" in extra else []
    return own + _scans(node.get("children", []))


def _matching(database: DuckDBPyConnection, server: QueryFiles, rows: list[int], condition: str) -> list[int] | None:
    """The files for which a condition of a plan holds; None where it cannot be asked."""
    import duckdb
    import pyarrow as pa

    facts, moment = server.facts(rows), pa.timestamp("us", tz="UTC")
    types = {name: pa.string() if type_ == "VARCHAR" else moment for name, type_ in META.items()}
    columns = {PREFIX + name: pa.array(facts[name], types[name]) for name in META}
    database.register(_FILES, pa.table({"row": pa.array(rows, pa.int64()), **columns}))
    where = _joined(str(condition))
    try:
        found = database.execute(f"SELECT {quoted('row')} FROM {_FILES} WHERE {where}").fetchall()  # noqa: S608 (DuckDB's own words)
    except duckdb.Error:
        return None
    finally:
        database.unregister(_FILES)
    return [row for (row,) in found]


def _joined(conditions: str) -> str:
    """A plan writes several conditions as `(one)(other)`."""
    out, depth = "", 0
    for part in re.findall(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|.", conditions, re.DOTALL):
        if part == "(" and depth == 0 and out.endswith(")"):
            out += " AND "
        depth += (part == "(") - (part == ")")
        out += part
    return out
