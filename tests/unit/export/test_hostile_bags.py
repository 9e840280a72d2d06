"""Bags that somebody has made to do harm: nothing leads out of them, nothing is followed, and sizes are bounded before anything
is read."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from restore.export.bag_files import BagBounds
from strongroom.bag_verification import BagTrust, bag_alone
from vault.errors import Damaged

DECLARED = {"bag/bagit.txt": b"BagIt-Version: 1.0\n", "bag/manifest-sha256.txt": b"", "bag/tagmanifest-sha256.txt": b""}
SMALL = BagBounds(files=5, bytes=1 << 20, text=4096)


def written(folder: Path, *members: tuple[zipfile.ZipInfo | str, bytes], base: bool = True) -> Path:
    """A ZIP file with a bag, and these beside it."""
    file = folder / "bag.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in DECLARED.items() if base else ():
            archive.writestr(name, data)
        for info, data in members:
            archive.writestr(info, data)
    return file


def found(path: Path, bounds: BagBounds = SMALL) -> str:
    """What is wrong, in words."""
    try:
        with bag_alone(path, BagTrust(), bounds=bounds) as bag:
            pass
    except Damaged as error:
        return str(error)
    return "; ".join(one.message for one in bag.found.findings)


def of_sort(name: str, sort: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (sort | 0o777) << 16
    return info


@pytest.mark.parametrize("name", ["bag/../evil", "bag/data/../../evil", "bag//evil", "bag/./evil", "bag/data/.."])
def test_a_name_that_leads_out_of_a_bag_is_refused(tmp_path: Path, name: str) -> None:
    assert "leads out of the bag" in found(written(tmp_path, (name, b"x")))


@pytest.mark.parametrize("name", ["/evil", "../evil", "other/evil"])
def test_a_bag_is_one_folder(tmp_path: Path, name: str) -> None:
    assert "does not hold one folder" in found(written(tmp_path, (name, b"x")))


@pytest.mark.parametrize("sort", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path, sort: int) -> None:
    assert "neither a file nor a folder" in found(written(tmp_path, (of_sort("bag/data/x", sort), b"/etc/passwd")))


def test_a_bomb_is_refused_by_what_it_says_of_itself_and_lies_are_cut_off(tmp_path: Path) -> None:
    assert "when they are expanded" in found(written(tmp_path, ("bag/data/zeros", b"\0" * (4 << 20))))
    liar = bytearray(written(tmp_path, ("bag/data/zeros", b"\0" * (4 << 20))).read_bytes())
    real = (4 << 20).to_bytes(4, "little")
    small = (100).to_bytes(4, "little")
    file = tmp_path / "liar.zip"
    file.write_bytes(bytes(liar).replace(real, small))
    assert "data/zeros" in found(file)


def test_too_many_files_and_too_long_manifests_are_refused(tmp_path: Path) -> None:
    assert "more than 5 files" in found(written(tmp_path, *((f"bag/data/{number}", b"x") for number in range(6))))
    long = written(tmp_path, ("bag/bagit.txt", b"BagIt-Version: 1.0\n"), ("bag/manifest-sha256.txt", b"x" * 5000), base=False)
    assert "larger than any" in found(long)


def test_encrypted_and_doubled_names_are_refused(tmp_path: Path) -> None:
    data = bytearray(written(tmp_path, ("bag/data/x", b"secret")).read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    file = tmp_path / "encrypted.zip"
    file.write_bytes(data)
    assert "is encrypted" in found(file)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = written(tmp_path, ("bag/data/x", b"1"), ("bag/data/x", b"2"))
    assert "two files of one name" in found(twice)


def test_what_is_no_zip_file_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "bag.zip"
    for content in (b"", b"PK\x05\x06", b"x" * 1000, written(tmp_path, ("bag/data/x", b"y")).read_bytes()[:-30]):
        file.write_bytes(content)
        assert "not a whole ZIP file" in found(file), content[:10]


def test_a_folder_with_links_or_pipes_is_refused_and_no_link_is_followed(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    bag.mkdir()
    for name, data in DECLARED.items():
        (tmp_path / name).write_bytes(data)
    (bag / "data").symlink_to("/etc")
    assert "neither a file nor a folder" in found(bag)
    (bag / "data").unlink()
    os.mkfifo(bag / "pipe")
    assert "neither a file nor a folder" in found(bag)
    (bag / "pipe").unlink()
    (bag / "large").write_bytes(io.BytesIO(b"\0" * (2 << 20)).getvalue())
    assert "when they are expanded" in found(bag)
