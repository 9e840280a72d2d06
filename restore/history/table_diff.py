"""Rows and cells of two versions of a table: what was added, taken away, and which figure was overwritten.

    by key         columns that tell every row of both from all others, given or found; rows may stand anywhere
    by position    where there is no such column: rows that are equal are laid beside each other, what is left between them
                   is compared one by one

A row is a hash while the tables are read; only cells of rows that differ are looked at, and only the first of them are kept.
Everything is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

from blake3 import blake3
from msgspec import Struct, field

from restore.history.records.fields import FieldChange, compare
from restore.tables.model import Table, Value
from vault.errors import UsageError

if TYPE_CHECKING:
    from restore.tables.model import Batch

MOST_ROWS = 1_000_000
"""Of one version; their hashes take a few hundred megabytes. Longer tables are not compared row by row."""

MOST_CELLS = 100
MOST_EXAMPLES = 5
"""Cells, and rows that are only in one version, that are kept to be shown."""

MOST_KEYS_TRIED = 12
MATCHED_AT_MOST = 3000
"""Rows that are laid beside each other in the best way; above, the first beside the first."""

LOOKED_AT_ONCE = 50_000
"""Rows that differ, of which all cells are in memory."""

_LONG_EXPONENT = 5000
LIKELY_KEYS = ("id", "uuid", "key", "number", "no", "code", "ticket", "call_id", "hour", "date", "time", "timestamp")
Row = tuple[Value, ...]


class ShownDifferences(Struct, frozen=True):
    """How much of what differs is kept to be shown: overwritten cells, and rows of each sort."""

    cells: int = MOST_CELLS
    rows: int = MOST_EXAMPLES


USUAL = ShownDifferences()


class Cell(Struct, frozen=True):
    """An overwritten cell. row: its number in the version after, from 1, without the header · key: of its row, as text."""

    row: int
    key: str
    column: str
    before: Value
    after: Value

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        fields = {"field_changes": [one.as_json() for one in self.fields()]} if self.is_nested else {}
        return {
            "row": self.row,
            "key": self.key,
            "column": self.column,
            "before": _plain(self.before),
            "after": _plain(self.after),
            **fields,
        }

    @property
    def is_nested(self) -> bool:
        """Whether both versions are lists or objects, which can be compared field by field."""
        return isinstance(self.before, dict | list) and isinstance(self.after, dict | list)

    def fields(self) -> tuple[FieldChange, ...]:
        """What differs within it."""
        return compare({self.column: self.before}, {self.column: self.after})


class TableDifference(Struct):
    """Of two versions of a table. columns: that both have, which the cells of rows belong to · keys: those that rows were told
    apart by, none by position · cells, added_rows, removed_rows: the first of them · row_pairs: the first of the changed rows,
    with their number and how they were before and after · compared: whether rows were compared at all."""

    name: str
    keys: tuple[str, ...] = ()
    rows_before: int = 0
    rows_after: int = 0
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0
    changed_rows: int = 0
    changed_cells: int = 0
    cells: list[Cell] = field(default_factory=list)
    added_rows: list[tuple[int, Row]] = field(default_factory=list)
    removed_rows: list[tuple[int, Row]] = field(default_factory=list)
    compared: bool = True
    columns: tuple[str, ...] = ()
    row_pairs: list[tuple[int, Row, Row]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "table": self.name,
            "keys": list(self.keys),
            "rows_before": self.rows_before,
            "rows_after": self.rows_after,
            "columns_added": list(self.columns_added),
            "columns_removed": list(self.columns_removed),
            "compared": self.compared,
            "added": self.added,
            "removed": self.removed,
            "changed_rows": self.changed_rows,
            "changed_cells": self.changed_cells,
            "cells": [cell.as_json() for cell in self.cells],
            "added_rows": [{"row": number, "values": [_plain(value) for value in row]} for number, row in self.added_rows],
            "removed_rows": [{"row": number, "values": [_plain(value) for value in row]} for number, row in self.removed_rows],
        }


def compare_tables(
    before: Sequence[Table],
    after: Sequence[Table],
    keys: Sequence[str] = (),
    stop: Callable[[], None] = lambda: None,
    *,
    shown: ShownDifferences = USUAL,
) -> list[TableDifference]:
    """The tables of two versions of a file, by name; one that only one version has counts as added or removed rows.

    keys: columns to tell rows apart by · shown: how much is kept to be shown. Raises `UsageError` where a table lacks one, or
    two rows have one key; `Damaged`.
    """
    if len(before) == len(after) == 1:
        return [_Comparison(before[0], after[0], stop, shown).run(keys)]
    old, new = {table.name: table for table in before}, {table.name: table for table in after}
    names = list(dict.fromkeys([*new, *old]))
    return [_Comparison(old.get(name), new.get(name), stop, shown).run(keys) for name in names]


class _Side:
    """One version. picked: numbers of the columns that both versions have, in the same order as the other side's."""

    def __init__(self, table: Table | None, stop: Callable[[], None]) -> None:
        self.table = table
        self.names = _distinct(column.name for column in table.columns) if table else []
        self.picked: list[int] = []
        self.count = 0
        self._stop = stop

    def rows(self) -> Iterator[Row]:
        """The cells of the columns that both have, row by row."""
        for batch in self.table.batches() if self.table else ():
            self._stop()
            yield from zip(*self._columns(batch), strict=True) if self.picked else ((),) * batch.rows

    def _columns(self, batch: Batch) -> list[list[Value]]:
        columns = (batch.columns[number] for number in self.picked)
        return [column if isinstance(column, list) else column.to_pylist() for column in columns]

    def whole(self, wanted: set[int]) -> dict[int, Row]:
        """Some rows by number, counted from 0."""
        return {number: row for number, row in enumerate(self.rows()) if number in wanted} if wanted else {}


