"""Randomness for tests: the same every time."""

from __future__ import annotations

import random


class SeededChance:
    """A `vault.randomness.Randomness` whose every answer follows from its seed."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)

    def token(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def fraction(self) -> float:
        return self._random.random()
