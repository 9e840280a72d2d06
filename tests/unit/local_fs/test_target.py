"""Writing into a target folder."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from blake3 import blake3

from restore.local_fs import Attributes, PendingFile, Target, TargetItem, Writer, syscalls
from restore.local_fs.inspect import UNFINISHED
from restore.local_fs.metadata import first_mode
from restore.local_fs.names import temporary_name
from tests.support.coverage_notes import not_covered
from vault.errors import Busy, TargetError, UsageError
from vault.format import manifest
from vault.problems import Problem

NONE = Attributes()
X = (1, blake3(b"x").digest())
NS = 1_700_000_000_123_456_789


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with Target(os.fsencode(tmp_path / "to")) as target:
        target.prepare()
        yield target


ORDINARY = 4_321
EVERYTHING_TO_4242 = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)  # linux/posix_acl_xattr.h: tag, permissions, id
    for entry in ((1, 7, 2**32 - 1), (2, 7, 4242), (4, 5, 2**32 - 1), (16, 7, 2**32 - 1), (32, 5, 2**32 - 1))
)


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A folder of an ordinary user, who this process is for the test; `foreign` in it is root's."""
    if os.geteuid() != 0:
        not_covered("an ordinary user beside another one: only root can become one")
        pytest.skip("not root")
    with TemporaryDirectory() as name:
        folder, groups, group = Path(name), os.getgroups(), os.getegid()
        (folder / "foreign").mkdir()
        os.chown(folder, ORDINARY, ORDINARY)
        try:
            os.setgroups([])
            os.setegid(ORDINARY)
            os.seteuid(ORDINARY)
            yield folder
        finally:
            os.seteuid(0)
            os.setegid(group)
            os.setgroups(groups)


@pytest.fixture
def writer(target: Target) -> Writer:
    return target.writer()


def begun(writer: Writer, path: bytes, size: int, *, resume: bool = False) -> PendingFile:
    pending = writer.begin(path, size, resume=resume)
    assert isinstance(pending, PendingFile)
    return pending


def whats(problems: list[Problem]) -> list[str]:
    return [problem.what for problem in problems]


def leftovers(root: Path) -> list[Path]:
    return list(root.rglob(".strongroom-*"))


def test_one_restore_at_a_time_writes_to_a_target(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path)
    with Target(root) as target, Target(root) as other:
        target.prepare()
        writer = target.writer()
        unfinished = writer.begin(b"a", 2)
        assert isinstance(unfinished, PendingFile)
        with pytest.raises(Busy, match="another restore writes to"):
            other.prepare()  # its files would have the same temporary names
        unfinished.write_at(0, b"it")
        assert unfinished.finish(NONE) == writer.commit() == target.finish([]) == []
        other.prepare()
    with Target(root) as third:
        third.prepare()


def test_where_folders_cannot_be_locked_nobody_is_kept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: object) -> None:
        raise OSError(errno.EBADF, "as NFS says of a folder")

    monkeypatch.setattr("fcntl.flock", unable)
    with Target(os.fsencode(tmp_path)) as target, Target(os.fsencode(tmp_path)) as other:
        target.prepare()
        other.prepare()


