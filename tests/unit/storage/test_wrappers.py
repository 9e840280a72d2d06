"""The wrappers, and the test doubles that other suites lean on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clock import StillClock
from tests.support.dying import DyingStore, PowerCut
from tests.support.faulty import FaultyStore, faults
from tests.support.randomness import SeededChance
from vault.errors import ObjectExists, ObjectNotFound, RefusedByRule, StorageDenied, StorageError, TransientStorageError
from vault.storage.contract import Buffer, ObjectInfo
from vault.storage.counting import LIST_PAGE, CountingStore, Traffic
from vault.storage.memory import MemoryStore
from vault.storage.object_names import is_name, validate, validate_folder
from vault.storage.readonly import ReadOnlyStore
from vault.storage.retrying import RetryingStore, RetryPolicy

RESET = TransientStorageError("reset")
PATIENCE = RetryPolicy(tries=4, base=1.0, cap=3.0, total=100.0)


def _patient(store: FaultyStore, patience: RetryPolicy = PATIENCE) -> tuple[RetryingStore, StillClock]:
    clock = StillClock()
    return RetryingStore(store, patience, clock, SeededChance(3)), clock


def test_transient_errors_are_sat_out() -> None:
    inner = FaultyStore(MemoryStore())
    store, clock = _patient(inner)
    with faults(inner).on("put", nth=1, raises=RESET).on("put", nth=2, raises=RESET, when="after") as plan:
        store.put("a", b"1")
        assert plan.all_happened
    assert store.get("a") == b"1"
    assert len(clock.slept) == 2


def test_pauses_grow_are_capped_and_end() -> None:
    inner = FaultyStore(MemoryStore())
    store, clock = _patient(inner, RetryPolicy(tries=6, base=1.0, cap=3.0, total=100.0))
    for nth in range(1, 7):
        faults(inner).on("get", nth=nth, raises=RESET)
    with pytest.raises(TransientStorageError):
        store.get("a")
    assert faults(inner).all_happened
    assert len(clock.slept) == 5
    assert all(pause <= limit for pause, limit in zip(clock.slept, [1, 2, 3, 3, 3], strict=True))


def test_patience_ends_with_its_total() -> None:
    inner = FaultyStore(MemoryStore())
    store, clock = _patient(inner, RetryPolicy(tries=1000, base=1.0, cap=10.0, total=20.0))
    for nth in range(1, 1000):
        faults(inner).on("size", nth=nth, raises=RESET)
    with pytest.raises(TransientStorageError):
        store.size("a")
    assert 5 < sum(clock.slept) <= 20


class Heard:
    """Hears of retries."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.back: list[float] = []

    def waiting(self, error: TransientStorageError, *, elapsed: float, pause: float, left: float) -> None:
        assert str(error) == "reset"
        assert pause <= left
        self.waits.append(elapsed)

    def answered(self, elapsed: float) -> None:
        self.back.append(elapsed)


def test_an_outage_of_minutes_is_sat_out_and_told_as_it_happens() -> None:
    inner = FaultyStore(MemoryStore())
    clock, heard = StillClock(), Heard()
    store = RetryingStore(inner, RetryPolicy.network(), clock, SeededChance(3), listener=heard)
    for nth in range(1, 20):
        faults(inner).on("put", nth=nth, raises=RESET)
    store.put("a", b"1")
    assert faults(inner).all_happened
    assert len(heard.waits) == 19
    assert 100 < sum(clock.slept) < 300
    assert heard.back == [sum(clock.slept)]


def test_a_store_that_was_given_up_is_not_waited_for_again_by_each_request() -> None:
    inner = FaultyStore(MemoryStore())
    clock = StillClock()
    store = RetryingStore(inner, RetryPolicy(total=20.0, base=1.0, cap=10.0), clock, SeededChance(3))
    for nth in range(1, 100):
        faults(inner).on("get", nth=nth, raises=RESET)
    with pytest.raises(TransientStorageError):
        store.get("a")
    slept = len(clock.slept)
    for ask in (store.get, store.size, store.delete):
        with pytest.raises(TransientStorageError):
            ask("a")
    assert len(clock.slept) == slept
    clock.sleep(11)
    store.put("a", b"1")
    assert store.size("a") == 1


