"""What is said of erased projects, read and written, and what this machine remembers of it.

Statements are sealed to the people who hold keys of the project. Once an erasing is believed on a machine, it is remembered
there: nothing of that project is opened any more, whatever lies in the store later, and the machine's own copies go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct

from vault import age
from vault.age import HybridRecipient, Identity
from vault.errors import Damaged, ObjectNotFound, RefusedByRule
from vault.format import erasure, layout, strict_json
from vault.format.erasure import Statement
from vault.format.erasure_chain import Erasure, KnownProject, erasure_of
from vault.randomness import Randomness
from vault.repository import grants
from vault.repository.client_memory import ClientMemory
from vault.storage.caching import uncached
from vault.storage.contract import Store
from vault.threads import parallel_map

READERS = 8
"""Statements that are fetched at once."""

MOST = 1000
"""Statements about one project that are read: whoever can write to the store may put more there."""

LARGEST_SEALED = erasure.LARGEST + age.LARGEST_HEADER + 64 * 1024
"""Bytes of a stored statement."""

MOST_RECIPIENTS = 32
"""People whom a statement is sealed to: more do not fit into the header of an age file."""

ERASED = "erased"
"""The list in a machine's memory."""


class ErasedProject(Struct, frozen=True):
    """A project that was erased. erasure: the id of the destruction · name: of the project · people: who wanted it."""

    project: str
    name: str
    erasure: str
    at: datetime
    people: tuple[str, ...]
    reason: str

    @classmethod
    def of(cls, found: Erasure) -> ErasedProject:
        """As the statements say."""
        one = found.destruction
        return cls(one.project, one.name, one.id, one.at, found.people, found.request.reason)

    @property
    def message(self) -> str:
        """In a sentence."""
        who = " and ".join(self.people)
        return f'project {self.name!r} was erased on {self.at:%Y-%m-%d} by {who}: "{self.reason}" (erasure {self.erasure})'

    def as_json(self) -> dict[str, Any]:
        """For `--json`, and as a machine remembers it."""
        return {
            "project": self.name,
            "project_id": self.project,
            "erasure": self.erasure,
            "erased_at": strict_json.write_moment(self.at),
            "erased_by": list(self.people),
            "reason": self.reason,
        }


class ProjectErased(RefusedByRule):
    """It was erased by people who may do that."""

    def __init__(self, erased: ErasedProject, name: str = "") -> None:
        """name: by which it was asked for, where that is another one."""
        super().__init__(
            erased.message if name in ("", erased.name, erased.project) else f"{name}: {erased.message}",
            hint="nothing of it is left to be opened; take it out of the settings of this machine",
        )
        self.erased = erased


class StoredStatements(NamedTuple):
    """statements: that these identities open, and that are whole · others: how many objects there are besides."""

    statements: list[Statement]
    others: int


class Looked(NamedTuple):
    """erased: None where nothing is believed · doubt: why not, where somebody says so."""

    erased: ErasedProject | None
    doubt: Damaged | None = None


def scopes(store: Store) -> set[str]:
    """The ids of the projects about which there is any statement."""
    found = (layout.erased_project(info.name) for info in store.list(layout.erasures_folder()))
    return {one for one in found if one is not None}


def read(store: Store, project: str, identities: Sequence[Identity]) -> StoredStatements:
    """The statements about a project. Raises `StorageError`."""
    listed = [info for info in store.list(layout.erasures_folder(project)) if layout.is_ours(info.name)]
    names = sorted(info.name for info in listed if info.size <= LARGEST_SEALED)[:MOST]
    found = parallel_map(names, lambda name: _one(store, name, identities), most=READERS, name="erasures")
    statements = [one for one in found if one is not None]
    return StoredStatements(statements, len(listed) - len(statements))


def _one(store: Store, name: str, identities: Sequence[Identity]) -> Statement | None:
    try:
        return erasure.decode(age.open_sealed(uncached(store).get(name), identities), name.rpartition("/")[2])
    except (Damaged, ObjectNotFound, age.NoMatchingIdentity):
        return None


def write(store: Store, statement: Statement, recipients: Sequence[HybridRecipient], randomness: Randomness) -> None:
    """Store a statement. Raises `StorageError`."""
    sealed = age.seal(erasure.encode(statement), list(recipients)[:MOST_RECIPIENTS], randomness).data
    store.put(layout.erasure_name(statement.project, statement.id), sealed)


def remembered(memory: ClientMemory | None, project: str) -> ErasedProject | None:
    """The erasing of a project as this machine remembers it."""
    for line in () if memory is None else memory.lines(ERASED, project):
        try:
            value = strict_json.load(line.encode(), "what this machine remembers", largest=erasure.LARGEST)
            return ErasedProject(
                project=project,
                name=strict_json.field(value, "project", str, ERASED),
                erasure=strict_json.field(value, "erasure", str, ERASED),
                at=strict_json.moment(value, "erased_at", ERASED),
                people=strict_json.texts(value, "erased_by", ERASED, most=erasure.MOST_APPROVALS),
                reason=strict_json.field(value, "reason", str, ERASED),
            )
        except Damaged:
            continue  # not written by us: the store is asked again
    return None


def remember(memory: ClientMemory, erased: ErasedProject) -> None:
    """Nothing of it is opened on this machine any more, and its copies of key objects go."""
    if remembered(memory, erased.project) is None:
        memory.save_lines(ERASED, erased.project, [json.dumps(erased.as_json())])
    memory.key_copies.delete(erased.project)


def known(memory: ClientMemory | None, project: str) -> KnownProject:
    """What this machine knows of a project."""
    if memory is None:
        return KnownProject()
    names = [name for name, one in memory.projects().items() if one == project]
    prints = [memory.known_keys(name) for name in names]
    roots = [one for text in memory.lines(grants.ROOT, project)[:1] if (one := _bytes(text)) is not None]
    return KnownProject(
        frozenset(one for text in prints if text is not None and (one := _bytes(text)) is not None),
        roots[0] if roots else None,
        grants.known_ended(memory, project),
        frozenset(memory.lines(grants.REVOKED, project)),
    )


def stored(
    store: Store, repository: str, project: str, identities: Sequence[Identity], memory: ClientMemory | None
) -> tuple[Erasure | None, StoredStatements, Damaged | None]:
    """The erasing of a project that is believed, everything that is said of it, and why it is not believed where somebody says
    so. repository, project: ids. Raises `StorageError`."""
    found = read(store, project, identities)
    believed, doubt = erasure_of((repository, project), found.statements, known(memory, project))
    return believed, found, doubt


def look(store: Store, repository: str, project: str, identities: Sequence[Identity], memory: ClientMemory | None) -> Looked:
    """Whether a project was erased; where it was, this machine remembers it. Raises `StorageError`."""
    before = remembered(memory, project)
    if before is not None:
        return Looked(before)
    believed, found, doubt = stored(store, repository, project, identities, memory)
    if believed is None:
        unread = Damaged("somebody has written of its erasing, in words that this identity cannot read or verify")
        return Looked(None, doubt or (unread if found.others else None))
    erased = ErasedProject.of(believed)
    if memory is not None:
        remember(memory, erased)
    return Looked(erased)


def _bytes(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None
