"""`restore --verify` reads again what was written, where it was written to, and says what is not as the snapshot has it."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import strongroom.restore
from restore.outputs import archive_verification, object_verification
from tests.support.desk import Desk, refusal
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.tree_facts import write_files

_numbers = count(1)
FILES = {"2024/отчёт.csv": b"a;b\n" * 1000, "2024/big.bin": bytes(3_000_000), "e/empty": b"", os.fsdecode(b"odd-\xff"): b"odd"}


@pytest.fixture
def kept(desk: Desk) -> Desk:
    source = desk.folder / "source"
    write_files(source, FILES)
    (source / "link").symlink_to("2024/big.bin")
    os.link(source / "e/empty", source / "e/again")
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


def before(monkeypatch: pytest.MonkeyPatch, module: object, name: str, damage: Callable[[], object]) -> None:
    """Something happens to what was written right before it is read again."""
    real = getattr(module, name)

    def damaged(*arguments: Any) -> Any:
        damage()
        return real(*arguments)

    monkeypatch.setattr(module, name, damaged)


def test_everything_is_read_again_past_the_memory_of_the_kernel(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[int] = []
    real = os.posix_fadvise

    def note(descriptor: int, offset: int, length: int, advice: int) -> None:
        if advice == os.POSIX_FADV_DONTNEED:
            dropped.append(os.fstat(descriptor).st_size)
        real(descriptor, offset, length, advice)

    monkeypatch.setattr(os, "posix_fadvise", note)
    verified = kept.call("restore", "acme", "--to", "x", "--verify", "--json").document["verification"]
    assert verified["medium"] == "disk" and verified["items_differing"] == 0
    assert (verified["files"], verified["links"], verified["bytes"]) == (5, 1, 3_004_003)
    assert sorted(dropped)[-5:] == [0, 0, 3, 4000, 3_000_000]
    told = kept.call("restore", "acme", "--to", "y", "--verify")
    assert "read again from the disk: 5 files" in told.text and "as the snapshot has them" in told.text
    assert "verification" not in kept.call("restore", "acme", "--to", "z", "--json").document


def test_a_disk_that_gives_other_bytes_back_is_named_by_its_files(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    target = kept.folder / "x/reports"

    def damage() -> None:
        status = (target / "2024/big.bin").stat()
        with (target / "2024/big.bin").open("r+b") as file:
            file.seek(2_000_000)
            file.write(b"!")
        os.utime(target / "2024/big.bin", ns=(status.st_atime_ns, status.st_mtime_ns))
        (target / "e/empty").unlink()
        (target / "2024/отчёт.csv").chmod(0o600)
        (target / "link").unlink()
        (target / "link").symlink_to("elsewhere")

    before(monkeypatch, strongroom.restore, "verify_folder", damage)
    document = kept.call("restore", "acme", "--to", "x", "--verify", "--json", exits=3).document
    assert {(one["path"], one["what"]) for one in document["problem_list"]} == {
        ("reports/2024/big.bin", "verify"),
        ("reports/2024/отчёт.csv", "attributes"),
        ("reports/e/empty", "verify"),
        ("reports/link", "verify"),
    }
    assert document["verification"]["items_differing"] == 3 and document["verification"]["files"] == 3


def test_in_place_what_went_back_and_nothing_else_is_read_again(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    source = kept.folder / "source"
    (source / "2024/big.bin").unlink()
    verified = kept.call("restore", "acme", "--in-place", "--verify", "--json").document["verification"]
    assert (verified["files"], verified["bytes"]) == (1, 3_000_000)
    from restore.execution import in_place

    (source / "2024/big.bin").unlink()
    before(monkeypatch, in_place, "verify_folder", lambda: (source / "2024/big.bin").write_bytes(b"short"))
    told = kept.call("restore", "acme", "--in-place", "--verify", exits=3)
    assert "problem: reports/2024/big.bin: read again, it is not what the snapshot has" in told.err
    assert "1 item is NOT as the snapshot has it" in told.text


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.zst"])
def test_an_archive_is_read_again_entry_by_entry(kept: Desk, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verified = kept.call("restore", "acme", "--to", name, "--verify", "--json").document["verification"]
    assert verified["medium"] == "archive" and verified["items_differing"] == 0
    assert (verified["files"], verified["links"], verified["bytes"]) == (5, 1, 3_004_003)
    archive = kept.folder / f"b-{name}"

    def damage() -> None:
        content = bytearray(archive.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 16] = bytes(byte ^ 0xFF for byte in content[middle : middle + 16])
        archive.write_bytes(content)

    before(monkeypatch, archive_verification, "verify_archive", damage)
    document = kept.call("restore", "acme", "--to", archive.name, "--verify", "--json", exits=3).document
    assert document["verification"]["items_differing"] > 0
    assert "reports/2024/big.bin" in {one["path"] for one in document["problem_list"] if one["what"] == "verify"}


def test_an_archive_that_lost_its_end_is_no_success(kept: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = kept.folder / "b.tar"
    before(monkeypatch, archive_verification, "verify_archive", lambda: os.truncate(archive, 1024))
    document = kept.call("restore", "acme", "--to", archive.name, "--verify", "--json", exits=3).document
    assert document["verification"]["files"] == 0 and document["verification"]["items_differing"] >= 6


def test_objects_of_a_bucket_are_fetched_again(kept: Desk, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = f"verified-{next(_numbers)}"
    (kept.folder / "source/link").unlink()  # a bucket holds none
    kept.call("backup")
    to = ("--to", f"s3://{BUCKET}/{prefix}", "--endpoint", moto_endpoint)
    verified = kept.call("restore", "acme", *to, "--verify", "--json").document["verification"]
    assert verified["medium"] == "bucket" and (verified["files"], verified["items_differing"]) == (5, 0)
    client = raw_client(moto_endpoint)

    def damage() -> None:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/reports/2024/big.bin", Body=bytes(2_999_999) + b"!")
        client.delete_object(Bucket=BUCKET, Key=f"{prefix}/reports/e/empty")

    before(monkeypatch, object_verification, "verify_objects", damage)
    document = kept.call("restore", "acme", *to, "--existing", "replace", "--yes", "--verify", "--json").document
    assert document["verification"]["files"] == 0, "everything was there already: nothing was written"
    for key in (f"{prefix}/reports/2024/big.bin", f"{prefix}/reports/e/empty"):
        client.delete_object(Bucket=BUCKET, Key=key)
    document = kept.call("restore", "acme", *to, "--verify", "--json", exits=3).document
    assert {one["path"] for one in document["problem_list"]} == {"reports/2024/big.bin", "reports/e/empty"}
    client.close()


def test_what_cannot_be_compared_with_the_snapshot_is_refused(kept: Desk) -> None:
    converted = refusal(kept.call("restore", "acme", "--to", "x", "--as", "jsonl", "--verify", exits=2))
    assert "converted table" in converted
    assert "stream" in refusal(kept.call("restore", "acme", "reports/e/empty", "--to", "-", "--verify", exits=2))
    assert not Path(kept.folder / "x").exists()
