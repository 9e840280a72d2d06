"""What LocalStore promises beyond the contract: durability, privacy, tidiness, no way out of its folder."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.clock import StillClock
from tests.support.randomness import SeededChance
from tests.support.store_fixtures import local_store
from vault.clock import SystemClock
from vault.errors import NoRepository, ObjectNotFound, StorageDenied, StorageError, StorageFull
from vault.storage import local
from vault.storage.contract import ObjectInfo
from vault.storage.local import STALE_AFTER, TEMPORARY, LocalStore

WRITER = textwrap.dedent(
    """
    import hashlib, sys
    from pathlib import Path
    from vault.randomness import SystemRandomness
    from vault.clock import SystemClock
    from vault.storage.local import LocalStore

    store = LocalStore(Path(sys.argv[1]), clock=SystemClock(), randomness=SystemRandomness(), create_missing=True)
    print("ready", flush=True)
    number = 0
    while True:
        body = hashlib.shake_256(b"%d" % number).digest(200_000)
        name = hashlib.sha256(body).hexdigest()
        (store.put if number % 2 else store.create)(f"{name[:2]}/{name}", body)
        store.put("same/name", b"%d" % (number % 10) * 50_000)
        number += 1
        print(number, flush=True)
    """
)


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_killed_at_any_moment_leaves_whole_objects_only(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "store"
    source = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE, text=True, cwd=source, env={"PATH": ""}
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(random.Random(seed).uniform(0.02, 0.2))
        writer.send_signal(signal.SIGKILL)
        finished = [int(line) for line in writer.stdout.read().splitlines()]
    store = local_store(root)
    names = {row.name for row in store.list("")}
    for name in names - {"same/name"}:
        body = store.get(name)
        assert name.endswith(hashlib.sha256(body).hexdigest())
    for number in range(finished[-1] if finished else 0):
        digest = hashlib.sha256(hashlib.shake_256(b"%d" % number).digest(200_000)).hexdigest()
        assert f"{digest[:2]}/{digest}" in names
    if "same/name" in names:
        assert len(set(store.get("same/name"))) == 1


def test_temporary_files_are_invisible_and_removed_after_a_day(tmp_path: Path) -> None:
    store = local_store(tmp_path)
    store.put("a", b"1")
    old, young = tmp_path / TEMPORARY / "old", tmp_path / TEMPORARY / "young"
    for path in (old, young):
        path.write_bytes(b"half an obj")
    long_ago = (SystemClock().now() - STALE_AFTER - timedelta(minutes=1)).timestamp()
    os.utime(old, (long_ago, long_ago))
    again = local_store(tmp_path)
    assert [row.name for row in again.list("")] == ["a"]
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    store = local_store(tmp_path)
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) <= 1000:
            raise OSError(number, os.strerror(number))
        return write(handle, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", full)
    for act in (store.put, store.create):
        with pytest.raises(StorageFull):
            act("a/b", b"x" * 5000)
    assert _files(tmp_path) == []
    assert list(store.list("")) == []


def test_short_writes_are_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = local_store(tmp_path)
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
    store.put("a", bytes(range(100)))
    assert store.get("a") == bytes(range(100))


def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    store = local_store(tmp_path / "new" / "store")
    store.put("a/b/c", b"1")
    for path in (tmp_path / "new").rglob("*"):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected


def test_a_missing_folder_is_no_repository_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NoRepository):
        LocalStore(tmp_path / "missing", clock=StillClock(), randomness=SeededChance(1))
    assert not (tmp_path / "missing").exists()


def test_a_file_in_place_of_the_folder_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NoRepository):
        LocalStore(tmp_path / "file", clock=StillClock(), randomness=SeededChance(1))


def test_a_folder_that_is_unmounted_meanwhile_is_not_taken_for_empty(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = local_store(root)
    store.put("a/b", b"1")
    root.rename(tmp_path / "elsewhere")
    root.mkdir()
    for act in (
        lambda: store.get("a/b"),
        lambda: store.size("a/b"),
        lambda: list(store.list("a")),
        lambda: store.delete("a/b"),
        lambda: store.put("a/b", b"2"),
    ):
        with pytest.raises(StorageError, match="no longer") as caught:
            act()
        assert not isinstance(caught.value, ObjectNotFound)
    assert list(root.iterdir()) == []


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = tmp_path / "store"
    store = local_store(root)
    store.put("a/b", b"1")
    (root / "a" / "link").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    for name in ("a/link", "folder/secret"):
        for read in (store.get, store.size):
            with pytest.raises(StorageError):
                read(name)
        with pytest.raises(StorageError):
            store.get_range(name, 0, 1)
    for write in (store.put, store.create):
        with pytest.raises(StorageError):
            write("folder/new", b"1")
    with pytest.raises(StorageError):
        store.delete("folder/secret")
    assert [row.name for row in store.list("")] == ["a/b"]
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_strangers_are_left_out_of_listings(tmp_path: Path) -> None:
    store = local_store(tmp_path)
    store.put("a/b", b"1")
    (tmp_path / "a" / "Upper").write_text("x")
    (tmp_path / "a" / ".DS_Store").write_text("x")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found" / "x").write_text("x")
    os.mkfifo(tmp_path / "a" / "fifo")
    assert [row.name for row in store.list("")] == ["a/b"]
    with pytest.raises(ObjectNotFound):
        store.get("a/fifo")


def test_empty_folders_are_removed_and_made_again(tmp_path: Path) -> None:
    one, other = local_store(tmp_path), local_store(tmp_path)
    one.put("a/b/c", b"1")
    other.delete("a/b/c")
    assert not (tmp_path / "a").exists()
    one.put("a/b/d", b"2")
    one.create("a/b/e", b"2")
    assert sorted(row.name for row in other.list("")) == ["a/b/d", "a/b/e"]


def test_an_object_larger_than_any_of_ours_is_not_read(tmp_path: Path) -> None:
    store = local_store(tmp_path)
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(1 << 40)
    with pytest.raises(StorageError, match="no object"):
        store.get("huge")


@pytest.mark.parametrize(("number", "expected"), [(errno.EACCES, StorageDenied), (errno.EIO, StorageError)])
def test_what_the_file_system_says_becomes_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[StorageError]
) -> None:
    store = local_store(tmp_path)

    def fail(_handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(expected) as caught:
        store.put("a", b"1")
    assert caught.value.hint
    assert _files(tmp_path) == []


def test_writers_and_deleters_of_one_folder_do_not_trip_over_each_other(tmp_path: Path) -> None:
    one, other = local_store(tmp_path), local_store(tmp_path)
    from concurrent.futures import ThreadPoolExecutor

    def churn(store: LocalStore, leaf: str) -> None:
        for _ in range(60):
            store.put(f"a/b/{leaf}", b"1")
            assert store.get(f"a/b/{leaf}") == b"1"
            store.delete(f"a/b/{leaf}")

    with ThreadPoolExecutor(2) as pool:
        for result in [pool.submit(churn, one, "x"), pool.submit(churn, other, "y")]:
            result.result()
    shutil.rmtree(tmp_path / TEMPORARY)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_of_one_page_does_not_ask_for_the_sizes_of_all_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = local_store(tmp_path / "store")
    for number in range(10):
        store.put(f"folder/{number}", bytes(number))
    whole = {info.name: info.size for info in store.list("folder")}
    assert whole == {f"folder/{number}": number for number in range(10)}
    monkeypatch.setattr(local, "PAGE", 3)
    assert {info.name: info.size for info in store.list("folder")} == whole
    assert {info.name for info in store.list_after("folder", "folder/6")} == {"folder/7", "folder/8", "folder/9"}
    described: list[int] = []
    describe = store._described

    def noted(folder: str, entries: Sequence[os.DirEntry[str]]) -> Iterable[ObjectInfo]:
        described.append(len(entries))
        return describe(folder, entries)

    monkeypatch.setattr(store, "_described", noted)
    listing = store.list("folder")
    first = next(listing)
    assert described == [3]
    assert {info.name for info in (first, *listing)} == set(whole)
    assert described == [3, 3, 3, 1]


def test_what_is_deleted_while_a_listing_is_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "PAGE", 3)
    store = local_store(tmp_path / "store")
    for number in range(10):
        store.put(f"folder/{number}", b"")
    listing = store.list("folder")
    there = [next(listing).name for _ in range(3)]
    for number in range(10):
        store.delete(f"folder/{number}")
    assert len(there) == 3
    assert not list(listing)
