"""Work in other threads.

read_ahead      an iterator that runs ahead of who uses it: a few of its items are ready and wait
work_behind     pieces of work that a thread does one after another, behind who goes on
parallel_map    the same done to several things together, by threads that wait for a store instead of us
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from queue import Empty, Full, Queue
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from vault.progress import Stop, never

T = TypeVar("T")
R = TypeVar("R")
Begin: TypeAlias = "Callable[[Stop], Generator[T, None, None]]"

LOOK_EVERY = 0.1
"""Seconds between two looks at whether to stop, of who waits for an item or for room."""

CANCEL_WITHIN = 5.0
"""Seconds for which an iterator or a piece of work that is not wanted any more is waited for."""


class GivenUpError(Exception):
    """Nobody wants the rest."""


@contextmanager
def read_ahead(
    begin: Begin[T], stop: Stop = never, *, depth: int = 2, cancel: Callable[[], None] | None = None
) -> Iterator[Iterator[T]]:
    """The items of an iterator that runs in a thread; the thread has ended when the block has.

    - `begin`: makes the iterator, in the thread. What it is called with raises `GivenUpError` once the rest is not wanted: to
      be called often where the iterator waits
    - `stop`: called often in the calling thread while that waits for an item; what it raises ends the reading
    - `depth`: items that wait at most
    - `cancel`: ends what the iterator waits for, where that does not ask. It is called in a thread of its own where the rest is
      not wanted; an iterator that does not end even then, within `CANCEL_WITHIN`, is left to itself

    What the iterator raises is raised where its next item was asked for.
    """
    ahead = _Ahead(begin, depth)
    thread = threading.Thread(target=ahead.run, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield ahead.items(stop)
    finally:
        ahead.given_up.set()
        _join(thread, cancel)


def _join(thread: threading.Thread, cancel: Callable[[], None] | None) -> None:
    if cancel is None:
        thread.join()
        return
    thread.join(LOOK_EVERY)
    if thread.is_alive():
        threading.Thread(target=cancel, name="cancel", daemon=True).start()
        thread.join(CANCEL_WITHIN)


class _Item(Struct, Generic[T], frozen=True):
    value: T


class _End(Struct, frozen=True):
    """There is no next item. error: why; None where the iterator has ended."""

    error: BaseException | None = None


class _Ahead(Generic[T]):
    """One iterator, and what it has given that nobody has taken. given_up: nobody wants the rest."""

    def __init__(self, begin: Begin[T], depth: int) -> None:
        self.given_up = threading.Event()
        self._begin = begin
        self._waiting: Queue[_Item[T] | _End] = Queue(depth)

    def run(self) -> None:
        """In the thread."""
        with suppress(GivenUpError):
            try:
                with closing(self._begin(self._look)) as items:
                    for item in items:
                        self._put(_Item(item))
                self._put(_End())
            except GivenUpError:
                raise
            except BaseException as error:  # noqa: BLE001 (raised where the next item is asked for)
                self._put(_End(error))

    def items(self, stop: Stop) -> Iterator[T]:
        """In the other one."""
        while True:
            stop()
            try:
                item = self._waiting.get(timeout=LOOK_EVERY)
            except Empty:
                continue
            if isinstance(item, _Item):
                yield item.value
            elif item.error is None:
                return
            else:
                raise item.error

    def _put(self, item: _Item[T] | _End) -> None:
        while True:
            self._look()
            with suppress(Full):
                self._waiting.put(item, timeout=LOOK_EVERY)
                return

    def _look(self) -> None:
        if self.given_up.is_set():
            raise GivenUpError


Work: TypeAlias = Callable[[], object]


@contextmanager
def work_behind(*, depth: int = 2) -> Iterator[Callable[[Work], None]]:
    """Takes pieces of work, which a thread does one after another while the caller goes on; all is done when the block ends.

    What a piece raises is raised where one of the next is given, or at the end; those behind it are not done, and neither are
    those that wait where the block ends with an error. A single piece is done by the caller. depth: pieces that wait at most.
    """
    behind = _Behind(depth)
    try:
        yield behind.take
    except BaseException:
        behind.give_up()
        raise
    behind.finish()


class _Behind:
    def __init__(self, depth: int) -> None:
        self._waiting: Queue[Work | None] = Queue(depth)
        self._first: Work | None = None
        self._thread: threading.Thread | None = None
        self._given_up = threading.Event()
        self._error: BaseException | None = None

    def take(self, work: Work) -> None:
        """A piece more."""
        if self._error is not None:
            raise self._error
        if self._thread is None:
            if self._first is None:
                self._first = work
                return
            self._thread = threading.Thread(target=self._run, name="work-behind", daemon=True)
            self._thread.start()
            self._waiting.put(self._first)
        self._waiting.put(work)

    def finish(self) -> None:
        """Wait until all is done."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
        elif self._first is not None:
            self._first()
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """Nothing more is to be done. A piece that does not end is left to itself."""
        self._given_up.set()
        if self._thread is not None:
            with suppress(Full):
                self._waiting.put(None, timeout=CANCEL_WITHIN)
                self._thread.join(CANCEL_WITHIN)

    def _run(self) -> None:
        """In the thread."""
        while (work := self._waiting.get()) is not None:
            if self._error is None and not self._given_up.is_set():
                try:
                    work()
                except BaseException as error:  # noqa: BLE001 (raised where the next piece is given)
                    self._error = error


def parallel_map(
    things: Sequence[T],
    do: Callable[[T], R],
    *,
    most: int,
    name: str,
    at_hand: Callable[[T], bool] | None = None,
) -> list[R]:
    """What `do` makes of each, in order; what it raises is raised once all that have begun have ended. most: threads · name: of
    theirs · at_hand: of which there is nothing to wait for: they are done one after another. One alone needs no thread: it
    takes 0.2 ms to start, and a backup reads two dozen earlier snapshots one by one. Of what is at hand, threads take Python's
    lock from each other."""
    waiting = [at for at, one in enumerate(things) if at_hand is None or not at_hand(one)]
    if len(waiting) < 2:
        return [do(one) for one in things]
    made: dict[int, R] = {}
    with ThreadPoolExecutor(min(most, len(waiting)), thread_name_prefix=name) as pool:
        asked = pool.map(do, [things[at] for at in waiting])
        made |= {at: do(things[at]) for at in set(range(len(things))).difference(waiting)}
        made |= dict(zip(waiting, asked, strict=True))
    return [made[at] for at in range(len(things))]
