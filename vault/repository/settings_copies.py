"""Copies of settings files under `settings/`: what is lost with a machine that backs up, apart from its data.

The repository does not know what settings mean; to it they are a text. A copy is written anew when the text has changed, under
a new name; the last ones of each machine and file stay, so that what was changed by mistake can be looked up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from blake3 import blake3

from vault import age
from vault.age import HybridRecipient, Identity
from vault.age.header import LARGEST_HEADER
from vault.age.hybrid import STANZA_TYPE
from vault.age.stream import NONCE_SIZE, sealed_length
from vault.errors import Damaged, ObjectNotFound, StorageDenied
from vault.format import layout
from vault.format.settings_copy import LARGEST, Decoded, SettingsCopy, TagKeys
from vault.repository.client_memory import ClientMemory
from vault.repository.repository import Repository
from vault.storage.contract import Store

MEMORY = ("settings", "copies")
"""What a client remembers them as: a line a settings file, which begins with the name of its copy."""

KEPT = 20
"""Copies of each machine and file."""

KEPT_OF_ALL = 1000
"""Copies altogether, the newest ones: where every run has a new host name, as in containers. A machine whose copy goes for that
writes it anew with its next backup."""

LARGEST_STORED = LARGEST_HEADER + NONCE_SIZE + sealed_length(LARGEST)


class StoredCopy(NamedTuple):
    """id: begins with its moment, so copies sort by it · origin: identifies a machine and a file · size: stored bytes."""

    id: str
    origin: str
    name: str
    size: int


class Written(NamedTuple):
    """sha256: of the stored bytes, in hex."""

    name: str
    sha256: str


def origin_of(anchor: HybridRecipient, host: str, file: str) -> str:
    """What identifies a machine and a settings file in names: 32 hex digits, which only who knows the recipient can link to
    a host's name."""
    return blake3(f"{anchor.encode()} {host} {file}".encode()).hexdigest(length=16)


def listed(store: Store, origin: str = "") -> list[StoredCopy]:
    """The copies of a machine and file, or all; the oldest first. What has another name is passed over."""
    found = (read_name(info.name, info.size) for info in store.list(layout.settings_folder(origin)))
    return sorted(one for one in found if one is not None)


def read_name(name: str, size: int) -> StoredCopy | None:
    """What a name of the store says; None where it is not a copy's."""
    if not name.startswith(f"{layout.settings_folder()}/") or not layout.is_ours(name):
        return None
    _, origin, leaf = name.split("/")
    return StoredCopy(leaf, origin, name, size)


def newest(copies: Iterable[StoredCopy]) -> dict[str, StoredCopy]:
    """The newest copy of each machine and file, by origin."""
    return {one.origin: one for one in sorted(copies)}


def read(
    store: Store, one: StoredCopy, identities: Sequence[Identity], keys: TagKeys, repository: str
) -> tuple[Decoded | None, bytes]:
    """A copy and its stored bytes; None where it is encrypted for others, and then looked at from outside. repository: its id.
    Raises `Damaged`, `ObjectNotFound`."""
    if one.size > LARGEST_STORED:
        raise Damaged(f"the copy of settings {one.name} has {one.size} bytes; more than {LARGEST_STORED} are never written")
    data = store.get(one.name)
    try:
        return SettingsCopy.decode(age.open_sealed(data, identities), one.name, keys, repository), data
    except age.NoMatchingIdentity:
        _look_from_outside(data, one.name)
        return None, data
    except Damaged as error:
        if one.name in str(error):
            raise
        raise Damaged(f"the copy of settings {one.name} is damaged: {error}") from error


def _look_from_outside(data: bytes, name: str) -> None:
    try:
        header = age.parse_header(data)
        age.plain_length(len(data) - header.length - NONCE_SIZE)
    except Damaged as error:
        raise Damaged(f"the copy of settings {name} is damaged: {error}") from error
    if {stanza.type for stanza in header.stanzas} != {STANZA_TYPE}:
        raise Damaged(f"the copy of settings {name} is malformed: it lacks what every copy has, or has it in another form")


def remembered(memory: ClientMemory) -> list[str]:
    """The copies that this machine has written or found, by name: the newest of each settings file."""
    names = (line.partition(" ")[0] for line in memory.lines(*MEMORY))
    return [name for name in names if read_name(name, 0) is not None]


def stands(store: Store, written: Written) -> bool:
    """Whether the store has a copy as it was written: one request."""
    try:
        return hashlib.sha256(store.get(written.name)).hexdigest() == written.sha256
    except ObjectNotFound:
        return False


def write(
    repository: Repository, origin: str, file: str, text: str, recipients: Sequence[HybridRecipient], keys: TagKeys
) -> Written:
    """A new copy, sealed to `recipients`; older ones go, so far as these credentials may delete. origin: see `origin_of` ·
    file: its absolute path · keys: of every project that can be opened. Raises `Unstorable`, `UsageError`, `StorageError`."""
    store, services = repository.store, repository.services
    before = listed(store)
    now = services.clock.now()
    own = [one for one in before if one.origin == origin]
    leaf = layout.snapshot_id(_after(now, own[-1:]), services.randomness.token(8))
    name = layout.settings_name(origin, leaf)
    copy = SettingsCopy(
        repository=repository.descriptor.repository,
        id=leaf,
        host=services.host,
        file=file,
        written_at=now,
        writer=services.writer,
        recipients=tuple(one.encode() for one in recipients),
        text=text,
    )
    sealed = age.seal(copy.encode(name, keys), recipients, services.randomness)
    SettingsCopy.decode(sealed.reopen(), name, keys, copy.repository)  # memory that errs is found out here
    store.put(name, sealed.data)
    thin(store, [*before, StoredCopy(leaf, origin, name, len(sealed.data))])
    return Written(name, hashlib.sha256(sealed.data).hexdigest())


def _after(now: datetime, newest_one: Sequence[StoredCopy]) -> datetime:
    """Now, or a second after the newest copy, whose machine's clock was ahead: the newest copy must have the latest name."""
    for one in newest_one:
        last = layout.moment_of(one.id)
        if last is not None and now.replace(microsecond=0) <= last < datetime.max.replace(tzinfo=UTC) - timedelta(days=1):
            return last + timedelta(seconds=1)
    return now


def thin(store: Store, copies: Iterable[StoredCopy]) -> int:
    """Delete what is over `KEPT` and `KEPT_OF_ALL`, the oldest first, as far as these credentials may; gives how many."""
    everything = sorted(copies)
    by_origin: dict[str, list[StoredCopy]] = {}
    for one in everything:
        by_origin.setdefault(one.origin, []).append(one)
    over = {one for own in by_origin.values() for one in own[:-KEPT]}
    rest = [one for one in everything if one not in over]
    over.update(rest[:-KEPT_OF_ALL])
    for count, one in enumerate(sorted(over)):
        try:
            store.delete(one.name)
        except StorageDenied:
            return count
    return len(over)
