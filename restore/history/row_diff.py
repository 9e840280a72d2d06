"""Rows and cells of the tables among changed items: the two versions of each are fetched, opened and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypedDict, cast

from msgspec import Struct

from restore.history.diff import CHANGED, Difference, Sides
from restore.history.table_diff import USUAL, ShownDifferences, TableDifference, compare_tables
from restore.history.version_contents import ItemVersion, VersionContents
from restore.tables.model import Table
from vault.errors import Interrupted, SourceError, StorageError, StrongroomError
from vault.format import manifest
from vault.problems import Problem, printable

OpenTables = Callable[[Path, str, str], Sequence[Table]]
"""The tables of a file of a format, from a source. Raises `Damaged`."""


StatedKeys = Callable[[Path, str, str, bytes], tuple[str, ...]]
"""The key columns of a file of a format, from a source, at a path; none where nobody states any."""

LiveFile = Callable[[str, bytes], AbstractContextManager[Path]]


class Opening(Struct, frozen=True):
    """How items are opened and compared. format_of: the format of an item where its manifest does not say, going by its path;
    empty for none · keys: columns that tell rows apart · most: items that are compared · live: opens an item of
    a source that is compared as it is now, by the source's name and the item's path · stated: columns that the source states to
    tell rows apart, where `keys` names none · shown: how much of what differs is kept to be shown."""

    open_tables: OpenTables
    is_table: Callable[[str], bool]
    format_of: Callable[[bytes], str]
    keys: tuple[str, ...] = ()
    most: int = 20
    live: LiveFile | None = None
    stated: StatedKeys = lambda file, name, source, path: ()
    stop: Callable[[], None] = lambda: None
    shown: ShownDifferences = USUAL


class ChangedItem(TypedDict):
    """An item whose content changed: a row of a `Difference`."""

    path: bytes
    source: str
    before_format: str | None
    after_format: str | None
    before_type: str
    after_type: str


class ItemDifference(Struct, frozen=True):
    """Tables of an item, compared; or what stood in the way."""

    path: bytes
    source: str
    tables: tuple[TableDifference, ...] = ()
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        problem = None if self.problem is None else self.problem.as_json()
        tables = [one.as_json() for one in self.tables]
        return {"path": printable(self.path), "source": self.source, "tables": tables, "problem": problem}


class RowDifferences(Struct, frozen=True):
    """items: as many as were asked for · total: changed items that are tables."""

    items: tuple[ItemDifference, ...]
    total: int


def row_differences(contents: VersionContents, difference: Difference, opening: Opening) -> RowDifferences:
    """Compare the tables among the items whose content changed."""
    wanted = [row for row in _changed(difference) if opening.is_table(_format(row, opening))]
    some = wanted[: opening.most]
    found = [one for sides in difference.sides for one in _of_source(contents, sides, some, opening)]
    return RowDifferences(tuple(found), len(wanted))


def _changed(difference: Difference) -> Iterator[ChangedItem]:
    import pyarrow.compute as pc

    table = difference.table.filter(pc.equal(difference.table["what"], CHANGED))
    yield from cast("list[ChangedItem]", table.select([*ChangedItem.__annotations__]).to_pylist())


def _format(row: ChangedItem, opening: Opening) -> str:
    if not row["before_type"] == row["after_type"] == manifest.FILE:
        return ""
    return row["after_format"] or row["before_format"] or opening.format_of(row["path"])


def _stated(keys: tuple[str, ...], versions: Sequence[Sequence[Table]]) -> tuple[str, ...]:
    """The keys that a source states, if all tables have them."""
    names = [{column.name for column in table.columns} for tables in versions for table in tables]
    return keys if all(set(keys) <= one for one in names) else ()


def _of_source(contents: VersionContents, sides: Sides, rows: list[ChangedItem], opening: Opening) -> Iterator[ItemDifference]:
    own = [row for row in rows if row["source"] == sides.source]
    if not own or sides.before is None:
        return
    paths = [row["path"] for row in own]
    before = ItemVersion(sides.before, contents.rows(sides.before, paths))
    after = None if sides.after is None else ItemVersion(sides.after, contents.rows(sides.after, paths))
    for row in own:
        path = row["path"]
        try:
            with ExitStack() as files:
                old = files.enter_context(contents.file(before, path))
                if after is not None:
                    new = files.enter_context(contents.file(after, path))
                elif opening.live is not None:
                    new = files.enter_context(opening.live(sides.source, path))
                else:
                    raise SourceError(f"nothing is known of source {sides.source!r} as it is now")
                name = _format(row, opening)
                tables = [opening.open_tables(file, name, sides.source) for file in (old, new)]
                keys = opening.keys or _stated(opening.stated(new, name, sides.source, path), tables)
                found = compare_tables(tables[0], tables[1], keys, opening.stop, shown=opening.shown)
                yield ItemDifference(path, sides.source, tuple(found))
        except (StorageError, Interrupted):
            raise
        except (StrongroomError, OSError) as error:
            yield ItemDifference(path, sides.source, problem=Problem(path, "not-compared", str(error)))
