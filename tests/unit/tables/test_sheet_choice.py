"""One sheet of a workbook: found by its name or its place, and the others are not even looked into."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import openpyxl
import pytest

from restore.tables.loss_report import LossReport
from restore.tables.registry import open_tables
from restore.tables.sheet_choice import NoSuchSheet, SheetChoice
from tests.support.tables import ListTable, names_of, rows_of
from tests.support.workbooks import written

NAMES = ["Calls", "Agents", "2"]


def of_excel(path: Path) -> None:
    book = openpyxl.Workbook()
    for name in NAMES:
        sheet = book.create_sheet(name)
        sheet.append([f"{name} id"])
        sheet.append([name])
    del book["Sheet"]
    book.create_chartsheet("Chart", 0)
    book.save(path)


def of_open_document(path: Path) -> None:
    tables = [ListTable([f"{name} id"], [[name]], name=name) for name in NAMES]
    written(path.with_suffix(".ods"), tables)[0].rename(path)


def of_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        for name in NAMES:
            database.execute(f'create table "{name}" ("{name} id")')
            database.execute(f'insert into "{name}" values (?)', (name,))
        database.execute('create view "Seen" as select * from "Calls"')
        database.commit()


MADE: dict[str, Callable[[Path], None]] = {"xlsx": of_excel, "ods": of_open_document, "sqlite": of_sqlite}


@pytest.mark.parametrize("format_", MADE)
def test_a_sheet_is_chosen_by_its_name_or_else_by_its_place(format_: str, tmp_path: Path) -> None:
    MADE[format_](tmp_path / "book")

    def chosen(*wanted: str) -> list[str]:
        losses, choice = LossReport(), SheetChoice(wanted)
        tables = open_tables(tmp_path / "book", format_, losses, sheets=choice)
        assert [names_of(table) for table in tables] == [[f"{table.name} id"] for table in tables]
        assert [rows_of(table) for table in tables] == [[[table.name]] for table in tables]
        assert losses.all() == [] and choice.missing == []
        return [table.name for table in tables]

    assert chosen("Agents") == chosen("AGENTS") == ["Agents"]
    assert chosen("1") == ["Calls"]
    assert chosen("2") == ["2"]  # its name, not the second one
    assert chosen("3", "2") == ["2"]
    assert chosen("2", "Calls") == ["Calls", "2"]


@pytest.mark.parametrize("format_", MADE)
def test_what_is_not_there_is_told_with_what_is(format_: str, tmp_path: Path) -> None:
    MADE[format_](tmp_path / "book")
    for wanted in ("Tickets", "4", "0", "-1", "Chart", "Seen", "9" * 5000):
        with pytest.raises(NoSuchSheet, match=r"it has no sheet '.*', only 'Calls', 'Agents', '2'") as caught:
            open_tables(tmp_path / "book", format_, LossReport(), sheets=SheetChoice([wanted]))
        assert caught.value.hint
    choice = SheetChoice(["Agents", "Tickets"], "table")
    assert [table.name for table in open_tables(tmp_path / "book", format_, LossReport(), sheets=choice)] == ["Agents"]
    assert choice.missing == ["it has no table 'Tickets', only 'Calls', 'Agents', '2'"]


def test_damage_in_another_sheet_is_no_damage_of_the_chosen_one(tmp_path: Path) -> None:
    of_excel(tmp_path / "whole")
    with zipfile.ZipFile(tmp_path / "whole") as whole, zipfile.ZipFile(tmp_path / "book", "w") as broken:
        for name in whole.namelist():
            broken.writestr(name, b"<worksheet" if name == "xl/worksheets/sheet1.xml" else whole.read(name))
    (table,) = open_tables(tmp_path / "book", "xlsx", LossReport(), sheets=SheetChoice(["Agents"]))
    assert rows_of(table) == [["Agents"]]


def test_of_very_many_sheets_some_are_named() -> None:
    with pytest.raises(NoSuchSheet, match=r"'19' and 80 more$"):
        SheetChoice(["x"]).pick([str(place) for place in range(100)])
    with pytest.raises(NoSuchSheet, match="no sheet 'x', nor any other"):
        SheetChoice(["x"]).pick([])
