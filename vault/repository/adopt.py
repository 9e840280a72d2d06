"""Packs that no readable index segment names: left by a run that died between storing them and saying so, or named by a
segment that is damaged.

A pack's own table of contents tells what it holds; it is content, so reading it needs a read capability. A writer without one
leaves orphans to prune.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.errors import Damaged, ObjectNotFound
from vault.format import layout, pack
from vault.format.layout import CONTENT_TIER, META_TIER, TIERS
from vault.repository.chunk_index import ChunkIndex, rows_of_pack
from vault.repository.pack_reader import PackReader, Place
from vault.repository.project import Project

if TYPE_CHECKING:
    import pyarrow as pa


def healed(project: Project, index: ChunkIndex) -> ChunkIndex:
    """An index with damaged segments, and what the packs themselves say instead of them."""
    return index.with_rows(orphan_rows(project, index.packs())) if index.damaged else index


def orphan_rows(project: Project, known: frozenset[bytes]) -> list[pa.Table]:
    """Index rows of every pack in the store that is not among `known` and can be opened; damaged ones are passed over."""
    tiers = [META_TIER] if project.capability.content_identity is None else [META_TIER, CONTENT_TIER]
    reader = PackReader(project)
    found = []
    for tier in tiers:
        for sha256, size in standing(project, tier).items():
            if sha256 in known:
                continue
            try:
                found.append(rows_of_pack(read_contents(reader, tier, sha256, size), sha256, size, tier))
            except (Damaged, ObjectNotFound):
                continue  # nothing leans on it, and `check` will name it
    return found


def standing(project: Project, tier: int) -> dict[bytes, int]:
    """The packs of a tier that the store has, by SHA-256, with their stored lengths."""
    named = ((layout.pack_sha256(info.name), info.size) for info in project.store.list(project.folder(TIERS[tier])))
    return {sha256: size for sha256, size in named if sha256 is not None}


def read_contents(reader: PackReader, tier: int, sha256: bytes, size: int) -> pa.Table:
    """The table of contents out of a stored pack, with a few small requests. Raises `Damaged`, `StorageError`."""
    whole = Place(b"", sha256, tier, size, 0, 0, 0, None)
    plain_size = reader.plain_size(whole)
    tail = reader.read_span(whole, max(0, plain_size - pack.TAIL_SIZE), min(plain_size, pack.TAIL_SIZE))
    place = pack.find_contents(tail, plain_size)
    return pack.decode_contents(reader.read_span(whole, place.start, place.length), place.start)
