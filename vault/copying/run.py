"""One run of a copy: a project in the second store is brought up to date with the first one.

    keys, holds        before anything that needs them
    for each batch     claim, what the second store has, packs, index, what has moved, notes, records; the claim goes
    at the end         what packs hold others' content by now; roll-ups; what belongs to no single project

It may end anywhere: every snapshot that stands in the second store is whole, and the next run goes on with the rest. What was
copied for a snapshot that is not there yet is protected by a claim, which stays for a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

from vault.age import Identity
from vault.copying import moved_packs, small_objects
from vault.copying.commit import FirstStoreChanged, commit, copy_rollups, rows_by_pack
from vault.copying.pack_transfer import transfer
from vault.copying.pair import LOOK_EVERY, SOURCE, CopyOptions, CopyPair, of_the_copy
from vault.copying.plan import Batch, PackToCopy, Planner, forgotten_before, pack_object, wanted
from vault.copying.read_both import FirstStore, SecondStore, first_store, second_store
from vault.copying.report import CopyPlan, CopyReport
from vault.errors import Damaged, StorageDenied, StorageError
from vault.format import layout
from vault.format.moved_packs import MovedPacks
from vault.format.snapshot_record import Record
from vault.problems import Problem
from vault.repository.session import Session
from vault.wording import counted

YOUNG = timedelta(days=1)
"""Age of a snapshot up to which it is not copied where packs are missing that it needs: its writer may find that out."""

MOST_READINGS = 3
"""Times in a row that the first store is read anew, as a prune is at work there, before what is missing counts as lost."""


def make_plan(pair: CopyPair, options: CopyOptions) -> CopyPlan:
    """What a run would copy. Nothing is written. Raises `StorageError`, `Damaged`."""
    first, second = first_store(pair.first), second_store(pair.second, options.damaged)
    batch = Planner(pair.first, first, second).next(wanted(first, second), bounded=False)
    folders = [*small_objects.of_project(pair), *small_objects.SHARED]
    return CopyPlan(
        project=pair.first.name,
        snapshots=tuple(one.id for one in batch.records) + tuple(batch.waiting),
        packs=len(batch.packs),
        size=batch.size,
        repaired=sum(one.repairs for one in batch.packs.values()),
        objects=sum(1 for _ in small_objects.missing(pair, folders)),
        problems=(*first.damaged, *batch.problems, *lost_packs(pair, batch)),
    )


def lost_packs(pair: CopyPair, batch: Batch) -> list[Problem]:
    """What is said of packs that the first store should have."""
    text = "a snapshot needs this pack, and the first store does not have it, or not whole: it is not copied"
    return [Problem(f"{pair.first.folder('packs')}/{pack.hex()}".encode(), "missing-pack", text) for pack in sorted(batch.lost)]


def copy_project(pair: CopyPair, options: CopyOptions, identities: Sequence[Identity]) -> CopyReport:
    """Bring the second store up to date. identities: they tell own key objects from others'. Raises `Interrupted` from
    `options.stop`, `Busy` where a prune took the claim away, `StorageError`, `Damaged`."""
    clock = pair.first.services.clock
    began = clock.monotonic()
    run = _Run(pair, options, CopyReport(pair.first.name, clock.now()))
    try:
        run.run(identities)
    finally:
        run.leave()
    run.report.seconds = clock.monotonic() - began
    return run.report


class _Run:
    def __init__(self, pair: CopyPair, options: CopyOptions, report: CopyReport) -> None:
        self._pair = pair
        self._options = options
        self._clock = pair.first.services.clock
        self._began = self._clock.monotonic()
        self._waits_since: float | None = None
        self._session: Session | None = None
        self._unfinished = False
        self._gone: frozenset[bytes] = frozenset()
        self._lost: frozenset[bytes] = frozenset()
        self._readings = 0
        self._read_again = False
        self._problems: dict[tuple[bytes, str], Problem] = {}
        self.report = report

    def run(self, identities: Sequence[Identity]) -> None:
        self._options.progress.phase("looking what is missing")
        self._take(small_objects.copy_keys(self._pair, identities))
        self._take(small_objects.copy_missing(self._pair, small_objects.of_project(self._pair)))
        first = first_store(self._pair.first)
        second = second_store(self._pair.second, self._options.damaged)
        if self._announce(first, second):
            first, second = self._batches(first)
        self._finish(first, second)
        self._take(small_objects.copy_shared(self._pair))
        self.report.problems = list(self._problems.values())

    def leave(self) -> None:
        """The claim goes, unless it protects packs that no snapshot needs yet."""
        if self._session is None:
            return
        self._session.packs.close()
        if not self._unfinished:
            self._end(self._session)
            self._options.remember_claims(())
            return
        with suppress(StorageError, Damaged):
            if self._session.claim_exists():
                self._session.index.write_all()

    def _announce(self, first: FirstStore, second: SecondStore) -> bool:
        """Whether there is anything to do; says how much."""
        records = wanted(first, second)
        batch = Planner(self._pair.first, first, second).next(records, bounded=False)
        self._options.progress.phase(f"copying {counted(len(records), 'snapshot')}", items=len(batch.packs), size=batch.size)
        self._note(first.damaged)
        return bool(records or batch.packs or batch.unnamed or forgotten_before(first, second, ()))

    def _batches(self, first: FirstStore) -> tuple[FirstStore, SecondStore]:
        """One after another, until nothing is left, or nothing more can be done now. Gives what the stores have then."""
        session = self._begin()
        while True:
            second = second_store(self._pair.second, self._options.damaged if not self.report.repaired else frozenset())
            records = wanted(first, second)
            batch = Planner(self._pair.first, first, second, self._lost).next(records)
            if batch.problems and not self._read_again:  # a prune may have deleted what they are about
                self._read_again, first = True, first_store(self._pair.first)
                continue
            self._note(batch.problems)
            if not batch.records and not batch.packs:
                if batch.unnamed or forgotten_before(first, second, ()):
                    commit(self._pair, session, first, second, batch, self._options.stop)
                if batch.waiting and self._wait(session, batch, second):
                    continue
                self.report.left = len(records)
                return first, second
            try:
                stopped = self._copy(session, first, second, batch)
            except FirstStoreChanged:
                first, stopped = first_store(self._pair.first), False
            if stopped:
                self.report.left = len(wanted(first, second_store(self._pair.second, frozenset())))
                return first, second
            session = self._begin()

    def _copy(self, session: Session, first: FirstStore, second: SecondStore, batch: Batch) -> bool:
        """One batch. Returns whether a limit ended it, or nothing more can be done now. Raises `FirstStoreChanged`."""
        self._unfinished = bool(batch.packs)
        planned = len(batch.records)
        stop = session.refreshing_claim(self._options.stop)
        rows = rows_by_pack(self._pair.first, first, batch.packs)

        def arrived(pack: PackToCopy) -> None:
            session.index.add([rows.pop(pack.sha256)] if pack.sha256 in rows else [])
            session.index.write_interim_if_due()
            self.report.packs += 1
            self.report.bytes += pack.size
            self.report.repaired += pack.repairs
            session.report_progress(self.report.packs, self.report.bytes)
            self._options.progress.advance(items=1, size=pack.size)

        done = transfer(self._pair, batch.packs.values(), may_begin=self._may_begin, arrived=arrived, stop=stop)
        for pack in done.damaged:
            self._damaged(batch.packs[pack])
        if done.gone - self._gone and self._readings < MOST_READINGS:
            self._gone |= done.gone
            self._readings += 1
            raise FirstStoreChanged
        self._lost |= done.gone | done.damaged
        batch.without(done.gone | done.damaged)
        batch.cut_to({one.sha256 for one in done.copied})
        batch.cut_before(self._is_young)
        self._note(lost_packs(self._pair, batch))
        written = commit(self._pair, session, first, second, batch, stop)
        self._note(batch.problems)
        self.report.snapshots += len(written)
        self._readings = 0
        self._unfinished = done.stopped or len(written) < planned
        return done.stopped or not (written or done.copied)

    def _finish(self, first: FirstStore, second: SecondStore) -> None:
        """What is worth doing once every snapshot is there."""
        if self.report.left:
            return
        if self.report.snapshots:
            second = second_store(self._pair.second, frozenset())
        if moved_packs.stored_again(first, second):
            self._begin()
            second = second_store(self._pair.second, frozenset())  # a prune that begins now waits for this claim
            moved_packs.write(self._pair.second, moved_packs.stored_again(first, second))
        elif self._session is None and self._options.left_claims:
            self._drop_left_claims()
            self._options.remember_claims(())
        self.report.objects += copy_rollups(self._pair, second.usable | second.notes.by_id.keys())

    def _begin(self) -> Session:
        """A new claim; the one before goes once this one stands, so that what is copied is never without."""
        before = self._session
        known = [*self._options.left_claims] if before is None else [before.id]
        try:
            session = Session.begin(
                self._pair.second, SOURCE, announce=lambda claim: self._options.remember_claims([*known, claim])
            )
        except StorageError as error:
            raise of_the_copy(error, self._pair.target) from error
        self._session = session
        if before is not None:
            self._end(before)
        else:
            self._drop_left_claims()
        self._options.remember_claims([session.id])
        return session

    def _drop_left_claims(self) -> None:
        """What they protect is protected by another claim, or needed by snapshots that stand."""
        for claim in self._options.left_claims:
            try:
                self._pair.target.delete(layout.claim_name(self._pair.second.id, claim))
            except StorageDenied:
                self._mark_as_done(claim)

    def _end(self, session: Session) -> None:
        """What it has stored is part of snapshots by now, or of no use: its claim goes."""
        session.withdraw()
        if session.claim_stays:
            self._mark_as_done(session.id)

    def _mark_as_done(self, claim: str) -> None:
        """A claim that these credentials may not delete: with a record under its id, no prune waits for it."""
        name = layout.snapshot_name(self._pair.second.id, claim)
        with suppress(StorageError):
            self._pair.second.put_record(name, MovedPacks(claim, {}).as_json())

    def _wait(self, session: Session, batch: Batch, second: SecondStore) -> bool:
        """Wait for prunes of the second store; whether to look again."""
        which = counted(len(batch.waiting), "snapshot waits", "snapshots wait")
        now = self._clock.monotonic()
        self._waits_since = now if self._waits_since is None else self._waits_since
        if now - self._waits_since >= self._options.wait:
            why = "a prune of the copy may be about to delete packs that they need"
            for problem in second.unreadable_marks:
                why = problem.message
            self.report.waiting.append(f"{which}: {why}")
            return False
        self._options.progress.phase(f"{which} for a prune of the copy")
        session.refreshing_claim(self._options.stop)()
        self._clock.sleep(LOOK_EVERY)
        return True

    def _is_young(self, one: Record) -> bool:
        return self._clock.now() - one.finished_at < YOUNG

    def _may_begin(self, pack: PackToCopy) -> bool:
        options = self._options
        if options.max_bytes is not None and self.report.bytes + pack.size > options.max_bytes and self.report.packs:
            return False
        return options.max_seconds is None or self._clock.monotonic() - self._began < options.max_seconds

    def _damaged(self, pack: PackToCopy) -> None:
        name = pack_object(self._pair.first, pack)
        text = "the first store has it with other bytes than its name says: it is not copied"
        self._note([Problem(name.encode(), "damaged-pack", text)])

    def _note(self, problems: Iterable[Problem]) -> None:
        """Each once."""
        self._problems |= {(one.path, one.what): one for one in problems}

    def _take(self, done: small_objects.CopiedObjects) -> None:
        self.report.objects += len(done.copied)
        self._note(done.problems)
