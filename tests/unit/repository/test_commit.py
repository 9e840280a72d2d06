"""What a writer looks at around its commit: its claim, its packs, its record, and what a commit without an answer leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.clock import StillClock
from tests.support.faulty import Faults, FaultyStore, Overwriting, Verb, faults
from tests.support.places import back_up, checked, copied, made_on, names, restore, through, tiny_descriptor
from tests.support.trees import look_at, text, write_tree
from vault.backup import large_files
from vault.errors import Busy, StorageError, TransientStorageError
from vault.format import layout
from vault.repository import claims, snapshots, store_trust
from vault.repository.chunk_index import ChunkIndex
from vault.repository.client_memory import ClientMemory
from vault.repository.commit_verification import Unverified
from vault.repository.gc import forget, marks
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.repository.session import Session
from vault.storage.caching import CachingStore
from vault.storage.contract import Buffer, Store
from vault.storage.memory import MemoryStore

BOTH = pytest.mark.parametrize("create_once", [True, False])


class SleepyClock(StillClock):
    """The time of day goes on by itself where the machine sleeps; its other clock stands still meanwhile."""

    asleep = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.asleep


class Acting(FaultyStore):
    """Does something before a write under a part of a name, once."""

    def __init__(self, inner: Store, part: str, act: Callable[[], object], *, nth: int = 1) -> None:
        super().__init__(inner)
        self._part, self._act, self._left = part, act, nth

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._look(name)
        super().put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._look(name)
        super().create(name, data, sha256=sha256)

    def _look(self, name: str) -> None:
        if f"/{self._part}/" in name:
            self._left -= 1
            if self._left == 0:
                self._act()


class Hooked(FaultyStore):
    """Does something before the first call of a verb for a name with a part in it."""

    def __init__(self, inner: Store, verb: str, part: str, act: Callable[[], object]) -> None:
        super().__init__(inner)
        self._hook: tuple[str, str, Callable[[], object]] | None = (verb, part, act)

    def _before(self, verb: Verb, name: str) -> Faults:
        if self._hook is not None and verb == self._hook[0] and self._hook[1] in name:
            act, self._hook = self._hook[2], None
            act()
        return super()._before(verb, name)


class Forgetful(MemoryStore):
    """Answers that it keeps an object and does not, for names with `part` in them, `times` times."""

    def __init__(self, part: str, times: int = 1) -> None:
        super().__init__()
        self._part, self.left = part, times

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        if f"/{self._part}/" in name and self.left:
            self.left -= 1
            return
        super().put(name, data, sha256=sha256)

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        if f"/{self._part}/" in name and self.left:
            self.left -= 1
            return
        super().create(name, data, sha256=sha256)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", {"a": text("a", 3000), "b/big": text("big", 9000), "c": b"c"})


def on(project: Project, store: Store, clock: StillClock | None = None) -> Project:
    mine = through(project, store, seed="writer")
    return mine if clock is None else replace(mine, services=replace(mine.services, clock=clock))


def evict_all(project: Project) -> None:
    for claim in claims.list_ids(project):
        claims.evict(project, claim)


def prune_hastily(project: Project) -> None:
    options = PruneOptions(patience=claims.WaitOptions(seconds=0, stale_after=timedelta(seconds=-1), grace=timedelta(0)))
    assert apply(project, make_plan(project, options), options).waiting == []


def life_goes_on(project: Project, folder: Path, tmp_path: Path) -> None:
    """The next backup, the next prune, and what a restore gives."""
    back_up(project, folder)
    prune_hastily(project)
    back_up(project, folder)
    assert checked(project).sound
    restore(project, tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(folder)


@BOTH
def test_a_writer_does_not_put_its_evicted_claim_back(*, create_once: bool) -> None:
    project = made_on(MemoryStore(), tiny_descriptor(create_once=create_once))
    clock = StillClock()
    session = Session.begin(on(project, project.store, clock), "files")
    evict_all(project)
    session.report_progress(1, 1)  # it is not time yet
    clock.sleep(61)
    with pytest.raises(Busy):
        session.report_progress(2, 2)
    session.withdraw()
    assert names(project.store, project.folder("claims")) == []


def test_a_claim_is_rewritten_after_a_sleep_that_only_the_time_of_day_shows() -> None:
    project, clock = made_on(MemoryStore()), SleepyClock()
    session = Session.begin(on(project, project.store, clock), "files")
    clock.asleep = timedelta(hours=3)
    session.report_progress(7, 70)
    (claim,) = snapshots.claims(project)
    assert (claim.items, claim.bytes, claim.updated_at) == (7, 70, clock.now())
    session.withdraw()


def test_progress_is_told_while_one_large_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single file of a few pieces, a minute each: the claim is rewritten before the file is through."""
    monkeypatch.setattr(large_files, "PIECE", 600_000)
    folder = write_tree(tmp_path / "source", {"large": text("large", 5_000_000)})
    project, clock = made_on(MemoryStore(), tiny_descriptor(pack=1_000_000)), StillClock()
    told: list[int] = []
    reads = large_files.LargeFileStream._submit

    def a_minute_later(self: large_files.LargeFileStream, pieces: list[memoryview]) -> None:
        reads(self, pieces)
        clock.sleep(61)
        told.extend(one.bytes for one in snapshots.claims(project))

    monkeypatch.setattr(large_files.LargeFileStream, "_submit", a_minute_later)
    back_up(on(project, project.store, clock), folder)
    assert told == sorted(told)
    assert len(set(told)) >= 5


