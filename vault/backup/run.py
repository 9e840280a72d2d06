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
from vault.backup import changes, compare, describing, items, losses, new_content, new_manifest, profiles, unread
from vault.backup.new_content import Grown, Means, New
from vault.backup.new_manifest import ManifestUnreadable, ManifestWriter, Retire, read_base
from vault.backup.report import Report
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
from vault.repository.locking import Locking, pack_names
from vault.repository.project import Project
from vault.repository.session import PacksGone, Session
from vault.repository.tidy import tidy
from vault.source import columns
from vault.source.patterns import Rules
from vault.source.reading import Reader
from vault.source.scan import NOWHERE, Bounds, Scan, scan
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Report", "Source", "Wishes", "back_up"]

MOST_TRIES = 10
"""Times that a run is tried while packs go that it needs. It begins anew without manifests that cannot be read, however many
there are."""

READINGS = 2
"""Times that a manifest must turn out to be unreadable before the run does without it: an answer may be damaged, too."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that is backed up. name: unique in its project · kind: `reports`, `tickets`, `raw` or another ·
    path: of the folder · rules, bounds: what is left out · manner: how to tell what its items are about · ignored: what says
    nothing of a change, see `compare.compare` · profiler: looks into tables; None where nobody can."""

    name: str
    kind: str
    path: bytes
    rules: Rules
    manner: describing.Manner = describing.UTC_MANNER
    bounds: Bounds = NOWHERE
    ignored: frozenset[compare.Ignorable] = frozenset()
    profiler: profiles.Profiler | None = None

    def scan(self, stop: Callable[[], None]) -> Scan:
        """What the folder has now. stop: raises to end the scan. Raises `SourceError`."""
        return scan(self.path, self.kind.encode(), self.rules, stop=stop, bounds=self.bounds)


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a run shall behave. allow_empty: an empty source is meant · retire: which items a new manifest no longer carries ·
    locking: keeps what is stored from being deleted; None where nothing is locked · damaged: packs that are known to be, which
    nothing new relies on · stop: called often, it raises to end the
    run."""

    allow_empty: bool = False
    locking: Locking | None = None
    damaged: frozenset[bytes] = frozenset()
    retire: Retire | None = None
    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=Silence)


def back_up(project: Project, source: Source, wishes: Wishes) -> Report:
    """Take a snapshot of a source. Raises `SourceError`, `Interrupted`, `StorageError`: then nothing is committed, and
    what was stored is used by the next run."""
    gone, unreadable, tries = wishes.damaged, Counter[str](), 0
    while True:
        distrusted = frozenset(one for one, times in unreadable.items() if times >= READINGS)
        try:
            return _back_up(project, source, wishes, gone=gone, distrusted=distrusted)
        except PacksGone as error:  # deleted since this run looked
            tries += 1
            if tries == MOST_TRIES:
                raise
            # with append-only credentials, the next prune takes the old segments away
            tidy(project, error.packs, stop=wishes.stop)
            gone |= error.packs
        except ManifestUnreadable as error:
            if error.snapshot in distrusted:  # it was readable a moment ago, when it was chosen
                raise
            unreadable[error.snapshot] += 1
            if unreadable[error.snapshot] == READINGS:
                gone |= losses.damaged_catalogue(project, error.snapshot)


def _back_up(project: Project, source: Source, wishes: Wishes, *, gone: frozenset[bytes], distrusted: frozenset[str]) -> Report:
    clock = project.services.clock
    began, taken_at = clock.monotonic(), clock.now()
    if wishes.locking is not None:
        wishes.locking.begin()
    wishes.progress.phase(f"looking at {source.name}")
    found = [source.scan(wishes.stop)]
    session = Session.begin(project, source.name, gone=gone)
    wishes = replace(wishes, stop=session.telling(wishes.stop))
    try:
        run = _Run(session, source, wishes, found.pop(), taken_at, distrusted)
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
    return Report(
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
        self, session: Session, source: Source, wishes: Wishes, found: Scan, taken_at: datetime, distrusted: frozenset[str]
    ) -> None:
        self._session = session
        self._project = session.project
        self._source = source
        self._wishes = wishes
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
        self._losses: losses.Losses | None = None
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
        last = self._last_manifest(compare.COLUMNS)
        self._refuse_empty(last)
        difference = compare.compare(
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
            if difference.nothing_changed and settled and losses.catalogue_rests(session, self._last):
                return self._commit_unchanged(self._last, difference)
        return self._commit_changed(difference, self._read(difference))

    def _with_lost(self, difference: compare.Comparison) -> compare.Comparison:
        """The comparison, and what must be read again since the repository has lost it."""
        self._losses = losses.look(self._session, self._heads)
        if self._losses is None:
            return difference
        chunks = self._last_manifest(["chunks"])["chunks"]
        difference, self._read_again = losses.read_again(difference, self._losses.rows(chunks))
        return difference

    def _some_retire(self, last: pa.Table) -> bool:
        """Whether items have outlived their retention, so that there is a manifest to write though nothing changed."""
        import pyarrow.compute as pc

        retire = self._wishes.retire
        if retire is None or last["vanished_at"].null_count == len(last):
            return False
        return bool(pc.any(retire.goes(self._last_manifest([*retire.columns, "vanished_at"]))).as_py())

    def _described_anew(self) -> bool:
        """Whether the settings tell periods otherwise than they did for the last snapshot."""
        return self._last is not None and self._last.described_by != self._source.manner.fingerprint

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

    def _read(self, difference: compare.Comparison) -> New:
        import pyarrow.compute as pc

        scans, wishes, fresh = [self._table], self._wishes, difference.fresh
        size = pc.sum(self._table["size"].take(fresh)).as_py() or 0
        wishes.progress.phase(f"reading {self._source.name}", items=len(fresh), size=size)
        self._table = self._table.select(["path", "type", "size"])
        with Reader(self._source.path, self._source.kind.encode()) as reader:
            source = self._source
            means = Means(self._session, reader, source.manner, source.profiler, wishes.progress, wishes.stop)
            new = new_content.read(means, scans, fresh)
        self.problems += [one for one in new.problems if one.path not in self._unlisted]
        self.grown, self._read_bytes = new.grown, new.read_bytes
        return new

    def _commit_unchanged(self, last: Record, difference: compare.Comparison) -> Record:
        """The same manifest again: it costs a record."""
        if unread.any_asks(self.problems):
            self.problems = unread.explained(self.problems, self._last_manifest(unread.COLUMNS))
        if self._losses is not None:
            self._tell_lost(self._last_manifest(["path", "seen_at", "chunks"]), self._losses)
        self.problems += self._session.damage()
        self._keep_locked(self._session.carried, self._session.catalogue.index)
        files = last.counts.files  # of an unchanged source the same
        told = changes.unchanged(last.changes, files, self._since())
        record = self._record(self._counts(difference, vanished=0), last.manifest, last.packs, last.own_packs, told)
        self._session.commit(record)
        return record

    def _tell_lost(self, table: pa.Table, lost: losses.Losses) -> bool:
        """Name the items of a manifest that are lost, if any are."""
        rows = lost.rows(table["chunks"])
        self.problems += lost.problems(table, rows)
        return len(rows) > 0

    def _commit_changed(self, difference: compare.Comparison, new: New) -> Record:
        self._wishes.progress.phase("writing the manifest")
        self._session.forget_known()
        memory.give_back()
        table = self._new_manifest(difference, new)
        del new
        self.problems = unread.explained(self.problems, table)
        vanished = items.missed_at(table, self._taken_at)
        told = self._changes(table)
        self._session.packs.drain()
        memory.give_back()
        writer = ManifestWriter(self._session, table["chunks"])
        if self._losses is not None or not writer.whole:
            lost = losses.now(self._session, self._losses)
            losses.refuse_lost_news(table, lost.rows(table["chunks"]), self._taken_at)
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

    def _new_manifest(self, difference: compare.Comparison, new: New) -> pa.Table:
        source = self._source
        about = items.About(source.name, source.kind, self._taken_at, self._last.taken_at if self._last else None)
        description = new_manifest.Description(
            source.manner, new.of_content, new.profiles, anew=self._described_anew(), doubtful=self.doubtful
        )
        read = new_manifest.news(new.results, self._table, about, description)
        self._table = self._table.slice(0, 0)  # a million rows that nobody asks for any more
        past = new_manifest.Past(self._session, self._heads, difference, items.Spared(new.failed, self._unseen))
        return new_manifest.made(read, about, past, description, self._wishes.retire)

    def _changes(self, table: pa.Table) -> Changes:
        """What the new manifest does to the items of the last one."""
        last = self._last_manifest(changes.COLUMNS)
        return changes.changes(last, table, self._taken_at, self._source.manner.zone, self._since())

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

    def _counts(self, difference: compare.Comparison, *, vanished: int) -> Counts:
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
            zone=self._source.manner.zone.key,
            described_by=self._source.manner.fingerprint,
            changes=told_of,
        )
        refuse_unreadable(made)
        return made


def _sums(scan: pa.Table) -> tuple[int, int, int]:
    """Rows, files, and bytes of content."""
    import pyarrow as pa
    import pyarrow.compute as pc

    files = pc.sum(pc.equal(scan["type"], pa.scalar(columns.FILE, pa.uint8()))).as_py() or 0
    return len(scan), files, pc.sum(scan["size"]).as_py() or 0
