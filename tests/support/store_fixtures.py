"""Fixtures for stores; a pytest plugin (`pytest_plugins = ["tests.support.store_fixtures"]` in the conftest).

`moto_endpoint`, `weed_endpoint`   URLs of servers that are started once a run, when first asked for
`postgres`, `mariadb`              a PostgreSQL server, a MariaDB server, likewise
`moto_place`, `weed_place`         an empty prefix there, as a `StorePlace`
`store_factory`                    a `StorePlace` of every kind, one after another
`any_store`                        one store in it
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from strongroom import environment
from tests.support.coverage_notes import not_covered
from tests.support.mariadb_server import MariadbServer, MariadbUnavailableError, mariadb_server
from tests.support.moto_server import moto_server
from tests.support.postgres_server import PostgresServer, PostgresUnavailableError, postgres_server
from tests.support.randomness import SeededChance
from tests.support.stores import StorePlace, make_bucket
from tests.support.weed_server import WeedUnavailableError, weed_server
from vault.clock import SystemClock
from vault.storage.caching import CachingStore
from vault.storage.counting import CountingStore
from vault.storage.local import LocalStore
from vault.storage.memory import MemoryStore
from vault.storage.retrying import RetryingStore, RetryPolicy
from vault.storage.s3 import S3Store
from vault.storage.s3_client import Credentials, S3Options

BUCKET = "strongroom-tests"
_numbers = count(1)  # prefixes within one run's servers

MEMORY, LOCAL, MOTO, WEED, DIRECT = "memory", "local", "s3-moto", "s3-weed", "s3-direct"
RETRYING, COUNTING, CACHING = "retrying", "counting", "caching"
KINDS = (MEMORY, LOCAL, MOTO, WEED, DIRECT, RETRYING, COUNTING, CACHING)


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    with moto_server() as url:
        make_bucket(url, BUCKET)
        yield url


@pytest.fixture(scope="session")
def weed_endpoint() -> Iterator[str]:
    try:
        with weed_server() as url:
            make_bucket(url, BUCKET)
            yield url
    except WeedUnavailableError as error:
        not_covered(f"S3 on SeaweedFS: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the run; each test makes a database of its own in it."""
    try:
        with postgres_server() as server:
            yield server
    except PostgresUnavailableError as error:
        not_covered(f"PostgreSQL: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    """A server for the run; each test makes a database of its own in it."""
    try:
        with mariadb_server() as server:
            yield server
    except MariadbUnavailableError as error:
        not_covered(f"MariaDB: {error}")
        pytest.skip(str(error))


@pytest.fixture
def moto_place(moto_endpoint: str) -> Iterator[StorePlace]:
    yield from _in_bucket(MOTO, moto_endpoint)


@pytest.fixture
def weed_place(weed_endpoint: str) -> Iterator[StorePlace]:
    yield from _in_bucket(WEED, weed_endpoint)


@pytest.fixture(params=KINDS)
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorePlace]:
    match request.param:
        case "s3-moto":
            yield request.getfixturevalue("moto_place")
        case "s3-weed":
            yield request.getfixturevalue("weed_place")
        case "s3-direct":
            endpoint = request.getfixturevalue("weed_endpoint")
            yield from _in_bucket(DIRECT, endpoint, environment.s3_credentials(endpoint))
        case "local":
            yield from _closing(StorePlace(LOCAL, lambda: local_store(tmp_path / "store")))
        case kind:
            yield from _closing(_in_memory(kind, tmp_path))


@pytest.fixture
def any_store(store_factory: StorePlace) -> object:
    return store_factory.open()


def local_store(root: Path) -> LocalStore:
    """A store in a folder that is made; the system's clock, as temporary files carry the system's time."""
    return LocalStore(root, clock=SystemClock(), randomness=SeededChance(next(_numbers)), create_missing=True)


def _in_memory(kind: str, folder: Path) -> StorePlace:
    inner = MemoryStore()
    if kind == CACHING:
        return StorePlace(kind, lambda: CachingStore(inner, folder / "cache", SeededChance(next(_numbers))))
    if kind == RETRYING:
        randomness = SeededChance(1)
        return StorePlace(kind, lambda: RetryingStore(inner, RetryPolicy.network(), SystemClock(), randomness))
    if kind == COUNTING:
        return StorePlace(kind, lambda: CountingStore(inner))
    return StorePlace(kind, lambda: inner)


def _in_bucket(kind: str, endpoint: str, direct: Credentials | None = None) -> Iterator[StorePlace]:
    prefix = f"test-{next(_numbers)}"
    return _closing(StorePlace(kind, lambda: S3Store(BUCKET, prefix, S3Options(endpoint=endpoint, direct=direct))))


def _closing(place: StorePlace) -> Iterator[StorePlace]:
    try:
        yield place
    finally:
        place.close()
