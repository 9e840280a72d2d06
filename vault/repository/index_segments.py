"""Index segments: objects that say which chunk lies in which pack. Reading one, writing some, and the rows for a pack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vault.format import index as segments
from vault.format import strict_json
from vault.format.chunks import ID_SIZE
from vault.format.layout import index_name
from vault.format.parquet import repeated
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_IN_SEGMENT = 400_000
"""About 40 MB: a segment is one object, and an object has at most 64 MiB."""


def load_segment(project: Project, name: str, tier: int | None = None) -> pa.Table:
    """The rows of one segment. Raises `ObjectNotFound`, `Damaged`."""
    segment_id = strict_json.from_hex(name.rpartition("/")[2], ID_SIZE, f"the name {name}")
    key = project.capability.index_key
    return project.read_sealed(name, lambda plain: segments.decode(plain, key, segment_id, tier=tier))


def rows_of_pack(contents: pa.Table, pack: bytes, pack_size: int, tier: int) -> pa.Table:
    """Index rows for a pack, out of its table of contents. pack: its SHA-256 · pack_size: its stored bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count, dictionaries = contents.num_rows, pc.unique(contents["dictionary"])
    columns = {
        "chunk": contents["chunk"],
        "pack": repeated(pa.scalar(pack, pa.binary(ID_SIZE)), count),
        "tier": repeated(pa.scalar(tier, pa.uint8()), count),
        "pack_size": repeated(pa.scalar(pack_size, pa.int32()), count),
        "offset": contents["offset"],
        "stored": contents["stored"],
        "plain": contents["plain"],
        "dictionary": repeated(dictionaries[0], count) if len(dictionaries) == 1 else contents["dictionary"],
    }
    return pa.table(columns, schema=segments.schema())


def store_segment(project: Project, tables: Sequence[pa.Table]) -> str:
    """Write the rows as one segment; returns its name."""
    import pyarrow as pa

    nonce = project.services.randomness.token(segments.NONCE_SIZE)
    plain = segments.encode(pa.concat_tables(tables), nonce)
    name = index_name(project.id, segments.name(plain, project.capability.index_key))
    project.store.put(name, project.seal_catalogue(plain))
    return name


def store_segments(project: Project, rows: pa.Table) -> list[str]:
    """Write the rows as segments, usually one; returns their names."""
    starts = range(0, rows.num_rows, ROWS_IN_SEGMENT)
    return [store_segment(project, [rows.slice(start, ROWS_IN_SEGMENT)]) for start in starts]
