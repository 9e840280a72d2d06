"""One backup of one source.

    scan -> claim -> marks, records, catalogue -> new snapshot (see `new_snapshot`)

Nothing that was in the last manifest is lost: what the source no longer has is carried on as vanished, and what could not be
read keeps its last good version, if there is one, and is a problem.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from vault.backup import lost_content
from vault.backup.base_snapshots import ManifestUnreadable
from vault.backup.new_snapshot import NewSnapshot
from vault.backup.options import BackupOptions, Source
from vault.backup.report import BackupReport
from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.repository import listed_range
from vault.repository.claims import evicted_error
from vault.repository.index_compaction import compact
from vault.repository.project import Project
from vault.repository.session import Session
from vault.repository.writer_view import CatalogueDamaged, PacksGone, WriterView

__all__ = ["BackupOptions", "BackupReport", "Source", "back_up"]

MAX_TRIES = 10
"""Times that a run is tried while packs go that it needs. It begins anew without manifests that cannot be read, however many
there are."""


class NameTooOld(StrongroomError):
    """A table of records may cover what is committed under the name of this run: its clock is behind that of others.

    moment: that a name may state.
    """

    def __init__(self, moment: datetime) -> None:
        super().__init__("this machine's clock is behind those that have named the newest snapshots; nothing was committed")
        self.moment = moment


MAX_READINGS = 2
"""Times that a manifest must turn out to be unreadable before the run does without it: an answer may be damaged, too."""


def back_up(project: Project, source: Source, options: BackupOptions) -> BackupReport:
    """Take a snapshot of a source. Raises `SourceError`, `Interrupted`, `StorageError`: then nothing is committed, and what was
    stored is used by the next run."""
    gone, unreadable, tries = options.damaged, Counter[str](), 0
    not_before: datetime | None = None
    while True:
        distrusted = frozenset(snapshot for snapshot, times in unreadable.items() if times >= MAX_READINGS)
        try:
            with closing(source.origin):
                return _back_up(project, source, options, _Try(gone, distrusted, not_before))
        except NameTooOld as error:
            tries, not_before = _next_try(tries, error), error.moment
        except PacksGone as error:  # they were deleted after this run read the index
            tries = _next_try(tries, error)
            # with append-only credentials, the next prune deletes the old segments
            compact(project, error.packs, stop=options.stop)
            gone |= error.packs
        except CatalogueDamaged as error:
            if error.packs <= gone:
                raise
            gone |= error.packs
        except ManifestUnreadable as error:
            if error.snapshot in distrusted:  # it was readable a moment ago, when it was chosen
                raise
            unreadable[error.snapshot] += 1
            if unreadable[error.snapshot] == MAX_READINGS:
                gone |= lost_content.damaged_catalogue(project, error.snapshot)


def _next_try(tries: int, error: StrongroomError) -> int:
    """Raises the error of the last one."""
    if tries + 1 == MAX_TRIES:
        raise error
    return tries + 1


class _Try(NamedTuple):
    """gone: packs that are gone or damaged · distrusted: snapshots whose manifests cannot be read · not_before: of the name."""

    gone: frozenset[bytes]
    distrusted: frozenset[str]
    not_before: datetime | None


def _back_up(project: Project, source: Source, options: BackupOptions, known: _Try) -> BackupReport:
    """One try."""
    clock = project.services.clock
    began, taken_at = clock.monotonic(), clock.now()
    if options.locking is not None:
        options.locking.begin()
    options.progress.phase(f"looking at {source.name}")
    scan = source.scan(options.stop)
    taken_at = scan.began or taken_at
    session = Session.begin(project, source.name, not_before=known.not_before)
    options = replace(options, stop=session.refreshing_claim(options.stop))
    try:
        view = WriterView.read(session, known_gone=known.gone)
        if view.reference is not None and listed_range.is_late(session.id, view.reference):
            raise NameTooOld(view.reference)
        snapshot = NewSnapshot(session, view, source, options, scan, taken_at, known.distrusted)
        record = snapshot.commit()
    except (Damaged, ObjectNotFound) as error:
        claim_exists = session.claim_exists()
        session.withdraw()
        if claim_exists:
            raise
        raise evicted_error(session.id) from error  # what it needs may have been deleted since
    except (StrongroomError, KeyboardInterrupt):
        session.withdraw()
        raise
    finally:
        session.packs.close()
    return BackupReport(
        project=project.name,
        record=record,
        problems=tuple(snapshot.problems),
        skipped=tuple(scan.skipped),
        excluded=scan.excluded,
        by_default=scan.by_default,
        seconds=clock.monotonic() - began,
        grown=snapshot.grown,
        claim_stays=session.claim_stays,
        snapshots=len(view.committed.records) + 1,
        doubtful=tuple(snapshot.doubtful),
        read_again=snapshot.read_again,
    )
