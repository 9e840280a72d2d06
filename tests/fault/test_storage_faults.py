"""Every call to the store fails once, in every way: the run ends well or with our error, and nothing is worse than before."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from msgspec import Struct

from tests.support.faulty import FaultyStore, Plan, Verb, When
from tests.support.places import TickingClock, back_up, checked, copied, made_on, restore, through
from tests.support.randomness import SeededChance
from tests.support.trees import Seen, contents, look_at, text, write_tree
from tests.support.watchdog import no_hang
from vault.errors import (
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageFull,
    StrongroomError,
    TransientStorageError,
)
from vault.repository import snapshots
from vault.repository.project import Project
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore
from vault.storage.retrying import RetryingStore, RetryPolicy

WRITES: tuple[Verb, ...] = ("put", "create", "delete")
READS: tuple[Verb, ...] = ("get", "get_range", "size", "list")
SHALLOW = 4
ALL = 1
T = TypeVar("T")


class Failure(Struct, frozen=True):
    """One way to fail. verbs: the calls that can fail so · when: "after" where the call takes effect unseen."""

    name: str
    error: Callable[[], StorageError]
    verbs: tuple[Verb, ...]
    when: When = "before"


FAILURES = [
    Failure("time-out", lambda: TransientStorageError("timed out"), (*WRITES, *READS)),
    Failure("lost answer", lambda: TransientStorageError("connection reset"), (*WRITES, *READS), "after"),
    Failure("denied", lambda: StorageDenied("403"), (*WRITES, *READS)),
    Failure("full", lambda: StorageFull("no room"), ("put", "create")),
    Failure("not found", lambda: ObjectNotFound("404"), ("get", "get_range", "size")),
]
BY_NAME = {failure.name: failure for failure in FAILURES}
TRANSIENT = ["time-out", "lost answer"]


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Project, Path]:
    """A project with one snapshot, and its folder, changed since."""
    folder = write_tree(
        tmp_path / "source", {"a/one": text("one", 3000), "a/two": text("two", 200), "b/big": text("big", 9000), "none": b""}
    )
    project = made_on(MemoryStore())
    back_up(project, folder)
    write_tree(folder, {"a/one": text("one", 3000) + b"+", "c/new": text("new", 4000)})
    (folder / "a/two").unlink()
    return project, folder


@pytest.mark.parametrize("failure", BY_NAME)
def test_a_backup_takes_one_failed_call(scene: tuple[Project, Path], failure: str, tmp_path: Path) -> None:
    fail_in_backups(scene, BY_NAME[failure], tmp_path, stride=SHALLOW)


@pytest.mark.slow
@pytest.mark.parametrize("failure", BY_NAME)
def test_a_backup_takes_one_failed_call_wherever_it_is(scene: tuple[Project, Path], failure: str, tmp_path: Path) -> None:
    fail_in_backups(scene, BY_NAME[failure], tmp_path, stride=ALL)


def fail_in_backups(scene: tuple[Project, Path], failure: Failure, tmp_path: Path, *, stride: int) -> None:
    project, folder = scene
    requests = requests_of(project, lambda again: back_up(again, folder))
    for verb, nth in calls(failure, requests, stride):
        disk = copied(project.store)
        store = FaultyStore(disk)
        with no_hang(), store.plan.on(verb, nth=nth, raises=failure.error(), when=failure.when) as plan:
            ended_well = attempt(partial(back_up, through(project, store, seed="faulty"), folder)) is not None
            assert plan.all_happened
        after = through(project, disk, seed="next")
        committed = len(snapshots.read_all(after)) == 2
        assert committed or not ended_well
        assert checked(after).sound
        back_up(after, folder)
        assert checked(after).sound
        assert given_back(after, tmp_path) == look_at(folder)


@pytest.mark.parametrize("failure", TRANSIENT)
def test_patience_makes_a_passing_trouble_unnoticeable(scene: tuple[Project, Path], failure: str, tmp_path: Path) -> None:
    project, folder = scene
    requests = requests_of(project, lambda again: back_up(again, folder))
    for verb, nth in calls(BY_NAME[failure], requests, SHALLOW):
        disk = copied(project.store)
        store = FaultyStore(disk)
        with store.plan.on(verb, nth=nth, raises=BY_NAME[failure].error(), when=BY_NAME[failure].when) as plan:
            back_up(through(project, patient(store), seed="faulty"), folder)
            assert plan.all_happened
        after = through(project, disk)
        assert len(snapshots.read_all(after)) == 2
        assert checked(after).sound
        assert given_back(after, tmp_path) == look_at(folder)


@pytest.mark.parametrize("failure", BY_NAME)
def test_a_restore_takes_one_failed_call(scene: tuple[Project, Path], failure: str, tmp_path: Path) -> None:
    fail_in_restores(scene, BY_NAME[failure], tmp_path, stride=SHALLOW)


@pytest.mark.slow
@pytest.mark.parametrize("failure", BY_NAME)
def test_a_restore_takes_one_failed_call_wherever_it_is(scene: tuple[Project, Path], failure: str, tmp_path: Path) -> None:
    fail_in_restores(scene, BY_NAME[failure], tmp_path, stride=ALL)


def fail_in_restores(scene: tuple[Project, Path], failure: Failure, tmp_path: Path, *, stride: int) -> None:
    """A restore that fails leaves nothing wrong under a file's name, and a second one completes it."""
    project, folder = scene
    back_up(project, folder)
    right = contents(folder)
    requests = requests_of(project, lambda again: given_back(again, tmp_path))
    for verb, nth in calls(failure, requests, stride):
        back = tmp_path / "back"
        store = FaultyStore(project.store)
        with no_hang(), store.plan.on(verb, nth=nth, raises=failure.error(), when=failure.when) as plan:
            report = attempt(partial(restore, through(project, store), back))
            assert plan.all_happened
        finished = {name: data for name, data in contents(back).items() if ".strongroom-" not in name} if back.exists() else {}
        assert all(right[name.removeprefix("reports/")] == data for name, data in finished.items())
        assert report is None or report.problems or len(finished) == len(right)
        assert not restore(project, back).problems
        assert look_at(back / "reports") == look_at(folder)
        shutil.rmtree(back)


