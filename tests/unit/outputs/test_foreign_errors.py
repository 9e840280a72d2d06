"""Whatever a reader or a writer raises about one item costs that item alone: it is given as it is, and the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from restore.local_fs import Target
from restore.outputs.conversion import Conversion
from restore.outputs.folder_sink import FolderSink
from restore.outputs.write_items import OutputOptions, OutputReport, write_items
from restore.tables.loss_report import LossReport
from restore.tables.model import Batch, Column, Table
from restore.tables.readers import csv
from restore.tables.writers import jsonl
from tests.unit.outputs.test_write_items import Shop
from vault.errors import TargetError

FOREIGN = [
    MemoryError(),
    RecursionError("maximum recursion depth exceeded"),
    ZeroDivisionError("division by zero"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    pa.ArrowInvalid("no table"),
    pa.ArrowNotImplementedError("no such kernel"),
    pa.ArrowCapacityError("array cannot contain more than 2147483646 bytes"),
    AssertionError(),
]


class Failing:
    """A table whose rows end in an exception."""

    name = ""
    columns: Sequence[Column] = (Column("id"),)

    def __init__(self, error: Exception) -> None:
        self._error = error

    def batches(self) -> Iterator[Batch]:
        yield Batch([[1]], 1)
        raise self._error


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def given(shop: Shop, folder: Path, *, merged: bytes | None = None) -> OutputReport:
    room = folder / "room"
    room.mkdir(mode=0o700)
    with Target(bytes(folder / "out")) as target:
        target.prepare()
        conversion = Conversion("jsonl")
        return write_items(shop.plan(), FolderSink(target), OutputOptions(room, conversion, merged, ZoneInfo("UTC")))


def reader(fail: Callable[[], list[Table]], whole: Callable[..., list[Table]]) -> Callable[..., list[Table]]:
    """Reads every file but the one of `b.csv`."""

    def read(path: Path, losses: LossReport, **more: Any) -> list[Table]:
        return fail() if b"b.csv" in path.read_bytes()[:64] else whole(path, losses, **more)

    return read


@pytest.mark.parametrize("when", ["opened", "read"])
@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_an_item_whose_reader_fails_is_given_as_it_is(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, when: str
) -> None:
    def fail() -> list[Table]:
        if when == "opened":
            raise error
        return [Failing(error)]

    (shop.source / "b.csv").write_bytes(b"b.csv\n1\n")
    shop.back_up()
    monkeypatch.setattr(csv, "read_csv", reader(fail, csv.read_csv))
    outcome = given(shop, tmp_path)
    assert [(one.path, one.what) for one in outcome.report.problems] == [(b"reports/b.csv", "not-converted")]
    assert {path.name for path in (tmp_path / "out/reports").iterdir()} == {"a.jsonl", "b.csv", "c.jsonl"}
    assert (tmp_path / "out/reports/b.csv").read_bytes() == b"b.csv\n1\n"


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_a_merged_table_has_the_rows_of_the_others(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    (shop.source / "b.csv").write_bytes(b"b.csv\n1\n")
    shop.back_up()
    monkeypatch.setattr(csv, "read_csv", reader(lambda: [Failing(error)], csv.read_csv))
    outcome = given(shop, tmp_path, merged=b"all.jsonl")
    assert [(one.path, one.what) for one in outcome.report.problems] == [(b"reports/b.csv", "not-merged")]
    assert len((tmp_path / "out/all.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_an_item_that_cannot_be_written_is_given_as_it_is(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    whole = jsonl.write_jsonl
    calls = iter(range(3))

    def write(*arguments: Any) -> None:
        if next(calls) == 1:
            raise error
        whole(*arguments)

    monkeypatch.setattr(jsonl, "write_jsonl", write)
    outcome = given(shop, tmp_path)
    assert [(one.path, one.what) for one in outcome.report.problems] == [(b"reports/b.csv", "not-converted")]
    assert {path.name for path in (tmp_path / "out/reports").iterdir()} == {"a.jsonl", "b.csv", "c.jsonl"}


def test_a_disk_that_is_full_ends_the_run(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jsonl, "write_jsonl", write)
    with pytest.raises(TargetError, match="no room for temporary files"):
        given(shop, tmp_path)
