"""How far a long work is: told to whoever shows it. The default listener says nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener. Called often and from one thread; it must be quick."""

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """A new part of the work begins, of about `items` items and `size` bytes (0: unknown)."""
        ...

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """So much more is done."""
        ...


class Silence:
    """Tells nobody."""

    def phase(self, name: str, *, items: int = 0, size: int = 0) -> None:
        """Nothing."""

    def advance(self, *, items: int = 0, size: int = 0) -> None:
        """Nothing."""
