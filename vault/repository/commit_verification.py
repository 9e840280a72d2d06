"""What a writer looks at after its commit, whatever it believes of the store.

    record      what was written is what stands, read below the cache
    marks       whether a prune has evicted this run: such a prune may delete what the snapshot needs, or has done so, or may
                yet put its own record over this one, where the store only seems to create once. Where one has evicted the
                writer of a snapshot that this one carries forward, it may have put its record over that: nobody has waited
                for those who read it before
    packs       those that the run has stored, or found in the index alone, stand: an answered PUT may have stored nothing, and
                a prune that evicted the run may be over by now. Where its claim is gone, whatever the snapshot needs is
                looked for
    index       the segments of the run stand

A prune that reads the records after the commit spares what this one needs. One that has read them before either waits for the
claim, or says in a mark that it does not; that mark outlives it. So whoever finds none there, and its packs standing, has
committed. Where it was evicted, or something is gone, the snapshot is taken back by a note, and the run fails.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vault.errors import Busy, Damaged, ObjectNotFound, StorageError
from vault.format import layout
from vault.format.eviction import Eviction
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record, decode_stored
from vault.repository import presence, snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.claims import evicted, is_evicted
from vault.repository.gc import forget, marks
from vault.repository.gc.marks import Marks
from vault.repository.store_trust import PromiseBroken, WriteLost
from vault.storage.caching import uncached
from vault.storage.contract import Buffer
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.session import Session


class Unverified(StorageError):
    """The record was written, and the store could not be asked whether all that it needs stands."""


def verify(session: Session, one: Record | MovedPacks, sealed: Buffer) -> None:
    """Look after the commit. Raises `Busy` where the run was evicted and what it needs may go, `WriteLost`, `PromiseBroken`:
    then the snapshot is taken back. Raises `Unverified` where the store does not answer: then it stays."""
    try:
        _read_back(session, sealed)
        late = marks.read(session.project)
        noted = session.id in late.evicted()
        was_evicted = noted or not session.claim_stands()
        needed, unknown = (frozenset[bytes](), True) if noted else _needed(session, one, whole=was_evicted)
        overtaken = _overtaken(session, late)
        gone = presence.gone(session.project, needed)
        session.keep_index_whole()
    except (PromiseBroken, WriteLost):
        raise
    except StorageError as error:
        raise Unverified(
            f"snapshot {session.id} was written, and the store could not be asked whether all that it needs stands: {error}",
            hint="run `strongroom check` once the store answers",
        ) from error
    unknown = unknown or bool(late.unreadable - session.marks_met)
    if was_evicted and (unknown or gone or needed & late.packs_beside(session.marks_met)):
        _take_back(session, one, "its claim was evicted before it was committed")
        raise evicted(session.id)
    if overtaken:
        _take_back(session, one, f"snapshot {overtaken}, which it carries forward, was evicted")
        raise Busy(
            f"snapshot {overtaken}, which this run carries forward, was overwritten by a prune that evicted its writer; this "
            f"one (snapshot {session.id}) was taken back",
            hint="run the backup again: what was stored and still stands is used",
        )
    if gone:
        _take_back(session, one, "the store has lost what it needs")
        which = counted(len(gone), "pack that this run stored is", "packs that this run stored are")
        raise WriteLost(f"{which} not in the store, {min(gone).hex()} for one; the snapshot was taken back")


def _read_back(session: Session, sealed: Buffer) -> None:
    """Raises `Busy` where an eviction was written over the record, `WriteLost`, `PromiseBroken`."""
    project, name = session.project, layout.snapshot_name(session.project.id, session.id)
    if project.stands_as(name, sealed):
        return
    found = decode_stored(project.read_below(name, f"the record {name}"), session.id)
    if isinstance(found, Eviction) and not project.descriptor.trust.create_once:
        raise evicted(session.id)
    raise PromiseBroken(f"{name} was written, and something else stands there: the store broke its promise to create once")


def _overtaken(session: Session, late: Marks) -> str | None:
    """A snapshot that this run carries forward and over whose record an eviction was put since, on a store that overwrites."""
    below = replace(session.project, store=uncached(session.project.store))
    found = (one for one in sorted(session.bases & late.evicted().keys()) if is_evicted(below, one))
    return next(found, None)


def _needed(session: Session, one: Record | MovedPacks, *, whole: bool) -> tuple[frozenset[bytes], bool]:
    """What the run has stored or found, or (whole) all that the commit needs; and whether that could not be found out, since
    what says it is gone."""
    if not whole:
        return session.relied, False
    if isinstance(one, MovedPacks):
        return session.relied.union(*one.packs.values()), False
    project = session.project
    try:
        needed = snapshots.needed_packs(MetaReader(project), one, snapshots.committed(project).moved)
    except (Damaged, ObjectNotFound):
        return session.relied, True
    return session.relied | (needed - session.lost), False


def _take_back(session: Session, one: Record | MovedPacks, why: str) -> None:
    """Somebody may be carrying a snapshot forward by now: its record stays until a prune that knows of that."""
    if isinstance(one, Record):
        forget.write_notes(session.project, [one], why)
    else:
        session.project.store.delete(layout.snapshot_name(session.project.id, one.id))
    session.in_doubt = False
