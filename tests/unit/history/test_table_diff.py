"""Rows and cells of two versions of a table: by key, by position, and within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.history import table_diff
from restore.history.table_diff import TableDifference, compare_tables
from restore.tables.model import Batch, Column, Value
from vault.errors import UsageError


@dataclass
class Sheet:
    """A `restore.tables.model.Table` out of Python rows; every other batch has Arrow columns where all cells are text."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Value]]
    name: str = ""

    @property
    def columns(self) -> Sequence[Column]:
        return [Column(head) for head in self.heads]

    def batches(self) -> Iterator[Batch]:
        for start in range(0, len(self.rows), 3):
            part = self.rows[start : start + 3]
            columns: list[pa.Array | list[Value]] = []
            for number in range(len(self.heads)):
                cells = [row[number] for row in part]
                texts = start % 2 and all(isinstance(cell, str) for cell in cells)
                columns.append(pa.array(cells, pa.string()) if texts else cells)
            yield Batch(columns, len(part))


def compared(before: Sheet, after: Sheet, *keys: str) -> TableDifference:
    (found,) = compare_tables([before], [after], keys)
    return found


CALLS: list[list[Value]] = [["17", "+49150", "3"], ["18", "007", "5"], ["19", "+7495", "3"]]
HEADS = ["call_id", "number", "minutes"]


def test_an_overwritten_figure_is_seen() -> None:
    after: list[list[Value]] = [list(row) for row in CALLS]
    after[1][2] = "50"
    found = compared(Sheet(HEADS, CALLS), Sheet(HEADS, after))
    assert found.keys == ("call_id",)
    assert [(one.row, one.key, one.column, one.before, one.after) for one in found.cells] == [(2, "18", "minutes", "5", "50")]
    assert (found.changed_rows, found.changed_cells, found.added, found.removed) == (1, 1, 0, 0)


def test_rows_that_only_moved_are_no_difference_where_a_key_tells_them_apart() -> None:
    found = compared(Sheet(HEADS, CALLS), Sheet(HEADS, CALLS[::-1]))
    assert (found.changed_rows, found.added, found.removed) == (0, 0, 0)


def test_added_and_removed_rows_are_counted_and_the_first_are_shown() -> None:
    more: list[list[Value]] = [[str(number), "x", "1"] for number in range(100, 120)]
    found = compared(Sheet(HEADS, CALLS), Sheet(HEADS, CALLS[1:] + more), "call_id")
    assert (found.removed, found.removed_rows) == (1, [(1, ("17", "+49150", "3"))])
    assert (found.added, found.added_rows[0]) == (20, (3, ("100", "x", "1")))
    assert len(found.added_rows) == table_diff.MOST_EXAMPLES


def test_without_a_key_rows_are_laid_beside_each_other_by_their_content() -> None:
    before: list[list[Value]] = [["a", 1], ["a", 2], ["b", 1], ["b", 1], ["c", 9]]
    after: list[list[Value]] = [["new", 1], ["a", 1], ["a", 2], ["b", 7], ["b", 1], ["c", 9]]
    found = compared(Sheet(["who", "calls"], before), Sheet(["who", "calls"], after))
    assert found.keys == ()
    assert [(one.row, one.column, one.before, one.after) for one in found.cells] == [(4, "calls", 1, 7)]
    assert (found.added, found.added_rows, found.removed) == (1, [(1, ("new", 1))], 0)


def test_a_column_that_came_or_went_is_told_and_does_not_make_every_row_differ() -> None:
    before = Sheet([*HEADS, "old"], [[*row, "x"] for row in CALLS])
    after = Sheet(["new", *HEADS], [["y", *row] for row in CALLS])
    found = compared(before, after)
    assert (found.columns_added, found.columns_removed) == (("new",), ("old",))
    assert (found.changed_rows, found.added, found.removed) == (0, 0, 0)


def test_null_and_empty_text_and_zero_and_text_are_told_apart_but_not_three_and_three() -> None:
    before = Sheet(["id", "value"], [["a", None], ["b", ""], ["c", 0], ["d", 3], ["e", Decimal("1.10")], ["f", True]])
    after = Sheet(["id", "value"], [["a", ""], ["b", None], ["c", "0"], ["d", 3.0], ["e", Decimal("1.1")], ["f", 1]])
    assert [one.key for one in compared(before, after).cells] == ["a", "b", "c", "f"]


def test_numbers_that_no_arithmetic_takes_are_compared_as_they_are_written() -> None:
    odd: list[Sequence[Value]] = [["a", float("nan")], ["b", Decimal("sNaN")], ["c", float("inf")]]
    assert compared(Sheet(["id", "value"], odd), Sheet(["id", "value"], odd)).changed_cells == 0


def test_numbers_are_equal_by_their_digits_whatever_their_type_and_length() -> None:
    long = "1." + "3" * 40
    old: list[Value] = [1e-7, -0.0, 1e22, Decimal("1E+999999999"), Decimal(long + "1")]
    new: list[Value] = [Decimal("1E-7"), 0, 10**22, Decimal("10E+999999998"), Decimal(long + "2")]
    before, after = (Sheet(["id", "v"], [[f"r{place}", cell] for place, cell in enumerate(cells)]) for cells in (old, new))
    assert [cell.key for cell in compared(before, after).cells] == ["r4"]


def test_tables_are_matched_by_name_and_one_that_only_one_version_has_is_told() -> None:
    before = [Sheet(["id"], [["a"]], "May"), Sheet(["id"], [["b"], ["c"]], "June")]
    after = [Sheet(["id"], [["a"]], "May"), Sheet(["id"], [["d"]], "July")]
    found = {one.name: one for one in compare_tables(before, after)}
    assert [(name, one.added, one.removed) for name, one in found.items()] == [("May", 0, 0), ("July", 1, 0), ("June", 0, 2)]


def test_a_key_that_is_no_column_or_does_not_tell_rows_apart_is_refused() -> None:
    with pytest.raises(UsageError, match="'colour'"):
        compared(Sheet(HEADS, CALLS), Sheet(HEADS, CALLS[1:]), "colour")
    with pytest.raises(UsageError, match="two rows have the key '3'"):
        compared(Sheet(HEADS, CALLS), Sheet(HEADS, CALLS[1:]), "minutes")


def test_output_is_bounded_and_everything_is_counted() -> None:
    before = Sheet(["id", "a", "b"], [[str(row), "x", "x"] for row in range(1000)])
    after = Sheet(["id", "a", "b"], [[str(row), "y", "z"] for row in range(1000)])
    found = compared(before, after)
    assert (found.changed_rows, found.changed_cells, len(found.cells)) == (1000, 2000, table_diff.MOST_CELLS)


def test_a_table_that_is_too_long_is_counted_and_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_diff, "MOST_ROWS", 2)
    found = compared(Sheet(HEADS, CALLS), Sheet(HEADS, CALLS[:2]))
    assert (found.compared, found.rows_before, found.rows_after) == (False, 3, 2)


CELLS = st.sampled_from(["", "a", "b", "c"])


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.lists(st.tuples(CELLS, CELLS), max_size=8))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_what_is_told_adds_up(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> None:
    found = compared(Sheet(["one", "two"], before), Sheet(["one", "two"], after))
    assert found.rows_after - found.rows_before == found.added - found.removed
    differs = found.added or found.removed or found.changed_rows
    assert bool(differs) == (before != after if not found.keys else sorted(before) != sorted(after))
