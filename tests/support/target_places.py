"""Places of every kind that a restore goes to, looked at and changed by a test in the same words.

place = target_place("bucket-weed", desk, request)
desk.call("restore", "acme", *place.words)
place.contents()                what is there by another reader's word: {"reports/a.csv": b"…"}
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from tests.support import webdav
from tests.support.desk import Desk
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from tests.support.trees import contents, write_tree

_numbers = count(1)  # prefixes within one run's servers
KIND = "reports"


class TargetPlace(Protocol):
    """Somewhere that files are restored to."""

    words: tuple[str, ...]
    """What says so to `restore`."""

    def contents(self) -> dict[str, bytes]:
        """The files that are there, by their names in the source."""
        ...

    def put(self, files: Mapping[str, bytes]) -> None:
        """Somebody else writes there."""
        ...

    def delete(self, *names: str) -> None:
        """Somebody else deletes there."""
        ...


class FolderTarget:
    """A folder of this machine. below: where the items of the source lie in it."""

    def __init__(self, folder: Path, words: tuple[str, ...], below: str = KIND) -> None:
        self._folder = folder / below
        self.words = words

    def contents(self) -> dict[str, bytes]:
        return contents(self._folder) if self._folder.exists() else {}

    def put(self, files: Mapping[str, bytes]) -> None:
        write_tree(self._folder, files)

    def delete(self, *names: str) -> None:
        for name in names:
            (self._folder / name).unlink()


class BucketTarget:
    """A prefix of a bucket."""

    def __init__(self, endpoint: str, prefix: str, words: tuple[str, ...]) -> None:
        self._endpoint, self._prefix, self.words = endpoint, prefix, words

    def contents(self) -> dict[str, bytes]:
        with closing(raw_client(self._endpoint)) as client:
            listed = client.list_objects_v2(Bucket=BUCKET, Prefix=f"{self._prefix}/").get("Contents", [])
            keys = [one["Key"] for one in listed]
            return {key[len(self._prefix) + 1 :]: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def put(self, files: Mapping[str, bytes]) -> None:
        with closing(raw_client(self._endpoint)) as client:
            for name, data in files.items():
                client.put_object(Bucket=BUCKET, Key=f"{self._prefix}/{name}", Body=data)

    def delete(self, *names: str) -> None:
        with closing(raw_client(self._endpoint)) as client:
            for name in names:
                client.delete_object(Bucket=BUCKET, Key=f"{self._prefix}/{name}")


TARGETS = ("folder", "folder-in-place", "bucket-moto", "bucket-weed", "webdav", "bucket-moto-in-place", "bucket-weed-in-place",
           "webdav-in-place")  # fmt: skip


def target_place(name: str, desk: Desk, request: pytest.FixtureRequest, files: Mapping[str, bytes]) -> TargetPlace:
    """An empty one, at a desk whose project acme has a source of these files; in place, the source itself."""
    desk.init()
    desk.call("project", "add", "acme")
    kind, _, more = name.partition("-")
    in_place = more.endswith("in-place")
    if kind == "bucket":
        return _bucket(desk, request.getfixturevalue(f"{more.partition('-')[0]}_endpoint"), files, in_place=in_place)
    if kind == "webdav":
        stack = ExitStack()
        request.addfinalizer(stack.close)
        served = write_tree(desk.folder / "server", {"files/": b"", "to/": b""})
        url = stack.enter_context(webdav.served(served)).replace("http://", "webdav://")
        if in_place:
            write_tree(served / "files", files)
            _add(desk, f"{url}files")
            return FolderTarget(served / "files", ("--in-place",), "")
        _add(desk, str(write_tree(desk.folder / "source", files)))
        return FolderTarget(served / "to", ("--to", f"{url}to"))
    source = write_tree(desk.folder / "source", files)
    _add(desk, str(source))
    return FolderTarget(source, ("--in-place",), "") if in_place else FolderTarget(desk.folder / "to", ("--to", "to"))


def _bucket(desk: Desk, endpoint: str, files: Mapping[str, bytes], *, in_place: bool) -> TargetPlace:
    prefix = f"target-{next(_numbers)}"
    if not in_place:
        _add(desk, str(write_tree(desk.folder / "source", files)))
        to = ("--to", f"s3://{BUCKET}/{prefix}", "--endpoint", endpoint)
        return BucketTarget(endpoint, f"{prefix}/{KIND}", to)
    place = BucketTarget(endpoint, prefix, ("--in-place",))
    place.put(files)
    _add(desk, f"s3://{BUCKET}/{prefix}", f"endpoint={endpoint}")
    return place


def _add(desk: Desk, url: str, *options: str) -> None:
    words = [word for one in options for word in ("--option", one)]
    desk.call("source", "add", "acme", KIND, url, *words, "--yes")
