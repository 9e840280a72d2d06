"""Who holds keys of projects, as values: what each may do, since when, from whom, until when."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom import audit
from strongroom.audited_projects import AuditedProject
from strongroom.grants import GrantedKeys
from vault.errors import KeyRefused
from vault.format.grant import Grant, Revocation
from vault.format.grant_chain import GrantChain, may_administer
from vault.format.strict_json import write_moment

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom.context import Context
    from vault.format.key_object import AuditCapability
    from vault.problems import Problem
    from vault.repository.grants import StoredGrants
    from vault.repository.project import Project


class KeyHolder(Struct, frozen=True):
    """Somebody who holds keys of a project, or held them. project: its name · state: `holds`, `expired` or `revoked` ·
    revocation: None where there is none · last_seen: when they were at work last, as the log tells where it may be read, and
    snapshots of the host of that name; None where nothing tells."""

    project: str
    grant: Grant
    state: str
    revocation: Revocation | None
    last_seen: datetime | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        end = self.revocation
        return GrantedKeys(self.project, self.grant).as_json() | {
            "state": self.state,
            "may_grant": self.state == "holds" and may_administer(self.grant),
            "revoked_by": None if end is None else end.by.name,
            "revoked_at": None if end is None else write_moment(end.at),
            "reason": None if end is None else end.reason,
            "last_seen": self.last_seen and write_moment(self.last_seen),
        }


class ProjectHolders(Struct, frozen=True):
    """Who holds keys of a project. unknown: ids of key objects that no grant explains · granted: whether the project has
    grants; without them nobody can say who holds keys · epoch: the number of its keys · rotating: whether a rotation was begun
    and is not done · problems: grants that cannot be read or are signed by nobody who may."""

    project: str
    project_id: str
    granted: bool
    epoch: int
    rotating: bool
    holders: tuple[KeyHolder, ...]
    unknown: tuple[str, ...]
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        plain = {name: getattr(self, name) for name in ("project", "project_id", "granted", "epoch", "rotating")}
        return plain | {
            "holders": [one.as_json() for one in self.holders],
            "unknown_key_objects": list(self.unknown),
            "problem_list": [one.as_json() for one in self.problems],
        }


def list_holders(context: Context, names: Sequence[str] = (), *, ended: bool = False) -> list[ProjectHolders]:
    """Who holds keys of projects: what, since when, from whom, until when. names: of these alone; else of all that open, and of
    those of which the log does · ended: those who do not any more, too. Raises as `Context.projects`, `StorageError`."""
    auditors = [
        one
        for one in context.repository.open_keys(context.identities).auditors
        if not names or one.name in names or one.project in names
    ]
    found = [_holders_by_log(context, one, ended=ended) for one in auditors]
    known = {text for one in auditors for text in (one.name, one.project)}
    others = [name for name in names if name not in known]
    if others or (not names and not auditors):
        found += [_holders(context, project, ended=ended) for project in context.projects(others)]
    elif not names:
        with suppress(KeyRefused):  # nothing but logs opens
            found += [_holders(context, project, ended=ended) for project in context.available([])]
    return sorted(found, key=lambda one: one.project)


def _holders(context: Context, project: Project, *, ended: bool) -> ProjectHolders:
    from vault.repository import grants, snapshots

    seen: dict[str, datetime] = {}
    for record in snapshots.committed(project, rolled=True).records:
        seen[record.host] = max(record.finished_at, seen.get(record.host, record.finished_at))
    found = grants.read(project, context.memory)
    seen |= _seen_in_log(context, AuditedProject.of_project(project))
    made = _project_holders(context, project.name, project.id, found, seen, ended=ended)
    return replace(made, epoch=project.capability.epoch, rotating=project.capability.pending is not None)


def _holders_by_log(context: Context, capability: AuditCapability, *, ended: bool) -> ProjectHolders:
    """With the keys of the log alone."""
    from vault.repository import grants

    found = grants.read_as_auditor(context.repository.store, capability, context.memory)
    seen = _seen_in_log(context, AuditedProject.of_auditor(capability))
    made = _project_holders(context, capability.name, capability.project, found, seen, ended=ended)
    return replace(made, epoch=capability.epoch)


def _seen_in_log(context: Context, audited: AuditedProject) -> dict[str, datetime]:
    """When each principal was at work last, by its id in the repository; nothing where the log may not be read."""
    return audit.last_seen(context, [audited]) if audited.keys else {}


def _project_holders(
    context: Context, name: str, project_id: str, found: StoredGrants, seen: dict[str, datetime], *, ended: bool
) -> ProjectHolders:
    from vault.repository import key_objects

    now = context.repository.services.clock.now()
    repository = context.repository.descriptor.repository
    holders = [_holder(name, one, found.chain, now, _last(one, repository, seen)) for one in found.chain.grants.values()]
    ids = {key_objects.key_id(one.principal.recipient, project_id) for one in found.chain.grants.values()}
    listed = key_objects.listed(context.repository.store, project_id)
    return ProjectHolders(
        project=name,
        project_id=project_id,
        granted=found.chain.root is not None,
        epoch=0,
        rotating=False,
        holders=tuple(sorted((one for one in holders if ended or one.state == "holds"), key=_order)),
        unknown=tuple(one.id for one in listed if one.id not in ids),
        problems=found.problems,
    )


def _last(one: Grant, repository: str, seen: dict[str, datetime]) -> datetime | None:
    """seen: by hosts and by ids of principals."""
    times = (seen.get(one.name.rpartition("@")[2]), seen.get(one.principal.id(repository)))
    return max((time for time in times if time is not None), default=None)


def _holder(project: str, one: Grant, chain: GrantChain, now: datetime, last_seen: datetime | None) -> KeyHolder:
    end = chain.revocations.get(one.id)
    state = "revoked" if end is not None else "expired" if one.ended(now) else "holds"
    return KeyHolder(project, one, state, end, last_seen)


def _order(one: KeyHolder) -> tuple[bool, str, str]:
    return (one.state != "holds", one.grant.name, one.grant.at.isoformat())
