"""A scheduler for several real actors on one store: each call to the store waits for its turn, and a seed decides whose it is.

turns = Turns(seed)
actors = {"writer": lambda store, clock: back_up(through(project, store), folder), "prune": …}
outcomes = run_all(turns, disk, actors)

The actor of the highest priority runs until one of a few moments that the seed has drawn; there it becomes the last. Few
switches at the right places find more than many at random ones. One that is drawn to die meets a power cut at some call, and
its turn never comes again.

Time is simulated, and the same for all: a call takes a moment, or a minute; who sleeps, or whose machine does, gets no turn
before its time has come; when all sleep, time moves on to the first who wakes up.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from tests.support.dying import PowerCut
from tests.support.places import FAR_AHEAD
from vault.storage.contract import Buffer, ObjectInfo, Store

T = TypeVar("T")

BEGIN = FAR_AHEAD + timedelta(days=1)
"""When the turns begin: after whatever was made with a clock of `places`."""

NAPS = (120.0, 7 * 3600.0, 26 * 3600.0, 50 * 3600.0, 33 * 86400.0)
"""Seconds for which a machine sleeps: past the telling of a claim, past its being old, past its eviction, past the hour of
grace too, and past the month that marks of evictions stay."""

MOMENT, MINUTE = 0.05, 61.0
"""Seconds that a call takes, and that a slow one does."""


class Turns:
    """Whose turn it is, and what time. calls: about how many an actor makes · switches: how often the running one becomes the
    last · deaths, naps: the share of actors that die, and whose machine sleeps · slow: of calls that take a minute."""

    def __init__(
        self,
        seed: int | str,
        *,
        calls: int = 60,
        switches: int = 4,
        deaths: float = 0.15,
        naps: float = 0.0,
        slow: float = 0.0,
    ) -> None:
        self._random = random.Random(seed)
        self._calls = calls
        self._switches = switches
        self._deaths = deaths
        self._naps = naps
        self._slow = slow
        self._changed = threading.Condition()
        self._order: list[str] = []
        self._waiting: dict[str, int] = {}
        self._granted: str | None = None
        self._busy = False
        self._count = 0
        self._switch_at: set[int] = set()
        self._dies_at: dict[str, int] = {}
        self._naps_at: dict[str, tuple[int, float]] = {}
        self._wakes: dict[str, float] = {}
        self._napped: dict[str, float] = {}
        self.time = 0.0

    def begin(self, actors: list[str]) -> None:
        """These will take turns."""
        self._order = self._random.sample(actors, len(actors))
        self._waiting = dict.fromkeys(actors, 0)
        whole = self._calls * len(actors)
        self._switch_at = {self._random.randrange(whole) for _ in range(self._switches)}
        for actor in actors:
            if self._random.random() < self._deaths:
                self._dies_at[actor] = self._random.randrange(self._calls)
            if self._random.random() < self._naps:
                self._naps_at[actor] = self._random.randrange(self._calls), self._random.choice(NAPS)

    def call(self, actor: str, act: Callable[[], T]) -> T:
        """Wait for the turn, then act."""
        with self._changed:
            self._waiting[actor] += 1
            self._choose()
            while self._granted != actor:
                self._changed.wait()
            self._granted = None
            self._busy = True
            self._waiting[actor] -= 1
            dies = self._dies(actor)
            self.time += MINUTE if self._random.random() < self._slow else MOMENT
        try:
            if dies:
                raise PowerCut
            return act()
        finally:
            with self._changed:
                self._busy = False
                self._nap(actor)
                self._choose()

    def sleep(self, actor: str, seconds: float) -> None:
        """Others go on until its time has come."""
        with self._changed:
            self._wakes[actor] = max(self._wakes.get(actor, 0.0), self.time + seconds)
            self._last(actor)
        self.call(actor, lambda: None)

    def clocks(self, actor: str) -> tuple[float, float]:
        """The time, and that of a clock which stands still while this actor's machine sleeps; both move on with each look."""
        with self._changed:
            self.time += 0.001
            return self.time, self.time - self._napped.get(actor, 0.0)

    def ended(self, actor: str) -> None:
        """This one takes no more turns."""
        with self._changed:
            self._order.remove(actor)
            self._choose()

    def _choose(self) -> None:
        """Once everybody waits, the first of those who are awake is let go."""
        if self._busy or self._granted is not None or not all(self._waiting[actor] for actor in self._order):
            return
        if self._order:
            self.time = max(self.time, min(self._wakes.get(actor, 0.0) for actor in self._order))
            self._count += 1
            if self._count in self._switch_at:
                self._last(self._awake())
            self._granted = self._awake()
            self._changed.notify_all()

    def _awake(self) -> str:
        return next(actor for actor in self._order if self._wakes.get(actor, 0.0) <= self.time)

    def _last(self, actor: str) -> None:
        if actor in self._order:
            self._order.remove(actor)
            self._order.append(actor)

    def _nap(self, actor: str) -> None:
        """The machine sleeps, once, and its actor is the last when it wakes up."""
        if actor in self._naps_at:
            left, seconds = self._naps_at[actor]
            self._naps_at[actor] = left - 1, seconds
            if not left:
                self._wakes[actor] = max(self._wakes.get(actor, 0.0), self.time) + seconds
                self._napped[actor] = seconds
                self._last(actor)

    def _dies(self, actor: str) -> bool:
        """Whether the power is off: from some call on, for every thread of the actor."""
        if actor not in self._dies_at:
            return False
        self._dies_at[actor] -= 1
        return self._dies_at[actor] < 0


class TurnStore:
    """A store as one actor sees it."""

    def __init__(self, inner: Store, turns: Turns, actor: str) -> None:
        self._inner = inner
        self._turns = turns
        self._actor = actor

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._turns.call(self._actor, lambda: self._inner.put(name, data, sha256=sha256))

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._turns.call(self._actor, lambda: self._inner.create(name, data, sha256=sha256))

    def get(self, name: str) -> bytes:
        return self._turns.call(self._actor, lambda: self._inner.get(name))

    def get_range(self, name: str, start: int, length: int) -> bytes:
        return self._turns.call(self._actor, lambda: self._inner.get_range(name, start, length))

    def size(self, name: str) -> int:
        return self._turns.call(self._actor, lambda: self._inner.size(name))

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        return self._turns.call(self._actor, lambda: self._inner.list(folder))

    def delete(self, name: str) -> None:
        self._turns.call(self._actor, lambda: self._inner.delete(name))

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()


class TurnClock:
    """The clock of one actor's machine; who sleeps lets the others go on."""

    def __init__(self, turns: Turns, actor: str) -> None:
        self._turns = turns
        self._actor = actor

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self._turns.clocks(self._actor)[0])

    def monotonic(self) -> float:
        return self._turns.clocks(self._actor)[1]

    def sleep(self, seconds: float) -> None:
        self._turns.sleep(self._actor, seconds)


Actor = Callable[[Store, TurnClock], object]


def run_all(turns: Turns, disk: Store, actors: Mapping[str, Actor]) -> dict[str, object]:
    """Let all actors run to their end; gives what each returned, or what it raised."""
    outcomes: dict[str, object] = {}

    def work(name: str) -> None:
        try:
            outcomes[name] = actors[name](TurnStore(disk, turns, name), TurnClock(turns, name))
        except BaseException as error:  # noqa: BLE001 - it is looked at by the test, in another thread
            outcomes[name] = error
        finally:
            turns.ended(name)

    turns.begin(sorted(actors))
    threads = [threading.Thread(target=work, args=(name,), name=name) for name in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
