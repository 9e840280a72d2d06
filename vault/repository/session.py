"""One commit on its way: claim, packs, index, record.

    claim           under a name that is never used again, before anything else is read or written
    packs           stored in the background
    index           segments that name the packs: see `index_writer`
    record          under the claim's id: the commit. Before it nothing happened, after it everything did.

A crash leaves orphan packs and a stale claim, never a broken snapshot. The next run that finds a claim besides its own looks
for packs that no segment names, and uses them if it may read their tables of contents (see `writer_view`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.errors import Damaged, ObjectExists, StorageError
from vault.format import layout
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.progress import Stop
from vault.repository import claims, commit_verification, stored_packs
from vault.repository.claims import evicted_error
from vault.repository.index_writer import IndexWriter
from vault.repository.own_claim import OwnClaim
from vault.repository.pack_writer import PackWriter
from vault.repository.project import Project
from vault.repository.store_trust import WriteLost
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa


class Dependencies(Struct, frozen=True):
    """What a commit needs besides the packs that its run has stored.

    - `seen_marks`: the names of the marks that the run knew when it chose which packs to refer to
    - `bases`: the ids of the snapshots whose content it carries forward
    - `lost`: packs of these snapshots that were gone or damaged before
    - `found`: packs that it found in the index alone: no snapshot that it carries forward needs them
    """

    seen_marks: frozenset[str] = frozenset()
    bases: frozenset[str] = frozenset()
    lost: frozenset[bytes] = frozenset()
    found: frozenset[bytes] = frozenset()


class Session:
    """Writes one snapshot of one source. `begin`, then `commit` or, after an error, `withdraw`.

    - `packs`: stores packs; their index rows go to `index`
    - `in_doubt`: a commit was sent, and nobody knows yet whether the store has it
    - `claim_stays`: the claim could not be deleted at the end
    """

    def __init__(self, project: Project, claim: OwnClaim) -> None:
        self.project = project
        self._claim = claim
        self.index = IndexWriter(project)
        self.packs = PackWriter(project, self._pack_stored)
        self.in_doubt = False
        self.claim_stays = False

    @classmethod
    def begin(
        cls,
        project: Project,
        source: str,
        announce: Callable[[str], None] | None = None,
        not_before: datetime | None = None,
    ) -> Session:
        """Put the claim. A prune waits for it, so whatever is read from the store afterwards may be referred to. announce:
        hears the claim's id before it is put · not_before: as for `OwnClaim.put`."""
        return cls(project, OwnClaim.put(project, source, announce, not_before))

    @property
    def id(self) -> str:
        """The id of the claim and of the snapshot."""
        return self._claim.value.id

    @property
    def source(self) -> str:
        """The source that is written, or what stands in its place."""
        return self._claim.value.source

    def report_progress(self, items: int, size: int) -> None:
        """Rewrite the claim, if it is time to. items, size: what is done so far. Raises `Busy` where the run was evicted."""
        self._claim.set_progress(items, size)
        self._claim.refresh_if_due()

    def refreshing_claim(self, stop: Stop) -> Callable[[], None]:
        """`stop`, which is called often wherever something takes long, and which then also rewrites the claim in time."""

        def both() -> None:
            stop()
            self._claim.refresh_if_due()

        return both

    def close_index(self) -> None:
        """Wait for the packs, then write one segment for all of them. Raises the error of a pack that could not be stored."""
        self.packs.drain()
        self.index.write_all()

    def commit(self, record: Record | MovedPacks, needed: Dependencies | None = None) -> None:
        """Write the record, then verify that the store has everything that it needs. Raises `Busy` where the claim was evicted
        meanwhile, and what `commit_verification.verify` raises."""
        self.close_index()
        self._check_before_commit()
        name = layout.snapshot_name(self.project.id, self.id)
        sealed = self.project.seal_record(name, record.as_json())
        self.in_doubt = True
        try:
            if self.project.descriptor.trust.create_once:
                self.project.store.create(name, sealed)
            else:
                self.project.store.put(name, sealed)
        except ObjectExists as error:
            self.in_doubt = False
            raise evicted_error(self.id) from error
        commit_verification.verify(self, record, sealed, needed or Dependencies())
        self.in_doubt = False
        self._delete_claim()
        with suppress(StorageError):  # of runs that died on this machine: what they had stored was found by their claims
            claims.withdraw_dead(self.project)

    def withdraw(self) -> None:
        """End without a commit: what is stored stays usable for the next run, the claim goes. Where a commit was sent and its
        fate is unknown the claim stays: the record may still arrive, and the claim protects it until a prune evicts it."""
        self.packs.close()
        if self.in_doubt:
            return
        with suppress(StorageError, Damaged):
            if self.claim_exists():  # packs that were stored without a claim may be deleted by now, and must not be named
                self.index.write_all()
            self._delete_claim()  # not reached if packs could not be named: the claim tells the next run to look for them

    def claim_exists(self) -> bool:
        """Whether nobody has taken this run's claim away."""
        return self._claim.exists()

    def _check_before_commit(self) -> None:
        """What can be found out before the commit costs less then. Raises `Busy`, `WriteLost`."""
        if self._claim.is_old:
            self._claim.refresh()
            gone = stored_packs.missing(self.project, self.index.packs())
            if gone:
                raise evicted_error(self.id) if not self.claim_exists() else _lost(gone)
        if not self.project.descriptor.trust.create_once:
            if stored_packs.exists(self.project, layout.snapshot_name(self.project.id, self.id)):
                raise evicted_error(self.id)
            self._claim.refresh(committing=True)

    def _delete_claim(self) -> None:
        """A claim that stays beside its record is known to be done: no reason to call a committed run failed."""
        self.claim_stays = not self._claim.delete()

    def _pack_stored(self, rows: pa.Table) -> None:
        """From a worker thread: a pack is in the store."""
        self.index.add([rows])
        self._claim.refresh_if_due()
        self.index.write_interim_if_due()


def _lost(packs: frozenset[bytes]) -> WriteLost:
    which = counted(len(packs), "pack that this run stored is", "packs that this run stored are")
    return WriteLost(f"{which} not in the store, such as {min(packs).hex()}; nothing was committed")
