"""What a writer verifies after its commit, whatever it believes of the store.

    record      the store has what was written, read below the cache
    marks       whether a prune has evicted this run: such a prune may delete what the snapshot needs, or has done so, or may
                yet put its own record over this one, where the store only seems to create once. Where one has evicted the
                writer of a snapshot that this one carries forward, it may have put its record over that: nobody has waited
                for those who read it before
    packs       the store has those that the run has stored, or found in the index alone: an answered PUT may have stored
    nothing, and a prune that evicted the run may be over by now. Where the claim is gone, all packs of the snapshot are asked
    for
    index       the store has the segments of the run

A prune that reads the records after the commit spares what this one needs. One that has read them before either waits for the
claim, or says in a mark that it does not; that mark outlives it. So a run that finds no such mark, and all of its packs, has
committed. Where it was evicted, or something is gone, the snapshot is taken back by a note, and the run fails.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vault.errors import Busy, Damaged, ObjectNotFound, StorageError
from vault.format import layout
from vault.format.claim import Eviction
from vault.format.forget_note import ForgottenSnapshot
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record, decode_stored
from vault.repository import record_gathering, snapshots, stored_packs
from vault.repository.catalog_chunks import MetaReader
from vault.repository.claims import evicted_error, is_evicted
from vault.repository.gc import forget, marks
from vault.repository.gc.marks import Marks
from vault.repository.store_trust import PromiseBroken, WriteLost
from vault.storage.caching import uncached
from vault.storage.contract import Buffer
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.session import Dependencies, Session


class Unverified(StorageError):
    """The record was written, and the store could not be asked whether all that it needs stands."""


def verify(session: Session, record: Record | MovedPacks, sealed: Buffer, needed: Dependencies) -> None:
    """Verify a commit.

    - `sealed`: the record's stored bytes
    - `needed`: what the commit needs besides the session's packs

    Raises `Busy` where the run was evicted and what it needs may be deleted, `WriteLost`, `PromiseBroken`: then the snapshot is
    taken back. Raises `Unverified` where the store does not answer: then it stays.
    """
    try:
        _read_back(session, sealed)
        late = marks.read(session.project)
        noted = session.id in late.evicted()
        was_evicted = noted or not session.claim_exists()
        packs, unknown = (frozenset[bytes](), True) if noted else _packs(session, record, needed, everything=was_evicted)
        overwritten = _overwritten(session, late, needed.bases)
        gone = stored_packs.missing(session.project, packs)
        session.index.restore_lost()
    except (PromiseBroken, WriteLost):
        raise
    except StorageError as error:
        raise Unverified(
            f"snapshot {session.id} was written, and the store could not be asked whether all that it needs is there: {error}",
            hint="run `strongroom check` once the store answers",
        ) from error
    unknown = unknown or bool(late.unreadable - needed.seen_marks)
    if was_evicted and (unknown or gone or packs & late.packs_except(needed.seen_marks)):
        _take_back(session, record, "its claim was evicted before it was committed")
        raise evicted_error(session.id)
    if overwritten:
        _take_back(session, record, f"snapshot {overwritten}, which it carries forward, was evicted")
        raise Busy(
            f"snapshot {overwritten}, which this run carries forward, was overwritten by a prune that evicted its writer; this "
            f"one (snapshot {session.id}) was taken back",
            hint="run the backup again: what was stored and is still there is used",
        )
    if gone:
        _take_back(session, record, "the store has lost what it needs")
        which = counted(len(gone), "pack that this run stored is", "packs that this run stored are")
        raise WriteLost(f"{which} not in the store, such as {min(gone).hex()}; the snapshot was taken back")
    if was_evicted and isinstance(record, Record):  # whoever has seen the eviction took the name for covered
        with suppress(StorageError, Damaged):
            record_gathering.write_late(session.project, [record])


def _read_back(session: Session, sealed: Buffer) -> None:
    """Raises `Busy` where an eviction was written over the record, `WriteLost`, `PromiseBroken`."""
    project, name = session.project, layout.snapshot_name(session.project.id, session.id)
    if project.stands_as(name, sealed):
        return
    found = decode_stored(project.read_below(name, f"the record {name}"), session.id)
    if isinstance(found, Eviction) and not project.descriptor.trust.create_once:
        raise evicted_error(session.id)
    raise PromiseBroken(f"{name} was written, and now other content is there: the store overwrote what it was asked to keep")


def _overwritten(session: Session, late: Marks, bases: frozenset[str]) -> str | None:
    """One of `bases`, the snapshots that this run carries forward, whose record an eviction has replaced since, on a store
    without create-once."""
    below = replace(session.project, store=uncached(session.project.store))
    found = (one for one in sorted(bases & late.evicted().keys()) if is_evicted(below, one))
    return next(found, None)


def _packs(
    session: Session, record: Record | MovedPacks, needed: Dependencies, *, everything: bool
) -> tuple[frozenset[bytes], bool]:
    """The packs that the run has stored or found in the index alone, or (everything) all that the commit needs; and whether
    that could not be found out, since a part of the catalogue is gone."""
    relied = session.index.packs() | needed.found
    if not everything:
        return relied, False
    if isinstance(record, MovedPacks):
        return relied.union(*record.packs.values()), False
    project = session.project
    try:
        packs = snapshots.needed_packs(MetaReader(project), record, snapshots.committed(project).moved)
    except (Damaged, ObjectNotFound):
        return relied, True
    return relied | (packs - needed.lost), False


def _take_back(session: Session, record: Record | MovedPacks, why: str) -> None:
    """Forget the snapshot by a note. Somebody may be carrying it forward by now, so its record stays until a prune. A record of
    moved packs goes at once, and a note says so: whoever has seen it listed would miss it."""
    project = session.project
    if isinstance(record, Record):
        forget.write_notes(project, [record], why)
    else:
        moment = layout.moment_of(record.id) or project.services.clock.now()
        forget.put_notes(project, [ForgottenSnapshot(record.id, session.source, moment, ())], why)
        project.store.delete(layout.snapshot_name(project.id, record.id))
    session.in_doubt = False