class _Comparison:
    def __init__(
        self, before: Table | None, after: Table | None, stop: Callable[[], None], shown: ShownDifferences = USUAL
    ) -> None:
        self._shown = shown
        self._before, self._after = _Side(before, stop), _Side(after, stop)
        sides = (self._before, self._after)
        shared = [name for name in self._after.names if name in self._before.names] if before and after else []
        for side in sides:
            side.picked = [side.names.index(name) for name in shared]
        self._names = shared
        name = after.name if after else before.name if before else ""
        self._found = TableDifference(
            name,
            columns_added=tuple(one for one in self._after.names if one not in shared),
            columns_removed=tuple(one for one in self._before.names if one not in shared),
            columns=tuple(shared),
        )

    def run(self, keys: Sequence[str]) -> TableDifference:
        found = self._found
        missing = [key for key in keys if key not in self._names]
        if missing and self._before.table and self._after.table:
            raise UsageError(f"the table has no column {missing[0]!r}", hint=f"there are: {', '.join(self._names)}")
        old, new = self._hashes(self._before), self._hashes(self._after)
        found.rows_before, found.rows_after = self._before.count, self._after.count
        if old is None or new is None:
            found.compared = False
        elif not self._names:
            found.added, found.removed = len(new), len(old)
        elif old != new:
            found.keys = tuple(keys) or self._found_key()
            if found.keys:
                self._by_key(old, new)
            else:
                self._by_position(old, new)
        return found

    def _hashes(self, side: _Side) -> list[bytes] | None:
        """A hash of each row, or None where there are too many."""
        hashes: list[bytes] = []
        for row in side.rows():
            side.count += 1
            if side.count <= MOST_ROWS:
                hashes.append(_hash(row))
        return hashes if side.count <= MOST_ROWS else None

    def _found_key(self) -> tuple[str, ...]:
        """The likeliest column whose cells are all different, in both versions, and mostly the same ones."""
        ranked = sorted(range(len(self._names)), key=lambda number: (self._unlikely(number), number))[:MOST_KEYS_TRIED]
        cells = [self._all_different(side, ranked) for side in (self._before, self._after)]
        for number in ranked:
            one, two = (found.get(number) for found in cells)
            if one is not None and two is not None and len(one & two) * 2 >= min(len(one), len(two)):
                return (self._names[number],)
        return ()

    def _unlikely(self, number: int) -> bool:
        name = self._names[number].strip().lower()
        return not (name in LIKELY_KEYS or name.endswith(("_id", " id", "_number", "_no")))

    def _all_different(self, side: _Side, numbers: Sequence[int]) -> dict[int, set[int]]:
        """Of each column without nulls, fractions and repetitions, the cells (as hashes)."""
        seen: dict[int, set[int]] = {number: set() for number in numbers}
        for row in side.rows():
            for number in list(seen):
                value = row[number]
                hashed = hash(_comparable(value))
                if value is None or value == "" or isinstance(value, float | Decimal | list | dict) or hashed in seen[number]:
                    del seen[number]
                else:
                    seen[number].add(hashed)
            if not seen:
                break
        return seen

    def _by_key(self, old: list[bytes], new: list[bytes]) -> None:
        before, after = self._places(self._before), self._places(self._after)
        pairs = [(before[key], place) for key, place in after.items() if key in before]
        self._changed([(one, two) for one, two in pairs if old[one] != new[two]])
        self._only(
            [place for key, place in before.items() if key not in after],
            [place for key, place in after.items() if key not in before],
        )

    def _places(self, side: _Side) -> dict[bytes, int]:
        numbers = [self._names.index(key) for key in self._found.keys]
        places: dict[bytes, int] = {}
        for place, row in enumerate(side.rows()):
            key = _hash(tuple(row[number] for number in numbers))
            if places.setdefault(key, place) != place:
                key_text = " / ".join(str(row[number]) for number in numbers)
                raise UsageError(f"two rows have the key {key_text!r}", hint="name further columns with --key, or leave it out")
        return places

    def _by_position(self, old: list[bytes], new: list[bytes]) -> None:
        pairs: list[tuple[int, int]] = []
        removed: list[int] = []
        added: list[int] = []
        for start, end, other_start, other_end in _blocks(old, new):
            both = min(end - start, other_end - other_start)
            pairs += zip(range(start, start + both), range(other_start, other_start + both), strict=True)
            removed += range(start + both, end)
            added += range(other_start + both, other_end)
        self._changed([(one, two) for one, two in pairs if old[one] != new[two]])
        self._only(removed, added)

    def _changed(self, pairs: list[tuple[int, int]]) -> None:
        """Rows that differ: their numbers before and after."""
        found, at = self._found, {two: one for one, two in sorted(pairs, key=lambda pair: pair[1])}
        numbers = [self._names.index(key) for key in found.keys]
        for start in range(0, len(at), LOOKED_AT_ONCE):
            some = dict(islice(at.items(), start, start + LOOKED_AT_ONCE))
            before, after = self._before.whole(set(some.values())), self._after.whole(set(some))
            for place, other in some.items():
                row, was = after[place], before[other]
                cells = [number for number, (one, two) in enumerate(zip(was, row, strict=True)) if not same(one, two)]
                found.changed_rows += bool(cells)
                found.changed_cells += len(cells)
                key = " / ".join(str(row[number]) for number in numbers)
                room = self._shown.cells - len(found.cells)
                if cells and len(found.row_pairs) < self._shown.rows:
                    found.row_pairs.append((place + 1, was, row))
                found.cells += [Cell(place + 1, key, self._names[n], was[n], row[n]) for n in cells[:room]]

    def _only(self, removed: list[int], added: list[int]) -> None:
        found = self._found
        found.removed, found.added = len(removed), len(added)
        some_removed, some_added = sorted(removed)[: self._shown.rows], sorted(added)[: self._shown.rows]
        found.removed_rows = [(place + 1, row) for place, row in self._before.whole(set(some_removed)).items()]
        found.added_rows = [(place + 1, row) for place, row in self._after.whole(set(some_added)).items()]


