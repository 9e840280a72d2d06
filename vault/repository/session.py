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
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from vault.errors import Damaged, ObjectExists, StorageDenied, StorageError
from vault.format import layout
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.lazily import lazily
from vault.problems import Problem
from vault.repository import claims, commit_verification, presence, snapshots
from vault.repository.catalog_chunks import MetaReader, MetaWriter
from vault.repository.chunk_index import ChunkIndex, Kept, KnownChunks, store_segments
from vault.repository.claims import evicted
from vault.repository.gc import marks
from vault.repository.orphan_packs import missing_segment, orphan_rows, stored_packs
from vault.repository.own_claim import OwnClaim
from vault.repository.pack_writer import PackWriter
from vault.repository.project import Project
from vault.repository.store_trust import WriteLost
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

SMALLEST_PACK = 1120
"""Bytes: no sealed object has fewer, since its header alone holds so many."""

NAMED_EVERY = 60.0
"""Seconds between two interim index segments: what a run that dies has stored since the last one are orphans."""


class PacksGone(Damaged):
    """Packs that the index names do not stand, and the new snapshot would need them. packs: which."""

    hint = "run `strongroom prune`, which takes them out of the index, then the backup again"

    def __init__(self, packs: frozenset[bytes]) -> None:
        super().__init__(f"the index names {counted(len(packs), 'pack that is', 'packs that are')} gone; nothing was committed")
        self.packs = packs


