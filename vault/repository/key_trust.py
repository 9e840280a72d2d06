"""Whether the keys of a project are those that this machine may use. It remembers keys by the project's name, as they were
first seen; in repositories with grants it follows rotations that somebody has signed who may, and refuses all other changes."""

from __future__ import annotations

from vault.errors import KeyRefused
from vault.format.capability import Capability
from vault.format.grant import EpochStatement
from vault.repository import grants
from vault.repository.client_memory import ClientMemory
from vault.repository.project import Project

_SUSPICIOUS = (
    "somebody may have put keys of their own into the store: back up nothing there until you know. Ask whoever grants whether "
    "the keys were rotated, and compare with `strongroom keys list` on their machine"
)


def verify(project: Project, memory: ClientMemory) -> None:
    """Remember the keys of a project, or compare them. Raises `KeyRefused` where its name had others on this machine, and
    nobody who may has signed that these follow them."""
    capability = project.capability
    known, found = memory.known_keys(capability.name), capability.fingerprint.hex()
    if capability.grant is None or (known == found and memory.lines(grants.ROOT, project.id)):
        memory.verify_keys(capability)
        return
    chain = grants.read(project, memory).chain
    statement = chain.epochs.get(capability.epoch)
    if chain.root is not None and statement is not None and not _fits(statement, capability):
        raise KeyRefused(
            f"project {capability.name!r} has other keys than were signed for epoch {capability.epoch}", hint=_SUSPICIOUS
        )
    if known is not None and known != found:
        _follow(capability, known, memory, signed=statement is not None)
    memory.verify_keys(capability)


def _follow(capability: Capability, known: str, memory: ClientMemory, *, signed: bool) -> None:
    """Take the new keys for those of before. signed: somebody who may has signed what they are."""
    if known not in {one.fingerprint.hex() for one in capability.former}:
        memory.verify_keys(capability)  # which refuses them
    if not signed:
        raise KeyRefused(
            f"project {capability.name!r} has keys of epoch {capability.epoch}, which nobody has signed who may rotate them",
            hint=_SUSPICIOUS,
        )
    memory.follow_keys(capability)


def _fits(statement: EpochStatement, capability: Capability) -> bool:
    return (
        statement.content_recipient == capability.content_recipient
        and statement.catalogue_recipient == capability.catalogue.recipient
        and capability.audit_recipient in (None, statement.audit_recipient)
    )
