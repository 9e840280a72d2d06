"""Tables in another format, cut to a period, merged: into folders, archives, files and streams, with a report of all of it."""

from __future__ import annotations

import json
import zipfile

import pyarrow.feather
import pytest

from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files

MAY = b"id;when;phone\r\n0071;2024-05-01 00:10;+79161234567\r\n2;2024-05-31 23:59;007\r\n3;2024-06-01 00:00;1\r\n"
JUNE = b'{"id":"4","when":"2024-06-02 10:00","phone":null,"new":1.5}\n'
PDF = b"%PDF-1.7\n%binary\n"
BROKEN = b"PAR1" + b"\0" * 40 + b"PAR1"


@pytest.fixture
def tables(desk: Desk) -> Desk:
    source = desk.folder / "source"
    write_files(source, {"2024-05.csv": MAY, "2024-06.jsonl": JUNE, "act.pdf": PDF, "broken.parquet": BROKEN})
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


def test_tables_are_converted_the_rest_is_as_it_is_and_the_report_says_so(tables: Desk) -> None:
    result = tables.call("restore", "acme", "--as", "feather", "--to", "out", exits=3)
    out = tables.folder / "out/reports"
    assert sorted(path.name for path in out.iterdir()) == ["2024-05.feather", "2024-06.feather", "act.pdf", "broken.parquet"]
    assert pyarrow.feather.read_table(out / "2024-05.feather")["id"].to_pylist() == ["0071", "2", "3"]
    assert (out / "act.pdf").read_bytes() == PDF and (out / "broken.parquet").read_bytes() == BROKEN
    report = json.loads((tables.folder / "out/strongroom-report.json").read_text())
    items = {item["path"]: item for item in report["items"]}
    assert items["reports/act.pdf"]["notes"] == ["not a table: given as it is"]
    assert items["reports/2024-05.csv"]["tables"][0]["rows"] == 3
    assert items["reports/broken.parquet"]["problems"][0]["what"] == "not-converted"
    assert (report["counts"]["converted"], report["counts"]["problems"]) == (2, 1)
    assert "reports/broken.parquet: it is given as it is: " in result.err
    for path in (out / "2024-05.feather", out / "act.pdf"):
        assert path.stat().st_mtime_ns // 1000 == 1_600_000_000_123_456


def test_the_same_request_gives_the_same_bytes_and_a_second_run_finds_its_work(tables: Desk) -> None:
    for name in ("one.zip", "two.zip"):
        tables.call("restore", "acme", "reports/2024*", "reports/act.pdf", "--as", "xlsx", "--to", name)
    assert (tables.folder / "one.zip").read_bytes() == (tables.folder / "two.zip").read_bytes()
    with zipfile.ZipFile(tables.folder / "one.zip") as archive:
        assert {"reports/2024-05.xlsx", "reports/act.pdf", "strongroom-report.json"} <= set(archive.namelist())
    to = ("restore", "acme", "reports/2024*", "--as", "xlsx", "--to", "folder", "--json")
    assert tables.call(*to).document["files"] == 2
    again = tables.call(*to).document
    assert (again["files"], again["already_there"]) == (0, 2)
    (tables.folder / "folder/reports/2024-05.xlsx").write_bytes(b"mine")
    tables.call(*to, exits=1)
    assert tables.call(*to, "--existing", "skip").document["skipped"] == 1
    assert (tables.folder / "folder/reports/2024-05.xlsx").read_bytes() == b"mine"
    assert tables.call(*to, "--existing", "newer", "--yes", exits=3).document["newer"] == 1
    assert tables.call(*to, "--existing", "replace", "--yes").document["files"] == 1
    assert zipfile.is_zipfile(tables.folder / "folder/reports/2024-05.xlsx")


def test_one_table_out_of_many_files_says_where_each_row_is_from(tables: Desk) -> None:
    result = tables.call("restore", "acme", "reports/2024*", "--merge", "--to", "q2.csv")
    text = (tables.folder / "q2.csv").read_text()
    assert text.splitlines()[0] == "id,when,phone,new,source" and len(text.splitlines()) == 5
    assert "0071,2024-05-01 00:10,+79161234567,,reports/2024-05.csv" in text
    assert "column 'new' appeared" in result.err
    report = json.loads((tables.folder / "q2.csv.report.json").read_text())
    assert report["asked"]["merge"] is True and report["counts"]["rows"] == 4
    tables.call("restore", "acme", "reports/2024*", "--merge", "--as", "jsonl", "--to", "merged")
    assert len((tables.folder / "merged/acme.jsonl").read_bytes().splitlines()) == 4
    streamed = tables.call("restore", "acme", "reports/2024*", "--merge", "--to", "-")
    assert streamed.text == text
    result = tables.call("restore", "acme", "reports/2024*", "reports/act.pdf", "--merge", "--to", "x.csv", exits=3)
    assert "act.pdf: it is not a table" in result.err and (tables.folder / "x.csv").read_text() == text


def test_only_the_rows_of_the_period_are_given_and_counted(tables: Desk) -> None:
    tables.call("restore", "acme", "--period", "2024-05", "--rows-in-period", "--to", "may")
    assert (tables.folder / "may/reports/2024-05.csv").read_text().splitlines()[1:] == [
        "0071,2024-05-01 00:10,+79161234567",
        "2,2024-05-31 23:59,007",
    ]
    report = json.loads((tables.folder / "may/strongroom-report.json").read_text())
    cut = report["items"][0]["cut"][0]
    assert (cut["rows_read"], cut["rows_kept"], cut["time_column"]) == (3, 2, "when")
    options = ("--period", "2024-05", "--rows-in-period", "--time-column", "nothing", "--to", "whole")
    result = tables.call("restore", "acme", *options, exits=3)
    assert "there is no column 'nothing'" in result.err
    assert len((tables.folder / "whole/reports/2024-05.csv").read_text().splitlines()) == 4


def test_choices_of_csv_and_of_people_reach_the_file(tables: Desk) -> None:
    one = ("restore", "acme", "reports/2024-05.csv", "--as", "csv")
    out = tables.call(*one, "--delimiter", ";", "--bom", "--to", "-").out
    assert out.startswith(b"\xef\xbb\xbfid;when;phone\n")
    write_files(tables.folder / "source", {"2024-05.csv": b"a,b\n=1+1,x\n"})
    tables.call("backup")
    result = tables.call(*one, "--profile", "people", "--to", "people.csv")
    (line,) = [line for line in result.err.splitlines() if "apostrophe" in line]
    assert line.startswith("as --profile people asks: ") and line.endswith("(1 cell: reports/2024-05.csv: a)")
    assert "lost:" not in result.err
    losses = json.loads((tables.folder / "people.csv.report.json").read_text())["items"][0]["losses"]
    assert [loss["cells"] for loss in losses] == [1]
    several = ("restore", "acme", "reports/2024*", "--as", "csv", "--to", "one.csv")
    assert "2 files match" in refusal(tables.call(*several, exits=2))
