"""Key objects of a project with grants that are gone or damaged in one of their two places: put back from the other one, or
from this machine's copy of its own.

Nobody wraps secrets anew here, and only who holds keys by a grant that stands is given any back: a revocation that was cut off
may have deleted the first of the two. Where both are whole and differ, a command was cut off that changes somebody's keys; the
same command again completes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from vault.age import Identity
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.grant_chain import GrantChain
from vault.repository import grants, key_objects
from vault.repository.check_keys import look_from_outside
from vault.repository.client_memory import ClientMemory
from vault.repository.key_objects import KeyObject, key_id
from vault.repository.project import Project
from vault.repository.repair.key_copies import BadKey
from vault.repository.repair.object_copies import WholeCopy

MACHINE = "the copy on this machine"


def look(project: Project, identities: Sequence[Identity], memory: ClientMemory) -> list[BadKey]:
    """The key objects of a project that are gone or damaged. project: read below every cache. Raises `StorageError`."""
    chain = grants.read(project, memory).chain
    found: list[BadKey] = []
    for grant in chain.standing(project.services.clock.now()):
        leaf = key_id(grant.principal.recipient, project.id)
        found += _Look(project, identities, memory, leaf, grant.name).run()
    return [*found, *_ungranted(project, chain)]


def _ungranted(project: Project, chain: GrantChain) -> Iterator[BadKey]:
    """Key objects of nobody who was granted anything, as the grant is lost, and of those who were revoked. Whether they are to
    hold keys, a person knows."""
    names = {key_id(one.principal.recipient, project.id): one.name for one in chain.grants.values()}
    kept = {key_id(one.principal.recipient, project.id) for one in chain.grants.values() if one.id not in chain.revocations}
    folders = (layout.keys_folder(project.id), layout.second_keys_folder(project.id))
    stored = (key_objects.read_name(info.name, info.size) for folder in folders for info in project.store.list(folder))
    there = {one.id: one for one in stored if one is not None}
    for one in sorted(there.values()):
        if one.id not in names:
            said = "belongs to nobody who was granted anything: grant them anew with `strongroom keys grant`"
            yield BadKey(one.name, f"the key object {one.name} {said}", None, ungranted=True)
        elif one.id not in kept:
            said = f"belongs to {names[one.id]}, who was revoked: run `strongroom keys revoke` again"
            yield BadKey(one.name, f"the key object {one.name} {said}", None, ungranted=True)


class _Look:
    """At the key object of one holder. leaf: its id · holder: their name."""

    def __init__(self, project: Project, identities: Sequence[Identity], memory: ClientMemory, leaf: str, holder: str) -> None:
        self._project = project
        self._identities = identities
        self._memory = memory
        self._leaf = leaf
        self._holder = holder

    def run(self) -> Iterator[BadKey]:
        names = (layout.key_name(self._project.id, self._leaf), layout.second_key_name(self._project.id, self._leaf))
        found = {name: self._read(name) for name in names}
        whole = {name: data for name, data in found.items() if isinstance(data, bytes)}
        if len(whole) == len(names):
            if whole[names[0]] != whole[names[1]]:
                yield BadKey(names[0], f"the two key objects of {self._holder} differ: {names[0]}, {names[1]}", None)
            return
        copy = next((WholeCopy(data, name) for name, data in whole.items()), None) or self._of_machine(names[0])
        for name in names:
            why = found[name]
            if not isinstance(why, bytes):
                gone = why is None
                message = f"the key object {name} of {self._holder} is gone" if gone else str(why)
                yield BadKey(name, message, copy, gone=gone)

    def _read(self, name: str) -> bytes | Damaged | None:
        """The stored bytes where they are whole, as far as that can be seen; what is wrong with them; None where none are."""
        try:
            data = self._project.store.get(name)
            self._verify(name, data)
        except ObjectNotFound:
            return None
        except Damaged as error:
            return error
        return data

    def _verify(self, name: str, data: bytes) -> None:
        """Raises `Damaged`."""
        one = KeyObject(name, self._project.id, self._leaf, len(data))
        if key_objects.may_open(one, self._identities):
            key_objects.decode(data, one, self._identities, self._project.descriptor.repository)
        else:
            look_from_outside(data, one, ())

    def _of_machine(self, name: str) -> WholeCopy | None:
        """Of this identity's own key object."""
        one = KeyObject(name, self._project.id, self._leaf, 0)
        kept = self._memory.key_copies.of(self._project.id, self._leaf)
        data = kept.read() if kept is not None and key_objects.is_own(one, self._identities) else None
        if data is not None:
            with suppress(Damaged):
                self._verify(name, data)
                return WholeCopy(data, MACHINE)
        return None
