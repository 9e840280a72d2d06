"""Reading files, links and attributes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.coverage_notes import not_covered
from tests.support.trees import next_tick
from vault.problems import Problem
from vault.source import reader as source_reader
from vault.source.attributes import NOTHING, Extended, Owners, extended
from vault.source.contract import Consistency, Content, Extent, TooLarge
from vault.source.reader import LargeFile, Reader, same_status

MIB = 1024 * 1024


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    (tmp_path / "root").mkdir()
    return Reader(os.fsencode(tmp_path / "root"), b"src")


def words(answers: list[Content | TooLarge | Problem]) -> list[str]:
    return [answer.what if isinstance(answer, Problem) else type(answer).__name__ for answer in answers]


def meddle(monkeypatch: pytest.MonkeyPatch, meddler: Callable[[int], object]) -> None:
    """Call `meddler` after each reading, with its number from 1."""
    real, count = source_reader._read, 0

    def read(descriptor: int, length: int) -> bytes:
        nonlocal count
        data = real(descriptor, length)
        count += 1
        meddler(count)
        return data

    monkeypatch.setattr(source_reader, "_read", read)


def opened(reader: Reader, path: bytes) -> LargeFile:
    large = reader.open_large(path)
    assert isinstance(large, LargeFile)
    return large


def test_small_files_come_back_whole_with_the_status_they_were_read_under(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "root" / "d").mkdir()
    wanted = {b"src/a": b"", b"src/d/b": b"12345", b"src/d/c": bytes(70_000)}
    for path, data in wanted.items():
        (tmp_path / "root" / os.fsdecode(path[4:])).write_bytes(data)
    answers = reader.read_small(list(wanted))
    for (path, data), answer in zip(wanted.items(), answers, strict=True):
        assert isinstance(answer, Content)
        assert answer.data == data
        assert answer.status.st_ino == (tmp_path / "root" / os.fsdecode(path[4:])).stat().st_ino


def test_what_is_gone_replaced_or_no_file_is_a_problem(tmp_path: Path, reader: Reader) -> None:
    root = tmp_path / "root"
    (tmp_path / "secret").write_bytes(b"s")
    (root / "link").symlink_to("../secret")
    (root / "out").symlink_to("..")
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    answers = reader.read_small([b"src/none", b"src/link", b"src/out/secret", b"src/folder", b"src/pipe", b"src/none/x"])
    gone = "vanished-while-read"
    assert words(answers) == [gone, gone, gone, "unreadable", "unreadable", gone]
    assert [answer.path for answer in answers if isinstance(answer, Problem)][2] == b"src/out/secret"


def test_a_file_that_may_not_be_read_is_a_problem(tmp_path: Path, reader: Reader) -> None:
    if os.geteuid() == 0:
        not_covered("a file without read permission: root reads it all the same")
        return
    (tmp_path / "root" / "f").write_bytes(b"x")
    (tmp_path / "root" / "f").chmod(0)
    assert words(reader.read_small([b"src/f"])) == ["unreadable"]


def test_a_file_that_has_grown_past_the_limit_is_handed_back(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "root" / "f").write_bytes(b"123456")
    assert words(reader.read_small([b"src/f"], limit=5)) == ["TooLarge"]
    assert words(reader.read_small([b"src/f"], limit=6)) == ["Content"]


def test_a_small_file_with_a_hole_is_handed_back_to_be_read_by_its_extents(tmp_path: Path, reader: Reader) -> None:
    with (tmp_path / "root/sparse").open("wb") as file:
        file.write(b"head")
        file.truncate(512 * 1024)
    (tmp_path / "root/dense").write_bytes(bytes(512 * 1024))
    if (tmp_path / "root/sparse").stat().st_blocks * 512 >= 512 * 1024:
        not_covered("small files with holes: the file system of the tests makes none")
        return
    assert words(reader.read_small([b"src/sparse", b"src/dense"])) == ["TooLarge", "Content"]


def test_a_file_that_changes_once_is_read_again(tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "root" / "f"
    file.write_bytes(b"before")
    meddle(monkeypatch, lambda count: file.write_bytes(b"afterwards") if count == 1 else None)
    answer = reader.read_small([b"src/f"])[0]
    assert isinstance(answer, Content)
    assert answer.data == b"afterwards"
    assert answer.status.st_size == 10


def never_resting(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch, content: Callable[[int], bytes]
) -> tuple[Content, list[int]]:
    """What comes of a file whose content is another one after each reading, and the numbers of these readings."""
    file = tmp_path / "root" / "f"
    file.write_bytes(content(0))
    counts: list[int] = []

    def change(count: int) -> None:
        counts.append(count)
        next_tick(tmp_path)
        file.write_bytes(content(count))

    meddle(monkeypatch, change)
    answer = reader.read_small([b"src/f"])[0]
    assert isinstance(answer, Content)
    return answer, counts


def test_of_a_file_that_only_grows_what_it_had_at_opening_is_taken_once_a_second_reading_gives_the_same(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, counts = never_resting(tmp_path, reader, monkeypatch, lambda count: b"x" * (count + 1))
    assert (answer.data, answer.consistency) == (b"xxx", Consistency.PREFIX)
    assert answer.status.st_size == len(answer.data)
    assert counts == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda count: b"%d" % count, id="rewritten"),
        pytest.param(lambda count: b"%d" % count * (count + 1), id="rewritten and longer"),
        pytest.param(lambda count: b"x" * (9 - count), id="shorter"),
    ],
)
def test_the_last_reading_of_a_file_that_changes_otherwise_is_marked(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch, content: Callable[[int], bytes]
) -> None:
    answer, _ = never_resting(tmp_path, reader, monkeypatch, content)
    assert (answer.data, answer.consistency) == (content(2), Consistency.MIXED)


def test_a_file_that_is_only_touched_all_the_time_is_whole(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, _ = never_resting(tmp_path, reader, monkeypatch, lambda _count: b"the same")
    assert (answer.data, answer.consistency) == (b"the same", Consistency.WHOLE)


def test_a_file_that_has_other_bytes_than_its_size_says_is_told_as_that(tmp_path: Path) -> None:
    kernel = Path("/proc/sys/kernel")
    if not (kernel / "ostype").exists():
        not_covered("files that the system makes up while they are read: there is no /proc")
        return
    with Reader(os.fsencode(kernel), b"src") as reader:
        answer = reader.read_small([b"src/ostype"])[0]
    assert isinstance(answer, Problem)
    assert answer.what == "size-mismatch"
    assert "0 bytes" in answer.message


def test_a_change_that_keeps_the_size_is_seen(tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "root" / "f"
    file.write_bytes(b"old")
    os.utime(file, ns=(0, 0))
    meddle(monkeypatch, lambda count: file.write_bytes(b"new") if count == 1 else None)
    answer = reader.read_small([b"src/f"])[0]
    assert isinstance(answer, Content)
    assert answer.data == b"new"


def test_several_threads_share_one_reader(tmp_path: Path, reader: Reader) -> None:
    names = [f"d{number % 97}/f{number}" for number in range(600)]
    for name in names:
        (tmp_path / "root" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "root" / name).write_bytes(name.encode())
    batches = [[b"src/" + name.encode() for name in names[at : at + 50]] for at in range(0, 600, 50)]
    with ThreadPoolExecutor(4) as pool:
        answers = [answer for batch in pool.map(reader.read_small, batches) for answer in batch]
    assert [answer.data for answer in answers if isinstance(answer, Content)] == [name.encode() for name in names]


def test_reading_leaves_no_descriptor_open(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "b" / "f").write_bytes(b"x")
    before = os.dup(0)
    os.close(before)
    reader.read_small([b"src/a/b/f", b"src/a/none", b"src/a"])
    opened(reader, b"src/a/b/f").close()
    reader.open_large(b"src/a")
    reader.read_attributes([b"src", b"src/a/b/f"])
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_a_large_file_is_read_by_offset(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "root" / "f").write_bytes(bytes(range(256)) * 4096)
    with opened(reader, b"src/f") as large:
        assert list(large.extents()) == [Extent(0, MIB)]
        buffer = bytearray(300)
        assert large.readinto(buffer, 256 * 10) == 300
        assert buffer[:256] == bytes(range(256))
        assert large.readinto(buffer, MIB - 5) == 5
        assert large.readinto(buffer, MIB + 5) == 0


def test_holes_of_a_sparse_file_are_not_among_its_extents(tmp_path: Path, reader: Reader) -> None:
    with (tmp_path / "root" / "f").open("wb") as file:
        file.seek(4 * MIB)
        file.write(b"x" * 4096)
        file.truncate(16 * MIB)
    with opened(reader, b"src/f") as large:
        extents = list(large.extents())
        if extents == [Extent(0, 16 * MIB)]:
            not_covered("holes in files: the file system of the tests has none")
            return
        assert extents == [Extent(4 * MIB, 4096)]


def test_a_file_of_nothing_but_a_hole_has_no_extents(tmp_path: Path, reader: Reader) -> None:
    with (tmp_path / "root" / "f").open("wb") as file:
        file.truncate(MIB)
    (tmp_path / "root" / "empty").write_bytes(b"")
    with opened(reader, b"src/f") as large, opened(reader, b"src/empty") as empty:
        assert list(large.extents()) in ([], [Extent(0, MIB)])
        assert list(empty.extents()) == []


def test_a_large_file_knows_that_it_changed(tmp_path: Path, reader: Reader) -> None:
    file = tmp_path / "root" / "f"
    file.write_bytes(b"1")
    os.utime(file, ns=(0, 0))
    with opened(reader, b"src/f") as large:
        assert same_status(large.status, large.status_now())
        file.write_bytes(b"2")
        assert not same_status(large.status, large.status_now())


def test_a_large_file_that_is_gone_or_no_file_is_a_problem(tmp_path: Path, reader: Reader) -> None:
    os.mkfifo(tmp_path / "root" / "pipe")
    for path, what in ((b"src/none", "vanished-while-read"), (b"src/pipe", "unreadable")):
        answer = reader.open_large(path)
        assert isinstance(answer, Problem)
        assert answer.what == what


def test_links_are_read_and_not_followed(tmp_path: Path, reader: Reader) -> None:
    (tmp_path / "root" / "l").symlink_to("../\udcff nowhere")
    (tmp_path / "root" / "f").write_bytes(b"")
    answers = reader.read_links([b"src/l", b"src/f", b"src/none"])
    assert answers[0] == b"../\xff nowhere"
    assert [answer.what for answer in answers[1:] if isinstance(answer, Problem)] == ["unreadable", "vanished-while-read"]


def test_extended_attributes_come_with_the_content_and_by_themselves(tmp_path: Path, reader: Reader) -> None:
    file = tmp_path / "root" / "f"
    file.write_bytes(b"x")
    if not settable(file):
        return
    os.setxattr(file, "user.b", b"\0\xff")
    os.setxattr(file, "user.a", b"1")
    wanted = ((b"user.a", b"1"), (b"user.b", b"\0\xff"))
    answer = reader.read_small([b"src/f"])[0]
    assert isinstance(answer, Content)
    assert user_values(answer.attributes) == wanted
    alone = reader.read_attributes([b"src/f", b"src", b"src/none"])
    assert isinstance(alone[0], Extended)
    assert user_values(alone[0]) == wanted
    assert isinstance(alone[1], Extended)
    assert isinstance(alone[2], Problem)


def settable(file: Path) -> bool:
    try:
        os.setxattr(file, "user.probe", b"")
        os.removexattr(file, "user.probe")
    except (OSError, AttributeError):
        not_covered("extended attributes: the file system of the tests has none")
        return False
    return True


def user_values(found: Extended) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(pair for pair in found.values if pair[0].startswith(b"user."))


def test_attributes_that_the_kernel_does_not_hand_out_are_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def too_large(*_: object) -> None:
        raise OSError(errno.E2BIG, "too large")

    (tmp_path / "a").write_bytes(b"")
    with (tmp_path / "a").open("rb") as file:
        monkeypatch.setattr(os, "listxattr", lambda _: ["user.a"])
        monkeypatch.setattr(os, "getxattr", too_large)
        assert extended(file.fileno()) == Extended((), (b"user.a",))
        monkeypatch.setattr(os, "listxattr", too_large)
        assert extended(file.fileno()) == Extended((), (b"*",))


def test_attributes_beyond_the_bounds_are_named_and_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.listxattr", lambda _: ["user.big", "user.gone", "user.ok"], raising=False)

    def value(_: int, name: bytes) -> bytes:
        if name == b"user.gone":
            raise OSError(61, "No data available")
        return bytes(70_000) if name == b"user.big" else b"v"

    monkeypatch.setattr("os.getxattr", value, raising=False)
    assert extended(0) == Extended(((b"user.ok", b"v"),), (b"user.big",))


def test_a_file_system_without_attributes_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> list[str]:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.listxattr", refuse, raising=False)
    assert extended(0) == NOTHING


def test_owners_have_names_or_none() -> None:
    owners = Owners()
    assert owners.user(0) == owners.user(0) == "root"
    assert owners.user(3_999_999_999) is None
    assert owners.group(3_999_999_999) is None
    assert owners.group(0) is not None
