"""Contents in the order of the items, each as the file that was asked for: tables converted, everything else as it is.

    contents (`ordered_reader`) -> a private file -> tables -> perhaps cut to a period -> files of the format -> given out

An item is converted as a whole before anything of it is given: a workbook that breaks off in its third sheet is not given by
halves.
What cannot be read as the table that it seemed to be is given as it is, with a problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from msgspec.structs import replace

from classify.format import HEAD, sniff
from restore.outputs.conversion import Conversion, DeletedParts, RowCutter
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.scratch_dir import new_file, put_down
from restore.tables.convert import ConversionResult, ConvertOptions, convert
from restore.tables.formats import read_as
from restore.tables.loss_report import LossReport
from restore.tables.output_names import OutputNames
from restore.tables.registry import ITEM_ERRORS
from restore.tables.sheet_choice import SheetChoice
from vault.errors import Damaged, StrongroomError
from vault.format import manifest
from vault.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

Contents = Iterable[tuple[int, IO[bytes] | StrongroomError]]
"""As `restore.execution.ordered_reader.contents` gives them: rows of the items, each with its content or why it cannot be had.
"""

NOT_A_TABLE = "not a table: given as it is"


def as_they_are(items: pa.Table, contents: Contents) -> Iterator[OutputItem]:
    """Every file as it is; for one that cannot be had, a `OutputItem` without content."""
    about = ItemFacts(items)
    for row, content in contents:
        outcome = about.outcome(row)
        yield lost(outcome, content) if isinstance(content, StrongroomError) else about.as_it_is(outcome, content)


def convert_items(
    items: pa.Table, contents: Contents, conversion: Conversion, scratch: Path, taken: Iterable[bytes] = ()
) -> Iterator[OutputItem]:
    """Every file as `conversion` wants it. scratch: a private folder · taken: names that nothing may get. Raises `TargetError`
    where the folder takes no more."""
    about = ItemFacts(items)
    names = UniqueNames(about.kept(conversion), taken)
    for row, content in contents:
        outcome = about.outcome(row)
        if isinstance(content, StrongroomError):
            yield lost(outcome, content)
            continue
        outcome.format = outcome.format or format_of(content, outcome.path)
        source = conversion.source_of(outcome.format)
        if source is None:
            outcome.notes += [] if read_as(outcome.format) else [NOT_A_TABLE]
            names.keep(outcome)
            yield about.as_it_is(outcome, content)
            continue
        own = with_deleted(conversion, outcome, about.deleted_at(row), scratch)
        yield from _converted(outcome, source, (content, about.size(row)), own, (names, scratch))


def _converted(
    outcome: ItemOutcome, source: str, item: tuple[IO[bytes], int], conversion: Conversion, place: tuple[UniqueNames, Path]
) -> Iterator[OutputItem]:
    content, size = item
    names, scratch = place
    file = put_down(content, scratch / "item")
    outputs = Outputs(scratch)
    try:
        try:
            _convert(file, outcome, source, conversion, names, outputs)
        except ITEM_ERRORS as error:
            outcome.problems.append(Problem(outcome.path, "not-converted", f"it is given as it is: {error}"))
            names.keep(outcome)
            content.seek(0)
            yield OutputItem(outcome.outputs[-1], content, size, outcome)
            return
        for name, made in outputs.made.items():
            with made.open("rb") as out:
                yield OutputItem(encoded(name), out, made.stat().st_size, outcome)
    finally:
        outputs.clear()
        file.unlink()


def _convert(
    file: Path, outcome: ItemOutcome, source: str, conversion: Conversion, names: UniqueNames, outputs: Outputs
) -> None:
    losses = LossReport()
    cutting = None if conversion.rows is None else RowCutter(conversion.rows, losses)
    target = conversion.target or source
    header = conversion.headers.of(outcome.source)
    sheets = conversion.choice(source)
    query = ConvertOptions(target, conversion.options, conversion.change(cutting), header, sheets)
    written = convert(file, source, decoded(outcome.path), query, names.converted, outputs.opened, losses)
    tell(outcome, target, written, losses, cutting)
    outcome.problems += missing_sheets(outcome, sheets)
    outcome.outputs = [encoded(one.name) for one in written]
    names.taken.update(one.name.casefold() for one in written)


def with_deleted(conversion: Conversion, outcome: ItemOutcome, deleted_at: datetime | None, scratch: Path) -> Conversion:
    """The conversion, with what is gone of an item, where that is asked for. deleted_at: when the source no longer had the item
    itself."""
    known = conversion.deleted_rows
    if conversion.deleted_columns is None:
        return conversion
    seen_at, rows = None, None
    if known is not None:
        seen_at = None if deleted_at is None else known.seen_at(outcome.source, outcome.path)
        try:
            rows = known.rows(outcome.source, outcome.path, scratch)
        except Damaged as error:
            message = f"what is gone from it is not known: {error}; its rows of deleted records are left out"
            outcome.problems.append(Problem(outcome.path, "not-read", message))
    return replace(conversion, deleted=DeletedParts(deleted_at, seen_at, rows))


def tell(
    outcome: ItemOutcome, target: str, written: Sequence[ConversionResult], losses: LossReport, cutting: RowCutter | None
) -> None:
    """Enter what a conversion did."""
    outcome.target = target
    outcome.tables = [table for one in written for table in one.tables]
    outcome.losses = losses.all()
    outcome.guesses = losses.notes()
    if cutting is not None:
        outcome.cut = cutting.tables()
        outcome.problems += [Problem(outcome.path, "not-cut", why) for why in cutting.whole]


def missing_sheets(outcome: ItemOutcome, sheets: SheetChoice | None) -> list[Problem]:
    """What an item lacks of the sheets that were asked for, where it has others of them."""
    return [Problem(outcome.path, "no-such-sheet", why) for why in (sheets.missing if sheets is not None else ())]


class ItemFacts:
    """What a manifest says of the items, for telling what became of them."""

    def __init__(self, items: pa.Table) -> None:
        self._items = items

    def outcome(self, row: int) -> ItemOutcome:
        """Of an item that nothing has become of yet."""
        path, format_, source = (self._items[name][row].as_py() for name in ("path", "format", "source"))
        return ItemOutcome(row, path, format_, source)

    def size(self, row: int) -> int:
        """Bytes."""
        size: int = self._items["size"][row].as_py()
        return size

    def deleted_at(self, row: int) -> datetime | None:
        """When its source no longer had it; None while it has."""
        found: datetime | None = self._items["vanished_at"][row].as_py()
        return found

    def as_it_is(self, outcome: ItemOutcome, content: IO[bytes]) -> OutputItem:
        """Give an item as it is."""
        if not outcome.outputs:
            outcome.outputs = [outcome.path]
        return OutputItem(outcome.outputs[-1], content, self.size(outcome.row), outcome)

    def kept(self, conversion: Conversion) -> list[bytes]:
        """The paths of what will be given as it is, as far as the manifest tells."""
        import pyarrow.compute as pc

        table = self._items.select(["path", "format", "type"])
        formats = [one for one in table["format"].unique().to_pylist() if one and conversion.source_of(one) is None]
        named = pc.is_in(table["format"], value_set=_texts(formats))
        other = pc.not_equal(table["type"], manifest.FILE)
        paths: list[bytes] = table["path"].filter(pc.or_(named, other)).to_pylist()
        return paths


class UniqueNames:
    """Names for what is given, none twice. kept: of what is given as it is · taken: names that nothing may get · converted:
    makes those of what is converted."""

    def __init__(self, kept: Iterable[bytes], taken: Iterable[bytes] = ()) -> None:
        self.converted = OutputNames()
        self.taken = {self.converted.take(decoded(path)).casefold() for path in taken}
        self._kept = {self.converted.take(decoded(path)) for path in kept}

    def keep(self, outcome: ItemOutcome) -> None:
        """Settle the name of an item that is given as it is: its own, unless a converted one has that by now."""
        name = decoded(outcome.path)
        if name not in self._kept:
            while name.casefold() in self.taken:
                name += ".original"
            self.converted.take(name)
            self.taken.add(name.casefold())
        outcome.outputs = [encoded(name)]


class Outputs:
    """Files that a conversion writes, by their names, in a private folder until they are given."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self.made: dict[str, Path] = {}

    def opened(self, name: str) -> AbstractContextManager[BinaryIO]:
        """As `restore.tables.convert` wants it."""
        return self._open(name)

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        path = self._scratch / f"out-{len(self.made)}"
        self.made[name] = path
        with new_file(path) as file:
            yield file

    def clear(self) -> None:
        """They have been given, or are not whole."""
        for path in self.made.values():
            path.unlink(missing_ok=True)


def lost(outcome: ItemOutcome, error: StrongroomError) -> OutputItem:
    """An item whose content cannot be had."""
    outcome.problems.append(Problem(outcome.path, "damaged", f"its content cannot be restored: {error}"))
    return OutputItem(outcome.path, None, 0, outcome)


def format_of(content: IO[bytes], path: bytes) -> str | None:
    """By its content, where the manifest does not know it."""
    head = content.read(HEAD)
    size = content.seek(0, 2)
    content.seek(0)
    return sniff(head, size=size, name=path.rpartition(b"/")[2])


def decoded(path: bytes) -> str:
    """A path as text that can be turned back."""
    return path.decode("utf-8", "surrogateescape")


def encoded(path: str) -> bytes:
    """And back."""
    return path.encode("utf-8", "surrogateescape")


def _texts(values: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string())
