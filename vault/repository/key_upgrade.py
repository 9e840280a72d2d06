"""Bringing a repository of an earlier version up to grants: whoever opens its projects becomes the one who may grant.

    1  of each project that opens: own key objects in both places, with the descriptor's digests, the one that stands and the
       one that will; the root grant; the statement of its keys; grants for the other holders that are known
    2  the descriptor, with the feature `epochs`
    3  the key objects again, without the digest of the descriptor of before

It may stop anywhere: what stands then opens with this version, and up to step 2 with earlier ones as well. The same again goes
on. Key objects of holders whose recipients nobody knows stay as they are, and get their second place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from vault.age import HybridIdentity
from vault.errors import ObjectNotFound
from vault.format import layout
from vault.format.capability import Capability
from vault.format.descriptor import EPOCHS, Descriptor
from vault.format.grant import Grant
from vault.progress import Stop, never
from vault.repository import granting, grants, key_objects
from vault.repository.granting import Holder, content_for, put_key_object
from vault.repository.key_objects import key_id
from vault.repository.project import Project
from vault.repository.repository import Repository


class ProjectUpgrade(NamedTuple):
    """What is to be done of a project. capability: its keys, under its stored name · creator, identity: who will have created
    it · holders: others whose recipients are known · unknown: ids of key objects of anybody else."""

    capability: Capability
    creator: Holder
    identity: HybridIdentity
    holders: tuple[Holder, ...]
    unknown: tuple[str, ...]


class UpgradePlan(Struct, frozen=True):
    """What an upgrade would do. descriptor: with the feature; None where it stands already · projects: to be brought up ·
    finishing: projects of which an interrupted run has left the digest of the descriptor of before."""

    descriptor: Descriptor | None
    projects: tuple[ProjectUpgrade, ...]
    finishing: tuple[ProjectUpgrade, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.descriptor is None and not self.projects and not self.finishing


def plan(repository: Repository, own: Sequence[tuple[Holder, HybridIdentity]], known: Sequence[Holder]) -> UpgradePlan:
    """Find out what an upgrade would do. own: the identities at hand; the first that opens a project becomes its creator ·
    known: others that may hold keys, such as recovery kits. Raises `StorageError`."""
    opened = repository.open_keys([identity for _, identity in own]).capabilities
    opened = [one for one in opened if one.content_identity is not None]  # who only writes can grant nothing
    descriptor = (
        None if repository.has_grants else replace(repository.descriptor, features=(*repository.descriptor.features, EPOCHS))
    )
    new = [_of_project(repository, one, own, known) for one in opened if one.grant is None or descriptor is not None]
    finishing = [_of_project(repository, one, own, known) for one in opened if descriptor is None and len(one.descriptors) > 1]
    return UpgradePlan(descriptor, tuple(new), tuple(one for one in finishing if one.capability.grant is not None))


def upgrade(repository: Repository, plan: UpgradePlan, stop: Stop = never) -> None:
    """Carry out a plan. Raises `StorageError`, `KeyRefused` where somebody else has created a project."""
    data = repository.data if plan.descriptor is None else plan.descriptor.encode()
    new = hashlib.sha256(data).digest()
    digests = tuple(dict.fromkeys([repository.digest, new]))
    for one in plan.projects:
        stop()
        _found(repository, one, digests)
    if plan.descriptor is not None:
        repository.store.put(layout.DESCRIPTOR, data)
    for one in (*plan.projects, *plan.finishing) if len(digests) > 1 or plan.finishing else ():
        stop()
        _name_only(repository, one, new)


def _of_project(
    repository: Repository, capability: Capability, own: Sequence[tuple[Holder, HybridIdentity]], known: Sequence[Holder]
) -> ProjectUpgrade:
    ids = {one.id for one in key_objects.listed(repository.store, capability.project)}

    def leaf(holder: Holder) -> str:
        return key_id(holder.principal.recipient, capability.project)

    creator, identity = next((one for one in own if leaf(one[0]) in ids), own[0])
    others = [one for one, _ in own if one is not creator] + [one for one in known if one.principal != creator.principal]
    holders = tuple(one for one in others if leaf(one) in ids)
    unknown = ids - {leaf(creator), *map(leaf, holders)}
    return ProjectUpgrade(capability, creator, identity, holders, tuple(sorted(unknown)))


def _found(repository: Repository, one: ProjectUpgrade, digests: tuple[bytes, ...]) -> None:
    """Step 1 of a project."""
    capability = one.capability
    if capability.audit_recipient is None:
        log = HybridIdentity.generate(repository.services.randomness)
        capability = replace(capability, audit_recipient=log.recipient, audit_identity=log)
    project = repository.opened_project(replace(capability, descriptors=digests))
    for leaf in one.unknown:
        _second_place(project, leaf)
    granting.found(project, one.creator, one.identity, one.holders)


def _second_place(project: Project, leaf: str) -> None:
    """Somebody's key object, as it is, in its second place."""
    name = layout.second_key_name(project.id, leaf)
    try:
        project.store.size(name)
    except ObjectNotFound:
        project.store.put(name, project.store.get(layout.key_name(project.id, leaf)))


def _name_only(repository: Repository, one: ProjectUpgrade, digest: bytes) -> None:
    """Step 3 of a project: the keys as they are now, with the digest of the one right descriptor, for everybody."""
    opened = repository.open_keys_of(one.capability.project, [one.identity]).capabilities
    for capability in opened:
        project = repository.opened_project(replace(capability, descriptors=(digest,)))
        chain = grants.read(project).chain
        own = granting.administrator(project, chain, [one.identity])
        for grant in chain.standing(repository.services.clock.now()):
            if grant.id != own.grant.id:
                _rewrap(project, grant)
        _rewrap(project, own.grant)


def _rewrap(project: Project, grant: Grant) -> None:
    put_key_object(project, grant.principal, content_for(project.capability, grant.rights, grant.reference))
