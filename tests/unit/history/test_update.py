"""What is read, what is kept on this machine, and what a damaged snapshot costs."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from restore.history import update as gathering
from restore.history.cache import HistoryCache
from restore.history.events import history
from restore.history.timeline import Question
from restore.history.update import History
from tests.support.places import FAR_AHEAD, TickingClock, back_up, identity, made_on, services, through, tiny_descriptor
from tests.support.randomness import SeededChance
from tests.support.trees import write_tree
from tests.unit.history.model import Told, known
from vault.format import layout
from vault.format.capability import Capability
from vault.format.layout import META_TIER
from vault.repository.gc.forget import forget
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.storage.caching import CachingStore
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore

A, B = b"reports/a", b"reports/b"


@pytest.fixture
def told() -> Told:
    """Four hours: b appears, a changes, b goes."""
    made = Told()
    for state in ({A: ("one", 0o644)}, {A: ("one", 0o644), B: ("two", 0o644)}, {A: ("other", 0o644), B: ("two", 0o644)}):
        made.hour(state)
    made.hour({A: ("other", 0o644)})
    return made


def events(found: History, path: bytes) -> list[tuple[str, str | None]]:
    items = {item.path: item for item in history(found, Question(), most=10).items}
    return [(event.what, event.snapshot) for event in items[path].events]


def counted(project: Project) -> tuple[Project, CountingStore]:
    store = CountingStore(project.store)
    return through(project, store), store


def test_a_second_question_asks_the_store_for_nothing_but_its_listings(told: Told, tmp_path: Path) -> None:
    known(told.project, tmp_path)
    project, store = counted(told.project)
    found = known(project, tmp_path)
    assert events(found, B) == [("created", told.records[1].id), ("deleted", told.records[3].id)]
    assert store.snapshot().requests.keys() <= {"list"}


def test_the_packs_of_many_manifests_are_not_kept(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare, sizes = told.project.store, []
    for most in (4, 3):  # four snapshots are not many, and are
        monkeypatch.setattr(gathering, "MANY", most)
        folder = tmp_path / str(most)
        project = through(told.project, CachingStore(bare, folder / "cache", SeededChance(1)))
        assert events(known(project, folder), B)[0] == ("created", told.records[1].id)
        sizes.append(len(list((folder / "cache").glob("*/*"))))
    packs = len(list(bare.list(told.project.folder("meta"))))
    assert sizes[0] - sizes[1] == packs > 0


def test_one_more_snapshot_is_read_alone(told: Told, tmp_path: Path) -> None:
    known(told.project, tmp_path)
    told.hour({A: ("other", 0o644), B: ("two", 0o644)})
    found = known(told.project, tmp_path)
    assert events(found, B)[-1] == ("came back", told.records[4].id)


def test_what_is_kept_is_sealed_and_for_its_owner_alone(told: Told, tmp_path: Path) -> None:
    known(told.project, tmp_path)
    (kept,) = (tmp_path / "history").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert b"reports/" not in kept.read_bytes()
    assert kept.read_bytes().startswith(b"age-encryption.org/v1\n-> mlkem768x25519 ")


def test_a_kept_history_that_was_damaged_or_swapped_is_read_anew(told: Told, tmp_path: Path) -> None:
    right = known(told.project, tmp_path)
    (kept,) = (tmp_path / "history").iterdir()
    sound = kept.read_bytes()
    other = Told(project=strange())
    other.hour({B: ("a lie", 0o644)})
    forged = HistoryCache(replace(other.project, capability=with_seals_of(told.project, other.project)), tmp_path / "forged")
    forged.save(known(other.project, tmp_path / "other").ledgers)
    (lie,) = (tmp_path / "forged" / "history").iterdir()
    for bad in (b"", sound[:-1], sound[:2000] + b"\0" + sound[2001:], lie.read_bytes()):
        kept.write_bytes(bad)
        found = known(told.project, tmp_path)
        assert found.ledgers["reports"].rows().equals(right.ledgers["reports"].rows())
        assert found.problems == ()


def strange() -> Project:
    """A project of another repository, with keys of its own."""
    repository = Repository.create(MemoryStore(), tiny_descriptor(), services("strange"))
    return repository.add_project("strange", [identity().recipient], [identity()])


def with_seals_of(project: Project, other: Project) -> Capability:
    """The catalogue key of one project, with the other keys of another: what somebody without its tag key could use."""
    return replace(other.capability, catalogue=project.capability.catalogue, project=project.id)


def test_a_cache_that_cannot_be_written_is_no_failure(told: Told, tmp_path: Path) -> None:
    (tmp_path / "history").write_text("in the way")
    assert events(known(told.project, tmp_path), A) == [("created", told.records[0].id), ("changed", told.records[2].id)]


def test_a_bad_manifest_in_the_middle_costs_its_snapshot_alone_until_it_is_good_again(told: Told, tmp_path: Path) -> None:
    sound = told.records[2]
    name = layout.snapshot_name(told.project.id, sound.id)
    told.project.put_record(name, replace(sound, manifest=sound.packs).as_json())
    for _ in range(2):  # what was read is kept, and the bad one is tried and told again
        found = known(told.project, tmp_path)
        assert [(one.path, one.what) for one in found.problems] == [(sound.id.encode(), "damaged-manifest")]
        assert events(found, A) == [("created", told.records[0].id), ("changed", told.records[3].id)]
    told.project.put_record(name, sound.as_json())
    found = known(told.project, tmp_path)
    assert found.problems == ()
    assert events(found, A) == [("created", told.records[0].id), ("changed", sound.id)]


def test_a_damaged_pack_costs_the_snapshots_that_need_it_and_no_other(told: Told, tmp_path: Path) -> None:
    store, project = told.project.store, told.project
    before = {pack for record in told.records[:2] for pack in record.own_packs}
    for pack in set(told.records[2].own_packs) - before:
        store.put(layout.pack_name(project.id, META_TIER, pack), b"not a pack")
    found = known(project, tmp_path)
    assert {one.what for one in found.problems} == {"damaged-manifest"}
    lost = {one.path.decode() for one in found.problems}
    assert told.records[2].id in lost and told.records[0].id not in lost and told.records[1].id not in lost
    kept = [record.id for record in found.ledgers["reports"].records]
    assert kept == [record.id for record in told.records if record.id not in lost]


def test_a_forged_record_is_told_and_left_out(told: Told, tmp_path: Path) -> None:
    store, project = told.project.store, told.project
    name = layout.snapshot_name(project.id, told.records[1].id)
    store.put(name, store.get(layout.snapshot_name(project.id, told.records[0].id)))
    found = known(project, tmp_path)
    assert [problem.what for problem in found.problems] == ["damaged-record"]
    assert [record.id for record in found.ledgers["reports"].records] == [told.records[hour].id for hour in (0, 2, 3)]


def test_two_sources_have_histories_of_their_own(tmp_path: Path) -> None:
    one = Told()
    one.hour({A: ("one", 0o644)})
    two = Told(project=one.project, source="tickets")
    two.hour({A: ("other", 0o644)})
    two.hour({})
    found = known(one.project, tmp_path)
    items = history(found, Question(), most=10).items
    assert [(item.source, [event.what for event in item.events]) for item in items] == [
        ("reports", ["created"]),
        ("tickets", ["created", "deleted"]),
    ]
    assert [item.source for item in history(found, Question(source="tickets"), most=10).items] == ["tickets"]


def test_only_some_items_are_told_of_and_all_are_counted(tmp_path: Path) -> None:
    told = Told()
    told.hour({f"reports/{number:02}".encode(): ("one", 0o644) for number in range(30)})
    found = history(known(told.project, tmp_path), Question(), most=7)
    assert (len(found.items), found.total) == (7, 30)
    assert found.items[-1].path == b"reports/06"


def test_a_version_whose_snapshot_was_forgotten_still_says_when_it_was_seen_first(told: Told, tmp_path: Path) -> None:
    for hour in (0, 1, 2):
        told.project.store.delete(layout.snapshot_name(told.project.id, told.records[hour].id))
    found = known(told.project, tmp_path)
    items = {item.path: item.events for item in history(found, Question(), most=10).items}
    assert [(one.what, one.when, one.snapshot) for one in items[A]] == [
        ("first seen in what is kept", told.records[2].taken_at, None)
    ]
    assert [(one.what, one.when, one.snapshot) for one in items[B]] == [
        ("first seen in what is kept", told.records[1].taken_at, None),
        ("deleted", told.records[3].taken_at, told.records[3].id),
    ]
    assert items[B][-1].last_seen_at == told.records[2].taken_at


def test_an_item_was_created_where_no_older_snapshot_was_forgotten_and_else_first_seen_in_what_is_kept(
    told: Told, tmp_path: Path
) -> None:
    fresh = b"reports/fresh"
    told.hour(dict(told.states[-1]) | {fresh: ("new", 0o644)})
    forget(told.project, [told.records[0].id], reason="thinned")
    found = known(told.project, tmp_path)
    items = {item.path: item.events[0].what for item in history(found, Question(), most=10).items}
    assert (items[A], items[fresh]) == ("created", "created"), "A was seen first in the first snapshot of all"
    assert items[B] == "first seen in what is kept"
    later = history(found, Question(since=told.records[2].taken_at), most=10)
    assert {item.path: item.events[0].what for item in later.items}[A] == "first seen in the time asked for"


def test_the_machine_keeps_nothing_of_a_project_that_it_cannot_open(told: Told, tmp_path: Path) -> None:
    known(told.project, tmp_path)
    stranger = strange()
    assert (
        HistoryCache(replace(stranger, capability=replace(stranger.capability, project=told.project.id)), tmp_path).load() == {}
    )


def test_snapshots_whose_times_contradict_their_order_are_known(tmp_path: Path) -> None:
    project = made_on(MemoryStore())
    folder = write_tree(tmp_path / "source", {"a": b"1"})
    first = back_up(project, folder).record
    late = replace(project, services=replace(project.services, clock=TickingClock(FAR_AHEAD - timedelta(days=1))))
    second, third = back_up(late, folder).record, back_up(late, folder).record
    found = gathering.out_of_order(known(project, tmp_path / "cache"))
    assert [(later.id, earlier.id) for later, earlier in found] == [(second.id, first.id)]
    assert third.parents == (second.id,)
