"""Projects whose log is read: by whoever may see more of them, and by auditors who may read the log and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from strongroom import notices
from vault.age import HybridIdentity
from vault.errors import KeyRefused

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.format.grant_chain import GrantChain
    from vault.format.key_object import AuditCapability
    from vault.repository.project import Project


class AuditedProject(Struct, frozen=True):
    """A project whose log is read.

    - `keys`: what opens the log, of every epoch; none where it may not be read
    - `has_log`: whether it has one
    - `project`, `auditor`: one of both: for whoever sees the catalogue, and for whoever may read the log and nothing else
    """

    id: str
    name: str
    keys: tuple[HybridIdentity, ...]
    has_log: bool
    project: Project | None = None
    auditor: AuditCapability | None = None

    @classmethod
    def of_project(cls, project: Project) -> AuditedProject:
        """Whatever else may be done with it."""
        capability = project.capability
        has_log = capability.audit_recipient is not None
        return cls(project.id, project.name, capability.audit_identities, has_log, project)

    @classmethod
    def of_auditor(cls, capability: AuditCapability) -> AuditedProject:
        """Of which nothing but the log may be read."""
        return cls(capability.project, capability.name, capability.audit_identities, has_log=True, auditor=capability)


def audited_projects(context: Context, names: Sequence[str] = ()) -> list[AuditedProject]:
    """The projects of these names or ids, or all whose log the identities at hand can read in part. Raises `KeyRefused`,
    `UsageError` with the nearest name, `Damaged`, `StorageError`."""
    opened = context.repository.open_keys(context.identities)
    auditors = {one.name: one for one in opened.auditors} | {one.project: one for one in opened.auditors}
    for one in opened.auditors:
        context.repository.refuse_changed_descriptor(one)
    if names:
        return [
            AuditedProject.of_auditor(auditors[name]) if name in auditors else AuditedProject.of_project(context.project(name))
            for name in names
        ]
    others = context.available([]) if opened.capabilities or not opened.auditors else []
    found = [*map(AuditedProject.of_project, others), *map(AuditedProject.of_auditor, opened.auditors)]
    return sorted(found, key=lambda one: one.name)


def log_keys(projects: Sequence[AuditedProject]) -> list[HybridIdentity]:
    """What opens the logs of projects. Raises `KeyRefused` where none may be read."""
    keys = [key for one in projects for key in one.keys]
    closed = [one for one in projects if one.has_log and not one.keys]
    if closed and not keys:
        raise KeyRefused(
            f"this identity may not read the log of project {closed[0].name!r}",
            hint="use one that may audit it, for example the recovery kit, with --identity FILE",
        )
    for one in closed:
        notices.notice(f"the log of project {one.name} is left out: this identity may not read it")
    return keys


def without_log(projects: Sequence[AuditedProject]) -> tuple[str, ...]:
    """The projects whose keys were made before there was a log; each is said as a notice."""
    names = tuple(one.name for one in projects if not one.has_log)
    for name in names:
        notices.notice(f"project {name} has no log yet: `strongroom keys upgrade` gives it one")
    return names


def granted_signing_keys(context: Context, projects: Sequence[AuditedProject]) -> dict[str, tuple[str, bytes]]:
    """Name and signing key of everybody who was granted keys of these projects, by the principal's id in the repository. Raises
    `StorageError`."""
    repository = context.repository.descriptor.repository
    found: dict[str, tuple[str, bytes]] = {}
    for chain in _chains(context, projects):
        for one in chain.grants.values():
            if one.principal.signing_key is not None:
                found[one.principal.id(repository)] = (one.name, one.principal.signing_key)
    return found


def _chains(context: Context, projects: Sequence[AuditedProject]) -> list[GrantChain]:
    from vault.repository import grants

    if not context.repository.has_grants:
        return []
    chains = []
    for one in projects:
        if one.project is not None:
            chains.append(grants.read(one.project, context.memory).chain)
        elif one.auditor is not None:
            chains.append(grants.read_as_auditor(context.repository.store, one.auditor, context.memory).chain)
    return chains