def test_a_store_that_does_not_answer_a_rewriting_ends_no_run() -> None:
    store = FaultyStore(MemoryStore())
    project, clock = made_on(store), StillClock()
    session = Session.begin(on(project, store, clock), "files")
    clock.sleep(61)
    with faults(store).on("put", name="*/claims/*", raises=TransientStorageError("away")) as plan:
        session.report_progress(1, 1)
        assert plan.all_happened
    clock.sleep(61)
    session.report_progress(2, 2)
    assert [one.items for one in snapshots.claims(project)] == [2]
    session.withdraw()


@BOTH
def test_a_writer_that_slept_for_a_day_commits_nothing_without_its_packs(
    *, folder: Path, tmp_path: Path, create_once: bool
) -> None:
    """The machine sleeps after the packs are stored; a prune evicts it, deletes them, and is long over when it wakes up."""
    project, clock = made_on(MemoryStore(), tiny_descriptor(create_once=create_once)), SleepyClock()

    def sleep() -> None:
        clock.asleep += timedelta(days=2)
        prune_hastily(project)

    with pytest.raises(Busy):
        back_up(on(project, Acting(project.store, "meta", sleep), clock), folder)
    assert snapshots.read_all(project) == []
    life_goes_on(project, folder, tmp_path)


@BOTH
@pytest.mark.parametrize("honest", [True, False])
def test_an_eviction_between_the_last_look_and_the_commit_takes_the_snapshot_back(
    *, folder: Path, tmp_path: Path, create_once: bool, honest: bool
) -> None:
    """Whatever is believed of the store: one that overwrites where it should create once loses nothing either."""
    store = MemoryStore() if honest else Overwriting(MemoryStore())
    project = made_on(store, tiny_descriptor(create_once=create_once))
    outer = on(project, Acting(store, "snapshots", lambda: prune_hastily(project)))
    with pytest.raises(Busy):
        back_up(outer, folder)
    assert snapshots.read_all(project) == []
    life_goes_on(project, folder, tmp_path)


