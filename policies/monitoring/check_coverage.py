"""Which packs to read tonight, so that every one is read within a set time; of those that wait, the oldest first.

Each night brings its share of all bytes, so that the nights are alike; and whatever would be late by the next night, however
much that is. A pack that was damaged is read every night, until it is whole again or gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from policies.monitoring.state_store import PackSeen
from vault.clock import A_LITTLE


class Pace(Struct, frozen=True):
    """within: every pack is to be read in that time · until_next: how long after this check the next one comes."""

    within: timedelta
    until_next: timedelta


def known(stored: Mapping[bytes, int], seen: Mapping[bytes, PackSeen], now: datetime) -> dict[bytes, PackSeen]:
    """What is known of the packs that stand in the store; new ones are first seen now, those that are gone are left out. What
    was read while the clock was ahead counts as not read: nobody knows when that was."""
    return {pack: _as_of(seen.get(pack) or PackSeen(now, None, whole=True), now) for pack in stored}


def _as_of(pack: PackSeen, now: datetime) -> PackSeen:
    latest = now + A_LITTLE
    if pack.read_at is not None and pack.read_at > latest:
        pack = pack._replace(read_at=None)
    return pack._replace(seen_at=now) if pack.seen_at > latest else pack


def tonight(stored: Mapping[bytes, int], seen: Mapping[bytes, PackSeen], pace: Pace, now: datetime) -> list[bytes]:
    """The packs to read now. stored: all that stand, with their sizes · seen: of `known`."""
    order = sorted(stored, key=lambda pack: (seen[pack].whole, waiting_since(seen[pack]), pack))
    share = math.ceil(sum(stored.values()) * min(1.0, pace.until_next / pace.within))
    late = now + pace.until_next - pace.within
    chosen: list[bytes] = []
    read = 0
    for pack in order:
        if read >= share and seen[pack].whole and waiting_since(seen[pack]) > late:
            break
        chosen.append(pack)
        read += stored[pack]
    return chosen


def longest_unread(
    stored: Mapping[bytes, int], seen: Mapping[bytes, PackSeen], budget: int, fraction: Callable[[], float]
) -> list[bytes]:
    """Packs of about `budget` bytes, at least one: those that were never read first, then those that were read longest ago;
    among equals the choice is random. Packs that were damaged are read besides.

    stored: all that stand, with their sizes · seen: of `known` · fraction: random numbers from 0 to 1.
    """
    damaged = [pack for pack in stored if not seen[pack].whole]
    others = [(seen[pack].read_at or datetime.min.replace(tzinfo=UTC), fraction(), pack) for pack in stored if seen[pack].whole]
    chosen: list[bytes] = []
    read = 0
    for _, _, pack in sorted(others):
        if chosen and read >= budget:
            break
        chosen.append(pack)
        read += stored[pack]
    return [*damaged, *chosen]


def waiting_since(pack: PackSeen) -> datetime:
    """When it was read last, or first seen."""
    return pack.read_at or pack.seen_at
