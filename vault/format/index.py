"""Index segments: Parquet tables that say which chunk lies where in which pack.

A segment's name is the keyed BLAKE3 of its plain bytes: whoever lacks the project's chunk-id key cannot make one that a
client would believe, and a writer that is told "this chunk is stored already" can rely on it. A nonce among these bytes makes
every segment another one: what one client writes must never be what another is about to delete.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from blake3 import blake3

from vault.errors import Damaged, Unstorable
from vault.format import parquet
from vault.format.chunks import ID_SIZE, LARGEST_CHUNK
from vault.format.descriptor import LARGEST_PACK
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.format.pack import LARGEST_FRAME, LEAST_IN_ROW, PLACES

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1 << 24

NONCE_SIZE = 16


@cache
def schema() -> pa.Schema:
    """Columns of a segment.

    chunk: its id · pack: SHA-256 of the pack's stored bytes · tier: 0 content, 1 catalogue · pack_size: stored bytes of the
    whole pack · offset, stored: where the frame lies in the pack's plain stream · plain: length of the content ·
    dictionary: id of the chunk that holds the zstd dictionary, or null.
    """
    import pyarrow as pa

    name = pa.binary(ID_SIZE)
    return pa.schema(
        [
            pa.field("chunk", name, nullable=False),
            pa.field("pack", name, nullable=False),
            pa.field("tier", pa.uint8(), nullable=False),
            pa.field("pack_size", pa.int32(), nullable=False),
            pa.field("offset", pa.int32(), nullable=False),
            pa.field("stored", pa.int32(), nullable=False),
            pa.field("plain", pa.int32(), nullable=False),
            pa.field("dictionary", name),
        ]
    )


def encode(table: pa.Table, nonce: bytes) -> bytes:
    """The plain bytes of a segment. table: of `schema()` · nonce: `NONCE_SIZE` random bytes. Rows of different tiers go to
    different row groups: who looks for a manifest need not read where a million chunks of content lie. Raises `Unstorable`
    where no reader would take it."""
    import pyarrow.compute as pc

    wrong = _nonsense(table) if table.num_rows <= MOST_ROWS else "too many rows"
    if wrong:
        raise Unstorable(f"an index segment with {wrong} would not be read by anybody; it was not written")
    tiers = table["tier"].combine_chunks()
    changes = pc.indices_nonzero(pc.not_equal(tiers[1:], tiers[:-1])).to_pylist()
    edges = [0, *(change + 1 for change in changes), table.num_rows]
    groups = [table.slice(start, end - start) for start, end in pairwise(edges)]
    repeating = ["pack", "tier", "pack_size", "dictionary"]
    notes = {b"nonce": nonce.hex().encode()}
    options = {"compression": "zstd", "use_dictionary": repeating, "write_statistics": False}
    return bytes(parquet.write(table, groups=groups, notes=notes, column_encoding=PLACES, **options))


def decode(data: bytes | bytearray, key: bytes, segment_id: bytes, *, tier: int | None = None) -> pa.Table:
    """Read back (only the rows of `tier` where it is given) and check that it was written by a holder of the chunk-id key.
    Raises `Damaged`."""
    if name(data, key) != segment_id:
        raise Damaged("an index segment was not written with this project's keys, or was swapped for another")
    only = None if tier is None else ("tier", tier)
    most = min(MOST_ROWS, len(data) // LEAST_IN_ROW)
    table = parquet.read(data, schema(), "an index segment", most_rows=most, only=only)
    wrong = _nonsense(table)
    if wrong:
        raise Damaged(f"an index segment holds an invalid value: {wrong}")
    return table


def _nonsense(table: pa.Table) -> str | None:
    """A reader allocates and asks for what a row says, so no row may say more than a writer ever wrote. What is wrong, if
    anything is."""
    import pyarrow.compute as pc

    bounds = {
        "tier": (CONTENT_TIER, META_TIER),
        "pack_size": (1, LARGEST_PACK),
        "offset": (0, LARGEST_PACK),
        "stored": (1, LARGEST_FRAME),
        "plain": (0, LARGEST_CHUNK),
    }
    for column, (least, most) in bounds.items():
        found = pc.min_max(table[column]).as_py() if table.num_rows else {"min": least, "max": most}
        if found["min"] < least or found["max"] > most:
            return f"{column!r} is out of bounds"
    return None


def name(data: bytes | bytearray, key: bytes) -> bytes:
    """The id of a segment from its plain bytes (32 bytes). key: the capability's index key."""
    return blake3(data, key=key).digest()