@pytest.mark.parametrize("verb", ["get", "get_range"])
def test_a_flipped_bit_in_an_answer_never_becomes_a_wrong_byte(scene: tuple[Project, Path], verb: Verb, tmp_path: Path) -> None:
    spoil(scene, verb, tmp_path, "flip", stride=SHALLOW)


@pytest.mark.parametrize("verb", ["get", "get_range"])
def test_a_cut_body_never_becomes_a_short_file(scene: tuple[Project, Path], verb: Verb, tmp_path: Path) -> None:
    spoil(scene, verb, tmp_path, "cut", stride=SHALLOW)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["get", "get_range"])
@pytest.mark.parametrize("round_", range(20))
def test_no_flipped_bit_anywhere_becomes_a_wrong_byte(
    scene: tuple[Project, Path], verb: Verb, tmp_path: Path, round_: int
) -> None:
    spoil(scene, verb, tmp_path, "flip", stride=ALL, seed=str(round_))


def spoil(
    scene: tuple[Project, Path],
    verb: Verb,
    tmp_path: Path,
    how: Literal["flip", "cut"],
    *,
    stride: int,
    seed: str = "",
) -> None:
    """Spoil one answer of a restore, and one of a backup."""
    project, folder = scene
    disk = copied(project.store)
    restore(project, tmp_path / "earlier")
    earlier = contents(tmp_path / "earlier")
    back_up(project, folder)
    right = {f"reports/{name}": data for name, data in contents(folder).items()}
    for nth, size in every(stride, sizes_of(project, verb, lambda again: given_back(again, tmp_path))):
        back = tmp_path / "back"
        store = FaultyStore(project.store)
        with spoilt(store.plan, verb, nth, how, size, f"restore {nth} {seed}") as plan:
            report = attempt(partial(restore, through(project, store), back))
            assert plan.all_happened
        finished = contents(back) if back.exists() else {}
        # without its record the newest snapshot is lost, which is told; the one before it is restored then
        lost = report is not None and any(one.what == "damaged-record" for one in report.problems)
        expected = next(whole for whole in (right, earlier) if whole is earlier or is_part(finished, of=whole))
        assert is_part(finished, of=expected) and (lost or expected is right)
        told = {one.path for one in report.problems if not one.path.startswith(b"projects/")} if report else set()
        assert report is None or len(finished) + len(told) == len(expected)
        shutil.rmtree(back, ignore_errors=True)
    for nth, size in every(stride, sizes_of(through(project, disk), verb, lambda again: back_up(again, folder))):
        fresh = copied(disk)
        store = FaultyStore(fresh)
        with spoilt(store.plan, verb, nth, how, size, f"backup {nth} {seed}") as plan:
            attempt(partial(back_up, through(project, store, seed="faulty"), folder))
            assert plan.all_happened
        after = through(project, fresh, seed="next")
        assert checked(after).sound
        back_up(after, folder)
        assert given_back(after, tmp_path) == look_at(folder)