@pytest.mark.parametrize("error", [StorageDenied("no"), ObjectNotFound("no")])
def test_one_odd_refusal_over_a_network_does_not_cost_what_is_read(error: StorageError) -> None:
    error.__cause__ = ValueError("an answer")
    inner = FaultyStore(MemoryStore())
    store, _ = _patient(inner)
    store.put("a", b"1")
    with faults(inner).on("get", raises=error).on("get_range", raises=error) as plan:
        assert store.get("a") == b"1"
        assert store.get_range("a", 0, 1) == b"1"
        assert plan.all_happened


@pytest.mark.parametrize("error", [StorageDenied("no"), ObjectNotFound("no"), StorageError("no")])
def test_lasting_errors_are_not_tried_again(error: StorageError) -> None:
    inner = FaultyStore(MemoryStore())
    store, clock = _patient(inner)
    faults(inner).on("put", raises=error)
    with pytest.raises(type(error)):
        store.put("a", b"1")
    assert clock.slept == []


def test_a_create_whose_answer_was_lost_has_succeeded() -> None:
    inner = FaultyStore(MemoryStore())
    store, _ = _patient(inner)
    faults(inner).on("create", raises=RESET, when="after")
    store.create("a", memoryview(b"nonce 1"))
    assert store.get("a") == b"nonce 1"


def test_a_create_that_arrives_late_is_still_known_as_our_own() -> None:
    """The first try is cut off, seems absent when looked for, and lands just before the second one."""
    memory = MemoryStore()
    inner = FaultyStore(memory)
    store, _ = _patient(inner)
    faults(inner).on("create", raises=RESET, when="after").on("get", nth=1, raises=ObjectNotFound("not yet"))
    store.create("a", b"nonce 1")
    assert faults(inner).all_happened
    assert memory.get("a") == b"nonce 1"


def test_a_create_that_failed_meets_somebody_elses_object() -> None:
    memory = MemoryStore()
    memory.put("a", b"other")
    inner = FaultyStore(memory)
    store, _ = _patient(inner)
    faults(inner).on("create", raises=RESET)
    with pytest.raises(ObjectExists):
        store.create("a", b"nonce 1")
    assert memory.get("a") == b"other"


def test_create_says_that_it_exists_without_a_second_request() -> None:
    memory = MemoryStore()
    memory.put("a", b"same")
    counting = CountingStore(memory)
    with pytest.raises(ObjectExists):
        RetryingStore(counting, PATIENCE, StillClock(), SeededChance(1)).create("a", b"same")
    assert counting.snapshot().requests == {"create": 1}


def test_a_listing_that_breaks_in_the_middle_gives_each_row_once() -> None:
    inner = FaultyStore(MemoryStore())
    store, _ = _patient(inner)
    for number in range(10):
        inner.put(f"a/{number}", b"1")
    faults(inner).on("list", nth=1, raises=RESET, when="after").on("list", nth=2, raises=RESET, when="before")
    assert [row.name for row in store.list("a")] == [f"a/{number}" for number in range(10)]


class SlowLine(MemoryStore):
    """Every upload takes ten minutes; `breaks` of them end in a reset."""

    def __init__(self, clock: StillClock, breaks: int) -> None:
        super().__init__()
        self._clock = clock
        self._breaks = breaks

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._clock.sleep(600)
        self._breaks -= 1
        if self._breaks >= 0:
            raise RESET
        super().put(name, data, sha256=sha256)


