"""Places for repositories on every kind of store, and a desk at each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.used import with_snapshot
from tests.support.desk import Desk, Place
from tests.support.store_fixtures import BUCKET

_numbers = count(1)  # prefixes within one run's servers
STORES = ("folder", "moto", "weed")


@pytest.fixture
def place_of(request: pytest.FixtureRequest) -> Callable[[str], Place]:
    """An empty place on a store of that kind."""

    def place(kind: str) -> Place:
        if kind == "folder":
            return Place("repository")
        endpoint: str = request.getfixturevalue(f"{kind}_endpoint")
        return Place(f"s3://{BUCKET}/e2e-{next(_numbers)}", endpoint)

    return place


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk whose repository will lie in a folder; nothing is made yet."""
    return Desk(tmp_path / "desk", Place("repository"))


@pytest.fixture(params=STORES)
def any_desk(request: pytest.FixtureRequest, tmp_path: Path, place_of: Callable[[str], Place]) -> Desk:
    """A desk at each kind of store, one after another."""
    return Desk(tmp_path / "desk", place_of(request.param))


@pytest.fixture
def used(desk: Desk) -> Desk:
    """A desk whose repository has one snapshot of the project acme."""
    return with_snapshot(desk)
