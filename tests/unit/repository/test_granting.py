"""Key objects of holders in two places, with copies on their machines; grants and revocations as a repository keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.places import PROJECT, back_up, checked, identity
from tests.support.principals import (
    CREATOR,
    administrator,
    founded_on,
    granted,
    granting_descriptor,
    memory_of,
    opened_by,
    repository_of,
    revoked,
)
from tests.support.trees import write_tree
from vault import age
from vault.errors import Damaged, KeyRefused, StorageDenied, UsageError
from vault.format import layout
from vault.format.descriptor import EPOCHS
from vault.format.key_object import AuditCapability
from vault.format.rights import Rights
from vault.repository import granting, grants, key_trust
from vault.repository.key_objects import key_id
from vault.repository.project import Project
from vault.storage.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def project(store: MemoryStore) -> Project:
    return founded_on(store)


def names_of(name: str, project: Project) -> tuple[str, str]:
    own = key_id(identity(name).recipient, project.id)
    return layout.key_name(project.id, own), layout.second_key_name(project.id, own)


def test_a_creator_holds_everything_by_a_grant_of_its_own(project: Project, store: MemoryStore) -> None:
    own = opened_by(CREATOR, store)
    assert own.capability.rights == ("read", "audit") and own.capability.grant is not None
    first, second = names_of(CREATOR, project)
    assert store.get(first) == store.get(second)
    found = grants.read(own)
    assert found.chain.root is not None and found.chain.root.id == own.capability.grant.id and not found.problems
    assert found.chain.epochs[1].content_recipient == own.capability.content_recipient


@pytest.mark.parametrize(
    ("wanted", "content", "audit"),
    [(("read",), True, False), (("write",), False, False), (("read", "audit"), True, True), (("write", "audit"), False, True)],
)
def test_a_holder_gets_the_keys_of_its_rights_and_no_others(
    project: Project, store: MemoryStore, wanted: Rights, *, content: bool, audit: bool
) -> None:
    granted(project, "anna", wanted)
    capability = opened_by("anna", store).capability
    assert (capability.content_identity is not None, capability.audit_identity is not None) == (content, audit)
    assert capability.rights == wanted and capability.chunk_id_key == project.capability.chunk_id_key


def test_an_auditor_gets_the_log_and_with_the_catalogue_names_and_writes_nothing(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    granted(project, "auditor", ("audit",))
    (only,) = repository_of(store).open_keys([identity("auditor")]).auditors
    assert isinstance(only, AuditCapability) and only.audit_identities[0].recipient == project.capability.audit_recipient
    with pytest.raises(KeyRefused, match="and nothing else"):
        opened_by("auditor", store)
    assert grants.read_as_auditor(store, only).chain == grants.read(project).chain
    granted(project, "names", ("audit", "catalogue"))
    looking = opened_by("names", store)
    assert looking.capability.content_identity is None and looking.capability.kind == "audit"
    before = {info.name for info in store.list("")}
    with pytest.raises(KeyRefused, match="write nothing"):
        back_up(looking, write_tree(tmp_path / "source", {"a.csv": b"1,2\n" * 50}))
    assert {info.name for info in store.list("")} == before


def test_what_a_granter_has_not_got_it_cannot_give(project: Project, store: MemoryStore) -> None:
    granted(project, "anna", ("read",))
    by_anna = opened_by("anna", store)
    granted(by_anna, "host", ("write",), by="anna")
    assert opened_by("host", store).capability.kind == "write"
    with pytest.raises(KeyRefused, match="the right to audit"):
        granted(by_anna, "auditor", ("audit",), by="anna")
    for name in ("host", "nobody"):
        with pytest.raises(KeyRefused, match="may not grant"):
            administrator(by_anna, name)


def test_another_grant_takes_the_place_of_the_one_before(project: Project, store: MemoryStore) -> None:
    first = granted(project, "anna", ("read", "audit"))
    second = granted(project, "anna", ("write",))
    chain = grants.read(project).chain
    assert first.id in chain.revocations and second.id not in chain.revocations
    capability = opened_by("anna", store).capability
    assert capability.content_identity is None and capability.grant == second.reference
    with pytest.raises(KeyRefused, match="may not grant"):
        administrator(project, "anna")


def test_the_same_grant_twice_is_one(project: Project) -> None:
    assert granted(project, "anna", ("read",)) == granted(project, "anna", ("read",))


def test_two_holders_cannot_have_one_name(project: Project) -> None:
    granted(project, "anna", ("read",))
    chain = grants.read(project).chain
    other = granting.Holder("anna", granting.Holder.of("", identity("another anna").recipient).principal)
    with pytest.raises(UsageError, match="another 'anna'"):
        granting.give(project, administrator(project), chain, other, ("read",))


def test_a_revoked_holder_opens_nothing_not_even_with_the_copy_on_its_machine(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    one, memory = granted(project, "anna", ("read",)), memory_of(tmp_path, "anna")
    opened_by("anna", store, memory)
    assert [copy.epoch for copy in memory.key_copies.all()] == [1]
    revoked(project, one)
    assert not {info.name for info in store.list("")} & set(names_of("anna", project))
    for kept in (memory, None):
        with pytest.raises(KeyRefused, match="was revoked by operator" if kept else "none of the given"):
            opened_by("anna", store, kept)


def test_where_nothing_can_be_deleted_a_notice_takes_the_place_of_the_keys(project: Project, store: MemoryStore) -> None:
    class AppendOnly(MemoryStore):
        def delete(self, name: str) -> None:
            raise StorageDenied("no")

    kept = AppendOnly()
    for info in store.list(""):
        kept.put(info.name, store.get(info.name))
    there = replace(project, store=kept)
    revoked(there, granted(there, "anna", ("read",)))
    with pytest.raises(KeyRefused, match="was revoked by operator"):
        repository_of(kept).project(PROJECT, [identity("anna")])


def damaged(store: MemoryStore, name: str) -> None:
    data = bytearray(store.get(name))
    data[-3] ^= 1
    store.put(name, data)


@pytest.mark.parametrize("harm", [damaged, lambda store, name: store.delete(name), lambda store, name: store.put(name, b"")])
def test_a_key_object_is_read_in_the_second_place_and_then_from_the_machines_copy(
    project: Project, store: MemoryStore, tmp_path: Path, harm: Callable[[MemoryStore, str], None]
) -> None:
    first, second = names_of(CREATOR, project)
    memory, whole = memory_of(tmp_path), store.get(first)
    opened_by(CREATOR, store, memory)
    harm(store, first)
    (used,) = repository_of(store, memory).available([PROJECT], [identity()]).problems
    assert second in used.message and used.path.decode() == first
    assert opened_by(CREATOR, store).capability.project == project.id  # on a machine without a copy, too
    harm(store, second)
    (used,) = repository_of(store, memory).available([PROJECT], [identity()]).problems
    assert "copy on this machine" in used.message
    with pytest.raises((Damaged, KeyRefused, UsageError)):
        opened_by(CREATOR, store)
    store.put(first, whole)
    assert not repository_of(store, memory).available([PROJECT], [identity()]).problems


def test_all_key_objects_may_be_lost_and_a_machine_opens_its_projects(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    memory = memory_of(tmp_path)
    opened_by(CREATOR, store, memory)
    for info in list(store.list("keys")):
        store.delete(info.name)
    assert opened_by(CREATOR, store).capability.project == project.id
    for info in list(store.list(project.folder("keys"))):
        store.delete(info.name)
    assert [one.id for one in repository_of(store, memory).available([], [identity()]).projects] == [project.id]


def test_a_changed_descriptor_is_refused_by_name_with_the_place_of_a_right_copy(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    memory = memory_of(tmp_path)
    opened_by(CREATOR, store, memory)
    changed = replace(
        granting_descriptor(), meta=granting_descriptor().meta, trust=replace(project.descriptor.trust, create_once=False)
    )
    store.put(layout.DESCRIPTOR, changed.encode())
    with pytest.raises(Damaged, match=r"the descriptor \(strongroom.json\) was changed") as refused:
        opened_by(CREATOR, store, memory)
    copy = memory.descriptor_copy()
    assert copy is not None and str(copy) in (refused.value.hint or "")
    store.put(layout.DESCRIPTOR, copy.read_bytes())
    opened_by(CREATOR, store, memory)


def test_without_the_feature_a_repository_is_as_it_was(store: MemoryStore) -> None:
    plain = founded_on(store, replace(granting_descriptor(), features=()))
    assert EPOCHS not in plain.descriptor.features and plain.capability.grant is None
    assert not list(store.list(plain.folder("grants"))) and not list(store.list(plain.folder("keys")))


def test_keys_that_somebody_else_has_wrapped_for_a_holder_are_refused(
    project: Project, store: MemoryStore, tmp_path: Path
) -> None:
    """Who may write knows the recipients of all others, and could have them seal to a key of its own."""
    memory = memory_of(tmp_path)
    key_trust.verify(opened_by(CREATOR, store, memory), memory)
    evil = age.HybridIdentity.generate(project.services.randomness)
    false = replace(project.capability, content_identity=evil, content_recipient=evil.recipient)
    chain = grants.read(project).chain
    assert chain.root is not None
    granting.put_key_object(project, chain.root.principal, replace(false, rights=chain.root.rights, grant=chain.root.reference))
    with pytest.raises(KeyRefused, match="than were signed for epoch 1"):
        key_trust.verify(opened_by(CREATOR, store), memory_of(tmp_path, "a new machine"))
    with pytest.raises(KeyRefused, match="other keys"):
        key_trust.verify(opened_by(CREATOR, store, memory), memory)


def test_a_write_holder_backs_up_and_the_reader_reads_it(project: Project, store: MemoryStore, tmp_path: Path) -> None:
    granted(project, "host", ("write",))
    assert not back_up(opened_by("host", store), write_tree(tmp_path / "source", {"a.csv": b"1,2\n" * 50})).problems
    assert checked(opened_by(CREATOR, store)).sound
