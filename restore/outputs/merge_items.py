"""One table out of the files of many items: in the order of their periods, with what could not be read told item by item.

Columns are known after a first reading of all files, rows come with a second one, so the contents wait in a private folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from classify import period_grammar
from classify.period import Period, micros
from restore.outputs.conversion import Conversion, RowCutter
from restore.outputs.convert_items import Contents, ItemFacts, Outputs, decoded, encoded, format_of, lost, missing_sheets, tell
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.scratch_dir import put_down
from restore.tables.convert import ConvertOptions, write_all
from restore.tables.formats import read_as
from restore.tables.loss_report import LossReport
from restore.tables.merge import Merged
from restore.tables.merge_parts import CsvFile, MergePart
from restore.tables.model import Table
from restore.tables.output_names import OutputNames
from restore.tables.registry import open_tables
from restore.tables.sheet_choice import NoSuchSheet
from vault.errors import StrongroomError
from vault.problems import Problem, printable
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa


def merge_items(
    items: pa.Table, contents: Contents, conversion: Conversion, name: bytes, scratch: Path, zone: ZoneInfo
) -> Iterator[OutputItem]:
    """The merged table under `name`, and before it a `OutputItem` without content for every item that is not in it.

    zone: in which periods are told. Raises `TargetError` where the room takes no more.
    """
    about = ItemFacts(items)
    waiting: list[tuple[ItemOutcome, Path, str]] = []
    for row, content in contents:
        outcome = about.outcome(row)
        if isinstance(content, StrongroomError):
            yield lost(outcome, content)
            continue
        outcome.format = outcome.format or format_of(content, outcome.path)
        source = read_as(outcome.format)
        if source is None:
            why = f"it is not a table ({outcome.format or 'empty'}), and not in the merged one"
            outcome.problems.append(Problem(outcome.path, "not-a-table", why))
            yield OutputItem(outcome.path, None, 0, outcome)
            continue
        waiting.append((outcome, put_down(content, scratch / f"part-{row}"), source))
    starts = items["period_start"].cast("int64").to_pylist()
    waiting.sort(key=lambda one: _rank(starts[one[0].row], one[0].path))
    yield from _Merging(items, conversion, scratch, zone).give(waiting, name)


class _Merging:
    """One merged table on its way."""

    def __init__(self, items: pa.Table, conversion: Conversion, scratch: Path, zone: ZoneInfo) -> None:
        self._items = items
        self._conversion = conversion
        self._scratch = scratch
        self._zone = zone
        self._by_path: dict[str, ItemOutcome] = {}
        self._cutting: dict[str, RowCutter] = {}

    def give(self, waiting: Sequence[tuple[ItemOutcome, Path, str]], name: bytes) -> Iterator[OutputItem]:
        losses = LossReport()
        parts = [self._part(*one) for one in waiting]
        merged = Merged(parts, self._failed, losses)
        outcome = ItemOutcome(-1, name, None, notes=[f"merged out of {counted(len(parts), 'file')}"])
        outputs = Outputs(self._scratch)
        target = self._conversion.target or "csv"
        query = ConvertOptions(target, self._conversion.options)
        try:
            written = write_all([merged], decoded(name), query, _Fixed(decoded(name)), outputs.opened, losses)
            tell(outcome, target, written, losses, None)
            outcome.notes += merged.changes
            for cutting in self._cutting.values():
                outcome.cut += cutting.tables()
            yield from (OutputItem(one.path, None, 0, one) for one in self._by_path.values() if one.problems)
            for made_name, made in outputs.made.items():
                outcome.outputs.append(encoded(made_name))
                with made.open("rb") as out:
                    yield OutputItem(encoded(made_name), out, made.stat().st_size, outcome)
        finally:
            outputs.clear()
            for _, file, _ in waiting:
                file.unlink()

    def _part(self, outcome: ItemOutcome, file: Path, source: str) -> MergePart:
        shown = printable(outcome.path)
        self._by_path[shown] = outcome

        @contextmanager
        def opened(losses: LossReport) -> Iterator[Sequence[Table]]:
            sheets = self._conversion.choice(source)
            tables = open_tables(file, source, losses, self._conversion.headers.of(outcome.source), sheets)
            outcome.problems = missing_sheets(outcome, sheets)
            rows = self._conversion.rows
            if rows is None:
                yield tables
                return
            # made anew at every opening: what the last one met is what is told
            cutting = self._cutting[shown] = RowCutter(rows, losses)
            change: Callable[[Table], Table] = cutting.change
            yield [change(table) for table in tables]
            outcome.problems += [Problem(outcome.path, "not-cut", why) for why in cutting.whole]

        plain = source == "csv" and self._conversion.rows is None
        csv = CsvFile(file, self._conversion.headers.of(outcome.source)) if plain else None
        return MergePart(shown, self._when(outcome), opened, csv)

    def _when(self, outcome: ItemOutcome) -> str:
        start, end = (self._items[name][outcome.row].as_py() for name in ("period_start", "period_end"))
        if start is None or end is None:
            return printable(outcome.path)
        return period_grammar.written(Period(micros(start), micros(end)), self._zone)

    def _failed(self, part: MergePart, error: StrongroomError, rows: int) -> None:
        outcome = self._by_path[part.source]
        kept = f"; {rows} of its rows are in the merged table" if rows else ""
        why = "it is not in the merged table" if isinstance(error, NoSuchSheet) else "it cannot be read as a table"
        outcome.problems.append(Problem(outcome.path, "not-merged", f"{why}: {error}{kept}"))


class _Fixed(OutputNames):
    """The one name that was asked for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def give(self, path: str, target: str, tables: Sequence[str]) -> list[str]:
        """That name."""
        return [self._name]


def _rank(start: int | None, path: bytes) -> tuple[bool, int, bytes]:
    return start is None, start or 0, path