@pytest.mark.parametrize("moment", ["before the mark", "after the mark"])
def test_a_prune_that_evicts_a_writer_while_it_commits_puts_nothing_over_its_snapshot(
    *, folder: Path, tmp_path: Path, moment: str
) -> None:
    """On a store that overwrites though it is believed to create once, a committed record must not become an *evicted* one:
    either the prune sees it, or the writer sees that it was evicted and fails."""
    store = Overwriting(MemoryStore())
    project = made_on(store)
    outcome: list[object] = []

    def commit() -> None:
        try:
            outcome.append(session_commits())
        except Busy as error:
            outcome.append(error)

    def session_commits() -> str:
        session.commit(made)
        return session.id

    made = back_up(project, folder).record
    session = Session.begin(on(project, store), "files")
    made = replace(made, id=session.id, parents=(made.id,))
    part, verb = ("/marks/", "put") if moment == "before the mark" else ("/snapshots/", "size")
    claims.evict(replace(project, store=Hooked(store, verb, part, commit)), session.id)
    (found,) = outcome
    assert isinstance(found, Busy) or snapshots.read(project, session.id) is not None
    assert (moment == "before the mark") is (found == session.id)
    session.packs.close()
    life_goes_on(project, folder, tmp_path)


def test_a_claim_that_came_back_after_its_eviction_does_not_hide_it(folder: Path, tmp_path: Path) -> None:
    """A rewriting that was late puts the claim back, after the writer was evicted and its packs were deleted."""
    project = made_on(MemoryStore(), tiny_descriptor(create_once=False))

    def evicted_and_back() -> None:
        (name,) = names(project.store, project.folder("claims"))
        late = project.store.get(name)
        prune_hastily(project)
        project.store.put(name, late)

    with pytest.raises(Busy):
        back_up(on(project, Acting(project.store, "snapshots", evicted_and_back)), folder)
    assert snapshots.read_all(project) == []
    life_goes_on(project, folder, tmp_path)


def test_history_that_is_carried_on_is_looked_for_where_the_run_was_evicted(folder: Path, tmp_path: Path) -> None:
    """Nothing is stored anew; the only snapshot is forgotten meanwhile, and a prune that evicts the run deletes its packs."""
    project = made_on(MemoryStore(), tiny_descriptor(create_once=False))
    first = back_up(project, folder).record

    def forget_and_prune() -> None:
        forget.forget(project, [first.id], reason="a test", newest_too=True)
        prune_hastily(project)

    with pytest.raises(Busy):
        back_up(on(project, Acting(project.store, "snapshots", forget_and_prune)), folder)
    assert snapshots.read_all(project) == []
    life_goes_on(project, folder, tmp_path)


