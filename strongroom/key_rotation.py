"""Rotating the keys of projects, and bringing repositories of earlier versions up to grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import command_log, holders, notices
from strongroom.grants import Administration, administration, remember
from vault.age import HybridIdentity
from vault.errors import Damaged, KeyRefused
from vault.format import rights
from vault.format.grant import Grant
from vault.progress import Stop, never
from vault.wording import quoted

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.repository.key_upgrade import UpgradePlan
    from vault.repository.project import Project


class RotationPlan(Struct, frozen=True):
    """What a rotation would do.

    - `project`: its name
    - `epoch`: the number that begins
    - `resumes`: whether it was begun before
    - `holders`: who goes on
    - `left_out`: whose time is over, or who was revoked
    - `unknown`: ids of key objects of nobody who was granted anything, which keep the keys of before
    - `backups`: under way, which go on with the keys of before
    - `needed`: whether it was begun, is the first one, or somebody's grant has ended since the last one
    """

    project: str
    epoch: int
    resumes: bool
    holders: tuple[Grant, ...]
    left_out: tuple[Grant, ...]
    unknown: tuple[str, ...]
    backups: int
    needed: bool

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        plain = {name: getattr(self, name) for name in ("project", "epoch", "resumes", "backups")}
        return plain | {
            "holders": [_as_json(one) for one in self.holders],
            "is_needed": self.needed,
            "without_new_keys": [_as_json(one) for one in self.left_out],
            "unknown_key_objects": list(self.unknown),
        }


class RotatedKeys(Struct, frozen=True):
    """What a rotation did. project: its name · the others as in its plan."""

    project: str
    epoch: int
    holders: tuple[Grant, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"project": self.project, "epoch": self.epoch, "holders": [_as_json(one) for one in self.holders]}


def plan_rotation(context: Context, project: Project) -> RotationPlan:
    """What a rotation would do. Raises `KeyRefused` where the identity at hand may not rotate, `Busy` while somebody else
    does, `StorageError`."""
    from vault.repository import claims, key_objects, key_rotation

    work = administration(context, project)
    _refuse_resurrected(work)
    found = key_rotation.plan(work.project, work.chain)
    known = {key_objects.key_id(one.principal.recipient, project.id) for one in work.chain.grants.values()}
    listed = key_objects.listed(project.store, project.id)
    return RotationPlan(
        project=project.name,
        epoch=found.epoch,
        resumes=work.project.capability.pending is not None,
        holders=found.holders,
        left_out=found.left_out,
        unknown=tuple(one.id for one in listed if one.id not in known),
        backups=len(claims.list_ids(project)),
        needed=_is_needed(work),
    )


def _is_needed(work: Administration) -> bool:
    capability, chain = work.project.capability, work.chain
    if capability.pending is not None or not capability.former:
        return True
    since, now = capability.former[0].until, work.project.services.clock.now()
    ended = [one.at for one in chain.revocations.values()]
    ended += [one.until for one in chain.grants.values() if one.until is not None and one.until <= now]
    return any(moment >= since for moment in ended)


def _refuse_resurrected(work: Administration) -> None:
    """New keys are not for whom somebody has revoked, also where the revocation is lost. Raises `Damaged`."""
    for one in work.resurrected:
        raise Damaged(
            f"the revocation of {one.name} in project {work.project.name!r} is gone or cannot be read, so that the new keys "
            "would be theirs too",
            hint=f"revoke them again: `strongroom keys revoke {quoted(one.name)}`; or put the object back: `strongroom repair`",
        )


def rotate_keys(context: Context, project: Project, stop: Stop = never) -> RotatedKeys:
    """Begin a new epoch of a project's keys, or complete the one that was begun. Raises as `plan_rotation`."""
    from vault.repository import key_rotation

    with command_log.recorded(context, "rotate", [project]) as entry:
        work = administration(context, project)
        _refuse_resurrected(work)
        entry.begin(destructive=True)
        done = key_rotation.rotate(work.project, work.own, stop)
        entry.note(epoch=done.project.capability.epoch)
        entry.count(holders=len(done.holders))
    # what this machine remembers follows at once: the next command may be somebody else's
    context.projects([project.id])
    remember(context, [done.project])
    return RotatedKeys(project.name, done.project.capability.epoch, done.holders)


class UpgradedProject(Struct, frozen=True):
    """A project that is, or will be, brought up to grants. project: its name · holders: the names of those who hold keys by
    grants · kits_sign: whether the signing keys of all kits are known · unknown: key objects of nobody who is known."""

    project: str
    holders: tuple[str, ...]
    kits_sign: bool
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "holder_names": list(self.holders),
            "kits_sign": self.kits_sign,
            "unknown_key_objects": list(self.unknown),
        }


class RepositoryUpgrade(Struct, frozen=True):
    """What an upgrade does. feature: whether the descriptor will name the feature `epochs`, so that earlier versions refuse the
    repository by name."""

    plan: UpgradePlan
    feature: bool
    projects: tuple[UpgradedProject, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.plan.empty

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"feature": self.feature, "projects": [one.as_json() for one in self.projects]}


def plan_upgrade(context: Context) -> RepositoryUpgrade:
    """What it takes to bring the repository up to grants. Raises `KeyRefused` where there is no identity for that."""
    from vault.repository import key_upgrade

    own = holders.own_holders(context.identities)
    if not own:
        raise KeyRefused("there is no post-quantum identity at hand", hint="make one with `strongroom keys new`")
    pairs = list(zip(own, (one for one in context.identities if isinstance(one, HybridIdentity)), strict=True))
    plan = key_upgrade.plan(context.repository, pairs, holders.recovery_holders(context.settings))
    projects = tuple(
        UpgradedProject(
            context.settings.name_of(one.capability.project, one.capability.name),
            (one.creator.name, *(it.name for it in one.holders)),
            all(it.principal.signing_key is not None for it in one.holders),
            one.unknown,
        )
        for one in (*plan.projects, *plan.finishing)
    )
    return RepositoryUpgrade(plan, plan.descriptor is not None, projects)


def upgrade(context: Context, planned: RepositoryUpgrade, stop: Stop = never) -> None:
    """Carry out a plan. The same again completes what was cut off. Raises `StorageError`."""
    from vault.repository import key_upgrade

    key_upgrade.upgrade(context.repository, planned.plan, stop)
    for one in planned.projects:
        notices.step(f"project {one.project} has grants now")


def _as_json(one: Grant) -> dict[str, Any]:
    return {"name": one.name, "fingerprint": one.principal.fingerprint, "rights": list(one.rights)}


def in_words(grants: Sequence[Grant]) -> str:
    """Names, each with what it may do."""
    return ", ".join(f"{one.name} ({rights.as_text(one.rights)})" for one in grants)
