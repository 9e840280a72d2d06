"""Items on their way into a bag: named, compared with the manifest's checksum, hashed, and passed on.

Folders and links have no place in a bag; the report tells of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, NamedTuple

from blake3 import blake3

from restore.export import schemas
from restore.export.payload_names import BagNames
from restore.local_fs import Attributes
from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry, OutputSink
from vault.problems import Problem

PIECE = 4 * 1024 * 1024


class Payload(NamedTuple):
    """A file of the bag. file: its path there · path: that of a restore · row: of the items, -1 for a merged table ·
    sha256: hexadecimal."""

    file: str
    path: bytes
    row: int
    size: int
    sha256: str


class BagSink:
    """A sink before another one. base: what the bag's paths begin with there · payload: what is in the bag, by path there."""

    def __init__(self, inner: OutputSink, base: str, scratch: Path) -> None:
        self._inner = inner
        self._base = base
        self._scratch = scratch
        self._names = BagNames()
        self.payload: dict[bytes, Payload] = {}

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        """Told in the report."""
        return []

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """Told in the report."""
        return []

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        """A file below `data/`; one that is not what the snapshot's manifest says is left out."""
        if item.content is None:
            return []
        outcome = item.outcome
        sha256, digest = digests(item.content)
        if outcome.target is None and entry.digest is not None and digest != entry.digest:
            problem = Problem(outcome.path, "damaged", "its content is not what the snapshot recorded; it was left out")
            outcome.problems.append(problem)
            return [problem]
        if outcome.target is None:
            schemas.look(item, self._scratch)
        name = self._names.of(item.path)
        place = (self._base + name).encode()
        self.payload[place] = Payload(name, item.path, outcome.row, item.size, sha256)
        return self._without(self._inner.file(item._replace(path=place), _plain(entry)))

    def finish(self) -> list[Problem]:
        """Bring everything to its names."""
        return self._without(self._inner.finish())

    def _without(self, problems: list[Problem]) -> list[Problem]:
        """The problems; what they keep out of the bag must not be in its manifest either."""
        for problem in problems:
            if problem.what != "attributes":
                self.payload.pop(problem.path, None)
        return problems


def digests(content: IO[bytes]) -> tuple[str, bytes]:
    """SHA-256 and BLAKE3 of a content, which is at its start before and after."""
    sha256, other = hashlib.sha256(), blake3()
    while piece := content.read(PIECE):
        sha256.update(piece)
        other.update(piece)
    content.seek(0)
    return sha256.hexdigest(), other.digest()


def _plain(entry: OutputEntry) -> OutputEntry:
    """Times, and permissions that let a bag be read: owners and the like are told in no bag."""
    mode = entry.attributes.mode
    readable = 0o644 if mode is None else mode & 0o666 | 0o400
    return OutputEntry(Attributes(mode=readable, mtime_ns=entry.attributes.mtime_ns))
