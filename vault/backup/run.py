"""One backup of one source, from the scan to the commit.

    scan -> claim -> last manifest -> compare -> read what is new -> index -> manifest -> record

Nothing that was in the last manifest is lost: what the source no longer has is carried on as vanished, and what could not be
read keeps its last good version, if there is one, and is a problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from vault import memory
from vault.backup import (
    changes,
    comparison,
    item_classification,
    lost_content,
    manifest_rows,
    new_content,
    new_manifest,
    table_profiles,
    unreadable_items,
)
from vault.backup.new_content import Grown, NewContent, ReadTools
from vault.backup.new_manifest import ItemRetirement, ManifestUnreadable, ManifestWriter, read_base
from vault.backup.report import BackupReport
from vault.errors import Damaged, ObjectNotFound, SourceError, StrongroomError
from vault.format import manifest
from vault.format.changes import Changes
from vault.format.layout import META_TIER
from vault.format.record import Counts, Record, refuse_unreadable, told
from vault.format.tree import Tree
from vault.problems import Problem
from vault.progress import Progress, Silence
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.claims import evicted
from vault.repository.index_compaction import compact
from vault.repository.object_lock import ObjectLock, pack_names
from vault.repository.project import Project
from vault.repository.session import PacksGone, Session
from vault.source import scan_columns
from vault.source.patterns import Rules
from vault.source.reader import Reader
from vault.source.scan import NOWHERE, Bounds, Scan, scan
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BackupOptions", "BackupReport", "Source", "back_up"]

MOST_TRIES = 10
"""Times that a run is tried while packs go that it needs. It begins anew without manifests that cannot be read, however many
there are."""

READINGS = 2
"""Times that a manifest must turn out to be unreadable before the run does without it: an answer may be damaged, too."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that is backed up. name: unique in its project · kind: `reports`, `tickets`, `raw` or another ·
    path: of the folder · rules, bounds: what is left out · classify_options: how to tell what its items are about · ignored:
    what says nothing of a change, see `compare.compare` · profiler: looks into tables; None where nobody can."""

    name: str
    kind: str
    path: bytes
    rules: Rules
    classify_options: item_classification.ClassifyOptions = item_classification.UTC_MANNER
    bounds: Bounds = NOWHERE
    ignored: frozenset[comparison.Ignorable] = frozenset()
    profiler: table_profiles.Profiler | None = None

    def scan(self, stop: Callable[[], None]) -> Scan:
        """What the folder has now. stop: raises to end the scan. Raises `SourceError`."""
        return scan(self.path, self.kind.encode(), self.rules, stop=stop, bounds=self.bounds)


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """How a run shall behave. allow_empty: an empty source is meant · retire: which items a new manifest no longer carries ·
    locking: keeps what is stored from being deleted; None where nothing is locked · damaged: packs that are known to be, which
    nothing new relies on · give_up: which items are carried on no more once their content is lost · stop: called often, it
    raises to end the run."""

    allow_empty: bool = False
    locking: ObjectLock | None = None
    damaged: frozenset[bytes] = frozenset()
    retire: ItemRetirement | None = None
    give_up: ItemRetirement | None = None
    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=Silence)


def back_up(project: Project, source: Source, options: BackupOptions) -> BackupReport:
    """Take a snapshot of a source. Raises `SourceError`, `Interrupted`, `StorageError`: then nothing is committed, and
    what was stored is used by the next run."""
    gone, unreadable, tries = options.damaged, Counter[str](), 0
    while True:
        distrusted = frozenset(one for one, times in unreadable.items() if times >= READINGS)
        try:
            return _back_up(project, source, options, gone=gone, distrusted=distrusted)
        except PacksGone as error:  # deleted since this run looked
            tries += 1
            if tries == MOST_TRIES:
                raise
            # with append-only credentials, the next prune takes the old segments away
            compact(project, error.packs, stop=options.stop)
            gone |= error.packs
        except ManifestUnreadable as error:
            if error.snapshot in distrusted:  # it was readable a moment ago, when it was chosen
                raise
            unreadable[error.snapshot] += 1
            if unreadable[error.snapshot] == READINGS:
                gone |= lost_content.damaged_catalogue(project, error.snapshot)


def _back_up(
    project: Project, source: Source, options: BackupOptions, *, gone: frozenset[bytes], distrusted: frozenset[str]
) -> BackupReport:
    clock = project.services.clock
    began, taken_at = clock.monotonic(), clock.now()
    if options.locking is not None:
        options.locking.begin()
    options.progress.phase(f"looking at {source.name}")
    found = [source.scan(options.stop)]
    session = Session.begin(project, source.name, gone=gone)
    options = replace(options, stop=session.telling(options.stop))
    try:
        run = _Run(session, source, options, found.pop(), taken_at, distrusted)
        record = run.run()
    except (Damaged, ObjectNotFound) as error:
        stands = session.claim_stands()
        session.withdraw()
        if stands:
            raise
        raise evicted(session.id) from error  # what it leaned on may have been deleted under its hands
    except (StrongroomError, KeyboardInterrupt):
        session.withdraw()
        raise
    finally:
        session.packs.close()
    seconds = clock.monotonic() - began
    snapshots = len(session.committed.records) + 1
    return BackupReport(
        project=project.name,
        record=record,
        problems=tuple(run.problems),
        skipped=run.skipped,
        excluded=run.excluded,
        by_default=run.by_default,
        seconds=seconds,
        grown=run.grown,
        claim_stays=session.claim_stays,
        snapshots=snapshots,
        doubtful=tuple(run.doubtful),
    )


class _Run:
    """The parts of one run that share its state."""

    def __init__(
        self,
        session: Session,
        source: Source,
        options: BackupOptions,
        found: Scan,
        taken_at: datetime,
        distrusted: frozenset[str],
    ) -> None:
        self._session = session
        self._project = session.project
        self._source = source
        self._wishes = options
        self._table = found.table
        self._sums = _sums(found.table)
        self._unseen = frozenset(found.unlisted) | {problem.path for problem in found.problems}
        self._taken_at = taken_at
        self.problems: list[Problem] = list(found.problems)
        self.doubtful: list[bytes] = []
        self._superseded = snapshots.heads(session.committed.records, source.name)
        bases = {base.id: base for base in self._bases(distrusted)}
        self._heads = sorted(bases.values(), key=lambda one: (one.taken_at, one.id))
        self._last = self._heads[-1] if self._heads else None
        self._losses: lost_content.LostContent | None = None
        self._read_again = 0
        self._read_bytes = 0
        self._unlisted = frozenset(found.unlisted)
        self.grown: tuple[Grown, ...] = ()
        self.skipped = tuple(found.skipped)
        self.excluded, self.by_default = found.excluded, found.by_default

    def _bases(self, distrusted: frozenset[str]) -> Iterator[Record]:
        """The newest snapshots whose manifests can be read. distrusted: those of which that is not so."""
        for head in self._superseded:
            if head.id not in distrusted:
                yield head
                continue
            base = snapshots.newest_readable(self._session.catalogue, self._session.committed.records, head, distrusted)
            self.problems.append(snapshots.unreadable(self._project, head, base))
            if base is not None:
                yield base

    def run(self) -> Record:
        """Compare, read, write the manifest, commit."""
        last = self._last_manifest(comparison.COLUMNS)
        self._refuse_empty(last)
        difference = comparison.compare(
            self._table, last, self._last.taken_at if self._last else self._taken_at, self._source.ignored
        )
        self._wishes.stop()
        session = self._session
        session.lost = session.rest_on(self._heads)
        settled = self._superseded == self._heads and len(self._heads) == 1
        settled = settled and not self._described_anew() and not self._some_retire(last)
        whole = not session.lost and session.lists_read and not session.catalogue.healed
        if self._last and difference.nothing_changed and settled and whole:
            return self._commit_unchanged(self._last, difference)
        if self._last:
            difference = self._with_lost(difference)
            settled = settled and not self._some_given_up()
            if difference.nothing_changed and settled and lost_content.catalogue_rests(session, self._last):
                return self._commit_unchanged(self._last, difference)
        return self._commit_changed(difference, self._read(difference))

    def _with_lost(self, difference: comparison.Comparison) -> comparison.Comparison:
        """The comparison, and what must be read again since the repository has lost it."""
        self._losses = lost_content.look(self._session, self._heads)
        if self._losses is None:
            return difference
        chunks = self._last_manifest(["chunks"])["chunks"]
        difference, self._read_again = lost_content.read_again(difference, self._losses.rows(chunks))
        return difference

    def _some_given_up(self) -> bool:
        """The same for items whose content is lost and that a person has given up."""
        if self._losses is None or self._wishes.give_up is None:
            return False
        wanted = [*self._wishes.give_up.columns, "chunks"]
        return self._losses.given_up(self._last_manifest(wanted), self._wishes.give_up) is not None

    def _some_retire(self, last: pa.Table) -> bool:
        """Whether items have outlived their retention, so that there is a manifest to write though nothing changed."""
        import pyarrow.compute as pc

        retire = self._wishes.retire
        if retire is None or last["vanished_at"].null_count == len(last):
            return False
        return bool(pc.any(retire.goes(self._last_manifest([*retire.columns, "vanished_at"]))).as_py())

    def _described_anew(self) -> bool:
        """Whether the settings tell periods otherwise than they did for the last snapshot."""
        return self._last is not None and self._last.described_by != self._source.classify_options.fingerprint

    def _last_manifest(self, wanted: list[str] | None = None) -> pa.Table:
        """The named columns of the last manifest, or all; without rows where there is no last snapshot."""
        if self._last is None:
            empty = manifest.schema().empty_table()
            return empty if wanted is None else empty.select(wanted)
        return read_base(self._session, self._last, wanted)

    def _refuse_empty(self, last: pa.Table) -> None:
        """A source that lost everything looks like an unmounted disk; a person must say that it is meant."""
        had = max([last["vanished_at"].null_count, *(head.counts.items for head in self._superseded)])
        if not self._superseded and self._session.committed.damaged:
            had = max(had, 2)  # nobody knows what a snapshot had whose record cannot be read
        if self._sums[0] <= 1 and had > 1 and not self._wishes.allow_empty:
            raise SourceError(
                f"the source {self._source.name!r} is empty, and {counted(had - 1, 'item was', 'items were')} there "
                "at the last snapshot",
                hint="is it mounted? If it is meant to be empty, run the backup with --allow-empty",
            )

    def _read(self, difference: comparison.Comparison) -> NewContent:
        import pyarrow.compute as pc

        scans, options, fresh = [self._table], self._wishes, difference.fresh
        size = pc.sum(self._table["size"].take(fresh)).as_py() or 0
        options.progress.phase(f"reading {self._source.name}", items=len(fresh), size=size)
        self._table = self._table.select(["path", "type", "size"])
        with Reader(self._source.path, self._source.kind.encode()) as reader:
            source = self._source
            means = ReadTools(self._session, reader, source.classify_options, source.profiler, options.progress, options.stop)
            new = new_content.read(means, scans, fresh)
        self.problems += [one for one in new.problems if one.path not in self._unlisted]
        self.grown, self._read_bytes = new.grown, new.read_bytes
        return new

    def _commit_unchanged(self, last: Record, difference: comparison.Comparison) -> Record:
        """The same manifest again: it costs a record."""
        if unreadable_items.any_asks(self.problems):
            self.problems = unreadable_items.explained(self.problems, self._last_manifest(unreadable_items.COLUMNS))
        if self._losses is not None:
            self._tell_lost(self._last_manifest(["path", "seen_at", "chunks"]), self._losses)
        self.problems += self._session.damage()
        self._keep_locked(self._session.carried, self._session.catalogue.index)
        files = last.counts.files  # of an unchanged source the same
        told = changes.unchanged(last.changes, files, self._since())
        record = self._record(self._counts(difference, vanished=0), last.manifest, last.packs, last.own_packs, told)
        self._session.commit(record)
        return record

    def _tell_lost(self, table: pa.Table, lost: lost_content.LostContent) -> bool:
        """Name the items of a manifest that are lost, if any are."""
        rows = lost.rows(table["chunks"])
        self.problems += lost.problems(table, rows)
        return len(rows) > 0

    def _commit_changed(self, difference: comparison.Comparison, new: NewContent) -> Record:
        self._wishes.progress.phase("writing the manifest")
        self._session.forget_known()
        memory.give_back()
        table = self._new_manifest(difference, new)
        del new
        self.problems = unreadable_items.explained(self.problems, table)
        vanished = manifest_rows.missed_at(table, self._taken_at)
        told = self._changes(table)
        self._session.packs.drain()
        memory.give_back()
        writer = ManifestWriter(self._session, table["chunks"])
        if self._losses is not None or not writer.whole:
            lost = lost_content.now(self._session, self._losses)
            lost_content.refuse_lost_news(table, lost.rows(table["chunks"]), self._taken_at)
            if self._tell_lost(table, lost):
                writer.needed |= lost.held
        memory.give_back()
        encoded, rows = manifest.encode(table), table.num_rows
        del table
        memory.give_back()
        root = writer.write(encoded, rows)
        del encoded
        memory.give_back()
        packs, own = writer.finish(self._heads)
        self._keep_locked(writer.needed, writer.index)
        self.problems += self._session.damage()
        record = self._record(self._counts(difference, vanished=vanished), root, packs, own, told)
        self._session.commit(record)
        return record

    def _new_manifest(self, difference: comparison.Comparison, new: NewContent) -> pa.Table:
        import pyarrow.compute as pc

        source = self._source
        about = manifest_rows.SharedColumns(
            source.name, source.kind, self._taken_at, self._last.taken_at if self._last else None
        )
        description = new_manifest.Description(
            source.classify_options, new.of_content, new.profiles, anew=self._described_anew(), doubtful=self.doubtful
        )
        read = new_manifest.new_rows(new.results, self._table, about, description)
        self._table = self._table.slice(0, 0)  # a million rows that nobody asks for any more
        past = new_manifest.PreviousState(
            self._session, self._heads, difference, manifest_rows.Unvanished(new.failed, self._unseen)
        )
        table = new_manifest.build(read, about, past, description, self._wishes.retire)
        goes = self._losses.given_up(table, self._wishes.give_up) if self._losses is not None else None
        return table if goes is None else table.filter(pc.invert(goes))

    def _changes(self, table: pa.Table) -> Changes:
        """What the new manifest does to the items of the last one."""
        last = self._last_manifest(changes.COLUMNS)
        return changes.changes(last, table, self._taken_at, self._source.classify_options.zone, self._since())

    def _since(self) -> datetime:
        """Since when this source is backed up, as far as its records tell."""
        if self._last is not None and self._last.changes is not None and self._last.changes.since is not None:
            return self._last.changes.since
        own = (one.taken_at for one in self._session.committed.records if one.source == self._source.name)
        return min(own, default=self._taken_at)

    def _keep_locked(self, needed: Iterable[bytes], index: ChunkIndex) -> None:
        """Where objects are locked, so are these packs, for as long as what is stored today. index: all that is known of the
        catalogue's packs."""
        locking = self._wishes.locking
        if locking is not None:
            self._wishes.stop()
            there = frozenset(needed) - self._session.lost
            self.problems += locking.extend(pack_names(self._project, there, index.of_tier(META_TIER).packs()))
            self.problems += locking.extend_lasting()

    def _counts(self, difference: comparison.Comparison, *, vanished: int) -> Counts:
        rows, files, size = self._sums
        return Counts(
            items=rows,
            files=files,
            bytes=size,
            added=len(difference.fresh) - difference.replaced - self._read_again,
            changed=difference.replaced,
            unchanged=len(difference.kept) + self._read_again,
            vanished=vanished,
            read_bytes=self._read_bytes,
            stored_bytes=self._session.packs.stored_bytes,
            problems=len(self.problems),
        )

    def _record(self, counts: Counts, root: Tree, packs: Tree, own: tuple[bytes, ...], told_of: Changes) -> Record:
        services = self._project.services
        made = Record(
            id=self._session.id,
            source=self._source.name,
            kind=self._source.kind,
            taken_at=self._taken_at,
            finished_at=services.clock.now(),
            host=services.host,
            writer=services.writer,
            parents=tuple(head.id for head in self._superseded),
            manifest=root,
            packs=packs,
            own_packs=own,
            counts=counts,
            problems=told(self.problems),
            zone=self._source.classify_options.zone.key,
            described_by=self._source.classify_options.fingerprint,
            changes=told_of,
        )
        refuse_unreadable(made)
        return made


def _sums(scan: pa.Table) -> tuple[int, int, int]:
    """Rows, files, and bytes of content."""
    import pyarrow as pa
    import pyarrow.compute as pc

    files = pc.sum(pc.equal(scan["type"], pa.scalar(scan_columns.FILE, pa.uint8()))).as_py() or 0
    return len(scan), files, pc.sum(scan["size"]).as_py() or 0
