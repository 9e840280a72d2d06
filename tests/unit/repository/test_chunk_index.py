"""Looking chunks up in the index: by their first bytes, and never taken for others that begin alike."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.format import index as segments
from vault.repository.chunk_index import ChunkIndex

ids = st.builds(lambda first, last: bytes(7) + bytes([first]) + bytes(23) + bytes([last]), st.integers(0, 3), st.integers(0, 3))


def index_of(chunks: list[list[bytes]]) -> ChunkIndex:
    """An index of these chunks, in as many pieces."""
    tables = [segments.schema().empty_table()]
    for some in chunks:
        columns = {
            "chunk": some,
            "pack": [bytes(32)] * len(some),
            **{name: [1] * len(some) for name in ("tier", "pack_size", "offset", "stored", "plain")},
            "dictionary": [None] * len(some),
        }
        tables.append(pa.table(columns, schema=segments.schema()))
    return ChunkIndex(pa.concat_tables(tables))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(known=st.lists(st.lists(ids, max_size=6), max_size=3), wanted=st.lists(ids, max_size=12), at_once=st.integers(1, 5))
def test_a_chunk_is_found_in_its_own_row_however_others_begin(
    known: list[list[bytes]], wanted: list[bytes], at_once: int
) -> None:
    index = index_of(known)
    flat = [chunk for some in known for chunk in some]
    chunks = pa.array([b"\xff" * 32, *wanted], pa.binary(32)).slice(1)
    parts = [chunks.slice(at, at_once) for at in range(0, len(chunks), at_once)]
    rows = [row for part in index.rows_of(lambda: parts) for row in part.to_pylist()]
    assert [None if row is None else flat[row] for row in rows] == [one if one in flat else None for one in wanted]
