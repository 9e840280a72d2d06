"""A folder, for what is made out of items: temporary names, one sync a batch, renames, and nothing leaves the target, as for
everything else that is restored (see `restore.local_fs`)."""

from __future__ import annotations

from typing import IO

from restore.local_fs import Attributes, PendingFile, Target
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry
from vault.problems import Problem

PIECE = 4 * 1024 * 1024
COMMIT_FILES, COMMIT_BYTES = 1024, 256 * 1024 * 1024


class FolderSink:
    """Writes below a target, which has been prepared."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._writer = target.writer()
        self._folders: dict[bytes, Attributes] = {}
        self._files = self._bytes = 0

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """A folder; its time comes last."""
        problems = self._writer.make_folder(path)
        if not problems:
            self._folders[path] = entry.attributes
        return problems

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A link."""
        return self._writer.write_link(path, points_to, entry.attributes, replace=replace)

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file, piece by piece."""
        if item.content is None:
            return []
        begun = self._writer.begin(item.path, item.size, replace=replace)
        if isinstance(begun, Problem):
            return [begun]
        problems = _fill(begun, item.content, entry.attributes)
        self._files += 1
        self._bytes += item.size
        if self._files >= COMMIT_FILES or self._bytes >= COMMIT_BYTES:
            self._files = self._bytes = 0
            problems += self._writer.commit_ahead()
        return problems

    def finish(self) -> list[Problem]:
        """Bring everything to its names; then the folders' attributes."""
        return [*self._writer.commit(), *self._target.finish(self._folders.items())]


def _fill(pending: PendingFile, content: IO[bytes], attributes: Attributes) -> list[Problem]:
    at = 0
    while piece := content.read(PIECE):
        problem = pending.write_at(at, piece)
        if problem is not None:
            return [problem]
        at += len(piece)
    return pending.finish(attributes)
