"""Sources of every kind, filled and changed by a test in the same words.

place = place_of("folder", tmp_path, request)
place.put({"a.csv": b"1"})          what the source has now, and nothing else
place.source().scan(never)
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from tests.support import mail_places, webdav
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.rest_double import ModelDesk, serving
from tests.support.rest_sources import described
from tests.support.store_fixtures import BUCKET
from tests.support.stores import raw_client
from vault.clock import SystemClock
from vault.randomness import SystemRandomness
from vault.source.bucket import BucketOptions, BucketSource
from vault.source.command import Command, CommandSource
from vault.source.contract import Source
from vault.source.folder import FolderSource
from vault.source.patterns import Rules
from vault.source.rest.client import RestClient
from vault.source.rest.credentials import Credentials
from vault.source.rest.source import RestOptions, RestSource
from vault.source.sql.postgresql import PgOptions, PostgresqlSource
from vault.source.sql.postgresql_connection import PgAddress
from vault.source.sql.sqlite import SqliteOptions, SqliteSource
from vault.source.webdav.client import DavAddress, DavClient
from vault.source.webdav.source import DavSource
from vault.storage.retrying import RetryPolicy
from vault.storage.s3_client import S3Options
from vault.storage.s3_source_objects import S3SourceObjects

PREFIX = b"raw"
_numbers = count(1)  # prefixes within one run's servers


class SourcePlace(Protocol):
    """Where a source of a kind lies."""

    several: bool
    """Whether it can have more than one item."""

    def put(self, contents: Mapping[str, bytes]) -> None:
        """From now on the source has this. Of a source that makes its items itself, other contents mean other items."""
        ...

    def expected(self, name: str) -> bytes | None:
        """The content of an item, where the test can say it."""
        ...

    def path(self, name: str) -> bytes:
        """Of the item that stands for a name."""
        ...

    def source(self) -> Source:
        """The source, opened anew."""
        ...

    def take_away(self) -> None:
        """The source cannot be reached any more."""
        ...


class FolderPlace:
    """A folder of files."""

    several = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "source"
        self._contents: Mapping[str, bytes] = {}

    def put(self, contents: Mapping[str, bytes]) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        for name, content in contents.items():
            file = self._folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self._folder.mkdir(exist_ok=True)
        self._contents = dict(contents)

    def expected(self, name: str) -> bytes | None:
        return self._contents[name]

    def path(self, name: str) -> bytes:
        return PREFIX + b"/" + os.fsencode(name)

    def source(self) -> Source:
        return FolderSource(os.fsencode(self._folder), PREFIX, Rules())

    def take_away(self) -> None:
        shutil.rmtree(self._folder)


class CommandPlace:
    """A program that prints a file."""

    several = False

    def __init__(self, folder: Path) -> None:
        self._file = folder / "printed"
        self.said: list[str] = []
        self._program = sys.executable

    def put(self, contents: Mapping[str, bytes]) -> None:
        (content,) = contents.values()
        self._file.write_bytes(content)

    def expected(self, name: str) -> bytes | None:
        return self._file.read_bytes()

    def path(self, name: str) -> bytes:
        return PREFIX + b"/dump.bin"

    def source(self) -> Source:
        program = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read()); print('done', file=sys.stderr)"
        words = (self._program, "-c", program, str(self._file))
        command = Command(words, self._file.parent, {"PATH": os.defpath}, 60.0)
        return CommandSource(command, PREFIX, b"dump.bin", SystemClock(), self.said.append)

    def take_away(self) -> None:
        self._program = "/nowhere/at/all"


class SqlitePlace:
    """A database with a table for each name: `2024/05/tickets.csv` is May of the table `tickets`. A line of the content is a
    row."""

    several = True

    def __init__(self, folder: Path) -> None:
        self.file = folder / "data.db"

    def put(self, contents: Mapping[str, bytes]) -> None:
        with closing(sqlite3.connect(self.file)) as database, database:
            for (name,) in database.execute("select name from sqlite_schema where type = 'table'").fetchall():
                database.execute(f'drop table "{name}"')
            for name, content in contents.items():
                table, month = table_and_month(name)
                database.execute(f'create table if not exists "{table}" (id integer primary key, line text, at text)')
                lines = content.decode().splitlines()
                rows = [(line, f"{month}-03 10:00:00" if month else None) for line in lines]
                database.executemany(f'insert into "{table}" (line, at) values (?, ?)', rows)

    def expected(self, name: str) -> bytes | None:
        return None

    def path(self, name: str) -> bytes:
        table, month = table_and_month(name)
        return PREFIX + f"/{table}/{month or 'undated'}.parquet".encode()

    def source(self) -> Source:
        return SqliteSource(SqliteOptions(self.file, time_column="at"), PREFIX, SystemClock())

    def take_away(self) -> None:
        self.file.unlink()


def table_and_month(name: str) -> tuple[str, str]:
    """What a name says: `2024/05/tickets.csv` is a table, and a month or nothing."""
    *folders, leaf = name.split("/")
    return leaf.removesuffix(".csv"), "-".join(folders)


class PostgresPlace(SqlitePlace):
    """The same in a PostgreSQL database."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._database = server.new_database()
        self._port = server.port

    def put(self, contents: Mapping[str, bytes]) -> None:
        with self._server.connected(self._database) as connection:
            for (name,) in connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall():
                connection.execute(f'drop table "{name}"')
            for name, content in contents.items():
                table, month = table_and_month(name)
                connection.execute(f'create table if not exists "{table}" (id serial primary key, line text, at timestamp)')
                at = f"'{month}-03 10:00:00'" if month else "null"
                lines = content.decode().splitlines()
                connection.execute(
                    f'insert into "{table}" (line, at) select line, {at} from unnest(%s::text[]) with ordinality u (line, n) '
                    "order by n",
                    (lines,),
                )

    def source(self) -> Source:
        address = PgAddress("127.0.0.1", self._port, self._database, OWNER, PASSWORD)
        return PostgresqlSource(PgOptions(address, time_column="at"), PREFIX, SystemClock())

    def take_away(self) -> None:
        self._port = 1


