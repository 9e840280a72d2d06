"""Rotating keys: what was sealed stays readable for who is left, what comes is not for who is gone, and machines follow what
was signed and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import FAR_AHEAD, PROJECT, TickingClock, back_up, checked, identity, restore, services
from tests.support.principals import (
    CREATOR,
    administrator,
    founded_on,
    granted,
    memory_of,
    opened_by,
    repository_of,
    revoked,
)
from tests.support.trees import contents, write_tree
from vault import age
from vault.errors import Busy, Damaged, KeyRefused
from vault.format import layout
from vault.format.epoch_keys import FormerEpoch
from vault.format.key_object import AuditCapability, KeyObjectContent
from vault.format.principal import Principal
from vault.repository import granting, grants, key_rotation, key_trust
from vault.repository.key_objects import key_id
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

TREE = {"a.csv": b"1,2\n" * 50, "b.csv": b"3,4\n" * 70}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def project(store: MemoryStore, tmp_path: Path) -> Project:
    """With a snapshot, a reader, a writer and two auditors."""
    made = founded_on(store)
    granted(made, "anna", ("read", "audit"))
    granted(made, "host", ("write",))
    granted(made, "auditor", ("audit",))
    granted(made, "names", ("audit", "catalogue"))
    back_up(made, write_tree(tmp_path / "source", TREE))
    return made


def rotated(name: str, store: MemoryStore) -> Project:
    own = opened_by(name, store)
    return key_rotation.rotate(own, administrator(own, name)).project


def packs(store: MemoryStore, project: Project) -> set[str]:
    return {info.name for info in store.list(project.folder("packs"))}


def test_everybody_who_is_left_reads_all_epochs_and_deduplication_goes_on(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    before = packs(store, project)
    rotated(CREATOR, store)
    for name in (CREATOR, "anna"):
        capability = opened_by(name, store).capability
        assert capability.epoch == 2 and [one.number for one in capability.former] == [1] and capability.pending is None
    write_tree(tmp_path / "source", {"c.csv": b"5,6\n" * 90})
    back_up(opened_by("host", store), tmp_path / "source")
    after = opened_by("anna", store)
    assert checked(after).sound
    restore(after, tmp_path / "back")
    assert contents(tmp_path / "back") == {f"reports/{name}": data for name, data in (TREE | {"c.csv": b"5,6\n" * 90}).items()}
    new = packs(store, project) - before
    assert new and before <= packs(store, project)
    current, former = after.capability.content_identities()
    for names, opens, does_not in ((before, former, current), (new, current, former)):
        for name in names:
            assert age.open_sealed(store.get(name), [opens])
            with pytest.raises(age.NoMatchingIdentity):
                age.open_sealed(store.get(name), [does_not])


def test_auditors_keep_the_log_of_all_epochs(project: Project, store: MemoryStore) -> None:
    rotated(CREATOR, store)
    current = opened_by(CREATOR, store).capability
    (only,) = repository_of(store).open_keys([identity("auditor")]).auditors
    assert isinstance(only, AuditCapability) and only.epoch == 2
    recipients = [one.recipient for one in only.audit_identities]
    assert recipients == [one.recipient for one in current.audit_identities] and len(recipients) == 2
    assert opened_by("names", store).capability.content_identity is None


def test_a_writer_gets_no_private_content_key_of_any_epoch(project: Project, store: MemoryStore) -> None:
    rotated(CREATOR, store)
    capability = opened_by("host", store).capability
    assert capability.epoch == 2 and capability.content_identity is None
    assert all(one.content is None and one.audit is None for one in capability.former)


def test_what_comes_after_a_rotation_is_not_for_who_was_revoked(project: Project, store: MemoryStore, tmp_path: Path) -> None:
    anna = opened_by("anna", store)
    (one,) = [it for it in grants.read(project).chain.standing(FAR_AHEAD) if it.name == "anna"]
    before = {info.name for info in store.list("")}
    revoked(project, one)
    rotated(CREATOR, store)
    write_tree(tmp_path / "source", {"d.csv": b"7,8\n" * 90})
    back_up(opened_by(CREATOR, store), tmp_path / "source")
    secrets = [*anna.capability.content_identities(), *anna.capability.catalogue_identities, identity("anna")]
    secrets += anna.capability.audit_identities
    new = {info.name for info in store.list(layout.project_folder(project.id))} - before
    for name in (name for name in new if "/grants/" not in name):
        with pytest.raises(age.NoMatchingIdentity):
            age.open_sealed(store.get(name), secrets)


def test_machines_follow_a_rotation_that_was_signed(project: Project, store: MemoryStore, tmp_path: Path) -> None:
    memories = {name: memory_of(tmp_path, name) for name in (CREATOR, "anna", "host")}
    for name, memory in memories.items():
        key_trust.verify(opened_by(name, store, memory), memory)
    rotated(CREATOR, store)
    rotated("anna", store)
    for name, memory in memories.items():
        key_trust.verify(opened_by(name, store, memory), memory)
        assert [copy.epoch for copy in memory.key_copies.all()] == [3]


def test_an_epoch_that_nobody_has_signed_who_may_is_refused(project: Project, store: MemoryStore, tmp_path: Path) -> None:
    """A writer knows everybody's recipient, and all of a key object but the private content key."""
    memory = memory_of(tmp_path)
    key_trust.verify(opened_by(CREATOR, store, memory), memory)
    host = opened_by("host", store)
    evil = age.HybridIdentity.generate(project.services.randomness)
    chain = grants.read(project).chain
    assert chain.root is not None
    own = host.capability
    false = replace(
        own,
        rights=("read",),
        grant=chain.root.reference,
        epoch=2,
        content_recipient=evil.recipient,
        content_identity=evil,
        former=(FormerEpoch(1, own.fingerprint, None, own.catalogue, None, FAR_AHEAD),),
    )
    granting.put_key_object(host, chain.root.principal, false)
    with pytest.raises(KeyRefused, match="which nobody has signed"):
        key_trust.verify(opened_by(CREATOR, store, memory), memory)


