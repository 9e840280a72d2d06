"""What a basket comes to: its entries as picks of the library, within what somebody may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.access.rights import Scope
from console.basket import Deleted, Entry
from console.gateway.scoped import within
from strongroom.picked import Pick, select_picked

if TYPE_CHECKING:
    from strongroom.project import Project
    from strongroom.selection import SelectedItems


def pinned(entries: Sequence[Entry], moment: str) -> tuple[Entry, ...]:
    """The entries, with a moment where they say none: what comes later does not change what they mean. moment: as ISO 8601."""
    return tuple(one if one.at else replace(one, at=moment) for one in entries)


def picks_of(entries: Sequence[Entry]) -> tuple[Pick, ...]:
    """The same as the library has it: those of one moment together."""
    groups: dict[tuple[str, Deleted, str], list[Entry]] = {}
    for one in entries:
        groups.setdefault((one.at, one.deleted, one.kind), []).append(one)
    return tuple(_pick(key, several) for key, several in groups.items())


def _pick(key: tuple[str, Deleted, str], entries: Sequence[Entry]) -> Pick:
    at, deleted, kind = key
    return Pick(
        items=tuple(one.name for one in entries if one.sort == "item"),
        folders=tuple(one.name for one in entries if one.sort == "folder"),
        periods=tuple(one.name.decode("utf-8", "replace") for one in entries if one.sort == "period"),
        kinds=(kind,) if kind else (),
        at=at or None,
        deleted=deleted,
    )


def selected(
    project: Project,
    entries: Sequence[Entry],
    scopes: Sequence[Scope],
    *,
    sources_apart: bool,
    names_only: bool = False,
    stop: Callable[[], None] = lambda: None,
) -> SelectedItems:
    """The items of a project that entries mean, within all of the scopes. names_only: see `select_picked`. Raises
    `NothingFound`, and what selecting raises."""
    return select_picked(
        project.context,
        project.stored,
        picks_of(entries),
        within=lambda table: reduce(within, scopes, table),
        sources_apart=sources_apart,
        names_only=names_only,
        stop=stop,
    )


def is_whole_project(found: SelectedItems) -> bool:
    """Whether it comes to a whole project: of every source as many files as its newest snapshot among these had."""
    import pyarrow.compute as pc

    table = found.selection.table
    files = table.filter(pc.and_(pc.equal(table["type"], "file"), pc.is_null(table["vanished_at"])))
    counts = {one["values"]: one["counts"] for one in files["source"].value_counts().to_pylist()}
    newest = {one.source: one for one in sorted(found.selection.records, key=lambda one: one.taken_at)}
    return len(files) > 1 and all(counts.get(name, 0) >= one.counts.files for name, one in newest.items())
