"""The payload of an age file: ChaCha20-Poly1305 in segments, any of which opens by itself.

    plain    | 65536 bytes       | 65536 bytes       | … | 1 to 65536 bytes     (0 only if the payload is empty)
    sealed   | 65536 + 16        | 65536 + 16        | … | as many + 16
    nonce    | 0, not the last   | 1, not the last   | … | n, the last

The nonce fixes a segment's place and whether it is the last; it cannot be moved, dropped or added to without being
refused. Where a segment lies follows from sizes alone, so a range of the plain bytes needs a range of the file.

What a reader of ranges does *not* learn: that segments it has not opened are sound, and that the file's length is the
one that was written. A file cut off at a segment's end shows only in its then last segment.
Source: C2SP `age`, section "Payload".
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec import Struct

from vault.age.contract import Buffer
from vault.age.derivation import TAG_SIZE, derive
from vault.age.errors import PayloadDamaged

NONCE_SIZE = 16
"""Bytes of the payload's own nonce, which stands between the header and the first segment."""

SEGMENT = 64 * 1024
"""Plain bytes of every segment but the last."""

SEALED_SEGMENT = SEGMENT + TAG_SIZE


def sealed_length(plain_size: int) -> int:
    """Bytes of the segments for `plain_size` plain bytes."""
    return plain_size + TAG_SIZE * max(1, -(-plain_size // SEGMENT))


def room_for_tags(plain_size: int) -> int:
    """Bytes that sealing adds to `plain_size` plain bytes."""
    return sealed_length(plain_size) - plain_size


def room_in_place(plain_size: int) -> int:
    """Bytes before `plain_size` plain bytes that sealing them in place needs."""
    return room_for_tags(plain_size) + SEGMENT


def plain_length(sealed_size: int) -> int:
    """Plain bytes in segments of `sealed_size` bytes altogether. Raises `PayloadDamaged` for a size that none have."""
    segments = -(-sealed_size // SEALED_SEGMENT)
    size = sealed_size - TAG_SIZE * segments
    if sealed_size < TAG_SIZE or sealed_length(size) != sealed_size:
        raise PayloadDamaged(f"a payload cannot be {sealed_size} bytes long: the file is cut off, or something was added")
    return size


class PayloadKey:
    """The key of one file's payload. Encrypt with it once, in `seal_segments`; a second use would repeat nonces."""

    __slots__ = ("_cipher",)

    def __init__(self, file_key: bytes, nonce: bytes) -> None:
        self._cipher = ChaCha20Poly1305(derive(file_key, salt=nonce, info=b"payload"))

    def seal_segments(self, plain: memoryview, sealed: memoryview) -> None:
        """Fill `sealed`, of exactly `sealed_length(len(plain))` bytes, with all segments of `plain`."""
        last = max(0, len(plain) - 1) // SEGMENT
        encrypt_into = self._cipher.encrypt_into
        for number in range(last + 1):
            piece = plain[number * SEGMENT : (number + 1) * SEGMENT]
            at = number * SEALED_SEGMENT
            encrypt_into(_nonce(number, last), piece, None, sealed[at : at + len(piece) + TAG_SIZE])

    def seal_segments_in_place(self, buffer: memoryview, plain_start: int, plain_size: int) -> int:
        """Seal the plain bytes that lie in `buffer` from `plain_start` on; the segments lie at its beginning afterwards. Gives
        their bytes. There must be `room_in_place` before the plain bytes, so that no segment is written over while it is
        read."""
        if plain_start < room_in_place(plain_size):
            raise ValueError(f"{plain_start} bytes are no room to seal {plain_size} in place")
        last = max(0, plain_size - 1) // SEGMENT
        encrypt_into = self._cipher.encrypt_into
        for number in range(last + 1):
            start = plain_start + number * SEGMENT
            piece = buffer[start : min(start + SEGMENT, plain_start + plain_size)]
            at = number * SEALED_SEGMENT
            encrypt_into(_nonce(number, last), piece, None, buffer[at : at + len(piece) + TAG_SIZE])
        return sealed_length(plain_size)

    def open_segments(self, sealed: memoryview, plain: memoryview, *, first: int, last: int) -> None:
        """Fill `plain` with the segments that `sealed` holds, of which the front one is number `first` of the file;
        `last` is the number of the file's last. Raises `PayloadDamaged`."""
        decrypt_into = self._cipher.decrypt_into
        for place in range(-(-len(sealed) // SEALED_SEGMENT)):
            piece = sealed[place * SEALED_SEGMENT : (place + 1) * SEALED_SEGMENT]
            at = place * SEGMENT
            try:
                decrypt_into(_nonce(first + place, last), piece, None, plain[at : at + len(piece) - TAG_SIZE])
            except InvalidTag as error:
                raise PayloadDamaged(f"segment {first + place + 1} of {last + 1} does not open") from error

    def __repr__(self) -> str:
        return "PayloadKey(…)"


class PayloadReader(Struct, frozen=True):
    """Any range of one sealed file's plain bytes.

    start: where the first segment begins in the file · total_size: of the file in bytes.
    Raises `PayloadDamaged` where no payload has that size.
    """

    key: PayloadKey
    start: int
    total_size: int

    def __post_init__(self) -> None:
        plain_length(self.total_size - self.start)

    @property
    def plain_size(self) -> int:
        """Plain bytes of the whole file, going by its size alone."""
        return plain_length(self.total_size - self.start)

    def sealed_span(self, start: int, length: int) -> tuple[int, int]:
        """(offset, length) of the bytes of the file that hold plain bytes `start` to `start + length`.

        An empty range needs nothing. Raises `PayloadDamaged` for a range that the payload does not have: the table that
        it was taken from belongs to another file.
        """
        plain_size = self.plain_size
        if start < 0 or length < 0 or start + length > plain_size:
            raise PayloadDamaged(f"plain bytes {start} to {start + length} are wanted of a payload of {plain_size}")
        first = start // SEGMENT
        offset = self.start + first * SEALED_SEGMENT
        if length == 0:
            return min(offset, self.total_size), 0
        end = self.start + ((start + length - 1) // SEGMENT + 1) * SEALED_SEGMENT
        return offset, min(end, self.total_size) - offset

    def open_span(self, sealed: Buffer, start: int, length: int) -> memoryview:
        """Plain bytes `start` to `start + length`, from the bytes of the file that `sealed_span` named for them.

        Every segment touched is authenticated. Raises `PayloadDamaged`.
        """
        _, sealed_size = self.sealed_span(start, length)
        view = memoryview(sealed)
        if len(view) != sealed_size:
            raise PayloadDamaged(f"{len(view)} sealed bytes came where {sealed_size} hold the range")
        if length == 0:
            return memoryview(b"")
        first = start // SEGMENT
        plain = memoryview(bytearray(plain_length(sealed_size)))
        self.key.open_segments(view, plain, first=first, last=self._last)
        skip = start - first * SEGMENT
        return plain[skip : skip + length]

    def open_all(self, data: Buffer) -> bytearray:
        """All plain bytes of the whole file `data`. Raises `PayloadDamaged`, and then gives back nothing at all."""
        plain = bytearray(self.plain_size)
        with memoryview(data) as whole, memoryview(plain) as target:
            self.key.open_segments(whole[self.start : self.total_size], target, first=0, last=self._last)
        return plain

    @property
    def _last(self) -> int:
        return max(0, self.plain_size - 1) // SEGMENT


def _nonce(number: int, last: int) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if number == last else b"\x00")
