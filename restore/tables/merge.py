"""One table out of many files: the quarter's out of its 2,184 hourly ones.

Columns are united by their names, in the order of their first appearance, and the files are walked in the order given, one open
at a time. A last column, `source`, says which file a row is from. Where a file has other columns than the one before it, or
other types in them, that is told: nobody should have to find out from empty cells that a report was changed in May.

Columns must be known before the first row, so files are opened twice: for their columns, and for their rows. The first ones are
spared that as long as all their rows find room in memory, which those of a quarter of hourly reports do. Plain CSV files that
follow one another are read together (`restore.tables.merge_parts`).

A file that cannot be read costs its own rows alone: it is told once, with how many of its rows came before the damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from restore.tables.distinct_names import distinct
from restore.tables.guards import UnwritableTable, reading
from restore.tables.loss_report import LossReport
from restore.tables.merge_parts import CsvRun, MergePart, in_runs
from restore.tables.model import BATCH_CELLS, BATCH_ROWS, Batch, Column, Table, Value
from restore.tables.readers.csv_rows import LARGEST_WIDTH
from restore.tables.registry import ITEM_ERRORS
from restore.tables.values import values_of
from vault.errors import Damaged, StrongroomError

if TYPE_CHECKING:
    import pyarrow as pa

Key: TypeAlias = tuple[str, int]
"""A column's name in small letters, and which of the columns with this name it is in its file: as a question in SQL does it,
`Phone` and `phone` are one column."""

KEPT_BYTES = 64 * 1024 * 1024
"""What is kept of the files between the first opening and the second."""

ProblemListener: TypeAlias = Callable[[MergePart, StrongroomError, int], None]
"""Told of a part that could not be read, why, and how many of its rows are in the table all the same."""


class Merged:
    """The table. changes: what changed when, known in full after the rows have been read once."""

    def __init__(self, parts: Iterable[MergePart], on_problem: ProblemListener, losses: LossReport, *, name: str = "") -> None:
        self.name = name
        self.changes: list[str] = []
        self._parts = parts
        self._on_problem = on_problem
        self._losses: LossReport | None = losses
        self._failed: set[str] = set()
        self._shown: dict[Key, str] = {}
        self._spellings: set[tuple[Key, str]] = set()
        self._sections: list[_Section] = []
        self._room = KEPT_BYTES
        types = self._inferred_type()
        self._keys = list(types)
        names = [self._shown[key] for key in self._keys]
        source = Column(distinct([*names, "source"])[-1], _text())
        self.columns: Sequence[Column] = [*(Column(self._shown[key], types[key]) for key in self._keys), source]

    def batches(self) -> Iterator[Batch]:
        """The rows of all parts, gathered into batches of a good size."""
        waiting: list[Batch] = []
        most = _most_rows(len(self.columns))
        for batch in self._walked():
            if waiting and sum(part.rows for part in waiting) + batch.rows > most:
                yield _gathered(waiting, self.columns)
                waiting = []
            waiting.append(batch)
        if waiting:
            yield _gathered(waiting, self.columns)
        self._losses = None

    def _inferred_type(self) -> dict[Key, pa.DataType | None]:
        """The columns of all parts and a type for each; what appeared, went and changed is told on the way."""
        types: dict[Key, pa.DataType | None] = {}
        before: dict[Key, pa.DataType | None] | None = None
        for one in in_runs(self._parts):
            parts = one.parts if isinstance(one, CsvRun) else (one,)
            counted = LossReport()
            try:
                with reading("a table"), _opened(one, counted) as tables:
                    found = [_keyed(table) for table in tables]
                    written = [_spelt(table) for table in tables]
                    _check_width(types, found)
                    kept = self._keep(tables)
            except ITEM_ERRORS as error:
                for part in parts:
                    self._fail(part, error, 0)
                continue
            if kept is not None and self._losses is not None:
                self._losses.include(counted)
            if isinstance(one, CsvRun):
                self._sections.append(_Section(parts, together=True, run=one if kept is not None else None))
            else:
                self._sections.append(_Section(parts, kept=kept))
            for table in written:
                self._compare_spelling(parts[0], table)
            for columns in found:
                self._compare(parts[0], before, columns)
                before = columns
                for key, type_ in columns.items():
                    types[key] = united(types[key], type_) if key in types else type_
        return types

    def _keep(self, tables: Sequence[Table]) -> Sequence[Table] | None:
        """These tables' rows, if they are of Arrow's types and there is room; the first that find none end the keeping."""
        kept = []
        for table in tables:
            batches: list[Batch] = []
            kept.append(_KeptTable(table.name, table.columns, batches))
            if not self._room or any(column.type is None for column in table.columns):
                return None
            try:
                for batch in table.batches():
                    size = sum(cells.nbytes for cells in batch.columns if not isinstance(cells, list))
                    self._room = max(0, self._room - size)
                    if not self._room:
                        return None
                    batches.append(batch)
            except Damaged as error:
                kept[-1].damage = error
        return kept

    def _compare_spelling(self, part: MergePart, names: dict[Key, str]) -> None:
        for key, name in names.items():
            known = self._shown.setdefault(key, name)
            if name != known and (key, name) not in self._spellings:
                self._spellings.add((key, name))
                self._tell(part, [f"column {known!r} is written {name!r}"])

    def _compare(
        self, part: MergePart, before: dict[Key, pa.DataType | None] | None, now: dict[Key, pa.DataType | None]
    ) -> None:
        if before is None or before == now:
            return
        self._tell(part, [f"column {self._shown[key]!r} appeared" for key in now if key not in before])
        self._tell(part, [f"column {self._shown[key]!r} disappeared" for key in before if key not in now])
        changed = [key for key in now if key in before and before[key] != now[key]]
        self._tell(part, [f"column {self._shown[key]!r}: {_named(before[key])} became {_named(now[key])}" for key in changed])

    def _tell(self, part: MergePart, changes: Iterable[str]) -> None:
        self.changes.extend(f"from {part.when}: {change}" for change in changes)

    def _fail(self, part: MergePart, error: StrongroomError, rows: int) -> None:
        if part.source not in self._failed:
            self._failed.add(part.source)
            self._on_problem(part, error, rows)

    def _walked(self) -> Iterator[Batch]:
        kinds: dict[Key, frozenset[str]] = {}
        for section in self._sections:
            for one in section.again():
                if isinstance(one, CsvRun):
                    sources = one.sources()
                    yield from self._fitted(one.parts[0], _table_of(one), sources.slice, kinds)
                    continue
                rows = 0
                try:
                    for batch in self._of_part(one, section.kept, kinds):
                        rows += batch.rows
                        yield batch
                except ITEM_ERRORS as error:
                    self._fail(one, error, rows)

    def _of_part(self, part: MergePart, kept: Sequence[Table] | None, kinds: dict[Key, frozenset[str]]) -> Iterator[Batch]:
        with reading("a table"), nullcontext(kept) if kept else part.opened(self._losses or LossReport()) as tables:
            for table in tables:
                source = part.source if len(tables) == 1 else f"{part.source}#{table.name}"
                yield from self._fitted(part, table, partial(_repeated, source), kinds)

    def _fitted(
        self, part: MergePart, table: Table, sources: Callable[[int, int], pa.Array], kinds: dict[Key, frozenset[str]]
    ) -> Iterator[Batch]:
        """A part's batches with the columns of all. sources: of rows, by the first of them and how many they are."""
        places = {key: place for place, key in enumerate(_keyed(table))}
        seen: dict[Key, set[str]] = {}
        first = 0
        for batch in _narrow(table.batches(), len(self.columns)):
            cells: list[pa.Array | list[Value]] = []
            for key, column in zip(self._keys, self.columns, strict=False):
                there = batch.columns[places[key]] if key in places else None
                if isinstance(there, list):
                    seen.setdefault(key, set()).update(kind.__name__ for kind in set(map(type, there)))
                cells.append(_as_type(there, column.type, batch.rows))
            cells.append(sources(first, batch.rows))
            first += batch.rows
            yield Batch(cells, batch.rows)
        if self._losses is not None:
            self._compare_kinds(part, seen, kinds)

    def _compare_kinds(self, part: MergePart, seen: dict[Key, set[str]], kinds: dict[Key, frozenset[str]]) -> None:
        """Columns whose cells have each their own type: told when a file has others than the last one that had any."""
        for key, names in seen.items():
            now = frozenset(names - {"NoneType"})
            if now and key in kinds and kinds[key] != now:
                self._tell(
                    part, [f"column {self._shown[key]!r}: {', '.join(sorted(kinds[key]))} became {', '.join(sorted(now))}"]
                )
            kinds[key] = now or kinds.get(key, now)


