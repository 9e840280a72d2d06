"""Holds in a repository: placed, released, listed, and damaged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.faulty import FaultyStore, Verb, faults
from tests.support.places import FAR_AHEAD, TickingClock, back_up, made_on, through
from tests.support.trees import write_tree
from vault.errors import TransientStorageError, UsageError
from vault.format import layout
from vault.format.hold import HeldPeriod, Hold, Scope
from vault.repository import holds
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

YEAR = HeldPeriod("2024", datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
LATER = FAR_AHEAD + timedelta(days=30)


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore(), clock=TickingClock())


def place(project: Project, scope: Scope | None = None, *, until: datetime | None = None) -> Hold:
    return holds.place(project, scope or Scope(), reason="audit", who="olena@desk", until=until)


def test_holds_are_listed_as_they_were_placed_oldest_first(project: Project) -> None:
    placed = [
        place(project, Scope(kind="tickets", period=YEAR, path="tickets/*.csv"), until=LATER),
        place(project, Scope(period=HeldPeriod("2025..", YEAR.end, None))),
        place(project),
    ]
    assert holds.read_all(project) == holds.AllHolds(tuple(placed), ())


def test_another_machine_sees_the_same_holds(project: Project) -> None:
    placed = place(project)
    assert holds.read_all(through(project, project.store, seed="elsewhere")).holds == (placed,)


def test_a_released_hold_stays_in_the_list_with_who_and_why_and_binds_no_more(project: Project) -> None:
    kept, placed = place(project), place(project)
    holds.release(project, placed.id, reason="the audit is over", who="taras@desk")
    found = holds.read_all(project)
    assert [hold.id for hold in found.binding(FAR_AHEAD)] == [kept.id]
    ended = found.holds[1]
    assert ended.release is not None
    assert (ended.release.who, ended.release.reason, ended.release.hold) == ("taras@desk", "the audit is over", placed.id)
    assert replace(ended, release=None) == placed


def test_releasing_edits_no_object(project: Project) -> None:
    placed = place(project)
    name = layout.hold_name(project.id, placed.id)
    before = project.store.get(name)
    holds.release(project, placed.id, reason="over", who="olena")
    assert project.store.get(name) == before
    assert len(list(project.store.list(project.folder("holds")))) == 2


def test_a_hold_ends_by_its_own_date(project: Project) -> None:
    place(project, until=LATER)
    found = holds.read_all(project)
    assert len(found.binding(LATER - timedelta(microseconds=1))) == 1
    assert found.binding(LATER) == ()


def test_of_two_releases_at_once_the_earlier_counts(project: Project) -> None:
    placed = place(project)
    elsewhere = through(project, MemoryStore(), seed="elsewhere")
    for info in project.store.list(""):
        elsewhere.store.put(info.name, project.store.get(info.name))
    first = holds.release(project, placed.id, reason="first", who="olena")
    holds.release(elsewhere, placed.id, reason="second", who="taras")
    for info in elsewhere.store.list(elsewhere.folder("holds")):
        project.store.put(info.name, elsewhere.store.get(info.name))
    assert holds.read_all(project) == holds.AllHolds((first,), ())


def test_a_hold_on_a_snapshot_needs_that_snapshot(project: Project, tmp_path: Path) -> None:
    taken = back_up(project, write_tree(tmp_path / "source", {"a": b"a"})).record
    assert place(project, Scope(snapshot=taken.id)).scope.touches(taken.id, "anything")
    with pytest.raises(UsageError, match="has no snapshot"):
        place(project, Scope(snapshot="20240517t120000z-0011223344556677"))


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope(snapshot="x", kind="raw"), "on all of it"),
        (Scope(period=HeldPeriod("odd", YEAR.end, YEAR.start)), "ends before it begins"),
        (Scope(path=""), "pattern must be"),
        (Scope(path="a" * 2001), "pattern must be"),
        (Scope(path="\udcff"), "pattern must be"),
        (Scope(kind=""), "kind must be"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused_and_nothing_is_written(project: Project, scope: Scope, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        place(project, scope)
    assert holds.read_all(project).holds == ()


@pytest.mark.parametrize(
    ("reason", "who"), [("", "olena"), ("  ", "olena"), ("audit", ""), ("\ud800", "olena"), ("a" * 2001, "o")]
)
def test_a_hold_says_why_and_who_and_so_does_its_release(project: Project, reason: str, who: str) -> None:
    placed = place(project)
    with pytest.raises(UsageError, match="a hold must say"):
        holds.place(project, Scope(), reason=reason, who=who)
    with pytest.raises(UsageError, match="a hold must say"):
        holds.release(project, placed.id, reason=reason, who=who)
    assert holds.read_all(project).holds == (placed,)


def test_a_hold_that_would_be_over_already_is_refused(project: Project) -> None:
    with pytest.raises(UsageError, match="over already"):
        place(project, until=FAR_AHEAD - timedelta(days=1))


def test_only_a_hold_that_stands_can_be_released_and_only_once(project: Project) -> None:
    with pytest.raises(UsageError, match="there is no hold"):
        holds.release(project, "0" * 32, reason="over", who="olena")
    placed = place(project)
    holds.release(project, placed.id, reason="over", who="olena")
    with pytest.raises(UsageError, match="was released by olena"):
        holds.release(project, placed.id, reason="over", who="taras")


def spoil(project: Project, hold: Hold, data: bytes | None = None) -> str:
    name = layout.hold_name(project.id, hold.id)
    project.store.put(name, data if data is not None else project.store.get(name)[:-1])
    return name


def test_a_damaged_hold_binds_the_whole_project_and_is_told(project: Project) -> None:
    whole, damaged = place(project, Scope(kind="raw")), place(project, Scope(kind="raw"), until=LATER)
    name = spoil(project, damaged)
    found = holds.read_all(project)
    assert set(found.holds) == {whole, Hold.unreadable(damaged.id)}
    assert [(problem.path, problem.what) for problem in found.problems] == [(name.encode(), "damaged-hold")]
    stands_in = found.binding(LATER + timedelta(days=1))[0]
    assert stands_in.scope.touches("any", "kind")


def test_a_damaged_hold_can_be_released(project: Project) -> None:
    damaged = place(project)
    spoil(project, damaged, b"scribble")
    assert len(holds.read_all(project).problems) == 1
    holds.release(project, damaged.id, reason="nobody knows what it was", who="olena")
    found = holds.read_all(project)
    assert found.binding(FAR_AHEAD) == ()
    assert found.problems == ()


def test_a_damaged_release_lets_nothing_go(project: Project) -> None:
    placed = place(project)
    ended = holds.release(project, placed.id, reason="over", who="olena")
    assert ended.release is not None
    spoil(project, Hold.unreadable(ended.release.id))
    assert {hold.id for hold in holds.read_all(project).binding(FAR_AHEAD)} == {placed.id, ended.release.id}


def test_a_hold_under_another_holds_name_or_of_another_sort_is_damaged(project: Project) -> None:
    one, two = place(project), place(project)
    project.store.put(layout.hold_name(project.id, two.id), project.store.get(layout.hold_name(project.id, one.id)))
    project.put_record(layout.hold_name(project.id, "0" * 32), {**one.as_json(), "record": "pledge", "id": "0" * 32})
    project.put_record(layout.hold_name(project.id, "1" * 32), {**one.as_json(), "until": "never", "id": "1" * 32})
    found = holds.read_all(project)
    assert set(found.holds) == {one, *map(Hold.unreadable, (two.id, "0" * 32, "1" * 32))}
    assert len(found.problems) == 3


def test_a_hold_with_fields_from_a_newer_version_binds_at_least_as_much(project: Project) -> None:
    newer = Hold("0" * 32, Scope(kind="raw"), "audit", "olena", FAR_AHEAD)
    project.put_record(layout.hold_name(project.id, newer.id), newer.as_json() | {"weekday": "monday"})
    assert holds.read_all(project) == holds.AllHolds((newer,), ())


def test_what_a_listing_finds_under_other_names_is_passed_over(project: Project) -> None:
    project.store.put(f"{project.folder('holds')}/readme.txt", b"hello")
    assert holds.read_all(project) == holds.AllHolds((), ())


def test_a_store_that_cannot_be_asked_is_an_error_and_not_an_empty_list(project: Project) -> None:
    place(project)
    verbs: tuple[Verb, ...] = ("get", "list")
    for verb in verbs:
        store = FaultyStore(project.store)
        with faults(store).on(verb, raises=TransientStorageError("reset")) as plan, pytest.raises(TransientStorageError):
            holds.read_all(through(project, store))
        assert plan.all_happened
