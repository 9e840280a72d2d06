"""CSV files with and without a header: whether the first row is one, what is said about it, and what decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from restore.tables.loss_report import LossReport
from restore.tables.model import Table
from restore.tables.readers.csv_header import NO_HEADER, Header, Headers
from restore.tables.registry import open_tables
from tests.support.tables import names_of, rows_of

MASTER = (
    '"","{0}","{1}","from-internal","""Ann"" <{0}>","SIP/{0}-0000{2}","SIP/{1}-0001","Dial","SIP/{1},30",'
    '"2024-05-01 10:0{2}:00","2024-05-01 10:0{2}:05","2024-05-01 10:0{2}:59","59","54","ANSWERED","DOCUMENTATION",'
    '"17145576{2}0.1",""'
)

WITH = {
    "words": "id;text\n1;a\n2;b\n",
    "words over words": "agent,queue,status\nAnn,sales,ok\nBob,sales,ok\n",
    "no rows": "call_id,started,seconds\n",
    "one column": "phone\n+74951234567\n+74951234568\n",
    "hours": "Agent;0;1;2;3;4\nAnn;5;6;7;8;9\nBob;1;1;1;1;1\n",
    "days": "Agent;2024-09-01;2024-09-02;2024-09-03\nAnn;5;6;7\nBob;1;2;3\n",
    "years": "2022,2023,2024\n10,20,30\n",
    "years, some of them left out": "rownames,1850,1860,1900,1910\n1,10,20,30,40\n2,11,21,31,41\n",
    "two years": "rownames,country,1999,2000\n1,Brazil,37737,80488\n2,China,212258,213766\n",
    "numbers that pandas made different": "place,-113.8.1,-111.3.1,12.5.10\n-21.2,260.0,260.0,258.0\n-18.7,258.0,260.0,256.0\n",
    "a word that comes again": "name,Comment,Comment,Labels\nTicket,Comment,x,y\nOther,z,x,y\n",
    "hours over durations": "Agent;00:00;01:00;02:00\nAnn;00:10;00:20;00:30\nBob;00:10;00:20;00:30\n",
    "thresholds": "Agent;0;30;60;90\nAnn;5;6;7;9\nBob;1;2;3;1\n",
    "one figure": "Отчёт,2024\nИванов,да\nПетров,нет\n",
    "a header that is repeated": "id,name\n1,a\nid,name\n2,b\n",
    "percent": "Queue;SL 80/20;AHT\nSales;81%;00:03:12\n",
    "nothing": "",
}

WITHOUT = {
    "calls of an exchange": "\n".join(MASTER.format(1000 + place, 74951234560 + place, place) for place in range(5)),
    "one call": MASTER.format(1001, 1002, 3),
    "times": "2024-05-01 10:00,Ann,60\n2024-05-01 10:01,Bob,54\n",
    "dotted times": "01.05.2024 10:00:00;Ann;1,5\n02.05.2024 10:00:00;Bob;2,5\n",
    "phones": "+7 (495) 123-45-67,ok\n+7 (495) 123-45-68,no answer\n",
    "an odd first cell": "anonymous,2024-05-01,60,1\n1001,2024-05-01,54,2\n1002,2024-05-02,3,3\n",
    "words that come again": "Ann,sales,ANSWERED\nBob,sales,ANSWERED\nAnn,support,BUSY\n",
    "one number": "1001\n",
    "two years above years": "Ann,1999,2000\nBob,2001,2003\n",
    "groups of thousands": "Ann,1.234.567,5\nBob,2.345.678,6\n",
}


def opened(folder: Path, text: str, header: Header = None) -> tuple[Table, list[str]]:
    (folder / "a.csv").write_text(text, "utf-8")
    losses = LossReport()
    (table,) = open_tables(folder / "a.csv", "csv", losses, header)
    return table, list(losses.notes())


@pytest.mark.parametrize("text", WITH.values(), ids=WITH)
def test_a_header_is_taken_for_one_without_a_word(text: str, tmp_path: Path) -> None:
    table, notes = opened(tmp_path, text)
    first = text.split("\n")[0]
    assert names_of(table) == [cell for cell in first.replace(";", ",").split(",") if cell] and notes == []


@pytest.mark.parametrize("text", WITHOUT.values(), ids=WITHOUT)
def test_a_first_row_of_data_is_a_row_and_that_is_said(text: str, tmp_path: Path) -> None:
    table, notes = opened(tmp_path, text)
    assert names_of(table) == [f"column_{place}" for place in range(1, len(table.columns) + 1)] and notes == [NO_HEADER]
    assert len(rows_of(table)) == len(text.strip().split("\n"))


def test_what_is_said_decides(tmp_path: Path) -> None:
    text = "Ann,60\nBob,54\n"
    assert names_of(opened(tmp_path, text, header=True)[0]) == ["Ann", "60"]
    table, notes = opened(tmp_path, text, header=False)
    assert (names_of(table), rows_of(table), notes) == (["column_1", "column_2"], [["Ann", "60"], ["Bob", "54"]], [])
    table, notes = opened(tmp_path, text, header=("agent",))
    assert (names_of(table), len(rows_of(table)), notes) == (["agent", "column_2"], 2, [])


def test_names_that_are_given_and_stand_in_the_file_too_are_no_row(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, "Agent,Calls\nAnn,3\n", header=("agent", "calls"))
    assert (names_of(table), rows_of(table)) == (["Agent", "Calls"], [["Ann", "3"]])


def test_lines_before_the_first_row_and_a_named_delimiter_cost_no_row(tmp_path: Path) -> None:
    table, _ = opened(tmp_path, "sep=|\n\n1|2024-05-01\n2|2024-05-02\n")
    assert rows_of(table) == [["1", "2024-05-01"], ["2", "2024-05-02"]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1251"])
def test_the_first_row_of_any_encoding_is_a_row(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("Привет,1,2024-05-01\nКак дела,2,2024-05-02\n".encode(encoding))
    (table,) = open_tables(tmp_path / "a.csv", "csv", LossReport(), header=False)
    assert rows_of(table) == [["Привет", "1", "2024-05-01"], ["Как дела", "2", "2024-05-02"]]


def test_an_option_wins_over_the_setting_but_keeps_the_names_that_it_gives() -> None:
    settings: dict[str, Header] = {"calls": ("a", "b"), "reports": True}
    assert [Headers(said=None, by_source=settings).of(name) for name in ("calls", "reports", "raw")] == [("a", "b"), True, None]
    assert [Headers(said=False, by_source=settings).of(name) for name in ("calls", "reports", "raw")] == [
        ("a", "b"),
        False,
        False,
    ]
    assert Headers(said=True, by_source=settings).of("calls") is True