def is_part(found: dict[str, bytes], *, of: dict[str, bytes]) -> bool:
    return all(of.get(name) == data for name, data in found.items())


def test_a_claim_that_cannot_be_taken_away_does_not_fail_a_run_that_is_committed(scene: tuple[Project, Path]) -> None:
    project, folder = scene
    store = FaultyStore(project.store)
    with store.plan.on("delete", name="*/claims/*", raises=TransientStorageError("timed out")) as plan:
        back_up(through(project, store, seed="faulty"), folder)
        assert plan.all_happened
    assert len(snapshots.read_all(project)) == 2
    assert len(snapshots.claims(project)) == 1


def spoilt(plan: Plan, verb: Verb, nth: int, how: Literal["flip", "cut"], size: int, seed: str) -> Plan:
    """Plan to spoil the `nth` answer, which has `size` bytes, somewhere."""
    place = int(SeededChance(seed).fraction() * size * 8)
    return plan.on(verb, nth=nth, flips=place) if how == "flip" else plan.on(verb, nth=nth, cuts=place // 8)


def test_a_check_reports_a_bit_that_is_flipped_in_the_store(scene: tuple[Project, Path]) -> None:
    project, folder = scene
    back_up(project, folder)
    listening = _Listening(copied(project.store))
    checked(through(project, listening))
    assert len(set(listening.names)) > 5
    for name in sorted(set(listening.names)):
        disk = copied(project.store)
        spoilt_object = bytearray(disk.get(name))
        place, bit = divmod(int(SeededChance(name).fraction() * len(spoilt_object) * 8), 8)
        spoilt_object[place] ^= 1 << bit
        disk.put(name, bytes(spoilt_object))
        assert not checked(through(project, disk)).sound, name


def test_a_bit_that_is_flipped_on_its_way_ends_no_check_and_is_not_remembered(scene: tuple[Project, Path]) -> None:
    project, folder = scene
    back_up(project, folder)
    for nth, size in sizes_of(project, "get", checked):
        store = FaultyStore(project.store)
        with spoilt(store.plan, "get", nth, "flip", size, f"check {nth}") as plan:
            checked(through(project, store))
            assert plan.all_happened
        assert checked(through(project, store)).sound


def attempt(action: Callable[[], T]) -> T | None:
    """What the action gives, or None where it ends with one of our errors; any other fails the test."""
    try:
        return action()
    except StrongroomError:
        return None


def patient(store: FaultyStore) -> RetryingStore:
    return RetryingStore(store, RetryPolicy.network(), TickingClock(), SeededChance("patience"))


def calls(failure: Failure, requests: Counter[str], stride: int) -> Iterator[tuple[Verb, int]]:
    """Which calls shall fail: every `stride`-th of each verb, and the last."""
    for verb in failure.verbs:
        for nth in sorted({*range(1, requests[verb] + 1, stride), requests[verb]} - {0}):
            yield verb, nth


def every(stride: int, sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return sizes[::stride]


def requests_of(project: Project, action: Callable[[Project], object]) -> Counter[str]:
    """How often each verb is called, on a copy of the store."""
    counting = CountingStore(copied(project.store))
    action(through(project, counting))
    return Counter(counting.snapshot().requests)


class _Listening(CountingStore):
    """Remembers the sizes of answers."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner)
        self.sizes: dict[str, list[int]] = {"get": [], "get_range": []}
        self.names: list[str] = []

    def get(self, name: str) -> bytes:
        answer = super().get(name)
        self.names.append(name)
        self.sizes["get"].append(len(answer))
        return answer

    def get_range(self, name: str, start: int, length: int) -> bytes:
        answer = super().get_range(name, start, length)
        self.sizes["get_range"].append(len(answer))
        return answer


def sizes_of(project: Project, verb: str, action: Callable[[Project], object]) -> list[tuple[int, int]]:
    """The number of each call of `verb` (from 1) and the size of its answer, where it has one."""
    listening = _Listening(copied(project.store))
    action(through(project, listening))
    return [(nth, size) for nth, size in enumerate(listening.sizes[verb], 1) if size]


def given_back(project: Project, tmp_path: Path) -> dict[bytes, Seen]:
    """What a restore gives back, without problems."""
    back = tmp_path / "given back"
    try:
        assert not restore(project, back).problems
        return look_at(back / "reports")
    finally:
        shutil.rmtree(back, ignore_errors=True)