class Session:
    """Writes one snapshot of one source. Use `begin`, then `commit`, or `withdraw` in an orderly retreat."""

    def __init__(self, project: Project, claim: OwnClaim, gone: frozenset[bytes]) -> None:
        self.project = project
        self._claim = claim
        self._known_gone = gone
        self.packs = PackWriter(project, self._pack_stored)
        self._lock = threading.Lock()
        self._segments: Kept = {}
        self._rows: list[pa.Table] = []
        self._interim: list[str] = []
        self._unnamed: list[pa.Table] = []
        self._last_named = project.services.clock.monotonic()
        self._unlike: frozenset[bytes] = frozenset()
        self.carried: frozenset[bytes] = frozenset()
        """The packs that the snapshots need which this one follows."""
        self.bases: frozenset[str] = frozenset()
        """The ids of these snapshots."""
        self.lost: frozenset[bytes] = frozenset()
        """Those of `carried` whose content cannot be had: gone, or known to be damaged."""
        self.lists_read = True
        """Whether all of these snapshots' lists of packs could be read."""
        self.in_doubt = False
        """Whether a commit was sent of which nobody knows yet whether it stands."""
        self._found: frozenset[bytes] = frozenset()
        self.marks_met: frozenset[str] = frozenset()
        """The marks that stood when this run looked what it may lean on."""
        self.claim_stays = False
        """Whether the claim could not be taken away at the end."""

    @classmethod
    def begin(cls, project: Project, source: str, *, gone: frozenset[bytes] = frozenset()) -> Session:
        """Put the claim. Whatever is read of the store afterwards is safe to lean on. gone: packs that do not stand, whatever
        the index says."""
        return cls(project, OwnClaim.put(project, source), gone)

    @property
    def id(self) -> str:
        """The id of the snapshot to be."""
        return self._claim.value.id

    @lazily
    def _seen(self) -> tuple[marks.Marks, snapshots.Committed]:
        """The marks, and then the records: a prune that has moved packs says so in a record before it takes its mark away, so
        whoever looks in this order sees one or the other."""
        met = marks.read(self.project)
        self.marks_met = frozenset(met.by_name) | met.unreadable
        return met, snapshots.committed(self.project, rolled=True)

    @property
    def committed(self) -> snapshots.Committed:
        """The snapshots of the project."""
        return self._seen[1]

    @lazily
    def avoided(self) -> frozenset[bytes]:
        """Packs that nothing new may lean on, whatever the index says of them: those under marks (all of them while a mark
        cannot be read), those whose content has moved, those that are known to be gone or damaged."""
        met = self._seen[0]
        under_marks = frozenset(self.stored) if met.damaged else met.packs
        return under_marks | self.committed.moved.keys() | self._known_gone

    @lazily
    def stored(self) -> dict[bytes, int]:
        """The packs that the store lists, of both tiers, with their stored lengths."""
        return stored_packs(self.project)

    @lazily
    def catalogue(self) -> MetaReader:
        """Reads manifests of earlier snapshots."""
        index, avoided = self._sound(ChunkIndex.load(self.project, tier=META_TIER, kept=self._segments))
        if index.damaged:
            index, avoided = self.index, self.avoided_rows
        return MetaReader(self.project, index.with_rows([avoided]))  # of a chunk's places the first counts: not one that may go

    @lazily
    def index(self) -> ChunkIndex:
        """Every chunk that may be leaned on: also those of packs that no readable segment names, which are named again."""
        index = self._apart[0]
        named = index.packs() | frozenset(self.avoided_rows["pack"].unique().to_pylist()) | self.avoided
        unnamed = self.carried - named - self._unlike
        catalogue = self.__dict__.get("catalogue")
        missing = bool(unnamed & self.stored.keys()) or (catalogue is not None and catalogue.healed)
        if not index.damaged and not missing and not self._others_at_work():
            return index
        orphans = orphan_rows(self.project, named)
        if not orphans:
            return index
        with self._lock:
            self._rows += orphans
            self._unnamed += orphans
        found, _ = index.with_rows(orphans).apart(self.avoided | self._unlike)  # their dictionary may be lost
        return replace(found, damaged=(*found.damaged, missing_segment(self.project, len(orphans)))) if missing else found

    @property
    def avoided_rows(self) -> pa.Table:
        """Where the chunks in packs that are not leaned on lie: what is carried forward from a committed snapshot may stay
        there, and what is lost may come back there."""
        return self._apart[1]

    @lazily
    def _apart(self) -> tuple[ChunkIndex, pa.Table]:
        segments, self._segments = self._segments, {}
        return self._sound(ChunkIndex.load(self.project, kept=segments))

    def _sound(self, index: ChunkIndex) -> tuple[ChunkIndex, pa.Table]:
        """The rows that may be leaned on, going by what the store lists, and the others."""
        self._unlike = index.unlike(self.stored)
        return index.apart(self.avoided | self._unlike)

    def rest_on(self, heads: Sequence[Record]) -> frozenset[bytes]:
        """From now on the packs that these snapshots need are known as `carried`. Gives those of them that are gone, for which
        the store was asked by name, or damaged, as far as this machine knows: by their lengths, or told at the beginning."""
        listed: set[bytes] = set()
        self.bases = frozenset(one.id for one in heads)
        self.lists_read = True
        for one in heads:
            try:
                listed |= snapshots.needed_packs(self.catalogue, one, self.committed.moved)
            except Damaged:  # what it needs, its manifest tells as well
                self.lists_read = False
        self.carried = frozenset(listed)
        unlisted = self.carried - self.stored.keys()
        damaged = frozenset(one for one in self.carried & self.stored.keys() if self.stored[one] < SMALLEST_PACK)
        return (
            presence.gone(self.project, unlisted)
            | damaged
            | self.carried & ((self._unlike & self.stored.keys()) | self._known_gone)
        )

    def gone_of_index(self) -> frozenset[bytes]:
        """The packs that the index names and that are gone (the store was asked by name), or have another length."""
        return presence.gone(self.project, self._unlike - self.stored.keys()) | (self._unlike & self.stored.keys())

    def damage(self) -> list[Problem]:
        """Marks, records and index segments that were met and could not be used."""
        catalogue, index = self.__dict__.get("catalogue"), self.__dict__.get("index")
        met = [
            *self._seen[0].damaged,
            *self.committed.damaged,
            *(catalogue.index.damaged if catalogue else ()),
            *(index.damaged if index else ()),
        ]
        return list({(one.path, one.what): one for one in met}.values())

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
        """Rewrite the claim, if it is time to. items, size: what is done so far. Raises `Busy` where the run was evicted."""
        self._claim.done(items, size)
        self._claim.tell()

    def telling(self, stop: Callable[[], None]) -> Callable[[], None]:
        """`stop`, which is called often and wherever something takes long, and which from now on tells too."""

        def both() -> None:
            stop()
            self._claim.tell()

        return both

    def new_rows(self) -> pa.Table:
        """Index rows of what this run stored or adopted."""
        import pyarrow as pa

        from vault.format import index

        with self._lock:
            return pa.concat_tables([index.schema().empty_table(), *self._rows])

    def close_index(self) -> None:
        """Wait for the packs, then write one segment for all of them and take away the interim ones. Raises the error of a pack
        that could not be stored."""
        self.packs.drain()
        self._name_all()

    def _name_all(self) -> None:
        with self._lock:
            if not self._unnamed and len(self._interim) < 2:
                return
            rows, interim = list(self._rows), self._interim
        self._interim = self._store_segments(rows)
        with self._lock:
            self._unnamed = []
        with suppress(StorageDenied):  # append-only credentials: prune will take them away
            for name in interim:
                self.project.store.delete(name)

    def look_for(self, packs: frozenset[bytes], bases: Sequence[Record]) -> None:
        """Look whether the packs stand that this run has found in the index alone: those that it did not store and that none of
        the snapshots needs on which it is based. A writer whose claim was evicted may have named packs after they were
        deleted. Raises `PacksGone`, or `Busy` where this run's own claim was evicted."""
        carried: set[bytes] = set()
        for one in bases:
            with suppress(Damaged):  # its list is lost; its packs are looked for like others
                carried |= snapshots.needed_packs(self.catalogue, one, self.committed.moved)
                carried |= snapshots.listed_packs(self.catalogue, one)
        self._found = packs.difference(self._stored(), carried, self._known_gone)
        gone = presence.gone(self.project, self._found)
        if gone and not self.claim_stands():
            raise evicted(self.id)
        if gone:
            raise PacksGone(gone)

    @property
    def relied(self) -> frozenset[bytes]:
        """The packs that this run has stored, or found in the index alone."""
        return self._stored() | self._found

    def commit(self, one: Record | MovedPacks) -> None:
        """Write the record, then look whether all stands that it needs. Raises `Busy` where the claim was evicted meanwhile,
        and what `commit.verify` raises."""
        self.close_index()
        self._look_before()
        name = layout.snapshot_name(self.project.id, self.id)
        sealed = self.project.seal_record(name, one.as_json())
        self.in_doubt = True
        try:
            if self.project.descriptor.trust.create_once:
                self.project.store.create(name, sealed)
            else:
                self.project.store.put(name, sealed)
        except ObjectExists as error:
            self.in_doubt = False
            raise evicted(self.id) from error
        commit_verification.verify(self, one, sealed)
        self.in_doubt = False
        self._drop_claim()
        with suppress(StorageError):  # of runs that died here: what they had stored was found by their claims
            claims.withdraw_dead(self.project)

    def withdraw(self) -> None:
        """Retreat in order: what is stored stays usable for the next run, the claim goes. Not so where a commit was sent and
        its fate is unknown: it may still arrive, and its claim protects it until a prune evicts it."""
        self.packs.close()
        if self.in_doubt:
            return
        with suppress(StorageError, Damaged):
            if self.claim_stands():  # what is stored under no claim may be deleted by now, and must not be named
                self._name_all()
            self._drop_claim()  # one of a run that could not name its packs tells the next one to look for them

    def _look_before(self) -> None:
        """What can be seen before the commit is cheaper to see then. Raises `Busy`, `WriteLost`."""
        if self._claim.is_old:
            self._claim.rewrite()
            gone = presence.gone(self.project, self._stored())
            if gone:
                raise evicted(self.id) if not self.claim_stands() else _lost(gone)
        if not self.project.descriptor.trust.create_once:
            if presence.stands(self.project, layout.snapshot_name(self.project.id, self.id)):
                raise evicted(self.id)
            self._claim.rewrite(committing=True)

    def keep_index_whole(self) -> None:
        """Name what this run has stored once more where a segment of it does not stand: a PUT that was answered and stored
        nothing, or a prune that joins segments. Raises `WriteLost`."""
        if all(presence.stands(self.project, name) for name in self._interim):
            return
        with self._lock:
            self._interim = self._store_segments(self._rows)
        for name in self._interim:
            if not presence.stands(self.project, name):
                raise WriteLost(f"the index segment {name} was written, the store has answered, and it is not there")

    def _stored(self) -> frozenset[bytes]:
        return frozenset(self.new_rows()["pack"].unique().to_pylist())

    def claim_stands(self) -> bool:
        """Whether nobody has taken this run's claim away."""
        return self._claim.stands()

    def _drop_claim(self) -> None:
        """A claim that stays is known by its record: no reason to call a committed run failed."""
        self.claim_stays = not self._claim.drop()

    def _others_at_work(self) -> bool:
        folder = self.project.folder("claims")
        return any(not info.name.endswith(self.id) for info in self.project.store.list(folder))

    def _pack_stored(self, rows: pa.Table) -> None:
        """From a worker thread: a pack lies in the store."""
        clock = self.project.services.clock
        with self._lock:
            self._rows.append(rows)
            self._unnamed.append(rows)
        self._claim.tell()
        with self._lock:
            if not self._unnamed or clock.monotonic() - self._last_named < NAMED_EVERY:  # another thread has named it
                return
            self._last_named = clock.monotonic()
            unnamed, self._unnamed = self._unnamed, []
        try:
            names = self._store_segments(unnamed)
        except StorageError:
            with self._lock:
                self._unnamed += unnamed  # they are named at the end
            raise
        with self._lock:
            self._interim += names

    def _store_segments(self, tables: Sequence[pa.Table]) -> list[str]:
        import pyarrow as pa

        return store_segments(self.project, pa.concat_tables(tables))


def _lost(packs: frozenset[bytes]) -> WriteLost:
    which = counted(len(packs), "pack that this run stored is", "packs that this run stored are")
    return WriteLost(f"{which} not in the store, {min(packs).hex()} for one; nothing was committed")
