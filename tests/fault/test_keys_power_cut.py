"""Power fails after every write while keys are granted, revoked and rotated, and a repository is brought up to grants: nobody
who holds keys is locked out, nobody holds keys who is not named, and the same again completes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from tests.support.dying import DyingStore, PowerCut, moments
from tests.support.places import FAR_AHEAD, PROJECT, back_up, checked, copied, identity, services, tiny_descriptor
from tests.support.principals import (
    CREATOR,
    administrator,
    founded_on,
    granted,
    granting_descriptor,
    holder,
    memory_of,
    opened_by,
    repository_of,
    revoked,
)
from tests.support.trees import write_tree
from vault.age import HybridIdentity
from vault.errors import KeyRefused
from vault.repository import granting, grants, key_rotation, key_trust, key_upgrade
from vault.repository.client_memory import ClientMemory
from vault.repository.granting import Holder
from vault.repository.key_objects import key_id, listed
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.storage.contract import Store
from vault.storage.memory import MemoryStore

READERS = (CREATOR, "anna")
KIT = "recovery kit"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> MemoryStore:
    """A repository with a snapshot, a second reader, a writer and an auditor."""
    store = MemoryStore()
    made = founded_on(store)
    granted(made, "anna", ("read", "audit"))
    granted(made, "host", ("write",))
    granted(made, "auditor", ("audit",))
    back_up(made, write_tree(tmp_path_factory.mktemp("keys") / "source", {"a.csv": b"1,2\n" * 50}))
    return store


def grant_bert(store: Store) -> None:
    granted(opened_by(CREATOR, store), "bert", ("read",))


def restrict_anna(store: Store) -> None:
    granted(opened_by(CREATOR, store), "anna", ("write",))


def revoke_host(store: Store) -> None:
    project = opened_by(CREATOR, store)
    chain = grants.read(project).chain
    (one,) = [it for it in chain.grants.values() if it.name == "host"]
    if one.id not in chain.revocations:
        revoked(project, one)
    else:
        granting.take_away(project, one, chain.revocations[one.id])


def rotate(store: Store) -> None:
    project = opened_by(CREATOR, store)
    key_rotation.rotate(project, administrator(project))


def writes_of(work: Callable[[Store], None], template: MemoryStore) -> int:
    store = DyingStore(copied(template))
    work(store)
    return store.writes


WORK: dict[str, tuple[Callable[[Store], None], int]] = {
    "grant": (grant_bert, 3),
    "grant less": (restrict_anna, 4),
    "revoke": (revoke_host, 3),
    "rotate": (rotate, 19),
}


@pytest.mark.parametrize("what", WORK)
def test_the_work_of_these_tests_has_as_many_writes_as_they_go_through(what: str, template: MemoryStore) -> None:
    work, count = WORK[what]
    assert writes_of(work, template) == count


CUTS = [pytest.param(what, *one.values, marks=one.marks) for what, (_, count) in WORK.items() for one in moments(count)]


def all_named(store: Store) -> None:
    """Nobody holds keys who is not named in a grant."""
    project = opened_by(CREATOR, store)
    found = grants.read(project)
    assert not found.problems
    named = {key_id(one.principal.recipient, project.id) for one in found.chain.grants.values()}
    assert {one.id for one in listed(store, project.id)} <= named


@pytest.mark.parametrize(("what", "lives", "when"), CUTS)
def test_a_power_cut_locks_nobody_out_and_the_same_again_completes_it(
    what: str, lives: int, when: Literal["before", "after"], template: MemoryStore, tmp_path: Path
) -> None:
    work, _ = WORK[what]
    store = copied(template)
    memories = {name: memory_of(tmp_path, name) for name in READERS}
    for name in READERS:
        key_trust.verify(opened_by(name, store, memories[name]), memories[name])
    with pytest.raises(PowerCut):
        work(DyingStore(store, lives=lives, when=when))
    everybody_reads_and_writes(store, memories, tmp_path, what)
    all_named(store)
    work(store)
    everybody_reads_and_writes(store, memories, tmp_path, what)
    complete(what, store)


def everybody_reads_and_writes(store: MemoryStore, memories: dict[str, ClientMemory], tmp_path: Path, what: str) -> None:
    for name in READERS:
        project = opened_by(name, store, memories[name])
        key_trust.verify(project, memories[name])
        assert checked(project, data=0.0 if project.capability.content_identity is None else 1.0).sound
    write_tree(tmp_path / "source", {"more.csv": b"9\n" * 30})
    if what != "revoke":
        back_up(opened_by("host", store), tmp_path / "source")
    if what != "grant less":
        assert checked(opened_by("anna", store)).sound


def complete(what: str, store: MemoryStore) -> None:
    project = opened_by(CREATOR, store)
    standing = {one.name: one.rights for one in grants.read(project).chain.standing(FAR_AHEAD)}
    names = {"anna", "host", "auditor", CREATOR}
    if what == "grant":
        assert set(standing) == names | {"bert"} and opened_by("bert", store).capability.content_identity
    elif what == "grant less":
        assert standing["anna"] == ("write",) and opened_by("anna", store).capability.content_identity is None
    elif what == "revoke":
        assert set(standing) == names - {"host"}
        with pytest.raises(KeyRefused):
            opened_by("host", store)
    else:
        # where all was done before the power failed, the same again begins another epoch
        assert {opened_by(name, store).capability.epoch for name in (CREATOR, "anna", "host")} in ({2}, {3})
        assert not any(opened_by(name, store).capability.pending for name in (CREATOR, "anna", "host"))


def old_repository(store: MemoryStore, tmp_path: Path) -> Project:
    """As an earlier version has made it: with a recovery kit, and one more reader whom nobody knows."""
    repository = Repository.create(store, tiny_descriptor(), services())
    everybody = [identity(name).recipient for name in (CREATOR, KIT, "unknown")]
    made = repository.add_project(PROJECT, everybody, [identity(CREATOR)])
    back_up(made, write_tree(tmp_path / "source", {"a.csv": b"1,2\n" * 50}))
    return made


def bring_up(store: Store) -> None:
    repository = repository_of(store)
    own: list[tuple[Holder, HybridIdentity]] = [(holder(CREATOR), identity(CREATOR))]
    key_upgrade.upgrade(repository, key_upgrade.plan(repository, own, [holder(KIT)]))


UPGRADE_WRITES = 13


def test_an_upgrade_has_as_many_writes_as_the_next_test_goes_through(tmp_path: Path) -> None:
    store = MemoryStore()
    old_repository(store, tmp_path)
    dying = DyingStore(store)
    bring_up(dying)
    assert dying.writes == UPGRADE_WRITES
    assert key_upgrade.plan(repository_of(store), [(holder(CREATOR), identity(CREATOR))], [holder(KIT)]).empty


@pytest.mark.parametrize(("lives", "when"), moments(UPGRADE_WRITES))
def test_a_power_cut_in_an_upgrade_leaves_a_repository_that_opens(
    lives: int, when: Literal["before", "after"], tmp_path: Path
) -> None:
    store = MemoryStore()
    old_repository(store, tmp_path)
    memory = memory_of(tmp_path)
    key_trust.verify(opened_by(CREATOR, store, memory), memory)
    with pytest.raises(PowerCut):
        bring_up(DyingStore(store, lives=lives, when=when))
    for name in (CREATOR, KIT, "unknown"):
        assert checked(opened_by(name, store)).sound
    key_trust.verify(opened_by(CREATOR, store, memory), memory)
    bring_up(store)
    project = opened_by(CREATOR, store, memory)
    key_trust.verify(project, memory)
    assert {one.name for one in grants.read(project).chain.standing(FAR_AHEAD)} == {CREATOR, KIT}
    assert all(len(opened_by(name, store).capability.descriptors) == 1 for name in (CREATOR, KIT))
    back_up(project, tmp_path / "source")
    for name in (CREATOR, KIT, "unknown"):
        assert checked(opened_by(name, store)).sound
    key_rotation.rotate(project, administrator(project))
    assert opened_by(KIT, store).capability.epoch == 2 and opened_by("unknown", store).capability.epoch == 1


def test_a_new_project_that_was_cut_off_is_completed(tmp_path: Path) -> None:
    holders = [holder(CREATOR), holder(KIT)]

    def add(store: Store) -> None:
        repository_of(store).add_project(PROJECT, holders, [identity(CREATOR)])

    def fresh() -> MemoryStore:
        store = MemoryStore()
        Repository.create(store, granting_descriptor(), services())
        return store

    dying = DyingStore(fresh())
    add(dying)
    for lives in range(dying.writes):
        store = fresh()
        with pytest.raises(PowerCut):
            add(DyingStore(store, lives=lives, when="after"))
        if lives + 1 < dying.writes:
            add(store)
        assert {opened_by(name, store).id for name in (CREATOR, KIT)} == {opened_by(CREATOR, store).id}
        assert {one.name for one in grants.read(opened_by(CREATOR, store)).chain.standing(FAR_AHEAD)} == {CREATOR, KIT}
        project = replace(opened_by(CREATOR, store))
        back_up(project, write_tree(tmp_path / "source", {"a.csv": b"1"}))