class BucketPlace:
    """A prefix of a bucket on an S3 server."""

    several = True

    def __init__(self, endpoint: str, bucket: str, prefix: str, options: BucketOptions = BucketOptions()) -> None:  # noqa: B008 (a value)
        self._bucket, self._prefix, self._endpoint, self._options = bucket, prefix, endpoint, options
        self._contents: dict[str, bytes] = {}

    def put(self, contents: Mapping[str, bytes]) -> None:
        with closing(raw_client(self._endpoint)) as client:
            for name in self._contents.keys() - contents.keys():
                client.delete_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}")
            for name, content in contents.items():
                if self._contents.get(name) != content:
                    client.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}", Body=content)
        self._contents = dict(contents)

    def expected(self, name: str) -> bytes | None:
        return self._contents[name]

    def path(self, name: str) -> bytes:
        return PREFIX + b"/" + name.encode()

    def source(self) -> Source:
        options = S3Options(self._endpoint)
        patience = RetryPolicy.network(1.0)
        objects = S3SourceObjects(self._bucket, self._prefix, options, patience, SystemClock(), SystemRandomness())
        return BucketSource(objects, PREFIX, Rules(), SystemClock(), self._options)

    def take_away(self) -> None:
        self._bucket = "no-such-bucket-anywhere"


class DavPlace(FolderPlace):
    """A folder that a WebDAV server offers."""

    def __init__(self, folder: Path, served: ExitStack) -> None:
        super().__init__(folder)
        (folder / "source").mkdir()
        self._served = served
        self._port = urlsplit(served.enter_context(webdav.served(folder))).port or 0

    def source(self) -> Source:
        address = DavAddress("http", "127.0.0.1", self._port, "/source/")
        return DavSource(DavClient(address, SystemClock()), PREFIX, Rules(), SystemClock())


