"""What can this store be trusted with? The probe behind `strongroom doctor`, and the few questions of `init`.

Documents of providers are not evidence: some stores answer 200 to a conditional write and overwrite. So each property
that the commit protocol may rely on is tried on the very place, raced where a race could break it. Everything happens
in a folder `probe-<random>` of its own, which is removed at the end and when interrupted. The stores that are handed in
must not retry: a repeated request would hide what is to be seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from threading import Barrier
from typing import TYPE_CHECKING, Literal

from vault.clock import Clock
from vault.errors import ObjectExists, ObjectNotFound, StorageError, TransientStorageError
from vault.randomness import Randomness
from vault.storage.bucket_facts import BucketFacts, StoreFacts
from vault.storage.probe_report import CreateOnce, Enforced, ProbeReport, QuickReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vault.storage.contract import Store

_WRITERS, _ROUNDS = 8, 3
_QUICK_WRITERS, _QUICK_ROUNDS = 4, 1
_SIZE = 2000
_ATTEMPTS = 3
_Outcome = Literal["won", "lost", "unclear", "refused"]


def probe_quickly(store: Store, randomness: Randomness) -> QuickReport:
    """About 20 small requests. Raises `StorageError` where not even a plain write or read works."""
    with _trial_area([store] * _QUICK_WRITERS, randomness) as area:
        return QuickReport(*_asked(area, _QUICK_ROUNDS), *_read_back(area))


def probe(make: Callable[[], Store], clock: Clock, randomness: Randomness) -> ProbeReport:
    """About 120 small requests, from several stores that `make` opens. Raises `StorageError` where not even a plain
    write works."""
    with ExitStack() as opened:
        stores = []
        for _ in range(_WRITERS):
            store = make()
            opened.callback(store.close)
            stores.append(store)
        return _probe(stores, clock, randomness)


def _probe(stores: Sequence[Store], clock: Clock, randomness: Randomness) -> ProbeReport:
    with _trial_area(stores, randomness) as area:
        round_trip = min(area.timed_write(clock) for _ in range(3))
        create_once, checksum, can_delete = _asked(area, _ROUNDS)
        facts, skew = _facts(area.store, clock)
        visible, ranges, overwrite = _visible(area), _ranges(area), _overwrite(area)
    return ProbeReport(
        create_once=create_once,
        checksum=checksum,
        can_delete=can_delete,
        visible=visible,
        ranges=ranges,
        overwrite=overwrite,
        versioning=facts.versioning,
        object_lock=facts.object_lock,
        clock_skew=skew,
        round_trip=round_trip,
        left_behind=area.left_behind,
    )


class _TrialArea:
    """A folder to play in, with a store for each player."""

    def __init__(self, stores: Sequence[Store], randomness: Randomness) -> None:
        self.stores = stores
        self.store = stores[0]
        self.randomness = randomness
        self.folder = f"probe-{randomness.token(8).hex()}"
        self.left_behind = 0
        self._used: set[str] = set()

    def name(self, leaf: str) -> str:
        """The whole name of a probe object; whoever asks for one may make it."""
        name = f"{self.folder}/{leaf}"
        self._used.add(name)
        return name

    def timed_write(self, clock: Clock) -> float:
        began = clock.monotonic()
        self.store.put(self.name("timed"), b"1")
        return clock.monotonic() - began

    def together(self, act: Callable[[int, Store], _Outcome]) -> list[_Outcome]:
        """All players act at the same moment; what each came back with."""
        barrier = Barrier(len(self.stores))

        def play(number: int) -> _Outcome:
            barrier.wait(timeout=30)
            return act(number, self.stores[number])

        with ThreadPoolExecutor(len(self.stores)) as pool:
            return list(pool.map(play, range(len(self.stores))))

    def clean(self) -> None:
        """Remove all that may have been made; what cannot be removed is counted, not raised."""
        self.left_behind = 0
        try:
            names = {row.name for row in self.store.list(self.folder)}
        except StorageError:
            names = set(self._used)
        for name in sorted(names):
            try:
                self.store.delete(name)
            except StorageError:
                self.left_behind += 1


@contextmanager
def _trial_area(stores: Sequence[Store], randomness: Randomness) -> Iterator[_TrialArea]:
    area = _TrialArea(stores, randomness)
    next(iter(area.store.list(area.folder)), None)  # a bucket that is not there must not be made by the first write
    try:
        yield area
    finally:
        area.clean()


def _asked(area: _TrialArea, rounds: int) -> tuple[CreateOnce, Enforced, bool]:
    return _create_once(area, rounds), _checksum(area), _can_delete(area)


def _read_back(area: _TrialArea) -> tuple[Verdict, Verdict]:
    """Whether one object that was written is seen at once, whole and in part."""
    name, body = area.name("read-back"), area.randomness.token(_SIZE)
    try:
        area.store.put(name, body)
        listed = {row.name: row.size for row in area.store.list(area.folder)}
        seen = area.store.get(name) == body and listed.get(name) == _SIZE
        part = area.store.get_range(name, 10, 20) == body[10:30]
    except TransientStorageError:
        raise
    except ObjectNotFound:
        return "broken", "broken"
    except StorageError:
        return "refused", "refused"
    return "ok" if seen else "broken", "ok" if part else "broken"


def _create_once(area: _TrialArea, rounds: int) -> CreateOnce:
    name = area.name("once")
    first, second = (area.randomness.token(32) for _ in range(2))
    try:
        area.store.create(name, first)
    except TransientStorageError:
        raise
    except StorageError:
        return "refused"
    try:
        area.store.create(name, second)
    except ObjectExists:
        if area.store.get(name) != first:
            return "ignored"
    except TransientStorageError:
        raise
    except StorageError:
        return "refused"
    else:
        return "ignored"
    return "kept" if all(_race(area, number) for number in range(rounds)) else "not-atomic"


def _race(area: _TrialArea, number: int) -> bool:
    """Whether one writer won, and the object is that writer's."""
    name = area.name(f"race-{number}")
    bodies = [area.randomness.token(32) * (_SIZE // 32) for _ in area.stores]

    def write(player: int, store: Store) -> _Outcome:
        try:
            store.create(name, bodies[player])
        except ObjectExists:
            return "lost"
        except TransientStorageError:  # a lost answer, or AWS's 409 to one of two who came at once
            return "unclear"
        except StorageError:
            return "refused"
        return "won"

    outcomes = area.together(write)
    standing = area.store.get(name) if set(outcomes) & {"won", "lost", "unclear"} else b""
    may_stand = [body for body, outcome in zip(bodies, outcomes, strict=True) if outcome == "won"] or [
        body for body, outcome in zip(bodies, outcomes, strict=True) if outcome == "unclear"
    ]
    return outcomes.count("won") <= 1 and standing in may_stand


def _checksum(area: _TrialArea) -> Enforced:
    """What the store verifies at upload; nobody asks a store that has no wire before it."""
    store = area.store
    if not isinstance(store, StoreFacts):
        return "none"
    sha256 = store.refuses_wrong_checksum(area.name("wrong-sha256"), "sha256")
    # where both are verified the cheaper one will do; it is the SHA-256, which is known anyway
    if sha256:
        return "sha256"
    return "md5" if store.refuses_wrong_checksum(area.name("wrong-md5"), "md5") else "none"


def _can_delete(area: _TrialArea) -> bool:
    name = area.name("delete")
    area.store.put(name, b"1")
    try:
        area.store.delete(name)
        area.store.size(name)
    except ObjectNotFound:
        return True
    except StorageError:
        return False
    return False


def _visible(area: _TrialArea) -> Verdict:
    """Everybody writes, then lists: of each two at least one must see the other, and each its own, whole. A passing error says
    nothing about that, so everybody does it once more. Raises `TransientStorageError` where it does not pass."""
    for attempt in range(_ATTEMPTS - 1):
        with suppress(TransientStorageError):
            return _seen_by_all(area, f"seen/{attempt}")
    return _seen_by_all(area, f"seen/{_ATTEMPTS}")


def _seen_by_all(area: _TrialArea, folder: str) -> Verdict:
    names = [area.name(f"{folder}/{number}") for number in range(len(area.stores))]
    seen: dict[int, set[str]] = {}

    def write_and_look(player: int, store: Store) -> _Outcome:
        name, body = names[player], area.randomness.token(_SIZE)
        try:
            store.put(name, body)
            seen[player] = {row.name for row in store.list(f"{area.folder}/{folder}") if row.size == _SIZE}
            other = area.stores[player - 1]
            found = other.get(name), other.get_range(name, 10, 20), other.size(name)
        except ObjectNotFound:
            return "lost"
        except TransientStorageError:
            return "unclear"
        except StorageError:
            return "refused"
        return "won" if found == (body, body[10:30], _SIZE) and name in seen[player] else "lost"

    outcomes = area.together(write_and_look)
    if "refused" in outcomes:
        return "refused"
    if "unclear" in outcomes:
        raise TransientStorageError("the store did not answer whether what is written is seen at once")
    players = range(len(names))
    in_pairs = all(names[one] in seen[two] or names[two] in seen[one] for one in players for two in players)
    return "ok" if set(outcomes) == {"won"} and in_pairs else "broken"


def _ranges(area: _TrialArea) -> Verdict:
    name, body = area.name("range"), area.randomness.token(_SIZE)
    wanted = [(0, 1), (100, 100), (_SIZE - 10, 50), (_SIZE - 1, 1), (_SIZE, 10), (_SIZE + 10, 10)]
    try:
        area.store.put(name, body, sha256=hashlib.sha256(body).digest())
        found = [area.store.get_range(name, start, length) for start, length in wanted]
    except StorageError:
        return "refused"
    return "ok" if found == [body[start : start + length] for start, length in wanted] else "broken"


def _overwrite(area: _TrialArea) -> Verdict:
    name = area.name("overwrite")
    try:
        for body in (b"old", b"newer"):
            area.store.put(name, body)
    except StorageError:
        return "refused"
    return "ok" if area.store.get(name) == b"newer" and area.store.size(name) == 5 else "broken"


def _facts(store: Store, clock: Clock) -> tuple[BucketFacts, float | None]:
    """What the store says of itself, and the seconds that our clock is ahead of its."""
    if not isinstance(store, StoreFacts):
        return BucketFacts(None, None, None), None
    facts = store.facts()
    if facts.server_time is None:
        return facts, None
    return facts, (clock.now() - facts.server_time).total_seconds()
