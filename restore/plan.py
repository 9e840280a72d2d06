"""What a restore would do, as a value: shown first, done afterwards. Making it writes nothing.

names that must not be written      refused, whatever else is asked
what is missing                     chunks in no index, packs that are gone: refused before the first byte is written
what stands in the way              refused, skipped, replaced or kept beside, as the person decided
what is there already               the same bytes and the same time: an earlier run's work, and not a conflict
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from restore.existing import Existing
from restore.place import Place
from restore.references import count_bytes, count_requests, find_missing, locate_standing
from restore.rows import Rows
from restore.select import Selection
from restore.target import unsafe_reason
from restore.way import Conflict, Way
from vault.errors import Damaged, TargetError
from vault.format import manifest
from vault.problems import Problem, printable
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

SUSPICIOUS = r"(?s)(^$|^/|//|/$|\x00|(^|/)\.\.?(/|$)|[^/]{256}|(^|/)\.strongroom-[^/]*\.part)"
"""Paths that need a closer look; all others are safe without one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done. items: rows to be written, folders above them last · renamed: other names, by row ·
    replacing: rows that take the place of something · untouched: rows of folders that stand and are newer, with the times that
    they keep · newer: items left out because what stands is newer · references: chunk references of the files, with their
    places · missing: items whose content is not there · given_up: those of them that the person restores without · damage:
    what the selection could not use."""

    project: Project
    items: pa.Table
    references: pa.Table
    index: ChunkIndex
    conflicts: tuple[Conflict, ...]
    missing: tuple[Problem, ...]
    renamed: dict[int, bytes] = field(default_factory=dict)
    replacing: frozenset[int] = frozenset()
    untouched: dict[int, int] = field(default_factory=dict)
    skipped: int = 0
    newer: int = 0
    already_there: int = 0
    given_up: tuple[Problem, ...] = ()
    damage: tuple[Problem, ...] = ()

    def without_missing(self) -> Plan:
        """The same plan, content that items are missing given up: these items become problems of the restore."""
        return replace(self, missing=(), given_up=self.missing)

    @property
    def files(self) -> int:
        """Files to be written."""
        return _count(self.items, manifest.FILE)

    @property
    def bytes_to_write(self) -> int:
        """Content of these files, holes included."""
        import pyarrow.compute as pc

        return pc.sum(self.items["size"]).as_py() or 0

    @property
    def bytes_to_read(self) -> int:
        """Stored bytes that must be read, each chunk once, without what is read in vain between them."""
        return count_bytes(self.references)

    @property
    def requests(self) -> int:
        """About how many requests the content costs."""
        return count_requests(self.references)

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
        }


def make_plan(selection: Selection, target: Place, existing: Existing, today: date) -> Plan:
    """Look at everything, write nothing. Raises `Damaged` for a path that would leave the target."""
    import pyarrow as pa

    refuse_unsafe(selection.table["path"])
    refuse_unsafe(selection.above["path"])
    refuse_twice(selection.table["path"])
    items = selection.table
    way = Way(target, items, target.existing(_paths(items)), existing, today)
    way.look()
    rows = [row for row in range(len(items)) if row not in way.left_out] if way.left_out else range(len(items))
    numbers = {row: place for place, row in enumerate(rows) if row in way.renamed or row in way.replacing}
    kept = items.take(rows) if way.left_out else items
    if len(selection.above):
        kept = pa.concat_tables([kept, selection.above]).combine_chunks()
    references, index = locate_standing(selection.project, kept, selection.index)
    return Plan(
        project=selection.project,
        items=kept,
        references=references,
        index=index,
        conflicts=tuple(way.conflicts),
        missing=tuple(find_missing(kept, references, index)),
        renamed={numbers[row]: name for row, name in way.renamed.items()},
        replacing=frozenset(numbers[row] for row in way.replacing),
        untouched=_untouched(target, kept) if existing is Existing.NEWER else {},
        skipped=way.skipped,
        newer=way.newer,
        already_there=way.already_there,
        damage=tuple({(one.path, one.what): one for one in (*selection.damage, *index.damaged)}.values()),
    )


def _paths(items: pa.Table) -> Iterator[bytes]:
    """The paths, a few thousand at a time as Python objects."""
    for batch in items.select(["path"]).to_batches(max_chunksize=8192):
        yield from batch.column(0).to_pylist()


def _untouched(target: Place, items: pa.Table) -> dict[int, int]:
    """The rows of folders that stand already and are newer, and when they were modified."""
    import pyarrow.compute as pc

    rows, which = Rows(items), pc.indices_nonzero(pc.equal(items["type"], manifest.FOLDER)).to_pylist()
    standing = target.modified(rows.path(row) for row in which)
    return {row: found for row in which if (found := standing.get(rows.path(row), 0)) > rows.mtime_ns(row)}


def refuse_unsafe(paths: pa.ChunkedArray) -> None:
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


def _count(table: pa.Table, kind: str) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.equal(table["type"], kind)).as_py() or 0
