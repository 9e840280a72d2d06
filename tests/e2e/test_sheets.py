"""`--sheet`: of workbooks one sheet, of databases one table, wherever tables are made of them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import openpyxl
import pytest

from tests.support.desk import Desk, refusal
from tests.support.tables import ListTable
from tests.support.tree_facts import write_files
from tests.support.workbooks import bytes_of

CSV = b"id,agent\n9,Zoe\n"


def excel(path: Path, **sheets: list[list[object]]) -> None:
    book = openpyxl.Workbook()
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    del book["Sheet"]
    book.save(path)


@pytest.fixture
def history(desk: Desk) -> Desk:
    """Three files with the sheets Calls and Agents, a workbook without Calls, and a CSV."""
    source = desk.folder / "source"
    ods = [ListTable(["id", "agent"], [[2, "Bo"]], name="Calls"), ListTable(["agent"], [["Bo"]], name="Agents")]
    write_files(source, {"2024-06.ods": bytes_of("ods", ods), "2024-08.csv": CSV})
    excel(source / "2024-05.xlsx", Calls=[["id", "agent"], [1, "Ann"]], Agents=[["agent"], ["Ann"]])
    excel(source / "2024-09.xlsx", Agents=[["agent"], ["Eve"]])
    with closing(sqlite3.connect(source / "2024-07.sqlite")) as database:
        database.execute("create table agents (agent)")
        database.execute("create table calls (id integer, agent text)")
        database.execute("insert into calls values (3, 'Cy')")
        database.commit()
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


def test_one_sheet_of_each_workbook_becomes_a_file_of_the_workbooks_name(history: Desk) -> None:
    result = history.call("restore", "acme", "--as", "csv", "--sheet", "Calls", "--to", "out", exits=3)
    out = history.folder / "out/reports"
    texts = {path.name: path.read_text() for path in out.glob("*.csv")}
    assert texts == {
        "2024-05.csv": "id,agent\n1,Ann\n",
        "2024-06.csv": "id,agent\n2,Bo\n",
        "2024-07.csv": "id,agent\n3,Cy\n",
        "2024-08.csv": "id,agent\n9,Zoe\n",
    }
    assert (out / "2024-09.xlsx").read_bytes() == (history.folder / "source/2024-09.xlsx").read_bytes()
    assert "reports/2024-09.xlsx: it is given as it is: it has no sheet 'Calls', only 'Agents'" in result.err
    report = json.loads((history.folder / "out/strongroom-report.json").read_text())
    assert report["asked"]["sheets"] == ["Calls"]
    assert {item["path"]: [table["name"] for table in item.get("tables", [])] for item in report["items"]}[
        "reports/2024-06.ods"
    ] == ["Calls"]


def test_a_workbook_of_the_same_format_keeps_the_chosen_sheets_alone(history: Desk) -> None:
    history.call("restore", "acme", "reports/2024-05.xlsx", "--as", "xlsx", "--sheet", "2", "--to", "one.xlsx")
    assert openpyxl.load_workbook(history.folder / "one.xlsx").sheetnames == ["Agents"]
    two = ("restore", "acme", "reports/*.xlsx", "--as", "csv", "--sheet", "agents", "--sheet", "calls", "--to", "two")
    result = history.call(*two, exits=3)
    names = sorted(path.name for path in (history.folder / "two/reports").iterdir())
    assert names == ["2024-05.Agents.csv", "2024-05.Calls.csv", "2024-09.csv"]
    assert "reports/2024-09.xlsx: it has no sheet 'calls', only 'Agents'" in result.err


def test_a_merged_table_has_the_rows_of_the_chosen_sheets_alone(history: Desk) -> None:
    result = history.call("restore", "acme", "--merge", "--sheet", "Calls", "--to", "all.csv", exits=3)
    assert (history.folder / "all.csv").read_text().splitlines() == [
        "id,agent,source",
        "1,Ann,reports/2024-05.xlsx",
        "2,Bo,reports/2024-06.ods",
        "3,Cy,reports/2024-07.sqlite",
        "9,Zoe,reports/2024-08.csv",
    ]
    assert "reports/2024-09.xlsx: it is not in the merged table: it has no sheet 'Calls', only 'Agents'" in result.err
    two = ("restore", "acme", "reports/*.xlsx", "--merge", "--sheet", "Calls", "--sheet", "Agents", "--to", "two.csv")
    assert "reports/2024-09.xlsx: it has no sheet 'Calls', only 'Agents'" in history.call(*two, exits=3).err
    assert "reports/2024-09.xlsx" in (history.folder / "two.csv").read_text()


def test_an_export_says_which_sheets_were_asked_for(history: Desk) -> None:
    options = ("--as", "csv", "--sheet", "Calls", "--reason", "audit", "--to", "bag")
    history.call("export", "acme", "reports/*.xlsx", "reports/*.ods", *options, exits=3)
    data = history.folder / "bag/data/reports"
    assert sorted(path.name for path in data.iterdir()) == ["2024-05.csv", "2024-06.csv", "2024-09.xlsx"]
    assert (data / "2024-06.csv").read_text() == "id,agent\n2,Bo\n"


def test_a_sheet_of_nothing_that_is_converted_is_refused_with_a_hint(history: Desk) -> None:
    for command in (("restore", "acme"), ("export", "acme")):
        said = refusal(history.call(*command, "--sheet", "Calls", "--to", "out", exits=2))
        assert "--sheet needs --as or --merge" in said
        assert not (history.folder / "out").exists()


def test_a_question_reads_the_chosen_sheet_of_each_workbook(history: Desk) -> None:
    sql = "select id, agent, path from {} order by id"
    one = ("--sheet", "Calls", "--json")
    answer = history.call("query", "acme", sql.format("reports_ods"), *one)
    assert answer.document["rows"] == [[2, "Bo", "reports/2024-06.ods"]]
    answer = history.call("query", "acme", sql.format("reports_sqlite"), *one)
    assert answer.document["rows"] == [[3, "Cy", "reports/2024-07.sqlite"]]
    answer = history.call("query", "acme", sql.format("reports_xlsx"), *one, exits=3)
    assert answer.document["rows"] == [[1, "Ann", "reports/2024-05.xlsx"]]
    assert [problem["path"] for problem in answer.document["problems"]] == ["reports/2024-09.xlsx"]
    assert "reports/2024-09.xlsx: its rows are not in the answer: it has no sheet 'Calls', only 'Agents'" in answer.err
    united = "select max(n) + 1 from (select id as n from reports_xlsx union all select id from reports_ods) "
    assert history.call("query", "acme", united, *one, exits=3).document["rows"] == [[3]]
    assert list(Path(history.environment.get("TMPDIR", "/tmp")).glob("strongroom-*/workbook")) == []


def test_only_the_workbooks_of_the_period_are_looked_into(history: Desk) -> None:
    sql = "select count(*) from reports_xlsx where period = '2024-05'"
    answer = history.call("query", "acme", sql, "--sheet", "1", "--path", "reports/*.xlsx", "--path", "reports/*.csv")
    assert answer.text.split()[-1] == "1"


def test_of_several_sheets_each_is_a_table(history: Desk) -> None:
    options = ("--path", "reports/*.xlsx", "--sheet", "Calls", "--sheet", "Agents")
    listed = history.call("query", "acme", "--tables", *options, exits=3).text
    assert listed.splitlines()[0].startswith("Agents = reports_Agents: 2 files xlsx")
    sql = "select a.agent, c.id from Agents a left join Calls c using (agent) order by 1"
    answer = history.call("query", "acme", sql, *options, "--json", exits=3)
    assert answer.document["rows"] == [["Ann", 1], ["Eve", None]]


def test_without_a_sheet_workbooks_are_told_to_be_left_out(history: Desk) -> None:
    listed = history.call("query", "acme", "--tables")
    assert listed.text.startswith("reports: 1 file csv")
    assert "4 files with sheets (XLSX, ODS, SQLite) are not among them: name a sheet or table with --sheet" in listed.err
    nothing = ("query", "acme", "select 1", "--path", "reports/*.xlsx")
    assert "--sheet" in history.call(*nothing, exits=1).err
    lacking = ("query", "acme", "select * from reports", "--path", "reports/*09.xlsx", "--sheet", "Calls")
    assert (
        "reports/2024-09.xlsx: its rows are not in the answer: it has no sheet 'Calls'" in history.call(*lacking, exits=1).err
    )
