"""Addresses: what is understood, and what is refused with a hint that helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clock import StillClock
from tests.support.randomness import SeededChance
from vault.errors import NoRepository, UsageError
from vault.storage.address import (
    Address,
    BucketAddress,
    FolderAddress,
    StoreOptions,
    open_bare_store,
    open_store,
    parse_address,
)
from vault.storage.local import LocalStore
from vault.storage.retrying import RetryingStore


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/var/backups", FolderAddress(Path("/var/backups"))),
        ("backups/calls", FolderAddress(Path("backups/calls"))),
        ("./with:colon", FolderAddress(Path("with:colon"))),
        ("file:/var/backups", FolderAddress(Path("/var/backups"))),
        ("file:///var/my%20backups", FolderAddress(Path("/var/my backups"))),
        ("file://localhost/var", FolderAddress(Path("/var"))),
        ("file:relative", FolderAddress(Path("relative"))),
        ("s3://bucket", BucketAddress("bucket", "")),
        ("s3://bucket/", BucketAddress("bucket", "")),
        ("s3://my.bucket-1/Some/Prefix/", BucketAddress("my.bucket-1", "Some/Prefix")),
        ("S3://bucket/a", BucketAddress("bucket", "a")),
    ],
)
def test_an_address_is_understood_and_reads_back_the_same(text: str, expected: Address) -> None:
    address = parse_address(text)
    assert address == expected
    assert parse_address(address.text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "a\nb", "a\0b", "~/backups", "file:", "file://server/share", "file:%00"),
        *("s3:", "s3:/bucket", "s3://", "s3:///a", "s3://b", "s3://bucket//a", "s3://bucket/../a", "s3://bucket/a//b"),
        *("s3://bucket/" + "p" * 501, "s3://bücket/a", "s3://bucket/a?x=1", "s3://bucket/a#b"),
        *("https://s3.example.org/bucket", "sftp://host/path", "rclone:remote:path", "backup:2024"),
    ],
)
def test_what_is_no_address_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["s3://KEY:HUSH@bucket/a", "sftp://user:HUSH@host/a", "https://u:HUSH@h/", "xyz:HUSH"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert "HUSH" not in str(caught.value)
    assert "HUSH" not in str(caught.value.hint)


def test_opening_a_folder_makes_it_only_when_asked(tmp_path: Path) -> None:
    address = parse_address(str(tmp_path / "store"))
    clock, randomness = StillClock(), SeededChance(1)
    with pytest.raises(NoRepository):
        open_store(address, StoreOptions(), clock, randomness)
    made = open_store(address, StoreOptions(), clock, randomness, create_missing=True)
    assert isinstance(made, RetryingStore)
    made.put("a", b"1")
    again = open_bare_store(address, StoreOptions(), clock, randomness)
    assert isinstance(again, LocalStore)
    assert again.get("a") == b"1"
    assert again.describe() == address.text
