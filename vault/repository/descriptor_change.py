"""Naming a feature in the descriptor of a repository with grants. Every key object says what the right descriptor is, so:

    1  all key objects of all projects, with the digests of the descriptor that stands and of the one that will
    2  the descriptor
    3  all key objects again, without the digest of the one of before

It may stop anywhere, and everybody opens what they opened before; the same again goes on. Of each project the own key object
comes last in either pass and says how far it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from vault.age import Identity
from vault.errors import Busy, RefusedByRule, StrongroomError
from vault.format import layout
from vault.format.capability import Capability
from vault.format.descriptor import Descriptor
from vault.format.grant_chain import GrantChain
from vault.progress import Stop, never
from vault.repository import grants, key_objects
from vault.repository.granting import Administrator, administrator, content_for, put_key_object
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.wording import counted


class _Work(Struct, frozen=True):
    """A project whose key objects can be written anew."""

    capability: Capability
    own: Administrator
    chain: GrantChain


def refuse(repository: Repository, identities: Sequence[Identity], feature: str) -> None:
    """Raises `RefusedByRule` where these identities cannot write all key objects anew, `Busy` while keys are being rotated."""
    if feature not in repository.descriptor.features:
        _work(repository, identities, feature)


def introduce(repository: Repository, identities: Sequence[Identity], feature: str, stop: Stop = never) -> Repository:
    """The repository with this feature. Raises as `refuse`, `StorageError`."""
    if feature in repository.descriptor.features:
        return repository
    stored = Descriptor.decode(repository.data)
    data = replace(stored, features=(*stored.features, feature)).encode()
    before, after = repository.digest, hashlib.sha256(data).digest()
    work = _work(repository, identities, feature)
    for one in work:
        if one.capability.descriptors != (before, after):
            _rewrap(repository, one, (before, after), stop)
    repository.store.put(layout.DESCRIPTOR, data)
    if repository.memory is not None:
        repository.memory.save_descriptor(data, proven=True)
    changed = replace(
        repository,
        data=data,
        descriptor=replace(repository.descriptor, features=(*repository.descriptor.features, feature)),
    )
    for one in work:
        _rewrap(changed, one, (after,), stop)
    return changed


def finish(repository: Repository, identities: Sequence[Identity], stop: Stop = never) -> None:
    """Pass 3 of projects where it was cut off. Raises `StorageError`."""
    for capability in repository.open_keys(identities).capabilities:
        if len(capability.descriptors) > 1 and repository.digest in capability.descriptors:
            try:
                one = _of_project(repository, capability, identities)
            except StrongroomError:
                continue  # whoever may completes it, or `keys upgrade` does
            _rewrap(repository, one, (repository.digest,), stop)


def _work(repository: Repository, identities: Sequence[Identity], feature: str) -> list[_Work]:
    if not repository.has_grants:
        raise RefusedByRule(
            "this repository was made by an earlier version: nobody's right to erase could be shown",
            hint="bring it up to this one with `strongroom keys upgrade`, then run this again",
        )
    opened = repository.open_keys(identities, everywhere=True)
    found: list[_Work] = []
    closed = {one.scope for one in key_objects.listed(repository.store)} - {one.project for one in opened.capabilities}
    for capability in opened.capabilities:
        try:
            found.append(_of_project(repository, capability, identities))
        except Busy:
            raise
        except StrongroomError:
            closed.add(capability.project)
    if closed:
        projects = counted(len(closed), "project")
        raise RefusedByRule(
            f"the repository needs the feature {feature!r}, which is noted in the keys of all projects, and this identity does "
            f"not administer {projects}: {', '.join(sorted(closed))}",
            hint="let somebody erase who may read all projects, or whom all grant that for a day",
        )
    return found


def _of_project(repository: Repository, capability: Capability, identities: Sequence[Identity]) -> _Work:
    """Raises `Busy`, `KeyRefused`."""
    if capability.pending is not None:
        raise Busy(
            f"the keys of project {capability.name!r} are being rotated",
            hint="complete that first with `strongroom keys rotate`",
        )
    project = repository.opened_project(capability)
    chain = grants.read(project, repository.memory).chain
    own = administrator(project, chain, identities)
    for one in chain.standing(repository.services.clock.now()):
        content_for(capability, one.rights, one.reference)
    return _Work(capability, own, chain)


def _rewrap(repository: Repository, one: _Work, digests: tuple[bytes, ...], stop: Stop) -> None:
    """The keys as they are, with these digests, for everybody; the own ones last."""
    project: Project = repository.opened_project(replace(one.capability, descriptors=digests))
    chain = grants.read(project).chain
    for grant in sorted(
        chain.standing(repository.services.clock.now()), key=lambda it: it.principal == one.own.grant.principal
    ):
        stop()
        put_key_object(project, grant.principal, content_for(project.capability, grant.rights, grant.reference))
