"""Items of a past moment through fsspec: listed, read by ranges, from threads, never written."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.places import names
from tests.support.trees import text, write_tree
from tests.unit.fsspec.mounted_project import Kept, OneProject
from vault.errors import Damaged

CSV = b"code,calls\n007,3\n"
LONG = text("long", 300_000)
FILES = {
    "reports/hourly/2024/05/17/14.csv": CSV,
    "reports/hourly/2024/05/17/15.csv": CSV,
    "reports/hourly/2024/05.csv": CSV,
    "reports/long.txt": LONG,
    "reports/empty.csv": b"",
    "tickets/жалобы 2024-05.txt": "текст".encode(),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = write_tree(tmp_path_factory.mktemp("files"), FILES)
    (folder / "reports/link").symlink_to("long.txt")
    made = Kept.empty()
    made.back_up(folder, "reports", "tickets")
    return made


@pytest.fixture
def files(kept: Kept) -> OneProject:
    return kept.files()


def test_folders_are_listed_with_what_is_known_of_their_items(files: OneProject) -> None:
    assert files.ls("", detail=False) == ["sdek"]
    assert files.ls("strongroom://sdek", detail=False) == ["sdek/reports", "sdek/tickets"]
    assert files.ls("sdek/reports/hourly/2024", detail=False) == [
        "sdek/reports/hourly/2024/05",
        "sdek/reports/hourly/2024/05.csv",
    ]
    (hour,) = [one for one in files.ls("sdek/reports/hourly/2024/05/17") if one["name"].endswith("14.csv")]
    assert (hour["size"], hour["type"], hour["kind"], hour["format"]) == (len(CSV), "file", "reports", "csv")
    assert hour["period"] == "2024-05-17T14"
    assert hour["period_start"] == datetime(2024, 5, 17, 11, tzinfo=UTC)
    assert files.modified("sdek/reports/long.txt").tzinfo is UTC


def test_walk_glob_and_find_see_every_file_once(files: OneProject) -> None:
    everything = sorted([f"sdek/{name}" for name in FILES] + ["sdek/reports/link"])
    assert sorted(files.find("sdek")) == everything
    assert sorted(files.find("sdek", detail=True)) == everything
    walked = [f"{folder}/{name}" for folder, _, leaves in files.walk("sdek") for name in leaves]
    assert sorted(walked) == everything
    assert files.glob("sdek/reports/**/*.csv") == sorted(f"sdek/{name}" for name in FILES if name.endswith("csv"))
    assert files.glob("strongroom://sdek/tickets/*") == ["sdek/tickets/жалобы 2024-05.txt"]


def test_every_file_reads_as_it_was(files: OneProject) -> None:
    for name, content in FILES.items():
        with files.open(f"strongroom://sdek/{name}") as file:
            assert file.read() == content
        assert files.cat_file(f"sdek/{name}") == content


def test_any_range_reads_as_the_same_range_of_the_content(files: OneProject) -> None:
    randomness = random.Random(7)
    with files.open("sdek/reports/long.txt") as file:
        for _ in range(300):
            start, length = randomness.randrange(len(LONG) + 10), randomness.choice([1, 10, 5_000, 80_000])
            file.seek(start)
            assert file.read(length) == LONG[start : start + length]
            assert file.tell() == max(start, min(start + length, len(LONG)))


def test_a_range_costs_its_own_chunks_and_no_second_reading_costs_anything(kept: Kept) -> None:
    files = kept.files()
    with files.open("sdek/reports/long.txt") as file:
        before = kept.traffic()
        file.seek(-100, 2)
        file.read()
        once = kept.traffic().since(before)
        assert once.bytes_down < len(LONG) // 3
        assert once.total_requests <= 4  # two packs at most, a header and a range of each
        file.seek(-100, 2)
        assert file.read() == LONG[-100:]
        assert kept.traffic().since(before) == once


def test_holes_read_as_zeros(tmp_path: Path) -> None:
    path = tmp_path / "raw" / "sparse.bin"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.write(b"begin")
        file.truncate(3_000_000)
        file.seek(2_999_000)
        file.write(b"end")
    made = Kept.empty()
    made.back_up(tmp_path, "raw")
    with made.files().open("sdek/raw/sparse.bin") as file:
        assert file.read() == path.read_bytes()


def test_threads_share_one_cache_and_fetch_each_chunk_once(kept: Kept) -> None:
    files = kept.files()
    file = files.open("sdek/reports/long.txt")
    before = kept.traffic()
    file.read()
    alone = kept.traffic().since(before).bytes_down

    files = kept.files()
    before = kept.traffic()

    def read(seed: int) -> bool:
        randomness = random.Random(seed)
        with files.open("sdek/reports/long.txt") as mine:
            for _ in range(40):
                start = randomness.randrange(len(LONG))
                mine.seek(start)
                if mine.read(20_000) != LONG[start : start + 20_000]:
                    return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))
    assert kept.traffic().since(before).bytes_down < 3 * alone  # ranges that are apart cover segments twice


def test_a_damaged_chunk_costs_the_reads_that_touch_it(tmp_path: Path) -> None:
    write_tree(tmp_path, {"raw/long.txt": LONG})
    made = Kept.empty()
    made.back_up(tmp_path, "raw")
    files = made.files()
    packs = names(made.store, made.project.folder("packs"))
    with files.open("sdek/raw/long.txt") as file:
        first = file.read(100)
        for pack in packs:  # the first reading has brought what lies at the front of one of them, whichever that is
            broken = bytearray(made.store.get(pack))
            broken[len(broken) // 2] ^= 1
            made.store.delete(pack)
            made.store.put(pack, bytes(broken))
        failed = read = 0
        for start in range(0, len(LONG), 5_000):
            file.seek(start)
            try:
                assert file.read(50) == LONG[start : start + 50]
                read += 1
            except OSError as error:
                assert "it cannot be read" in str(error)
                assert isinstance(error.__cause__, Damaged)
                failed += 1
        assert failed
        assert read
        file.seek(0)
        assert file.read(100) == first


def test_what_is_not_there_is_told_as_every_file_system_tells_it(files: OneProject) -> None:
    with pytest.raises(FileNotFoundError):
        files.open("sdek/reports/nothing.csv")
    with pytest.raises(FileNotFoundError):
        files.ls("sdek/nothing")
    with pytest.raises(IsADirectoryError):
        files.open("sdek/reports")
    with pytest.raises(OSError, match="symbolic link"):
        files.open("sdek/reports/link")
    assert not files.exists("sdek/reports/nothing.csv")


def test_history_cannot_be_written(files: OneProject, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    attempts: tuple[Callable[[], object], ...] = (
        lambda: files.open("sdek/reports/x", "wb"),
        lambda: files.rm("sdek/reports/long.txt"),
        lambda: files.mkdir("sdek/new"),
        lambda: files.mv("sdek/reports/long.txt", "sdek/reports/short.txt"),
        lambda: files.put_file(str(tmp_path / "x"), "sdek/x"),
        lambda: files.pipe_file("sdek/x", b"x"),
        lambda: files.touch("sdek/x"),
    )
    for attempt in attempts:
        with pytest.raises(OSError, match="history cannot be written"):
            attempt()
    assert files.exists("sdek/reports/long.txt")
