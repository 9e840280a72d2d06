"""One table out of many files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import pyarrow as pa
import pytest

from restore.tables import merge
from restore.tables.loss_report import LossReport
from restore.tables.merge import Merged, united
from restore.tables.merge_parts import MergePart
from restore.tables.model import BATCH_ROWS, Batch, Column, Table
from restore.tables.registry import write_tables
from restore.tables.write_options import WriteOptions
from tests.support.tables import ListTable, names_of, rows_of
from vault.errors import Damaged, StrongroomError


class Opening:
    """Opens tables and knows how many are open. A sentence in place of tables is the damage that opening meets."""

    def __init__(self, files: Mapping[str, Sequence[Table] | str]) -> None:
        self.files = files
        self.now = self.most = self.openings = 0

    def parts(self) -> list[MergePart]:
        return [MergePart(f"reports/{name}.csv", name, self._opener(name)) for name in self.files]

    def _opener(self, name: str) -> Callable[[LossReport], AbstractContextManager[Sequence[Table]]]:
        @contextmanager
        def opened(losses: LossReport) -> Iterator[Sequence[Table]]:
            tables = self.files[name]
            if isinstance(tables, str):
                raise Damaged(tables)
            losses.add("met by the reader", "", "a")
            self.openings += 1
            self.now += 1
            self.most = max(self.most, self.now)
            yield tables
            self.now -= 1

        return opened


def merged(
    files: Mapping[str, Sequence[Table] | str], told: list[tuple[str, str, int]] | None = None, losses: LossReport | None = None
) -> Merged:
    def tell(part: MergePart, error: StrongroomError, rows: int) -> None:
        if told is None:
            raise error
        told.append((part.source, str(error), rows))

    return Merged(Opening(files).parts(), tell, losses or LossReport())


def text(names: Sequence[str], *rows: Sequence[str | None]) -> list[Table]:
    return [ListTable(names, rows, types={place: pa.string() for place in range(len(names))})]


def test_columns_are_united_by_name_and_every_row_says_where_it_is_from() -> None:
    table = merged({"T13": text(["a", "b"], ["1", "2"]), "T14": text(["b", "c"], ["3", "4"]), "T15": text(["a"], ["5"])})

    assert names_of(table) == ["a", "b", "c", "source"]
    assert rows_of(table) == [
        ["1", "2", None, "reports/T13.csv"],
        [None, "3", "4", "reports/T14.csv"],
        ["5", None, None, "reports/T15.csv"],
    ]


def test_what_changed_is_told_with_when_it_did() -> None:
    table = merged(
        {
            "T13": [ListTable(["a", "b"], [], types={0: pa.int32()})],
            "T14": [ListTable(["b", "a", "x"], [], types={1: pa.int32()})],
            "T15": [ListTable(["a", "x"], [], types={0: pa.string()})],
            "T16": [ListTable(["a", "x"], [], types={0: pa.string()})],
        }
    )

    assert table.changes == [
        "from T14: column 'x' appeared",
        "from T15: column 'b' disappeared",
        "from T15: column 'a': int32 became string",
    ]


def test_cells_of_another_kind_than_before_are_told_once_though_the_table_is_read_twice() -> None:
    files = {"T13": [ListTable(["n"], [[1], [None]])], "T14": [ListTable(["n"], [[None]])], "T15": [ListTable(["n"], [["1"]])]}
    table = merged(files)

    assert len(rows_of(table)) == len(rows_of(table)) == 4
    assert table.changes == ["from T15: column 'n': int became str"]


def test_a_column_named_source_is_kept_and_ours_gets_another_name() -> None:
    table = merged({"T13": text(["source", "source_2"], ["phone", "x"])})

    assert names_of(table) == ["source", "source_2", "source_3"]
    assert rows_of(table) == [["phone", "x", "reports/T13.csv"]]


def test_columns_that_differ_in_case_only_are_one_and_the_other_spelling_is_told() -> None:
    table = merged({"T13": text(["Phone", "id"], ["1", "2"]), "T14": text(["ID", "phone", "new"], ["3", "4", "5"])})

    assert names_of(table) == ["Phone", "id", "new", "source"]
    assert [row[:3] for row in rows_of(table)] == [["1", "2", None], ["4", "3", "5"]]
    assert table.changes == [
        "from T14: column 'id' is written 'ID'",
        "from T14: column 'Phone' is written 'phone'",
        "from T14: column 'new' appeared",
    ]


def test_columns_of_one_name_in_one_file_stay_two() -> None:
    table = merged({"T13": text(["a", "a"], ["1", "2"]), "T14": text(["a"], ["3"])})

    assert [row[:2] for row in rows_of(table)] == [["1", "2"], ["3", None]]


def test_sheets_of_a_workbook_are_told_apart() -> None:
    sheets = [ListTable(["a"], [[1]], name="Mai"), ListTable(["a"], [[2]], name="Juni")]

    assert rows_of(merged({"T13": sheets})) == [[1, "reports/T13.csv#Mai"], [2, "reports/T13.csv#Juni"]]


def test_one_file_is_open_at_a_time_and_small_files_come_in_large_batches() -> None:
    opening = Opening({f"{number:04d}": text(["a"], ["x"], ["y"]) for number in range(300)})
    table = Merged(opening.parts(), lambda *_: None, LossReport())

    batches = list(table.batches())

    assert opening.most == 1
    assert [batch.rows for batch in batches] == [600]


@pytest.mark.parametrize(("room", "fewest", "most"), [(10_000_000, 100, 100), (1_000, 101, 199), (1, 200, 200)])
def test_small_files_are_opened_once_while_there_is_room(
    room: int, fewest: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge, "KEPT_BYTES", room)
    opening = Opening({f"{number:04d}": text(["a"], ["x"], ["y"]) for number in range(100)})
    losses = LossReport()

    table = Merged(opening.parts(), lambda *_: None, losses)

    assert len(rows_of(table)) == 200
    assert fewest <= opening.openings <= most
    assert [loss.cells for loss in losses.all()] == [100]


def test_batches_are_gathered_up_to_their_bound() -> None:
    tables: Sequence[Table] = [ListTable(["n"], [[number] for number in range(BATCH_ROWS)], batch_rows=BATCH_ROWS - 1)]

    rows = [batch.rows for batch in merged({"T13": tables, "T14": tables}).batches()]

    assert max(rows) <= BATCH_ROWS
    assert sum(rows) == 2 * BATCH_ROWS


def test_a_file_that_cannot_be_opened_costs_its_own_rows_and_is_told_once() -> None:
    told: list[tuple[str, str, int]] = []
    table = merged({"T13": text(["a"], ["1"]), "T14": "torn", "T15": text(["a"], ["2"])}, told)

    assert [row[0] for row in rows_of(table)] == [row[0] for row in rows_of(table)] == ["1", "2"]
    assert told == [("reports/T14.csv", "torn", 0)]


class BreaksOff:
    """A table that is damaged after its first rows."""

    name = ""
    columns = (Column("a", pa.string()),)

    def batches(self) -> Iterator[Batch]:
        yield Batch([pa.array(["kept", "too"])], 2)
        raise Damaged("it breaks off")


def test_a_file_that_breaks_off_is_told_with_the_rows_that_came_before() -> None:
    told: list[tuple[str, str, int]] = []
    table = merged({"T13": [BreaksOff()], "T14": text(["a"], ["2"])}, told)

    assert [row[0] for row in rows_of(table)] == ["kept", "too", "2"]
    assert told == [("reports/T13.csv", "it breaks off", 2)]


def test_what_readers_count_is_counted_once_for_each_file() -> None:
    losses = LossReport()
    table = merged({"T13": text(["a"], ["1"]), "T14": text(["a"], ["2"])}, losses=losses)

    rows_of(table)
    rows_of(table)

    assert [(loss.what, loss.cells) for loss in losses.all()] == [("met by the reader", 2)]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int8(), pa.int8(), pa.int8()),
        (pa.int8(), pa.uint32(), pa.int64()),
        (pa.int8(), pa.uint64(), None),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.int64(), pa.float64(), None),
        (pa.null(), pa.string(), pa.string()),
        (pa.string(), pa.int64(), None),
        (None, pa.string(), None),
        (None, None, None),
    ],
)
def test_types_are_united_without_a_loss(one: pa.DataType | None, other: pa.DataType | None, both: pa.DataType | None) -> None:
    assert united(one, other) == united(other, one) == both


def test_files_of_different_formats_are_one_table_that_every_writer_takes() -> None:
    typed, untyped = ListTable(["n"], [[7]], types={0: pa.int64()}), ListTable(["n"], [[1.5]])
    table = merged({"T13": text(["n"], ["007"]), "T14": [typed], "T15": [untyped]})

    out, losses = io.BytesIO(), LossReport()
    write_tables([table], "parquet", out, WriteOptions(), losses)

    assert [row[0] for row in rows_of(table)] == ["007", 7, 1.5]
    assert [(loss.column, loss.cells) for loss in losses.all()] == [("n", 2)]
