"""One snapshot on its way: claim, packs, index, record.

    claim           under a name that is never used again; then the marks of prunes, the snapshots, the index are read
    packs           stored in the background; a full one is indexed at once, so that a run that dies leaves it usable
    index           one segment for all packs of the run, in place of the interim ones
    record          under the claim's id: the commit. Before it nothing happened, after it everything did.

A crash leaves orphan packs and a stale claim, never a broken snapshot. The next run that sees a claim beside its own looks
for packs that no segment names, and leans on them if it may read their tables of contents.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from vault.errors import Busy, Damaged, ObjectExists, ObjectNotFound, StorageDenied, StorageError
from vault.format import layout
from vault.format.housekeeping import Moved
from vault.format.layout import CONTENT_TIER, META_TIER, TIERS
from vault.format.record import Claim, Record
from vault.lazily import lazily
from vault.problems import Problem
from vault.repository import forget, marks, snapshots
from vault.repository.adopt import orphan_rows, standing
from vault.repository.chunk_index import ChunkIndex, Kept, KnownChunks, store_segments
from vault.repository.meta import MetaReader, MetaWriter
from vault.repository.pack_writer import PackWriter
from vault.repository.project import Project
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

CLAIM_EVERY = 60.0
"""Seconds between two rewritings of the claim, which are the progress that `status` shows."""

FEW = 50
"""Packs that are asked for one by one; more are looked for in a listing."""


class PacksGone(Damaged):
    """Packs that the index names do not stand, and the new snapshot would need them. packs: which."""

    hint = "run `strongroom prune`, which takes them out of the index, then the backup again"

    def __init__(self, packs: frozenset[bytes]) -> None:
        super().__init__(f"the index names {counted(len(packs), 'pack that is', 'packs that are')} gone; nothing was committed")
        self.packs = packs


class Session:
    """Writes one snapshot of one source. Use `begin`, then `commit`, or `withdraw` in an orderly retreat."""

    def __init__(self, project: Project, claim: Claim, gone: frozenset[bytes]) -> None:
        self.project = project
        self.claim = claim
        self._known_gone = gone
        self.packs = PackWriter(project, self._pack_stored)
        self._lock = threading.Lock()
        self._segments: Kept = {}
        self._rows: list[pa.Table] = []
        self._interim: list[str] = []
        self._deferred = False
        self._last_told = project.services.clock.monotonic()
        self.claim_stays = False
        """Whether the claim could not be taken away at the end."""

    @classmethod
    def begin(cls, project: Project, source: str, *, gone: frozenset[bytes] = frozenset()) -> Session:
        """Put the claim. Whatever is read of the store afterwards is safe to lean on. gone: packs that do not stand, whatever
        the index says."""
        services = project.services
        now = services.clock.now()
        claim = Claim(
            id=layout.snapshot_id(now, services.chance.token(8)),
            source=source,
            host=services.host,
            writer=services.writer,
            started_at=now,
            updated_at=now,
            nonce=services.chance.token(16).hex(),
        )
        project.put_record(layout.claim_name(project.id, claim.id), claim.as_json())
        return cls(project, claim, gone)

    @property
    def id(self) -> str:
        """The id of the snapshot to be."""
        return self.claim.id

    @lazily
    def _seen(self) -> tuple[frozenset[bytes], snapshots.Committed]:
        """The packs under marks, and then the records: a prune that has moved packs says so in a record before it takes its
        mark away, so whoever looks in this order sees one or the other."""
        marked = marks.marked(self.project)
        return marked, snapshots.committed(self.project, rolled=True)

    @property
    def committed(self) -> snapshots.Committed:
        """The snapshots of the project."""
        return self._seen[1]

    @lazily
    def avoided(self) -> frozenset[bytes]:
        """Packs that nothing new may lean on: those under marks, those whose content has moved, those that are gone."""
        return self._seen[0] | self.committed.moved.keys() | self._known_gone

    @lazily
    def catalogue(self) -> MetaReader:
        """Reads manifests of earlier snapshots."""
        index, avoided = ChunkIndex.load(self.project, tier=META_TIER, kept=self._segments).apart(self.avoided)
        if index.damaged:
            index, avoided = self.index, self.avoided_rows
        return MetaReader(self.project, index.with_rows([avoided]))  # of a chunk's places the first counts: not one that may go

    @lazily
    def index(self) -> ChunkIndex:
        """Every chunk that may be leaned on: also those of packs that no readable segment names, which are named again."""
        index = self._apart[0]
        if not index.damaged and not self._others_at_work():
            return index
        orphans = orphan_rows(self.project, index.packs() | self.avoided)
        if not orphans:
            return index
        with self._lock:
            self._rows += orphans
            self._deferred = True
        return index.with_rows(orphans)

    @property
    def avoided_rows(self) -> pa.Table:
        """Where the chunks in `avoided` packs lie: what is carried forward from a committed snapshot may stay there."""
        return self._apart[1]

    @lazily
    def _apart(self) -> tuple[ChunkIndex, pa.Table]:
        segments, self._segments = self._segments, {}
        return ChunkIndex.load(self.project, kept=segments).apart(self.avoided)

    def damage(self) -> list[Problem]:
        """Records and index segments that were met and could not be used."""
        catalogue, index = self.__dict__.get("catalogue"), self.__dict__.get("index")
        met = [*self.committed.damaged, *(catalogue.index.damaged if catalogue else ()), *(index.damaged if index else ())]
        return list(dict.fromkeys(met))

    @lazily
    def known(self) -> KnownChunks:
        """The content chunks that are stored already."""
        return KnownChunks(self.index.of_tier(CONTENT_TIER))

    def forget_known(self) -> None:
        """The content is stored; its million names need not stay in memory while the manifest is written."""
        self.__dict__.pop("known", None)

    def meta_writer(self) -> MetaWriter:
        """Writes the manifest and the list of packs."""
        return MetaWriter(self.project, self.index.of_tier(META_TIER), self.packs)

    def tell(self, items: int, size: int) -> None:
        """Rewrite the claim, if it is time to. items, size: what is done so far."""
        clock = self.project.services.clock
        if clock.monotonic() - self._last_told >= CLAIM_EVERY:
            self._last_told = clock.monotonic()
            self.claim = replace(self.claim, updated_at=clock.now(), items=items, bytes=size)
            self.project.put_record(layout.claim_name(self.project.id, self.id), self.claim.as_json())

    def new_rows(self) -> pa.Table:
        """Index rows of what this run stored or adopted."""
        import pyarrow as pa

        from vault.format import index

        with self._lock:
            return pa.concat_tables([index.schema().empty_table(), *self._rows])

    def close_index(self) -> None:
        """Wait for the packs, then write one segment for all of them and take away the interim ones."""
        self.packs.drain()
        with self._lock:
            if not self._deferred and len(self._interim) < 2:
                return
            rows, interim = self._rows, self._interim
        self._interim = self._store_segments(rows)
        self._deferred = False
        with suppress(StorageDenied):  # append-only credentials: prune will take them away
            for name in interim:
                self.project.store.delete(name)

    def look_for(self, packs: frozenset[bytes], bases: Sequence[Record]) -> None:
        """Look whether the packs stand that this run has found in the index alone: those that it did not store and that none of
        the snapshots needs on which it is based. A writer whose claim was evicted may have named packs after they were
        deleted. Raises `PacksGone`, or `Busy` where this run's own claim was evicted."""
        carried = [snapshots.needed_packs(self.catalogue, one, self.committed.moved) for one in bases]
        listed = [snapshots.listed_packs(self.catalogue, one) for one in bases]
        stored = frozenset(self.new_rows()["pack"].unique().to_pylist())
        gone = self._gone(packs.difference(stored, *carried, *listed))
        if gone and not self.claim_stands():
            raise evicted(self.id)
        if gone:
            raise PacksGone(gone)

    def commit(self, one: Record | Moved) -> None:
        """Write the record. Raises `Busy` where the claim was evicted meanwhile; then nothing happened."""
        self.close_index()
        name = layout.snapshot_name(self.project.id, self.id)
        if self.project.descriptor.trust.create_once:
            try:
                self.project.create_record(name, one.as_json())
            except ObjectExists as error:
                raise evicted(self.id) from error
        else:
            self._commit_watchfully(name, one)
        self._drop_claim()

    def withdraw(self) -> None:
        """Retreat in order: what is stored stays usable for the next run, the claim goes."""
        with suppress(StorageError, Damaged):
            if self.claim_stands():  # what is stored under no claim may be deleted by now, and must not be named
                self.close_index()
            self._drop_claim()
        self.packs.close()

    def _commit_watchfully(self, name: str, one: Record | Moved) -> None:
        """Without create-once: look before and after, and take the record back where a prune may have acted in between."""
        try:
            self.project.store.size(name)
        except ObjectNotFound:
            if not self.claim_stands():
                raise evicted(self.id) from None
        else:
            raise evicted(self.id)
        self.project.put_record(name, one.as_json())
        if self.claim_stands():
            return
        needed = self._leans_on(one)
        if needed & marks.marked(self.project) or self._gone(needed):
            if isinstance(one, Record):  # somebody may be carrying it forward: it stays until a prune that knows of that
                forget.write_notes(self.project, [one], "its claim was evicted before it was committed")
            else:
                self.project.store.delete(name)
            raise evicted(self.id)

    def _leans_on(self, one: Record | Moved) -> frozenset[bytes]:
        if isinstance(one, Moved):
            return frozenset().union(*one.packs.values())
        return snapshots.needed_packs(MetaReader(self.project), one, snapshots.committed(self.project).moved)

    def claim_stands(self) -> bool:
        """Whether nobody has evicted this run."""
        try:
            value = self.project.read_record(layout.claim_name(self.project.id, self.id), "this run's claim")
        except ObjectNotFound:
            return False
        return Claim.from_json(value).nonce == self.claim.nonce

    def _gone(self, packs: frozenset[bytes]) -> frozenset[bytes]:
        """Those of these packs that do not stand in the store."""
        if len(packs) > FEW:
            return packs - {pack for tier in TIERS for pack in standing(self.project, tier)}
        return frozenset(pack for pack in packs if not any(self._pack_stands(pack, tier) for tier in TIERS))

    def _pack_stands(self, pack: bytes, tier: int) -> bool:
        try:
            self.project.store.size(layout.pack_name(self.project.id, tier, pack))
        except ObjectNotFound:
            return False
        return True

    def _drop_claim(self) -> None:
        """A claim that stays is known by its record: no reason to call a committed run failed."""
        try:
            self.project.store.delete(layout.claim_name(self.project.id, self.id))
        except StorageError:
            self.claim_stays = True

    def _others_at_work(self) -> bool:
        folder = self.project.folder("claims")
        return any(not info.name.endswith(self.id) for info in self.project.store.list(folder))

    def _pack_stored(self, rows: pa.Table) -> None:
        """From a worker thread: a pack lies in the store."""
        full = rows["pack_size"][0].as_py() >= self.project.descriptor.limits.pack // 2
        names = self._store_segments([rows]) if full else []
        with self._lock:
            self._rows.append(rows)
            self._interim += names
            self._deferred = self._deferred or not full

    def _store_segments(self, tables: Sequence[pa.Table]) -> list[str]:
        import pyarrow as pa

        return store_segments(self.project, pa.concat_tables(tables))


def evicted(snapshot: str) -> Busy:
    """What a run ends with whose claim was taken away."""
    return Busy(
        f"this run (snapshot {snapshot}) made no progress for so long that a prune took its claim away; nothing was committed",
        hint="run the backup again: what was stored and still stands is used",
    )
