"""Key objects that are gone or damaged, and are put back as they were, byte for byte: in repositories without grants. Those of
repositories with grants lie in two places: `granted_keys`.

Nobody wraps secrets anew here: whoever may only write stays one who may only write. A copy of a key object is believed where
it is the one that a check of this machine has seen (by its SHA-256), or where it is this identity's own, opens, holds the keys
that this machine knows the project by, and gives no right to read. One that stands, can be used as far as that can be seen from
here and differs from what was seen may have been written by who changed somebody's rights: it is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from vault.age import HybridIdentity, Identity
from vault.errors import Damaged, ObjectNotFound, StorageError
from vault.format import layout
from vault.format.capability import Capability
from vault.format.granted_fields import LARGEST_KEY_OBJECT
from vault.repository import key_objects, missing_objects
from vault.repository.check_keys import look_from_outside
from vault.repository.client_memory import ClientMemory
from vault.repository.key_objects import KeyObject
from vault.repository.repair.object_copies import WholeCopy, origin_of
from vault.storage.contract import Store


class BadKey(NamedTuple):
    """A key object that is gone or damaged. copy: what it was; None where nobody has it · gone: whether the store has none ·
    ungranted: whether it stands, and belongs to nobody who was granted keys."""

    name: str
    message: str
    copy: WholeCopy | None
    gone: bool = False
    ungranted: bool = False


def look(
    store: Store,
    project: str,
    identities: Sequence[Identity],
    memory: ClientMemory,
    repository: str,
    others: Sequence[Store] = (),
) -> list[BadKey]:
    """The key objects of a project that are gone or damaged. store: read below every cache · project, repository: ids. Raises
    `StorageError`."""
    return list(_Look(store, project, identities, memory, repository, others).run())


class _Look:
    def __init__(
        self,
        store: Store,
        project: str,
        identities: Sequence[Identity],
        memory: ClientMemory,
        repository: str,
        others: Sequence[Store],
    ) -> None:
        self._store = store
        self._project = project
        self._identities = identities
        self._memory = memory
        self._repository = repository
        self._others = others
        lines = (line.partition(" ") for line in memory.lines("keys", project))
        self._seen = {name: sha256 for name, _, sha256 in lines}

    def run(self) -> Iterator[BadKey]:
        listed = {one.name: one for one in key_objects.listed(self._store, self._project)}
        for name in missing_objects.keys_gone(self._store, self._project, self._memory):
            yield BadKey(name, missing_objects.Missing("key", name).message, self._copy(name), gone=True)
        for name in self._own_names() - listed.keys() - self._seen.keys():
            copy = self._copy(name)
            if copy is not None:
                yield BadKey(name, f"the key object {name} of this identity is not there", copy, gone=True)
        for one in sorted(listed.values()):
            why = self._damage(one)
            if why:
                yield BadKey(one.name, why, self._copy(one.name))

    def _own_names(self) -> set[str]:
        return {
            layout.key_name(self._project, key_objects.key_id(one.recipient, self._project))
            for one in self._identities
            if isinstance(one, HybridIdentity)
        }

    def _damage(self, one: KeyObject) -> str:
        """What is wrong with a key object that stands; empty where it can be used, as far as that can be seen from here."""
        try:
            if one.size > LARGEST_KEY_OBJECT:
                return f"the key object {one.name} has {one.size} bytes; more than {LARGEST_KEY_OBJECT} are never written"
            data = self._store.get(one.name)
            if hashlib.sha256(data).hexdigest() == self._seen.get(one.name):
                return ""
            if key_objects.may_open(one, self._identities):
                key_objects.decode(data, one, self._identities, self._repository)
            else:
                look_from_outside(data, one, ())
        except ObjectNotFound:
            return ""
        except Damaged as error:
            return str(error)
        return ""

    def _copy(self, name: str) -> WholeCopy | None:
        for store in self._others:
            try:
                data = store.get(name)
            except StorageError:
                continue
            if self._is_believed(name, data):
                return WholeCopy(data, origin_of(store))
        return None

    def _is_believed(self, name: str, data: bytes) -> bool:
        one = key_objects.read_name(name, len(data))
        if one is None or len(data) > LARGEST_KEY_OBJECT:
            return False
        if name in self._seen:
            return hashlib.sha256(data).hexdigest() == self._seen[name]
        if not key_objects.is_own(one, self._identities):
            return False
        try:
            capability = key_objects.decode(data, one, self._identities, self._repository)
        except Damaged:
            return False
        if not isinstance(capability, Capability) or capability.name not in self._memory.projects():
            return False
        return not self._memory.has_other_keys(capability) and capability.content_identity is None


def put_back(store: Store, memory: ClientMemory, bad: Collection[BadKey]) -> list[BadKey]:
    """Store copies under their names, where what stands there is still what was found; gives those that stand now. Raises
    `StorageError`."""
    done = []
    for one in bad:
        if one.copy is None:
            continue
        if not one.gone:
            memory.save_replaced(one.name, store.get(one.name))
        store.put(one.name, one.copy.data)
        if store.get(one.name) == one.copy.data:
            done.append(one)
    return done
