"""The descriptor (strongroom.json) that is gone, damaged or another one than it was: it is the only object that is not sealed,
so a copy of it is believed by something authenticated only.

    digests     that key objects name: whoever opened them knows which descriptors are right
    memory      of this machine, where they name none: the descriptor that it has met never changes then, and the repository's
                id is the one that it knows
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Literal, NamedTuple

from vault.errors import Damaged, ObjectNotFound, StorageError, UnsupportedFormat
from vault.format import layout
from vault.format.descriptor import Descriptor
from vault.repository.client_memory import ClientMemory
from vault.repository.repair.object_copies import WholeCopy, origin_of
from vault.storage.contract import Store

MEMORY = "this machine's memory"

State = Literal["whole", "gone", "damaged", "changed"]


class DescriptorFinding(NamedTuple):
    """state: of the descriptor in the store · copy: the right one, where it is not whole and somebody has it."""

    state: State
    copy: WholeCopy | None = None

    @property
    def message(self) -> str:
        """In words."""
        said = {
            "whole": "is as it was",
            "gone": "is gone",
            "damaged": "is damaged",
            "changed": "is another one than it was, and never changes",
        }
        return f"the descriptor {layout.DESCRIPTOR} {said[self.state]}"


def look(
    store: Store, memory: ClientMemory, others: Sequence[Store] = (), digests: Collection[bytes] = ()
) -> DescriptorFinding:
    """Look at the descriptor. store: read below every cache · digests: SHA-256 of the descriptors that are right, as key
    objects say; none where they do not. Raises `StorageError`, `UnsupportedFormat` where a newer version made it, `KeyRefused`
    where it is that of another repository than this machine knows here."""
    copy = next(_copies(memory, others, digests), None)
    try:
        data = store.get(layout.DESCRIPTOR)
        memory.verify_repository(Descriptor.decode(data).repository)
    except ObjectNotFound:
        return DescriptorFinding("gone", copy)
    except Damaged:
        return DescriptorFinding("damaged", copy)
    right = hashlib.sha256(data).digest() in digests if digests else copy is None or copy.data == data
    return DescriptorFinding("whole") if right else DescriptorFinding("changed", copy)


def at_hand(store: Store, memory: ClientMemory, others: Sequence[Store]) -> list[bytes]:
    """Every descriptor that there is, right or wrong. Raises `StorageError`."""
    found = [one.data for one in _all_copies(memory, others)]
    with suppress(ObjectNotFound):
        found.append(store.get(layout.DESCRIPTOR))
    return list(dict.fromkeys(found))


def put_back(store: Store, memory: ClientMemory, finding: DescriptorFinding) -> bool:
    """Store the copy, and keep on this machine what stood there; returns whether it stands now. Raises `StorageError`."""
    if finding.copy is None:
        return False
    with suppress(ObjectNotFound):  # nothing is replaced then
        memory.save_replaced(layout.DESCRIPTOR, store.get(layout.DESCRIPTOR))
    store.put(layout.DESCRIPTOR, finding.copy.data)
    return store.get(layout.DESCRIPTOR) == finding.copy.data


def _copies(memory: ClientMemory, others: Sequence[Store], digests: Collection[bytes]) -> Iterator[WholeCopy]:
    """The copies that can be believed."""
    for one in _all_copies(memory, others):
        try:
            repository = Descriptor.decode(one.data).repository
        except (Damaged, UnsupportedFormat):
            continue
        if digests:
            believed = hashlib.sha256(one.data).digest() in digests
        else:
            believed = one.origin == MEMORY and memory.repository() in (None, repository)
        if believed:
            yield one


def _all_copies(memory: ClientMemory, others: Sequence[Store]) -> Iterator[WholeCopy]:
    file = memory.descriptor_copy()
    if file is not None:
        with suppress(OSError):  # one that cannot be read is none
            yield WholeCopy(file.read_bytes(), MEMORY)
    for store in others:
        try:
            yield WholeCopy(store.get(layout.DESCRIPTOR), origin_of(store))
        except StorageError:
            continue
