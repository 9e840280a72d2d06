"""What a restore would do, as a value: shown first, done afterwards. Making it writes nothing.

names that must not be written      refused, whatever else is asked
what is missing                     chunks in no index, packs that are gone: refused before the first byte is written
what stands in the way              refused, skipped, replaced or kept beside, as the person decided
what is there already               the same bytes: not a conflict; attributes that are other ones can be set without them
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from restore.execution.row_view import Rows, taken
from restore.local_fs import unsafe_reason
from restore.planning.chunk_locations import count_bytes, count_requests, find_missing, locate_standing, with_dictionaries
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.conflicts import Conflict, ConflictResolver, KeptItem, all_paths
from restore.planning.destination import Destination
from restore.selection.select import Selection
from vault.errors import Damaged, TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.repository.chunk_index import ChunkIndex
from vault.repository.pack_reader import PackReader
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

SUSPICIOUS = r"(?s)(^$|^/|//|/$|\x00|(^|/)\.\.?(/|$)|[^/]{256}|(^|/)\.strongroom-[^/]*\.part)"
"""Paths that need a closer look; all others are safe without one."""


LinkGroup = tuple[object, ...]
"""What the names of one file have in common: number, BLAKE3 and size. A manifest that calls two different contents one file
must not make them one."""


class LeftAlone(Struct, frozen=True):
    """An item that a plan does not write. why: `same`, `skipped`, `newer`, `attributes`, `newer-attributes`, `in-the-way` or
    `missing` · message: the same in words."""

    path: bytes
    why: str
    message: str

    def as_json(self) -> dict[str, str]:
        """For reports."""
        return {"path": printable(self.path), "why": self.why, "message": self.message}


class RestorePlan(Struct, frozen=True):
    """What would be done. items: rows to be written, folders above them last · repairs: rows of files and links that are there
    and get their attributes alone, folders_repaired: as many folders do · linkable: files of several names that stand there
    whole · renamed: other names, by row · replacing: rows that take the place of something · untouched: rows of folders that
    stand and keep what they have, with their times · same: paths of files and links that are there as the snapshot has them ·
    left: what stays though it is not what the snapshot has · newer: items left out because what stands is newer · references:
    chunk references of the files, with their places · reader: has begun to read the packs · missing: items whose content is not
    there · given_up: those of them that the person restores without · damage: what the selection could not use."""

    project: Project
    items: pa.Table
    references: pa.Table
    index: ChunkIndex
    reader: PackReader
    conflicts: tuple[Conflict, ...]
    missing: tuple[Problem, ...]
    repairs: pa.Table
    folders_repaired: int = 0
    linkable: dict[LinkGroup, bytes] = field(default_factory=dict)
    renamed: dict[int, bytes] = field(default_factory=dict)
    replacing: frozenset[int] = frozenset()
    untouched: dict[int, int] = field(default_factory=dict)
    left: tuple[KeptItem, ...] = ()
    same: pa.ChunkedArray | None = None
    skipped: int = 0
    newer: int = 0
    already_there: int = 0
    given_up: tuple[Problem, ...] = ()
    damage: tuple[Problem, ...] = ()

    def without_missing(self) -> RestorePlan:
        """The same plan, content that items are missing given up: these items become problems of the restore."""
        return replace(self, missing=(), given_up=self.missing)

    @property
    def files(self) -> int:
        """Files to be written."""
        return _count(self.items, manifest.FILE)

    @property
    def attributes_only(self) -> int:
        """Items that are there and get their attributes alone."""
        return len(self.repairs) + self.folders_repaired

    @property
    def problems(self) -> list[Problem]:
        """What is known already of what will not be as the snapshot has it."""
        left = (one.problem() for one in self.left)
        return [*self.damage, *self.given_up, *(one for one in left if one is not None)]

    def left_alone(self) -> Iterator[LeftAlone]:
        """Every item that was asked for and will not be written, and why."""
        for path in () if self.same is None else self.same:
            yield LeftAlone(path.as_py(), "same", "it is there already, as the snapshot has it")
        for kept in self.left:
            yield LeftAlone(kept.path, kept.why, kept.message)
        for conflict in self.conflicts:
            yield LeftAlone(conflict.path, "in-the-way", conflict.message)
        for problem in (*self.missing, *self.given_up):
            yield LeftAlone(problem.path, problem.what, problem.message)

    @property
    def bytes_to_write(self) -> int:
        """Content of these files, holes included."""
        import pyarrow.compute as pc

        return pc.sum(self.items["size"]).as_py() or 0

    @property
    def bytes_to_read(self) -> int:
        """Stored bytes that must be read, each chunk once, without what is read in vain between them."""
        return count_bytes(with_dictionaries(self.references, self.index))

    @property
    def requests(self) -> int:
        """About how many requests the content costs."""
        return count_requests(with_dictionaries(self.references, self.index))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "files": self.files,
            "folders": _count(self.items, manifest.FOLDER),
            "links": _count(self.items, manifest.LINK),
            "bytes_to_write": self.bytes_to_write,
            "bytes_to_read": self.bytes_to_read,
            "requests": self.requests,
            "conflicts": [{"path": printable(one.path), "standing": one.standing} for one in self.conflicts],
            "missing": [problem.as_json() for problem in (*self.missing, *self.given_up)],
            "damage": [problem.as_json() for problem in self.damage],
            "renamed": len(self.renamed),
            "replacing": len(self.replacing),
            "skipped": self.skipped,
            "newer": self.newer,
            "already_there": self.already_there,
            "attributes_only": self.attributes_only,
            "left": [one.as_json() for one in self.left],
            "same": [] if self.same is None else [printable(path.as_py()) for path in self.same],
            "inconsistent": _paths(self.items, manifest.is_inconsistent(self.items)),
            "prefixes": _paths(self.items, manifest.is_prefix(self.items)),
        }


def make_plan(selection: Selection, target: Destination, existing: ConflictPolicy, today: date) -> RestorePlan:
    """Look at everything, write nothing. Raises `Damaged` for a path that would leave the target."""
    import pyarrow as pa

    refuse_unsafe_items(selection.table["path"])
    refuse_unsafe_items(selection.above["path"])
    refuse_twice(selection.table["path"])
    items = selection.table
    way = ConflictResolver(target, items, existing, today)
    way.look(target.existing(all_paths(items)))
    rows = [row for row in range(len(items)) if row not in way.left_out] if way.left_out else range(len(items))
    marked = way.renamed.keys() | way.replacing | way.kept.keys()
    numbers = {row: place for place, row in enumerate(rows) if row in marked}
    kept = taken(items, rows) if way.left_out else items
    above = {len(kept) + row: mtime_ns for row, mtime_ns in _standing(target, selection.above).items()}
    if len(selection.above):
        kept = pa.concat_tables([kept, selection.above]).combine_chunks()
    reader = PackReader(selection.project, selection.index)
    references, index = locate_standing(selection.project, kept, selection.index, reader)
    return RestorePlan(
        project=selection.project,
        items=kept,
        references=references,
        index=index,
        reader=reader,
        conflicts=tuple(way.conflicts),
        missing=tuple(find_missing(kept, references, index)),
        repairs=taken(items, sorted(way.repairing)),
        folders_repaired=way.folders_repaired,
        linkable=linkable(taken(items, sorted(way.verified))),
        renamed={numbers[row]: name for row, name in way.renamed.items()},
        replacing=frozenset(numbers[row] for row in way.replacing),
        untouched={numbers[row]: mtime_ns for row, mtime_ns in way.kept.items()} | above,
        left=tuple(way.left),
        same=taken(items.select(["path"]), way.same)["path"] if way.same else None,
        skipped=way.skipped,
        newer=way.newer,
        already_there=way.already_there,
        damage=tuple({(one.path, one.what): one for one in (*selection.damage, *index.damaged)}.values()),
    )


def linkable(verified: pa.Table) -> dict[LinkGroup, bytes]:
    """Of files that have several names, those that stand there whole: by group, the first of them."""
    import pyarrow.compute as pc

    rows = verified.select(["path", "link_group", "blake3", "size"]).filter(pc.is_valid(verified["link_group"]))
    found: dict[LinkGroup, bytes] = {}
    for one in rows.to_pylist():
        found.setdefault((one["link_group"], one["blake3"], one["size"]), one["path"])
    return found


def _standing(target: Destination, above: pa.Table) -> dict[int, int]:
    """The rows of folders that nobody asked for and that stand already, and when they were modified."""
    standing = target.modified(above["path"].to_pylist())
    rows = Rows(above)
    return {row: standing[path] for row in range(len(rows)) if (path := rows.path(row)) in standing}


def refuse_unsafe_items(paths: pa.ChunkedArray) -> None:
    """Raises `Damaged` for the first path that must not be written below a target: no writer of ours stores one."""
    import pyarrow.compute as pc

    for path in paths.filter(pc.match_substring_regex(paths, SUSPICIOUS)).to_pylist():
        reason = unsafe_reason(path)
        if reason is not None:
            raise Damaged(
                f"the snapshot holds an item that must not be restored: {printable(path)}: {reason}",
                hint="nothing was written; leave it out by a pattern, and find out who wrote this snapshot",
            )


def refuse_twice(paths: pa.ChunkedArray) -> None:
    """Raises `TargetError` where two items have one path."""
    import pyarrow.compute as pc

    flat = paths.combine_chunks()
    ascending = pc.all(pc.greater(flat[1:], flat[:-1])).as_py()
    if ascending is False and pc.count_distinct(paths).as_py() != len(paths):
        counted = paths.value_counts()
        twice = counted.filter(pc.greater(counted.field("counts"), 1))[0].as_py()["values"]
        raise TargetError(
            f"two sources have an item {printable(twice)}", hint="restore one of them at a time, with --source NAME"
        )


def _paths(table: pa.Table, mask: pa.ChunkedArray) -> list[str]:
    return [printable(path) for path in table["path"].filter(mask).to_pylist()]


def _count(table: pa.Table, kind: str) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.equal(table["type"], kind)).as_py() or 0
