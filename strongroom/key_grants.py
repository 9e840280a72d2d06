"""Giving projects to one more identity that is at hand: a recovery kit, or the identity of a machine that is set up anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from strongroom import command_log
from vault.errors import Busy
from vault.format.principal import Principal
from vault.format.rights import AUDIT, READ

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.age import HybridIdentity
    from vault.repository.project import Project


def seal(context: Context, projects: Sequence[Project], identity: HybridIdentity, name: str) -> tuple[str, ...]:
    """Have an identity open projects with the rights to read and to audit. name: of its holder, for people. Gives the names of
    the projects that it did not open yet. Raises `KeyRefused` where the identities at hand may not grant, `StorageError`;
    `Busy` where keys are being rotated, when all is written: then the identity may lack new ones."""
    unsealed = not_sealed(context, projects, identity)
    what = {"name": name, "fingerprint": Principal.of(identity).fingerprint, "rights": (READ, AUDIT)}
    with command_log.recorded(context, "grant", unsealed, what) as entry:
        entry.begin()
        _give(context, unsealed, identity, name)
    return tuple(one.name for one in unsealed)


def _give(context: Context, unsealed: Sequence[Project], identity: HybridIdentity, name: str) -> None:
    from strongroom.grants import administration
    from vault.repository import granting
    from vault.repository.granting import Holder

    if not context.repository.has_grants:
        # as they are stored: here a project may go by another name, which is in the settings alone
        stored = {one.project: one for one in context.repository.open_keys(context.identities).capabilities}
        for project in unsealed:
            context.repository.grant(stored[project.id], identity.recipient)
        return
    works = [administration(context, project) for project in unsealed]  # or says who may, before anything is written
    rotating: Busy | None = None
    for work in works:
        taken = {one.name for one in work.chain.grants.values() if one.principal.recipient != identity.recipient}
        holder = Holder(_free(name, taken), Principal.of(identity))
        try:
            granting.give(work.project, work.own, work.chain, holder, (READ, AUDIT))
        except Busy as error:
            rotating = error
    if rotating is not None:
        raise rotating


def not_sealed(context: Context, projects: Sequence[Project], identity: HybridIdentity) -> list[Project]:
    """The projects of which no key object in the store gives an identity the right to read, or, where there are grants, no
    grant says so."""
    return [one for one in projects if not _is_sealed(context, one, identity)]


def _is_sealed(context: Context, project: Project, identity: HybridIdentity) -> bool:
    from vault.repository import grants

    # a copy that this machine keeps helps nobody who has nothing but the store
    opened = replace(context.repository, memory=None).open_keys_of(project.id, [identity])
    if opened.problems or not any(one.content_identity is not None for one in opened.capabilities):
        return False
    if not context.repository.has_grants:
        return True
    own, now = Principal.of(identity), project.services.clock.now()
    return any(one.principal == own for one in grants.read(project, context.memory).chain.standing(now))


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where somebody else has had it."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free
