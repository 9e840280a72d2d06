"""One backup of one source, from the scan to the commit.

    scan -> claim -> last manifest -> compare -> read what is new -> index -> manifest -> record

Nothing that was in the last manifest is lost: what the source no longer has is carried on as vanished, and what could not be
read keeps its last good version and is a problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vault import memory
from vault.about.period import Period
from vault.backup import changes, compare, content, describing, dictionaries, items, losses, new_manifest, profiles, reading
from vault.backup.new_manifest import ManifestUnreadable, ManifestWriter, Retire, read_base
from vault.errors import Damaged, ObjectNotFound, SourceError, StrongroomError
from vault.format import manifest
from vault.format.changes import Changes
from vault.format.layout import META_TIER
from vault.format.record import Counts, Record, refuse_unreadable, told
from vault.format.tree import Tree
from vault.problems import Problem, printable
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
from vault.source.reading import Content, Reader
from vault.source.scan import Scan, Skipped, scan
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa
KEPT_ALL_THE_SAME = frozenset({"attribute-too-large"})
"""Problems of items that were read."""

MOST_TRIES = 10
"""Times that a run begins anew without what it found to be gone or unreadable."""

READINGS = 2
"""Times that a manifest must turn out to be unreadable before the run does without it: an answer may be damaged, too."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that is backed up. name: unique in its project · kind: `reports`, `tickets`, `raw` or another ·
    path: of the folder · rules: what is left out · manner: how to tell what its items are about · profiler: looks into tables;
    None where nobody can."""

    name: str
    kind: str
    path: bytes
    rules: Rules
    manner: describing.Manner = describing.UTC_MANNER
    profiler: profiles.Profiler | None = None


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


@dataclass(frozen=True, slots=True)
class Report:
    """What a backup did. seconds: from the scan to the commit · claim_stays: it could not be deleted, which harms nothing ·
    snapshots: that the project has now, as far as this run saw."""

    project: str
    record: Record
    problems: tuple[Problem, ...]
    skipped: tuple[Skipped, ...]
    excluded: int
    seconds: float
    claim_stays: bool = False
    snapshots: int = 1

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "source": self.record.source,
            "snapshot": self.record.id,
            "taken_at": self.record.taken_at.isoformat(),
            **self.record.counts.as_json(),
            "seconds": round(self.seconds, 3),
            "skipped": [{"path": printable(one.path), "what": one.what} for one in self.skipped],
            "excluded": self.excluded,
            "claim_stays": self.claim_stays,
            "problem_list": [problem.as_json() for problem in self.problems],
        }


def back_up(project: Project, source: Source, wishes: Wishes) -> Report:
    """Take a snapshot of a source. Raises `SourceError`, `Interrupted`, `StorageError`: then nothing is committed, and
    what was stored is used by the next run."""
    gone, unreadable = wishes.damaged, Counter[str]()
    for _ in range(MOST_TRIES - 1):
        distrusted = frozenset(one for one, times in unreadable.items() if times >= READINGS)
        try:
            return _back_up(project, source, wishes, gone=gone, distrusted=distrusted)
        except PacksGone as error:  # deleted since this run looked
            # with append-only credentials, the next prune takes the old segments away
            tidy(project, error.packs, stop=wishes.stop)
            gone |= error.packs
        except ManifestUnreadable as error:
            unreadable[error.snapshot] += 1
    return _back_up(project, source, wishes, gone=gone, distrusted=frozenset(unreadable))


def _back_up(project: Project, source: Source, wishes: Wishes, *, gone: frozenset[bytes], distrusted: frozenset[str]) -> Report:
    clock = project.services.clock
    began, taken_at = clock.monotonic(), clock.now()
    if wishes.locking is not None:
        wishes.locking.begin()
    wishes.progress.phase(f"looking at {source.name}")
    found = [scan(source.path, source.kind.encode(), source.rules, stop=wishes.stop)]
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
    return Report(project.name, record, tuple(run.problems), run.skipped, run.excluded, seconds, session.claim_stays, snapshots)


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
        self._superseded = snapshots.heads(session.committed.records, source.name)
        bases = {base.id: base for base in self._bases(distrusted)}
        self._heads = sorted(bases.values(), key=lambda one: (one.taken_at, one.id))
        self._last = self._heads[-1] if self._heads else None
        self._losses: losses.Losses | None = None
        self._read_again = 0
        self._results = items.Results()
        self._of_content: dict[bytes, Period] = {}
        self._profiles: dict[bytes, profiles.Profile] = {}
        self._read_bytes = 0
        self._scan_problems = len(found.problems)
        self.skipped = tuple(found.skipped)
        self.excluded = found.excluded

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
        difference = compare.compare(self._table, last, self._last.taken_at if self._last else self._taken_at)
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
        self._read(difference)
        return self._commit_changed(difference)

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

    def _read(self, difference: compare.Comparison) -> None:
        import pyarrow.compute as pc

        table, progress = self._table, self._wishes.progress
        fresh = difference.fresh
        sizes = pc.sum(table["size"].take(fresh)).as_py() or 0
        progress.phase(f"reading {self._source.name}", items=len(fresh), size=sizes)
        with Reader(self._source.path, self._source.kind.encode()) as reader:
            trained = self._train(reader, fresh)
            writer = content.ContentWriter(self._session, trained)
            try:
                work = reading.Reading(reader, writer, self._results, progress, self._wishes.stop, self._session.tell)
                self._folders_and_links(work, fresh)
                self._table = table = table.select(["path", "type", "size"])
                work.files(reading.wanted_files(table, fresh))
            finally:
                writer.close()
            manner = self._source.manner
            self._of_content = describing.asked(reader, self._table["path"], self._results, manner, self._wishes.stop)
            self._profiles = profiles.asked(reader, self._table, self._results, self._source.profiler, self._wishes.stop)
        self.problems += work.problems
        self._read_bytes = work.read_bytes

    def _train(self, reader: Reader, fresh: pa.Array) -> dict[str, dictionaries.Trained]:
        """Dictionaries for the groups of small files that deserve one, stored before they are used."""
        candidates = dictionaries.worth_training((one.path, one.size) for one in reading.wanted_files(self._table, fresh))
        key = self._project.capability.chunk_id_key

        def train(paths: list[bytes]) -> dictionaries.Trained | None:
            self._wishes.stop()
            samples = [answer.data for answer in reader.read_small(paths) if isinstance(answer, Content)]
            return dictionaries.train(samples, key)

        with ThreadPoolExecutor(content.WORKERS, thread_name_prefix="train") as pool:
            made = zip(candidates, pool.map(train, candidates.values()), strict=True)
            trained = {name: one for name, one in made if one is not None}
        if trained:
            content.store_dictionaries(self._session, list(trained.values()))
        return trained

    def _folders_and_links(self, work: reading.Reading, fresh: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        table = self._table
        types = table["type"].combine_chunks().take(fresh)
        for code, read in ((columns.FOLDER, work.folders), (columns.LINK, work.links)):
            rows = fresh.filter(pc.equal(types, pa.scalar(code, pa.uint8())))
            read(table, rows)

    def _commit_unchanged(self, last: Record, difference: compare.Comparison) -> Record:
        """The same manifest again: it costs a record."""
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

    def _commit_changed(self, difference: compare.Comparison) -> Record:
        self._wishes.progress.phase("writing the manifest")
        self._session.forget_known()
        memory.give_back()
        table = self._new_manifest(difference)
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

    def _new_manifest(self, difference: compare.Comparison) -> pa.Table:
        source = self._source
        about = items.About(source.name, source.kind, self._taken_at, self._last.taken_at if self._last else None)
        description = new_manifest.Description(source.manner, self._of_content, self._profiles, anew=self._described_anew())
        read = new_manifest.news(self._results, self._table, about, description)
        self._table = self._table.slice(0, 0)  # a million rows that nobody asks for any more
        past = new_manifest.Past(self._session, self._heads, difference, self._spared())
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

    def _spared(self) -> items.Spared:
        """What stays in the manifest though this run could not read it."""
        while_reading = self.problems[self._scan_problems :]
        failed = {problem.path for problem in while_reading if problem.what not in KEPT_ALL_THE_SAME}
        return items.Spared(failed=frozenset(failed), unseen=self._unseen)

    def _keep_locked(self, needed: Iterable[bytes], index: ChunkIndex) -> None:
        """Where objects are locked, so are these packs, for as long as what is stored today. index: all that is known of the
        catalogue's packs."""
        locking = self._wishes.locking
        if locking is not None:
            self._wishes.stop()
            there = frozenset(needed) - self._session.lost
            self.problems += locking.extend(pack_names(self._project, there, index.of_tier(META_TIER).packs()))

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
