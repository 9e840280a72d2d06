"""A store that loses power at its k-th write, for proofs that no moment of a command is a bad one.

disk = MemoryStore()
with pytest.raises(PowerCut):
    back_up(DyingStore(disk, lives=3, when="after"))
check(disk)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import pytest

from vault.storage.contract import Buffer, ObjectInfo, Store

When = Literal["before", "after"]
EFFECTS: tuple[When, ...] = ("before", "after")


def moments(writes: int, lives: Iterable[int] | None = None) -> list[Any]:
    """For `parametrize(("lives", "when"), …)`: before each write, and after the last. What is stored after one write is what is
    stored before the next: the others are of the full depth. lives: these alone in every run."""
    some = set(range(writes) if lives is None else lives)
    return [
        pytest.param(one, when, marks=() if one in some and (when == "before" or one == writes - 1) else pytest.mark.slow)
        for one in range(writes)
        for when in EFFECTS
    ]


def effects_at(lives: int, writes: int, stride: int) -> tuple[When, ...]:
    """Both, but where some writes are gone through alone, one as often as the other, and both at the last."""
    return EFFECTS if stride == 1 or lives == writes - 1 else EFFECTS[lives // stride % 2 :][:1]


class PowerCut(BaseException):
    """The machine is off. No error but an event: no `except Exception` may swallow it."""


class DyingStore:
    """A `Store` over another one. The first `lives` writes (put, create, delete) succeed; the next one never takes
    effect (`when="before"`) or takes effect unseen (`"after"`). From then on every call raises `PowerCut`.

    With `lives=None` it never dies and only counts: `writes` is what a test has to go through.
    """

    def __init__(self, inner: Store, *, lives: int | None = None, when: When = "before") -> None:
        self._inner = inner
        self._lives = lives
        self._when = when
        self._lock = threading.Lock()
        self._dead = False
        self.writes = 0

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._write(lambda: self._inner.put(name, data, sha256=sha256))

    def create(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self._write(lambda: self._inner.create(name, data, sha256=sha256))

    def delete(self, name: str) -> None:
        self._write(lambda: self._inner.delete(name))

    def get(self, name: str) -> bytes:
        self._still_on()
        return self._inner.get(name)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        self._still_on()
        return self._inner.get_range(name, start, length)

    def size(self, name: str) -> int:
        self._still_on()
        return self._inner.size(name)

    def list(self, folder: str) -> Iterator[ObjectInfo]:
        self._still_on()
        for row in self._inner.list(folder):
            self._still_on()
            yield row

    def describe(self) -> str:
        return self._inner.describe()

    def close(self) -> None:
        self._inner.close()

    def _write(self, act: Callable[[], None]) -> None:
        # under one lock: with several uploading threads, nothing may land after the power is gone
        with self._lock:
            self._still_on()
            if self._lives is None or self.writes < self._lives:
                act()
                self.writes += 1
                return
            self._dead = True
            if self._when == "after":
                act()
            raise PowerCut

    def _still_on(self) -> None:
        if self._dead:
            raise PowerCut
