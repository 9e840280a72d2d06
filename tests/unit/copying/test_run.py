"""A copy brings a second store up to date: what is missing, nothing twice, and nothing that was forgotten there."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.clock import StillClock
from tests.support.faulty import FaultyStore
from tests.support.places import back_up, checked, identity, made_on, names, restore, services
from tests.support.second_copies import copy, paired
from tests.support.trees import contents, look_at, text, write_tree
from vault.copying.pair import CopyPair
from vault.copying.small_objects import refuse_another
from vault.errors import RefusedByRule, StorageDenied
from vault.format.hold import Scope
from vault.format.layout import DESCRIPTOR
from vault.repository import holds, snapshots
from vault.repository.claims import WaitOptions
from vault.repository.gc import forget
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.storage.counting import CountingStore
from vault.storage.memory import MemoryStore

FIRST = {"a/one": text("one", 3000), "a/two": text("two", 200), "b/big": text("big", 9000), "none": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "source", FIRST)


@pytest.fixture
def pair(folder: Path) -> CopyPair:
    """A project with three snapshots, and an empty second store."""
    project = made_on(MemoryStore())
    for number in range(3):
        write_tree(folder, {f"new {number}": text(f"new {number}", 1500), "changing": text(f"change {number}", 700)})
        back_up(project, folder)
    return paired(project, MemoryStore())


def given_back(project: Project, to: Path, snapshot: str | None = None) -> dict[str, bytes]:
    """What a restore from a store gives."""
    report = restore(project, to)
    assert not report.problems
    found = contents(to)
    shutil.rmtree(to)
    return found


def pruned(project: Project, **options: object) -> None:
    chosen = replace(PruneOptions(), **options)
    apply(project, make_plan(project, chosen), chosen)


def test_everything_that_snapshots_need_is_copied_and_is_sound(pair: CopyPair, folder: Path, tmp_path: Path) -> None:
    done = copy(pair)
    assert done.complete and done.snapshots == 3 and not done.problems and done.packs > 3
    report = checked(pair.second)
    assert report.sound and report.snapshots == 3 and report.orphans == 0
    assert given_back(pair.second, tmp_path / "back") == {f"reports/{name}": data for name, data in contents(folder).items()}
    assert names(pair.target, "projects/" + pair.first.id + "/claims") == []
    assert pair.target.get(DESCRIPTOR) == pair.first.store.get(DESCRIPTOR)


def test_a_second_run_copies_nothing_and_writes_nothing(pair: CopyPair) -> None:
    copy(pair)
    before = {info.name: pair.target.get(info.name) for info in pair.target.list("")}
    counting = CountingStore(pair.target)
    done = copy(replace(pair, second=replace(pair.second, store=counting), target=counting))
    assert done.complete and (done.snapshots, done.packs, done.objects) == (0, 0, 0)
    assert not {"put", "create", "delete"} & counting.snapshot().requests.keys()
    assert {info.name: pair.target.get(info.name) for info in pair.target.list("")} == before


def test_a_later_run_copies_what_is_new_and_nothing_twice(pair: CopyPair, folder: Path) -> None:
    copy(pair)
    before = set(names(pair.target, ""))
    write_tree(folder, {"later": text("later", 2500)})
    back_up(pair.first, folder)
    done = copy(pair)
    assert done.snapshots == 1 and 0 < done.packs < 6
    assert before <= set(names(pair.target, ""))
    assert checked(pair.second).sound and checked(pair.second).snapshots == 4


def test_waste_and_what_dead_runs_have_left_is_not_copied(pair: CopyPair, folder: Path) -> None:
    write_tree(folder, {"passing": text("passing", 4000)})
    passing = back_up(pair.first, folder)
    write_tree(folder, {"passing": text("another", 4000)})
    back_up(pair.first, folder)
    forget.forget(pair.first, [passing.record.id], reason="a test")
    done = copy(pair)
    assert done.snapshots == 4
    copied = {name.rpartition("/")[2] for name in names(pair.target, pair.first.folder("packs"))}
    stored = {name.rpartition("/")[2] for name in names(pair.first.store, pair.first.folder("packs"))}
    assert copied < stored
    assert checked(pair.second).sound


def test_what_the_first_store_forgets_stays_in_the_second(pair: CopyPair, folder: Path) -> None:
    copy(pair)
    oldest = snapshots.read_all(pair.first)[0].id
    forget.forget(pair.first, [oldest], reason="a mistake")
    pruned(pair.first)
    write_tree(folder, {"later": b"later"})
    back_up(pair.first, folder)
    copy(pair)
    assert oldest in {one.id for one in snapshots.read_all(pair.second)}
    pruned(pair.second)
    report = checked(pair.second)
    assert report.sound and report.snapshots == 4


def test_what_the_second_store_forgets_by_itself_is_not_copied_again(pair: CopyPair, folder: Path) -> None:
    copy(pair)
    oldest = snapshots.read_all(pair.second)[0].id
    forget.forget(pair.second, [oldest], reason="its own rules")
    assert copy(pair).snapshots == 0
    pruned(pair.second)
    write_tree(folder, {"later": b"later"})
    back_up(pair.first, folder)
    assert copy(pair).snapshots == 1
    assert oldest not in {one.id for one in snapshots.read_all(pair.second)}
    assert oldest in {one.id for one in snapshots.read_all(pair.first)}
    assert checked(pair.second).sound


def test_ancestors_that_were_forgotten_before_are_missed_nowhere(pair: CopyPair) -> None:
    first, second, _ = (one.id for one in snapshots.read_all(pair.first))
    forget.forget(pair.first, [first], reason="before the copy")
    pruned(pair.first)
    forget.forget(pair.first, [second], reason="before the copy, too")
    pruned(pair.first)
    copy(pair)
    report = checked(pair.second)
    assert report.sound and report.snapshots == 1
    pruned(pair.second)


def test_holds_are_there_before_any_snapshot_and_releases_follow(pair: CopyPair) -> None:
    hold = holds.place(pair.first, Scope(path="reports/a/**"), reason="case 17", who="somebody")
    copy(pair)
    assert [one.id for one in holds.read_all(pair.second).holds] == [hold.id]
    holds.release(pair.first, hold.id, reason="over", who="somebody")
    assert copy(pair).objects == 1
    (there,) = holds.read_all(pair.second).holds
    assert there.release is not None


def test_packs_that_the_second_store_has_lost_are_copied_again(pair: CopyPair) -> None:
    copy(pair)
    lost, cut = names(pair.target, pair.first.folder("packs"))[:2]
    pair.target.delete(lost)
    pair.target.put(cut, pair.target.get(cut)[:-5])
    assert not checked(pair.second).sound
    done = copy(pair)
    assert done.repaired == 2 and done.snapshots == 0
    assert checked(pair.second).sound


def test_a_record_that_is_damaged_in_the_second_store_is_copied_again(pair: CopyPair) -> None:
    copy(pair)
    (name, *_) = names(pair.target, pair.first.folder("snapshots"))
    pair.target.put(name, b"garbage")
    assert copy(pair).snapshots == 1
    assert checked(pair.second).sound and pair.target.get(name) == pair.first.store.get(name)


def test_a_damaged_pack_is_named_and_not_copied_and_the_rest_is(pair: CopyPair) -> None:
    name = names(pair.first.store, pair.first.folder("packs"))[0]
    data = bytearray(pair.first.store.get(name))
    data[-1] ^= 1
    pair.first.store.put(name, bytes(data))
    young = copy(pair)
    assert {one.what for one in young.problems} == {"damaged-pack", "missing-pack"} and not young.complete
    assert checked(pair.second).sound
    later = StillClock(pair.first.services.clock.now() + timedelta(days=2))
    done = copy(paired(pair.first, pair.target, clock=later))
    assert {one.what for one in done.problems} == {"damaged-pack", "missing-pack"}
    assert done.complete and len(snapshots.read_all(pair.second)) == 3 and name not in names(pair.target, "")


def test_limits_end_a_run_and_the_next_one_goes_on(pair: CopyPair) -> None:
    rounds = 0
    while not (done := copy(pair, max_bytes=4000)).complete:
        rounds += 1
        assert done.left and rounds < 50
        assert checked(pair.second).sound
    assert rounds >= 2
    report = checked(pair.second)
    assert report.sound and report.snapshots == 3 and report.orphans == 0


def test_another_repository_at_the_address_is_refused(pair: CopyPair) -> None:
    made = Repository.create(MemoryStore(), replace(pair.first.descriptor, repository="6" * 32), services("other"))
    other = made.add_project("theirs", [identity().recipient], [identity()])
    repository = Repository(pair.first.store, pair.first.descriptor, pair.first.services)
    with pytest.raises(RefusedByRule, match="another repository"):
        refuse_another(repository, other.store)
    other.store.delete(DESCRIPTOR)
    with pytest.raises(RefusedByRule, match="what is left of another"):
        refuse_another(repository, other.store)
    assert refuse_another(repository, pair.target) is None
    copy(pair)
    assert refuse_another(repository, pair.target) == pair.first.descriptor
    pair.target.delete(DESCRIPTOR)
    assert refuse_another(repository, pair.target) is None


@pytest.mark.parametrize("name", ["*/packs/*", "*/claims/*", "keys/*"])
def test_errors_say_whose_store_has_failed(pair: CopyPair, name: str) -> None:
    from vault.errors import StorageFull

    faulty = FaultyStore(pair.target)
    with (
        faulty.plan.on("put", name=name, raises=StorageFull("no room")),
        pytest.raises(StorageFull, match="the copy at"),
    ):
        copy(replace(pair, second=replace(pair.second, store=faulty), target=faulty))


class AppendOnly(FaultyStore):
    """Credentials that may delete nothing."""

    def delete(self, name: str) -> None:
        raise StorageDenied("403")


def test_who_may_delete_nothing_copies_and_no_prune_waits_for_that(pair: CopyPair, folder: Path) -> None:
    store = AppendOnly(pair.target)
    bound = replace(pair, second=replace(pair.second, store=store), target=store)
    assert copy(bound).complete
    write_tree(folder, {"later": b"later"})
    back_up(pair.first, folder)
    assert copy(bound).complete
    assert checked(pair.second).sound
    chosen = PruneOptions(patience=WaitOptions(seconds=0))
    assert apply(pair.second, make_plan(pair.second, chosen), chosen).done
    assert checked(pair.second).sound and checked(pair.second).snapshots == 4


def test_life_goes_on_in_the_second_store(pair: CopyPair, folder: Path, tmp_path: Path) -> None:
    """The first one is gone, and the copy takes its place: backups, a restore, a prune."""
    copy(pair)
    write_tree(folder, {"after the loss": text("after", 3000)})
    back_up(pair.second, folder)
    pruned(pair.second)
    assert checked(pair.second).sound
    assert look_at(folder) and given_back(pair.second, tmp_path / "back")["reports/after the loss"] == text("after", 3000)