def test_a_key_object_of_an_earlier_epoch_that_is_put_back_is_not_used(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    own = key_id(identity().recipient, project.id)
    names = (layout.key_name(project.id, own), layout.second_key_name(project.id, own))
    old = store.get(names[0])
    rotated(CREATOR, store)
    memory = memory_of(tmp_path)
    opened_by(CREATOR, store, memory)
    store.put(names[0], old)
    found = repository_of(store, memory).available([PROJECT], [identity()])
    assert found.projects[0].capability.epoch == 2 and "put an older one back" in found.problems[0].message
    store.put(names[1], old)
    found = repository_of(store, memory).available([PROJECT], [identity()])
    assert found.projects[0].capability.epoch == 2 and "copy on this machine" in found.problems[0].message


def test_of_two_who_rotate_at_once_one_is_told_that_the_other_does(project: Project, store: MemoryStore) -> None:
    creator, anna = opened_by(CREATOR, store), opened_by("anna", store)
    first = key_rotation._Rotation(creator, administrator(creator), lambda: None)
    first.begin()
    with pytest.raises(Busy, match="operator is rotating"):
        key_rotation.rotate(anna, administrator(anna, "anna"))
    first.introduce()
    # by now anna has the keys of the rotation, and may complete it
    rotated("anna", store)
    first.make_current()
    assert {opened_by(name, store).capability.epoch for name in (CREATOR, "anna", "host")} == {2}


def test_a_rotation_that_nobody_completes_is_left_behind_after_a_day(project: Project, store: MemoryStore) -> None:
    creator = opened_by(CREATOR, store)
    key_rotation._Rotation(creator, administrator(creator), lambda: None).begin()
    later = TickingClock(FAR_AHEAD + timedelta(days=2))
    anna = opened_by("anna", store)
    anna = replace(anna, services=services("later", later))
    done = key_rotation.rotate(anna, administrator(anna, "anna")).project
    assert done.capability.epoch == 3
    assert opened_by(CREATOR, store).capability.epoch == 3


def test_who_is_granted_keys_in_the_middle_of_a_rotation_has_them_after_it(project: Project, store: MemoryStore) -> None:
    creator = opened_by(CREATOR, store)
    run = key_rotation._Rotation(creator, administrator(creator), lambda: None)
    anna = opened_by("anna", store)
    run.begin()
    with pytest.raises(Busy, match="are being rotated"):
        granted(anna, "early", ("read",), by="anna")  # by who has not got the new keys
    run.introduce()
    with pytest.raises(Busy, match="are being rotated"):
        granted(anna, "late", ("read",), by="anna")
    run.make_current()
    assert opened_by("early", store).capability.epoch == 2
    assert opened_by("late", store).capability.epoch == 2


def test_who_grants_keys_of_before_over_those_of_a_rotation_is_told_of_it(
    project: Project, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by `tests.model.rotation`: the rotation gives bert the new keys, whose grant it sees, then anna gives him the ones
    of before, and finds her own unchanged."""
    creator, anna = opened_by(CREATOR, store), opened_by("anna", store)
    run = key_rotation._Rotation(creator, administrator(creator), lambda: None)
    put = granting.put_key_object

    def put_late(to: Project, principal: Principal, content: KeyObjectContent) -> None:
        """A rotation begins meanwhile, and comes to bert before it comes to anna."""
        monkeypatch.undo()
        run.begin()
        (bert,) = [one for one in run._holders() if one.name == "bert"]
        put(creator, principal, granting.content_for(run._capability, bert.rights, bert.reference))
        put(to, principal, content)

    monkeypatch.setattr(granting, "put_key_object", put_late)
    with pytest.raises(Busy, match="are being rotated"):
        granted(anna, "bert", ("write",), by="anna")
    run.introduce()
    run.make_current()
    assert opened_by("bert", store).capability.epoch == 2
    with pytest.raises(Busy, match="are being rotated"):
        granted(anna, "bert", ("write",), by="anna")


def test_who_grants_keys_in_the_middle_of_a_rotation_that_it_knows_of_is_told_of_it(
    project: Project, store: MemoryStore
) -> None:
    """Also the rotator itself: others may have the new keys as the current ones by now, and it may go on on another machine."""
    creator = opened_by(CREATOR, store)
    run = key_rotation._Rotation(creator, administrator(creator), lambda: None)
    run.begin()
    run.introduce()
    again = opened_by(CREATOR, store)
    with pytest.raises(Busy, match="are being rotated"):
        granting.refuse_while_rotating(again)
    with pytest.raises(Busy, match="are being rotated"):
        granted(again, "bert", ("write",))
    run.make_current()
    assert opened_by("bert", store).capability.epoch == 2


def test_a_holder_who_cannot_give_everything_on_rotates_nothing(project: Project, store: MemoryStore) -> None:
    granted(project, "bert", ("read",))
    bert = opened_by("bert", store)
    before = {info.name: store.get(info.name) for info in store.list("")}
    with pytest.raises(KeyRefused, match="takes all of them"):
        key_rotation.rotate(bert, administrator(bert, "bert"))
    assert {info.name: store.get(info.name) for info in store.list("")} == before


def test_after_very_many_rotations_everything_still_opens(project: Project, store: MemoryStore) -> None:
    for _ in range(5):
        rotated(CREATOR, store)
    own = opened_by("anna", store)
    assert own.capability.epoch == 6 and checked(own).sound
    with pytest.raises(Damaged):
        replace(own, capability=replace(own.capability, former=own.capability.former[:2])).open_catalogue(
            store.get(next(info.name for info in store.list(project.folder("snapshots"))))
        )
