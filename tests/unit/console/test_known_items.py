"""What the console remembers of projects: read once, looked at again after a moment, and never for nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from console import known_items
from console.errors import NotThere
from console.known_items import FRESH_FOR, OLDEST, KnownItems
from strongroom.project_status import ProjectStatus
from tests.support.clock import StillClock
from vault.errors import StorageError


class FakeItems:
    """Stands for `ProjectItems`."""

    def __init__(self, version: str, zone: str) -> None:
        self.version, self.zone, self.size, self.expectations = version, zone, 10, ()

    def ever(self) -> None:
        """Nothing."""


class FakeStore:
    """A store whose version a test moves on. lent: how often a project was asked for · loaded: how often it was read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.version, self.lent, self.loaded, self.away = "1", 0, 0, False
        self.context, self.stored, self.name, self.zone_now = self, None, "acme", "UTC"
        self.erased = False
        self.read = threading.Event()
        patch.setattr(known_items, "stored_version", lambda _: self.version)
        patch.setattr(known_items, "expectations", lambda _context, _name: ())
        patch.setattr(known_items, "load_project_items", lambda _context, _stored: self._load())

    def _load(self) -> FakeItems:
        self.loaded += 1
        self.read.set()
        return FakeItems(self.version, self.zone_now)

    def zone(self, _: str) -> str:
        """As a context says it."""
        return self.zone_now

    def status(self) -> ProjectStatus:
        """Nothing is wrong."""
        return ProjectStatus("acme", ())

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Lends the project."""
        if self.away:
            raise StorageError("the store is away", hint="wait")
        if self.erased:
            raise NotThere("there is no such project", hint="choose another")
        self.lent += 1
        yield None, self


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    return FakeStore(monkeypatch)


def test_a_project_is_read_once_and_its_version_asked_for_only_after_a_moment(store: FakeStore) -> None:
    clock = StillClock()
    known = KnownItems(clock)
    first = known.of("acme", store.opened)
    assert known.of("acme", store.opened) is first and (store.lent, store.loaded) == (1, 1)
    clock.sleep(FRESH_FOR)
    assert known.of("acme", store.opened) is first
    known.close()  # waits for what is read beside
    assert (store.lent, store.loaded) == (2, 1)


def test_who_comes_after_a_new_snapshot_is_given_what_was_known_and_the_next_one_the_news(store: FakeStore) -> None:
    clock = StillClock()
    known = KnownItems(clock)
    first = known.of("acme", store.opened)
    store.version = "2"
    store.read.clear()
    clock.sleep(FRESH_FOR)
    assert known.of("acme", store.opened) is first
    assert store.read.wait(30)
    known.close()
    assert known.of("acme", store.opened).version == "2"


def test_what_is_old_is_shown_to_nobody_before_the_store_was_asked(store: FakeStore) -> None:
    clock = StillClock()
    known = KnownItems(clock)
    known.of("acme", store.opened)
    store.version = "2"
    clock.sleep(OLDEST)
    assert known.of("acme", store.opened).version == "2"
    store.away = True
    clock.sleep(OLDEST)
    with pytest.raises(StorageError):
        known.of("acme", store.opened)
    known.close()


def test_where_nothing_is_known_yet_the_first_page_does_not_wait(store: FakeStore) -> None:
    known = KnownItems(StillClock())
    assert known.soon("acme", store.opened) is None
    known.close()
    assert known.soon("acme", store.opened) is not None and store.loaded == 1


def test_many_who_come_at_once_have_a_project_read_once(store: FakeStore) -> None:
    known = KnownItems(StillClock())
    threads = [threading.Thread(target=known.of, args=("acme", store.opened)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (store.lent, store.loaded) == (1, 1)


def test_a_name_under_which_there_is_nothing_leaves_no_trace_and_the_oldest_project_makes_room(store: FakeStore) -> None:
    known = KnownItems(StillClock(), largest=25)
    store.away = True
    for number in range(50):
        with pytest.raises(StorageError):
            known.of(f"nowhere{number}", store.opened)
    store.away = False
    for name in ("one", "two", "one", "three"):
        known.of(name, store.opened)
    assert store.loaded == 3
    known.of("one", store.opened)
    assert store.loaded == 3, "it was asked for later than `two`"
    known.of("two", store.opened)
    assert store.loaded == 4


def test_how_promises_are_kept_is_asked_for_with_the_items_and_may_fail(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StillClock()
    known = KnownItems(clock, fresh_for=0)
    assert known.status("acme") is None
    known.of("acme", store.opened)
    assert known.status("acme") == ProjectStatus("acme", ())

    def away() -> ProjectStatus:
        raise StorageError("the store is away")

    monkeypatch.setattr(store, "status", away)
    known.of("acme", store.opened)
    assert known.status("acme") is None


def test_what_was_known_of_a_project_that_was_erased_is_forgotten(store: FakeStore) -> None:
    clock = StillClock()
    known = KnownItems(clock)
    known.of("acme", store.opened)
    store.erased = True
    clock.sleep(FRESH_FOR)
    known.of("acme", store.opened)
    known.close()
    with pytest.raises(NotThere):
        known.of("acme", store.opened)


def test_another_time_zone_in_the_settings_is_met(store: FakeStore) -> None:
    known = KnownItems(StillClock(), fresh_for=0)
    known.of("acme", store.opened)
    store.zone_now = "Europe/Kyiv"
    assert str(known.of("acme", store.opened).zone) == "Europe/Kyiv"


def test_what_was_read_by_other_settings_is_read_again_before_anybody_sees_it(store: FakeStore) -> None:
    settings = ["one"]
    known = KnownItems(StillClock(), version=lambda: settings[0])
    assert str(known.of("acme", store.opened).zone) == "UTC"
    store.zone_now, settings[0] = "Europe/Kyiv", "two"
    assert known.at_once("acme", store.opened) is None
    assert str(known.of("acme", store.opened).zone) == "Europe/Kyiv" and store.loaded == 2
    assert known.status("acme") is not None
    settings[0] = "three"
    assert known.soon("acme", store.opened) is None, "the first page does not wait, and shows nothing of before"
    known.close()
    assert store.loaded == 2, "the store has nothing new, and is not read again"
    assert known.at_once("acme", store.opened) is not None
