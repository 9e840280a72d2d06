"""One backup of one source, from the scan to the commit.

    scan -> claim -> last manifest -> compare -> read what is new -> index -> manifest -> record

Nothing that was in the last manifest is lost: what the source no longer has is carried on as vanished, and what could not be
read keeps its last good version and is a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from vault.about.period import Period
from vault.backup import compare, content, describing, dictionaries, items, reading
from vault.errors import Damaged, ObjectNotFound, SourceError, StrongroomError
from vault.format import manifest
from vault.format.layout import META_TIER
from vault.format.record import MOST_PROBLEMS, Counts, Record
from vault.format.tree import Tree
from vault.problems import Problem, printable
from vault.progress import Progress, Silence
from vault.repository import snapshots
from vault.repository.chunk_index import ChunkIndex
from vault.repository.locking import Locking, pack_names
from vault.repository.project import Project
from vault.repository.session import PacksGone, Session, evicted
from vault.repository.tidy import tidy
from vault.source import columns
from vault.source.patterns import Rules
from vault.source.reading import Content, Reader
from vault.source.scan import Scan, Skipped, scan

if TYPE_CHECKING:
    import pyarrow as pa
KEPT_ALL_THE_SAME = frozenset({"attribute-too-large"})
"""Problems of items that were read."""


Retire = Callable[["pa.Table"], "pa.Array"]
"""A boolean for each row of a manifest."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that is backed up. name: unique in its project · kind: `reports`, `tickets`, `raw` or another ·
    path: of the folder · rules: what is left out · manner: how to tell what its items are about."""

    name: str
    kind: str
    path: bytes
    rules: Rules
    manner: describing.Manner = describing.UTC_MANNER


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a run shall behave. allow_empty: an empty source is meant · retire: which rows of a new manifest have outlived their
    retention, for the caller's rules and holds; only vanished items go · locking: keeps what is stored from being deleted; None
    where nothing is locked · stop: called often, raises to end the run."""

    allow_empty: bool = False
    locking: Locking | None = None
    retire: Retire | None = None
    stop: Callable[[], None] = lambda: None
    progress: Progress = field(default_factory=Silence)


@dataclass(frozen=True, slots=True)
class Report:
    """What a backup did. seconds: from the scan to the commit · claim_stays: it could not be deleted, which harms nothing."""

    project: str
    record: Record
    problems: tuple[Problem, ...]
    skipped: tuple[Skipped, ...]
    excluded: int
    seconds: float
    claim_stays: bool = False

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
    try:
        return _back_up(project, source, wishes, gone=frozenset())
    except PacksGone as error:  # an evicted run has left rows of packs that were deleted: without them, all can be stored
        tidy(project, error.packs, stop=wishes.stop)  # with append-only credentials, the next prune takes the old segments away
        return _back_up(project, source, wishes, gone=error.packs)


def _back_up(project: Project, source: Source, wishes: Wishes, *, gone: frozenset[bytes]) -> Report:
    clock = project.services.clock
    began, taken_at = clock.monotonic(), clock.now()
    if wishes.locking is not None:
        wishes.locking.begin()
    wishes.progress.phase(f"looking at {source.name}")
    found = [scan(source.path, source.kind.encode(), source.rules, stop=wishes.stop)]
    session = Session.begin(project, source.name, gone=gone)
    try:
        run = _Run(session, source, wishes, found.pop(), taken_at)
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
    return Report(project.name, record, tuple(run.problems), run.skipped, run.excluded, seconds, session.claim_stays)


