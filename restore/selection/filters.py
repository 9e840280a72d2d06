"""Which rows of a manifest are meant, each part of a query as a mask over columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from classify import period, period_grammar
from classify.path_patterns import SETS, pattern_regex
from classify.period import Period
from restore.selection.query import ItemQuery
from vault.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa


def deleted(table: pa.Table, query: ItemQuery) -> pa.ChunkedArray:
    """Rows of items that the source had, or of those that it no longer had. Where older versions are asked for, an item that is
    named may be gone: it has nothing else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if query.deleted:
        return pc.is_valid(table["vanished_at"])
    present = pc.is_null(table["vanished_at"])
    if query.versions == 1 or not query.patterns:
        return present
    names = [one.strip("/").encode("utf-8", "surrogateescape") for one in query.patterns]
    return pc.or_(present, pc.is_in(table["path"], value_set=pa.array(names, pa.binary())))


def named(table: pa.Table, query: ItemQuery) -> pa.ChunkedArray | None:
    """Rows whose path, kind and format are asked for; None where all are. Raises `UsageError` for what is no pattern."""
    import pyarrow.compute as pc

    parts = []
    if query.patterns:
        parts.append(_by_pattern(table["path"], query))
    for name, wanted in (("kind", query.kinds), ("format", query.formats)):
        if wanted:
            parts.append(_one_of(table[name], wanted))
    if not parts:
        return None
    mask = parts[0]
    for part in parts[1:]:
        mask = pc.and_(mask, part)
    return mask


def _one_of(column: pa.ChunkedArray, wanted: tuple[str, ...]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_in(column, value_set=pa.array([one.lower() for one in wanted], pa.string()))


def _by_pattern(paths: pa.ChunkedArray, query: ItemQuery) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    patterns = query.patterns
    literal = _there(paths, patterns)
    how = {"anywhere": query.anywhere, "fold": query.fold}
    regex = "|".join(pattern_regex(one, **how) if one not in literal else _exactly(one) for one in patterns)
    try:
        # bytes of a name that are no text come from the command line as surrogates
        return pc.match_substring_regex(paths, regex.encode("utf-8", "surrogateescape"))
    except pa.ArrowInvalid as error:
        raise UsageError(f"invalid pattern: {' or '.join(map(repr, patterns))}", hint=SETS) from error


def _there(paths: pa.ChunkedArray, patterns: tuple[str, ...]) -> set[str]:
    """Those of the patterns that are the very name of something: `a[1].csv`, where that is there, does not mean `a1.csv`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    meant = [one for one in patterns if set(one) & set("*?[")]
    names = [one.strip("/").encode("utf-8", "surrogateescape") for one in meant]
    if not meant:
        return set()
    there = set(paths.filter(pc.is_in(paths, value_set=pa.array(names, pa.binary()))).to_pylist())
    return {one for one, name in zip(meant, names, strict=True) if name in there}


def _exactly(path: str) -> str:
    return f"(?s)^{re.escape(path.strip('/'))}(?:/|$)"


def zone_of(name: str, query: ItemQuery) -> ZoneInfo:
    """The zone that a snapshot's record names, else the query's."""
    for one in (name, query.zone):
        try:
            return ZoneInfo(one)
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return ZoneInfo("UTC")


def periods_of(query: ItemQuery, zone: ZoneInfo) -> list[Period]:
    """The periods that are asked for, united. Raises `UsageError`."""
    return period.union(period_grammar.parse(text, zone, query.now) for text in query.periods)


def within(table: pa.Table, periods: list[Period]) -> pa.ChunkedArray:
    """Rows whose period lies within one of these."""
    return _any(table, periods, overlapping=False)


def overlapping(table: pa.Table, periods: list[Period]) -> pa.ChunkedArray:
    """Rows whose period shares a moment with one of these."""
    return _any(table, periods, overlapping=True)


def _any(table: pa.Table, periods: list[Period], *, overlapping: bool) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    start, end = (table[name].cast(pa.int64()) for name in ("period_start", "period_end"))
    mask = None
    for one in periods:
        if overlapping:
            part = pc.and_(pc.less(start, one.end), pc.greater(end, one.start))
        else:
            part = pc.and_(pc.greater_equal(start, one.start), pc.less_equal(end, one.end))
        mask = part if mask is None else pc.or_(mask, part)
    return pc.fill_null(mask, fill_value=False)
