"""Iterators that run ahead of who uses them, each in a thread of its own: a few of their items are ready and wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from vault.source.contract import Stop

T = TypeVar("T")
Begin: TypeAlias = "Callable[[Stop], Generator[T, None, None]]"

LOOK_EVERY = 0.1
"""Seconds between two looks at whether to stop, of who waits for an item or for room."""


CANCEL_WITHIN = 5.0
"""Seconds."""


class GivenUpError(Exception):
    """Nobody wants the rest."""


def _never() -> None:
    """Nothing stops the one who waits."""


@contextmanager
def read_ahead(
    begin: Begin[T], stop: Stop = _never, *, depth: int = 2, cancel: Callable[[], None] | None = None
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
