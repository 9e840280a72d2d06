"""A folder of this machine as a source: the first implementation of `vault.source.contract`.

Its parts are `scan`, `patterns`, `reader`, `attributes` and `folder_descent`. Its files are read by worker processes where
there are many: see `vault.backup.worker_processes`.
"""

from __future__ import annotations

from msgspec import Struct

from vault.coverage import Coverage, CoveredEntity
from vault.progress import Stop, never
from vault.source.contract import Scan, ScanColumn
from vault.source.patterns import Rules
from vault.source.reader import Reader
from vault.source.scan import NOWHERE, ScanBounds, scan

ENTITIES = (CoveredEntity("files"), CoveredEntity("folders"), CoveredEntity("symbolic links"))
"""With all that a file system has of each: content, mode, owner, group, time of modification, extended attributes."""


class FolderSource(Struct, frozen=True):
    """A folder that is backed up.

    - `path`: of the folder
    - `prefix`: what the paths of its items begin with
    - `rules`, `bounds`: what is left out
    - `ignored`: columns that do not count as a change
    """

    path: bytes
    prefix: bytes
    rules: Rules
    bounds: ScanBounds = NOWHERE
    ignored: frozenset[ScanColumn] = frozenset()

    def scan(self, stop: Stop) -> Scan:
        """See `vault.source.scan.scan`."""
        return self.described(scan(self.path, self.prefix, self.rules, stop=stop, bounds=self.bounds))

    def described(self, found: Scan) -> Scan:
        """A scan of this folder, with what the source says of itself."""
        found.ignored = self.ignored
        found.coverage = Coverage("folder", ENTITIES, tuple(self._gaps(found)))
        return found

    def reader(self, stop: Stop = never) -> Reader:
        """Raises `SourceError` where the folder cannot be opened. stop: nothing here waits."""
        del stop
        return Reader(self.path, self.prefix)

    def close(self) -> None:
        """Nothing is left open."""

    def _gaps(self, found: Scan) -> list[str]:
        gaps = []
        if self.rules.patterned:
            gaps.append("what the patterns of the settings leave out is not kept")
        if found.skipped:
            kinds = sorted({one.what for one in found.skipped})
            gaps.append(f"some items are not kept: {', '.join(kinds)}")
        if found.problems:
            gaps.append("some items could not be looked at: see the problems of this snapshot")
        return gaps
