"""What bad packs held is made to lie in sound ones, for all snapshots that need it.

It is written as a repacking is: under a claim, packs first, then the index, then a record under the claim's id that says to
which packs the content of each bad one has moved. Records of snapshots are never edited: readers of what they need follow this
record. Nothing is deleted: a damaged pack that nobody needs any more goes with a prune.

A pack of which anything is lost for good stays as it is, unless a person has given that up: the snapshots that need it go on
naming it, and are whole again when it comes back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from vault.errors import StrongroomError
from vault.format.frames import Compressor
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.format.moved_packs import MAX_MOVED_BYTES, MovedPacks
from vault.format.pack import PackBuilder
from vault.progress import NoProgress, Progress, Stop, never
from vault.repository.gc.repack import BYTES_OF_ENTRY
from vault.repository.project import Project
from vault.repository.repair import replacements
from vault.repository.repair.chunk_sources import ContentSource
from vault.repository.repair.pack_damage import PackDamage
from vault.repository.repair.replacements import Replacement, Replacements
from vault.repository.session import Session
from vault.repository.writer_view import BasePacks, WriterView

SOURCE = "(repair)"
"""What the claim of a repair says in place of a source."""


class MovedContent(NamedTuple):
    """packs: the bad packs whose content lies elsewhere now · chunks, stored: how many chunks were stored anew for that, and
    bytes of the packs that hold them · left: bad packs that stay as they are."""

    packs: frozenset[bytes] = frozenset()
    chunks: int = 0
    stored: int = 0
    left: frozenset[bytes] = frozenset()


class MoveOptions(Struct, frozen=True):
    """sources: of content that no sound pack has · given_up: chunks without which a pack counts as whole · stop: called often,
    raises to end the run · progress: hears how far it is."""

    sources: Sequence[ContentSource] = ()
    given_up: frozenset[bytes] = frozenset()
    stop: Stop = never
    progress: Progress = field(default_factory=NoProgress)


def move(project: Project, damage: PackDamage, options: MoveOptions) -> MovedContent:
    """Store what can be had of the bad packs, so many under each claim that the record of it can be read. Raises `Busy` where
    a claim was evicted, `StorageError`, `Interrupted`: what was committed before stays."""
    done, waiting = MovedContent(), damage.bad
    while waiting:
        some = _move_some(project, damage, waiting, options)
        left = done.left | some.left
        done = MovedContent(done.packs | some.packs, done.chunks + some.chunks, done.stored + some.stored, left)
        waiting -= some.packs | some.left
    return done


def _move_some(project: Project, damage: PackDamage, packs: Collection[bytes], options: MoveOptions) -> MovedContent:
    session = Session.begin(project, SOURCE)
    try:
        view = WriterView.read(session, known_gone=damage.bad)
        usable = view.read_index(BasePacks()).usable
        found = replacements.look(project, damage, usable, options.sources)
        work = _Move(session, damage, options)
        moved = work.store(list(work.choose(found, packs)), found)
        if moved:
            reused = frozenset[bytes]().union(*moved.values()) - session.index.packs()
            needed = view.dependencies(BasePacks(), view.verify_found(reused, ()))
            session.commit(MovedPacks(session.id, moved), needed)
        else:
            session.withdraw()
    except (StrongroomError, KeyboardInterrupt):
        session.withdraw()
        raise
    finally:
        session.packs.close()
    return MovedContent(frozenset(moved), work.chunks, session.packs.stored_bytes, frozenset(work.left))


class _Move:
    """Under one claim. left: bad packs that stay as they are."""

    def __init__(self, session: Session, damage: PackDamage, options: MoveOptions) -> None:
        self._session = session
        self._damage = damage
        self._options = options
        self._stop = session.refreshing_claim(options.stop)
        self._compressor = Compressor()
        self._builders: dict[int, PackBuilder] = {}
        self.left: set[bytes] = set()
        self.chunks = 0

    def choose(self, found: Replacements, packs: Collection[bytes]) -> Iterator[Replacement]:
        """Those of the packs of which nothing is lost, as many as one record can name."""
        size = 0
        for one in found.replacements:
            if one.pack not in packs:
                continue
            if not one.lost <= self._options.given_up:
                self.left.add(one.pack)
            elif size <= MAX_MOVED_BYTES:
                size += BYTES_OF_ENTRY * (2 + len(frozenset[bytes]().union(*one.reused.values())) + len(one.found) // 256)
                yield one

    def store(self, chosen: Sequence[Replacement], found: Replacements) -> dict[bytes, tuple[bytes, ...]]:
        """Store what must be, and name it in the index; gives the packs in which everything of each chosen one lies now."""
        wanted = frozenset[bytes]().union(*(one.found.keys() for one in chosen))
        self._options.progress.phase("storing what was lost", items=len(wanted))
        stored = set[bytes]()
        for one in found.finder.find(wanted):
            self._stop()
            self._add(META_TIER if one.chunk in found.missing.catalogue else CONTENT_TIER, one.chunk, one.content)
            stored.add(one.chunk)
            self._session.report_progress(len(stored), self._session.packs.stored_bytes)
            self._options.progress.advance(items=1)
        for tier in list(self._builders):
            self._close_pack(tier)
        self._session.close_index()
        self.chunks = len(stored)
        rows = self._session.index.rows()
        where = dict(zip(rows["chunk"].to_pylist(), rows["pack"].to_pylist(), strict=True))
        moved = {one.pack: self._targets(one, where) for one in chosen if one.found.keys() <= stored}
        self.left |= {one.pack for one in chosen if not moved.get(one.pack)}
        return {pack: targets for pack, targets in moved.items() if targets}

    def _targets(self, one: Replacement, where: dict[bytes, bytes]) -> tuple[bytes, ...]:
        targets = {where[chunk] for chunk in one.found}.union(*one.reused.values())
        return tuple(sorted(targets or replacements.stand_ins(self._damage, one.pack)))

    def _add(self, tier: int, chunk: bytes, content: bytes) -> None:
        builder = self._builders.setdefault(tier, PackBuilder())
        builder.add(chunk, self._compressor.frame(content), len(content))
        if builder.size >= self._session.project.descriptor.limits.pack:
            self._close_pack(tier)

    def _close_pack(self, tier: int) -> None:
        self._session.packs.submit(self._builders.pop(tier), tier)
