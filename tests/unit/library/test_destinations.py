"""What a text names as the destination of a restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.destinations import Archive, Bucket, Folder, Stdout, TableFile, parse
from vault.errors import UsageError
from vault.storage.address import BucketAddress


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("-", Stdout()),
        ("back", Folder(Path("back"))),
        ("back.csv", Folder(Path("back.csv"))),
        ("back.zip/", Folder(Path("back.zip"))),
        (".zip", Folder(Path(".zip"))),
        ("back.ZIP", Archive(Path("back.ZIP"), "zip")),
        ("back.tar", Archive(Path("back.tar"), "none")),
        ("back.tgz", Archive(Path("back.tgz"), "gzip")),
        ("back.tar.zst", Archive(Path("back.tar.zst"), "zstd")),
        ("s3://bucket/some/where", Bucket(BucketAddress("bucket", "some/where"))),
    ],
)
def test_a_text_names_a_destination(text: str, destination: object) -> None:
    assert parse(text, tables=False) == destination


def test_a_file_of_a_table_is_one_only_where_tables_are_asked_for(tmp_path: Path) -> None:
    assert parse("back.xlsx", tables=True) == TableFile(Path("back.xlsx"), "xlsx")
    assert parse("back.txt", tables=True) == Folder(Path("back.txt"))
    (tmp_path / "back.csv").mkdir()
    assert parse(str(tmp_path / "back.csv"), tables=True) == Folder(tmp_path / "back.csv")


def test_a_bucket_has_the_server_that_is_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    address = BucketAddress("bucket", "")
    assert parse("s3://bucket", tables=True, endpoint="http://here", region="there") == Bucket(address, "http://here", "there")
    with pytest.raises(UsageError):
        parse("s3:", tables=False)
    monkeypatch.setenv("HOME", "/home/olha")
    assert parse("~/back", tables=False) == Folder(Path("/home/olha/back"))
    with pytest.raises(UsageError, match="no such home folder"):
        parse("~nobody-of-this-name/back", tables=False)
