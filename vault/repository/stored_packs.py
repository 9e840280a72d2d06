"""Which packs, and other objects that somebody needs, the store has."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from vault.errors import ObjectNotFound
from vault.format import layout
from vault.format.layout import TIERS
from vault.repository.project import Project
from vault.threads import parallel_map

FEW = 50
"""Packs that are asked for one by one; more are looked for in a listing."""

READERS = 8
"""Requests at once when packs are asked for one by one."""


def list_packs(project: Project, tier: int) -> dict[bytes, int]:
    """The packs that the store lists in a tier: their stored bytes, by SHA-256."""
    named = ((layout.pack_sha256(info.name), info.size) for info in project.store.list(project.folder(TIERS[tier])))
    return {sha256: size for sha256, size in named if sha256 is not None}


def list_all_packs(project: Project) -> dict[bytes, int]:
    """The packs that the store lists in both tiers: their stored bytes, by SHA-256."""
    listed = parallel_map(tuple(TIERS), lambda tier: list_packs(project, tier), most=READERS, name="list")
    return {pack: size for packs in listed for pack, size in packs.items()}


def missing(project: Project, packs: frozenset[bytes]) -> frozenset[bytes]:
    """Those of the packs that the store does not have. Each that seems missing is asked for by name, twice: an answer may be
    wrong."""
    if len(packs) > FEW:
        packs -= {pack for tier in TIERS for pack in list_packs(project, tier)}
    for _ in range(2):
        packs = _missing(project, packs)
    return packs


def all_missing(project: Project, packs: Iterable[bytes]) -> bool:
    """Whether the store has none of the packs, which a listing left out. Of many, the first few are asked for by name."""
    some = frozenset(islice(packs, FEW))
    return missing(project, some) == some


def exists(project: Project, name: str) -> bool:
    """Whether the store has an object."""
    try:
        project.store.size(name)
    except ObjectNotFound:
        return False
    return True


def _missing(project: Project, packs: frozenset[bytes]) -> frozenset[bytes]:
    if not packs:
        return packs

    def has(pack: bytes) -> bool:
        return any(exists(project, layout.pack_name(project.id, tier, pack)) for tier in TIERS)

    with ThreadPoolExecutor(min(READERS, len(packs)), thread_name_prefix="look") as pool:
        names = list(packs)
        return frozenset(pack for pack, found in zip(names, pool.map(has, names), strict=True) if not found)
