"""What is believed of the store at an address, and what it has promised and not kept.

Whether a store creates once is written in the descriptor, which may have been copied from another store, and was found out by
a race, which luck may win. So every creating is read back, and what a client has seen go wrong, or what `doctor` found, lowers
its belief for this address. Whoever is about to rely on it at an address where this machine has never seen it kept tries it
first (`prove`). Nothing depends on a belief alone: a writer looks after its commit for whatever the commit needs.
"""

from __future__ import annotations

from msgspec.structs import replace

from vault.errors import ObjectExists, StorageError
from vault.format import layout
from vault.format.descriptor import Descriptor
from vault.repository.client_memory import ClientMemory
from vault.storage.contract import Store

LOWERED = "create-once-lowered"
KEPT = "create-once-kept"


class PromiseBroken(StorageError):
    """Another object has the name of one that was created, as if the name had been free twice."""

    hint = "from now on this machine does not rely on create-once here; run `strongroom doctor` on the other machines too"


class WriteLost(StorageError):
    """The store has answered that it keeps an object, and does not have it."""

    hint = "run `strongroom doctor`: a store that loses what it was given must not hold backups"


def believed(descriptor: Descriptor, memory: ClientMemory) -> Descriptor:
    """The descriptor as this machine may believe it."""
    if not lowered(memory, descriptor.repository):
        return descriptor
    return replace(descriptor, trust=replace(descriptor.trust, create_once=False))


def prove(store: Store, descriptor: Descriptor, memory: ClientMemory) -> Descriptor:
    """The descriptor as a run may believe it that commits or deletes: where this machine has not seen yet that the store at
    this address creates once, it tries to create the descriptor again, with the bytes that stand there, which must be refused.
    A repository may have been copied from a store that did to one that does not.

    store: without retries, whose repeated requests hide what is to be seen. Two requests, once for an address; where they say
    neither, this run does not rely on it, and the next one asks again.
    """
    found = believed(descriptor, memory)
    if not found.trust.create_once or memory.lines(KEPT, descriptor.repository):
        return found
    try:
        store.create(layout.DESCRIPTOR, store.get(layout.DESCRIPTOR))
    except ObjectExists:
        note_repository(memory, descriptor.repository)
        return found
    except StorageError:
        return replace(found, trust=replace(found.trust, create_once=False))
    lower(memory, descriptor.repository, "it has overwritten an object that it was to create only if the name is free")
    return believed(descriptor, memory)


def note_repository(memory: ClientMemory, repository: str) -> None:
    """This machine has seen that the store at this address creates once."""
    memory.save_lines(KEPT, repository, ["seen"])


def lowered(memory: ClientMemory, repository: str) -> bool:
    """Whether this machine knows better than the descriptor that the store does not create once."""
    return bool(memory.lines(LOWERED, repository))


def lower(memory: ClientMemory, repository: str, why: str) -> None:
    """Trust the store at this address no more to create once. why: in words."""
    memory.save_lines(LOWERED, repository, [why])
    memory.save_lines(KEPT, repository, [])


def restore(memory: ClientMemory, repository: str) -> None:
    """Trust what the descriptor says again, after a probe."""
    memory.save_lines(LOWERED, repository, [])
