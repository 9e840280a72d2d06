"""Is everything there, and is it whole?

    structure   every record opens and bears its tag; every manifest reads; every chunk that it names is in the index; every
                pack that holds one is in the store, with the length that the index says; every snapshot's parents stand or
                were forgotten; every roll-up, mark, claim, hold and note reads
    data        every pack re-hashed: its SHA-256 is its name, no key is needed; with a read capability it is also opened
                and every chunk compared with its name

Damage is told by what it costs: the items, by name, of the snapshots that need it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format import layout, manifest
from vault.format.layout import META_TIER, TIERS
from vault.problems import Problem, printable
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository import (
    check_objects,
    head_chunks,
    key_rotation,
    lost_items,
    missing_snapshots,
    record_tables,
    rollups,
    snapshots,
)
from vault.repository.cached_copies import read_all_of
from vault.repository.catalog_chunks import MetaReader
from vault.repository.check_report import CheckReport, LostItem
from vault.repository.chunk_index import ChunkIndex
from vault.repository.index_segments import rows_of_pack
from vault.repository.missing_objects import Missing
from vault.repository.orphan_packs import missing_segment_problem, orphan_rows, read_table_of_contents, repaired_index
from vault.repository.pack_reader import PackReader, places
from vault.repository.project import Project
from vault.storage.caching import uncached

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.format.snapshot_record import Record


PACKS_NAMED = 3
NEEDS_UNKNOWN = frozenset({"damaged-record", "lost-record", "damaged-note", "missing-snapshot", "damaged-snapshot"})
"""Problems after which nobody can say which packs all snapshots need."""


class Depth(Struct, frozen=True):
    """How deep a check goes. data: the share of packs that are read, 0 to 1 · chosen: which of them, by their sizes, in place
    of so many at random · heard: hears of each that was read, and whether it was whole · stop, progress: as in a backup."""

    data: float = 0.0
    chosen: Callable[[Mapping[bytes, int]], Collection[bytes]] | None = None
    heard: Callable[[bytes, bool], None] = lambda _pack, _whole: None
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)


def check(project: Project, depth: Depth) -> CheckReport:
    """Check one project, as the store has it, below every cache. Damage is reported, not raised; raises `StorageError` where
    the store cannot be asked, `Busy` where the keys were rotated meanwhile, so that not all of it can be read."""
    return _Check(replace(project, store=uncached(project.store)), depth).run()


class _Check:
    def __init__(self, project: Project, depth: Depth) -> None:
        self._project = project
        self._depth = depth
        self._report = CheckReport(project.name)
        self._needed: set[bytes] = set()
        self._moved: Mapping[bytes, frozenset[bytes]] = {}
        self._named: frozenset[bytes] = frozenset()
        self._unnamed: set[bytes] = set()
        self._of_packs: list[tuple[bytes, Problem]] = []
        self._given_up = lost_items.contents_given_up(project)

    def run(self) -> CheckReport:
        self._depth.progress.phase("reading the index")
        index = ChunkIndex.load(self._project)
        self._report.found_all(index.damaged, "the index: ")
        index = repaired_index(self._project, index)
        standing = {tier: self._standing(folder) for tier, folder in TIERS.items()}
        self._report.orphans = sum(len(packs.keys() - index.packs()) for packs in standing.values())
        bad = self._bad_packs(index, standing)
        good, rest = index.split(frozenset(bad))
        index = good.with_rows([rest])  # of the places of a chunk the first one counts
        reads = self._depth.data > 0 or self._depth.chosen is not None
        bad_chunks = self._read_packs(index, standing, bad) if reads else set()
        index = self._with_unnamed(index)
        self._snapshots(index, bad, bad_chunks | _lost_dictionaries(index, bad))
        if self._unnamed:
            which = ", ".join(pack.hex() for pack in sorted(self._unnamed)[:PACKS_NAMED])
            problem = missing_segment_problem(self._project, len(self._unnamed))
            self._report.problems.append(replace(problem, message=f"{problem.message}: {which}"))
        self._set_unneeded_aside()
        derived = [*rollups.damage(self._project), *record_tables.damage(self._project), *head_chunks.damage(self._project)]
        self._report.found_all([*derived, *check_objects.of_project(self._project)])
        if not self._report.sound:
            key_rotation.refuse_outdated(self._project)
        return self._report

    def _set_unneeded_aside(self) -> None:
        """Damaged packs of ours that no snapshot needs are waste: their content lies elsewhere now, or the index names them and
        what needed them was forgotten. Not where it cannot be told what some snapshot needs."""
        if any(one.what in NEEDS_UNKNOWN for one in self._report.problems):
            return
        packs = {pack for pack, _ in self._of_packs} & (self._moved.keys() | self._named) - self._needed
        waste = [problem for pack, problem in self._of_packs if pack in packs]
        self._report.problems = [one for one in self._report.problems if one not in waste]
        self._report.unneeded = sorted(pack.hex() for pack in packs)

    def _with_unnamed(self, index: ChunkIndex) -> ChunkIndex:
        """The index, and what those packs say themselves that no segment names. What is needed of them says that a segment is
        lost; the rest was left by runs that died."""
        self._named = index.packs()
        return index.with_rows(orphan_rows(self._project, self._named)) if self._report.orphans else index

    def _standing(self, folder: str) -> dict[bytes, int]:
        """The packs that the store has, by SHA-256, with their lengths."""
        found = {}
        for info in self._project.store.list(self._project.folder(folder)):
            sha256 = layout.pack_sha256(info.name)
            if sha256 is None:
                self._report.found("unknown-object", info.name, f"{info.name} is not named like a pack")
            else:
                found[sha256] = info.size
        return found

    def _bad_packs(self, index: ChunkIndex, standing: dict[int, dict[bytes, int]]) -> set[bytes]:
        """Packs that the index names and that are gone, or have another length."""
        bad = set()
        named = index.table.group_by(["pack", "tier", "pack_size"]).aggregate([]).to_pylist()
        for row in named:
            there = standing[row["tier"]].get(row["pack"]) if row["tier"] in standing else None
            if there != row["pack_size"]:
                bad.add(row["pack"])
        return bad

    def _read_packs(self, index: ChunkIndex, standing: dict[int, dict[bytes, int]], bad: set[bytes]) -> set[bytes]:
        """Re-hash packs, and open them where that is allowed. Adds damaged ones to `bad`; gives damaged chunks of others."""
        everything = [(tier, pack, size) for tier, packs in standing.items() for pack, size in sorted(packs.items())]
        chosen = self._chosen(everything)
        self._depth.progress.phase("reading packs", items=len(chosen), size=sum(size for _, _, size in chosen))
        bad_places: set[tuple[bytes, bytes]] = set()
        reader = PackReader(self._project, index)  # one for all: packs share dictionaries
        for tier, pack, size in chosen:
            self._depth.stop()
            before = len(self._report.problems)
            bad_places |= {(chunk, pack) for chunk in self._read_pack(reader, index, tier, pack, bad)}
            self._of_packs += [(pack, one) for one in self._report.problems[before:]]
            self._depth.heard(pack, len(self._report.problems) == before and pack not in bad)
            self._depth.progress.advance(items=1, size=size)
        return _nowhere_else(index, bad_places, bad)

    def _chosen(self, everything: list[tuple[int, bytes, int]]) -> list[tuple[int, bytes, int]]:
        if self._depth.chosen is not None:
            wanted = frozenset(self._depth.chosen({pack: size for _, pack, size in everything}))
            return [one for one in everything if one[1] in wanted]
        share, randomness = self._depth.data, self._project.services.randomness
        return [one for one in everything if share >= 1 or randomness.fraction() < share]

    def _read_pack(self, reader: PackReader, index: ChunkIndex, tier: int, pack: bytes, bad: set[bytes]) -> set[bytes]:
        name = layout.pack_name(self._project.id, tier, pack)
        try:
            data = self._project.store.get(name)
        except ObjectNotFound:
            bad.add(pack)
            return set()
        self._report.packs_read += 1
        self._report.bytes_read += len(data)
        if hashlib.sha256(data).digest() != pack:
            message = f"{name} is damaged: its bytes do not have the SHA-256 that its name says"
            self._report.found("damaged-pack", name, message)
        readable = tier == META_TIER or self._project.capability.content_identity is not None
        if not readable:
            if hashlib.sha256(data).digest() != pack:
                bad.add(pack)
            return set()
        return self._open_pack(reader, index, tier, pack, bad)

    def _open_pack(self, reader: PackReader, index: ChunkIndex, tier: int, pack: bytes, bad: set[bytes]) -> set[bytes]:
        """Every chunk of the pack that the index names, compared; of an orphan, those of its own table of contents."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = index.table.filter(pc.equal(index.table["pack"], pa.scalar(pack, pa.binary(32))))
        bad_chunks = set()
        try:
            if not rows.num_rows:
                size = self._project.store.size(layout.pack_name(self._project.id, tier, pack))
                rows = rows_of_pack(read_table_of_contents(reader, tier, pack, size), pack, size, tier)
            for place, content in reader.chunks(places(rows)):
                self._report.chunks_read += 1
                if isinstance(content, StrongroomError):
                    self._report.found("damaged-chunk", place.chunk.hex(), f"chunk {place.chunk.hex()}: {content}")
                    bad_chunks.add(place.chunk)
        except (Damaged, ObjectNotFound) as error:  # not there: where an index segment says that it is
            name = layout.pack_name(self._project.id, tier, pack)
            self._report.found("damaged-pack", name, f"pack {pack.hex()}: {error}")
            bad.add(pack)
        return bad_chunks

    def _snapshots(self, index: ChunkIndex, bad: set[bytes], bad_chunks: set[bytes]) -> None:
        committed = snapshots.committed(self._project)
        self._moved = committed.moved
        self._report.found_all(committed.damaged)
        stored = snapshots.stored_ids(self._project)
        if missing_snapshots.records_gone(self._project, stored):
            self._report.found("missing-snapshot", self._project.folder("snapshots"), missing_snapshots.RECORDS_GONE)
        absent = missing_snapshots.absent(self._project, stored, committed.records, ())
        for gone in absent.gone:
            self._report.found("missing-snapshot", gone, Missing("snapshot", gone).message)
        for hidden in absent.hidden:
            message = (
                f"the store's listing leaves out snapshot {hidden}, which stands: whoever goes by the listing does not see it"
            )
            self._report.found("hidden-snapshot", hidden, message)
        self._depth.progress.phase("reading manifests", items=len(committed.records))
        for one in committed.records:
            self._depth.stop()
            self._report.snapshots += 1
            self._depth.progress.advance(items=1)
            try:
                self._snapshot(one, index, bad, bad_chunks)
            except Damaged as error:
                self._report.found("damaged-snapshot", one.id, f"snapshot {one.id}: {error}")
                read_all_of(MetaReader(self._project, index.of_tier(META_TIER)), one)  # the cache may have more of it whole

    def _snapshot(self, one: Record, index: ChunkIndex, bad: set[bytes], bad_chunks: set[bytes]) -> None:
        """What a snapshot needs, and which of its items that costs."""
        import pyarrow as pa
        import pyarrow.compute as pc

        reader = MetaReader(self._project, index.of_tier(META_TIER))
        needed = snapshots.needed_packs(reader, one, self._moved)
        self._needed |= needed
        self._report.packs_needed = len(self._needed)
        table = snapshots.read_manifest(reader, one, columns=["path", "chunks", "consistency", "blake3"])
        marked = table["path"].filter(manifest.is_inconsistent(table)).to_pylist()
        self._report.inconsistent += [LostItem(one.id, printable(path)) for path in marked]
        chunks = table["chunks"].combine_chunks()
        parents, ids = pc.list_parent_indices(chunks), chunks.flatten().field("id")
        located = index.locate(ids)
        gone = pc.and_(pc.is_valid(ids), pc.is_null(located["pack"].combine_chunks()))
        name = pa.binary(32)
        dictionaries = located["dictionary"].combine_chunks()
        suspects = [(located["pack"].combine_chunks(), bad), (ids, bad_chunks), (dictionaries, bad_chunks)]
        for column, wrong in suspects:
            gone = pc.or_(gone, pc.is_in(column, value_set=pa.array(sorted(wrong), name)))
        self._lost(one, table.take(pc.unique(parents.filter(gone))))
        catalogue = pa.array(_catalogue(reader, one), name)
        for places_ in (located, index.locate(catalogue)):
            self._unnamed |= set(pc.unique(places_["pack"]).drop_null().to_pylist()) - self._named
        given_up = pc.is_in(table["blake3"], value_set=pa.array(sorted(self._given_up), name)).combine_chunks()
        kept = pc.invert(given_up.take(parents))
        unlisted = _unlisted(index, bad, needed, [ids.filter(kept), dictionaries.filter(kept), catalogue])
        if unlisted:
            message = f"snapshot {one.id}: {unlisted} of its chunks are in no pack that its record lists"
            self._report.found("unlisted-chunks", one.id, message)
        for pack in sorted(needed & bad):
            message = f"snapshot {one.id} needs the pack {pack.hex()}, which is gone or damaged"
            self._report.found("missing-pack", one.id, message)

    def _lost(self, one: Record, rows: pa.Table) -> None:
        """Items of a snapshot that cannot be restored: rows of its manifest. Some of them a person may have given up."""
        for path, content in zip(rows["path"].to_pylist(), rows["blake3"].to_pylist(), strict=True):
            given_up = content in self._given_up
            (self._report.given_up if given_up else self._report.lost).append(LostItem(one.id, printable(path)))


