"""Workbooks that nobody here wrote: those that the source package of xlsx2csv brings for its own tests."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import warnings
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from restore.tables.loss_report import LossReport
from restore.tables.readers.xlsx import read_xlsx
from tests.support.archives import unpack
from tests.support.coverage_notes import not_covered
from tests.support.tables import names_of, rows_of
from vault.errors import Damaged

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workbooks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("xlsx2csv")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-binary", ":all:", "--no-deps", "xlsx2csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    found = list(folder.glob("*.tar.gz"))
    if not found:
        not_covered("the workbooks of xlsx2csv: its source package cannot be had")
        pytest.skip(done.stderr[-200:])
    with tarfile.open(found[0]) as archive:
        unpack(archive, folder)
    return sorted(folder.rglob("*.xlsx"))


def test_each_of_them_reads_as_openpyxl_says_or_is_refused_with_a_sentence(workbooks: list[Path]) -> None:
    assert len(workbooks) >= 10
    read, refused, differ = 0, [], []
    for path in workbooks:
        try:
            tables = read_xlsx(path, LossReport())
            found: dict[str, list[list[Any]]] = {table.name: [names_of(table), *rows_of(table)] for table in tables}
        except Damaged as error:
            assert str(error)
            refused.append((path.name, str(error)))
            continue
        read += 1
        for name, theirs in _as_others_read(path).items():
            differ += [(path.name, name, *pair) for pair in _differences(found[name], theirs)]
    assert read >= len(workbooks) - 2, refused
    assert not differ


def _as_others_read(path: Path) -> dict[str, list[list[Any]]]:
    """As openpyxl reads them, or calamine where openpyxl cannot (a part whose name is spelt in another case)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl's own, about what it leaves out
        try:
            book = openpyxl.load_workbook(path, data_only=True)
        except KeyError:
            other = CalamineWorkbook.from_path(path)
            return {name: other.get_sheet_by_name(name).to_python() for name in other.sheet_names}
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets}


def _differences(ours: list[list[Any]], theirs: list[list[Any]]) -> list[tuple[Any, Any]]:
    """Cells that are not the same, the header's aside, which are names here; empty text is none to openpyxl."""
    while theirs and all(cell is None for cell in theirs[0]):
        theirs.pop(0)
    pairs = []
    for row, their_row in zip(ours[1:], theirs[1:], strict=False):
        for place, cell in enumerate(row):
            other = their_row[place] if place < len(their_row) else None
            if _known(cell) != _known(other):
                pairs.append((cell, other))
    return pairs


def _known(cell: Any) -> Any:
    if cell == "":
        return None
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, (int, float, Decimal)):
        return float(cell)
    if isinstance(cell, date) and not isinstance(cell, datetime):
        return datetime(cell.year, cell.month, cell.day)
    if isinstance(cell, datetime):
        return cell.replace(microsecond=0) + timedelta(seconds=round(cell.microsecond / 1e6))
    if isinstance(cell, time):
        return timedelta(hours=cell.hour, minutes=cell.minute, seconds=cell.second)
    return cell
