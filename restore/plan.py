"""What a restore would do, as a value: shown first, done afterwards. Making it writes nothing.

names that must not be written      refused, whatever else is asked
what is missing                     chunks in no index, packs that are gone: refused before the first byte is written
what stands in the way              refused, skipped, replaced or kept beside, as the person decided
what is there already               the same bytes and the same time: an earlier run's work, and not a conflict
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from restore.existing import Existing
from restore.place import Place
from restore.rows import Rows
from restore.select import Selection
from restore.target import unsafe_reason
from vault.errors import Damaged, ObjectNotFound, TargetError
from vault.format import layout, manifest
from vault.format.layout import CONTENT_TIER
from vault.problems import Problem, printable
from vault.repository.chunk_index import ChunkIndex
from vault.repository.pack_reader import GAP
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

HEADS_INSTEAD_OF_A_LISTING = 16
"""Packs up to which each is asked for by itself; above, one listing answers for a thousand."""

SUSPICIOUS = r"(?s)(^$|^/|//|/$|\x00|(^|/)\.\.?(/|$)|[^/]{256}|(^|/)\.strongroom-[^/]*\.part)"
"""Paths that need a closer look; all others are safe without one."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something stands in an item's way. standing: `file`, `folder`, `link`, `other`, `blocked` ·
    solvable: whether a policy other than refusing and skipping can deal with it."""

    path: bytes
    standing: str
    solvable: bool


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
        import pyarrow.compute as pc

        places = self.references.group_by(["pack", "offset"]).aggregate([("stored", "max")])
        return pc.sum(places["stored_max"]).as_py() or 0

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
    way = _Way(target, items, target.existing(_paths(items)), existing, today)
    way.look()
    rows = [row for row in range(len(items)) if row not in way.left_out] if way.left_out else range(len(items))
    numbers = {row: place for place, row in enumerate(rows) if row in way.renamed or row in way.replacing}
    kept = pa.concat_tables([items.take(rows) if way.left_out else items, selection.above])
    references = locate(kept, selection.index)
    return Plan(
        project=selection.project,
        items=kept,
        references=references,
        index=selection.index,
        conflicts=tuple(way.conflicts),
        missing=tuple(find_missing(selection.project, kept, references, selection.index)),
        renamed={numbers[row]: name for row, name in way.renamed.items()},
        replacing=frozenset(numbers[row] for row in way.replacing),
        untouched=_untouched(target, kept) if existing is Existing.NEWER else {},
        skipped=way.skipped,
        newer=way.newer,
        already_there=way.already_there,
        damage=selection.damage,
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


class _Way:
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


def locate(items: pa.Table, index: ChunkIndex) -> pa.Table:
    """A row for each chunk of each file: row (of `items`), position (in the file, bytes), length, and where it lies.

    Holes are left out; a chunk that no index segment knows has nulls for its place. period: of the item, where any has one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    chunks = items["chunks"].combine_chunks()
    pairs = chunks.flatten()
    parents = pc.list_parent_indices(chunks)
    ids, lengths = pairs.field("id"), pairs.field("length")
    ends = pc.cumulative_sum(lengths)
    starts = pc.subtract(ends, lengths)
    # counted from the start of the first chunk of the same file
    first = pc.index_in(parents, value_set=pc.unique(parents))
    begin = pa.table({"file": parents, "start": starts}).group_by("file", use_threads=False).aggregate([("start", "min")])
    positions = pc.subtract(starts, begin["start_min"].combine_chunks().take(first))
    table = pa.table({"row": parents, "position": positions, "length": lengths, "chunk": ids})
    if items["period_start"].null_count < len(items):
        table = table.append_column("period", items["period_start"].cast(pa.int64()).take(parents))
    table = table.filter(pc.is_valid(table["chunk"]))
    places = index.locate(table["chunk"]).drop_columns(["chunk", "tier"])
    for name in places.column_names:
        table = table.append_column(name, places[name])
    return table


def find_missing(project: Project, items: pa.Table, references: pa.Table, index: ChunkIndex) -> Iterable[Problem]:
    """Items whose content is not there: chunks, or the dictionaries that they need, in no index segment or in packs that are
    gone from the store."""
    import pyarrow as pa
    import pyarrow.compute as pc

    dictionaries = pc.unique(references["dictionary"]).drop_null()
    taught = index.locate(dictionaries)["pack"].combine_chunks()
    packs = {*pc.unique(references["pack"]).to_pylist(), *taught.to_pylist()} - {None}
    gone = pa.array(sorted(missing_packs(project, sorted(packs))), pa.binary(32))
    lost_dictionaries = dictionaries.filter(pc.or_(pc.is_null(taught), pc.is_in(taught, value_set=gone)))
    lost = pc.or_(pc.is_null(references["pack"]), pc.is_in(references["pack"], value_set=gone))
    lost = pc.or_(lost, pc.is_in(references["dictionary"], value_set=lost_dictionaries))
    for row in pc.unique(references.filter(lost)["row"]).to_pylist():
        yield Problem(items["path"][row].as_py(), "missing", "a part of its content is gone from the repository")


def missing_packs(project: Project, packs: list[bytes]) -> set[bytes]:
    """Which of these content packs the store does not have."""
    if len(packs) > HEADS_INSTEAD_OF_A_LISTING:
        there = {layout.pack_sha256(info.name) for info in project.store.list(project.folder("packs"))}
        return set(packs) - there
    gone = set()
    for pack in packs:
        try:
            project.store.size(layout.pack_name(project.id, CONTENT_TIER, pack))
        except ObjectNotFound:
            gone.add(pack)
    return gone


def count_requests(references: pa.Table, *, gap: int = GAP) -> int:
    """Requests for these chunks: one a run of neighbours, and one a pack for its header."""
    import pyarrow.compute as pc

    known = references.filter(pc.is_valid(references["pack"]))
    if not known.num_rows:
        return 0
    packs = pc.count_distinct(known["pack"]).as_py()
    known = known.sort_by([("pack", "ascending"), ("offset", "ascending")]).combine_chunks()
    pack, offset = known["pack"].combine_chunks(), known["offset"].combine_chunks().cast("int64")
    ends = pc.add(offset, known["stored"].combine_chunks().cast("int64"))
    same = pc.equal(pack[1:], pack[:-1])
    near = pc.less_equal(pc.subtract(offset[1:], ends[:-1]), gap)
    breaks = pc.sum(pc.invert(pc.and_(same, near))).as_py() or 0
    return int(packs + breaks + 1)


def _count(table: pa.Table, kind: str) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.equal(table["type"], kind)).as_py() or 0
