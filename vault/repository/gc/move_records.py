"""Records of moved packs, few instead of many.

Every repacking and every joining leaves such a record, and what moved twice is named by two. They are joined like packs: a
record that is not small any more stays as it is. The new one says of each pack that any snapshot names, or that stands, to
which of the packs that stand its content has moved, whatever lay in between. It believes no more than each of the old ones: a
pack that stands counts as reached also where a record says that it has moved on, so that it goes only with a proof.

The old ones go with a later prune, once they say nothing that the others do not: whoever has listed the records before the new
one stood has ended by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from vault.errors import StrongroomError
from vault.format.moved_packs import MAX_MOVED_BYTES, MovedPacks
from vault.repository import snapshots
from vault.repository.gc.repack import BYTES_OF_ENTRY, SOURCE
from vault.repository.project import Project
from vault.repository.session import Session

MOST_SMALL = 8
"""Small records that may stay: each costs a reader without a cache a request."""

Moves = Mapping[bytes, frozenset[bytes]]
"""Of each moved pack, where its content lies now, as in `Committed.moved`."""


def union(records: Iterable[MovedPacks]) -> dict[bytes, frozenset[bytes]]:
    """What several records say together."""
    return snapshots.Committed([], (), tuple(records)).moved


def said_by_others(
    records: Sequence[MovedPacks], known: Collection[str], used: Collection[bytes], there: Collection[bytes]
) -> list[MovedPacks]:
    """Those of the records that say nothing of a pack in use that the others do not.

    - `known`: ids of the records that stood before this prune waited for all who were at work
    - `used`: packs that a record of a snapshot leads to, and all that stand
    - `there`: packs that stand
    """
    left = list(records)
    names = {one.id: [old for old, new in one.packs.items() if new and old in used] for one in records}
    count = Counter(old for olds in names.values() for old in olds)
    gone: list[MovedPacks] = []
    for one in sorted(records, key=lambda one: one.id):
        if one.id not in known or any(count[old] < 2 for old in names[one.id]):
            continue
        others = [other for other in left if other.id != one.id]
        known_left, known_others = ([one for one in some if one.id in known] for some in (left, others))
        olds = names[one.id]
        if _same(olds, left, others, there) and _same(olds, known_left, known_others, there):
            left, gone = others, [*gone, one]
            count.subtract(names[one.id])
    return gone


def join_small(project: Project, records: Sequence[MovedPacks], used: Collection[bytes], there: Collection[bytes]) -> int:
    """Write what small records say as one, if there are many; returns how many there were. Those of packs that still stand
    wait until these are gone. used, there: as for `said_by_others`. Raises `Busy`, `StorageError`."""
    whole = union(records)
    small = [one for one in records if _is_small(one, used) and not any(old in there for old in one.packs)]
    found: dict[bytes, tuple[bytes, ...]] = {}
    for one in list(small):
        leads = {old: tuple(sorted(_leads_to(old, whole, there)[0])) for old in one.packs if old in used}
        if not all(leads.values()):  # what is lost stays on record as it is
            small.remove(one)
            continue
        found |= leads
    if len(small) < MOST_SMALL:
        return 0
    waiting = iter(found.items())
    while some := dict(_that_fit(waiting)):
        _commit(project, some)
    return len(small)


def _same(olds: Iterable[bytes], before: Iterable[MovedPacks], after: Iterable[MovedPacks], there: Collection[bytes]) -> bool:
    """Whether some records lead from these packs to where others do."""
    one, two = union(before), union(after)
    return all(_leads_to(old, one, there) == _leads_to(old, two, there) for old in olds)


def _leads_to(old: bytes, moves: Moves, there: Collection[bytes]) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The packs that stand to which a pack's content has moved on the way, and those in which it is now."""
    whole = snapshots.follow_moves(frozenset({old}), moves) - {old}
    now = snapshots.current_packs(frozenset({old}), moves)
    return frozenset(pack for pack in whole if pack in there), frozenset(pack for pack in now if pack in there)


def _is_small(one: MovedPacks, used: Collection[bytes]) -> bool:
    """Whether a record has room for others, or says mostly what nobody asks for any more."""
    useful = sum(old in used for old in one.packs)
    return _size(one.packs.values()) < MAX_MOVED_BYTES // 2 or useful * 2 < len(one.packs)


def _size(targets: Iterable[Sequence[bytes]]) -> int:
    return sum(BYTES_OF_ENTRY * (1 + len(new)) for new in targets)


def _that_fit(waiting: Iterable[tuple[bytes, tuple[bytes, ...]]]) -> Iterable[tuple[bytes, tuple[bytes, ...]]]:
    """As many entries as fit into a record."""
    size = 0
    for old, new in waiting:
        yield old, new
        size += _size([new])
        if size > MAX_MOVED_BYTES:
            return


def _commit(project: Project, moved: dict[bytes, tuple[bytes, ...]]) -> None:
    session = Session.begin(project, SOURCE)
    try:
        session.commit(MovedPacks(session.id, moved))
    except (StrongroomError, KeyboardInterrupt):
        session.withdraw()
        raise
    finally:
        session.packs.close()
