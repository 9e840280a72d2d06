"""Erasing a project: who may, what stands against it, what is left, and what others believe of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support import erasing
from tests.support.erasing import OTHER, approve, ask, begin, believed, erase, go_on, shared_on, state
from tests.support.locking_store import LockingStore
from tests.support.places import PROJECT, TickingClock, back_up, checked, identity, restore
from tests.support.principals import CREATOR, founded_on, granted, holder, memory_of, opened_by, repository_of, revoked
from tests.support.trees import contents, write_tree
from vault.errors import Busy, Damaged, KeyRefused, RefusedByRule, StorageDenied, StorageError
from vault.format import layout
from vault.format.descriptor import ERASURES
from vault.format.hold import Scope
from vault.repository import (
    descriptor_change,
    destruction,
    erasure_rules,
    erasures,
    granting,
    grants,
    holds,
    key_rotation,
    key_trust,
)
from vault.repository.erasures import ProjectErased
from vault.repository.granting import Administrator
from vault.repository.project import Project
from vault.repository.session import Session
from vault.storage.contract import ObjectInfo
from vault.storage.memory import MemoryStore
from vault.storage.object_locks import LockState, Retention

TREE = {"a.csv": b"1,2\n" * 50, "b.csv": b"3,4\n" * 70}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def project(store: MemoryStore, tmp_path: Path) -> Project:
    """With a snapshot, two who may erase, and a host."""
    made = shared_on(store)
    back_up(made, write_tree(tmp_path / "source", TREE))
    return made


def names(store: MemoryStore, folder: str) -> list[str]:
    return sorted(info.name for info in store.list(folder))


def test_nothing_is_left_of_an_erased_project_but_what_was_said(project: Project, store: MemoryStore) -> None:
    erase(store)
    assert not names(store, layout.keys_folder(project.id)) and not names(store, layout.project_folder(project.id))
    assert len(names(store, layout.erasures_folder(project.id))) == 4
    assert set(names(store, "")) == {"strongroom.json", *names(store, "erasures")}


@pytest.mark.parametrize("name", [CREATOR, OTHER, "host"])
def test_everybody_who_held_keys_is_told_by_whom_it_was_erased(
    name: str, project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    memory = memory_of(tmp_path, name)
    key_trust.verify(opened_by(name, store, memory), memory)
    assert memory.key_copies.all()
    erase(store)
    for _ in range(2):  # the second time this machine remembers it
        with pytest.raises(ProjectErased, match=r'erased on 2126-.* by operator and anna: "contract ended"'):
            repository_of(store, memory).choose([PROJECT], [identity(name)], memory.projects())
    assert not memory.key_copies.all() and repository_of(store, memory).available([], [identity(name)]).refused == []


def test_a_machine_that_knows_nothing_is_told_by_the_name_as_well(project: Project, store: MemoryStore) -> None:
    erase(store)
    with pytest.raises(ProjectErased):
        repository_of(store).project(PROJECT, [identity(OTHER)])
    with pytest.raises(Exception, match="no project 'other'"):
        repository_of(store).project("other", [identity(OTHER)])


def test_the_other_projects_stay_as_they_are(project: Project, store: MemoryStore, tmp_path: Path) -> None:
    beta = erasing.second_project(store)
    back_up(beta, write_tree(tmp_path / "other", {"x.csv": b"7,8\n" * 90}))
    data = {name: store.get(name) for name in names(store, layout.project_folder(beta.id)) if "/keys/" not in name}
    erase(store)
    after = repository_of(store).project("beta", [identity(CREATOR)])
    assert checked(after).sound
    restore(after, tmp_path / "back")
    assert contents(tmp_path / "back") == {"reports/x.csv": b"7,8\n" * 90}
    assert {name: store.get(name) for name in data} == data


def test_key_objects_of_others_go_before_those_of_whoever_erases(project: Project, store: MemoryStore) -> None:
    deleted: list[str] = []

    class Watched(MemoryStore):
        def delete(self, name: str) -> None:
            deleted.append(name)
            super().delete(name)

    watched = Watched()
    for info in store.list(""):
        watched.put(info.name, store.get(info.name))
    erase(watched)
    keys = [name for name in deleted if name.endswith(".age") and name.startswith(("keys/", "projects/"))]
    own = layout.key_name(project.id, holder(CREATOR).principal.id(project.id))
    last = {own, layout.second_key_name(project.id, holder(CREATOR).principal.id(project.id))}
    assert last <= set(keys[-2:]) and deleted.index(own) < min(deleted.index(name) for name in deleted if "/packs/" in name)


def test_a_request_waits_for_another_person(project: Project, store: MemoryStore) -> None:
    ask(store)
    found = state(CREATOR, store)
    assert found.request is not None and found.approval is None and not found.ready
    with pytest.raises(RefusedByRule, match="by whoever has asked"):
        erasure_rules.make_approval(found)
    with pytest.raises(RefusedByRule, match="nobody else has approved"):
        erasure_rules.make_destruction(found)
    with pytest.raises(KeyRefused, match="may not grant, revoke or rotate"):
        state("host", store)
    approve(store)
    assert state(CREATOR, store).ready and state(OTHER, store).ready


def test_a_recovery_kit_is_no_second_person(project: Project, store: MemoryStore) -> None:
    granted(project, "recovery kit", ("read", "audit"))
    ask(store)
    with pytest.raises(RefusedByRule, match="no second person"):
        erasure_rules.make_approval(state("recovery kit", store))


def test_an_approval_that_was_written_by_other_means_does_not_count(project: Project, store: MemoryStore) -> None:
    granted(project, "recovery kit", ("read", "audit"))
    asked = ask(store)
    from vault.format.erasure import ErasureApproval, digest, signed

    for name in (CREATOR, "recovery kit", "stranger"):
        own = holder(name).principal.signing_key or b""
        made = ErasureApproval(
            asked.repository, asked.project, holder(name).principal.id("x"), PROJECT, digest(asked),
            replace(asked.by, name=name, signing_key=own), asked.at + timedelta(minutes=1),
        )  # fmt: skip
        erasing.written(state(CREATOR, store), signed(made, identity(name)))
    assert state(CREATOR, store).approval is None


def test_one_person_is_enough_where_the_request_says_so(project: Project, store: MemoryStore) -> None:
    ask(store, approvals=1)
    begin(store)
    go_on(store)
    found = believed(store, OTHER)
    assert found is not None and found.people == (CREATOR,) and found.completion is not None


def test_a_request_is_over_after_its_time(project: Project, store: MemoryStore) -> None:
    ask(store, within=timedelta(microseconds=1))
    with pytest.raises(RefusedByRule, match="nobody has asked"):
        approve(store)
    assert state(CREATOR, store).request is None


@pytest.mark.parametrize("change", ["grant", "revocation", "hold", "rotation"])
def test_an_approval_is_of_the_state_that_was_asked_about(
    change: str, project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    ask(store)
    approve(store)
    now = opened_by(CREATOR, store)
    if change == "grant":
        granted(now, "bert", ("read",))
    elif change == "revocation":
        (host,) = [one for one in grants.read(now).chain.grants.values() if one.name == "host"]
        revoked(now, host)
    elif change == "hold":
        placed = holds.place(now, Scope(), reason="suit", who="judge")
        holds.release(now, placed.id, reason="over", who="judge")
    else:
        key_rotation.rotate(now, granting_of(now))
    with pytest.raises(RefusedByRule):
        approve(store)
    with pytest.raises(RefusedByRule):
        begin(store)
    ask(store)
    approve(store)
    begin(store)


def granting_of(project: Project) -> Administrator:
    return granting.administrator(project, grants.read(project).chain, [identity(CREATOR)])


def test_a_machine_that_last_saw_the_keys_before_a_rotation_believes_it(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    memory = memory_of(tmp_path, "host")
    key_trust.verify(opened_by("host", store, memory), memory)
    now = opened_by(CREATOR, store)
    key_rotation.rotate(now, granting_of(now))
    erase(store)
    with pytest.raises(ProjectErased):
        repository_of(store, memory).choose([PROJECT], [identity("host")], memory.projects())


def test_a_hold_refuses_it_also_one_that_cannot_be_read(project: Project, store: MemoryStore) -> None:
    ask(store)
    placed = holds.place(project, Scope(kind="reports"), reason="suit", who="judge")
    with pytest.raises(RefusedByRule, match=r"under a hold: kind reports: suit \(by judge"):
        erasure_rules.refuse(opened_by(CREATOR, store))
    holds.release(project, placed.id, reason="over", who="judge")
    erasure_rules.refuse(opened_by(CREATOR, store))
    store.put(layout.hold_name(project.id, "c" * 32), b"scribbled")
    with pytest.raises(RefusedByRule, match="cannot be read"):
        erasure_rules.refuse(opened_by(CREATOR, store))


@pytest.mark.parametrize("kind", ["compliance", "governance", "legal hold"])
@pytest.mark.parametrize("which", ["packs", "keys", "snapshots"])
def test_an_object_that_the_store_keeps_refuses_it_and_says_until_when(kind: str, which: str, tmp_path: Path) -> None:
    clock = TickingClock()
    store = LockingStore(clock)
    made = shared_on(store)
    back_up(made, write_tree(tmp_path / "source", TREE))
    name = names(store, made.folder(which))[0]
    until = clock.now() + timedelta(days=40)
    held = kind == "legal hold"
    store.locked[name] = LockState(
        None if held else Retention("compliance" if kind == "compliance" else "governance", until), held
    )
    with pytest.raises(RefusedByRule, match="legal holds" if held else f"locked until {until:%Y-%m-%d}"):
        erasure_rules.refuse(opened_by(CREATOR, store))


def test_a_backup_under_way_refuses_it(project: Project, store: MemoryStore) -> None:
    session = Session.begin(project, "reports")
    with pytest.raises(Busy, match="under way"):
        erasure_rules.refuse(opened_by(CREATOR, store))
    session.withdraw()
    erasure_rules.refuse(opened_by(CREATOR, store))


def test_a_rotation_that_has_begun_refuses_it(project: Project, store: MemoryStore) -> None:
    pending = opened_by(CREATOR, store)
    from vault.format.epoch_keys import PendingEpoch

    begun = replace(pending.capability, pending=PendingEpoch.generate(2, pending.services.randomness))
    with pytest.raises(Busy, match="being rotated"):
        erasure_rules.refuse(replace(pending, capability=begun))
    with pytest.raises(Busy, match="being rotated"):
        key_objects_with(store, replace(begun, descriptors=pending.capability.descriptors))


def key_objects_with(store: MemoryStore, capability: object) -> None:
    """Write the creator's key objects with these keys, and look whether the feature may be named then."""
    from vault.format.capability import Capability
    from vault.repository.granting import content_for, put_key_object

    if not isinstance(capability, Capability):
        raise TypeError
    own = granting_of(opened_by(CREATOR, store)).grant
    put_key_object(opened_by(CREATOR, store), own.principal, content_for(capability, own.rights, own.reference))
    descriptor_change.refuse(repository_of(store), [identity(CREATOR)], ERASURES)


