"""age v1 files (C2SP `age`), sealed, opened and read by ranges.

The bottom room of the vault: it knows bytes and keys, and nothing of storage, chunks or snapshots.

    contract            the roles: recipient wraps a file key into a stanza, identity unwraps it
    hybrid              mlkem768x25519: age1pq1…, AGE-SECRET-KEY-PQ-1…
    x25519, scrypt      classic keys; passphrases
    keytext             the text of keys, and identity files
    header              stanzas and the MAC over them
    stream              the payload in segments; ranges of it
    sealing             whole files
    armor               files as text

In ranges:

    opened = read_header(first_bytes_of_the_file, identities)
    reader = opened.reader(size_of_the_file)
    offset, length = reader.sealed_span(start, wanted)
    plain = reader.open_span(store.get_range(name, offset, length), start, wanted)
"""

from vault.age import armor
from vault.age.contract import FILE_KEY_SIZE, Buffer, Identity, Recipient, Stanza
from vault.age.errors import (
    ArmorDamaged,
    HeaderDamaged,
    HeaderIncomplete,
    HeaderTampered,
    KeyUnreadable,
    NoMatchingIdentity,
    PayloadDamaged,
)
from vault.age.header import LARGEST_HEADER, Header, parse_header, write_header
from vault.age.hybrid import HybridIdentity, HybridRecipient
from vault.age.keytext import parse_identities, parse_identity, parse_recipient
from vault.age.scrypt import LARGEST_WORK_FACTOR, USUAL_WORK_FACTOR, ScryptIdentity, ScryptRecipient
from vault.age.sealing import ENOUGH_FOR_A_HEADER, FileStart, OpenedHeader, Sealed, open_sealed, read_header, seal
from vault.age.stream import SEGMENT, PayloadKey, PayloadReader, plain_length, sealed_length
from vault.age.x25519 import X25519Identity, X25519Recipient

__all__ = [
    "ENOUGH_FOR_A_HEADER",
    "FILE_KEY_SIZE",
    "LARGEST_HEADER",
    "LARGEST_WORK_FACTOR",
    "SEGMENT",
    "USUAL_WORK_FACTOR",
    "ArmorDamaged",
    "Buffer",
    "FileStart",
    "Header",
    "HeaderDamaged",
    "HeaderIncomplete",
    "HeaderTampered",
    "HybridIdentity",
    "HybridRecipient",
    "Identity",
    "KeyUnreadable",
    "NoMatchingIdentity",
    "OpenedHeader",
    "PayloadDamaged",
    "PayloadKey",
    "PayloadReader",
    "Recipient",
    "ScryptIdentity",
    "ScryptRecipient",
    "Sealed",
    "Stanza",
    "X25519Identity",
    "X25519Recipient",
    "armor",
    "open_sealed",
    "parse_header",
    "parse_identities",
    "parse_identity",
    "parse_recipient",
    "plain_length",
    "read_header",
    "seal",
    "sealed_length",
    "write_header",
]
