"""What stands at the target where items of a plan shall be, and what the person wants done about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from restore.existing import Existing
from restore.place import Place
from restore.rows import Rows
from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something stands in an item's way. standing: `file`, `folder`, `link`, `other`, `blocked` ·
    solvable: whether a policy other than refusing and skipping can deal with it."""

    path: bytes
    standing: str
    solvable: bool


class Way:
    """What stands in the way of each item, and what to do about it."""

    def __init__(self, target: Place, items: pa.Table, standing: dict[bytes, str], existing: Existing, today: date) -> None:
        self._target = target
        self._items = items
        self._standing = standing
        self._existing = existing
        self._today = today
        self.left_out: set[int] = set()
        self.renamed: dict[int, bytes] = {}
        self.replacing: set[int] = set()
        self.conflicts: list[Conflict] = []
        self.skipped = 0
        self.newer = 0
        self.already_there = 0
        self._modified = target.modified(standing) if existing is Existing.NEWER else {}

    def look(self) -> None:
        """Row by row, but only where something stands."""
        if not self._standing:
            return
        rows, types = Rows(self._items), self._items["type"].to_pylist()
        for row in range(len(rows)):
            standing = self._standing.get(rows.path(row))
            if standing is not None and not (types[row] == manifest.FOLDER == standing):
                self._meet(row, rows, types[row], standing)

    def _meet(self, row: int, rows: Rows, wanted: str, standing: str) -> None:
        path = rows.path(row)
        if standing == wanted and self._is_same(row, rows, wanted):
            self.left_out.add(row)
            self.already_there += 1
            return
        solvable = standing in ("file", "link") and wanted != manifest.FOLDER
        if self._existing is Existing.SKIP:
            self.left_out.add(row)
            self.skipped += 1
        elif self._existing is Existing.KEEP_BOTH and standing != "blocked" and wanted != manifest.FOLDER:
            taken = set(self.renamed.values())
            self.renamed[row] = self._target.free_name(path, self._today, taken=taken)
        elif self._existing is Existing.NEWER and solvable and self._modified.get(path, 0) >= rows.mtime_ns(row):
            self.left_out.add(row)
            self.newer += 1
        elif self._existing in (Existing.REPLACE, Existing.NEWER) and solvable:
            self.replacing.add(row)
        else:
            self.conflicts.append(Conflict(path, standing, solvable))

    def _is_same(self, row: int, rows: Rows, wanted: str) -> bool:
        if wanted == manifest.LINK:
            points_to: bytes | None = self._items["link_target"][row].as_py()
            return self._target.link_points_to(rows.path(row)) == points_to
        digest = self._items["blake3"][row].as_py()
        return self._target.holds(rows.path(row), rows.size[row], rows.mtime_ns(row), digest)
