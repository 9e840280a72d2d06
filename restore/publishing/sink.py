"""A sink before that of the place: nothing is written that the journal does not know, and nothing that somebody else has
written is replaced."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, NamedTuple

from blake3 import blake3

from restore.local_fs import Attributes
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry, OutputSink
from restore.publishing.changes import CHANGED_BY_OTHERS, NOT_OURS, OwnFiles
from restore.publishing.place import PublicationPlace
from restore.publishing.state import LineSigner, PublishedFile, begin_line, is_too_much
from vault.problems import Problem, printable

PIECE = 4 * 1024 * 1024
SMALL = 1024 * 1024
"""Bytes; larger files are entered in the journal one by one."""


class _Waiting(NamedTuple):
    item: OutputItem
    entry: OutputEntry
    line: bytes
    replace: bool


class PublicationSink:
    """written: the files that stand there now as they should, by name · unchanged: how many of them stood there already ·
    refused: names under which something else stays. tokens: of the items, by path · adopt: files of others are replaced."""

    def __init__(
        self, place: PublicationPlace, sink: OutputSink, own: OwnFiles, tokens: Mapping[bytes, str], signer: LineSigner
    ) -> None:
        self._place = place
        self._sink = sink
        self._own = own
        self._tokens = tokens
        self._signer = signer
        self._waiting: list[_Waiting] = []
        self.adopt = False
        self.written: dict[bytes, PublishedFile] = {}
        self.unchanged: set[bytes] = set()
        self.refused: set[bytes] = set()

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """Nothing: folders come with their files."""
        return []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Nothing: only files are selected."""
        return []

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file, unless it stands there already, or something else does."""
        if item.content is None:
            return []
        if is_too_much(item.outcome.outputs):
            return [Problem(item.path, "not-carried", f"{printable(item.outcome.path)} becomes too many files")]
        attributes = Attributes(mode=self._place.mode, mtime_ns=entry.attributes.mtime_ns)
        digest = entry.digest or _digest(item.content)
        file = PublishedFile(item.path, item.size, digest, attributes.mtime_ns)
        standing = self._own.look(item.path)
        if standing is not None:
            if not self.adopt and not self._own.is_own(item.path):
                self.refused.add(item.path)
                is_ours = item.path in self._own.versions
                message = CHANGED_BY_OTHERS if is_ours else NOT_OURS
                return [Problem(item.path, "changed-by-others" if is_ours else "exists", message)]
            if standing.size == file.size and self._place.has(file):
                self.written[item.path] = PublishedFile(item.path, item.size, digest, standing.mtime_ns)
                self.unchanged.add(item.path)
                return []
        line = begin_line(item.outcome.path, self._tokens[item.outcome.path], item.outcome.outputs, file, self._signer)
        self.written[item.path] = file
        waiting = _Waiting(item, OutputEntry(attributes, digest=digest), line, standing is not None)
        if self._place.batch == 1 or item.size > SMALL:
            return [*self._flush(), *self._write([waiting])]
        content = io.BytesIO(item.content.read())
        self._waiting.append(waiting._replace(item=item._replace(content=content)))
        return self._flush() if len(self._waiting) >= self._place.batch else []

    def finish(self) -> list[Problem]:
        """Nothing more comes."""
        return self._without_failed([*self._flush(), *self._sink.finish()])

    def _flush(self) -> list[Problem]:
        waiting, self._waiting = self._waiting, []
        return self._write(waiting)

    def _write(self, waiting: list[_Waiting]) -> list[Problem]:
        if not waiting:
            return []
        self._place.note([one.line for one in waiting])
        problems: list[Problem] = []
        for one in waiting:
            problems += self._sink.file(one.item, one.entry, replace=one.replace)
        return self._without_failed(problems)

    def _without_failed(self, problems: list[Problem]) -> list[Problem]:
        for problem in problems:
            if problem.what != "attributes":
                self.written.pop(problem.path, None)
        return problems


def _digest(content: IO[bytes]) -> bytes:
    """Of a content that is open at its start, and is so afterwards."""
    seen = blake3()
    while piece := content.read(PIECE):
        seen.update(piece)
    content.seek(0)
    return seen.digest()
