"""Whether a pack may go because its content is said to lie in others now.

Whoever holds a write capability can write a record of moved packs, index segments and packs, but cannot read content. So a
prune believes none of them: what a pack holds, the pack's own table of contents says, and each chunk of it that a snapshot
needs must be found, and read, in the packs that the record names and that stay. Without a read capability no pack of
content goes on the strength of such a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vault.errors import Damaged, ObjectNotFound, StrongroomError
from vault.format.layout import META_TIER
from vault.repository.adopt import rows_of
from vault.repository.chunk_index import ChunkIndex
from vault.repository.pack_reader import PackReader, places
from vault.repository.project import Project
from vault.repository.snapshots import where_now
from vault.storage.caching import uncached

if TYPE_CHECKING:
    import pyarrow as pa

Pack = tuple[int, bytes, int]
"""Tier, SHA-256, stored bytes."""


@dataclass(frozen=True, slots=True)
class Staying:
    """What is known to stay. moved: of `Committed` · live: the chunks that any snapshot needs · index: where they lie · stored:
    the packs that stand and that nobody means to delete, by tier and SHA-256, with their stored bytes."""

    moved: Mapping[bytes, frozenset[bytes]]
    live: pa.Array
    index: ChunkIndex
    stored: Mapping[tuple[int, bytes], int]


def readable(project: Project, tier: int) -> bool:
    """Whether packs of this tier can be opened here."""
    return tier == META_TIER or project.capability.content_identity is not None


def proven(
    project: Project, packs: Sequence[Pack], staying: Staying, *, whole: bool, stop: Callable[[], None]
) -> frozenset[bytes]:
    """Those of the packs, all of which have moved, of which nothing is needed but what stands elsewhere. whole: every chunk is
    read there and compared with its name; else the tables of contents are compared. Raises `StorageError`."""
    if staying.index.damaged:  # which dictionaries are needed, the damaged segment might say
        return frozenset()
    targets = {one: _targets(project, one, staying) for one in packs}
    found = {one: some for one, some in targets.items() if some}
    stop()
    contents = _contents(project, {*found, *(target for some in found.values() for target in some)})
    stop()
    wanted = {one[1]: _wanted(one, some, staying, contents) for one, some in found.items()}
    complete = {pack: rows for pack, rows in wanted.items() if rows is not None}
    if not whole:
        return frozenset(complete)
    below = replace(project, store=uncached(project.store))
    bad = _unreadable(below, staying.index, list(complete.values()), stop)
    return frozenset(pack for pack, rows in complete.items() if bad.isdisjoint(rows["chunk"].to_pylist()))


def _targets(project: Project, one: Pack, staying: Staying) -> list[Pack]:
    """Where all of a pack is said to lie; nothing where one of these packs does not stay, or where nobody here can tell."""
    tier, pack, _ = one
    now = where_now(frozenset({pack}), staying.moved)
    if pack in now or not readable(project, tier) or any((tier, target) not in staying.stored for target in now):
        return []
    return [(tier, target, staying.stored[tier, target]) for target in sorted(now)]


def _contents(project: Project, packs: Iterable[Pack]) -> dict[bytes, pa.Table]:
    """Index rows out of the tables of contents of those packs that can be opened."""
    return {rows["pack"][0].as_py(): rows for rows in rows_of(project, sorted(packs)) if rows.num_rows}


def _wanted(one: Pack, targets: Sequence[Pack], staying: Staying, contents: Mapping[bytes, pa.Table]) -> pa.Table | None:
    """The rows, in the packs where its content lies now, of all that is needed of a pack; None where something is in none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    own = contents.get(one[1])
    there = [contents[target] for _, target, _ in targets if target in contents]
    if own is None or not there:
        return None
    needed = pc.unique(own.filter(pc.is_in(own["chunk"], value_set=staying.live))["chunk"])
    rows = pa.concat_tables(there)
    rows = rows.filter(pc.is_in(rows["chunk"], value_set=needed))
    return rows if len(pc.unique(rows["chunk"])) == len(needed) else None


def _unreadable(project: Project, index: ChunkIndex, tables: Sequence[pa.Table], stop: Callable[[], None]) -> set[bytes]:
    """The chunks of these rows that can be read in none of their places. Each pack is read once."""
    import pyarrow as pa

    if not tables:
        return set()
    reader = PackReader(project, index)
    wanted, good = set[bytes](), set[bytes]()
    by_pack: dict[bytes, list[pa.Table]] = {}
    for rows in tables:
        wanted.update(rows["chunk"].to_pylist())
        for pack in rows["pack"].unique().to_pylist():
            by_pack.setdefault(pack, []).append(rows)
    for pack, some in by_pack.items():
        stop()
        rows = pa.concat_tables(some)
        places_there = dict.fromkeys(place for place in places(rows) if place.pack == pack)
        try:
            for place, content in reader.chunks(list(places_there)):
                if not isinstance(content, StrongroomError):
                    good.add(place.chunk)
        except (Damaged, ObjectNotFound):
            continue
    return wanted - good
