"""The probe tells good stores from bad ones, says what it means, and leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.clock import StillClock
from tests.support.faulty import FaultyStore, faults
from tests.support.randomness import SeededChance
from tests.support.store_fixtures import DIRECT, LOCAL, MOTO, WEED
from tests.support.stores import StorePlace
from vault.clock import SystemClock
from vault.errors import ObjectNotFound, StorageDenied, StorageError, TransientStorageError
from vault.storage.contract import Buffer, ObjectInfo
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore
from vault.storage.probe import probe, probe_quickly

CHECKED = {LOCAL: "none", MOTO: "none", WEED: "sha256", DIRECT: "sha256"}


def test_every_store_of_ours_passes(store_factory: StorePlace) -> None:
    report = probe(store_factory.make, SystemClock(), SeededChance(5))
    assert (report.visible, report.ranges, report.overwrite) == ("ok", "ok", "ok")
    assert report.creates_once
    assert report.can_delete
    assert report.usable
    assert report.left_behind == 0
    assert report.checksum == CHECKED.get(store_factory.kind, "none")
    assert list(store_factory.open().list("")) == []
    if store_factory.kind in {MOTO, WEED, DIRECT}:
        assert report.clock_skew is not None
        assert abs(report.clock_skew) < 60
        assert report.versioning == "off"
    assert json.loads(json.dumps(report.as_json()))["create_once"] == "kept"
    assert all(sentence.endswith(".") for sentence in report.sentences())


def test_the_quick_probe_asks_little_and_leaves_nothing() -> None:
    memory = MemoryStore()
    counting = CountingStore(memory)
    report = probe_quickly(counting, SeededChance(5))
    assert report.creates_once
    assert report.can_delete
    assert counting.snapshot().total_requests <= 20
    assert list(memory.list("")) == []
    assert len(report.sentences()) == 5
    assert report.usable


class Overwriting(MemoryStore):
    """Answers a conditional write with success, and overwrites."""

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self.put(name, data, sha256=sha256)


class Unconditional(MemoryStore):
    """Has never heard of conditional writes."""

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        raise StorageError(f"501 ({name}, {len(data)}, {sha256!r})")


class LooksThenWrites(MemoryStore):
    """Keeps create-once as long as nobody else is there: of racing writers several win."""

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        if "race" in name:
            self.put(name, data, sha256=sha256)
        else:
            super().create(name, data, sha256=sha256)


class AppendOnly(MemoryStore):
    """Credentials that cannot delete."""

    def delete(self, name: str) -> None:
        raise StorageDenied(f"may not delete {name}")


class Late(MemoryStore):
    """Lists what was there a while ago: nothing."""

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return iter([]) if "/seen/" in folder else super().list(folder)


class NeverLists(MemoryStore):
    """Lists nothing as long as it is probed."""

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return iter([])


class OffByOne(MemoryStore):
    """Understands the end of a range in another way."""

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return super().get_range(name, start, length + 1)


@pytest.mark.parametrize(
    ("kind", "found"),
    [(Overwriting, "ignored"), (Unconditional, "refused"), (LooksThenWrites, "not-atomic"), (MemoryStore, "kept")],
)
def test_a_store_that_breaks_create_once_is_found_out(kind: type[MemoryStore], found: str) -> None:
    store = kind()
    assert probe_quickly(store, SeededChance(2)).create_once == found
    report = probe(lambda: store, StillClock(), SeededChance(2))
    assert report.create_once == found
    assert report.usable
    assert list(store.list("")) == []


def test_credentials_that_cannot_delete_are_found_and_the_rest_is_owned_up_to() -> None:
    store = AppendOnly()
    report = probe(lambda: store, StillClock(), SeededChance(2))
    assert not report.can_delete
    assert report.left_behind == len(list(store.list(""))) > 0
    assert any("could not be removed" in sentence for sentence in report.sentences())
    assert any("cannot delete" in sentence for sentence in report.sentences())


def test_a_store_that_lists_late_or_cuts_wrongly_is_not_usable() -> None:
    late, wrong = Late(), OffByOne()
    assert probe(lambda: late, StillClock(), SeededChance(2)).visible == "broken"
    report = probe(lambda: wrong, StillClock(), SeededChance(2))
    assert report.ranges == "broken"
    assert not report.usable


@pytest.mark.parametrize("kind", ["late", "wrong"])
def test_the_quick_probe_finds_out_what_makes_a_store_unusable(kind: str) -> None:
    report = probe_quickly(NeverLists() if kind == "late" else OffByOne(), SeededChance(2))
    assert (report.visible, report.ranges) == (("broken", "ok") if kind == "late" else ("ok", "broken"))
    assert not report.usable


def test_an_interrupted_probe_cleans_up() -> None:
    memory = MemoryStore()
    for nth in count(1):
        store = FaultyStore(memory)
        faults(store).on("put", nth=nth, raises=KeyboardInterrupt(), when="after")
        try:
            probe(lambda store=store: store, StillClock(), SeededChance(nth))  # type: ignore[misc]
        except KeyboardInterrupt:
            assert list(memory.list("")) == []
            continue
        break
    assert nth > 5


def test_nothing_is_learned_where_not_even_a_write_works() -> None:
    store = FaultyStore(MemoryStore())
    faults(store).on("put", raises=StorageDenied("no"))
    with pytest.raises(StorageDenied):
        probe(lambda: store, StillClock(), SeededChance(2))
    with pytest.raises(ObjectNotFound):
        store.get("anything")


def test_one_passing_error_does_not_make_a_store_unfit() -> None:
    store = FaultyStore(MemoryStore())
    with faults(store).on("put", name="*/seen/*", raises=TransientStorageError("500")) as plan:
        assert probe(lambda: store, StillClock(), SeededChance(2)).usable
        assert plan.all_happened


def test_a_bucket_that_is_missing_is_not_written_to() -> None:
    store = FaultyStore(MemoryStore())
    faults(store).on("list", raises=StorageError("no such bucket"))
    with pytest.raises(StorageError, match="no such bucket"):
        probe_quickly(store, SeededChance(2))
    assert list(store.list("")) == []
