"""Content-defined chunking: content is cut where its bytes say so, and each chunk is named by a keyed hash.

The chunker is FastCDC (Xia et al., 2020) with the parameters that the descriptor records: once a repository exists they never
change for it. A chunk's id is BLAKE3 of its plain bytes under the project's chunk-id key, so that equal content of two
projects has different names and nobody without the key can test a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, cast

from blake3 import blake3
from msgspec import Struct
from msgspec.structs import replace

from vault.errors import Damaged, UnsupportedFormat
from vault.format.strict_json import count, field

if TYPE_CHECKING:
    from pyfastcdc import FastCDC

ID_SIZE = 32
"""Bytes of a chunk id, and of every BLAKE3 and SHA-256 here."""

LARGEST_CHUNK = 16 * 1024 * 1024
"""Bytes; no cutting may ask for more, so no reader need allocate more for one chunk."""

ALGORITHM = "fastcdc-2020"

_LEAST = 64, 256, 1024
"""Bytes of the smallest, average and largest chunk: less is not cut."""


class ChunkerParams(Struct, frozen=True):
    """How content is cut. Sizes in bytes; `normalisation` is the paper's NC (0 to 3)."""

    smallest: int
    average: int
    largest: int
    normalisation: Literal[0, 1, 2, 3] = 1

    def cutter(self) -> FastCDC:
        """A cutter; one per thread, it is not safe to share."""
        from pyfastcdc import FastCDC  # every command reads the descriptor, few cut anything

        return FastCDC(
            avg_size=self.average,
            min_size=self.smallest,
            max_size=self.largest,
            normalized_chunking=self.normalisation,
        )

    def finer(self, times: int) -> ChunkerParams:
        """With sizes so many times smaller, but not below the smallest that a descriptor may name."""
        smallest, average, largest = (max(size // times, least) for size, least in zip(self._sizes, _LEAST, strict=True))
        return replace(self, smallest=smallest, average=average, largest=largest)

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return self.smallest, self.average, self.largest

    def as_json(self) -> dict[str, Any]:
        """As the descriptor holds it."""
        return {
            "algorithm": ALGORITHM,
            "smallest": self.smallest,
            "average": self.average,
            "largest": self.largest,
            "normalisation": self.normalisation,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> ChunkerParams:
        """Read back; refuses an unknown algorithm by name and sizes that make no sense."""
        algorithm = field(value, "algorithm", str, what)
        if algorithm != ALGORITHM:
            raise UnsupportedFormat(f"{what}: content is cut by {algorithm!r}, which this version does not know")
        smallest, average, largest = (count(value, name, what) for name in ("smallest", "average", "largest"))
        normalisation = count(value, "normalisation", what)
        if normalisation > 3:
            raise Damaged(f"{what}: the normalisation of chunks is invalid")
        cutting = cls(smallest, average, largest, cast(Literal[0, 1, 2, 3], normalisation))
        in_order = _LEAST[0] <= cutting.smallest <= cutting.average <= cutting.largest <= LARGEST_CHUNK
        if not in_order or cutting.smallest > 1 << 20 or cutting.average > 1 << 22:
            raise Damaged(f"{what}: the sizes of chunks are invalid")
        if cutting.finer(1) != cutting:
            raise Damaged(f"{what}: the sizes of chunks are too small")
        return cutting


def cut(cutter: FastCDC, content: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    """The chunks of `content`, in order; nothing for no content."""
    view = memoryview(content)
    if len(view):
        for chunk in cutter.cut_buf(view):
            yield view[chunk.offset : chunk.offset + chunk.length]


CUT_AT_ONCE = 1024 * 1024
"""Bytes that wait until they are cut."""


class StreamCutter:
    """Cuts content that comes piece by piece as `cut` does the whole of it. take: is called with each chunk, which it must not
    keep."""

    def __init__(self, cutting: ChunkerParams, take: Callable[[memoryview], None]) -> None:
        self._cutter = cutting.cutter()
        self._largest = cutting.largest
        self._take = take
        self._waiting = bytearray()

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """The next bytes."""
        self._waiting += piece
        if len(self._waiting) >= CUT_AT_ONCE + self._largest:
            self._cut(len(self._waiting) - self._largest)

    def finish(self) -> None:
        """There are no more."""
        self._cut(len(self._waiting))

    def _cut(self, last: int) -> None:
        """Give out the chunks that begin at `last` or before: those behind may depend on bytes that are still to come."""
        end = 0
        for chunk in cut(self._cutter, self._waiting):
            if end > last:
                break
            end += len(chunk)
            self._take(chunk)
        self._waiting = self._waiting[end:]


def chunk_id(key: bytes, plain: bytes | bytearray | memoryview) -> bytes:
    """A chunk's name: keyed BLAKE3 (32 bytes). key: the project's chunk-id key, 32 bytes."""
    return blake3(plain, key=key).digest()


def content_hash(plain: bytes | bytearray | memoryview) -> bytes:
    """BLAKE3 without a key, as `b3sum` prints it: what the manifest says of a whole file."""
    return blake3(plain).digest()


def derive(key: bytes, purpose: str) -> bytes:
    """A key for another purpose from the chunk-id key (BLAKE3's derive_key mode; 32 bytes)."""
    return blake3(key, derive_key_context=f"strongroom 2026-11-22 {purpose}").digest()