class _Run:
    """The parts of one run that share its state."""

    def __init__(self, session: Session, source: Source, wishes: Wishes, found: Scan, taken_at: datetime) -> None:
        self._session = session
        self._project = session.project
        self._source = source
        self._wishes = wishes
        self._table = found.table
        self._sums = _sums(found.table)
        self._unseen = frozenset(found.unlisted) | {problem.path for problem in found.problems}
        self._taken_at = taken_at
        self._heads = snapshots.heads(session.committed.records, source.name)
        self._last = self._heads[-1] if self._heads else None
        self._results = items.Results()
        self._of_content: dict[bytes, Period] = {}
        self._read_bytes = 0
        self._scan_problems = len(found.problems)
        self.problems: list[Problem] = list(found.problems)
        self.skipped = tuple(found.skipped)
        self.excluded = found.excluded

    def run(self) -> Record:
        """Compare, read, write the manifest, commit."""
        last = self._last_manifest(compare.COLUMNS)
        self._refuse_empty(last)
        difference = compare.compare(self._table, last, self._last.taken_at if self._last else self._taken_at)
        self._wishes.stop()
        settled = len(self._heads) == 1 and not self._described_anew()
        if self._last and difference.nothing_changed and settled:
            return self._commit_unchanged(self._last, difference)
        self._read(difference)
        return self._commit_changed(difference)

    def _described_anew(self) -> bool:
        """Whether the settings tell periods otherwise than they did for the last snapshot."""
        return self._last is not None and self._last.described_by != self._source.manner.fingerprint

    def _last_manifest(self, wanted: list[str] | None = None) -> pa.Table:
        """The named columns of the last manifest, or all; without rows where there is no last snapshot."""
        if self._last is None:
            empty = manifest.schema().empty_table()
            return empty if wanted is None else empty.select(wanted)
        return snapshots.read_manifest(self._session.catalogue, self._last, columns=wanted)

    def _refuse_empty(self, last: pa.Table) -> None:
        """A source that lost everything looks like an unmounted disk; a person must say that it is meant."""
        had = last["vanished_at"].null_count
        if self._sums[0] <= 1 and had > 1 and not self._wishes.allow_empty:
            raise SourceError(
                f"the source {self._source.name!r} is empty, and {had - 1} items were there at the last snapshot",
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
            self._ask_content(reader)
        self.problems += work.problems
        self._read_bytes = work.read_bytes

    def _ask_content(self, reader: Reader) -> None:
        """The periods of tables whose paths tell none, by a time column of their content."""
        import pyarrow.compute as pc

        ask = self._source.manner.content
        if ask is None or not len(self._results):
            return
        read = self._results.formats()
        read = read.filter(pc.is_valid(read["format"]))
        paths = self._table["path"].combine_chunks().take(read["row"].combine_chunks())
        asked = describing.unnamed(paths, self._source.manner)
        for path, format_ in zip(paths.filter(asked).to_pylist(), read["format"].filter(asked).to_pylist(), strict=True):
            self._wishes.stop()
            file = reader.open_large(path)
            if isinstance(file, Problem):
                continue  # it went meanwhile; what was read of it is kept, and its time of modification tells the period
            with file:
                period = ask(file.descriptor, format_)
            if period is not None:
                self._of_content[path] = period

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
        self.problems += self._session.damage()
        if self._wishes.locking is not None:
            reader = self._session.catalogue
            needed = snapshots.needed_packs(reader, last, self._session.committed.moved)
            self._keep_locked(needed, reader.index)
        record = self._record(self._counts(difference, vanished=0), last.manifest, last.packs, last.own_packs)
        self._session.commit(record)
        return record

    def _commit_changed(self, difference: compare.Comparison) -> Record:
        self._wishes.progress.phase("writing the manifest")
        self._session.forget_known()
        give_memory_back()
        about = items.About(self._source.name, self._source.kind, self._taken_at, self._last.taken_at if self._last else None)
        spared = self._spared()
        manner = self._source.manner
        news = describing.described(self._results.table(self._table, about), manner, self._of_content)
        self._table = self._table.slice(0, 0)  # a million rows that nobody asks for any more
        table = items.merged(self._last_manifest(), difference, news, spared, about)
        del news
        for head in self._heads[:-1]:
            other = snapshots.read_manifest(self._session.catalogue, head)
            table = items.joined(table, other, spared, replace(about, last_seen_at=head.taken_at))
        if self._described_anew():
            table = describing.described(table, manner, self._of_content)
        table = self._without_retired(table)
        self._session.packs.drain()
        vanished = items.missed_at(table, self._taken_at)
        encoded, chunks = manifest.encode(table), table["chunks"]
        del table  # of a million rows, only what they need is still asked for
        give_memory_back()
        stored = self._store_manifest(encoded, chunks)
        self.problems += self._session.damage()
        record = self._record(self._counts(difference, vanished=vanished), *stored)
        self._session.commit(record)
        return record

    def _without_retired(self, table: pa.Table) -> pa.Table:
        """The new manifest without vanished items whose retention has run out."""
        import pyarrow.compute as pc

        if self._wishes.retire is None or table["vanished_at"].null_count == table.num_rows:
            return table
        goes = pc.and_(self._wishes.retire(table), pc.is_valid(table["vanished_at"]))
        return table.filter(pc.invert(goes)) if pc.any(goes).as_py() else table

    def _spared(self) -> items.Spared:
        """What stays in the manifest though this run could not read it."""
        while_reading = self.problems[self._scan_problems :]
        failed = {problem.path for problem in while_reading if problem.what not in KEPT_ALL_THE_SAME}
        return items.Spared(failed=frozenset(failed), unseen=self._unseen)

    def _store_manifest(self, encoded: memoryview[int], chunks: pa.ChunkedArray) -> tuple[Tree, Tree, tuple[bytes, ...]]:
        """Store the manifest and the list of packs. Gives their roots, and the packs that came to be meanwhile."""
        session = self._session
        index = session.index.with_rows([session.new_rows(), session.avoided_rows])  # the first place of a chunk counts
        writer = session.meta_writer()
        before = session.new_rows().num_rows  # a long manifest fills packs while it is being written
        root = writer.write(encoded)
        needed = needed_packs(chunks, index) | writer.leaned_on
        writer.leaned_on.clear()
        listed = "".join(f"{pack.hex()}\n" for pack in sorted(needed)).encode()
        packs = writer.write(listed)
        writer.flush()
        session.packs.drain()
        own = session.new_rows().slice(before)["pack"].unique().to_pylist()
        session.look_for(frozenset(needed | writer.leaned_on), self._heads)
        self._keep_locked({*needed, *writer.leaned_on, *own}, index.with_rows([session.new_rows()]))
        return root, packs, tuple(sorted({*own, *writer.leaned_on}))

    def _keep_locked(self, needed: Iterable[bytes], index: ChunkIndex) -> None:
        """Where objects are locked, so are these packs, for as long as what is stored today. index: all that is known of the
        catalogue's packs."""
        locking = self._wishes.locking
        if locking is not None:
            self._wishes.stop()
            self.problems += locking.extend(pack_names(self._project, needed, index.of_tier(META_TIER).packs()))

    def _counts(self, difference: compare.Comparison, *, vanished: int) -> Counts:
        rows, files, size = self._sums
        return Counts(
            items=rows,
            files=files,
            bytes=size,
            added=len(difference.fresh) - difference.replaced,
            changed=difference.replaced,
            unchanged=len(difference.kept),
            vanished=vanished,
            read_bytes=self._read_bytes,
            stored_bytes=self._session.packs.stored_bytes,
            problems=len(self.problems),
        )

    def _record(self, counts: Counts, root: Tree, packs: Tree, own: tuple[bytes, ...]) -> Record:
        services = self._project.services
        return Record(
            id=self._session.id,
            source=self._source.name,
            kind=self._source.kind,
            taken_at=self._taken_at,
            finished_at=services.clock.now(),
            host=services.host,
            writer=services.writer,
            parents=tuple(head.id for head in self._heads),
            manifest=root,
            packs=packs,
            own_packs=own,
            counts=counts,
            problems=tuple(problem.as_json() for problem in self.problems[:MOST_PROBLEMS]),
            zone=self._source.manner.zone.key,
            described_by=self._source.manner.fingerprint,
        )


def _sums(scan: pa.Table) -> tuple[int, int, int]:
    """Rows, files, and bytes of content."""
    import pyarrow as pa
    import pyarrow.compute as pc

    files = pc.sum(pc.equal(scan["type"], pa.scalar(columns.FILE, pa.uint8()))).as_py() or 0
    return len(scan), files, pc.sum(scan["size"]).as_py() or 0


def give_memory_back() -> None:
    """What one phase has freed must not lie beside what the next one takes."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def needed_packs(chunks: pa.ChunkedArray, index: ChunkIndex) -> set[bytes]:
    """The packs that hold the content of a manifest's items, dictionaries included. chunks: that column of the manifest.
    Raises `Damaged` where one is missing."""
    import pyarrow.compute as pc

    ids = chunks.combine_chunks().flatten().field("id").drop_null()
    places = pc.index_in(ids, value_set=index.table["chunk"].combine_chunks())
    if places.null_count:
        raise Damaged(
            f"{places.null_count} chunks that the new snapshot leans on are in no index segment; nothing was committed",
            hint="run `strongroom check`, then the backup again",
        )
    used = pc.unique(places)
    taught = index.locate(pc.unique(index.table["dictionary"].take(used)).drop_null())
    return {*pc.unique(index.table["pack"].take(used)).to_pylist(), *pc.unique(taught["pack"]).to_pylist()} - {None}
