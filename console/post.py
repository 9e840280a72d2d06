"""Telling people outside of the console's pages: that their task is over, that somebody waits for their approval."""

from __future__ import annotations

from typing import Protocol


class Post(Protocol):
    """A way to people. It is called from threads of the console, must be quick, and raises nothing."""

    def tell(self, person: str, subject: str, text: str) -> None:
        """Tell one person, if there is a way to them. person: as they sign in."""
        ...

    def tell_all(self, subject: str, text: str) -> None:
        """Tell whoever the notification channels reach."""
        ...


class NoPost:
    """Sends nothing; all of it is on the pages."""

    def tell(self, person: str, subject: str, text: str) -> None:
        """Nothing."""

    def tell_all(self, subject: str, text: str) -> None:
        """Nothing."""