@pytest.mark.parametrize("step", [100, 1_000, 10**9, 2 * 10**9])
def test_a_time_that_the_file_system_cut_off_is_the_time_that_was_set(
    tmp_path: Path, writer: Writer, target: Target, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    real, wanted = os.utime, Attributes(mtime_ns=1_700_000_001_123_456_789)
    monkeypatch.setattr(os, "utime", lambda file, ns: real(file, ns=(ns[0] // step * step, ns[1] // step * step)))
    assert writer.write_small(b"a", b"x", wanted) == [] == writer.commit()
    assert (tmp_path / "to/a").stat().st_mtime_ns % step == 0
    item = TargetItem(b"a", manifest.FILE, wanted, *X)
    assert [found.differing for found in target.compare([item])] == [()]
    later = item._replace(attributes=Attributes(mtime_ns=1_700_000_004_123_456_789))
    assert [found.differing for found in target.compare([later])] == [("time of modification",)]


def test_a_time_that_the_file_system_has_no_room_for_is_a_problem(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    real, last = os.utime, (2**31 - 1) * 10**9
    monkeypatch.setattr(os, "utime", lambda file, ns: real(file, ns=(min(ns[0], last), min(ns[1], last))))
    (problem,) = writer.write_small(b"a", b"x", Attributes(mtime_ns=4_330_000_000_000_000_000))
    assert problem.what == "attributes" and "the file system does not hold it" in problem.message


def test_nothing_is_written_before_prepare(tmp_path: Path) -> None:
    with Target(os.fsencode(tmp_path / "a" / "to")) as target:
        assert target.existing([b"x"]) == {}
        assert [found.same for found in target.compare([TargetItem(b"x", manifest.FILE, NONE)])] == [False]
        with pytest.raises(TargetError):
            target.writer()
    assert list(tmp_path.iterdir()) == []


def test_prepare_makes_the_root_and_leaves_it_empty(tmp_path: Path) -> None:
    with Target(os.fsencode(tmp_path / "a" / "to")) as target:
        blind = target.prepare()
        assert target.prepare() is blind
    assert list((tmp_path / "a" / "to").iterdir()) == []
    if not blind:
        not_covered("a target that is blind to case: the file system of the tests is not")


def test_a_target_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "file/below"):
        with pytest.raises(TargetError) as caught, Target(os.fsencode(tmp_path / name)) as target:
            target.prepare()
        assert caught.value.hint


def test_a_small_file_has_its_name_content_and_attributes_after_the_commit(tmp_path: Path, writer: Writer) -> None:
    uid, gid = os.geteuid(), os.getegid()
    assert writer.write_small(b"d/e/f.csv", b"abc", Attributes(mode=0o640, mtime_ns=NS, uid=uid, gid=gid)) == []
    file = tmp_path / "to" / "d" / "e" / "f.csv"
    assert not file.exists()
    assert writer.commit() == []
    assert file.read_bytes() == b"abc"
    status = file.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, NS)
    assert leftovers(tmp_path) == []


def test_a_large_file_is_written_in_any_order_and_keeps_its_holes(tmp_path: Path, writer: Writer) -> None:
    size = 32 * 1024 * 1024
    pending = begun(writer, b"big", size)
    assert pending.write_at(size - 4, b"tail") is None
    assert pending.write_at(0, bytearray(b"head")) is None
    assert pending.finish(Attributes(mode=0o600, mtime_ns=NS)) == []
    assert writer.commit() == []
    data = (tmp_path / "to" / "big").read_bytes()
    assert (len(data), data[:4], data[-4:], data.count(0)) == (size, b"head", b"tail", size - 8)
    if (tmp_path / "to" / "big").stat().st_blocks * 512 >= size:
        not_covered("holes in files: the file system of the tests has none")


def test_a_write_outside_of_the_size_is_refused(writer: Writer) -> None:
    pending = begun(writer, b"f", 4)
    for offset, data in ((2, b"abc"), (-1, b"a")):
        with pytest.raises(UsageError):
            pending.write_at(offset, data)
    pending.abandon()


def test_what_an_interrupted_run_left_is_continued(tmp_path: Path, writer: Writer) -> None:
    first = begun(writer, b"d/f", 8)
    assert not first.resumed
    first.write_at(0, b"1234")
    first.close()
    second = begun(writer, b"d/f", 8, resume=True)
    assert second.resumed
    assert second.read_at(0, 8) == b"1234"
    second.write_at(4, b"5678")
    assert second.finish(NONE) == []
    assert writer.commit() == []
    assert (tmp_path / "to" / "d" / "f").read_bytes() == b"12345678"


def test_without_resume_a_leftover_is_written_anew(tmp_path: Path, writer: Writer) -> None:
    left = begun(writer, b"f", 8)
    left.write_at(0, b"old-old-")
    left.close()
    pending = begun(writer, b"f", 8)
    assert (pending.resumed, pending.read_at(0, 8)) == (False, b"")
    pending.write_at(6, b"!!")
    pending.finish(NONE)
    writer.commit()
    assert (tmp_path / "to" / "f").read_bytes() == b"\0\0\0\0\0\0!!"


@pytest.mark.parametrize("plant", ["link", "hard link", "pipe"])
def test_a_planted_temporary_name_is_replaced_and_never_written_through(tmp_path: Path, writer: Writer, plant: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    planted = tmp_path / "to" / os.fsdecode(temporary_name(b"f"))
    if plant == "link":
        planted.symlink_to(outside)
    elif plant == "hard link":
        planted.hardlink_to(outside)
    else:
        os.mkfifo(planted)
    pending = begun(writer, b"f", 3, resume=True)
    assert not pending.resumed
    pending.write_at(0, b"new")
    pending.finish(NONE)
    assert writer.commit() == []
    assert outside.read_bytes() == b"precious"
    assert (tmp_path / "to" / "f").read_bytes() == b"new"


def test_abandoned_and_failed_files_leave_nothing(tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(writer, b"f", 8).abandon()
    pending = begun(writer, b"g", 8)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("restore.local_fs.pending_file.os.pwrite", full)
    monkeypatch.setattr("restore.local_fs.writer.os.write", full)
    for step in (lambda: pending.write_at(0, b"x"), lambda: writer.write_small(b"s", b"x", NONE)):
        with pytest.raises(TargetError, match="No space left") as caught:
            step()
        assert caught.value.hint
    assert list((tmp_path / "to").iterdir()) == []


def test_a_disk_that_does_not_take_a_batch_is_an_error_and_nothing_is_renamed(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    writer.write_small(b"f", b"x", NONE)
    monkeypatch.setattr("restore.local_fs.batches.sync_file_system", broken)
    with pytest.raises(TargetError):
        writer.commit()
    assert not (tmp_path / "to" / "f").exists()


def test_a_writer_goes_on_while_the_disk_takes_a_batch_and_hears_of_it_later(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Event()
    monkeypatch.setattr("restore.local_fs.batches.sync_file_system", lambda _: slow.wait(30))
    (tmp_path / "to" / "taken").write_bytes(b"old")
    for name in (b"first", b"taken", b"last"):
        writer.write_small(name, b"x", NONE)
        assert writer.commit_ahead() == []
    writer.write_small(b"late", b"x", NONE)
    assert [one.name for one in (tmp_path / "to").iterdir() if one.suffix != ".part"] == ["taken"]
    slow.set()
    assert [(one.path, one.what) for one in writer.commit()] == [(b"taken", "exists")]
    assert sorted(one.name for one in (tmp_path / "to").iterdir()) == ["first", "last", "late", "taken"]


def test_what_is_behind_a_batch_that_the_disk_did_not_take_is_not_renamed_either(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [OSError(errno.EIO, "Input/output error")]  # told once, as the kernel does

    def sync(_: int) -> None:
        if answers:
            raise answers.pop()

    monkeypatch.setattr("restore.local_fs.batches.sync_file_system", sync)
    for name in (b"a", b"b", b"c"):
        writer.write_small(name, b"x", NONE)
        with suppress(TargetError):
            writer.commit_ahead()
    with pytest.raises(TargetError, match="did not take"):
        writer.commit()
    assert [one for one in (tmp_path / "to").iterdir() if one.suffix != ".part"] == []


def test_what_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path, writer: Writer) -> None:
    file = tmp_path / "to" / "f"
    file.write_bytes(b"old")
    writer.write_small(b"f", b"new", NONE)
    assert whats(writer.commit()) == ["exists"]
    assert file.read_bytes() == b"old"
    assert leftovers(tmp_path) == []
    writer.write_small(b"f", b"new", NONE, replace=True)
    assert writer.commit() == []
    assert file.read_bytes() == b"new"


def test_without_help_of_the_kernel_what_is_there_stays_too(
    tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscalls, "_c_function", lambda _: None)
    (tmp_path / "to" / "f").write_bytes(b"old")
    writer.write_small(b"f", b"new", NONE)
    writer.write_small(b"g", b"new", NONE)
    assert whats(writer.commit()) == ["exists"]
    assert (tmp_path / "to" / "g").read_bytes() == b"new"


def test_replacing_a_link_replaces_the_link(tmp_path: Path, writer: Writer) -> None:
    (tmp_path / "outside").write_bytes(b"precious")
    (tmp_path / "to" / "f").symlink_to("../outside")
    writer.write_small(b"f", b"new", NONE, replace=True)
    assert writer.commit() == []
    assert (tmp_path / "outside").read_bytes() == b"precious"
    assert not (tmp_path / "to" / "f").is_symlink()


def test_a_folder_where_a_file_should_be_and_the_other_way_round_is_a_problem(tmp_path: Path, writer: Writer) -> None:
    (tmp_path / "to" / "d").mkdir()
    (tmp_path / "to" / "f").write_bytes(b"")
    writer.write_small(b"d", b"x", NONE, replace=True)
    assert whats(writer.commit()) == ["blocked"]
    assert whats(writer.make_folder(b"f")) == ["blocked"]
    assert whats(writer.write_small(b"f/x", b"", NONE)) == ["blocked"]
    assert leftovers(tmp_path) == []


def test_a_link_in_the_way_is_never_passed(tmp_path: Path, writer: Writer) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "to" / "d").symlink_to("../outside")
    assert whats(writer.write_small(b"d/f", b"x", NONE)) == ["blocked"]
    assert isinstance(writer.begin(b"d/f", 1), Problem)
    assert whats(writer.write_link(b"d/l", b"x", NONE)) == ["blocked"]
    assert whats(writer.make_folder(b"d/e")) == ["blocked"]
    assert list((tmp_path / "outside").iterdir()) == []


def test_unsafe_paths_are_refused_by_every_method(target: Target, writer: Writer) -> None:
    for path in (b"../x", b"/x", b"a/../../x"):
        with pytest.raises(UsageError):
            target.existing([path])
        with pytest.raises(UsageError):
            target.finish([(path, NONE)])
        with pytest.raises(UsageError):
            writer.write_small(path, b"", NONE)
        with pytest.raises(UsageError):
            writer.begin(path, 0)
        with pytest.raises(UsageError):
            writer.make_folder(path)
        with pytest.raises(UsageError):
            writer.write_link(path, b"x", NONE)
        with pytest.raises(UsageError):
            writer.write_hard_link(path, b"a", *X)
        with pytest.raises(UsageError):
            writer.write_hard_link(b"a", path, *X)


def test_links_are_made_as_links_with_their_own_time(tmp_path: Path, writer: Writer) -> None:
    assert writer.write_link(b"d/l", b"/etc/\xff", Attributes(mtime_ns=NS, uid=os.geteuid())) == []
    assert writer.write_link(b"d/l2", b"l", NONE) == []
    assert writer.commit() == []
    link = tmp_path / "to" / "d" / "l"
    assert os.fsencode(link.readlink()) == b"/etc/\xff"
    assert link.lstat().st_mtime_ns == NS
    assert whats(writer.write_link(b"x", b"a\0b", NONE)) == ["unwritable"]


def test_hard_links_join_the_names_of_one_file(tmp_path: Path, writer: Writer) -> None:
    writer.write_small(b"a/one", b"x", NONE)
    writer.commit()
    assert writer.write_hard_link(b"b/two", b"a/one", *X) == []
    assert writer.commit() == []
    assert (tmp_path / "to" / "a" / "one").samefile(tmp_path / "to" / "b" / "two")
    assert writer.write_hard_link(b"b/two", b"a/one", *X, replace=True) == []
    assert writer.commit() == []
    assert leftovers(tmp_path) == []
    assert whats(writer.write_hard_link(b"c", b"gone", *X)) == ["unwritable"]


def test_a_hard_link_to_what_is_no_file_any_more_is_a_problem(tmp_path: Path, writer: Writer) -> None:
    (tmp_path / "to" / "one").symlink_to("/etc/passwd")
    assert whats(writer.write_hard_link(b"two", b"one", *X)) == ["blocked"]
    assert leftovers(tmp_path) == []


def test_a_hard_link_is_made_only_to_the_content_that_it_should_have(tmp_path: Path, writer: Writer) -> None:
    (tmp_path / "to" / "one").write_bytes(b"y")
    assert whats(writer.write_hard_link(b"two", b"one", *X)) == ["blocked"]
    (tmp_path / "to" / "one").write_bytes(b"x")
    assert writer.write_hard_link(b"two", b"one", *X) == []
    (tmp_path / "to" / "one").unlink()
    (tmp_path / "to" / "one").write_bytes(b"z")
    assert whats(writer.write_hard_link(b"four", b"one", *X)) == ["blocked"]
    assert writer.commit() == [] and (tmp_path / "to" / "two").read_bytes() == b"x"
    assert leftovers(tmp_path) == []


def test_folders_get_modes_and_times_last_deepest_first(tmp_path: Path, target: Target, writer: Writer) -> None:
    (tmp_path / "to").chmod(0o751)
    writer.make_folder(b"d/e")
    writer.write_small(b"d/e/f", b"x", NONE)
    writer.write_small(b"way/f", b"x", NONE)
    writer.commit()
    assert stat.S_IMODE((tmp_path / "to" / "d").stat().st_mode) == UNFINISHED
    folders = [(b"d", Attributes(mode=0o555, mtime_ns=NS)), (b"d/e", Attributes(mode=0o500, mtime_ns=NS + 1))]
    assert target.finish(folders) == []
    outer, inner = (tmp_path / "to" / "d").stat(), (tmp_path / "to" / "d" / "e").stat()
    assert (stat.S_IMODE(outer.st_mode), outer.st_mtime_ns) == (0o555, NS)
    assert (stat.S_IMODE(inner.st_mode), inner.st_mtime_ns) == (0o500, NS + 1)
    assert stat.S_IMODE((tmp_path / "to" / "way").stat().st_mode) == 0o751
    assert whats(target.finish([(b"none", NONE)])) == ["unwritable"]
    (tmp_path / "to" / "d" / "e").chmod(0o700)
    (tmp_path / "to" / "d").chmod(0o700)


def test_a_folder_that_another_process_has_made_on_the_way_is_finished_too(tmp_path: Path, target: Target) -> None:
    made = tmp_path / "to" / "way"
    made.mkdir(mode=0o1700)
    target.adopt([b"way"])
    assert target.made == {b"way"} and target.finish([]) == []
    assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE((tmp_path / "to").stat().st_mode) & 0o777


def test_extended_attributes_are_set_and_their_failure_costs_no_file(tmp_path: Path, writer: Writer) -> None:
    wanted = Attributes(mode=0o400, extended=((b"user.note", b"\0v"), (b"nonsense", b"1")))
    assert whats(writer.write_small(b"f", b"x", wanted)) == ["attributes"]
    assert writer.commit() == []
    file = tmp_path / "to" / "f"
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    try:
        assert os.getxattr(file, "user.note") == b"\0v"
    except OSError:
        not_covered("extended attributes: the file system of the tests has none")


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o600, 0o644, 0o666, 0o777, 0o1644, 0o2755, 0o4711])
def test_a_file_has_its_mode_whatever_the_mask_of_the_process_is(tmp_path: Path, writer: Writer, mode: int) -> None:
    for mask in (0o000, 0o022, 0o077):
        before = os.umask(mask)
        try:
            assert writer.write_small(b"f%o" % mask, b"x", Attributes(mode=mode, uid=os.geteuid(), gid=os.getegid())) == []
        finally:
            os.umask(before)
    assert writer.commit() == []
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "to").iterdir()} == {mode}


def test_a_file_of_somebody_else_is_closed_to_all_until_it_is_theirs() -> None:
    me, group = os.geteuid(), os.getegid()
    assert first_mode(Attributes(mode=0o664, uid=me, gid=group)) == 0o664
    assert first_mode(Attributes(mode=0o664)) == 0o664
    assert (
        first_mode(Attributes(mode=0o664, uid=me + 1, gid=group)) == first_mode(Attributes(mode=0o664, gid=group + 1)) == 0o600
    )


def test_set_id_bits_are_dropped_where_the_owner_cannot_be_restored(tmp_path: Path) -> None:
    from restore.local_fs.metadata import apply

    file = tmp_path / "f"
    file.write_bytes(b"")
    with file.open("rb") as handle:
        other = os.geteuid() + 1
        assert apply(handle.fileno(), Attributes(mode=0o6755, uid=other, extended=((b"security.x", b""),)), is_root=False) == []
        assert stat.S_IMODE(file.stat().st_mode) == 0o755
        assert apply(handle.fileno(), Attributes(mode=0o6755, uid=os.geteuid()), is_root=False) == []
        assert stat.S_IMODE(file.stat().st_mode) & 0o4755 == 0o4755


def test_root_restores_owners(tmp_path: Path, writer: Writer) -> None:
    if os.geteuid() != 0:
        not_covered("owners of restored files: only root can set them")
        return
    owner = Attributes(mode=0o4750, uid=12_345, gid=54_321)
    writer.write_small(b"f", b"x", owner)
    writer.write_link(b"l", b"f", owner)
    assert writer.commit() == []
    for name in ("f", "l"):
        status = (tmp_path / "to" / name).lstat()
        assert (status.st_uid, status.st_gid) == (12_345, 54_321)
    assert stat.S_IMODE((tmp_path / "to" / "f").stat().st_mode) == 0o4750


def test_somebody_elses_folder_that_may_not_be_written_to_costs_its_items_alone(ordinary: Path) -> None:
    with Target(os.fsencode(ordinary)) as target:
        target.prepare()
        writer = target.writer()
        assert whats(writer.write_small(b"foreign/f", b"", NONE)) == ["unwritable"]
        assert writer.write_small(b"f", b"", NONE) == []


@pytest.mark.parametrize("ends", ["finished", "interrupted"])
def test_a_folder_of_ones_own_is_writable_for_the_moment_and_keeps_its_mode(ordinary: Path, ends: str) -> None:
    for name in ("own", "own/below"):
        (ordinary / name).mkdir()
    for name in ("own/below", "own"):
        (ordinary / name).chmod(0o555)
    ordinary.chmod(0o500)
    with Target(os.fsencode(ordinary)) as target:
        target.prepare()
        writer = target.writer()
        assert writer.write_small(b"own/below/f", b"", NONE) == []
        assert writer.write_link(b"own/made/l", b"x", NONE) == []
        assert writer.commit() == []
        if ends == "finished":
            assert target.finish([]) == []
    assert [stat.S_IMODE((ordinary / name).stat().st_mode) for name in ("", "own", "own/below")] == [0o500, 0o555, 0o555]
    assert (ordinary / "own/below/f").is_file() and (ordinary / "own/made/l").is_symlink()


def test_the_time_of_somebody_elses_folder_is_no_problem(ordinary: Path) -> None:
    os.seteuid(0)
    (ordinary / "foreign").chmod(0o777)
    os.seteuid(ORDINARY)
    with Target(os.fsencode(ordinary)) as target:
        target.prepare()
        writer = target.writer()
        assert writer.write_small(b"foreign/f", b"", NONE) == [] and writer.commit() == []
        assert target.finish([(b"foreign", Attributes(mode=0o777, mtime_ns=NS))]) == []
        assert whats(target.finish([(b"foreign", Attributes(mode=0o700))])) == ["attributes"]


def test_a_group_that_the_folder_hands_on_is_changed_to_the_one_that_the_item_had(ordinary: Path) -> None:
    os.seteuid(0)
    shared = ordinary / "shared"
    shared.mkdir()
    os.chown(shared, ORDINARY, 54_321)
    shared.chmod(0o2775)
    os.seteuid(ORDINARY)
    with Target(os.fsencode(ordinary)) as target:
        target.prepare()
        writer = target.writer()
        writer.write_small(b"shared/f", b"", Attributes(mode=0o640, uid=ORDINARY, gid=ORDINARY))
        writer.make_folder(b"shared/d")
        writer.commit()
        assert target.finish([(b"shared/d", Attributes(mode=0o750, uid=ORDINARY, gid=ORDINARY))]) == []
    assert [(shared / name).stat().st_gid for name in ("f", "d")] == [ORDINARY, ORDINARY]
    assert stat.S_IMODE((shared / "d").stat().st_mode) == 0o750


def test_access_lists_that_the_folder_hands_on_are_taken_off_what_is_made_in_it(tmp_path: Path) -> None:
    root, target_root = tmp_path / "to", os.fsencode(tmp_path / "to")
    root.mkdir()
    try:
        os.setxattr(root, "system.posix_acl_default", EVERYTHING_TO_4242)
    except OSError as error:
        not_covered(f"inherited access lists: {error.strerror}")
        pytest.skip("no access lists here")
    with Target(target_root) as target:
        target.prepare()
        writer = target.writer()
        assert writer.write_small(b"made/small", b"x", Attributes(mode=0o640, extended=())) == []
        pending = begun(writer, b"made/large", 1)
        assert os.listxattr(root / "made" / os.fsdecode(temporary_name(b"made/large"))) == []  # before anything is in it
        pending.write_at(0, b"x")
        pending.finish(Attributes(mode=0o660, extended=()))
        writer.make_folder(b"empty")
        writer.commit()
        assert target.finish([(b"empty", Attributes(mode=0o770, extended=()))]) == []
    for name, mode in (("made/small", 0o640), ("made/large", 0o660), ("empty", 0o770), ("made", 0o755)):
        assert [one for one in os.listxattr(root / name) if "acl" in one] == [], name
        assert stat.S_IMODE((root / name).stat().st_mode) == mode, name
    assert "system.posix_acl_default" in os.listxattr(root)


def test_existing_says_what_stands_where(tmp_path: Path, target: Target) -> None:
    root = tmp_path / "to"
    (root / "d").mkdir()
    (root / "d" / "f").write_bytes(b"")
    (root / "l").symlink_to("nowhere")
    os.mkfifo(root / "p")
    asked = [b"d", b"d/f", b"d/none", b"d/f/x", b"d/f/y", b"l", b"l/x", b"p", b"none/x", b"none/y"]
    assert target.existing(asked) == {
        b"d": "folder", b"d/f": "file", b"d/f/x": "blocked", b"d/f/y": "blocked",
        b"l": "link", b"l/x": "blocked", b"p": "other",
    }  # fmt: skip


def test_several_writers_share_one_target(tmp_path: Path, target: Target) -> None:
    def write(number: int) -> list[Problem]:
        writer = target.writer()
        problems = [
            problem
            for at in range(100)
            for problem in writer.write_small(b"d%d/e/f%d-%d" % (at % 80, number, at), b"%d" % at, NONE)
        ]
        return problems + writer.commit()

    with ThreadPoolExecutor(4) as pool:
        assert [problem for problems in pool.map(write, range(4)) for problem in problems] == []
    assert target.finish([]) == []
    assert len([path for path in (tmp_path / "to").rglob("f*") if path.is_file()]) == 400


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = os.dup(0)
    os.close(before)
    with Target(os.fsencode(tmp_path / "to")) as target:
        target.prepare()
        writer = target.writer()
        writer.write_small(b"a/b/c", b"", NONE)
        begun(writer, b"a/x", 1).abandon()
        begun(writer, b"a/y", 1).close()
        (tmp_path / "to" / os.fsdecode(temporary_name(b"z"))).mkdir()
        assert isinstance(writer.begin(b"z", 1), Problem)
        writer.commit()
        target.finish([(b"a", NONE)])
    after = os.dup(0)
    os.close(after)
    assert after == before
