"""CSV files that are read many at once: what is called plain is read as the reader of single files reads it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from restore.tables import merge, merge_parts
from restore.tables.loss_report import LossReport
from restore.tables.merge import Merged
from restore.tables.merge_parts import CsvFile, CsvRun, MergePart, in_runs
from restore.tables.model import Table
from restore.tables.readers.csv import read_csv
from restore.tables.readers.csv_header import Header
from restore.tables.readers.csv_plain import PlainCsvReader, rows_of
from restore.tables.registry import open_tables
from tests.support.csv_files import made
from tests.support.tables import names_of
from tests.support.tables import rows_of as cells_of
from vault.errors import StrongroomError


@pytest.mark.parametrize("header", [None, True, False, ("one", "two")])
def test_a_plain_file_is_read_as_it_is_alone(header: Header, tmp_path: Path) -> None:
    chance, file, plain = random.Random(f"plain {header}"), tmp_path / "one.csv", 0
    for _ in range(250):
        data = made(chance)
        file.write_bytes(data)
        found = PlainCsvReader().read(file, header)
        batch = None if found is None else rows_of([found])
        if found is None or batch is None:
            continue
        plain += 1
        losses = LossReport()
        (table,) = read_csv(file, losses, header=header)
        assert (names_of(table), cells_of(table)) == (
            list(found.head.names),
            [list(row.values()) for row in batch.to_pylist()],
        ), data
        assert (losses.all(), losses.notes()) == ([], {}), data
        assert found.rows == batch.num_rows
    assert plain > 50


ODD = {
    "a NUL": b"name,phone\n\0,1\n",
    "another encoding": "имя,phone\nОля,1\n".encode("cp1251"),
    "two delimiters in the header": b"name;x,phone\n1,2\n",
    "a separator line": b"sep=;\nname;phone\n1;2\n",
    "a quote inside a cell": b'name,phone\n5" pipe,1\n',
    "a cell that is never closed": b'name,phone\n"a,1\n',
    "something behind a closing quote": b'name,phone\n"a"b,1\n',
    "a blank line": b"name,phone\na,1\n\nb,2\n",
    "lines that end with CR": b"name,phone\ra,1\r",
    "a number in the header": b"name,2024\na,1\n",
    "one column": b"name\na\n",
    "two byte-order marks": b"\xef\xbb\xbf\xef\xbb\xbfname,phone\na,1\n",
    "nothing": b"",
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_a_file_of_which_anything_is_odd_is_read_alone(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_bytes(data)

    assert PlainCsvReader().read(file, None) is None


@pytest.mark.parametrize(
    "data", [b"name,phone\na,1,2\n", b"name,phone\na\n", b"name,phone\nname,phone\n"], ids=["wide", "narrow", "header again"]
)
def test_rows_of_another_width_and_names_that_come_again_are_seen_as_the_rows_are_cut(data: bytes) -> None:
    found = PlainCsvReader().look(data, None)

    assert found is not None
    assert rows_of([found]) is None


class Files:
    """Files of a folder as parts, and how many were opened one by one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[str] = []
        self.failed: list[str] = []

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8", newline="")

    def parts(self, *, together: bool = True) -> list[MergePart]:
        return [
            MergePart(file.name, file.stem, self._opener(file), CsvFile(file) if together else None)
            for file in sorted(self.folder.iterdir())
        ]

    def _opener(self, file: Path) -> merge_parts.Opener:
        def opened(losses: LossReport) -> AbstractContextManager[Sequence[Table]]:
            self.opened.append(file.name)
            return nullcontext(open_tables(file, "csv", losses))

        return opened

    def merged(self, *, together: bool = True) -> Merged:
        def on_problem(part: MergePart, error: StrongroomError, rows: int) -> None:
            self.failed.append(f"{part.source}: {rows}: {error}")

        return Merged(self.parts(together=together), on_problem, LossReport())


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    made_files = Files(tmp_path)
    for number in range(40):
        made_files.write(f"{number:02}.csv", "id,note\n" + "".join(f'{number:03},"n ""{row}"""\n' for row in range(number % 3)))
    yield made_files


def test_hours_that_are_alike_are_read_together(files: Files) -> None:
    table = files.merged()

    assert cells_of(table) == cells_of(files.merged(together=False))
    assert len(cells_of(table)) == 39
    assert files.opened != []
    files.opened.clear()
    assert len(cells_of(files.merged())) == 39
    assert files.opened == []


def test_an_odd_hour_between_others_changes_nothing_but_how_it_is_read(files: Files) -> None:
    files.write("07.csv", "id,note\n1,2,3\n")
    files.write("08.csv", "id;note;new\n007;2;3\n")
    files.write("09.csv", "id,note\n\0,1\n")
    files.write("11.csv", 'Id,note\n5" pipe,1\n')

    alone, together = files.merged(together=False), files.merged()

    assert cells_of(together) == cells_of(alone)
    assert names_of(together) == names_of(alone) == ["id", "note", "", "new", "source"]
    assert together.changes == alone.changes
    assert files.failed[: len(files.failed) // 2] == files.failed[len(files.failed) // 2 :]
    assert [one.partition(":")[0] for one in files.failed] == ["09.csv", "09.csv"]


@pytest.mark.parametrize("room", [1, 700])
def test_what_finds_no_room_is_read_together_once_more(files: Files, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = cells_of(files.merged(together=False))
    files.opened.clear()
    monkeypatch.setattr(merge, "KEPT_BYTES", room)
    monkeypatch.setattr(merge_parts, "RUN_BYTES", 200)

    assert cells_of(files.merged()) == expected
    assert files.opened == []


def test_a_run_ends_where_it_is_large_or_the_header_changes(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("20.csv", "id,remark\n1,2\n")
    monkeypatch.setattr(merge_parts, "RUN_BYTES", 160)

    found = list(in_runs(files.parts()))

    assert all(isinstance(one, CsvRun) for one in found)
    assert [one.names for one in found if isinstance(one, CsvRun)].count(("id", "remark")) == 1
    assert 4 < len(found) < 40