@BOTH
@pytest.mark.parametrize("error", [TransientStorageError("no answer"), KeyboardInterrupt()])
def test_a_claim_outlives_a_commit_without_an_answer(
    *, folder: Path, tmp_path: Path, create_once: bool, error: BaseException
) -> None:
    """The request arrives after the run has given up, and after a prune: the prune waits, so nothing is lost."""
    store = FaultyStore(MemoryStore())
    project = made_on(store, tiny_descriptor(create_once=create_once))
    late: list[tuple[str, bytes]] = []
    verb: Verb = "create" if create_once else "put"
    sent = on(project, Acting(store, "snapshots", lambda: None))
    keep = type(sent.store).create if create_once else type(sent.store).put

    def remembered(self: Acting, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        if "/snapshots/" in name:
            late.append((name, bytes(data)))
        keep(self, name, data, sha256=sha256)

    class Remembering(Acting):
        pass

    setattr(Remembering, verb, remembered)
    outer = replace(sent, store=Remembering(store, "snapshots", lambda: None))
    with faults(store).on(verb, name="*/snapshots/*", raises=error), pytest.raises(type(error)):
        back_up(outer, folder)
    options = PruneOptions(patience=claims.WaitOptions(seconds=1))
    report = apply(project, make_plan(project, options), options)
    assert len(report.waiting) == 1
    ((name, data),) = late
    store.put(name, data)
    assert len(snapshots.read_all(project)) == 1
    assert checked(project).sound
    life_goes_on(project, folder, tmp_path)


def test_an_eviction_keeps_a_late_commit_out_where_the_store_creates_once(folder: Path) -> None:
    store = FaultyStore(MemoryStore())
    project = made_on(store)
    lost = faults(store).on("create", name="*/snapshots/*", raises=TransientStorageError("no answer"))
    with lost, pytest.raises(TransientStorageError):
        back_up(project, folder)
    (claim,) = claims.list_ids(project)
    prune_hastily(project)
    assert names(store, project.folder("packs")) == []
    with pytest.raises(StorageError, match="exists"):
        store.create(layout.snapshot_name(project.id, claim), b"late")


def test_a_claim_of_a_commit_of_today_stays_however_long_the_run_took() -> None:
    """Its writer may still be looking at it."""
    project = made_on(MemoryStore())
    clock = StillClock()
    mine = on(project, project.store, clock)
    session = Session.begin(mine, "files")
    for _ in range(30):
        clock.sleep(3600)
        session.report_progress(1, 1)
    project.store.put(layout.snapshot_name(project.id, session.id), b"the record")
    claims.delete_committed(mine, claims.WaitOptions())
    assert session.claim_exists()
    clock.sleep(25 * 3600)
    claims.delete_committed(mine, claims.WaitOptions())
    assert not session.claim_exists()
    session.packs.close()


def test_what_stands_under_another_name_than_a_mark_has_is_no_mark() -> None:
    project = made_on(MemoryStore())
    project.store.put(f"{project.folder('marks')}/notes.txt", b"not ours")
    assert marks.read(project).by_name == {}


@pytest.mark.parametrize("failing", [1, 2])
def test_what_a_failed_run_has_stored_is_used_by_the_next(folder: Path, failing: int) -> None:
    """Two packs on their way fail at once, or the index segment does; the claim goes, and what was stored is named."""
    store = FaultyStore(MemoryStore())
    project = made_on(store)
    away = TransientStorageError("away")
    plan = faults(store)
    if failing == 1:
        plan.on("put", name="*/index/*", raises=away)
    else:
        plan.on("put", name="*/packs/*", nth=3, raises=away).on("put", name="*/packs/*", nth=4, raises=away)
    with plan, pytest.raises(TransientStorageError):
        back_up(project, folder)
    assert claims.list_ids(project) == []
    stored = names(store, project.folder("packs"))
    assert len(stored) >= 2
    assert {layout.pack_sha256(name) for name in stored} <= ChunkIndex.load(project).packs()
    report = back_up(project, folder)
    assert checked(project).orphans == 0
    assert report.record.counts.stored_bytes < sum(store.size(name) for name in names(store, project.folder("packs")))


def test_a_refused_commit_leaves_no_claim(folder: Path) -> None:
    project = made_on(MemoryStore())
    outer = on(project, Acting(project.store, "snapshots", lambda: evict_all(project)))
    with pytest.raises(Busy):
        back_up(outer, folder)
    assert claims.list_ids(project) == []


def test_a_claim_says_that_a_commit_is_under_way_where_the_store_cannot_create_once(folder: Path) -> None:
    seen = []
    project = made_on(MemoryStore(), tiny_descriptor(create_once=False))
    back_up(on(project, Acting(project.store, "snapshots", lambda: seen.extend(snapshots.claims(project)))), folder)
    assert [one.committing for one in seen] == [True]


@BOTH
@pytest.mark.parametrize("part", ["packs", "meta"])
def test_a_pack_that_was_answered_for_and_never_stored_fails_the_run_and_not_the_next(
    *, folder: Path, tmp_path: Path, part: str, create_once: bool
) -> None:
    project = made_on(Forgetful(part), tiny_descriptor(create_once=create_once))
    with pytest.raises(store_trust.WriteLost):
        back_up(project, folder)
    assert snapshots.read_all(project) == []
    assert claims.list_ids(project) == []
    life_goes_on(project, folder, tmp_path)


def test_an_index_segment_that_was_never_stored_is_stored_again(folder: Path, tmp_path: Path) -> None:
    project = made_on(Forgetful("index"))
    back_up(project, folder)
    assert len(names(project.store, project.folder("index"))) == 1
    assert checked(project).sound
    life_goes_on(project, folder, tmp_path)


@BOTH
def test_a_record_that_was_answered_for_and_never_stored_is_no_success(
    *, folder: Path, tmp_path: Path, create_once: bool
) -> None:
    """The cache of this machine has it: it is looked for below."""
    project = made_on(Forgetful("snapshots"), tiny_descriptor(create_once=create_once))
    cached = replace(project, store=CachingStore(project.store, tmp_path / "cache", project.services.randomness))
    with pytest.raises(store_trust.WriteLost):
        back_up(cached, folder)
    assert snapshots.read_all(project) == []
    life_goes_on(cached, folder, tmp_path)


def test_a_commit_that_cannot_be_looked_at_stays_and_is_told(folder: Path, tmp_path: Path) -> None:
    store = FaultyStore(MemoryStore())
    project = made_on(store)
    with faults(store).on("list", name="*/marks", nth=3, raises=TransientStorageError("away")) as plan:
        with pytest.raises(Unverified):
            back_up(project, folder)
        assert plan.all_happened
    assert len(snapshots.read_all(project)) == 1
    life_goes_on(project, folder, tmp_path)


def test_a_name_that_was_created_over_something_else_is_a_broken_promise(tmp_path: Path) -> None:
    """Two writers create one name at once, and both are told that it was free."""
    store = MemoryStore()

    class Racy(FaultyStore):
        def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
            super().create(name, data, sha256=sha256)
            store.put(name, b"another's")

    project = made_on(store)
    with pytest.raises(store_trust.PromiseBroken):
        through(project, Racy(store)).create_record(layout.snapshot_name(project.id, "x"), {"record": "evicted", "id": "x"})
    memory = ClientMemory(tmp_path / "memory", project.services.randomness)
    assert store_trust.believed(project.descriptor, memory).trust.create_once
    store_trust.lower(memory, project.descriptor.repository, "it broke its promise")
    assert store_trust.lowered(memory, project.descriptor.repository)
    assert not store_trust.believed(project.descriptor, memory).trust.create_once
    store_trust.restore(memory, project.descriptor.repository)
    assert store_trust.believed(project.descriptor, memory) == project.descriptor


def test_a_repository_copied_to_a_store_that_overwrites_loses_nothing(folder: Path, tmp_path: Path) -> None:
    """The descriptor says that the store creates once; the new one does not. A run is evicted while it commits."""
    first = made_on(MemoryStore())
    back_up(first, folder)
    write_tree(folder, {"new": text("new", 4000)})
    store = Overwriting(copied(first.store))
    project = through(first, store, seed="copy")
    with pytest.raises(Busy):
        back_up(on(project, Acting(store, "snapshots", lambda: prune_hastily(project))), folder)
    assert checked(project).sound
    life_goes_on(project, folder, tmp_path)


def test_a_deletion_whose_fate_is_unknown_leaves_the_packs_marked(folder: Path, tmp_path: Path) -> None:
    """It may still arrive: whoever finds the pack must not start to need it."""
    store = FaultyStore(MemoryStore())
    project = made_on(store)
    only = back_up(project, folder).record
    forget.forget(project, [only.id], reason="a test", newest_too=True)
    options = PruneOptions()
    lost = faults(store).on("delete", name="*/packs/*", raises=TransientStorageError("no answer"))
    with lost, pytest.raises(TransientStorageError):
        apply(project, make_plan(project, options), options)
    left = [bytes.fromhex(name.rpartition("/")[2]) for name in names(store, project.folder("packs"))]
    assert left
    assert marks.marked(project) >= set(left)
    back_up(project, folder)
    for pack in left:
        store.delete(layout.pack_name(project.id, 0, pack))
    assert checked(project).sound
    life_goes_on(project, folder, tmp_path)


def test_what_was_said_of_evicted_writers_goes_after_a_month() -> None:
    project = made_on(MemoryStore())
    clock = StillClock()
    mine = on(project, project.store, clock)
    marks.write_evictions(mine, ["one"])
    clock.sleep(29 * 86400.0)
    claims.delete_committed(mine, claims.WaitOptions())
    assert set(marks.read(mine).evicted()) == {"one"}
    clock.sleep(2 * 86400.0)
    claims.delete_committed(mine, claims.WaitOptions())
    assert marks.read(mine).evicted() == {}
    assert names(project.store, project.folder("marks")) == []
