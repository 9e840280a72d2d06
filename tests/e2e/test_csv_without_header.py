"""Files of an exchange that writes calls and no header: no call becomes a column's name, wherever tables are read."""

from __future__ import annotations

import csv
import json

import pytest

from tests.support.desk import Desk
from tests.support.tree_facts import write_files

NAMES = ["src", "dst", "start", "billsec", "disposition"]


def call(day: int, number: int) -> str:
    return f'"{1000 + number}","{74950000000 + number}","2024-05-{day:02} 10:00:{number:02}","{number}","ANSWERED"\n'


FILES = {f"cdr/2024-05-{day:02}.csv": "".join(call(day, number) for number in range(3)).encode() for day in (1, 2, 3)}


@pytest.fixture
def calls(desk: Desk) -> Desk:
    write_files(desk.folder / "source", FILES)
    desk.init()
    desk.add("acme", f"raw={desk.folder / 'source'}")
    desk.call("backup")
    return desk


def rows(desk: Desk, name: str) -> list[dict[str, str]]:
    with (desk.folder / name).open() as file:
        return list(csv.DictReader(file))


def test_every_call_is_a_row_of_the_merged_table_and_the_guess_is_said(calls: Desk) -> None:
    result = calls.call("restore", "acme", "--merge", "--to", "all.csv")
    found = rows(calls, "all.csv")
    assert len(found) == 9 and list(found[0]) == [*(f"column_{place}" for place in range(1, 6)), "source"]
    assert "3 files: the first row is data" in result.err
    report = json.loads((calls.folder / "all.csv.report.json").read_text())
    assert any("the first row is data" in guess for item in report["items"] for guess in item.get("guesses", ()))


def test_a_question_sees_every_call_and_the_guess_is_said(calls: Desk) -> None:
    answer = calls.call("query", "acme", "select count(*), sum(column_4) from cdr", "--json")
    assert answer.document["rows"] == [[9, "9"]]
    assert "3 files of cdr: the first row is data" in answer.err


def test_an_option_decides(calls: Desk) -> None:
    calls.call("restore", "acme", "--as", "jsonl", "--header", "--to", "out")
    lines = (calls.folder / "out/raw/cdr/2024-05-01.jsonl").read_text().splitlines()
    assert len(lines) == 2 and "1000" in json.loads(lines[0])
    said = calls.call("restore", "acme", "--as", "jsonl", "--no-header", "--to", "other").err
    assert len((calls.folder / "other/raw/cdr/2024-05-01.jsonl").read_text().splitlines()) == 3
    assert "the first row is data" not in said
    assert calls.call("query", "acme", 'select count("1000") from cdr', "--header", "--json").document["rows"] == [[6]]
    assert "name a format with --as" in calls.call("restore", "acme", "--no-header", "--to", "third", exits=2).err


def test_the_setting_names_the_columns_everywhere(calls: Desk) -> None:
    text = calls.settings.read_text()
    assert text.count('kind = "raw"') == 1
    calls.settings.write_text(text.replace('kind = "raw"', f'kind = "raw"\nheader = {json.dumps(NAMES)}'))
    said = calls.call("restore", "acme", "--merge", "--to", "all.csv").err
    assert list(rows(calls, "all.csv")[0]) == [*NAMES, "source"] and "the first row is data" not in said
    assert calls.call("query", "acme", "select count(src) from cdr", "--json").document["rows"] == [[9]]
    calls.call("export", "acme", "--as", "jsonl", "--to", "bag")
    first = (calls.folder / "bag/data/raw/cdr/2024-05-01.jsonl").read_text().splitlines()[0]
    assert list(json.loads(first)) == NAMES


def test_a_comparison_of_rows_sees_the_first_call_too(calls: Desk) -> None:
    first = calls.call("list", "acme", "--json").document["projects"][0]["snapshots"][0]["snapshot"]
    path = calls.folder / "source/cdr/2024-05-01.csv"
    path.write_text(path.read_text().replace('"0","ANSWERED"', '"7","ANSWERED"'))
    calls.call("backup")
    found = calls.call("diff", "acme", "--rows", "--since", first, "--json").document["tables"][0]["tables"][0]
    assert [(cell["column"], cell["before"], cell["after"]) for cell in found["cells"]] == [("column_4", "0", "7")]
