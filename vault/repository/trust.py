"""What is believed of the store at an address, and what it has promised and not kept.

Whether a store creates once is written in the descriptor, which may have been copied from another store, and was found out by
a race, which luck may win. So every creating is read back, and what a client has seen go wrong, or what `doctor` found, lowers
its belief for this address. Nothing depends on a belief alone: a writer looks after its commit for whatever the commit needs.
"""

from __future__ import annotations

from dataclasses import replace

from vault.errors import StorageError
from vault.format.descriptor import Descriptor
from vault.repository.client_memory import ClientMemory

LOWERED = "create-once-lowered"


class PromiseBroken(StorageError):
    """Something else stands under a name that was created, as if it had been free twice."""

    hint = "from now on this machine does not trust this store to create once; run `strongroom doctor` on the others too"


class WriteLost(StorageError):
    """The store has answered that it keeps an object, and does not have it."""

    hint = "run `strongroom doctor`: a store that loses what it was given must not hold backups"


def believed(descriptor: Descriptor, memory: ClientMemory) -> Descriptor:
    """The descriptor as this machine may believe it."""
    if not lowered(memory, descriptor.repository):
        return descriptor
    return replace(descriptor, trust=replace(descriptor.trust, create_once=False))


def lowered(memory: ClientMemory, repository: str) -> bool:
    """Whether this machine knows better than the descriptor that the store does not create once."""
    return bool(memory.recall(LOWERED, repository))


def lower(memory: ClientMemory, repository: str, why: str) -> None:
    """Trust the store at this address no more to create once. why: in words."""
    memory.remember(LOWERED, repository, [why])


def restore(memory: ClientMemory, repository: str) -> None:
    """Trust what the descriptor says again, after a probe."""
    memory.remember(LOWERED, repository, [])
