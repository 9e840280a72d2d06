"""`doctor` compares what the repository believes of its store with what it finds, and `init` refuses what `doctor` would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.used import unchanged
from tests.support.desk import Desk
from vault.storage import address
from vault.storage.contract import Buffer
from vault.storage.local import LocalStore


class Overwriting(LocalStore):
    """Says that it creates once, and overwrites."""

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self.put(name, data, sha256=sha256)


class OffByOne(LocalStore):
    """Gives a byte too many of a part."""

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return super().get_range(name, start, length + 1)


@pytest.fixture
def store_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[LocalStore]], None]:
    """From now on the folder behaves like that."""

    def become(kind: type[LocalStore]) -> None:
        def opened(place: Any, _options: Any, clock: Any, randomness: Any, *, create_missing: bool = False) -> LocalStore:
            return kind(Path(place.path), clock=clock, randomness=randomness, create_missing=create_missing)

        monkeypatch.setattr(address, "open_bare_store", opened)

    return become


def test_create_once_that_is_not_kept_at_this_address_is_not_relied_on_any_more(
    used: Desk, store_is: Callable[[type[LocalStore]], None]
) -> None:
    assert used.call("doctor", "--json").document["relied_on"] is True
    store_is(Overwriting)
    told = used.call("doctor")
    assert "from now on this machine does not rely on it" in told.text
    assert used.call("doctor", "--json").document["relied_on"] is False
    unchanged(used)

    store_is(LocalStore)
    assert "does not rely on create-once here" in used.call("doctor").text, "luck does not bring trust back"
    assert used.call("doctor", "--trust-again", "--json").document["relied_on"] is True
    unchanged(used)


def test_another_address_has_a_belief_of_its_own(used: Desk, store_is: Callable[[type[LocalStore]], None]) -> None:
    store_is(Overwriting)
    used.call("doctor")
    (used.folder / "repository").rename(used.folder / "moved")
    store_is(LocalStore)
    assert used.call("doctor", str(used.folder / "moved"), "--json").document["relied_on"] is True


def test_a_copy_at_another_address_is_tried_before_the_first_commit_relies_on_create_once(
    used: Desk, store_is: Callable[[type[LocalStore]], None]
) -> None:
    before = (used.folder / "repository" / "strongroom.json").read_bytes()
    (used.folder / "repository").rename(used.folder / "copied")
    used.settings.write_text(used.settings.read_text().replace("/repository", "/copied"))
    assert "copied" in used.settings.read_text()
    created: list[str] = []

    class Counted(Overwriting):
        def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
            created.append(name)
            super().create(name, data, sha256=sha256)

    store_is(Counted)
    used.call("list")
    assert not created, "a command that relies on nothing tries nothing"
    used.call("backup", "acme")
    used.call("backup", "acme")
    used.call("prune", "acme", "--yes")
    assert created == ["strongroom.json"], "tried once, and no commit relies on it"
    assert (used.folder / "copied" / "strongroom.json").read_bytes() == before
    assert used.call("doctor", "--json").document["relied_on"] is False


def test_an_address_that_creates_once_is_tried_once(used: Desk, store_is: Callable[[type[LocalStore]], None]) -> None:
    (used.folder / "repository").rename(used.folder / "copied")
    used.settings.write_text(used.settings.read_text().replace("/repository", "/copied"))
    created: list[str] = []

    class Counted(LocalStore):
        def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
            created.append(name)
            super().create(name, data, sha256=sha256)

    store_is(Counted)
    for _ in range(2):
        used.call("backup", "acme")
    assert created.count("strongroom.json") == 1
    assert len([name for name in created if "/snapshots/" in name]) == 2


def test_doctor_of_a_place_without_a_repository_believes_nothing(desk: Desk) -> None:
    (desk.folder / "empty").mkdir()
    assert desk.call("doctor", str(desk.folder / "empty"), "--json").document["relied_on"] is None


def test_init_refuses_a_store_that_doctor_calls_unfit(desk: Desk, store_is: Callable[[type[LocalStore]], None]) -> None:
    (desk.folder / "new").mkdir()
    store_is(OffByOne)
    desk.call("doctor", str(desk.folder / "new"), exits=30)
    refused = desk.call("init", str(desk.folder / "new"), exits=30)
    assert "WRONG bytes" in refused.err
    assert not desk.settings.exists()
    assert not desk.identity.exists()
    assert not list((desk.folder / "new").rglob("*.json"))
