"""Files of a WebDAV server and objects of a bucket that are replaced, renamed and deleted while they are listed and read, at
every request of a backup: the snapshot has each item as it was at one moment, or a problem names it, and what stood untouched
is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
from blake3 import blake3

from tests.support.dav_double import BASE, DavDouble, dav_double
from tests.support.places import checked, made_on
from tests.support.randomness import SeededChance
from tests.support.s3_double import BUCKET, S3Double, s3_double
from tests.support.trees import text
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import SourceError
from vault.format import manifest
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source.bucket import BucketSource
from vault.source.patterns import Rules
from vault.source.webdav.client import DavAddress, DavClient
from vault.source.webdav.source import DavSource
from vault.storage.memory import MemoryStore
from vault.storage.retrying import RetryPolicy
from vault.storage.s3_client import S3Options
from vault.storage.s3_source_objects import S3SourceObjects

CALM = {"a/calm.csv": text("a", 500), "m/calm.csv": text("m", 600), "z.csv": text("z", 700)}
MOVING = {"b/one.csv": text("one", 400), "b/two.csv": text("two", 300), "n/deep/three.csv": text("three", 200)}
LARGE, LARGE_SIZE = "large.bin", 1_100_000


def owner_of(data: bytes) -> str:
    """What stands beside a content, and changes with it."""
    return sha256(data).hexdigest()[:12]


class Dav:
    """Over WebDAV: each file has an owner of its own."""

    attribute = b"source.webdav.owner-id"

    def __init__(self, double: DavDouble) -> None:
        self._double = double
        client = DavClient(DavAddress("http", "127.0.0.1", double.port, BASE), SystemClock())
        self.source = DavSource(client, b"raw", Rules(), SystemClock())

    def put(self, name: str, data: bytes) -> None:
        self._double.files[name] = data
        self._double.properties[name] = {"oc:owner-id": owner_of(data)}

    def delete(self, name: str) -> None:
        self._double.files.pop(name, None)

    def contents(self) -> dict[str, bytes]:
        return dict(self._double.files)

    def at(self, number: int, happens: Callable[[], None]) -> None:
        self._double.asked.clear()
        self._double.before = lambda count, _: happens() if count == number else None

    def asked(self) -> int:
        return len(self._double.asked)


class Bucket:
    """In a bucket: each object has a content type of its own."""

    attribute = b"source.s3.content-type"

    def __init__(self, double: S3Double) -> None:
        self._double = double
        made = (BUCKET, "", S3Options(double.url), RetryPolicy.network(1.0), SystemClock(), SeededChance("bucket"))
        objects = S3SourceObjects(*made)
        objects.piece = 400_000
        self.source = BucketSource(objects, b"raw", Rules(), SystemClock())

    def put(self, name: str, data: bytes) -> None:
        self._double.put(name, data, content_type=owner_of(data))

    def delete(self, name: str) -> None:
        self._double.delete(name)

    def contents(self) -> dict[str, bytes]:
        return self._double.contents()

    def at(self, number: int, happens: Callable[[], None]) -> None:
        self._double.asked.clear()
        self._double.before = lambda count, _: happens() if count == number else None

    def asked(self) -> int:
        return len(self._double.asked)


@contextmanager
def served(kind: str) -> Iterator[Dav | Bucket]:
    """With these files."""
    if kind == "webdav":
        with dav_double() as dav:
            server: Dav | Bucket = Dav(dav)
            fill(server)
            yield server
            server.source.close()
        return
    with s3_double(page=3) as s3:
        server = Bucket(s3)
        fill(server)
        yield server
        server.source.close()


def fill(server: Dav | Bucket) -> None:
    for name, data in (CALM | MOVING | {LARGE: text("large", LARGE_SIZE)}).items():
        server.put(name, data)


def replace(server: Dav | Bucket) -> None:
    """Each by another content of the same size, the large one by a longer one."""
    for name, data in MOVING.items():
        server.put(name, text(f"new {name}", len(data)))
    server.put(LARGE, text("new large", LARGE_SIZE + 5))


def replace_large(server: Dav | Bucket) -> None:
    server.put(LARGE, text("other", LARGE_SIZE))


def delete(server: Dav | Bucket) -> None:
    for name in (*MOVING, LARGE):
        server.delete(name)


def rename(server: Dav | Bucket) -> None:
    """Folders, forwards and backwards in the order of names."""
    for old, new in (("b/one.csv", "y/one.csv"), ("b/two.csv", "y/two.csv"), ("n/deep/three.csv", "c/deep/three.csv")):
        data = server.contents().get(old)
        if data is not None:
            server.delete(old)
            server.put(new, data)


def append(server: Dav | Bucket) -> None:
    for name in (*MOVING, LARGE):
        data = server.contents().get(name)
        if data is not None:
            server.put(name, data + b"and more\n")


CHANGES = {"replace": replace, "replace large": replace_large, "delete": delete, "rename": rename, "append": append}


def backed_up(project: Project, server: Dav | Bucket) -> run.BackupReport:
    return run.back_up(project, run.Source("server", "raw", server.source), run.BackupOptions())


def rows_of(project: Project) -> dict[str, dict[str, Any]]:
    """The items of the newest snapshot that the source still had, by name."""
    record = snapshots.heads(snapshots.read_all(project), "server")[-1]
    rows = snapshots.read_manifest(MetaReader(project), record).to_pylist()
    there = (row for row in rows if row["type"] == manifest.FILE and row["vanished_at"] is None)
    return {row["path"].decode().removeprefix("raw/"): row for row in there}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["webdav", "bucket"])
@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_changes_at_whatever_request_each_item_is_of_one_moment(kind: str, change: str, every: int) -> None:
    with served(kind) as server:
        server.at(0, lambda: None)
        backed_up(made_on(MemoryStore()), server)
        requests = server.asked()
    assert requests > 12
    happened = 0
    for number in range(1 + list(CHANGES).index(change) % every, requests + 1, every):
        with served(kind) as server:
            before = server.contents()
            moments: list[dict[str, bytes]] = [before]

            def happens(server: Dav | Bucket = server, moments: list[dict[str, bytes]] = moments) -> None:
                CHANGES[change](server)
                moments.append(server.contents())

            server.at(number, happens)
            project = made_on(MemoryStore())
            try:
                report = backed_up(project, server)
            except SourceError as error:
                raise AssertionError(f"{change} at request {number}: {error}") from error
            happened += len(moments) - 1
            after = server.contents()
            rows, named = rows_of(project), {one.path.decode().removeprefix("raw/") for one in report.problems}
            for name, row in rows.items():
                known = {blake3(moment[name]).digest(): moment[name] for moment in moments if name in moment}
                assert row["blake3"] in known, f"{change} at {number}: {name} is a mixture"
                beside = {one["name"]: one["value"].decode() for one in row["xattrs"] or ()}
                assert beside[server.attribute] == owner_of(known[row["blake3"]]), f"{change} at {number}: {name}"
            for name in before.keys() & after.keys():
                assert name in rows or name in named, f"{change} at {number}: {name} is missing, and nobody says so"
            for name, data in CALM.items():
                assert rows[name]["blake3"] == blake3(data).digest() and name not in named
            server.at(0, lambda: None)
            again = backed_up(project, server)
            assert again.problems == () and {name: row["blake3"] for name, row in rows_of(project).items()} == {
                name: blake3(data).digest() for name, data in after.items()
            }, f"{change} at {number}: the next one has all"
    assert happened >= requests // every - 1, "how many requests there are may differ a little from run to run"
    assert checked(project).sound
