"""What the readers of all databases have in common: partitions are Parquet that is made while it is read, schemas are texts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Generic, TypeVar

from vault.problems import Problem
from vault.source.attributes import NOTHING
from vault.source.contract import UNKNOWN_SIZE, Content, TooLarge
from vault.source.item_list import ListedItem
from vault.source.streams import SequentialStream, StreamReader

Part = TypeVar("Part")


class TableReader(StreamReader, Generic[Part]):
    """Reads what a scan of a database has found, by paths that are relative to the source.

    - `texts`: items whose content is at hand
    - `parts`: partitions of tables
    - `item`: one as the scan lists it
    - `pieces`: the Parquet file of one
    """

    reopens = False

    def __init__(
        self,
        prefix: bytes,
        texts: Mapping[bytes, bytes],
        parts: Mapping[bytes, Part],
        item: Callable[[Part], ListedItem],
        pieces: Callable[[Part], Generator[bytes, None, None]],
    ) -> None:
        super().__init__(prefix)
        self._texts = texts
        self._parts = parts
        self._item = item
        self._pieces = pieces

    def open_large(self, path: bytes) -> SequentialStream | Problem:
        """A partition as Parquet, made while it is read; a schema as it is."""
        relative = self._relative(path)
        text = self._texts.get(relative)
        if text is not None:
            return SequentialStream(path, ListedItem(relative, len(text), 0, text).status(), lambda: _one(text))
        part = self._parts.get(relative)
        if part is None:
            return Problem(path, "vanished-while-read", "the database has no such table or period")
        return SequentialStream(path, self._item(part).status(), lambda: self._pieces(part))

    def _content(self, path: bytes, limit: int) -> Content | TooLarge | Problem:
        """Partitions are made by the thread that asks for them as streams: a database's transaction is one."""
        text = self._texts.get(self._relative(path))
        if text is not None and len(text) <= limit:
            return Content(text, ListedItem(b"", len(text), 0, text).status(), NOTHING)
        if text is None and self._relative(path) not in self._parts:
            return Problem(path, "vanished-while-read", "the database has no such table or period")
        return TooLarge(ListedItem(b"", UNKNOWN_SIZE, 0).status())


def _one(text: bytes) -> Generator[bytes, None, None]:
    yield text
