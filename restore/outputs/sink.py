"""Where things go to, one after another, in the order of their paths: an archive, a bucket, a folder, a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from restore.execution.row_view import Rows
from restore.local_fs import Attributes
from restore.outputs.output_item import OutputItem
from vault.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa


class OutputEntry(NamedTuple):
    """What belongs to an item beside its content. owner, group: names, where they are known · digest: BLAKE3 of a file that is
    given as it is."""

    attributes: Attributes
    owner: str | None = None
    group: str | None = None
    digest: bytes | None = None


class OutputSink(Protocol):
    """Takes things. replace: something stands there whose place it takes; where nothing can stand, nothing follows from it.

    Problems come as a list: the item was left out, or lacks something; `attributes` means the latter.
    """

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """A folder, before what lies in it."""
        ...

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A symbolic link."""
        ...

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file; its content is read to the end. Raises `TargetError`, `StorageError` where no other could be given either."""
        ...

    def finish(self) -> list[Problem]:
        """Nothing more comes."""
        ...


class Entries:
    """The entries of the items of a plan."""

    def __init__(self, items: pa.Table) -> None:
        self._items = items
        self._rows = Rows(items)

    def of(self, row: int) -> OutputEntry:
        """Of an item that is given as it is."""
        owner, group, digest = (self._items[name][row].as_py() for name in ("owner", "group", "blake3"))
        return OutputEntry(self._rows.attributes(row), owner, group, digest)

    def of_made(self, row: int) -> OutputEntry:
        """Of what was made out of an item."""
        attributes = self._rows.attributes(row)
        return OutputEntry(Attributes(mode=attributes.mode, mtime_ns=attributes.mtime_ns))

    def newest(self) -> OutputEntry:
        """Of what was made out of many items."""
        newest = max((self._rows.mtime_ns(row) for row in range(len(self._rows))), default=0)
        return OutputEntry(Attributes(mode=0o644, mtime_ns=newest))
