"""The cache: news from the store, everything else from here, and never anything that is not what was stored."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.randomness import SeededChance
from vault.errors import ObjectNotFound
from vault.storage import caching
from vault.storage.caching import CachingStore, in_passing, uncached
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore

PROJECT = "projects/" + "0" * 32
RECORD = f"{PROJECT}/snapshots/one"
DIGEST = hashlib.sha256(b"a catalogue pack").hexdigest()
META = "projects/" + "0" * 32 + f"/meta/{DIGEST[:2]}/{DIGEST}"
PACK = "projects/" + "0" * 32 + "/packs/aa/one"


class Desk:
    """A store that counts, and caches before it."""

    def __init__(self, folder: Path) -> None:
        self.inner = MemoryStore()
        self.counting = CountingStore(self.inner)
        self.folder = folder

    def open(self, *, limit: int = 1 << 30) -> CachingStore:
        return CachingStore(self.counting, self.folder, SeededChance(len(list(self.folder.glob("*/*")))), limit=limit)

    def requests(self) -> int:
        return self.counting.snapshot().total_requests


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "cache")


def test_what_was_read_once_is_not_asked_for_again_not_even_by_the_next_run(desk: Desk) -> None:
    desk.inner.put(RECORD, b"a record")
    assert desk.open().get(RECORD) == b"a record"
    before = desk.requests()
    assert desk.open().get(RECORD) == b"a record"
    assert desk.open().get_range(RECORD, 2, 6) == b"record"
    assert desk.requests() == before


def test_what_this_run_stored_is_kept(desk: Desk) -> None:
    cache = desk.open()
    cache.put(RECORD, b"a record")
    before = desk.requests()
    assert cache.get(RECORD) == b"a record"
    assert desk.requests() == before


def test_content_is_never_kept(desk: Desk) -> None:
    cache = desk.open()
    cache.put(PACK, b"content")
    assert cache.get(PACK) == b"content"
    assert cache.get_range(PACK, 0, 3) == b"con"
    assert not list(desk.folder.glob("**/*"))


def test_a_damaged_copy_is_fetched_anew(desk: Desk) -> None:
    desk.open().put(RECORD, b"a record")
    for copy in desk.folder.glob("*/*"):
        copy.write_bytes(copy.read_bytes()[:-1] + b"?")
    assert desk.open().get(RECORD) == b"a record"
    assert desk.open().get_range(RECORD, 0, 8) == b"a record"


def test_what_is_deleted_is_gone_here_too(desk: Desk) -> None:
    cache = desk.open()
    cache.put(RECORD, b"a record")
    cache.delete(RECORD)
    with pytest.raises(ObjectNotFound):
        cache.get(RECORD)


def test_listings_and_sizes_are_the_stores_own(desk: Desk) -> None:
    cache = desk.open()
    cache.put(RECORD, b"a record")
    desk.inner.delete(RECORD)
    assert list(cache.list("projects")) == []
    with pytest.raises(ObjectNotFound):
        cache.size(RECORD)


def test_a_cache_that_has_grown_too_large_is_thinned(desk: Desk) -> None:
    cache = desk.open(limit=10_000)
    for number in range(20):
        cache.put(f"{RECORD}-{number}", bytes(1000))
    cache.close()
    assert sum(path.stat().st_size for path in desk.folder.glob("*/*")) <= 10_000


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = CachingStore(MemoryStore(), tmp_path / "file" / "cache", SeededChance(1))
    cache.put(RECORD, b"a record")
    assert cache.get(RECORD) == b"a record"


def test_what_is_read_in_passing_is_fetched_once_and_not_written_down(desk: Desk) -> None:
    cache = desk.open()
    desk.inner.put(RECORD, b"a record")
    passing = in_passing(cache)
    assert passing.get_range(RECORD, 2, 6) == b"record"
    assert passing.get_range(RECORD, 0, 1) == b"a"
    assert desk.requests() == 1
    assert not list(desk.folder.glob("*/*"))


def test_what_is_here_already_serves_whoever_reads_in_passing(desk: Desk) -> None:
    desk.open().put(RECORD, b"a record")
    before = desk.requests()
    assert in_passing(desk.open()).get_range(RECORD, 2, 6) == b"record"
    assert desk.requests() == before


def test_what_is_held_in_passing_is_bounded_and_the_oldest_goes_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "HELD", 20)
    for number in range(4):
        desk.inner.put(f"{RECORD}-{number}", b"a record")
    passing = in_passing(desk.open())
    for number in (0, 1, 2, 1, 2):
        assert passing.get(f"{RECORD}-{number}") == b"a record"
    assert desk.requests() == 3
    assert passing.get(f"{RECORD}-0") == b"a record"
    assert desk.requests() == 4


def test_what_is_deleted_is_not_held_in_passing(desk: Desk) -> None:
    desk.inner.put(RECORD, b"a record")
    passing = in_passing(desk.open())
    assert passing.get(RECORD) == b"a record"
    passing.delete(RECORD)
    with pytest.raises(ObjectNotFound):
        passing.get(RECORD)


def test_a_store_that_keeps_nothing_is_read_in_passing_as_it_is(desk: Desk) -> None:
    assert in_passing(desk.inner) is desk.inner


def test_copies_are_for_their_owner_alone(desk: Desk) -> None:
    desk.open().put(RECORD, b"a record")
    assert {path.stat().st_mode & 0o077 for path in [desk.folder, *desk.folder.rglob("*")]} == {0}


def test_below_the_cache_the_store_is_read_and_a_copy_that_differs_is_dropped(desk: Desk) -> None:
    cache = desk.open()
    cache.put(RECORD, b"a record")
    desk.inner.put(RECORD, b"a RECORD")
    assert cache.get(RECORD) == b"a record"
    below = uncached(cache)
    assert below.get_range(RECORD, 2, 6) == b"RECORD"
    assert below.get(RECORD) == b"a RECORD"
    assert desk.open().get(RECORD) == b"a RECORD"


def test_below_the_cache_what_equals_the_copy_is_read_once_and_then_from_here(desk: Desk) -> None:
    desk.open().put(META, b"a catalogue pack")
    below = uncached(desk.open())
    before = desk.requests()
    assert [below.get_range(META, 0, 1), below.get_range(META, 2, 9), below.get(META)] == [
        b"a",
        b"catalogue",
        b"a catalogue pack",
    ]
    assert desk.requests() == before + 1


def test_below_the_cache_an_object_that_is_too_large_to_hold_is_fetched_whole_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "HELD", 4)
    desk.inner.put(RECORD, b"a record")
    below = uncached(desk.open())
    assert [below.get_range(RECORD, 0, 1), below.get_range(RECORD, 2, 6)] == [b"a", b"record"]
    assert not list(desk.folder.glob("*/*"))


def test_damage_that_was_found_below_the_cache_is_not_kept_there(desk: Desk) -> None:
    desk.inner.put(RECORD, b"a RECORD")
    assert uncached(desk.open()).get(RECORD) == b"a RECORD"
    desk.inner.put(RECORD, b"a record")  # somebody puts it back from a copy
    assert desk.open().get(RECORD) == b"a record"


def test_a_catalogue_pack_that_is_not_what_its_name_says_is_not_kept(desk: Desk) -> None:
    desk.inner.put(META, b"another pack")
    cache = desk.open()
    assert cache.get_range(META, 0, 7) == cache.get_range(META, 0, 7) == b"another"
    desk.inner.put(META, b"a catalogue pack")
    assert cache.get(META) == b"a catalogue pack"


def test_a_copy_of_another_length_than_the_listing_says_is_fetched_anew(desk: Desk) -> None:
    desk.open().put(RECORD, b"a record")
    desk.inner.put(RECORD, b"")
    cache = desk.open()
    assert cache.get(RECORD) == b"a record"
    assert [info.size for info in cache.list("projects")] == [0]
    assert cache.get(RECORD) == b""


@pytest.mark.parametrize("stored", [b"a RECORD", b"a rec", b""])
def test_a_copy_that_differs_from_the_store_is_saved_before_it_is_dropped(desk: Desk, stored: bytes) -> None:
    desk.open().put(RECORD, b"a record")
    desk.inner.put(RECORD, stored)
    below = uncached(desk.open())
    assert [info.size for info in below.list("projects")] == [len(stored)]
    assert below.get(RECORD) == stored
    assert desk.open().get(RECORD) == stored, "nothing reads the saved copy in place of the store"
    assert desk.open().saved.names(PROJECT) == [RECORD]
    assert desk.open().saved.read(RECORD) == b"a record"


def test_a_copy_whose_length_is_not_the_listed_one_is_saved(desk: Desk) -> None:
    desk.open().put(RECORD, b"a record")
    desk.inner.put(RECORD, b"")
    cache = desk.open()
    list(cache.list("projects"))
    assert cache.get(RECORD) == b""
    assert cache.saved.read(RECORD) == b"a record"


def test_a_copy_of_what_is_gone_is_saved_and_serves_on(desk: Desk) -> None:
    desk.open().put(META, b"a catalogue pack")
    desk.inner.delete(META)
    with pytest.raises(ObjectNotFound):
        uncached(desk.open()).get_range(META, 0, 1)
    assert desk.open().saved.read(META) == b"a catalogue pack"
    assert desk.open().get(META) == b"a catalogue pack"


def test_a_saved_copy_stays_as_it_was_first_until_it_is_discarded_or_the_object_deleted(desk: Desk) -> None:
    cache = desk.open()
    for name in (RECORD, META):
        cache.saved.save(name, b"whole")
        cache.saved.save(name, b"later")
        assert cache.saved.read(name) == b"whole"
    assert cache.saved.file(RECORD).read_bytes() == b"whole", "as it is stored, for who puts it back by hand"
    assert {path.stat().st_mode & 0o077 for path in [desk.folder, *desk.folder.rglob("*")]} == {0}
    desk.inner.put(RECORD, b"a record")
    cache.delete(RECORD)
    cache.saved.discard(META)
    assert cache.saved.names(PROJECT) == []


def test_a_damaged_copy_and_what_is_derived_are_not_saved_and_no_name_leads_out_of_the_folder(desk: Desk) -> None:
    cache = desk.open()
    segment = f"{PROJECT}/index/{'a' * 64}"
    for name in (RECORD, segment):
        cache.put(name, b"as it was")
    for path in desk.folder.glob("*/*"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    for name in (RECORD, segment, f"{PROJECT}/snapshots/../../../../out", "../out"):
        cache.save(name)
        cache.saved.save(name if name != RECORD else "nothing", b"bytes")
    assert cache.saved.names(PROJECT) == []
    assert not list(desk.folder.parent.glob("**/out"))


def test_thinning_passes_over_saved_copies(desk: Desk) -> None:
    cache = desk.open(limit=10)
    cache.saved.save(META, b"saved " * 10)
    cache.put(RECORD, b"a record " * 10)
    cache.close()
    assert cache.saved.read(META) == b"saved " * 10
    cache.save(RECORD)
    assert cache.saved.names(PROJECT) == [META], "the other one was thinned out"
