"""One backup of one source.

    scan -> claim -> marks, records, catalogue -> new snapshot (see `new_snapshot`)

Nothing that was in the last manifest is lost: what the source no longer has is carried on as vanished, and what could not be
read keeps its last good version, if there is one, and is a problem.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing

from msgspec.structs import replace

from vault.backup import lost_content
from vault.backup.base_snapshots import ManifestUnreadable
from vault.backup.new_snapshot import NewSnapshot
from vault.backup.options import BackupOptions, Source
from vault.backup.report import BackupReport
from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.repository.claims import evicted_error
from vault.repository.index_compaction import compact
from vault.repository.project import Project
from vault.repository.session import Session
from vault.repository.writer_view import CatalogueDamaged, PacksGone, WriterView

__all__ = ["BackupOptions", "BackupReport", "Source", "back_up"]

MAX_TRIES = 10
"""Times that a run is tried while packs go that it needs. It begins anew without manifests that cannot be read, however many
there are."""

MAX_READINGS = 2
"""Times that a manifest must turn out to be unreadable before the run does without it: an answer may be damaged, too."""


def back_up(project: Project, source: Source, options: BackupOptions) -> BackupReport:
    """Take a snapshot of a source. Raises `SourceError`, `Interrupted`, `StorageError`: then nothing is committed, and what was
    stored is used by the next run."""
    gone, unreadable, tries = options.damaged, Counter[str](), 0
    while True:
        distrusted = frozenset(snapshot for snapshot, times in unreadable.items() if times >= MAX_READINGS)
        try:
            with closing(source.origin):
                return _back_up(project, source, options, gone=gone, distrusted=distrusted)
        except PacksGone as error:  # they were deleted after this run read the index
            tries += 1
            if tries == MAX_TRIES:
                raise
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


def _back_up(
    project: Project, source: Source, options: BackupOptions, *, gone: frozenset[bytes], distrusted: frozenset[str]
) -> BackupReport:
    """One try. gone: packs that are gone or damaged · distrusted: snapshots whose manifests cannot be read."""
    clock = project.services.clock
    began, taken_at = clock.monotonic(), clock.now()
    if options.locking is not None:
        options.locking.begin()
    options.progress.phase(f"looking at {source.name}")
    scan = source.scan(options.stop)
    session = Session.begin(project, source.name)
    options = replace(options, stop=session.refreshing_claim(options.stop))
    try:
        view = WriterView.read(session, known_gone=gone)
        snapshot = NewSnapshot(session, view, source, options, scan, taken_at, distrusted)
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
