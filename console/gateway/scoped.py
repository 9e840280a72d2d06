"""What of a table of items somebody may see: a scope, as a mask over columns.

    visible = within(listing.selection.table, checks.allowed(visit, Action.SEE, name))

A page makes its folders of what is left, so that only those are there that lead to something which may be seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from classify.path_patterns import pattern_regex

if TYPE_CHECKING:
    import pyarrow as pa

    from console.access.rights import Scope


def within(table: pa.Table, scope: Scope) -> pa.Table:
    """The rows that the scope covers, as `Scope.covers` says of each. table: with the columns `kind` and `path`."""
    mask = mask_of(table, scope)
    return table if mask is None else table.filter(mask)


def mask_of(table: pa.Table, scope: Scope) -> pa.ChunkedArray | None:
    """Which rows of a table are in a scope; None where all are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if scope.is_everything:
        return None
    found = pa.chunked_array([pa.repeat(pa.scalar(value=False), len(table))])
    for kinds, paths in scope.parts:
        part = None
        if kinds:
            part = pc.is_in(table["kind"], value_set=pa.array(sorted(kinds), pa.string()))
        if paths:
            regex = "|".join(f"(?:{pattern_regex(one)})" for one in paths)
            named = pc.match_substring_regex(table["path"], regex.encode())
            part = named if part is None else pc.and_(part, named)
        if part is not None:
            found = pc.or_(found, pc.fill_null(part, fill_value=False))
    return found
