"""The records of selected items, and what belongs to them in the same snapshot: attachments, dictionaries. Plain contents
wait in a private folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from restore.interfaces.attached import NotInSnapshot
from vault.errors import Damaged, StrongroomError, TargetError, UsageError
from vault.format import manifest
from vault.progress import Stop
from vault.source.rest import exact_json
from vault.source.rest.attachments import FOLDER

if TYPE_CHECKING:
    import pyarrow as pa

    from strongroom.context import Context
    from strongroom.selection import SelectedItems
    from vault.repository.pack_reader import PackReader
    from vault.source.rest.description import Resource

PIECE = 1 << 20
LONGEST_LINE = 256 << 20
_LINES = b".jsonl"


class _Item(NamedTuple):
    """A file of records. row: of the table it is from."""

    resource: str
    row: int


class SnapshotRecords:
    """See this module's text. A `restore.interfaces.plan.RecordSource`."""

    def __init__(self, context: Context, selected: SelectedItems, folder: Path, stop: Stop) -> None:
        """Raises `UsageError` where the items are of several sources, or of several versions."""
        del context
        self._selected, self._folder, self._stop = selected, folder, stop
        self._files: dict[str, list[Path]] = {}
        self._dictionaries: dict[str, list[Path]] = {}
        self._others: pa.Table | None = None
        self._places: dict[bytes, int] = {}
        self._reader: PackReader | None = None
        self.source = self._one_source()
        self._staged()

    def resources(self) -> list[str]:
        """See `RecordSource`."""
        return list(self._files)

    def records(self, resource: str) -> Iterator[dict[str, Any]]:
        """See `RecordSource`."""
        yield from _records_in(self._files.get(resource, []))

    def dictionary(self, resource: str) -> Iterator[dict[str, Any]]:
        """See `RecordSource`."""
        if resource not in self._dictionaries:
            rows = [row for path, row in self._all().items() if resource_of(path) == resource]
            self._dictionaries[resource] = [self._put_down(self._whole, row, f"all-{row}") for row in rows]
        yield from _records_in(self._dictionaries[resource])

    def names(self, resource: str, known: Resource | None, by: str) -> dict[str, str]:
        """The names of a dictionary by keys. by: pointer to the name."""
        key = "id" if known is None else known.key
        found = {}
        for one in self.dictionary(resource):
            label, name = exact_json.as_text(exact_json.at(one, key)), exact_json.as_text(exact_json.at(one, by))
            if label and name:
                found[label] = name
        return found

    def fetch(self, resource: str, path: str, most: int) -> bytes:
        """See `RecordSource`."""
        below = f"{resource}/{FOLDER}/{path}".encode("utf-8", "surrogateescape")
        row = self._all().get(below)
        if row is None:
            raise NotInSnapshot("the snapshot does not have it")
        if self._whole["size"][row].as_py() > most:
            raise NotInSnapshot("it is too large to be sent at once")
        try:
            for content in self._contents(self._whole, row):
                return content.read()
        except StrongroomError as error:
            raise NotInSnapshot(str(error)) from error
        raise NotInSnapshot("the snapshot does not have it")

    def _one_source(self) -> str:
        table = self._selected.selection.table
        names = sorted(set(table["source"].unique().to_pylist()))
        if len(names) > 1:
            raise UsageError(f"these records are of several sources: {', '.join(names)}", hint="choose one with --source NAME")
        if self._selected.options.versions != 1:
            raise UsageError("--versions is for files: a record is created once", hint="choose a moment with --at or --before")
        return str(names[0])

    def _staged(self) -> None:
        table = self._selected.selection.table
        files = zip(table["path"].to_pylist(), table["type"].to_pylist(), strict=True)
        items = [
            _Item(name, row)
            for row, (path, kind) in enumerate(files)
            if kind == manifest.FILE and (name := resource_of(path.partition(b"/")[2]))
        ]
        for resource, row in items:
            self._stop()
            self._files.setdefault(resource, []).append(self._put_down(table, row, f"item-{row}"))

    @property
    def _whole(self) -> pa.Table:
        """All rows of the snapshot that the records are from."""
        if self._others is None:
            import pyarrow as pa
            import pyarrow.compute as pc

            from vault.repository import snapshots
            from vault.repository.catalog_chunks import MetaReader

            selection = self._selected.selection
            reader = MetaReader(selection.project, selection.index)
            tables = [snapshots.read_manifest(reader, one) for one in selection.records if one.source == self.source]
            whole = pa.concat_tables(tables)
            self._others = whole.filter(pc.equal(whole["type"], manifest.FILE))
        return self._others

    def _all(self) -> dict[bytes, int]:
        """Rows of the whole snapshot by path in its source."""
        if not self._places:
            self._places = {path.partition(b"/")[2]: row for row, path in enumerate(self._whole["path"].to_pylist())}
        return self._places

    def _put_down(self, table: pa.Table, row: int, name: str) -> Path:
        file = self._folder / name
        try:
            with file.open("wb") as out:
                for content in self._contents(table, row):
                    shutil.copyfileobj(content, out, PIECE)
        except OSError as error:
            hint = "free some room, or set TMPDIR to a folder that has it"
            raise TargetError(f"there is no room for temporary files: {error.strerror}", hint=hint) from error
        return file

    def _contents(self, table: pa.Table, row: int) -> Iterator[IO[bytes]]:
        """Of one file, open at its start until the next is asked for. Raises `StrongroomError` where it cannot be had."""
        from restore.execution.ordered_reader import contents
        from restore.planning.chunk_locations import locate_standing
        from vault.repository.pack_reader import PackReader

        selection, one = self._selected.selection, table.slice(row, 1)
        self._reader = self._reader or PackReader(selection.project, selection.index)
        references, _ = locate_standing(selection.project, one, selection.index, self._reader)
        for _, content in contents(one, references, self._reader, self._stop, self._folder):
            if isinstance(content, StrongroomError):
                raise content
            yield content


def resource_of(path: bytes) -> str | None:
    """The sort of records that an item has, by its path in its source: `tickets/2024-05.jsonl`; None for another item."""
    name, _, below = path.partition(b"/")
    if not path.endswith(_LINES) or b"/" in below:
        return None
    return (name if below else name.removesuffix(_LINES)).decode("utf-8", "replace")


def _records_in(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        with file.open("rb") as opened:
            number = 0
            while line := opened.readline(LONGEST_LINE + 1):
                number += 1
                try:
                    found = exact_json.parse(line) if len(line) <= LONGEST_LINE else None
                except exact_json.NotJson:
                    found = None
                if not isinstance(found, dict):
                    raise Damaged(f"line {number} of an item is no record", hint="is it of a REST interface?")
                yield found