def _nowhere_else(index: ChunkIndex, places_: set[tuple[bytes, bytes]], bad: set[bytes]) -> set[bytes]:
    """The chunks of these places, each a chunk and a pack in which it is damaged, that lie in no other pack."""
    rows = index.rows_elsewhere({chunk for chunk, _ in places_}, bad)
    pairs = zip(rows["chunk"].to_pylist(), rows["pack"].to_pylist(), strict=True)
    return {chunk for chunk, _ in places_} - {pair[0] for pair in pairs if pair not in places_}


def _lost_dictionaries(index: ChunkIndex, bad: Iterable[bytes]) -> set[bytes]:
    """The dictionaries that frames need and that lie in bad packs, or in none that the index knows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    needed = pc.unique(index.table["dictionary"]).drop_null()
    packs = index.locate(needed)["pack"].combine_chunks()
    lost = pc.or_(pc.is_null(packs), pc.is_in(packs, value_set=pa.array(sorted(bad), pa.binary(32))))
    return set(needed.filter(lost).to_pylist())


def _catalogue(reader: MetaReader, one: Record) -> list[bytes]:
    """The meta chunks that a snapshot consists of."""
    what = f"snapshot {one.id}"
    return [*reader.chunks_of(one.manifest, what), *reader.chunks_of(one.packs, what)]


def _unlisted(index: ChunkIndex, bad: Iterable[bytes], needed: Iterable[bytes], chunks: Iterable[pa.Array]) -> int:
    """How many of the chunks lie in packs, but in none that the record lists, so that a prune would take them. Two runs at once
    may have stored one chunk twice, and either place will do. What lies in bad packs is lost."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = index.table.filter(pc.invert(pc.is_in(index.table["pack"], value_set=pa.array(sorted(bad), pa.binary(32)))))
    in_listed = pc.is_in(table["pack"], value_set=pa.array(sorted(needed), pa.binary(32)))
    safe = pc.unique(table.filter(in_listed)["chunk"])
    own = pa.concat_arrays([pc.unique(some).drop_null() for some in chunks])
    known = own.filter(pc.is_in(own, value_set=pc.unique(table["chunk"])))
    return len(known) - (pc.sum(pc.is_in(known, value_set=safe)).as_py() or 0)
