"""Why a selection matches nothing: what came close, and what to ask for instead."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from restore import masks
from restore.wish import Wish
from vault.about import grammar
from vault.about.period import Period
from vault.errors import NothingFound
from vault.format import manifest
from vault.problems import printable
from vault.repository.project import Project
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.record import Record

_FEW = 5
_MOST_PATHS = 20_000
"""Paths that are compared with a mistyped one."""


def nothing(project: Project, wish: Wish, tables: list[tuple[Record, pa.Table]]) -> NothingFound:
    """The error for a wish that none of these manifests fulfils."""
    what = "no deleted item" if wish.deleted else "no item"
    message = f"{what} of project {project.name!r}{_asked(wish)}"
    whole = [table for _, table in tables]
    hints = [
        *_unknown("kind", wish.kinds, whole),
        *_unknown("format", wish.formats, whole),
        *_other_state(wish, tables),
        *_periods(wish, tables),
        *_paths(wish, whole),
    ]
    usual = f"see what there is: `strongroom ls {project.name}`; what there ever was: `strongroom find {project.name}`"
    return NothingFound(message, hint="; ".join(hints) or usual)


def _asked(wish: Wish) -> str:
    parts = []
    if wish.patterns:
        parts.append(f"matches {' or '.join(map(repr, wish.patterns))}")
    for name, wanted in (("kind", wish.kinds), ("format", wish.formats)):
        if wanted:
            parts.append(f"is of the {name} {' or '.join(wanted)}")
    if wish.periods:
        parts.append(f"{'touches' if wish.overlapping else 'lies within'} {' or '.join(wish.periods)}")
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


def _other_state(wish: Wish, tables: list[tuple[Record, pa.Table]]) -> list[str]:
    """Items that match but for being deleted, or for not being it."""
    import pyarrow.compute as pc

    count = 0
    for record, table in tables:
        mask = pc.invert(masks.deleted(table, wish))
        for part in (masks.named(table, wish), _in_periods(record, table, wish)):
            mask = mask if part is None else pc.and_(mask, part)
        count += pc.sum(mask).as_py() or 0
    if not count:
        return []
    matching = counted(count, "matching item is", "matching items are")
    if wish.deleted:
        return [f"{matching} not deleted: leave out --deleted"]
    return [f"{matching} deleted at the source: {'ask for it' if count == 1 else 'ask for them'} with --deleted"]


def _in_periods(record: Record, table: pa.Table, wish: Wish) -> pa.ChunkedArray | None:
    if not wish.periods:
        return None
    asked = masks.periods_of(wish, masks.zone_of(record.zone, wish))
    return masks.overlapping(table, asked) if wish.overlapping else masks.within(table, asked)


def _periods(wish: Wish, tables: list[tuple[Record, pa.Table]]) -> list[str]:
    """How many only touch the period, and which periods are the nearest."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not wish.periods:
        return []
    touching = 0
    before: list[tuple[int, str]] = []
    after: list[tuple[int, str]] = []
    for record, table in tables:
        mask, part = masks.deleted(table, wish), masks.named(table, wish)
        rows = table.filter(mask if part is None else pc.and_(mask, part))
        rows = rows.filter(pc.and_(pc.is_valid(rows["period_start"]), pc.not_equal(rows["type"], manifest.FOLDER)))
        zone = masks.zone_of(record.zone, wish)
        asked = masks.periods_of(wish, zone)
        touching += pc.sum(masks.overlapping(rows, asked)).as_py() or 0
        start, end = (rows[name].cast(pa.int64()) for name in ("period_start", "period_end"))
        for side, mask, key in (
            (before, pc.less_equal(end, asked[0].start), "descending"),
            (after, pc.greater_equal(start, asked[-1].end), "ascending"),
        ):
            near = pa.table({"start": start, "end": end}).filter(mask).sort_by([("start", key)]).slice(0, 1).to_pylist()
            side += [(one["start"], grammar.written(Period(one["start"], one["end"]), zone)) for one in near]
    nearest = [text for _, text in (*sorted(before)[-1:], *sorted(after)[:1])]
    hints = []
    if touching and not wish.overlapping:
        hints.append(f"{counted(touching, 'item reaches', 'items reach')} beyond it: ask with --overlapping")
    if nearest:
        hints.append(f"the nearest periods are {' and '.join(nearest)}")
    return hints


def _paths(wish: Wish, tables: list[pa.Table]) -> list[str]:
    """Paths that are spelt nearly as a pattern is."""
    plain = [one.strip("/") for one in wish.patterns if not set(one) & set("*?[")]
    if not plain:
        return []
    known: set[str] = set()
    for table in tables:
        for path in table["path"].slice(0, _MOST_PATHS).to_pylist():
            known.add(printable(path))
    close = [near for one in plain for near in difflib.get_close_matches(one, known, n=_FEW, cutoff=0.75)]
    return [f"did you mean {' or '.join(close[:_FEW])}?"] if close else []
