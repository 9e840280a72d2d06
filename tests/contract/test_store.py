"""The contract of `vault.storage.contract`, kept by every store and by every wrapper."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from tests.support.store_fixtures import CACHING, COUNTING, LOCAL, MEMORY, RETRYING
from tests.support.stores import StorePlace
from vault.errors import ObjectExists, ObjectNotFound, StorageError
from vault.storage.contract import LARGEST_OBJECT, ObjectInfo, Store, list_after

BODY = bytes(range(256)) * 8
OUTSIDE_THE_GRAMMAR = (
    *("", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/."),
    *("A", "a b", "a\\b", "ä", "a\n", "a\0b", "~temp/x", "x" * 201),
)


class TestStoreContract:
    """Subjects come from the fixture `store_factory`: each test runs once for each kind of store."""

    @pytest.fixture
    def store(self, any_store: Store) -> Store:
        return any_store

    def test_what_was_put_comes_back_whole(self, store: Store) -> None:
        store.put("folder/leaf", BODY)
        assert store.get("folder/leaf") == BODY
        assert store.size("folder/leaf") == len(BODY)

    def test_every_buffer_is_taken(self, store: Store) -> None:
        buffers: list[bytes | bytearray | memoryview] = [BODY, bytearray(BODY), memoryview(BODY)]
        for number, buffer in enumerate(buffers):
            store.put(f"put/{number}", buffer)
            store.create(f"create/{number}", buffer)
            assert store.get(f"put/{number}") == store.get(f"create/{number}") == BODY

    def test_an_empty_object_is_an_object(self, store: Store) -> None:
        store.put("empty", b"")
        assert store.get("empty") == b""
        assert store.size("empty") == 0
        assert store.get_range("empty", 0, 10) == b""
        assert list(store.list("")) == [ObjectInfo("empty", 0)]

    def test_a_known_sha256_is_accepted(self, store: Store) -> None:
        store.put("put", BODY, sha256=hashlib.sha256(BODY).digest())
        store.create("create", BODY, sha256=hashlib.sha256(BODY).digest())
        assert store.get("put") == store.get("create") == BODY

    def test_put_replaces_what_stood_there(self, store: Store) -> None:
        store.put("a/b", b"old and long")
        store.put("a/b", b"new")
        assert store.get("a/b") == b"new"
        assert list(store.list("a")) == [ObjectInfo("a/b", 3)]

    def test_create_writes_once_and_never_again(self, store: Store) -> None:
        store.create("a/once", b"first")
        with pytest.raises(ObjectExists):
            store.create("a/once", b"second")
        assert store.get("a/once") == b"first"

    def test_a_name_is_free_again_after_a_delete(self, store: Store) -> None:
        store.create("a/once", b"first")
        store.delete("a/once")
        store.create("a/once", b"second")
        assert store.get("a/once") == b"second"

    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        store.put("a/b", b"1")
        for name in ("a/c", "nothing", "b/c/d", "a"):
            with pytest.raises(ObjectNotFound):
                store.get(name)
            with pytest.raises(ObjectNotFound):
                store.get_range(name, 0, 1)
            with pytest.raises(ObjectNotFound):
                store.get_range(name, 0, 0)
            with pytest.raises(ObjectNotFound):
                store.size(name)

    def test_deleting_what_is_not_there_is_nothing(self, store: Store) -> None:
        store.put("a/b", b"1")
        for name in ("a/c", "nothing", "b/c/d", "a"):
            store.delete(name)
        assert store.get("a/b") == b"1"

    def test_a_deleted_object_is_gone_everywhere(self, store: Store) -> None:
        store.put("a/b/c", b"1")
        store.put("a/d", b"2")
        store.delete("a/b/c")
        with pytest.raises(ObjectNotFound):
            store.get("a/b/c")
        assert [row.name for row in store.list("")] == ["a/d"]

    def test_a_range_is_the_same_slice(self, store: Store) -> None:
        store.put("a", BODY)
        inside = [(0, 1), (0, 2048), (5, 10), (2047, 1), (2040, 100), (3, 0), (0, LARGEST_OBJECT)]
        past_the_end = [(2048, 1), (2049, 5), (9999, 9)]
        for start, length in inside + past_the_end:
            assert store.get_range("a", start, length) == BODY[start : start + length]

    def test_a_range_that_cannot_be_is_refused(self, store: Store) -> None:
        store.put("a", BODY)
        for start, length in ((-1, 5), (0, -1), (0, LARGEST_OBJECT + 1)):
            with pytest.raises(StorageError):
                store.get_range("a", start, length)

    def test_what_is_listed_after_a_name_is_the_end_of_the_folder(self, store: Store) -> None:
        for leaf in "abcde":
            store.put(f"folder/{leaf}", BODY)
            store.put(f"folder-of-others/{leaf}", BODY)
        rows = list_after(store, "folder", "folder/b")
        assert rows is not None
        assert {row.name for row in rows} == {"folder/c", "folder/d", "folder/e"}
        nothing = list_after(store, "folder", "folder/e")
        assert nothing is not None
        assert list(nothing) == []

    def test_a_listing_has_every_object_once_at_any_depth(self, store: Store) -> None:
        names = {"top", "a/one", "a/two", "a/deep/er/leaf", "ab/other", "a-b/x", "b/deep"}
        for name in names:
            store.put(name, name.encode())
        assert sorted(store.list(""), key=lambda row: row.name) == [ObjectInfo(name, len(name)) for name in sorted(names)]
        assert sorted(row.name for row in store.list("a")) == ["a/deep/er/leaf", "a/one", "a/two"]
        assert [row.name for row in store.list("a/deep")] == ["a/deep/er/leaf"]
        assert list(store.list("nothing")) == []
        assert list(store.list("to")) == []

    def test_a_name_outside_the_grammar_is_refused(self, store: Store) -> None:
        for name in OUTSIDE_THE_GRAMMAR:
            for act in (store.get, store.size, store.delete):
                with pytest.raises(StorageError):
                    act(name)
            for write in (store.put, store.create):
                with pytest.raises(StorageError):
                    write(name, b"1")
            with pytest.raises(StorageError):
                store.get_range(name, 0, 1)
            if name:
                with pytest.raises(StorageError):
                    list(store.list(name))
        assert list(store.list("")) == []

    def test_the_longest_name_works(self, store: Store) -> None:
        for name in ("n" * 200, "/".join(["p" * 39] * 5)):
            store.put(name, b"1")
            assert store.get(name) == b"1"
        assert len(list(store.list(""))) == 2

    def test_an_object_over_the_limit_is_refused_before_it_is_sent(self, store: Store) -> None:
        too_long = memoryview(bytes(LARGEST_OBJECT + 1))
        for write in (store.put, store.create):
            with pytest.raises(StorageError, match="no object"):
                write("a", too_long)
        assert list(store.list("")) == []

    def test_other_stores_in_the_same_place_see_it_at_once(self, store_factory: StorePlace) -> None:
        writer, reader = store_factory.open(), store_factory.open()
        writer.put("a/b", BODY)
        assert reader.get("a/b") == BODY
        assert reader.get_range("a/b", 1, 2) == BODY[1:3]
        assert list(reader.list("a")) == [ObjectInfo("a/b", len(BODY))]
        reader.delete("a/b")
        with pytest.raises(ObjectNotFound):
            writer.get("a/b")

    def test_of_many_creators_exactly_one_wins(self, store_factory: StorePlace) -> None:
        stores = [store_factory.open() for _ in range(2)]
        for round_ in range(2):
            name = f"race/{round_}"
            barrier = Barrier(4)

            def create(number: int, name: str = name, barrier: Barrier = barrier) -> bool:
                barrier.wait(timeout=10)
                try:
                    stores[number % 2].create(name, b"%d" % number * 1000)
                except ObjectExists:
                    return False
                return True

            with ThreadPoolExecutor(4) as pool:
                won = list(pool.map(create, range(4)))
            assert won.count(True) == 1
            assert stores[0].get(name) == b"%d" % won.index(True) * 1000

    def test_a_reader_never_sees_half_an_object(self, store_factory: StorePlace) -> None:
        writer, reader = store_factory.open(), store_factory.open()
        writer.put("a", b"0" * 300_000)
        done = Event()

        def write() -> None:
            try:
                for number in range(20):
                    writer.put("a", b"%d" % (number % 10) * (300_000 + number))
            finally:
                done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while not done.is_set():
                content = reader.get("a")
                assert len(set(content)) == 1
                assert len(content) >= 300_000
            writing.result()

    def test_the_description_is_for_people(self, store: Store) -> None:
        assert store.describe()


def test_an_object_is_never_where_a_folder_is(store_factory: StorePlace) -> None:
    """Only stores that cannot hold both refuse it; those are the ones that tests run on most."""
    if store_factory.kind not in {MEMORY, LOCAL, RETRYING, COUNTING, CACHING}:
        return
    store = store_factory.open()
    store.put("a/b", b"1")
    for name in ("a", "a/b/c"):
        for write in (store.put, store.create):
            with pytest.raises(StorageError):
                write(name, b"2")
    assert [row.name for row in store.list("")] == ["a/b"]
