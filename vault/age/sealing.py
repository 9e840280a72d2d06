"""Whole files: seal to recipients, open with identities, or open the header only and read ranges.

seal        make a file key → wrap it for each recipient → header, MAC → nonce → segments
open        read the header → ask each identity for the file key → check the MAC → open the segments
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from vault.age import hybrid, scrypt
from vault.age.contract import FILE_KEY_SIZE, Buffer, Identity, Recipient, Stanza
from vault.age.errors import HeaderIncomplete, NoMatchingIdentity
from vault.age.header import LARGEST_HEADER, Header, parse_header, write_header
from vault.age.stream import NONCE_SIZE, PayloadKey, PayloadReader, sealed_length
from vault.errors import UsageError
from vault.hidden_fields import HidesFields
from vault.randomness import Randomness

ENOUGH_FOR_A_HEADER = LARGEST_HEADER + NONCE_SIZE
"""Bytes from a file's front that hold its header for certain; 4096 hold that of one or two hybrid recipients."""


class OpenedHeader(Struct, frozen=True):
    """What it takes to read a file's payload.

    length: bytes before the first segment (the header and the payload's nonce).
    """

    key: PayloadKey
    length: int

    def reader(self, total_size: int) -> PayloadReader:
        """Ranges of the file, which has `total_size` bytes. Raises `PayloadDamaged` where no file has that many."""
        return PayloadReader(self.key, self.length, total_size)


class FileStart(HidesFields, frozen=True):
    """What a new age file begins with: its header and its payload's nonce. One file only may be made with it.

    front: these bytes · file_key: the key that the header wraps.
    """

    front: bytes
    file_key: bytes

    def __repr__(self) -> str:
        return f"FileStart({self.front!r})"  # the key is a secret

    @classmethod
    def new(cls, recipients: Sequence[Recipient], randomness: Randomness) -> FileStart:
        """Of a file for all `recipients`. Raises `UsageError` as `seal` does."""
        file_key = randomness.token(FILE_KEY_SIZE)
        stanzas = [recipient.wrap(file_key, randomness) for recipient in recipients]
        _refuse_bad_company(stanzas)
        header = write_header(stanzas, file_key)
        if len(header) > LARGEST_HEADER:
            raise UsageError(f"{len(stanzas)} recipients make a header of more than {LARGEST_HEADER} bytes")
        return cls(header + randomness.token(NONCE_SIZE), file_key)

    def sealed_size(self, plain_size: int) -> int:
        """Bytes of the whole file."""
        return len(self.front) + sealed_length(plain_size)

    def payload_key(self) -> PayloadKey:
        """Encrypts the payload; to be used once."""
        return PayloadKey(self.file_key, self.front[-NONCE_SIZE:])

    def seal(self, plain: Buffer) -> Sealed:
        """The whole file."""
        with memoryview(plain) as source:
            data = bytearray(self.sealed_size(source.nbytes))
            data[: len(self.front)] = self.front
            with memoryview(data) as target:
                self.payload_key().seal_segments(source.cast("B"), target[len(self.front) :])
        return Sealed(data, self.file_key)

    def reader(self, sealed: Buffer) -> PayloadReader:
        """Ranges of the file that was made with this, read back as by `Sealed.reader`. Raises `Damaged`."""
        return _reader(sealed, self.file_key)


class Sealed(HidesFields, frozen=True):
    """A file just made, which its maker can open again without anybody's identity.

    data: the whole age file.
    """

    data: bytearray
    _file_key: bytes

    def reopen(self) -> bytearray:
        """The plain bytes, read back out of `data` in the way a reader would, from the header's first line on; only the
        recipients' stanzas stay unopened. Raises `Damaged` where memory or this package has erred."""
        return self.reader().open_all(self.data)

    def reader(self) -> PayloadReader:
        """Ranges of `data`, read back in the same way. Raises `Damaged`."""
        return _reader(self.data, self._file_key)


def seal(plain: Buffer, recipients: Sequence[Recipient], randomness: Randomness) -> Sealed:
    """Seal `plain` to all `recipients`.

    Raises `UsageError` for no recipient, for a passphrase next to other recipients, and for a hybrid recipient next to
    one that a quantum computer opens, since the weakest decides.
    """
    return FileStart.new(recipients, randomness).seal(plain)


def _reader(data: Buffer, file_key: bytes) -> PayloadReader:
    return read_header(data, [_KnownFileKey(file_key)]).reader(len(data))


def open_sealed(data: Buffer, identities: Sequence[Identity]) -> bytearray:
    """The plain bytes of a whole (binary) age file.

    Raises `NoMatchingIdentity`, `HeaderDamaged`, `HeaderTampered` or `PayloadDamaged`.
    """
    return read_header(data, identities).reader(len(data)).open_all(data)


def read_header(prefix: Buffer, identities: Sequence[Identity]) -> OpenedHeader:
    """Open the header with the first of `identities` that can. `prefix` is the file's front: at least its header and
    the payload's nonce, better `ENOUGH_FOR_A_HEADER`, or the whole file.

    Raises `HeaderIncomplete` where `prefix` is too short, `HeaderDamaged`, `HeaderTampered` or `NoMatchingIdentity`.
    """
    header = parse_header(prefix)
    file_key = _file_key(header, identities)
    header.check(file_key)
    length = header.length + NONCE_SIZE
    nonce = bytes(memoryview(prefix)[header.length : length])
    if len(nonce) != NONCE_SIZE:
        raise HeaderIncomplete("the file ends before its payload begins")
    return OpenedHeader(PayloadKey(file_key, nonce), length)


def _file_key(header: Header, identities: Sequence[Identity]) -> bytes:
    for identity in identities:
        file_key = identity.unwrap(header.stanzas)
        if file_key is not None:
            return file_key
    if [stanza.type for stanza in header.stanzas] != [scrypt.STANZA_TYPE]:
        raise NoMatchingIdentity(f"none of the identities at hand ({len(identities)}) is among the recipients of this file")
    if any(isinstance(identity, scrypt.ScryptIdentity) for identity in identities):
        raise NoMatchingIdentity("the passphrase is wrong", hint="type it again; capitals and blanks count")
    raise NoMatchingIdentity("this file is encrypted with a passphrase, and none was given", hint="give the passphrase")


def _refuse_bad_company(stanzas: Sequence[Stanza]) -> None:
    types = {stanza.type for stanza in stanzas}
    if not stanzas:
        raise UsageError("no recipient: what is encrypted for nobody cannot be opened again")
    if scrypt.STANZA_TYPE in types and len(stanzas) > 1:
        raise UsageError("a passphrase must be the only recipient of a file")
    if hybrid.STANZA_TYPE in types and len(types) > 1:
        raise UsageError(
            "a post-quantum recipient and one that is not cannot share a file: the weaker would decide",
            hint="use `age1pq1…` recipients only, or make a second file",
        )


class _KnownFileKey:
    """The identity of whoever made the file."""

    def __init__(self, file_key: bytes) -> None:
        self._file_key = file_key

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytes | None:
        return self._file_key
