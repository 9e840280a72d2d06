"""Columns of tables that are given as they are, for the report; converted ones have told theirs."""

from __future__ import annotations

from pathlib import Path

from restore.outputs.output_item import OutputItem
from restore.outputs.scratch_dir import put_down
from restore.tables.formats import read_as
from restore.tables.loss_report import LossReport
from restore.tables.model import TableShape
from restore.tables.registry import ITEM_ERRORS, open_tables


def look(item: OutputItem, scratch: Path) -> None:
    """Enter the tables of a file into what is told of it, where it seems to hold any; its content is at its start afterwards.

    One that cannot be read as a table is no problem: it is given as it is, and that is said. Raises `TargetError`."""
    source = read_as(item.outcome.format)
    if source is None or item.content is None:
        return
    file = put_down(item.content, scratch / "looked-at")
    item.content.seek(0)
    try:
        item.outcome.tables = [TableShape.of(table) for table in open_tables(file, source, LossReport())]
    except ITEM_ERRORS as error:
        item.outcome.notes.append(f"it cannot be read as a table: {error}")
    finally:
        file.unlink()
