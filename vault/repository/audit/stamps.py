"""Time stamps of entries of the log: written beside the chain, listed and read. What an authority has signed is looked at
elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from vault import age
from vault.age import HybridRecipient, Identity
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.log_head import LogHead
from vault.format.log_stamp import LogStamp
from vault.repository.audit.entries import LARGEST_STORED, StoredEntry, open_or_inspect
from vault.repository.repository import Repository
from vault.storage.contract import Store


class ReadStamp(NamedTuple):
    """A time stamp as the store has it. stamp: None where it is sealed for others, gone or damaged · damage: why it cannot be
    used."""

    stored: StoredEntry
    stamp: LogStamp | None
    damage: Damaged | None = None


def name_of(one: StoredEntry) -> str:
    """Of a time stamp, in the store."""
    return layout.stamp_name(one.principal, one.id)


def read(store: Store, one: StoredEntry, identities: Sequence[Identity], repository: str) -> ReadStamp:
    """A time stamp that was listed. identities: those of projects' logs · repository: its id. Raises `StorageError`."""
    if one.size > LARGEST_STORED:
        return ReadStamp(one, None, Damaged(f"the time stamp {name_of(one)} has {one.size} bytes, which is never written"))
    try:
        plain = open_or_inspect(store.get(name_of(one)), identities)
        return ReadStamp(one, None if plain is None else LogStamp.decode(plain, one.principal, one.id, repository))
    except ObjectNotFound:
        return ReadStamp(one, None, Damaged(f"the time stamp {name_of(one)} was listed, and is gone"))
    except Damaged as error:
        return ReadStamp(one, None, Damaged(f"the time stamp {name_of(one)} is damaged: {error}"))


def write(
    repository: Repository,
    store: Store,
    head: LogHead,
    recipients: Sequence[HybridRecipient],
    *,
    at: datetime,
    authority: str,
    response: bytes,
) -> LogStamp:
    """Keep an authority's answer for an entry. recipients: of the logs of projects. Raises `Unstorable`, `StorageError`."""
    services = repository.services
    stamp = LogStamp(
        id=layout.entry_id(head.sequence, services.randomness.token(8).hex()),
        repository=repository.descriptor.repository,
        head=head,
        at=at,
        authority=authority,
        response=response,
    )
    sealed = age.seal(stamp.encode(), recipients, services.randomness)
    LogStamp.decode(sealed.reopen(), head.principal, stamp.id, stamp.repository)  # memory that errs is found out here
    store.put(layout.stamp_name(head.principal, stamp.id), sealed.data)
    return stamp
