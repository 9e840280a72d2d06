"""What a publication needs of the place that it is kept in: a folder, or the objects of a bucket."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from restore.outputs.sink import OutputSink
from restore.publishing.state import PublishedFile
from vault.problems import Problem


class StandingFile(Struct, frozen=True):
    """What stands under a name. size: bytes, -1 for what is no file · mtime_ns: nanoseconds since 1970, None where nobody
    knows."""

    size: int
    mtime_ns: int | None = None

    def looks_like(self, file: PublishedFile) -> bool:
        """Whether nobody has written to it since it was published, as far as can be told without reading it."""
        return self.size == file.size and (self.mtime_ns is None or self.mtime_ns == file.mtime_ns)


class PublicationPlace(Protocol):
    """batch: so many small files are entered in the journal at once · mode: permission bits of files, once `begin` was called;
    None where there are none. Nothing is written before `begin`. All raise `TargetError` or `StorageError` where the place
    cannot be used."""

    batch: int
    mode: int | None

    def describe(self) -> str:
        """For people."""
        ...

    def look(self, names: Collection[bytes]) -> dict[bytes, StandingFile]:
        """What stands under those of the names where something does."""
        ...

    def has(self, file: PublishedFile) -> bool:
        """Whether this very content stands there."""
        ...

    def state(self) -> Iterator[bytes] | None:
        """The lines of the state; None where there is none."""
        ...

    def journal(self) -> Iterator[bytes]:
        """The lines of what interrupted runs have begun."""
        ...

    def begin(self) -> AbstractContextManager[None]:
        """Nobody else publishes there meanwhile, where that can be had. Raises `Busy`."""
        ...

    def note(self, lines: Sequence[bytes]) -> None:
        """Into the journal, before the files that they are about are written."""
        ...

    def sink(self) -> AbstractContextManager[OutputSink]:
        """Takes files; each stands under its name as a whole, or not at all."""
        ...

    def remove(self, names: Iterable[bytes]) -> list[Problem]:
        """Delete files, and folders that have become empty by it."""
        ...

    def settle(self, lines: Iterable[bytes]) -> None:
        """Write the state, as a whole, and then empty the journal."""
        ...
