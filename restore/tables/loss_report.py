"""What a conversion could not carry: counted cell by cell, with the first few places, so that nothing is lost silently. And
what of a file had to be guessed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

EXAMPLES = 3
"""Places that are remembered of each kind of loss; the others are counted."""


class Loss(Struct):
    """One kind of loss in one column. what: in words for people, the same for every cell of its kind · cells: how many ·
    examples: where, as `row 17: 'before' -> 'after'`, rows counted from 1 without the header."""

    what: str
    table: str
    column: str
    cells: int = 0
    examples: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "what": self.what,
            "table": self.table,
            "column": self.column,
            "cells": self.cells,
            "examples": self.examples,
        }


class LossReport:
    """Collects them, in the order in which they are first met."""

    def __init__(self) -> None:
        self._losses: dict[tuple[str, str, str], Loss] = {}
        self._notes: dict[str, int] = {}

    def add(self, what: str, table: str, column: str, cells: int = 1, example: str = "") -> None:
        """Some cells more. example: one of the places, kept while there are few."""
        loss = self._losses.setdefault((what, table, column), Loss(what, table, column))
        loss.cells += cells
        if example and len(loss.examples) < EXAMPLES:
            loss.examples.append(example)

    def all(self) -> list[Loss]:
        """Every kind, in the order of their first cells."""
        return list(self._losses.values())

    def note(self, text: str) -> None:
        """Something about a file that was not told by it and had to be guessed; nothing for an empty text."""
        if not text:
            return
        self._notes[text] = self._notes.get(text, 0) + 1

    def notes(self) -> dict[str, int]:
        """What was guessed, and of how many files."""
        return dict(self._notes)

    def include(self, others: LossReport) -> None:
        """What was counted apart, for a part of the work."""
        for text, files in others.notes().items():
            self._notes[text] = self._notes.get(text, 0) + files
        for other in others.all():
            self.add(other.what, other.table, other.column, other.cells)
            for example in other.examples:
                self.add(other.what, other.table, other.column, 0, example)
