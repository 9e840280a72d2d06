"""Rotating a project's keys: a new epoch begins, and those who hold keys by then go on with it. What former epochs have sealed
stays readable for them.

    statement   own key objects with the new epoch as pending, then the signed statement of its public keys: of two who begin at
                once, one sees the other's
    pass 1      the new epoch as pending into the key objects of all holders; then it is complete
    pass 2      the new epoch as the current one into the key objects of all holders, own ones last

After pass 1 everybody opens what is sealed to either epoch, so that it does no harm to stop anywhere. Own key objects say how
far it came: the same again goes on from there. Who was granted keys meanwhile is seen in the listings after each pass; who
granted them looks for the statement afterwards (`granting.refuse_outdated`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from vault.errors import Busy, KeyRefused, ObjectExists
from vault.format.capability import Capability
from vault.format.epoch_keys import PendingEpoch
from vault.format.grant import EpochStatement, Grant
from vault.format.grant_chain import GrantChain
from vault.progress import Stop, never
from vault.repository import grants, key_objects
from vault.repository.granting import Administrator, content_for, epoch_statement, put_key_object, take_away
from vault.repository.key_objects import key_id
from vault.repository.project import Project

ABANDONED_AFTER = timedelta(days=1)
"""Without an end, a rotation that somebody else has begun is left behind, and another one begins."""


class RotationPlan(NamedTuple):
    """What a rotation would do. epoch: the number that begins · began: the statement where it was begun already · holders: who
    goes on · left_out: whose time is over, or who was revoked, since there is no newer grant."""

    epoch: int
    began: EpochStatement | None
    holders: tuple[Grant, ...]
    left_out: tuple[Grant, ...]


class Rotated(Struct, frozen=True):
    """project: with the new keys · holders: who has them."""

    project: Project
    holders: tuple[Grant, ...]


def plan(project: Project, chain: GrantChain) -> RotationPlan:
    """Find out what a rotation would do. Raises `Busy` while somebody else rotates, `KeyRefused` where these keys are not all
    that there are."""
    refuse_incomplete(project.capability)
    number = _number(project, chain)
    standing = chain.standing(project.services.clock.now())
    on = {one.principal.recipient for one in standing}
    gone = {one.principal.recipient: one for one in sorted(chain.grants.values(), key=lambda one: one.at)}
    left_out = tuple(one for recipient, one in gone.items() if recipient not in on)
    return RotationPlan(number, chain.epochs.get(number), tuple(standing), left_out)


def rotate(project: Project, own: Administrator, stop: Stop = never) -> Rotated:
    """Begin a new epoch, or complete the one that was begun. Raises as `plan`, `StorageError`."""
    run = _Rotation(project, own, stop)
    run.begin()
    run.introduce()
    return run.make_current()


def refuse_incomplete(capability: Capability) -> None:
    """Raises `KeyRefused` where a holder could not give others all that they hold by now."""
    if capability.content_identity is None or capability.audit_identity is None:
        raise KeyRefused(
            f"to rotate the keys of project {capability.name!r} takes all of them: the right to read, and to audit",
            hint="let somebody with both rotate them; `strongroom keys list` says who has them",
        )


def refuse_outdated(project: Project) -> None:
    """For whoever finds objects that cannot be read: an epoch may have begun since these keys were opened, and what is
    encrypted to that is not damaged. One that began more than a day ago and never came to these keys is no excuse. Raises
    `Busy`, `StorageError`."""
    capability = project.capability
    if capability.grant is None:
        return
    known = capability.epoch if capability.pending is None else max(capability.epoch, capability.pending.number)
    since = project.services.clock.now() - ABANDONED_AFTER
    if any(number > known and one.at > since for number, one in grants.read(project).chain.epochs.items()):
        raise Busy(
            f"the keys of project {project.name!r} were rotated while this was running: what is encrypted to the new ones "
            "cannot be read with those from before",
            hint="run it again",
        )


def _number(project: Project, chain: GrantChain) -> int:
    """Of the epoch that begins. Raises `Busy`."""
    if project.capability.pending is not None:
        return project.capability.pending.number
    number = project.capability.epoch + 1
    since = project.services.clock.now() - ABANDONED_AFTER
    while number in chain.epochs:
        other = chain.epochs[number]
        if other.at > since:
            raise Busy(
                f"{other.by.name} is rotating the keys of project {project.name!r}, since {other.at:%Y-%m-%d %H:%M} UTC",
                hint="they complete it with `strongroom keys rotate`; after a day without an end another rotation may begin",
            )
        number += 1
    return number


class _Rotation:
    def __init__(self, project: Project, own: Administrator, stop: Stop) -> None:
        self._project = project
        self._own = own
        self._stop = stop
        self._capability = project.capability

    def begin(self) -> None:
        """Own key objects with the new keys, and the statement about them."""
        chain = grants.read(self._project).chain
        pending = self._capability.pending
        if pending is None:
            pending = PendingEpoch.generate(plan(self._project, chain).epoch, self._project.services.randomness)
            self._write_own(replace(self._capability, pending=pending))
        self._capability = replace(self._capability, pending=pending)
        stated = chain.epochs.get(pending.number)
        if stated is None:
            stated = self._state(pending)
        if stated is None or stated.content_recipient != pending.content_recipient:
            self._capability = replace(self._capability, pending=None)
            self._write_own(self._capability)
            raise Busy(
                f"somebody else has begun to rotate the keys of project {self._project.name!r}", hint="run it again later"
            )

    def _state(self, pending: PendingEpoch) -> EpochStatement | None:
        """Write the statement; gives what stands there afterwards."""
        with suppress(ObjectExists):  # somebody else's, or nobody's
            grants.write(self._project, epoch_statement(self._project, self._own, pending))
        return grants.read(self._project).chain.epochs.get(pending.number)

    def introduce(self) -> None:
        """Pass 1."""
        pending = self._capability.pending
        if pending is None or pending.complete:
            return
        self._give_all(self._capability)
        self._capability = replace(self._capability, pending=replace(pending, complete=True))
        self._write_own(self._capability)

    def make_current(self) -> Rotated:
        """Pass 2."""
        before = self._capability
        after = before.next_epoch(self._project.services.clock.now())
        given = self._give_all(after)
        self._capability = after
        self._write_own(after)
        given = self._give_all(after, given)  # who was granted keys meanwhile, by who had not seen the new ones
        self._sweep()
        own = replace(after, rights=self._own.grant.rights, grant=self._own.grant.reference)
        return Rotated(replace(self._project, capability=own), given)

    def _give_all(self, capability: Capability, done: Sequence[Grant] = ()) -> tuple[Grant, ...]:
        """Wrap these keys to every holder but the own one, and to those who are granted some meanwhile. done: who has them."""
        given = {one.id: one for one in done}
        while True:
            waiting = [one for one in self._holders() if one.id not in given]
            for one in waiting:
                self._stop()
                given[one.id] = one
                if one.principal.recipient != self._own.grant.principal.recipient:
                    put_key_object(self._project, one.principal, content_for(capability, one.rights, one.reference))
            if not waiting:
                return tuple(given.values())

    def _holders(self) -> list[Grant]:
        return grants.read(self._project).chain.standing(self._project.services.clock.now())

    def _write_own(self, capability: Capability) -> None:
        grant = self._own.grant
        put_key_object(self._project, grant.principal, content_for(capability, grant.rights, grant.reference))

    def _sweep(self) -> None:
        """Take away the key objects of revoked grants that an interrupted revocation has left."""
        chain = grants.read(self._project).chain
        there = {one.id for one in key_objects.listed(self._project.store, self._project.id)}
        on = {one.principal.recipient for one in chain.grants.values() if one.id not in chain.revocations}
        for one in chain.grants.values():
            end = chain.revocations.get(one.id)
            if end and one.principal.recipient not in on and key_id(one.principal.recipient, self._project.id) in there:
                take_away(self._project, one, end)
