"""The key objects of a project, in both places, and the grants from which they follow.

A key object that is sealed to somebody else can be looked at from outside only: whether it has the form of one, and in a
repository without grants whether it is what this machine has seen before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from vault import age
from vault.age import HybridRecipient, Identity
from vault.age.hybrid import STANZA_TYPE
from vault.age.stream import NONCE_SIZE
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.capability import Capability
from vault.format.grant import Grant
from vault.format.granted_fields import LARGEST_KEY_OBJECT
from vault.format.key_object import KeyObjectContent
from vault.problems import Problem
from vault.repository import grants, key_objects, missing_objects
from vault.repository.client_memory import ClientMemory
from vault.repository.key_objects import KeyObject, key_id, may_open
from vault.repository.repository import Repository
from vault.repository.repository_report import RepositoryReport

SHOWN_OF_RECIPIENT = 20
"""Characters of a public key that tell it from others."""


class KeyCheck:
    """Looks at the key objects of projects, one project after another. repository: read below every cache · report: is told
    what is found."""

    def __init__(
        self, repository: Repository, identities: Sequence[Identity], memory: ClientMemory, report: RepositoryReport
    ) -> None:
        self._repository = repository
        self._store = repository.store
        self._identities = identities
        self._memory = memory
        self._report = report

    def look(
        self, scope: str, whom: str, listed: Sequence[KeyObject], recovery: Sequence[HybridRecipient]
    ) -> Capability | None:
        """At those of one project; gives the keys that these identities open of it. whom: the project, in words."""
        if not listed:
            self._report.found("missing-key", scope, f"{whom} has no key object left: nobody can open it")
        opened, whole, seen = self._opened(listed)
        self._report.opened += len({(one.scope, one.id) for one in whole})
        if not whole:
            self._report.unopened.append(whom)
        capability = next((one for one in opened if isinstance(one, Capability)), None)
        granted = self._repository.has_grants and any(one.grant is not None for one in opened)
        if granted:
            self._memory.save_lines("keys", scope, [])  # who holds keys, the grants say
        if granted or (self._repository.has_grants and any(one.name.startswith("projects/") for one in listed)):
            self._both_places(whom, listed, seen)
        elif not self._repository.has_grants:
            self._remembered(scope, seen, whole)
        if granted and capability is not None:
            self._grants(capability, {one.id for one in listed})
        ids = {one.id for one in listed}
        for recipient in recovery if whole else ():
            if key_id(recipient, scope) not in ids:
                self._report.unsealed.append(f"{whom} is not encrypted for {recipient.encode()[:SHOWN_OF_RECIPIENT]}…")
        return capability

    def _opened(self, listed: Sequence[KeyObject]) -> tuple[list[KeyObjectContent], list[KeyObject], dict[str, str]]:
        """What the objects hold that these identities open, these objects, and the SHA-256 of all that are whole, by name."""
        contents: list[KeyObjectContent] = []
        whole: list[KeyObject] = []
        seen: dict[str, str] = {}
        sizes: set[int] = set()
        outside: set[str] = set()
        for one in sorted(listed, key=lambda one: not may_open(one, self._identities)):  # they tell how long others may be
            try:
                data = self._read(one)
                content = key_objects.decode(data, one, self._identities, self._repository.descriptor.repository)
                if content is not None:
                    contents.append(content)
                    whole.append(one)
                    if isinstance(content, Capability) and not self._repository.has_grants:
                        sizes |= {len(content.encode()), len(content.without_reading().encode())}
                else:
                    look_from_outside(data, one, sizes)
                    outside.add(one.id)
            except ObjectNotFound:
                continue
            except Damaged as error:
                self._report.found("damaged-key", one.name, str(error))
                continue
            seen[one.name] = hashlib.sha256(data).hexdigest()
        self._report.outside += len(outside)
        return contents, whole, seen

    def _both_places(self, whom: str, listed: Iterable[KeyObject], seen: Mapping[str, str]) -> None:
        """Every key object lies in two places, with the same bytes. seen: SHA-256 of those that are whole, by name."""
        there = {one.name for one in listed}
        for one in sorted({(one.scope, one.id) for one in listed}):
            places = (layout.key_name(*one), layout.second_key_name(*one))
            for name, other in (places, places[::-1]):
                if name not in there:
                    self._report.found("missing-key", name, f"the key object {name} of {whom} is gone; {other} says the same")
            if places[0] in seen and places[1] in seen and seen[places[0]] != seen[places[1]]:
                message = f"the key objects {places[0]} and {places[1]} of {whom} must be the same, and are not"
                self._report.found("changed-key", places[0], message)

    def _grants(self, capability: Capability, ids: Collection[str]) -> None:
        """Grants that nobody can use, and key objects that nobody was granted. ids: of the key objects that stand."""
        project = self._repository.opened_project(capability)
        found = grants.read(project, self._memory)
        self._report.problems += found.problems
        now = project.services.clock.now()
        by_key: dict[str, list[Grant]] = {}
        for one in found.chain.grants.values():
            by_key.setdefault(key_id(one.principal.recipient, project.id), []).append(one)
        standing = found.chain.standing(now)
        for one in standing:
            if key_id(one.principal.recipient, project.id) not in ids:
                name = layout.key_name(project.id, key_id(one.principal.recipient, project.id))
                message = f"{one.name} holds no key object of project {project.name!r} any more: {name} is gone in both places"
                self._report.found("missing-key", name, message)
        for leaf in sorted(ids):
            held = by_key.get(leaf, [])
            if not held:
                message = f"the key object {leaf} of project {project.name!r} belongs to nobody who was granted anything"
                self._report.found("ungranted-key", layout.key_name(project.id, leaf), message)
            elif all(one.id in found.chain.revocations for one in held):
                message = (
                    f"the grant to {held[0].name} for project {project.name!r} was revoked, and the key object {leaf} stands: "
                    "run `strongroom keys revoke` again"
                )
                self._report.found("ungranted-key", layout.key_name(project.id, leaf), message)

    def _remembered(self, scope: str, seen: dict[str, str], whole: Sequence[KeyObject]) -> None:
        """What this machine has seen before of a project without grants."""
        for name in missing_objects.keys_gone(self._store, scope, self._memory):
            message = missing_objects.Missing("key", name).message
            self._report.problems.append(Problem(name.encode(), "missing-key", message))
        for name in missing_objects.remember_keys(scope, self._memory, seen, [one.name for one in whole]):
            message = f"the key object {name} never changes, and is not the one that this machine knows"
            self._report.found("changed-key", name, message)

    def _read(self, one: KeyObject) -> bytes:
        if one.size > LARGEST_KEY_OBJECT:
            raise key_objects.too_large(one)
        return self._store.get(one.name)


def look_from_outside(data: bytes, one: KeyObject, sizes: Collection[int]) -> None:
    """Raises `Damaged` where it has not the form of a key object, whoever it is sealed to. sizes: what a key object of this
    project may hold, in bytes, where that is known: of a project without grants that was opened."""
    try:
        header = age.parse_header(data)
        plain = age.plain_length(len(data) - header.length - NONCE_SIZE)
    except Damaged as error:
        raise Damaged(f"the key object {one.name} is damaged: {error}") from error
    if [stanza.type for stanza in header.stanzas] != [STANZA_TYPE] or (sizes and plain not in sizes):
        raise Damaged(f"the key object {one.name} is malformed, or of another project")
