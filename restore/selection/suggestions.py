"""Why a selection matches nothing: what came close, and what to ask for instead."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from classify import period_grammar
from classify.period import Period
from restore.selection import filters
from restore.selection.query import ItemQuery
from vault.errors import NothingFound
from vault.format import manifest
from vault.problems import printable
from vault.repository.project import Project
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.snapshot_record import Record

_FEW = 5
_MOST_PATHS = 20_000
"""Paths that are compared with a mistyped one."""


def nothing(project: Project, query: ItemQuery, tables: list[tuple[Record, pa.Table]]) -> NothingFound:
    """The error for a query that none of these manifests fulfils."""
    what = "no deleted item" if query.deleted else "no item"
    message = f"{what} of project {project.name!r}{_asked(query)}"
    whole = [table for _, table in tables]
    hints = [
        *_unknown("kind", query.kinds, whole),
        *_unknown("format", query.formats, whole),
        *_other_state(query, tables),
        *_periods(query, tables),
        *_paths(query, whole),
    ]
    usual = f"see what there is: `strongroom ls {project.name}`; what there ever was: `strongroom find {project.name}`"
    return NothingFound(message, hint="; ".join(hints) or usual)


def _asked(query: ItemQuery) -> str:
    parts = []
    if query.patterns:
        parts.append(f"matches {' or '.join(map(repr, query.patterns))}")
    for name, wanted in (("kind", query.kinds), ("format", query.formats)):
        if wanted:
            parts.append(f"is of the {name} {' or '.join(wanted)}")
    if query.periods:
        parts.append(f"{'touches' if query.overlapping else 'lies within'} {' or '.join(query.periods)}")
    return " that " + " and ".join(parts) if parts else ""


def _unknown(column: str, wanted: tuple[str, ...], tables: list[pa.Table]) -> list[str]:
    """Kinds or formats that no item has."""
    known = sorted({one for table in tables for one in table[column].unique().to_pylist() if one is not None})
    hints = []
    for one in wanted:
        if one.lower() not in known:
            close = difflib.get_close_matches(one.lower(), known, n=1)
            there = f"there are: {', '.join(known)}" if known else "no item has one"
            hints.append(f"did you mean --{column} {close[0]}?" if close else f"no item has the {column} {one!r}, {there}")
    return hints


def _other_state(query: ItemQuery, tables: list[tuple[Record, pa.Table]]) -> list[str]:
    """Items that match but for being deleted, or for not being it."""
    import pyarrow.compute as pc

    count = 0
    for record, table in tables:
        mask = pc.invert(filters.deleted(table, query))
        for part in (filters.named(table, query), _in_periods(record, table, query)):
            mask = mask if part is None else pc.and_(mask, part)
        count += pc.sum(mask).as_py() or 0
    if not count:
        return []
    matching = counted(count, "matching item is", "matching items are")
    if query.deleted:
        return [f"{matching} not deleted: leave out --deleted"]
    return [f"{matching} deleted at the source: {'ask for it' if count == 1 else 'ask for them'} with --deleted"]


def _in_periods(record: Record, table: pa.Table, query: ItemQuery) -> pa.ChunkedArray | None:
    if not query.periods:
        return None
    asked = filters.periods_of(query, filters.zone_of(record.zone, query))
    return filters.overlapping(table, asked) if query.overlapping else filters.within(table, asked)


def _periods(query: ItemQuery, tables: list[tuple[Record, pa.Table]]) -> list[str]:
    """How many only touch the period, and which periods are the nearest."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not query.periods:
        return []
    touching = 0
    before: list[tuple[int, str]] = []
    after: list[tuple[int, str]] = []
    for record, table in tables:
        mask, part = filters.deleted(table, query), filters.named(table, query)
        rows = table.filter(mask if part is None else pc.and_(mask, part))
        rows = rows.filter(pc.and_(pc.is_valid(rows["period_start"]), pc.not_equal(rows["type"], manifest.FOLDER)))
        zone = filters.zone_of(record.zone, query)
        asked = filters.periods_of(query, zone)
        touching += pc.sum(filters.overlapping(rows, asked)).as_py() or 0
        start, end = (rows[name].cast(pa.int64()) for name in ("period_start", "period_end"))
        for side, mask, key in (
            (before, pc.less_equal(end, asked[0].start), "descending"),
            (after, pc.greater_equal(start, asked[-1].end), "ascending"),
        ):
            near = pa.table({"start": start, "end": end}).filter(mask).sort_by([("start", key)]).slice(0, 1).to_pylist()
            side += [(one["start"], period_grammar.written(Period(one["start"], one["end"]), zone)) for one in near]
    nearest = [text for _, text in (*sorted(before)[-1:], *sorted(after)[:1])]
    hints = []
    if touching and not query.overlapping:
        hints.append(f"{counted(touching, 'item reaches', 'items reach')} beyond it: ask with --overlapping")
    if nearest:
        hints.append(f"the nearest periods are {' and '.join(nearest)}")
    return hints


def _paths(query: ItemQuery, tables: list[pa.Table]) -> list[str]:
    """Paths that are spelt nearly as a pattern is."""
    plain = [one.strip("/") for one in query.patterns if not set(one) & set("*?[")]
    if not plain:
        return []
    known: set[str] = set()
    for table in tables:
        for path in table["path"].slice(0, _MOST_PATHS).to_pylist():
            known.add(printable(path))
    close = [near for one in plain for near in difflib.get_close_matches(one, known, n=_FEW, cutoff=0.75)]
    return [f"did you mean {' or '.join(close[:_FEW])}?"] if close else []
