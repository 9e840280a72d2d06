"""Workbooks that get a row an hour, on the command line: what an hour costs, what comes back, and from whom it can be had."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from tests.support.desk import Desk
from tests.support.recovery_script import recovered
from tests.support.tree_facts import tree_facts
from tests.support.trees import contents

HEADER = ["hour", "queue", "calls", "lost", "level"]


def rows(count: int) -> Iterator[list[object]]:
    for number in range(count):
        hour = datetime(2026, 5, 1) + timedelta(hours=number)
        yield [hour, f"queue {number * 7 % 11}", number * number % 1009, number % 13, number * 37 % 1000 / 10]


def write_hour(folder: Path, count: int) -> None:
    """The same table by two programs, one in a folder of an odd name, and as compressed text."""
    odd = folder / "отчёт №7 'a\nb'"
    odd.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADER, *rows(count)):
        sheet.append(row)
    book.save(odd / "by openpyxl.xlsx")
    with xlsxwriter.Workbook(folder / "by XlsxWriter.xlsx", {"default_date_format": "yyyy-mm-dd hh:mm"}) as other:
        table = other.add_worksheet()
        for number, values in enumerate((HEADER, *rows(count))):
            table.write_row(number, 0, values)
    lines = "".join(f"{','.join(map(str, row))}\n" for row in rows(count))
    (folder / "calls.csv.gz").write_bytes(gzip.compress(lines.encode(), 9, mtime=0))


@pytest.fixture
def hourly(any_desk: Desk) -> Desk:
    """Six hours."""
    source = any_desk.folder / "source"
    write_hour(source, 400)
    any_desk.init()
    any_desk.add("acme", f"reports={source}")
    any_desk.call("backup", "-q")
    for hour in range(401, 406):
        write_hour(source, hour)
        any_desk.call("backup", "-q")
    return any_desk


def test_an_hour_costs_little_and_each_hour_comes_back(hourly: Desk, tmp_path: Path) -> None:
    listed = hourly.call("list", "--json").document["projects"][0]["snapshots"]
    stored = {one["taken_at"]: one["stored_bytes"] for one in listed}
    first, *_, last = (stored[moment] for moment in sorted(stored))
    assert last < first / 3
    hourly.call("check", "--read-data")
    planned = hourly.call("restore", "acme", "--to", str(tmp_path / "back"), "--dry-run", "--json").document
    done = hourly.call("restore", "acme", "--to", str(tmp_path / "back"), "--verify", "--json").document
    assert planned["plan"]["requests"] >= done["requests"] - 2
    assert tree_facts(tmp_path / "back/reports") == tree_facts(hourly.folder / "source")
    third = sorted(stored)[2]
    hourly.call("restore", "acme", "--at", third, "--to", str(tmp_path / "third"))
    write_hour(tmp_path / "as it was", 402)
    sheet = openpyxl.load_workbook(tmp_path / "third/reports/by XlsxWriter.xlsx").active
    assert sheet is not None and sheet.max_row == 403
    table = "reports/calls.csv.gz"
    assert (tmp_path / "third" / table).read_bytes() == (tmp_path / "as it was/calls.csv.gz").read_bytes()


def test_whoever_has_no_strongroom_gets_them_by_the_script_of_the_format(
    hourly: Desk, tmp_path: Path, age_program: Path
) -> None:
    copy = tmp_path / "copy"
    with hourly.store() as store:
        for one in store.list(""):
            (copy / one.name).parent.mkdir(parents=True, exist_ok=True)
            (copy / one.name).write_bytes(store.get(one.name))
    out = recovered(hourly.kit, copy, tmp_path, age_program)
    assert contents(out / "acme/reports") == contents(hourly.folder / "source")
