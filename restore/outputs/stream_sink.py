"""One file to a stream: standard output, or a file of its own."""

from __future__ import annotations

import shutil
from typing import BinaryIO

from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.errors import UsageError
from vault.problems import Problem, printable

PIECE = 1024 * 1024


class StreamSink:
    """Takes one file. out: stays open · bytes: written."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.files = 0

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """Nothing: a stream has no place for it."""
        return []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Cannot be."""
        return [Problem(path, "not-carried", f"it is a link; it points to {printable(points_to)}")]

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Its content. Raises `UsageError` for a second one, and where an item has become several files."""
        outputs = item.outcome.outputs
        if len(outputs) > 1 or self.files:
            some = ", ".join(printable(path) for path in outputs[:5])
            raise UsageError(
                f"there is more than one file to write ({some}, …)",
                hint="use a format that holds several tables (xlsx, ods, sqlite, json), or restore to a folder or an archive",
            )
        self.files += 1
        if item.content is not None:
            shutil.copyfileobj(item.content, self._out, PIECE)
        return []

    def finish(self) -> list[Problem]:
        """Send what is buffered."""
        self._out.flush()
        return []
