"""The grants, revocations and epochs of a project, read and written. Which of them are believed: `vault.format.grant_chain`.

They are sealed to the catalogue, and to the log, so that auditors see who holds what as well.
"""

from __future__ import annotations

from collections.abc import Callable
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
from vault.storage.caching import CachingStore
from vault.storage.contract import Store
from vault.threads import parallel_map

READERS = 8
"""Grants that are fetched at once."""

ROOT, REVOKED, SEEN, ENDED = "root", "revoked", "grants", "ended"
"""Lists in a machine's memory: the signing key of the project's creator; revocations that were believed here; everything that
could be read here; what each believed revocation ended (its id, and that of the grant)."""


class StoredGrants(NamedTuple):
    """chain: what is believed · problems: objects that cannot be read, that this machine has seen and that are gone, or that
    nobody has signed who may · resurrected: grants that are in force only because the revocation that this machine has seen is
    gone or cannot be read."""

    chain: GrantChain
    problems: tuple[Problem, ...]
    resurrected: tuple[Grant, ...] = ()


def read(project: Project, memory: ClientMemory | None = None) -> StoredGrants:
    """Those of a project. memory: remembers, from the first time on, who created the project, what was there, and what was
    revoked. Raises `StorageError`."""
    found = _read(
        project.store,
        (project.descriptor.repository, project.id),
        lambda name: project.read_record(name, f"the grant {name.rpartition('/')[2]}"),
        memory,
    )
    for one in found.problems:
        if one.what == "missing-grant" and isinstance(project.store, CachingStore):
            project.store.save(one.path.decode())
    return found


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
    outcomes = parallel_map(names, lambda name: _one(name, ids, fetch), most=READERS, name="grants")
    statements = [one for one in outcomes if one is not None and not isinstance(one, Problem)]
    problems = [one for one in outcomes if isinstance(one, Problem)]
    root = None if memory is None else next(iter(memory.lines(ROOT, ids[1])), None)
    known = [] if memory is None else memory.lines(REVOKED, ids[1])
    chain = believed(ids[1], statements, None if root is None else _key(root), known)
    resurrected: tuple[Grant, ...] = ()
    if memory is not None:
        readable = {one.id for one in statements}
        resurrected = _resurrected(memory, ids[1], chain, readable)
        problems += _gone(memory, ids[1], readable, {name.rpartition("/")[2] for name in names})
        _remember(memory, ids[1], chain, root, known)
    problems += [
        Problem(layout.grant_name(ids[1], one).encode(), "unsigned-grant", f"the grant {one} is signed by nobody who may grant")
        for one in chain.refused
    ]
    return StoredGrants(chain, tuple(problems), resurrected)


def _one(name: str, ids: tuple[str, str], fetch: Callable[[str], dict[str, Any]]) -> Statement | Problem | None:
    """A statement; a problem where it cannot be used, None where it is gone."""
    try:
        found = grant.read(fetch(name), name.rpartition("/")[2])
    except ObjectNotFound:
        return None
    except Damaged as error:
        leaf = name.rpartition("/")[2]
        said = str(error) if leaf in str(error) else f"the grant, revocation or epoch {leaf} cannot be read: {error}"
        return Problem(name.encode(), "damaged-grant", said)
    if (found.repository, found.project) != ids:
        return Problem(name.encode(), "damaged-grant", f"the grant {found.id} belongs to another project or repository")
    return found


def _gone(memory: ClientMemory, project: str, readable: set[str], listed: set[str]) -> list[Problem]:
    """What this machine has read before, and the store has no more; what can be read now is remembered."""
    text = "the grant, revocation or epoch {id} was here and is gone; none of them is ever deleted"
    gone = [one for one in memory.missing(project, readable, kind=SEEN) if one not in listed]
    return [Problem(layout.grant_name(project, one).encode(), "missing-grant", text.format(id=one)) for one in gone]


def _resurrected(memory: ClientMemory, project: str, chain: GrantChain, readable: set[str]) -> tuple[Grant, ...]:
    """The grants whose revocation was believed here once and cannot be read now, where no other one ends them."""
    ended = {grant for revocation, grant in _ended(memory, project) if revocation not in readable}
    return tuple(one for one in chain.grants.values() if one.id in ended and one.id not in chain.revocations)


def known_ended(memory: ClientMemory, project: str) -> frozenset[str]:
    """Ids of the grants of which this machine knows that they were revoked. project: its id."""
    return frozenset(grant for _, grant in _ended(memory, project))


def _ended(memory: ClientMemory, project: str) -> list[tuple[str, str]]:
    """Revocations that were believed here once, and the grant that each ended: ids."""
    lines = (line.partition(" ") for line in memory.lines(ENDED, project))
    return [(revocation, grant) for revocation, space, grant in lines if space]


def _remember(memory: ClientMemory, project: str, chain: GrantChain, root: str | None, known: list[str]) -> None:
    if chain.root is not None and root is None:
        memory.save_lines(ROOT, project, [chain.root.by.signing_key.hex()])
    revoked = sorted({*known, *(one.id for one in chain.revocations.values())})
    if revoked != sorted(known):
        memory.save_lines(REVOKED, project, revoked)
    before = memory.lines(ENDED, project)
    ended = sorted({*before, *(f"{one.id} {one.grant}" for one in chain.revocations.values())})
    if ended != sorted(before):
        memory.save_lines(ENDED, project, ended)


def _key(text: str) -> bytes:
    """What the memory has of a signing key; what is none fits nothing."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def by_id(chain: GrantChain, grant_id: str) -> Grant | None:
    """A grant that is believed."""
    return chain.grants.get(grant_id)
