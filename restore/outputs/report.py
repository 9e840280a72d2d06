"""What was asked for and what came of it, as the file that lies beside an export: the same for the same request."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.selection.select import Selection
from vault.problems import Problem, printable

NAME = b"strongroom-report.json"
PROBLEMS_NAME = b"strongroom-problems.txt"


def is_what_people_want(what: str) -> bool:
    """Whether a kind of loss is what the profile for people is asked for: local times, numbers that count, no formulas."""
    from restore.tables.cell_text import LOCAL
    from restore.tables.workbook.cells import DIGITS
    from restore.tables.writers.csv import FORMULA

    return what in (DIGITS, FORMULA) or what.startswith(LOCAL.partition("{")[0])


class OutcomeCounts(Struct, frozen=True):
    """What became of files, in numbers. items: files that were asked for · converted, as_they_are: of these, how they were
    written · rows: of converted tables · cells_with_losses: cells that the format could not carry whole."""

    items: int
    converted: int
    as_they_are: int
    rows: int
    cells_with_losses: int
    problems: int

    def as_json(self) -> dict[str, int]:
        """For the report, and `--json`."""
        return asdict(self)


def counts_of(outcomes: Sequence[ItemOutcome]) -> OutcomeCounts:
    """Of what became of each file."""
    converted = [one for one in outcomes if one.target is not None]
    return OutcomeCounts(
        items=sum(one.row >= 0 for one in outcomes),
        converted=len(converted),
        as_they_are=sum(one.target is None and bool(one.outputs) for one in outcomes),
        rows=sum(table.rows or 0 for one in converted for table in one.tables),
        cells_with_losses=sum(loss.cells for one in outcomes for loss in one.losses),
        problems=sum(len(one.problems) for one in outcomes),
    )


def report_of(selection: Selection, asked: Mapping[str, Any], outcomes: Sequence[ItemOutcome]) -> dict[str, Any]:
    """The report. asked: the request, in plain values. No moment of making is in it: two reports can be compared."""
    return {
        "project": selection.project.name,
        "asked": dict(asked),
        "snapshots": [
            {"source": one.source, "snapshot": one.id, "taken_at": one.taken_at.isoformat()} for one in selection.records
        ],
        "counts": counts_of(outcomes).as_json(),
        "items": [one.as_json() for one in outcomes],
    }


def as_output_item(report: Mapping[str, Any], path: bytes) -> OutputItem:
    """The report as a file to give."""
    data = json.dumps(report, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace") + b"\n"
    return OutputItem(path, io.BytesIO(data), len(data), ItemOutcome(-1, path, "json", outputs=[path]))


def problems_item(problems: Sequence[Problem]) -> OutputItem:
    """What went wrong, as a text to give beside what was had: a line for each item."""
    lines = [f"{printable(one.path)}: {one.what}: {one.message}\n" for one in problems]
    data = "".join(["Not everything is here as it was asked for:\n\n", *lines]).encode("utf-8", "backslashreplace")
    return OutputItem(PROBLEMS_NAME, io.BytesIO(data), len(data), ItemOutcome(-1, PROBLEMS_NAME, None, outputs=[PROBLEMS_NAME]))
