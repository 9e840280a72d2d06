"""Cells of differences as they are shown: cut where they are long, hidden where they are masked, however deep."""

from __future__ import annotations

from typing import Any

from console.gateway.differences import LONGEST_CELL, shown_table
from restore.history.table_diff import TableDifference
from strongroom.table_preview import HIDDEN, TableView

SECRET: dict[str, Any] = {"text": "hello", "phone": "+7 900", "more": [{"Phone": "+7 901", "kind": "mobile"}]}


def test_a_masked_field_within_a_cell_is_hidden_however_deep_it_is() -> None:
    found = TableDifference("", columns=("id", "contact"), added=1, added_rows=[(1, (7, SECRET))])
    shown = shown_table(found, TableView(masked=("phone",)))
    (row,) = shown.added
    assert "+7" not in row.cells[1].text and "mobile" in row.cells[1].text and row.cells[0].text == "7"
    deep: Any = ["x"]
    for _ in range(200):
        deep = [deep]
    (row,) = shown_table(TableDifference("", columns=("a",), added_rows=[(1, (deep,))]), TableView(masked=("phone",))).added
    assert HIDDEN in row.cells[0].text and "x" not in row.cells[0].text


def test_long_cells_are_cut_and_empty_ones_are_told_from_empty_texts() -> None:
    found = TableDifference("", columns=("a", "b", "c"), removed_rows=[(1, ("x" * 10_000, None, ""))])
    (row,) = shown_table(found, TableView()).removed
    assert len(row.cells[0].text) == LONGEST_CELL + 1
    assert [one.is_empty for one in row.cells] == [False, True, False]


def test_of_very_wide_tables_the_first_columns_areshown_table() -> None:
    found = TableDifference("", columns=tuple(map(str, range(500))), row_pairs=[(1, ("a",) * 500, ("b",) * 500)])
    shown = shown_table(found, TableView())
    assert len(shown.columns) == len(shown.pairs[0].before) == 60 and shown.hidden == 440
    assert all(one.changed for one in shown.pairs[0].after)
