"""Granting keys to principals, and taking them away.

A grant is written before the key object that follows from it: who holds keys is always named. A revocation is written before
the key objects are deleted. Whatever is cut off in between, the same again completes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from vault import age
from vault.age import HybridIdentity, HybridRecipient, Identity
from vault.errors import Busy, Damaged, KeyRefused, StorageDenied, UsageError
from vault.format import grant, layout
from vault.format.capability import Capability
from vault.format.epoch_keys import PendingEpoch
from vault.format.grant import EpochStatement, Grant, Revocation, Signer
from vault.format.grant_chain import GrantChain, may_administer
from vault.format.granted_fields import GrantReference
from vault.format.key_object import AuditCapability, KeyObjectContent, RevokedNotice
from vault.format.principal import Principal
from vault.format.rights import AUDIT, READ, Rights
from vault.repository import grants, key_objects
from vault.repository.key_objects import key_id
from vault.repository.project import Project

KIT = "recovery kit"
"""What the holder of a recovery kit is called in grants."""


class Holder(Struct, frozen=True):
    """Somebody whom keys are granted to. name: for people."""

    name: str
    principal: Principal

    @classmethod
    def of(cls, name: str, recipient: HybridRecipient) -> Holder:
        """One of whom only the recipient is known."""
        return cls(name, Principal(recipient))


class Administrator(Struct, frozen=True):
    """Somebody who may grant: a believed grant, and the identity that signs. identity: its private half."""

    grant: Grant
    identity: HybridIdentity

    @property
    def signer(self) -> Signer:
        """As statements name it."""
        return Signer(self.grant.name, self.grant.principal.signing_key or b"")


def administrator(project: Project, chain: GrantChain, identities: Sequence[Identity]) -> Administrator:
    """The one of these identities that may grant, revoke and rotate. Raises `KeyRefused`."""
    now = project.services.clock.now()
    for identity in (one for one in identities if isinstance(one, HybridIdentity)):
        own = Principal.of(identity)
        for one in chain.standing(now):
            if one.principal == own and may_administer(one):
                return Administrator(one, identity)
    raise KeyRefused(
        f"this identity may not grant, revoke or rotate in project {project.name!r}: that takes the right to read, and no "
        "end of it",
        hint="use the identity of somebody who may, or the recovery kit; `strongroom keys list` says who that is",
    )


def content_for(capability: Capability, wanted: Rights, reference: GrantReference) -> KeyObjectContent:
    """What a holder of these rights gets of the keys. capability: with all rights that are given on. Raises `Damaged` where it
    lacks a key for them."""
    held = {READ: capability.content_identity, AUDIT: capability.audit_identity}
    for right, key in held.items():
        if right in wanted and key is None:
            raise KeyRefused(
                f"the right to {right} in project {capability.name!r} can be given by nobody who has not got it",
                hint="let somebody with that right grant it; `strongroom keys list` says who has it",
            )
    if wanted == (AUDIT,):
        return AuditCapability.of(capability, reference)
    made = replace(capability, rights=wanted, grant=reference)
    if READ not in wanted:
        made = made.without_content()
    return made if AUDIT in wanted else made.without_audit()


def put_key_object(project: Project, principal: Principal, content: KeyObjectContent) -> None:
    """Wrap keys to a principal, in both places. Raises `StorageError`."""
    sealed = age.seal(content.encode(), [principal.recipient], project.services.randomness).data
    own = key_id(principal.recipient, project.id)
    for name in (layout.key_name(project.id, own), layout.second_key_name(project.id, own)):
        project.store.put(name, sealed)


def found(project: Project, creator: Holder, identity: HybridIdentity, others: Sequence[Holder]) -> Grant:
    """The first grants of a project: the creator signs for itself, and grants the others the rights to read and to audit. What
    an interrupted run has written of it is completed. identity: the creator's. Raises `StorageError`, `KeyRefused` where
    somebody else has created the project."""
    chain = grants.read(project).chain
    root = chain.root or _root(project, creator, identity)
    if root.principal.recipient != identity.recipient:
        raise KeyRefused(
            f"project {project.name!r} was begun by {root.name}", hint="let them complete it, or choose another name"
        )
    put_key_object(project, root.principal, content_for(project.capability, root.rights, root.reference))
    if chain.root is None:
        grants.write(project, root)
    own = Administrator(root, identity)
    if project.capability.epoch not in chain.epochs:
        grants.write(project, epoch_statement(project, own, project.capability))
    for one in others:
        if one.principal.recipient != root.principal.recipient:
            give(project, own, chain, one, (READ, AUDIT))
    return root


def give(
    project: Project,
    own: Administrator,
    chain: GrantChain,
    holder: Holder,
    wanted: Rights,
    until: datetime | None = None,
) -> Grant:
    """Grant rights to somebody, in the place of those that they have had. The same again completes what was cut off. chain:
    what is believed of the project. Raises `UsageError`, `KeyRefused` where nobody may give these rights, `StorageError`;
    `Busy` while the keys are being rotated, when all is written: then the holder may lack the new ones."""
    now = project.services.clock.now()
    standing = chain.standing(now)
    recipient = holder.principal.recipient
    for one in standing:
        if one.name == holder.name and one.principal.recipient != recipient:
            raise UsageError(
                f"there is another {holder.name!r} in project {project.name!r}, with the fingerprint "
                f"{one.principal.fingerprint}",
                hint="choose another name, or revoke that one first with `strongroom keys revoke NAME`",
            )
    before = [one for one in standing if one.principal.recipient == recipient]
    same = [one for one in before if (one.name, one.principal, one.rights, one.until) == _facts(holder, wanted, until)]
    made = same[0] if same else _signed_grant(project, own, holder, wanted, until)
    content = content_for(project.capability, wanted, made.reference)
    if not same:
        grants.write(project, made)
    put_key_object(project, holder.principal, content)
    for one in before:
        if one.id != made.id:
            grants.write(project, revocation(project, own, chain, one, f"another grant took its place: {made.id}"))
    refuse_outdated(project, own)
    return made


def revocation(project: Project, own: Administrator, chain: GrantChain, ended: Grant, reason: str) -> Revocation:
    """The end of a grant, signed and not yet written."""
    statement = Revocation(
        repository=project.descriptor.repository,
        project=project.id,
        id=layout.new_id(project.services.randomness.token(16)),
        grant=ended.id,
        reason=reason,
        keeps=tuple(chain.signed_by(ended.principal.signing_key)),
        by=own.signer,
        at=project.services.clock.now(),
    )
    return grant.signed(statement, own.identity)


def take_away(project: Project, ended: Grant, end: Revocation) -> None:
    """Delete the key objects of whoever held them by a grant that was revoked. Where the store deletes nothing, a notice takes
    their place. Raises `StorageError`."""
    own = key_id(ended.principal.recipient, project.id)
    names = (layout.key_name(project.id, own), layout.second_key_name(project.id, own))
    try:
        for name in names:
            project.store.delete(name)
    except StorageDenied:
        ids = (project.descriptor.repository, project.id, project.name)
        put_key_object(project, ended.principal, RevokedNotice(*ids, ended.reference, end.by.name, end.at))


def epoch_statement(project: Project, own: Administrator, keys: Capability | PendingEpoch) -> EpochStatement:
    """Which public keys an epoch has, signed and not yet written. Raises `Damaged` where the project has no log."""
    number = keys.number if isinstance(keys, PendingEpoch) else keys.epoch
    catalogue = keys.catalogue_recipient if isinstance(keys, PendingEpoch) else keys.catalogue.recipient
    if keys.audit_recipient is None:
        raise Damaged(f"project {project.name!r} has no keys of a log", hint="run `strongroom keys upgrade`")
    statement = EpochStatement(
        repository=project.descriptor.repository,
        project=project.id,
        id=grant.epoch_id(project.id, number),
        number=number,
        content_recipient=keys.content_recipient,
        catalogue_recipient=catalogue,
        audit_recipient=keys.audit_recipient,
        by=own.signer,
        at=project.services.clock.now(),
    )
    return grant.signed(statement, own.identity)


def refuse_outdated(project: Project, own: Administrator) -> None:
    """For whoever has just given keys to somebody: a rotation may have begun meanwhile, and have given the same holder newer
    ones before. Its statement is written before it gives any, so that one of both sees the other; own keys tell too little, as
    they may be the last that it rewrites. Raises `Busy`, `Damaged`."""
    if any(number > project.capability.epoch for number in grants.read(project).chain.epochs):
        raise being_rotated(project)
    (mine,) = key_objects.own(project.id, [own.identity])
    now = key_objects.decode(project.store.get(mine.name), mine, [own.identity], project.descriptor.repository)
    if not isinstance(now, Capability) or _state(now) != _state(project.capability):
        raise being_rotated(project)


def refuse_while_rotating(project: Project) -> None:
    """For who is going to give keys to somebody, before anything is written. Raises `Busy` where this holder has the keys of a
    rotation that has not ended."""
    if project.capability.pending is not None:
        raise being_rotated(project)


def being_rotated(project: Project) -> Busy:
    """The error of who gives keys that are not all that there are by now."""
    return Busy(
        f"the keys of project {project.name!r} are being rotated",
        hint="run the same again once that is done; whoever began it completes it with `strongroom keys rotate PROJECT`",
    )


def _state(capability: Capability) -> tuple[int, int | None]:
    """How far a holder's keys are."""
    return capability.epoch, None if capability.pending is None else capability.pending.number


def _facts(holder: Holder, wanted: Rights, until: datetime | None) -> tuple[str, Principal, Rights, datetime | None]:
    return holder.name, holder.principal, wanted, until


def _signed_grant(project: Project, own: Administrator, holder: Holder, wanted: Rights, until: datetime | None) -> Grant:
    statement = Grant(
        repository=project.descriptor.repository,
        project=project.id,
        id=layout.new_id(project.services.randomness.token(16)),
        name=holder.name,
        principal=holder.principal,
        rights=wanted,
        by=own.signer,
        at=project.services.clock.now(),
        until=until,
    )
    return grant.signed(statement, own.identity)


def _root(project: Project, creator: Holder, identity: HybridIdentity) -> Grant:
    principal = Principal.of(identity)
    statement = Grant(
        repository=project.descriptor.repository,
        project=project.id,
        id=grant.root_id(project.id),
        name=creator.name,
        principal=principal,
        rights=(READ, AUDIT),
        by=Signer(creator.name, principal.signing_key or b""),
        at=project.services.clock.now(),
    )
    return grant.signed(statement, identity)
