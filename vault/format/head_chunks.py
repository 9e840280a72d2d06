"""Head chunks: the chunks of the catalogue that the newest snapshots of a project consist of, once more, in one object.

In packs they lie among those of years of older manifests, and a pack of the catalogue is fetched whole. What is here needs no
trust beyond the keys: each chunk is named by its content, as everywhere. The object may be missing, and is made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from blake3 import blake3

from vault.errors import Damaged
from vault.format import parquet
from vault.format.chunks import ID_SIZE, LARGEST_CHUNK, chunk_id

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST_CONTENT = 32 * 1024 * 1024
"""Bytes of all chunks."""

MOST_CHUNKS = 1 << 20

WHAT = "an object of head chunks"
NONCE_SIZE = 16

_NONCE = b"nonce"


@cache
def schema() -> pa.Schema:
    """chunk: its id · content: its plain bytes."""
    import pyarrow as pa

    return pa.schema(
        [pa.field("chunk", pa.binary(ID_SIZE), nullable=False), pa.field("content", pa.large_binary(), nullable=False)]
    )


def encode(chunks: Mapping[bytes, bytes], nonce: bytes) -> bytes:
    """The plain bytes of an object. chunks: their contents, by id; at most `LARGEST_CONTENT` bytes · nonce: `NONCE_SIZE`
    random bytes."""
    import pyarrow as pa

    table = pa.table([list(chunks), list(chunks.values())], schema=schema())
    notes = {_NONCE: nonce.hex().encode()}
    return bytes(parquet.write(table, notes=notes, compression="zstd", use_dictionary=False, write_statistics=False))


def name(data: bytes | bytearray, key: bytes) -> bytes:
    """The id of an object from its plain bytes (32 bytes). key: the capability's head-chunks key."""
    return blake3(data, key=key).digest()


def decode(data: bytes | bytearray, key: bytes, object_id: bytes, chunk_id_key: bytes) -> dict[bytes, bytes]:
    """The contents, by id, each of which is what its id says. Raises `Damaged`."""
    if name(data, key) != object_id:
        raise Damaged(f"{WHAT} was not written with this project's keys, or was swapped for another")
    table = parquet.read(data, schema(), WHAT, most_rows=MOST_CHUNKS)
    found = dict(zip(table["chunk"].to_pylist(), table["content"].to_pylist(), strict=True))
    sizes = [len(content) for content in found.values()]
    if sum(sizes) > LARGEST_CONTENT or max(sizes, default=0) > LARGEST_CHUNK:
        raise Damaged(f"{WHAT} holds more than is ever written")
    if any(chunk_id(chunk_id_key, content) != chunk for chunk, content in found.items()):
        raise Damaged(f"{WHAT} holds a chunk that is not what its id says")
    return found
