"""Whether objects stand in the store that somebody needs."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from vault.errors import ObjectNotFound
from vault.format import layout
from vault.format.layout import TIERS
from vault.repository.orphan_packs import standing
from vault.repository.project import Project

FEW = 50
"""Packs that are asked for one by one; more are looked for in a listing."""

LOOKERS = 8
"""Requests under way when packs are asked for one by one."""


def gone(project: Project, packs: frozenset[bytes]) -> frozenset[bytes]:
    """Those of these packs that do not stand. What seems missing is asked for by name, and twice: an answer may be wrong."""
    if len(packs) > FEW:
        packs -= {pack for tier in TIERS for pack in standing(project, tier)}
    for _ in range(2):
        packs = _missing(project, packs)
    return packs


def all_gone(project: Project, packs: Iterable[bytes]) -> bool:
    """Whether none of the packs stands that a listing left out: of many, the first few are asked for by name."""
    some = frozenset(islice(packs, FEW))
    return gone(project, some) == some


def stands(project: Project, name: str) -> bool:
    """Whether an object stands in the store."""
    try:
        project.store.size(name)
    except ObjectNotFound:
        return False
    return True


def _missing(project: Project, packs: frozenset[bytes]) -> frozenset[bytes]:
    if not packs:
        return packs

    def looked_for(pack: bytes) -> bool:
        return any(stands(project, layout.pack_name(project.id, tier, pack)) for tier in TIERS)

    with ThreadPoolExecutor(min(LOOKERS, len(packs)), thread_name_prefix="look") as pool:
        names = list(packs)
        return frozenset(pack for pack, there in zip(names, pool.map(looked_for, names), strict=True) if not there)
