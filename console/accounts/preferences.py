"""What people have chosen for themselves: the language."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.state import ConsoleState


class Preferences:
    """By name, whoever vouches for them."""

    def __init__(self, state: ConsoleState) -> None:
        self._state = state

    def language(self, name: str) -> str:
        """Of a person; "" where they chose none."""
        with self._state.reading() as database:
            row = database.execute("SELECT language FROM preference WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row["language"])

    def choose(self, name: str, language: str) -> None:
        """A language, or "" for the browser's."""
        with self._state.transaction() as database:
            database.execute("INSERT OR REPLACE INTO preference VALUES (?, ?)", (name, language))
