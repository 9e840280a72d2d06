"""The grants, revocations and epochs of a project, read and written. Which of them are believed: `vault.format.grant_chain`.

They are sealed to the catalogue, and to the log, so that auditors see who holds what as well.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from vault import age
from vault.errors import Damaged, ObjectNotFound
from vault.format import envelope, grant, layout
from vault.format.grant import EpochStatement, Grant, Statement
from vault.format.grant_chain import GrantChain, believed
from vault.format.key_object import AuditCapability
from vault.problems import Problem
from vault.repository.client_memory import ClientMemory
from vault.repository.project import Project
from vault.storage.contract import Store

READERS = 8
"""Grants that are fetched at once."""

ROOT, REVOKED, ENDED = "root", "revoked", "ended"
"""Lists in a machine's memory: the signing key of the project's creator; revocations that were believed here; the grants that
they have ended."""


class StoredGrants(NamedTuple):
    """chain: what is believed · problems: objects that cannot be read, or that nobody has signed who may."""

    chain: GrantChain
    problems: tuple[Problem, ...]


def read(project: Project, memory: ClientMemory | None = None) -> StoredGrants:
    """Those of a project. memory: remembers, from the first time on, who created the project, and what was revoked. Raises
    `StorageError`."""
    return _read(
        project.store,
        (project.descriptor.repository, project.id),
        lambda name: project.read_record(name, f"the grant {name.rpartition('/')[2]}"),
        memory,
    )


def read_as_auditor(store: Store, capability: AuditCapability, memory: ClientMemory | None = None) -> StoredGrants:
    """As `read`, with the keys of the log alone. The tag cannot be checked with them; the signatures can."""

    def fetch(name: str) -> dict[str, Any]:
        try:
            plain = age.open_sealed(store.get(name), capability.audit_identities)
        except age.NoMatchingIdentity as error:
            raise Damaged(f"{name} is not encrypted for the readers of the log") from error
        return envelope.untagged(plain, name)

    return _read(store, (capability.repository, capability.project), fetch, memory)


def write(project: Project, statement: Statement) -> None:
    """Store a statement under its own name. One of which there can be one only is created, where the store can do that. Raises
    `ObjectExists` where another one stands there already, `StorageError`."""
    name = layout.grant_name(project.id, statement.id)
    recipients = [project.capability.catalogue.recipient]
    if project.capability.audit_recipient is not None:
        recipients.append(project.capability.audit_recipient)
    plain = envelope.encode(statement.as_json(), project.capability.tag_key, name, project.id)
    sealed = age.seal(plain, recipients, project.services.randomness).data
    only = isinstance(statement, EpochStatement) or statement.id == grant.root_id(project.id)
    (project.store.create if only and project.descriptor.trust.create_once else project.store.put)(name, sealed)


def _read(
    store: Store, ids: tuple[str, str], fetch: Callable[[str], dict[str, Any]], memory: ClientMemory | None
) -> StoredGrants:
    """ids: of the repository and the project."""
    folder = layout.project_folder(ids[1], "grants")
    names = sorted(info.name for info in store.list(folder) if layout.is_ours(info.name))
    with ThreadPoolExecutor(min(READERS, len(names)) or 1, thread_name_prefix="grants") as pool:
        outcomes = list(pool.map(lambda name: _one(name, ids, fetch), names))
    statements = [one for one in outcomes if one is not None and not isinstance(one, Problem)]
    problems = [one for one in outcomes if isinstance(one, Problem)]
    root = None if memory is None else next(iter(memory.lines(ROOT, ids[1])), None)
    known = [] if memory is None else memory.lines(REVOKED, ids[1])
    chain = believed(ids[1], statements, None if root is None else _key(root), known)
    if memory is not None:
        _remember(memory, ids[1], chain, root, known)
    problems += [
        Problem(layout.grant_name(ids[1], one).encode(), "unsigned-grant", f"the grant {one} is signed by nobody who may grant")
        for one in chain.refused
    ]
    return StoredGrants(chain, tuple(problems))


def _one(name: str, ids: tuple[str, str], fetch: Callable[[str], dict[str, Any]]) -> Statement | Problem | None:
    """A statement; a problem where it cannot be used, None where it is gone."""
    try:
        found = grant.read(fetch(name), name.rpartition("/")[2])
    except ObjectNotFound:
        return None
    except Damaged as error:
        return Problem(name.encode(), "damaged-grant", str(error))
    if (found.repository, found.project) != ids:
        return Problem(name.encode(), "damaged-grant", f"the grant {found.id} belongs to another project or repository")
    return found


def _remember(memory: ClientMemory, project: str, chain: GrantChain, root: str | None, known: list[str]) -> None:
    if chain.root is not None and root is None:
        memory.save_lines(ROOT, project, [chain.root.by.signing_key.hex()])
    revoked = sorted({*known, *(one.id for one in chain.revocations.values())})
    if revoked != sorted(known):
        memory.save_lines(REVOKED, project, revoked)
        memory.save_lines(ENDED, project, sorted({*memory.lines(ENDED, project), *chain.revocations}))


def _key(text: str) -> bytes:
    """What the memory has of a signing key; what is none fits nothing."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def by_id(chain: GrantChain, grant_id: str) -> Grant | None:
    """A grant that is believed."""
    return chain.grants.get(grant_id)