class BreakingLater(MemoryStore):
    """Each listing breaks one row behind the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._lengths = count()

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        length = next(self._lengths)
        for number, row in enumerate(super().list(folder)):
            if number == length:
                raise RESET
            yield row


def test_a_request_that_broke_after_a_long_time_on_a_slow_line_is_tried_again() -> None:
    clock = StillClock()
    store = RetryingStore(SlowLine(clock, breaks=1), RetryPolicy.network(), clock, SeededChance(3))
    store.put("a", b"1")
    assert store.get("a") == b"1"


def test_a_long_listing_has_patience_again_after_each_row_that_it_went_on_by() -> None:
    clock, heard, inner = StillClock(), Heard(), BreakingLater()
    names = [f"x/{number}" for number in range(4)]
    for name in names:
        inner.put(name, b"")
    store = RetryingStore(inner, RetryPolicy(total=20.0, tries=2), clock, SeededChance(3), listener=heard)
    assert sorted(row.name for row in store.list("x")) == names
    assert len(heard.waits) == len(heard.back) == 4


def test_traffic_is_counted_by_verb_and_bytes() -> None:
    store = CountingStore(MemoryStore())
    store.put("a", b"12345")
    before = store.snapshot()
    store.create("b", b"123")
    store.get("a")
    store.get_range("a", 1, 2)
    store.size("a")
    store.delete("a")
    with pytest.raises(ObjectNotFound):
        store.get("a")
    after = store.snapshot()
    assert after.since(before) == Traffic(
        {"create": 1, "get": 2, "get_range": 1, "size": 1, "delete": 1}, bytes_up=3, bytes_down=7
    )
    assert after.total_requests == 7


def test_a_long_listing_counts_as_its_pages() -> None:
    store = CountingStore(MemoryStore())
    for number in range(LIST_PAGE + 1):
        store.put(f"a/{number}", b"")
    assert len(list(store.list("a"))) == LIST_PAGE + 1
    assert store.snapshot().requests["list"] == 2


def test_a_read_only_store_reads_and_nothing_else() -> None:
    memory = MemoryStore()
    memory.put("a/b", b"123")
    store = ReadOnlyStore(memory)
    assert (store.get("a/b"), store.get_range("a/b", 1, 1), store.size("a/b")) == (b"123", b"2", 3)
    assert [row.name for row in store.list("")] == ["a/b"]
    for write in (store.put, store.create):
        with pytest.raises(RefusedByRule):
            write("a/b", b"x")
    with pytest.raises(RefusedByRule):
        store.delete("a/b")
    assert memory.get("a/b") == b"123"
    assert [row.name for row in memory.list("")] == ["a/b"]


def test_memory_refuses_bytes_that_do_not_fit_their_sha256() -> None:
    store = MemoryStore()
    with pytest.raises(StorageError):
        store.put("a", b"1", sha256=bytes(32))
    assert list(store.list("")) == []


def test_a_dying_store_dies_at_its_kth_write_and_stays_dead() -> None:
    disk = MemoryStore()
    counting = DyingStore(disk)
    counting.put("x", b"1")
    counting.delete("x")
    assert counting.writes == 2

    before, after = DyingStore(disk, lives=1), DyingStore(disk, lives=1, when="after")
    for number, dying in enumerate((before, after)):
        dying.put(f"{number}/first", b"1")
        with pytest.raises(PowerCut):
            dying.put(f"{number}/second", b"1")
        with pytest.raises(PowerCut):
            dying.get("x")
    assert sorted(row.name for row in disk.list("")) == ["0/first", "1/first", "1/second"]


def test_faults_spoil_answers_as_planned() -> None:
    store = FaultyStore(MemoryStore())
    store.put("a/b", b"\x00\x00")
    store.put("c/d", b"\x00\x00")
    plan = faults(store).on("get", nth=2, name="a/*", flips=9).on("get_range", cuts=1)
    assert [store.get("c/d"), store.get("a/b"), store.get("c/d"), store.get("a/b")] == [
        b"\x00\x00",
        b"\x00\x00",
        b"\x00\x00",
        b"\x00\x02",
    ]
    assert not plan.all_happened
    assert store.get_range("a/b", 0, 2) == b"\x00"
    assert plan.all_happened


PARTS = st.text("abc019._-", min_size=1, max_size=12).filter(lambda part: part not in {".", ".."})


@given(st.lists(PARTS, min_size=1, max_size=10))
def test_names_of_the_grammar_are_names(parts: list[str]) -> None:
    name = "/".join(parts)
    assert validate(name) == validate_folder(name) == name


@given(st.text("aZ./\n é~", max_size=8) | st.text(max_size=5))
def test_the_grammar_holds_for_every_text(text: str) -> None:
    parts = text.split("/")
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert is_name(text) == all(part and part not in {".", ".."} and set(part) <= allowed for part in parts)
