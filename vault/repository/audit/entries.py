"""The entries of the log that the store has: listed, and read. They are fetched from the store itself, not from a cache: who
verifies the log asks what a stranger would find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from vault import age
from vault.age import Identity
from vault.age.header import LARGEST_HEADER
from vault.age.hybrid import STANZA_TYPE
from vault.age.stream import NONCE_SIZE, sealed_length
from vault.errors import Damaged, ObjectNotFound
from vault.format import layout
from vault.format.log_entry import LARGEST, LogEntry
from vault.format.log_head import LogHead
from vault.progress import Stop, never
from vault.storage.contract import Store

LARGEST_STORED = LARGEST_HEADER + NONCE_SIZE + sealed_length(LARGEST)

READERS = 8
"""Entries that are fetched at once."""

_AHEAD = 256
"""Entries that are fetched before those before them are asked for."""


class StoredEntry(NamedTuple):
    """An entry by its name. size: stored bytes."""

    principal: str
    id: str
    size: int

    @property
    def name(self) -> str:
        """In the store."""
        return layout.audit_name(self.principal, self.id)

    @property
    def sequence(self) -> int:
        """Its number in the chain."""
        return int(self.id[:12])


class Listing(NamedTuple):
    """What lies under `audit/`. entries: by principal and number · stamps: names of time stamps."""

    entries: list[StoredEntry]
    stamps: list[StoredEntry]


class ReadEntry(NamedTuple):
    """An entry as the store has it.

    sha256: of its stored bytes, in hex; empty where it is gone since it was listed · entry: None where it is sealed for others,
    gone or damaged · damage: why it cannot be used · plain: its first line, which is signed, and the signature.
    """

    stored: StoredEntry
    sha256: str
    entry: LogEntry | None
    damage: Damaged | None = None
    plain: bytes = b""

    @property
    def head(self) -> LogHead:
        """As if it were the newest one."""
        return LogHead(self.stored.principal, self.stored.sequence, self.sha256)


def listed(store: Store, principal: str = "") -> Listing:
    """The entries and time stamps of a principal, or of all. What has another name is passed over."""
    entries: list[StoredEntry] = []
    stamps: list[StoredEntry] = []
    for info in store.list(layout.audit_folder(principal)):
        parts = info.name.split("/")
        if layout.is_ours(info.name):
            (entries if len(parts) == 3 else stamps).append(StoredEntry(parts[1], parts[-1], info.size))
    return Listing(sorted(entries), sorted(stamps))


def newest(store: Store, principal: str) -> LogHead | None:
    """The head of a chain as the store has it; of several with the greatest number, the last by name. None where there is
    none."""
    found = listed(store, principal).entries
    return None if not found else LogHead(principal, found[-1].sequence, sha256(store.get(found[-1].name)).hexdigest())


def read_all(
    store: Store,
    wanted: Iterable[StoredEntry],
    identities: Sequence[Identity],
    repository: str,
    *,
    stop: Stop = never,
) -> Iterator[ReadEntry]:
    """Entries in the order in which they are asked for. identities: those of projects' logs · repository: its id. Raises
    `StorageError`."""
    left = iter(wanted)
    with ThreadPoolExecutor(READERS, thread_name_prefix="log") as pool:
        while portion := list(islice(left, _AHEAD)):
            stop()
            yield from pool.map(lambda one: read(store, one, identities, repository), portion)


def read(store: Store, one: StoredEntry, identities: Sequence[Identity], repository: str) -> ReadEntry:
    """One entry. Raises `StorageError`."""
    if one.size > LARGEST_STORED:
        return ReadEntry(one, "", None, _damaged(one, f"it has {one.size} bytes; more than {LARGEST_STORED} are never written"))
    try:
        data = store.get(one.name)
    except ObjectNotFound:
        return ReadEntry(one, "", None, _damaged(one, "it was listed, and is gone"))
    digest = sha256(data).hexdigest()
    try:
        plain = open_or_inspect(data, identities)
        entry = None if plain is None else LogEntry.decode(plain, one.principal, one.id, repository)
    except Damaged as error:
        return ReadEntry(one, digest, None, error if one.id in str(error) else _damaged(one, str(error)))
    return ReadEntry(one, digest, entry, plain=bytes(plain or b""))


def open_or_inspect(data: bytes, identities: Sequence[Identity]) -> bytearray | None:
    """The plain bytes; None where it is sealed for others, and has the form of what is. Raises `Damaged`."""
    try:
        return age.open_sealed(data, identities)
    except age.NoMatchingIdentity:
        header = age.parse_header(data)
        age.plain_length(len(data) - header.length - NONCE_SIZE)
        if {stanza.type for stanza in header.stanzas} != {STANZA_TYPE}:
            raise Damaged("it lacks what every object has, or has it in another form") from None
        return None


def _damaged(one: StoredEntry, why: str) -> Damaged:
    return Damaged(f"the entry {one.id} of the log of {one.principal} is damaged: {why}")
