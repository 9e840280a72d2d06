"""Which small packs are joined: by size classes, so that few stay and each byte is stored anew a few times only."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.support.randomness import SeededChance
from vault.format.layout import CONTENT_TIER, META_TIER
from vault.repository.gc.prune_plan import StoredPack
from vault.repository.gc.reachability import PackOrigin
from vault.repository.gc.small_packs import (
    CLASSES,
    FAN_IN,
    Group,
    SmallPackLimits,
    batches,
    plan_joins,
    size_class,
    worth_joining,
)

FULL = 32 * 1024 * 1024
KB = 1024
FIRST = datetime(2027, 1, 1, tzinfo=UTC)
CONTENT: Group = (CONTENT_TIER, None)
_numbers = count()


def pack(size: int, tier: int = CONTENT_TIER) -> StoredPack:
    return StoredPack(tier, hashlib.sha256(b"%d" % next(_numbers)).digest(), size)


def origins(packs: Iterable[StoredPack], source: str = "files") -> dict[bytes, PackOrigin]:
    return {one.sha256: PackOrigin(source, FIRST + timedelta(hours=hour)) for hour, one in enumerate(packs)}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, 0),
        (32 * KB - 1, 0),
        (32 * KB, 1),
        (256 * KB, 2),
        (2048 * KB, 3),
        (FULL // 2 - 1, 3),
        (FULL // 2, None),
        (FULL, None),
    ],
)
def test_a_class_reaches_from_an_eighth_of_its_bound_up_to_it(size: int, expected: int | None) -> None:
    assert size_class(size, FULL) == expected


def test_nothing_is_joined_until_enough_packs_of_a_class_have_come_together() -> None:
    seven = [pack(20 * KB) for _ in range(FAN_IN - 1)]
    assert worth_joining([*seven, pack(100 * KB), pack(FULL)], FULL) == []
    assert len(worth_joining([*seven, pack(20 * KB), pack(100 * KB)], FULL)) == FAN_IN


def test_a_class_that_the_new_pack_would_fill_is_joined_along_with_it() -> None:
    small, middle, large = ([pack(size * KB) for _ in range(7)] for size in (20, 200, 1500))
    assert worth_joining([*small, *middle, *large], FULL) == []
    chosen = worth_joining([*small, pack(20 * KB), *middle, *large], FULL)
    assert len(chosen) == 7 + 1 + 7 + 7


def test_a_backlog_becomes_full_packs_at_once() -> None:
    packs = [pack(20 * KB) for _ in range(17_520)]
    joined = list(batches(worth_joining(packs, FULL), origins(packs), FULL))
    assert sum(map(len, joined)) == len(packs)
    assert [sum(one.size for one in batch) > FULL * 9 // 10 for batch in joined[:-1]] == [True] * (len(joined) - 1)
    assert [one for batch in joined for one in batch] == packs, "in the order in which snapshots brought them"


@pytest.mark.parametrize("every", [1, 24, 168])
def test_over_two_years_a_byte_is_stored_anew_a_few_times_and_few_packs_stay(every: int) -> None:
    """The figures of docs/adr/0014."""
    chance = SeededChance("two years")
    there: list[StoredPack] = []
    stored = rewritten = 0
    times: Counter[bytes] = Counter()
    known: dict[bytes, PackOrigin] = {}
    for hour in range(17_520):
        new = pack(4 * KB + int(chance.fraction() * 40 * KB))
        known[new.sha256] = PackOrigin("files", FIRST + timedelta(hours=hour))
        there.append(new)
        stored += new.size
        if hour % every == every - 1:
            planned = plan_joins(dict.fromkeys(there, CONTENT), known, SmallPackLimits(), FULL)
            for batch in planned.batches:
                whole = pack(sum(one.size for one in batch))
                rewritten += whole.size
                times[whole.sha256] = 1 + max(times[one.sha256] for one in batch)
                known[whole.sha256] = known[batch[0].sha256]
                there = [one for one in there if one not in batch] + [whole]
    full = [one for one in there if size_class(one.size, FULL) is None]
    assert len(there) - len(full) <= CLASSES * (FAN_IN - 1) + every
    assert len(there) < 2 * 100
    assert max(times.values()) <= CLASSES + 1
    assert rewritten < {1: 4.2, 24: 3.1, 168: 2.1}[every] * stored


def test_what_a_pack_needs_to_be_opened_decides_with_what_it_is_joined() -> None:
    plain, taught, catalogue = (
        [pack(KB) for _ in range(8)],
        [pack(KB) for _ in range(8)],
        [pack(KB, META_TIER) for _ in range(8)],
    )
    groups: dict[StoredPack, Group] = dict.fromkeys(plain, CONTENT)
    groups |= dict.fromkeys(taught, (CONTENT_TIER, b"d" * 32)) | dict.fromkeys(catalogue, (META_TIER, None))
    known = origins([*plain, *taught, *catalogue])
    planned = plan_joins(groups, known, SmallPackLimits(), FULL)
    assert sorted(map(sorted, planned.batches)) == sorted(map(sorted, (plain, taught, catalogue)))
    blind = plan_joins(groups, known, SmallPackLimits(unreadable_tiers=frozenset({CONTENT_TIER})), FULL)
    assert [*map(sorted, blind.batches)] == [sorted(catalogue)]
    assert sorted(blind.unreadable) == sorted([*plain, *taught])


def test_packs_of_one_source_lie_together_where_they_fill_a_pack() -> None:
    packs = [pack(FULL // 8) for _ in range(24)]
    known = {one.sha256: PackOrigin("ab"[number % 2], FIRST + timedelta(hours=number)) for number, one in enumerate(packs)}
    for batch in batches(packs, known, FULL):
        assert len({known[one.sha256].source for one in batch}) == 1
        assert sum(one.size for one in batch) <= FULL


def test_a_pack_that_is_young_or_locked_for_long_is_not_joined_and_the_young_ones_are_named() -> None:
    packs = [pack(KB) for _ in range(20)]
    young, kept = frozenset(packs[:10]), frozenset(packs[10:11])
    planned = plan_joins(dict.fromkeys(packs, CONTENT), origins(packs), SmallPackLimits(young, kept), FULL)
    assert {one for batch in planned.batches for one in batch} == set(packs[11:])
    assert set(planned.young) == young


def test_a_pack_that_no_snapshot_leads_to_is_left_alone() -> None:
    packs = [pack(KB) for _ in range(9)]
    assert plan_joins(dict.fromkeys(packs, CONTENT), origins(packs[:7]), SmallPackLimits(), FULL).batches == ()
