"""One thing to give, and what became of an item on the way."""

from __future__ import annotations

from typing import IO, Any, NamedTuple

from msgspec import Struct, field

from restore.tables.loss_report import Loss
from restore.tables.model import TableShape
from vault.problems import Problem, printable


class CutTable(NamedTuple):
    """The rows of a table that lie in a period. time_column: by which it was cut, None where there were no
    rows · read, kept, without_time: numbers of rows; those without a time belong to no period."""

    table: str
    time_column: str | None
    read: int
    kept: int
    without_time: int

    def as_json(self) -> dict[str, str | int | None]:
        """For the report."""
        return {
            "table": self.table,
            "time_column": self.time_column,
            "rows_read": self.read,
            "rows_kept": self.kept,
            "rows_without_time": self.without_time,
        }


class ItemOutcome(Struct):
    """What became of an item, or of a merged table. row: of the items, -1 for a merged table · format: its own, as the manifest
    or its content tells it · source: its source's name, empty for a merged table · target: the format that it was given in,
    None where it was given as it is · outputs: the paths under which it was given · tables: that it holds ·
    cut: tables that were cut to a period · notes: for people · guesses: what the file does not tell, and of how many files ·
    problems: any means that not all that was asked for could be done."""

    row: int
    path: bytes
    format: str | None
    source: str = ""
    target: str | None = None
    outputs: list[bytes] = field(default_factory=list)
    tables: list[TableShape] = field(default_factory=list)
    cut: list[CutTable] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    guesses: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the report; what is empty is left out."""
        facts: dict[str, Any] = {
            "path": printable(self.path),
            "format": self.format,
            "given_as": self.target or "original",
            "outputs": [printable(path) for path in self.outputs],
        }
        more: dict[str, Any] = {
            "tables": [table.as_json() for table in self.tables],
            "cut": [table.as_json() for table in self.cut],
            "losses": [loss.as_json() for loss in self.losses],
            "notes": self.notes,
            "guesses": list(self.guesses),
            "problems": [problem.as_json() for problem in self.problems],
        }
        return facts | {name: value for name, value in more.items() if value}


class OutputItem(NamedTuple):
    """A file to give. path: where it belongs · content: open at its start until the next one is asked for; None where the item
    could not be had at all, and `outcome` says why · size: of the content, bytes."""

    path: bytes
    content: IO[bytes] | None
    size: int
    outcome: ItemOutcome
