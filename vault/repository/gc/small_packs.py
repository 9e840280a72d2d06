"""Which small packs are joined, so that few objects hold the history of years and each byte is rewritten a few times only.

Small packs are sorted into classes by their size; a class reaches from an eighth of its bound up to it, and the lowest holds
all that is smaller. Of a full pack of 32 MiB:

    class 0     up to 32 KiB
    class 1     up to 256 KiB
    class 2     up to 2 MiB
    class 3     up to 16 MiB
    none        larger: such a pack is never joined

Once there are eight packs of a class all of them are joined, which gives one of a higher class, or full ones. Whatever becomes
of a byte, it climbs: above class 0 it is rewritten once a class. At most seven packs of each class stay, 28 in all, for each
tier and, where a pack may have one dictionary only, each dictionary. Where the new pack would be the eighth of its class, that
class is joined along with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import NamedTuple

from vault.repository.gc.prune_plan import PackBatch, StoredPack
from vault.repository.gc.reachability import PackOrigin

FAN_IN = 8
"""Packs of one class that are joined. Two years of hourly packs of 4 to 44 KiB, pruned every hour, every day, every week: each
byte is rewritten 3.2, 3.0, 1.9 times on average and 5 times at most, and at most 39, 30, 21 packs stand after a prune. With
four it is 4.1, 3.3, 2.2 times and 29, 21, 19 packs; with sixteen 2.8, 2.6, 1.9 times and 54, 39, 26 packs."""

CLASSES = 4

LONGEST_LOCK = timedelta(days=35)
"""A pack that the store keeps locked for longer is not joined: until then its content would be stored twice."""

Group = tuple[int, bytes | None]
"""What may lie in one pack: a tier, and where a pack may have one dictionary only, that one or none."""


class SmallPackLimits(NamedTuple):
    """Packs that are not joined. young: that the store charges for when they are deleted now · kept: that it keeps locked for
    long · unreadable_tiers: of which this machine can open no pack."""

    young: frozenset[StoredPack] = frozenset()
    kept: frozenset[StoredPack] = frozenset()
    unreadable_tiers: frozenset[int] = frozenset()


class Joins(NamedTuple):
    """batches: packs that become one · young: those that would be joined, were they older · unreadable: that would be joined,
    could they be opened here."""

    batches: tuple[PackBatch, ...] = ()
    young: tuple[StoredPack, ...] = ()
    unreadable: tuple[StoredPack, ...] = ()


def size_class(size: int, full: int) -> int | None:
    """The class of a pack: 0 for the smallest, None where it is large enough. size: its stored bytes · full: of a full one."""
    bound, number = full // 2, CLASSES - 1
    if size >= bound:
        return None
    while number and size < bound // FAN_IN:
        bound, number = bound // FAN_IN, number - 1
    return number


def worth_joining(packs: Sequence[StoredPack], full: int) -> list[StoredPack]:
    """Those of the packs, all of one group, that are joined now. full: as for `size_class`."""
    by_class: dict[int | None, list[StoredPack]] = {}
    for pack in packs:
        by_class.setdefault(size_class(pack.size, full), []).append(pack)
    taken: list[StoredPack] = []
    for number in range(CLASSES):
        mine = by_class.get(number, [])
        rest = sum(pack.size for pack in taken) % full  # what full packs leave over
        arrives = bool(taken) and size_class(rest, full) == number
        if len(mine) + arrives >= FAN_IN:
            taken += mine
    return taken


def batches(packs: Sequence[StoredPack], origins: Mapping[bytes, PackOrigin], full: int) -> Iterator[PackBatch]:
    """The packs, each batch of which fits into one: by source and by the order in which snapshots brought them, so that what is
    restored together lies together."""
    batch: list[StoredPack] = []
    size = 0
    for pack in sorted(packs, key=lambda pack: (*origins[pack.sha256], pack.sha256)):
        other_source = batch and origins[batch[-1].sha256].source != origins[pack.sha256].source
        if size + pack.size > full or (other_source and size * 2 >= full):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(pack)
        size += pack.size
    yield tuple(batch)


def plan_joins(
    packs: Mapping[StoredPack, Group], origins: Mapping[bytes, PackOrigin], unfit: SmallPackLimits, full: int
) -> Joins:
    """What is joined of a project's needed packs.

    - `packs`: those that may be joined, and with what each may share a pack
    - `origins`: of all of them
    - `unfit`: which of them may not be
    - `full`: as for `size_class`
    """
    groups: dict[Group, list[StoredPack]] = {}
    for pack, group in packs.items():
        if pack.sha256 in origins and size_class(pack.size, full) is not None:
            groups.setdefault(group, []).append(pack)
    done: list[PackBatch] = []
    young: list[StoredPack] = []
    unreadable: list[StoredPack] = []
    for (tier, _), mine in sorted(groups.items(), key=lambda one: (one[0][0], one[0][1] or b"")):
        if tier in unfit.unreadable_tiers:
            unreadable += worth_joining(mine, full)
            continue
        young += [pack for pack in worth_joining(mine, full) if pack in unfit.young]
        chosen = worth_joining([pack for pack in mine if pack not in unfit.young and pack not in unfit.kept], full)
        done += [batch for batch in batches(chosen, origins, full) if len(batch) > 1]
    return Joins(tuple(done), tuple(young), tuple(unreadable))


def first_of(batches: Iterable[PackBatch], max_bytes: int | None) -> Iterator[PackBatch]:
    """The first of the batches that fit into so many bytes (None: all), and of the next one as much as does, if that is enough
    to be joined."""
    left = math.inf if max_bytes is None else max_bytes
    for batch in batches:
        sizes = accumulate(pack.size for pack in batch)
        fitting = batch[: sum(total <= left for total in sizes)]
        if len(fitting) == len(batch) or len(fitting) >= FAN_IN:
            yield fitting
        if len(fitting) < len(batch):
            return
        left -= sum(pack.size for pack in batch)