def _blocks(old: list[bytes], new: list[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """What is left between equal rows: start and end before, start and end after."""
    start = 0
    shorter = min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    tail = 0
    while tail < shorter - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    end, other_end = len(old) - tail, len(new) - tail
    if max(end, other_end) - start > MATCHED_AT_MOST:
        yield start, end, start, other_end
        return
    matcher = SequenceMatcher(None, old[start:end], new[start:other_end], autojunk=False)
    for what, one, two, three, four in matcher.get_opcodes():
        if what != "equal":
            yield start + one, start + two, start + three, start + four


def _distinct(names: Iterable[str]) -> list[str]:
    """Column names, the second of one name with a number."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def _hash(row: Row) -> bytes:
    return blake3("\0".join(map(_comparable, row)).encode("utf-8", "surrogatepass")).digest(length=16)


def _comparable(value: Value) -> str:
    """A cell as text that is the same for equal cells; nulls and texts differ."""
    if isinstance(value, bool) or value is None:
        return f"\1{value}"
    if isinstance(value, int | float | Decimal):
        return f"\2{_number(value)}"
    return f"\3{value}" if isinstance(value, str) else f"\4{value!r}"


def _number(value: float | Decimal) -> str:
    """Digits that are the same for equal numbers of any type."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not isfinite(value):
            return str(value)
        text = repr(value or 0.0)
        return text.removesuffix(".0") if "e" not in text else _number(Decimal(text))
    if not value.is_finite():
        return str(value)
    if abs(value.adjusted()) > _LONG_EXPONENT:  # its digits would fill the memory
        sign, digits, exponent = value.as_tuple()
        figures = "".join(map(str, digits))
        short = figures.rstrip("0")
        return f"{'-' * sign}{short}E{int(exponent) + len(figures) - len(short)}" if short else "0"
    plain = format(value, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain == "-0" else plain


def same(one: Value, two: Value) -> bool:
    """Whether two cells are equal: numbers by what they are worth, whatever their types."""
    return _comparable(one) == _comparable(two)


def _plain(value: Value) -> object:
    """For JSON: numbers and texts as they are, other values as people write them."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
