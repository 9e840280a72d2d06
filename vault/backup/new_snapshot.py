"""One new snapshot, from the comparison with the last one to the commit.

base snapshots -> compare -> (nothing changed: commit the last manifest again)
-> index -> lost content -> read what is new -> manifest -> record
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from vault.backup import (
    changes,
    comparison,
    item_classification,
    lost_content,
    manifest_rows,
    manifest_writer,
    unreadable_items,
)
from vault.backup.base_snapshots import BaseSnapshots
from vault.backup.comparison import Comparison
from vault.backup.lost_content import LostContent
from vault.backup.manifest_writer import ManifestTarget, StoredManifest
from vault.backup.options import BackupOptions, Source
from vault.errors import SourceError
from vault.format import coverage as coverages
from vault.format.changes import Changes
from vault.format.descriptor import INFLATED
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.format.snapshot_record import Counts, Record, recorded_problems, verify_readable
from vault.problems import Problem
from vault.repository.chunk_index import ChunkIndex
from vault.repository.object_lock import pack_names
from vault.repository.session import Session
from vault.repository.sorted_index import KnownChunks
from vault.repository.writer_view import BasePacks, UsableIndex, WriterView
from vault.source.contract import Scan
from vault.source.scan_columns import SourceTotals
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.backup.attribute_changes import AttributeChanges
    from vault.backup.delta_bases import DeltaBases
    from vault.backup.dictionaries import KeptDictionaries
    from vault.backup.new_content import Grown, NewContent
    from vault.backup.read_journal import ReadJournal


class _Reading(Struct, frozen=True):
    """What a run reads, and what for.

    - `difference`: between the scan and the last manifest
    - `reread`: how many unchanged files it reads, since their content is lost
    - `lost`: content that is lost; None where none is
    - `lost_items`: how many items of the last manifest need it
    """

    difference: Comparison
    reread: int = 0
    lost: LostContent | None = None
    lost_items: int = 0


class _ManifestFacts(Struct, frozen=True):
    """What a record says of a new manifest. size: bytes that the source has."""

    vanished: int
    changes: Changes
    size: int


class NewSnapshot:
    """The steps of one run. `commit` takes them all.

    - `problems`: of the scan, the reading and the repository
    - `doubtful`: paths that can be read as several periods
    - `grown`: files that grew while they were read
    - `read_again`: packs whose lost content was read again
    """

    def __init__(
        self,
        session: Session,
        view: WriterView,
        source: Source,
        options: BackupOptions,
        scan: Scan,
        taken_at: datetime,
        distrusted: frozenset[str],
    ) -> None:
        self._session = session
        self._view = view
        self._source = source
        self._options = options
        self._scan = scan
        self._taken_at = taken_at
        self._totals = SourceTotals.of(scan.table)
        self._same = 0
        """How many items were read, not for lost content, and are what they were."""
        self._unseen = frozenset(scan.unlisted) | {problem.path for problem in scan.problems}
        self._base, unreadable = BaseSnapshots.choose(view, source.name, distrusted)
        self.problems: list[Problem] = [*scan.problems, *unreadable]
        self.doubtful: list[bytes] = []
        self.grown: tuple[Grown, ...] = ()
        self.read_again: frozenset[bytes] = frozenset()
        self._journal = self._journal_of(scan)

    def _journal_of(self, scan: Scan) -> ReadJournal | None:
        """Of what was read, where reading again would cost requests."""
        if self._options.cache is None or not scan.is_remote:
            return None
        from vault.backup.read_journal import ReadJournal

        return ReadJournal(self._session.project, self._source.name, self._options.cache)

    def commit(self) -> Record:
        """Compare, read, write the manifest, commit. Raises what `back_up` says."""
        base, view = self._base, self._view
        last = base.last_manifest(comparison.COLUMNS)
        self._refuse_empty(last)
        compared_at = base.last.taken_at if base.last else self._taken_at
        difference = comparison.compare(self._scan.table, last, compared_at, self._scan.ignored)
        self._options.stop()
        packs = view.base_packs(base.bases)
        noted = self._any_noted(last)
        unchanged = difference.nothing_changed and base.only_one and not self._described_anew and not self._any_retired(last)
        complete = not packs.lost and packs.lists_read and not view.catalogue.found_orphans
        if base.last and unchanged and complete and not noted:
            return self._commit_unchanged(base.last, _Reading(difference), packs)
        index = view.read_index(packs)
        reading = _Reading(difference)
        if base.last:
            packs = view.base_packs(base.bases)  # the whole index says of more packs that they are gone
            reading = self._with_lost(difference, index, packs, noted=noted)
            unchanged = unchanged and reading.difference.nothing_changed and not self._any_given_up(reading)
            if unchanged and lost_content.catalogue_is_stored(view, base.last, packs):
                return self._commit_unchanged(base.last, reading, packs)
        new = self._read(reading, last, index)
        record = self._commit_changed(reading, new, index, packs)
        if self._journal is not None:
            self._journal.clear()
        return record

    @property
    def _described_anew(self) -> bool:
        """Whether the settings describe items otherwise than those of the last snapshot."""
        return self._base.last is not None and self._base.last.described_by != self._source.classify_options.fingerprint

    def _any_retired(self, last: pa.Table) -> bool:
        """Whether items have outlived their retention, so that there is a manifest to write although nothing changed."""
        import pyarrow.compute as pc

        retire = self._options.retire
        if retire is None or last["vanished_at"].null_count == len(last):
            return False
        return bool(pc.any(retire.retired(self._base.last_manifest([*retire.columns, "vanished_at"]))).as_py())

    def _any_noted(self, last: pa.Table) -> bool:
        """Whether there are vanished items that a person has given up: they go, if their content is still lost."""
        import pyarrow.compute as pc

        give_up = self._options.give_up
        if give_up is None or not self._view.committed.given_up or last["vanished_at"].null_count == len(last):
            return False
        return bool(pc.any(give_up.retired(self._base.last_manifest([*give_up.columns]))).as_py())

    def _any_given_up(self, reading: _Reading) -> bool:
        """The same for items whose content is lost and that a person has given up."""
        give_up = self._options.give_up
        if reading.lost is None or give_up is None:
            return False
        return reading.lost.given_up(self._base.last_manifest([*give_up.columns, "chunks"]), give_up) is not None

    def _refuse_empty(self, last: pa.Table) -> None:
        """A source that lost everything looks like an unmounted disk; a person must confirm that it is empty."""
        superseded = self._base.parents
        before = max([last["vanished_at"].null_count, *(head.counts.items for head in superseded)])
        if not superseded and self._view.committed.damaged:
            before = max(before, 2)  # nobody knows what a snapshot had whose record cannot be read
        if self._totals.items <= 1 and before > 1 and not self._options.allow_empty:
            raise SourceError(
                f"the source {self._source.name!r} is empty, and {counted(before - 1, 'item was', 'items were')} there "
                "at the last snapshot",
                hint="is it mounted? If it is meant to be empty, run the backup with --allow-empty",
            )

    def _with_lost(self, difference: Comparison, index: UsableIndex, packs: BasePacks, *, noted: bool) -> _Reading:
        """What must be read: also what the repository has lost. noted: whether a person has given something up."""
        lost = lost_content.find(self._view, index, packs, noted=noted)
        if lost is None:
            return _Reading(difference)
        rows = lost.rows(self._base.last_manifest(["chunks"])["chunks"])
        return _Reading(*lost_content.read_again(difference, rows), lost, len(rows))

    def _marked(self, reading: _Reading, last: pa.Table) -> AttributeChanges:
        """Items of which only the attributes have changed, and whose content can be had. last: `comparison.COLUMNS` of the last
        manifest."""
        import pyarrow.compute as pc

        from vault.backup import attribute_changes
        from vault.backup.attribute_changes import AttributeChanges

        scan, fresh, wanted = self._scan, reading.difference.fresh, attribute_changes.CONTENT
        if not scan.attribute_tokens:
            return AttributeChanges(fresh.slice(0, 0))
        rows, before = attribute_changes.find(scan.table, fresh, last, scan.ignored)
        if not len(rows):
            return AttributeChanges(rows)
        contents = self._base.last_manifest(wanted)
        if reading.lost is not None:
            lost = reading.lost.rows(contents["chunks"])
            had = pc.invert(pc.is_in(before, value_set=lost.cast(before.type)))
            rows, before = rows.filter(had), before.filter(had)
        return AttributeChanges(rows, contents.take(before))

    def _read(self, reading: _Reading, last: pa.Table, index: UsableIndex) -> NewContent:
        import pyarrow.compute as pc

        from vault.backup import attribute_changes, new_content  # most backups of every hour read nothing

        source, options, marked = self._source, self._options, self._marked(reading, last)
        fresh = attribute_changes.without(reading.difference.fresh, marked)
        size = (pc.sum(self._scan.table["size"].take(fresh)).as_py() or 0) if self._sizes_known else 0
        options.progress.phase(f"reading {source.name}", items=len(fresh) + len(marked.rows), size=size)
        usable = index.usable.of_tier(CONTENT_TIER)
        known = KnownChunks(usable)
        with source.origin.reader(options.stop) as reader, self._delta_bases(fresh, usable) as bases:
            tools = new_content.ReadTools(
                session=self._session,
                known=known,
                reader=reader,
                options=source.classify_options,
                profiler=source.profiler,
                bases=bases,
                progress=options.progress,
                stop=options.stop,
                kept=self._kept_dictionaries(),
                journal=self._journal,
                compression=options.compression,
            )
            new = new_content.read(tools, self._scan, fresh, marked)
        unlisted = frozenset(self._scan.unlisted)
        self.problems += [problem for problem in new.problems if problem.path not in unlisted]
        self.grown = new.grown
        return new

    def _kept_dictionaries(self) -> KeptDictionaries | None:
        project = self._session.project
        if self._options.cache is None:
            return None
        from vault.backup.dictionaries import KeptDictionaries

        return KeptDictionaries(project, self._source.name, self._options.cache, self._options.compression)

    @contextmanager
    def _delta_bases(self, fresh: pa.Array, index: ChunkIndex) -> Iterator[DeltaBases]:
        """The bases of files that are read again; those that were used are kept for the next run. index: of content that may be
        referred to."""
        from vault.backup import delta_bases
        from vault.backup.delta_bases import BaseFile, DeltaBases

        project, cache = self._session.project, self._options.cache
        if INFLATED not in project.descriptor.features or self._base.last is None:
            yield DeltaBases({}, {})
            return
        paths = self._scan.table["path"].take(fresh)
        earlier = delta_bases.earlier_versions(self._base.last_manifest, paths, index)
        if not earlier:
            yield DeltaBases({}, {})
            return
        file = BaseFile(project, self._source.name, cache) if cache is not None else None
        kept = file.load() if file is not None else {}
        wanted = frozenset(earlier.values()) - {b""}
        bases = DeltaBases(earlier, delta_bases.at_hand(project, wanted, kept, index))
        yield bases
        if file is not None and not bases.used.keys() <= kept.keys():
            file.save((bases.used | {chunk: one for chunk, one in kept.items() if chunk not in bases.used}).values())

    def _commit_unchanged(self, last: Record, reading: _Reading, packs: BasePacks) -> Record:
        """Commit the last manifest again: it costs a record."""
        if unreadable_items.any_to_explain(self.problems):
            self.problems = unreadable_items.explain(self.problems, self._base.last_manifest(unreadable_items.COLUMNS))
        if reading.lost is not None:
            self._report_lost(self._base.last_manifest(["path", "seen_at", "chunks"]), reading.lost)
        self.problems += self._view.damage()
        self._extend_locks(packs.needed - packs.lost, self._view.catalogue.index)
        repeated = changes.unchanged(last.changes, last.counts.files, self._base.backed_up_since(self._taken_at))
        size = self._totals.size if self._sizes_known else last.counts.bytes
        counts = self._counts(reading, vanished=0, read_bytes=0, size=size)
        stored = StoredManifest(
            last.manifest, last.packs, last.own_packs, packs.needed, frozenset(), self._view.catalogue.index
        )
        return self._commit_record(stored, counts, repeated, packs)

    def _commit_changed(self, reading: _Reading, new: NewContent, index: UsableIndex, packs: BasePacks) -> Record:
        self._options.progress.phase("writing the manifest")
        target = ManifestTarget(self._session, self._view, index, self._base.bases)

        def build() -> tuple[pa.Table, _ManifestFacts]:
            table = self._manifest(reading, new)
            self.problems = unreadable_items.explain(self.problems, table)
            size = self._totals.size if self._sizes_known else manifest_rows.present_bytes(table)
            return table, _ManifestFacts(manifest_rows.newly_vanished(table, self._taken_at), self._changes(table), size)

        def find_lost(table: pa.Table, complete: bool) -> frozenset[bytes]:  # noqa: FBT001
            if reading.lost is None and complete:
                return frozenset()
            lost = lost_content.find_remaining(self._view, index, packs, reading.lost, self._session.index.rows())
            rows = lost.rows(table["chunks"])
            lost_content.refuse_lost_new_rows(table, rows, self._taken_at)
            self.read_again = packs.lost if len(rows) < reading.lost_items else frozenset()
            return lost.listed if self._report_lost(table, lost) else frozenset()

        stored, facts = manifest_writer.store_manifest(target, build, find_lost)
        self._extend_locks(stored.needed - packs.lost, stored.index)
        self.problems += self._view.damage()
        counts = self._counts(reading, vanished=facts.vanished, read_bytes=new.read_bytes, size=facts.size)
        return self._commit_record(stored, counts, facts.changes, packs)

    def _manifest(self, reading: _Reading, new: NewContent) -> pa.Table:
        """The table; what it is made of is dropped."""
        import pyarrow.compute as pc

        from vault.backup import new_manifest

        source, last = self._source, self._base.last
        before = None if self._described_anew else self._base.last_manifest(item_classification.BEFORE)
        last_seen = last.taken_at if last else None
        shared = manifest_rows.SharedColumns(source.name, source.kind, self._taken_at, last_seen, self._scan.owners)
        description = new_manifest.Description(
            source.classify_options,
            new.of_content,
            new.profiles,
            anew=self._described_anew,
            doubtful=self.doubtful,
            before=before if new.periods is None else new.periods.joined(before),
        )
        rows = new_manifest.new_rows(new.results, self._scan.table, shared, description)
        young = self._scan.table["path"].combine_chunks().take(reading.difference.young)
        self._scan.drop_rows()
        if "mtime" in self._scan.ignored:
            rows, same = manifest_rows.with_versions_of(self._base.last_manifest(), rows)
            self._same = max(0, same - reading.reread)
        elif len(young):
            rows, self._same = manifest_rows.with_young_versions(self._base.last_manifest(), rows, young, self._scan.ignored)
        unvanished = manifest_rows.Unvanished(new.failed, self._unseen)
        table = new_manifest.merge(rows, self._base, reading.difference, unvanished, shared)
        del rows
        table = new_manifest.finish(table, description, self._options.retire)
        given_up = reading.lost.given_up(table, self._options.give_up) if reading.lost is not None else None
        return table if given_up is None else table.filter(pc.invert(given_up))

    def _changes(self, table: pa.Table) -> Changes:
        """What the new manifest changes of the last one."""
        last, since = self._base.last_manifest(changes.COLUMNS), self._base.backed_up_since(self._taken_at)
        return changes.changes(last, table, self._taken_at, self._source.classify_options.zone, since)

    def _report_lost(self, table: pa.Table, lost: LostContent) -> bool:
        """Add a problem for each item of a manifest whose content is lost; returns whether there are any."""
        rows = lost.rows(table["chunks"])
        self.problems += lost.problems(table, rows)
        return len(rows) > 0

    def _extend_locks(self, packs: Iterable[bytes], index: ChunkIndex) -> None:
        """Where objects are locked, lock these packs as long as what is stored today. index: with every pack of the
        catalogue."""
        locking = self._options.locking
        if locking is not None:
            self._options.stop()
            meta_packs = index.of_tier(META_TIER).packs()
            self.problems += locking.extend(pack_names(self._session.project, frozenset(packs), meta_packs))
            self.problems += locking.extend_lasting()

    @property
    def _sizes_known(self) -> bool:
        return "size" not in self._scan.ignored

    def _counts(self, reading: _Reading, *, vanished: int, read_bytes: int, size: int) -> Counts:
        difference = reading.difference
        same = self._same
        return Counts(
            items=self._totals.items,
            files=self._totals.files,
            bytes=size,
            added=len(difference.fresh) - difference.replaced - reading.reread,
            changed=difference.replaced - same,
            unchanged=len(difference.kept) + reading.reread + same,
            vanished=vanished,
            read_bytes=read_bytes,
            stored_bytes=self._session.packs.stored_bytes,
            problems=len(self.problems),
        )

    def _commit_record(self, stored: StoredManifest, counts: Counts, changed: Changes, packs: BasePacks) -> Record:
        services, source = self._session.project.services, self._source
        record = Record(
            id=self._session.id,
            source=source.name,
            kind=source.kind,
            taken_at=self._taken_at,
            finished_at=services.clock.now(),
            host=services.host,
            writer=services.writer,
            parents=tuple(head.id for head in self._base.parents),
            manifest=stored.manifest,
            packs=stored.packs,
            own_packs=stored.own_packs,
            counts=counts,
            problems=recorded_problems(self.problems),
            zone=source.classify_options.zone.key,
            described_by=source.classify_options.fingerprint,
            changes=changed,
            coverage=None if self._scan.coverage is None else coverages.bounded(self._scan.coverage),
            log=self._options.log,
        )
        verify_readable(record)
        self._session.commit(record, self._view.dependencies(packs, stored.found))
        return record
