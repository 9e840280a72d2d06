"""Archives: whole or not there, the same bytes for the same items, and read by other programs."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import shutil
import signal
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard
from msgspec.structs import replace

from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk, refusal
from tests.support.randomness import SeededChance
from tests.support.tree_facts import write_files

TAR = ("tar", "tar.gz", "tar.zst")
LATIN = "reports/caf\udce9.csv"
NS = 1_700_000_000_123_456_789


@pytest.fixture
def mixed(desk: Desk) -> Desk:
    """Folders, a link, a name that is no UTF-8, Cyrillic, a hole, an attribute."""
    source = desk.folder / "source"
    write_files(source, {"2024/отчёт.csv": b"a;b\n" * 1000, "2024/empty": b"", "b.bin": b"\0" * 100})
    (source / "hollow").mkdir(mode=0o750)
    (source / "link").symlink_to("2024/отчёт.csv")
    Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9.csv")).write_bytes(b"latin")
    with (source / "sparse").open("wb") as sparse:
        os.truncate(sparse.fileno(), 3_000_000)
    (source / "b.bin").chmod(0o640)
    os.utime(source / "b.bin", ns=(NS, NS))
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


def opened(file: Path) -> tarfile.TarFile:
    data = file.read_bytes()
    if file.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return tarfile.open(fileobj=io.BytesIO(data), mode="r:*", encoding="utf-8")


@pytest.mark.parametrize("ending", TAR)
def test_a_tar_archive_holds_everything_to_the_nanosecond(mixed: Desk, ending: str) -> None:
    told = mixed.call("restore", "acme", "--to", f"out.{ending}")
    assert told.text.startswith("restored 5 files, ")
    with opened(mixed.folder / f"out.{ending}") as archive:
        members = {member.name: member for member in archive.getmembers()}
        assert list(members) == sorted(members, key=os.fsencode)
        content = {name: archive.extractfile(member) for name, member in members.items() if member.isreg()}
        read = {name: file.read() for name, file in content.items() if file is not None}
    assert read == {
        "reports/2024/отчёт.csv": b"a;b\n" * 1000,
        "reports/2024/empty": b"",
        "reports/b.bin": b"\0" * 100,
        LATIN: b"latin",
        "reports/sparse": bytes(3_000_000),
    }
    assert members["reports/link"].issym() and members["reports/link"].linkname == "2024/отчёт.csv"
    assert members["reports/hollow"].isdir() and members["reports/hollow"].mode == 0o750
    binary = members["reports/b.bin"]
    assert binary.mode == 0o640 and binary.uid == os.getuid() and binary.pax_headers["mtime"] == "1700000000.123456789"


def test_tar_itself_unpacks_what_was_written(mixed: Desk) -> None:
    tar = shutil.which("tar")
    if tar is None:
        not_covered("GNU tar beside our archives: it is not installed")
        pytest.skip("tar is not installed")
    mixed.call("restore", "acme", "--to", "out.tar.gz")
    back = mixed.folder / "back"
    back.mkdir()
    subprocess.run([tar, "-xzf", mixed.folder / "out.tar.gz", "-C", back], check=True, stderr=subprocess.PIPE)
    assert (back / "reports/b.bin").stat().st_mtime_ns == NS
    assert (back / "reports/link").read_bytes() == b"a;b\n" * 1000
    assert Path(os.fsdecode(os.fsencode(back) + b"/reports/caf\xe9.csv")).read_bytes() == b"latin"


def test_a_zip_archive_holds_names_modes_links_and_folders(mixed: Desk) -> None:
    result = mixed.call("restore", "acme", "--to", "out.zip")
    assert "1 name of bytes that are not valid UTF-8" in result.err
    with zipfile.ZipFile(mixed.folder / "out.zip") as archive:
        assert archive.testzip() is None
        infos = {info.filename: info for info in archive.infolist()}
        assert archive.read("reports/2024/отчёт.csv") == b"a;b\n" * 1000
        assert archive.read("reports/caf\\xe9.csv") == b"latin" and archive.read("reports/sparse") == bytes(3_000_000)
        assert archive.read("reports/link").decode() == "2024/отчёт.csv"
    assert stat.S_ISLNK(infos["reports/link"].external_attr >> 16)
    assert infos["reports/b.bin"].external_attr >> 16 == stat.S_IFREG | 0o640
    assert infos["reports/b.bin"].date_time == (2023, 11, 14, 22, 13, 20)
    assert infos["reports/hollow/"].is_dir() and infos["reports/2024/отчёт.csv"].flag_bits & 0x800


@pytest.mark.parametrize("ending", [*TAR, "zip"])
def test_the_same_items_make_the_same_bytes(mixed: Desk, ending: str) -> None:
    for name in ("one", "two"):
        mixed.call("restore", "acme", "--to", f"{name}.{ending}")
    one, two = (hashlib.sha256((mixed.folder / f"{name}.{ending}").read_bytes()).digest() for name in ("one", "two"))
    assert one == two
    assert (mixed.folder / f"one.{ending}").stat().st_mode & 0o777 == 0o600


def test_an_archive_that_is_there_is_replaced_only_when_that_is_asked_for(mixed: Desk) -> None:
    there = mixed.folder / "out.zip"
    there.write_text("mine")
    assert "there already" in refusal(mixed.call("restore", "acme", "--to", "out.zip", exits=1))
    assert there.read_text() == "mine"
    mixed.call("restore", "acme", "--to", "out.zip", "--existing", "replace", "--yes")
    assert zipfile.is_zipfile(there)
    (mixed.folder / "folder.zip").mkdir()
    mixed.call("restore", "acme", "reports/2024", "--to", "folder.zip")
    assert (mixed.folder / "folder.zip/reports/2024/empty").is_file()
    mixed.call("restore", "acme", "--to", "dry.zip", "--dry-run")
    assert not (mixed.folder / "dry.zip").exists()


@pytest.mark.parametrize("ending", ["zip", "tar.zst"])
def test_a_disk_that_takes_no_more_leaves_no_half_an_archive(mixed: Desk, ending: str) -> None:
    folder = mixed.folder / "nearly full"
    folder.mkdir()
    (mixed.folder / "source/noise.bin").write_bytes(SeededChance("noise").token(100_000))
    mixed.call("backup")
    careful = replace(mixed, variables={"PYTHONDONTWRITEBYTECODE": "1"})
    result = careful.run("restore", "acme", "--to", f"nearly full/out.{ending}", exits=1, preexec_fn=_room_for_little)
    assert "cannot write" in result.err and list(folder.iterdir()) == []


def _room_for_little() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