def test_who_deletes_key_objects_and_forges_statements_is_not_believed(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    """The holder of the store, with friends, seals statements to everybody that are right but for who has signed them."""
    memory = memory_of(tmp_path, OTHER)
    key_trust.verify(opened_by(OTHER, store, memory), memory)
    elsewhere = MemoryStore()
    founded_on(elsewhere, creator="eve")
    granted(opened_by("eve", elsewhere), "mallory", ("read", "audit"), by="eve")
    ask(elsewhere, "eve")
    approve(elsewhere, "mallory")
    begin(elsewhere, "eve")
    forged = believed(elsewhere, "eve")
    assert forged is not None and forged.destruction.project == project.id
    assert set(forged.destruction.fingerprints) == {project.capability.fingerprint}
    erasing.with_feature(store)
    for one in forged.statements:
        erasures.write(store, one, [identity(OTHER).recipient], project.services.randomness)
    assert opened_by(OTHER, store, memory).id == project.id, "keys that stand are used"
    for folder in (layout.keys_folder(project.id), layout.second_keys_folder(project.id)):
        for name in names(store, folder):
            store.delete(name)
    memory.key_copies.delete(project.id)
    with pytest.raises(Damaged, match="somebody says that it was erased, and that cannot be believed") as error:
        repository_of(store, memory).choose([PROJECT], [identity(OTHER)], memory.projects())
    assert not isinstance(error.value, ProjectErased) and erasures.remembered(memory, project.id) is None


def test_key_objects_that_are_put_back_later_open_nothing_on_a_machine_that_was_told(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    memory = memory_of(tmp_path, OTHER)
    key_trust.verify(opened_by(OTHER, store, memory), memory)
    kept = {name: store.get(name) for name in names(store, "keys") + names(store, layout.second_keys_folder(project.id))}
    erase(store)
    for name, data in kept.items():
        store.put(name, data)
    for known in (memory, memory_of(tmp_path, "new machine")):
        repository = repository_of(store, known)
        with pytest.raises(ProjectErased):
            repository.choose([PROJECT], [identity(OTHER)], known.projects())
        opened = repository.open_keys([identity(OTHER)], everywhere=True)
        assert not opened.capabilities and opened.refused.keys() == {project.id}


def test_a_project_of_the_same_name_can_be_made_after_it(project: Project, store: MemoryStore, tmp_path: Path) -> None:
    erase(store)
    made = repository_of(store, seed="again").add_project(PROJECT, [holder(CREATOR)], [identity(CREATOR)])
    assert made.id != project.id
    back_up(made, write_tree(tmp_path / "source", TREE))
    assert repository_of(store).project(PROJECT, [identity(CREATOR)]).id == made.id


def test_another_administrator_goes_on_where_somebody_was_cut_off(project: Project, store: MemoryStore) -> None:
    ask(store)
    approve(store)
    begin(store)
    done, end = go_on(store, OTHER)
    assert done.key_objects == 6 and done.objects > 5 and not done.left
    assert end is not None and end.by.name == OTHER and (end.key_objects, end.objects) == (6, done.objects)
    again, _ = go_on(store)
    assert (again.key_objects, again.objects) == (0, 0)


def test_what_the_store_will_not_delete_is_counted_and_named(project: Project, store: MemoryStore) -> None:
    ask(store)
    approve(store)
    begin(store)

    class Stubborn(MemoryStore):
        def delete(self, name: str) -> None:
            if "/packs/" in name:
                raise StorageDenied(f"{name} stays")
            super().delete(name)

    stubborn = Stubborn()
    for info in store.list(""):
        stubborn.put(info.name, store.get(info.name))
    packs = names(stubborn, project.folder("packs"))
    done, end = go_on(stubborn)
    assert packs and sorted(done.left) == packs and [one.what for one in done.problems] == ["not-deleted"] * len(packs)
    assert end is not None and end.left == len(packs) and names(stubborn, layout.project_folder(project.id)) == packs


def test_a_store_that_lists_what_it_deleted_ends_it_with_an_error(project: Project, store: MemoryStore) -> None:
    ask(store)
    approve(store)
    begin(store)
    kept = list(store.list("keys"))

    class Lying(MemoryStore):
        def list(self, folder: str) -> Iterator[ObjectInfo]:
            return iter([*super().list(folder), *(kept if folder.startswith("keys/") else ())])

    lying = Lying()
    for info in store.list(""):
        lying.put(info.name, store.get(info.name))
    with pytest.raises(StorageError, match="still lists them"):
        destruction.destroy(lying, project.id, [identity(CREATOR)])


def test_credentials_that_may_delete_nothing_are_refused_before_anything_was_said(project: Project, store: MemoryStore) -> None:
    class AppendOnly(MemoryStore):
        def delete(self, name: str) -> None:
            raise StorageDenied("no")

    other = AppendOnly()
    for info in store.list(""):
        other.put(info.name, store.get(info.name))
    with pytest.raises(StorageDenied, match="may not delete the key objects"):
        erasure_rules.refuse_undeletable(other, project.id, project.services.randomness)


def test_whoever_does_not_administer_every_project_cannot_name_the_feature(project: Project, store: MemoryStore) -> None:
    beta = erasing.second_project(store)
    with pytest.raises(RefusedByRule, match=f"does not administer 1 project: {beta.id}"):
        ask(store, OTHER)
    ask(store, CREATOR)
    assert ERASURES in repository_of(store).descriptor.features
    approve(store)
    assert state(OTHER, store).ready, "once it is named, nobody needs the others"


def test_everybody_opens_what_they_opened_once_the_feature_is_named(project: Project, store: MemoryStore) -> None:
    before = repository_of(store).digest
    erasing.with_feature(store)
    after = repository_of(store).digest
    assert before != after
    for name in (CREATOR, OTHER, "host"):
        assert opened_by(name, store).capability.descriptors == (after,)
    erasing.with_feature(store)
    assert repository_of(store).digest == after


def test_a_repository_of_an_earlier_version_is_brought_up_first(store: MemoryStore) -> None:
    from tests.support.places import made_on

    made_on(store)
    with pytest.raises(RefusedByRule, match="earlier version"):
        descriptor_change.introduce(repository_of(store), [identity()], ERASURES)
