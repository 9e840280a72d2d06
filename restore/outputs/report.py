"""What was asked for and what came of it, as the file that lies beside an export: the same for the same request."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.selection.select import Selection

NAME = b"strongroom-report.json"


def is_what_people_want(what: str) -> bool:
    """Whether a kind of loss is what the profile for people is asked for: local times, numbers that count, no formulas."""
    from restore.tables.cell_text import LOCAL
    from restore.tables.workbook.cells import DIGITS
    from restore.tables.writers.csv import FORMULA

    return what in (DIGITS, FORMULA) or what.startswith(LOCAL.partition("{")[0])


def report_of(selection: Selection, asked: Mapping[str, Any], told: Sequence[ItemOutcome]) -> dict[str, Any]:
    """The report. asked: the request, in plain values. No moment of making is in it: two reports can be compared."""
    converted = [one for one in told if one.target is not None]
    return {
        "project": selection.project.name,
        "asked": dict(asked),
        "snapshots": [
            {"source": one.source, "snapshot": one.id, "taken_at": one.taken_at.isoformat()} for one in selection.records
        ],
        "counts": {
            "items": sum(one.row >= 0 for one in told),
            "converted": len(converted),
            "as_they_are": sum(one.target is None and bool(one.outputs) for one in told),
            "rows": sum(table["rows"] for one in converted for table in one.tables),
            "cells_with_losses": sum(loss.cells for one in told for loss in one.losses),
            "problems": sum(len(one.problems) for one in told),
        },
        "items": [one.as_json() for one in told],
    }


def as_output_item(report: Mapping[str, Any], path: bytes) -> OutputItem:
    """The report as a file to give."""
    data = json.dumps(report, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace") + b"\n"
    return OutputItem(path, io.BytesIO(data), len(data), ItemOutcome(-1, path, "json", outputs=[path]))
