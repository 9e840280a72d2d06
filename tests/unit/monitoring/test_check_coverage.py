"""Night after night: which packs are read, so that all are in time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from policies.monitoring.check_coverage import Pace, known, longest_unread, tonight, waiting_since
from policies.monitoring.state_store import PackSeen

BEGIN = datetime(2026, 11, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PACE = Pace(within=30 * DAY, until_next=DAY)


def name(number: int) -> bytes:
    return number.to_bytes(32)


@pytest.mark.parametrize("seed", range(5))
def test_over_months_no_pack_waits_longer_than_promised_and_the_nights_are_alike(seed: int) -> None:
    randomness = random.Random(seed)
    stored = {name(number): randomness.randint(1, 64) for number in range(300)}
    seen: dict[bytes, PackSeen] = {}
    shares = []
    for night in range(120):
        now = BEGIN + night * DAY
        for _ in range(randomness.randint(0, 4)):
            stored[name(randomness.randrange(1 << 60))] = randomness.randint(1, 64)
        for pack in randomness.sample(sorted(stored), 2):
            del stored[pack]
        seen = known(stored, seen, now)
        chosen = tonight(stored, seen, PACE, now)
        assert len(set(chosen)) == len(chosen) and set(chosen) <= stored.keys()
        shares.append(sum(stored[pack] for pack in chosen) / sum(stored.values()))
        seen |= {pack: seen[pack]._replace(read_at=now) for pack in chosen}
        assert all(now - waiting_since(one) < PACE.within for one in seen.values())
    assert max(shares) < 3 / 30


def test_the_longest_unread_come_first_and_damaged_ones_before_all() -> None:
    seen = {name(number): PackSeen(BEGIN, BEGIN + number * DAY, whole=True) for number in range(30)}
    seen[name(29)] = seen[name(29)]._replace(whole=False)
    stored = dict.fromkeys(seen, 10)
    assert tonight(stored, seen, PACE, BEGIN + 29 * DAY) == [name(29), name(0)]


def test_after_a_pause_everything_that_would_be_late_is_read_at_once() -> None:
    seen = {name(number): PackSeen(BEGIN, BEGIN, whole=True) for number in range(30)}
    assert len(tonight(dict.fromkeys(seen, 10), seen, PACE, BEGIN + 40 * DAY)) == 30


def test_packs_that_are_gone_are_forgotten_and_new_ones_are_met() -> None:
    seen = {name(1): PackSeen(BEGIN, BEGIN, whole=True)}
    assert known({name(2): 5}, seen, BEGIN + DAY) == {name(2): PackSeen(BEGIN + DAY, None, whole=True)}


def test_without_packs_nothing_is_read() -> None:
    assert tonight({}, {}, PACE, BEGIN) == []


def test_what_was_read_while_the_clock_was_ahead_counts_as_not_read() -> None:
    ahead = BEGIN + 3650 * DAY
    seen = known({name(1): 5}, {name(1): PackSeen(ahead, ahead, whole=True)}, BEGIN)
    assert seen == {name(1): PackSeen(BEGIN, None, whole=True)}
    assert tonight({name(1): 5}, seen, PACE, BEGIN + 29.5 * DAY) == [name(1)]


@pytest.mark.parametrize("seed", range(3))
def test_runs_that_read_a_share_cover_everything_and_no_pack_twice_before(seed: int) -> None:
    randomness = random.Random(seed)
    stored = {name(number): randomness.randint(1, 64) for number in range(200)}
    budget = -(-sum(stored.values()) // 10)
    seen: dict[bytes, PackSeen] = {}
    times: dict[bytes, int] = dict.fromkeys(stored, 0)
    firsts = set()
    for run in range(10):
        now = BEGIN + run * DAY
        seen = known(stored, seen, now)
        chosen = longest_unread(stored, seen, budget, randomness.random)
        assert budget <= sum(stored[pack] for pack in chosen) < budget + 64
        firsts.add(chosen[0])
        for pack in chosen:
            seen[pack] = seen[pack]._replace(read_at=now)
            times[pack] += 1
    assert min(times.values()) == 1 and max(times.values()) <= 2 and sum(one == 2 for one in times.values()) < 200 / 10
    assert len(firsts) == 10 and sorted(firsts) != list(firsts)


def test_a_share_is_at_least_one_pack_and_damaged_ones_take_nothing_from_it() -> None:
    seen = {name(number): PackSeen(BEGIN, BEGIN + number * DAY, whole=number != 3) for number in range(5)}
    assert longest_unread(dict.fromkeys(seen, 10), seen, 1, lambda: 0.5) == [name(3), name(0)]
    assert longest_unread(dict.fromkeys(seen, 10), seen, 15, lambda: 0.5) == [name(3), name(0), name(1)]
    assert longest_unread({}, {}, 1, lambda: 0.5) == []
