"""The one door to randomness."""

from __future__ import annotations

import os
from typing import Protocol


class Randomness(Protocol):
    """Where every part gets its randomness from; tests pass a seeded one."""

    def token(self, size: int) -> bytes:
        """`size` unpredictable bytes, fit for keys."""
        ...

    def fraction(self) -> float:
        """A number in [0, 1), for jitter and samples; not for keys."""
        ...


class SystemRandomness:
    """The operating system's randomness."""

    def token(self, size: int) -> bytes:
        return os.urandom(size)

    def fraction(self) -> float:
        import random  # with `secrets` and `hashlib` it takes a tenth of the time in which `--version` answers

        return random.random()
