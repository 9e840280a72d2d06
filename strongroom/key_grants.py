"""Sealing projects to one more identity that is at hand: a recovery kit, or the identity of a machine that is set up anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vault.errors import Damaged
from vault.repository import key_objects

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.age import HybridIdentity
    from vault.repository.project import Project


def seal(context: Context, projects: Sequence[Project], identity: HybridIdentity) -> tuple[str, ...]:
    """Have an identity open projects with the right to read. Gives the names of those that were not sealed to it yet. Raises
    `StorageError`."""
    # as they are stored: here a project may go by another name, which is in the settings alone
    stored = {one.project: one for one in context.repository.open_keys(context.identities).capabilities}
    unsealed = not_sealed(context, projects, identity)
    for project in unsealed:
        context.repository.grant(stored[project.id], identity.recipient)
    return tuple(one.name for one in unsealed)


def not_sealed(context: Context, projects: Sequence[Project], identity: HybridIdentity) -> list[Project]:
    """The projects of which no key object gives an identity the right to read."""
    return [one for one in projects if not _is_sealed(context, one, identity)]


def _is_sealed(context: Context, project: Project, identity: HybridIdentity) -> bool:
    store, repository = context.repository.store, context.repository.descriptor.repository
    wanted = key_objects.key_id(identity.recipient, project.id)
    for one in key_objects.listed(store, project.id):
        if one.id == wanted:
            try:
                found = key_objects.open_one(store, one, [identity], repository)
            except Damaged:
                return False  # it is written anew
            return found is not None and found.content_identity is not None
    return False
