"""Two versions of an item beside each other: of a table, which rows were added, taken away and changed, cell by cell; of a text
or a message, its lines; of a picture, both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from console.access.rights import Action
from console.errors import NotAllowed
from console.gateway import checks, items, listings, previews
from console.gateway.items import ItemEvent, ItemView
from console.gateway.previews import ItemPlace, Preview
from console.previews.texts import LinePair, side_by_side
from console.visit import Visit
from restore.history.table_diff import same
from strongroom.diff import DiffOptions, RowOptions
from strongroom.table_preview import DEEPEST, HIDDEN, TableView
from vault.errors import UsageError

if TYPE_CHECKING:
    from restore.history.table_diff import Row, TableDifference
    from restore.tables.model import Value
    from vault.problems import Problem

MOST_ROWS = 100
"""Of each sort, that are shown."""

MOST_COLUMNS = 60
LONGEST_CELL = 300
"""Characters of a cell that are shown."""


class ShownCell(Struct, frozen=True):
    """A cell as text; `is_empty` where there is none · changed: whether it differs from its other version."""

    text: str
    is_empty: bool
    changed: bool = False


class ShownRow(Struct, frozen=True):
    """A row that one version has and the other has not. number: from 1, without the header."""

    number: int
    cells: tuple[ShownCell, ...]


class ShownPair(Struct, frozen=True):
    """A row that both versions have and that differs. number: in the newer one."""

    number: int
    before: tuple[ShownCell, ...]
    after: tuple[ShownCell, ...]


class ShownTable(Struct, frozen=True):
    """Two versions of a table. found: all numbers · columns: names of those that are shown · hidden: how many are not."""

    found: TableDifference
    columns: tuple[str, ...]
    hidden: int
    pairs: tuple[ShownPair, ...]
    removed: tuple[ShownRow, ...]
    added: tuple[ShownRow, ...]

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        found = self.found
        return found.compared and not any(
            (found.added, found.removed, found.changed_rows, found.columns_added, found.columns_removed)
        )


class DifferenceView(Struct, frozen=True):
    """Two versions of an item. before, after: the versions · tables: of the file, by name · problem: why they could not be
    compared · sides: of what is no table, what can be shown of both · lines: of these, where both have text."""

    item: ItemView
    before: ItemEvent
    after: ItemEvent
    tables: tuple[ShownTable, ...]
    problem: Problem | None
    sides: tuple[Preview, ...] = ()
    lines: tuple[LinePair, ...] | None = None


def compare(visit: Visit, name: str, path: bytes, *, since: str, until: str, source: str = "") -> DifferenceView:
    """Two versions of an item that whoever asks may read. since, until: snapshots that show them, in either order. That rows
    were shown is recorded.

    Raises `NotThere`, `NotAllowed`, `UsageError` for what are no two versions, `StorageError`."""
    view = items.item(visit, name, path, source=source)
    if not checks.allowed(visit, Action.READ, name).covers(view.row.kind, path):
        raise NotAllowed("you may not read this item", hint="ask whoever administers the console for the role")
    chosen = [one for one in view.versions if one.at in (since, until)]
    if len(chosen) != 2:
        raise UsageError("choose two different versions", hint="go back, and choose an older and a newer one")
    after, before = chosen
    if not view.is_table:
        return _of_no_tables(visit, name, view, before, after)
    known, _ = listings.known_items(visit, name)
    since_at, until_at = (known.moment(one.at, visit.now) for one in (before, after))
    options = DiffOptions(since_at, until_at, rows=RowOptions(most_rows=MOST_ROWS, most_cells=0))
    with checks.opened_content(visit, name) as (_, project):
        pattern = path.decode("utf-8", "surrogateescape")
        found = project.diff(options, patterns=[pattern], source=view.row.source).rows
    mine = next((one for one in found.items if one.path == path), None) if found is not None else None
    cells = TableView(masked=visit.console.masked)
    tables = () if mine is None else tuple(shown_table(one, cells) for one in mine.tables)
    return DifferenceView(view, before, after, tables, None if mine is None else mine.problem)


def _of_no_tables(visit: Visit, name: str, view: ItemView, before: ItemEvent, after: ItemEvent) -> DifferenceView:
    places = (ItemPlace(name, view.row.path, one.at, view.row.source) for one in (before, after))
    sides = tuple(previews.preview(visit, one, TableView()) for one in places)
    old, new = (_text_of(one) for one in sides)
    lines = None if old is None or new is None else side_by_side(old, new)
    return DifferenceView(view, before, after, (), None, sides, lines)


def _text_of(side: Preview) -> str | None:
    """What people read of it."""
    if side.mail is not None:
        return "\n".join([*(f"{name}: {value}" for name, value in side.mail.headers), "", side.mail.text])
    return None if side.text is None else side.text.text


def shown_table(found: TableDifference, cells: TableView) -> ShownTable:
    """Two versions of a table as they are shown. cells: which columns are masked."""
    count = min(len(found.columns), MOST_COLUMNS)
    hidden = [cells.hides(name) for name in found.columns[:count]]

    def row(values: Row) -> tuple[ShownCell, ...]:
        return tuple(_cell(one, cells, masked=masked) for one, masked in zip(values, hidden, strict=False))

    return ShownTable(
        found,
        found.columns[:count],
        len(found.columns) - count,
        tuple(_pair(number, (before, row(before)), (after, row(after))) for number, before, after in found.row_pairs),
        tuple(ShownRow(number, row(values)) for number, values in found.removed_rows),
        tuple(ShownRow(number, row(values)) for number, values in found.added_rows),
    )


def _pair(number: int, before: tuple[Row, tuple[ShownCell, ...]], after: tuple[Row, tuple[ShownCell, ...]]) -> ShownPair:
    """A changed row, of each version its values and how they are shown; which cells differ can be seen of masked ones, too."""
    differs = [not same(one, two) for one, two in zip(before[0], after[0], strict=True)]
    old, new = (
        tuple(replace(cell, changed=other) for cell, other in zip(shown, differs, strict=False)) for _, shown in (before, after)
    )
    return ShownPair(number, old, new)


def _cell(value: Value, cells: TableView, *, masked: bool) -> ShownCell:
    """A cell for people, cut where it is long."""
    if value is None:
        return ShownCell("", is_empty=True)
    if masked:
        return ShownCell(HIDDEN, is_empty=False)
    if isinstance(value, bytes):
        text = value[:LONGEST_CELL].hex()
    else:
        text = str(_without_masked(value, cells) if cells.masked else value)
    return ShownCell(text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…", is_empty=False)


def _without_masked(value: Value, cells: TableView, depth: int = 0) -> Value:
    """A value of which fields that are masked are hidden, however deep they are."""
    if depth > DEEPEST:
        return HIDDEN
    if isinstance(value, dict):
        return {
            name: HIDDEN if cells.hides(name) else _without_masked(inner, cells, depth + 1) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_masked(inner, cells, depth + 1) for inner in value]
    return value