class _Section(Struct, frozen=True):
    """A part, or those of a run. together: whether they are read as one · run, kept: what was read of them, where there was
    room."""

    parts: tuple[MergePart, ...]
    together: bool = False
    run: CsvRun | None = None
    kept: Sequence[Table] | None = None

    def again(self) -> Iterator[MergePart | CsvRun]:
        """What is to be read for the rows."""
        if self.run is not None:
            return iter([self.run])
        return in_runs(self.parts) if self.together else iter(self.parts)


class _KeptTable(Struct):
    """A table in memory. damage: what ends it."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Batch]
    damage: Damaged | None = None

    def batches(self) -> Iterator[Batch]:
        """All rows, and the damage behind them."""
        yield from self.rows
        if self.damage is not None:
            raise self.damage


def _opened(one: MergePart | CsvRun, counted: LossReport) -> AbstractContextManager[Sequence[Table]]:
    return nullcontext([_table_of(one)]) if isinstance(one, CsvRun) else one.opened(counted)


def _table_of(run: CsvRun) -> _KeptTable:
    return _KeptTable("", run.columns, [run.cells])


def united(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type of a column that has both, None where each cell must have its own."""
    import pyarrow as pa

    is_ = pa.types
    if one is None or other is None or one == other:
        return one if one == other else None
    if is_.is_null(one) or is_.is_null(other):
        return other if is_.is_null(one) else one
    if all(is_.is_integer(type_) and not is_.is_uint64(type_) for type_ in (one, other)):
        return pa.int64()
    return pa.float64() if is_.is_floating(one) and is_.is_floating(other) else None


