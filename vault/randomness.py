"""The one door to randomness."""

from __future__ import annotations

import random
import secrets
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
        return secrets.token_bytes(size)

    def fraction(self) -> float:
        return random.random()
