"""What stands at the target where items of a plan shall be, and what the person wants done about it.

content        attributes    refuse, keep-both      skip           newer                          replace
the same       the same      there already          the same       the same                       the same
the same       other ones    stays, a problem       skipped        set, unless it is newer        set
another one                  in the way; beside     skipped        replaced, unless it is newer   replaced

What is newer and has another content stays, and is a problem: after a mishap everything at the source is newer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from restore.execution.row_view import Rows
from restore.local_fs import FreeNames, Inspection
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.destination import Destination
from vault.format import manifest
from vault.problems import Problem, printable

if TYPE_CHECKING:
    import pyarrow as pa

_SETTING = (ConflictPolicy.REPLACE, ConflictPolicy.NEWER)


_STANDING = {
    "other": "something that is no file, folder or link is in the way",
    "blocked": "a folder above it cannot be entered, or is no folder",
}


class Conflict(Struct, frozen=True):
    """Something stands in an item's way. standing: `file`, `folder`, `link`, `other`, `blocked` · solvable: whether it can be
    replaced · beside: whether the item can be kept beside it."""

    path: bytes
    standing: str
    solvable: bool
    beside: bool

    @property
    def message(self) -> str:
        """What stands there, in words."""
        return _STANDING.get(self.standing, f"a {self.standing} is in the way")


def policies_for(conflicts: Sequence[Conflict]) -> str:
    """The policies that deal with all of these, for a hint."""
    found = [ConflictPolicy.SKIP]
    if all(one.solvable for one in conflicts):
        found += [ConflictPolicy.NEWER, ConflictPolicy.REPLACE]
    if all(one.beside for one in conflicts):
        found.append(ConflictPolicy.KEEP_BOTH)
    *first, last = (one.value for one in found)
    return f"{', '.join(first)} or {last}" if first else last


class KeptItem(Struct, frozen=True):
    """What stays as it stands though it is not what the snapshot has. why: `skipped` (something else stands there), `newer`
    (another content), `attributes` (the same content, other attributes) or `newer-attributes` (the same, and it is newer) ·
    differing: which, in words · asked: that it stays is what the person asked for."""

    path: bytes
    why: str
    differing: tuple[str, ...] = ()
    asked: bool = False

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = {"path": printable(self.path), "what": self.why, "why": self.why, "message": self.message}
        return {**found, "differing": list(self.differing)}

    @property
    def message(self) -> str:
        """Why it stays, in words."""
        match self.why:
            case "skipped":
                return "something else stands there, which stays (--existing replace restores this version)"
            case "newer":
                return "what stands there is newer and has another content; it stays (--existing replace restores this version)"
        sets = "(--existing replace sets what the snapshot has)"
        newer = ", and is newer" if self.why == "newer-attributes" else ""
        return f"it is there with another {', '.join(self.differing)}{newer} {sets}"

    def problem(self) -> Problem | None:
        """For the report; None where the person asked for it."""
        if self.asked:
            return None
        return Problem(self.path, self.why, self.message)


class ConflictResolver:
    """What stands in the way of each item, and what to do about it, by rows of the items.

    left_out: not written · replacing: takes the place of something · renamed: gets another name · repairing: the content is
    there, attributes are set · kept: folders that stand and keep what they have, with their times · same: what is there as it
    should be · verified: the same, or will be once its attributes are set."""

    def __init__(self, target: Destination, items: pa.Table, existing: ConflictPolicy, today: date) -> None:
        self._target = target
        self._items = items
        self._rows = Rows(items)
        self._existing = existing
        self._today = today
        self._names: FreeNames | None = None
        self.left_out: set[int] = set()
        self.renamed: dict[int, bytes] = {}
        self.replacing: set[int] = set()
        self.repairing: list[int] = []
        self.folders_repaired = 0
        self.kept: dict[int, int] = {}
        self.same: list[int] = []
        self.verified: list[int] = []
        self.conflicts: list[Conflict] = []
        self.left: list[KeptItem] = []
        self.skipped = 0
        self.newer = 0
        self.already_there = 0

    def look(self, standing: dict[bytes, str]) -> None:
        """Row by row, but only where something stands. standing: of `Destination.existing`."""
        if not standing:
            return
        rows, types = self._rows, self._items["type"].to_pylist()
        there = [row for row in range(len(rows)) if rows.path(row) in standing]
        asked = self._existing is ConflictPolicy.NEWER
        modified = self._target.modified(rows.path(row) for row in there if asked or types[row] == manifest.FOLDER)
        alike = [row for row in there if standing[rows.path(row)] == types[row]]
        found = self._target.compare(rows.item(row) for row in alike)
        answers = dict(zip(alike, found, strict=True))
        for row in there:
            path, answer = rows.path(row), answers.get(row, Inspection(same=False))
            is_newer = modified.get(path, 0) > rows.mtime_ns(row)
            if types[row] == manifest.FOLDER == standing[path]:
                if path in modified:  # else an interrupted run has made it
                    self._folder(row, answer, modified[path], is_newer=is_newer)
            elif answer.same:
                self._same(row, answer, is_newer=is_newer)
            else:
                self._another(row, types[row], standing[path], is_newer=is_newer)

    def _folder(self, row: int, found: Inspection, mtime_ns: int, *, is_newer: bool) -> None:
        if self._existing in _SETTING and not (self._existing is ConflictPolicy.NEWER and is_newer):
            self.folders_repaired += bool(found.differing)
            return
        self.kept[row] = mtime_ns
        if found.differing:
            self._leave(row, "newer-attributes" if self._existing is ConflictPolicy.NEWER else "attributes", found.differing)

    def _same(self, row: int, found: Inspection, *, is_newer: bool) -> None:
        self.left_out.add(row)
        if not found.differing:
            self.already_there += 1
            self.same.append(row)
            self.verified.append(row)
        elif self._existing in _SETTING and not (self._existing is ConflictPolicy.NEWER and is_newer):
            self.repairing.append(row)
            self.verified.append(row)
        elif self._existing is ConflictPolicy.NEWER:
            self.newer += 1
            self._leave(row, "newer-attributes", found.differing)
        elif self._existing is ConflictPolicy.SKIP:
            self.skipped += 1
            self._leave(row, "attributes", found.differing)
        else:
            self.already_there += 1
            self._leave(row, "attributes", found.differing)

    def _another(self, row: int, wanted: str, standing: str, *, is_newer: bool) -> None:
        path = self._rows.path(row)
        solvable = standing in ("file", "link") and wanted != manifest.FOLDER
        beside = standing != "blocked" and wanted != manifest.FOLDER
        if self._existing is ConflictPolicy.SKIP:
            self.left_out.add(row)
            self.skipped += 1
            self._leave(row, "skipped")
        elif self._existing is ConflictPolicy.KEEP_BOTH and beside:
            self.renamed[row] = self._free_names().beside(path)
        elif self._existing is ConflictPolicy.NEWER and solvable and is_newer:
            self.left_out.add(row)
            self.newer += 1
            self._leave(row, "newer")
        elif self._existing in _SETTING and solvable:
            self.replacing.add(row)
        else:
            self.conflicts.append(Conflict(path, standing, solvable, beside))

    def _leave(self, row: int, why: str, differing: tuple[str, ...] = ()) -> None:
        asked = self._existing is ConflictPolicy.SKIP or why == "newer-attributes"
        self.left.append(KeptItem(self._rows.path(row), why, differing, asked))

    def _free_names(self) -> FreeNames:
        if self._names is None:
            paths = all_paths(self._items)
            self._names = FreeNames(self._today, paths, lambda name: bool(self._target.existing([name])))
        return self._names


def all_paths(items: pa.Table) -> Iterator[bytes]:
    """The paths, a few thousand at a time as Python objects."""
    for batch in items.select(["path"]).to_batches(max_chunksize=8192):
        yield from batch.column(0).to_pylist()