def _check_width(types: dict[Key, pa.DataType | None], found: Sequence[dict[Key, pa.DataType | None]]) -> None:
    """Raises `UnwritableTable` where a file brings more columns than a table may have."""
    width = len({*types, *(key for columns in found for key in columns)})
    if width > LARGEST_WIDTH:
        raise UnwritableTable(f"with its columns the merged table would have {width}, and a table may have {LARGEST_WIDTH}")


def _most_rows(columns: int) -> int:
    return max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, columns)))


def _narrow(batches: Iterator[Batch], columns: int) -> Iterator[Batch]:
    """The batches, in pieces that have not too many cells once they have so many columns."""
    most = _most_rows(columns)
    for batch in batches:
        if batch.rows <= most:
            yield batch
            continue
        for start in range(0, batch.rows, most):
            cells = [column[start : start + most] for column in batch.columns]
            yield Batch(cells, min(most, batch.rows - start))


def _keyed(table: Table) -> dict[Key, pa.DataType | None]:
    return dict(zip(_spelt(table), (column.type for column in table.columns), strict=True))


def _spelt(table: Table) -> dict[Key, str]:
    """The columns' names as they are written, by key."""
    names: dict[Key, str] = {}
    count: dict[str, int] = {}
    for column in table.columns:
        folded = column.name.casefold()
        count[folded] = count.get(folded, 0) + 1
        names[folded, count[folded]] = column.name
    return names


def _as_type(cells: pa.Array | list[Value] | None, type_: pa.DataType | None, rows: int) -> pa.Array | list[Value]:
    import pyarrow as pa

    if cells is None:
        return [None] * rows if type_ is None else pa.nulls(rows, type_)
    if type_ is None:
        return values_of(cells)
    return cells if isinstance(cells, list) or cells.type == type_ else cells.cast(type_)


def _gathered(batches: list[Batch], columns: Sequence[Column]) -> Batch:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    cells: list[pa.Array | list[Value]] = []
    for column, parts in zip(columns, zip(*(batch.columns for batch in batches), strict=True), strict=True):
        cells.append([cell for part in parts for cell in part] if column.type is None else pa.concat_arrays(parts))
    return Batch(cells, sum(batch.rows for batch in batches))


def _repeated(text: str, _first: int, rows: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(text, _text()), rows)


def _text() -> pa.DataType:
    import pyarrow as pa

    return pa.string()


def _named(type_: pa.DataType | None) -> str:
    return "cells of their own types" if type_ is None else str(type_)