class RestPlace:
    """A double of a help desk with a ticket for each line: `2024/05/tickets.csv` has those that were created in May."""

    several = True

    def __init__(self, folder: Path, desk: ModelDesk) -> None:
        self._folder, self._desk = folder / "mirror", desk
        self._lines: dict[tuple[str, int], tuple[int, str]] = {}

    def put(self, contents: Mapping[str, bytes]) -> None:
        lines = {(name, at): line for name, data in contents.items() for at, line in enumerate(data.decode().splitlines())}
        for place in self._lines.keys() - lines.keys():
            self._desk.delete(self._lines.pop(place)[0])
        for place, line in lines.items():
            number, known = self._lines.get(place, (0, ""))
            if not number:
                number = self._desk.add(line=line, **self._created(place[0]))
            elif known != line:
                self._desk.edit(number, line=line)
            self._lines[place] = number, line

    @staticmethod
    def _created(name: str) -> dict[str, Any]:
        *folders, _ = name.split("/")
        return {"created": f"{'-'.join(folders)}-03T10:00:00Z" if folders else ""}

    def expected(self, name: str) -> bytes | None:
        numbers = [number for (of, _), (number, _) in sorted(self._lines.items()) if of == name]
        return b"".join(self._desk.kept(number).encode() + b"\n" for number in numbers)

    def path(self, name: str) -> bytes:
        return PREFIX + f"/tickets/{'-'.join(name.split('/')[:-1]) or 'undated'}.jsonl".encode()

    def source(self) -> Source:
        description = described("offset", size=500, time_may_be_missing=True)
        client = RestClient(description, self._desk.url, Credentials(), SystemClock())
        return RestSource(RestOptions(description, self._desk.url, self._folder), client, PREFIX, SystemClock())

    def take_away(self) -> None:
        self._desk.traps.add("html")


def _bucket_place(kind: str, request: pytest.FixtureRequest) -> BucketPlace:
    """On the server that the kind names; with `versions`, in a bucket that keeps them."""
    _, server, *more = f"{kind}-".split("-")
    endpoint: str = request.getfixturevalue(f"{server or 'moto'}_endpoint")
    prefix = f"source-{next(_numbers)}"
    if "versions" not in more:
        return BucketPlace(endpoint, BUCKET, prefix)
    with closing(raw_client(endpoint)) as client:
        if VERSIONED not in {one["Name"] for one in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=VERSIONED)
            client.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
    return BucketPlace(endpoint, VERSIONED, prefix, BucketOptions(versions=None, tags=True))


VERSIONED = "strongroom-versioned"
BUCKETS = ("bucket-moto", "bucket-weed", "bucket-moto-versions", "bucket-weed-versions")
KINDS = ("folder", "command", "sqlite", "postgresql", "mariadb", *BUCKETS, "webdav", "rest", *mail_places.KINDS)


def place_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> SourcePlace:
    """An empty one of a kind."""
    if kind in BUCKETS:
        return _bucket_place(kind, request)
    if kind == "postgresql":
        return PostgresPlace(request.getfixturevalue("postgres"))
    if kind == "mariadb":
        from tests.support.mariadb_place import MariadbPlace

        return MariadbPlace(request.getfixturevalue("mariadb"))
    if kind == "webdav":
        stack = ExitStack()
        request.addfinalizer(stack.close)
        return DavPlace(folder, stack)
    if kind == "rest":
        stack = ExitStack()
        request.addfinalizer(stack.close)
        return RestPlace(folder, stack.enter_context(serving(ModelDesk())))
    if kind in mail_places.KINDS:
        stack = ExitStack()
        request.addfinalizer(stack.close)
        return mail_places.place_of(kind, folder, stack)
    made: dict[str, Callable[[Path], SourcePlace]] = {"folder": FolderPlace, "command": CommandPlace, "sqlite": SqlitePlace}
    return made[kind](folder)
