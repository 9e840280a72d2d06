"""Packs that no readable index segment names: left by a run that died between storing them and saying so, or named by a
segment that is damaged or gone.

A pack's own table of contents says what it holds; reading it needs a read capability. A writer without one leaves orphans to
prune.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound
from vault.format import pack
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.problems import Problem
from vault.repository.chunk_index import ChunkIndex
from vault.repository.index_segments import rows_of_pack
from vault.repository.pack_reader import ChunkPlace, PackReader
from vault.repository.project import Project
from vault.repository.stored_packs import list_packs
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

READERS = 8
"""Tables of contents that are read at once: each takes three requests, one after another."""


def repaired_index(project: Project, index: ChunkIndex) -> ChunkIndex:
    """The index; where segments are damaged, with rows out of the packs' own tables of contents."""
    return index.with_rows(orphan_rows(project, index.packs())) if index.damaged else index


def with_orphans(project: Project, index: ChunkIndex, tier: int, *, named: frozenset[bytes] | None = None) -> ChunkIndex:
    """An index in which a chunk was not found, with rows of the packs of a tier that no segment names. Where there are any, a
    problem is added to `damaged`; otherwise the same index is returned.

    named: the packs that segments name, where `index` lacks some of them.
    """
    rows = orphan_rows(project, index.packs() if named is None else named, [tier])
    if not rows:
        return index
    return replace(index.with_rows(rows), damaged=(*index.damaged, missing_segment_problem(project, len(rows))))


def missing_segment_problem(project: Project, packs: int) -> Problem:
    """The problem that packs had to be opened because no index segment names them."""
    return Problem(
        project.folder("index").encode(),
        "missing-index",
        f"an index segment is missing: {counted(packs, 'pack is', 'packs are')} named by none, and the packs' own tables of "
        "contents were read instead; the next backup that needs them writes the segment anew",
    )


def orphan_rows(project: Project, known: frozenset[bytes], tiers: Sequence[int] = (META_TIER, CONTENT_TIER)) -> list[pa.Table]:
    """Index rows of every pack of these tiers in the store that is not among `known` and can be opened; damaged ones are
    passed over, and content where this machine may not read it."""
    readable = [tier for tier in tiers if tier == META_TIER or project.capability.content_identity is not None]
    return rows_from_packs(
        project, [(tier, *one) for tier in readable for one in list_packs(project, tier).items() if one[0] not in known]
    )


def rows_from_packs(project: Project, packs: Sequence[tuple[int, bytes, int]]) -> list[pa.Table]:
    """Index rows of these packs (tier, SHA-256, stored length) out of their own tables of contents; damaged ones are passed
    over. Raises `StorageError`."""
    reader = PackReader(project)

    def rows(one: tuple[int, bytes, int]) -> pa.Table | None:
        tier, sha256, size = one
        try:
            return rows_of_pack(read_table_of_contents(reader, tier, sha256, size), sha256, size, tier)
        except (Damaged, ObjectNotFound):
            return None  # nothing relies on it, and `check` will name it

    with ThreadPoolExecutor(min(READERS, len(packs)) or 1, thread_name_prefix="contents") as pool:
        return [found for found in pool.map(rows, packs) if found is not None]


def read_table_of_contents(reader: PackReader, tier: int, sha256: bytes, size: int) -> pa.Table:
    """The table of contents out of a stored pack, with a few small requests. Raises `Damaged`, `StorageError`."""
    if size < 1:
        raise Damaged(f"pack {sha256.hex()} is empty")
    whole = ChunkPlace(b"", sha256, tier, size, 0, 0, 0, None)
    plain_size = reader.plain_size(whole)
    tail = reader.read_span(whole, max(0, plain_size - pack.TAIL_SIZE), min(plain_size, pack.TAIL_SIZE))
    try:
        place = pack.find_contents(tail, plain_size)
        return pack.decode_contents(reader.read_span(whole, place.start, place.length), place.start)
    except Damaged as error:
        raise Damaged(f"pack {sha256.hex()}: {error}", hint=error.hint) from error
