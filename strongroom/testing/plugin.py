"""The plugin for pytest. Every run where the package is installed loads it, so nothing else is imported before one of its
fixtures is used.

`strongroom_repository`   a `ThrowawayRepository` in a folder, or on an S3 server in this process
`strongroom_project`      a `ThrowawayProject` in it, with a folder for reports
`strongroom_faults`       the faults of its storage
`strongroom_clock`        a `FrozenClock`, from which everything of Strongroom in this process has its time

Where the repository lies is said by the marker `@pytest.mark.strongroom(store="moto")`, by indirect parametrization, or by the
ini option `strongroom_store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom.testing.faults import Faults
    from strongroom.testing.frozen_clock import FrozenClock
    from strongroom.testing.throwaway import ThrowawayProject, ThrowawayRepository

STORES = ("folder", "moto")
INI = "strongroom_store"
MARKER = 'strongroom(store="folder" or "moto", sources={"KIND": "folder"}): how the fixtures of Strongroom are made'


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option."""
    words = "where strongroom_repository lies: folder (the default), or moto, an S3 server in this process"
    parser.addini(INI, words, default="folder")


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def strongroom_s3_endpoint() -> Iterator[str]:
    """The URL of an S3 server in this process, started when it is first asked for."""
    from strongroom.testing.s3_server import s3_server

    with s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def _strongroom_new_bucket() -> Callable[[], str]:
    """A name that no test of this run has had."""
    from itertools import count

    numbers = count(1)
    return lambda: f"strongroom-test-{next(numbers)}"


@pytest.fixture
def strongroom_repository(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ThrowawayRepository]:
    """A repository of the test's own. Until its end, the environment points this process and its children at it."""
    from strongroom.testing.throwaway import ThrowawayRepository

    folder = tmp_path_factory.mktemp("strongroom")
    if _store(request) == "moto":
        bucket = request.getfixturevalue("_strongroom_new_bucket")()
        repository = ThrowawayRepository(folder, f"s3://{bucket}/repository", request.getfixturevalue("strongroom_s3_endpoint"))
    else:
        repository = ThrowawayRepository(folder, str(folder / "repository"))
    for name, value in repository.environment.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    repository.create(create_bucket=repository.endpoint is not None)
    try:
        yield repository
    finally:
        repository.close()


@pytest.fixture
def strongroom_project(
    request: pytest.FixtureRequest, strongroom_repository: ThrowawayRepository, tmp_path: Path
) -> ThrowawayProject:
    """The project `project`, with the empty folder `tmp_path/reports` as its source, unless the marker names others."""
    sources = _marked(request).get("sources") or {"reports": "reports"}
    return strongroom_repository.add_project("project", {kind: tmp_path / path for kind, path in sources.items()})


@pytest.fixture
def strongroom_faults(strongroom_repository: ThrowawayRepository) -> Faults:
    """What can go wrong with the storage of `strongroom_repository`, as context managers."""
    return strongroom_repository.faults


@pytest.fixture
def strongroom_clock(monkeypatch: pytest.MonkeyPatch) -> FrozenClock:
    """Time stands still, at the moment at which the test began, until the test moves it."""
    from strongroom.testing.frozen_clock import FrozenClock
    from vault.clock import SystemClock

    clock = FrozenClock(SystemClock().now())
    monkeypatch.setattr(SystemClock, "now", lambda _: clock.now())
    monkeypatch.setattr(SystemClock, "monotonic", lambda _: clock.monotonic())
    monkeypatch.setattr(SystemClock, "sleep", lambda _, seconds: clock.sleep(seconds))
    return clock


def _store(request: pytest.FixtureRequest) -> str:
    """Where the repository lies: the parameter, else the marker, else the ini option."""
    named = getattr(request, "param", None) or _marked(request).get("store") or request.config.getini(INI)
    if named not in STORES:
        raise pytest.UsageError(f"unknown store {named!r} for strongroom_repository: write {' or '.join(STORES)}")
    return str(named)


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    marker = request.node.get_closest_marker("strongroom")
    if marker is None:
        return {}
    unknown = marker.kwargs.keys() - {"store", "sources"}
    if unknown or marker.args:
        raise pytest.UsageError(f"unknown arguments of the marker strongroom: {[*unknown, *marker.args]}; it is {MARKER}")
    return dict(marker.kwargs)
