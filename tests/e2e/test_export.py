"""`strongroom export` as an auditor's request meets it: valid bags, conversions and their losses, refusals, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.used import repository
from tests.support.bags import files_of, unzipped, validate
from tests.support.desk import Desk, refusal
from tests.support.tree_facts import tree_facts, write_files
from tests.support.trees import text
from vault.errors import Interrupted

LONG = "д" * 40_000
REPORTS = {
    "2024/01/calls.csv": f"time;tel;note\r\n2024-01-31 10:00:00;+79990001122;{LONG}\r\n2024-02-01 00:30:00;007;b\r\n".encode(),
    "2024/02/calls.csv": b"time;tel;note\r\n2024-02-01 10:00:00;+79990001123;x\r\n",
    "2024/02/scan.pdf": b"%PDF-1.4 pages",
    "2023/12/calls.csv": b"time;tel;note\r\n2023-12-31 10:00:00;1;x\r\n",
}


@pytest.fixture
def audited(desk: Desk) -> Desk:
    """The project acme with reports of three months, backed up once."""
    write_files(desk.folder / "source", REPORTS)
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


def report_of(bag: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bag / "report.json").read_bytes())
    return found


def test_a_period_is_exported_with_proof(audited: Desk) -> None:
    result = audited.call("export", "acme", "--period", "2024", "--to", "bag", "--reason", "audit 2024/7")
    assert "exported 3 files" in result.text
    bag = audited.folder / "bag"
    assert validate(bag).info["Strongroom-Asked-For"] == "audit 2024/7"
    data = {name: content for name, content in files_of(bag).items() if name.startswith("data/")}
    assert data == {f"data/reports/{name}": content for name, content in REPORTS.items() if name.startswith("2024")}
    report = report_of(bag)
    assert "@" in report["asked"]["by"] and report["asked"]["for"] == "audit 2024/7"
    assert report["selection"]["as_typed"] == {"periods": ["2024"]} and "within 2024" in report["selection"]["in_words"]
    assert report["snapshots"][0]["snapshot"] in audited.call("list", "acme", "--json").text
    assert not (bag / "strongroom-export-unfinished").exists()


def test_conversions_tell_what_they_lose_and_what_is_no_table(audited: Desk) -> None:
    document = audited.call("export", "acme", "--period", "2024", "--as", "xlsx", "--to", "q1.zip", "--json").document
    assert document["files"] == 3 and document["problems"] == 0
    bag = unzipped(audited.folder / "q1.zip", audited.folder / "out")
    validate(bag)
    report = report_of(bag)
    items = {item["path"]: item for item in report["items"]}
    (loss,) = items["reports/2024/01/calls.csv"]["losses"]
    assert loss["column"] == "note" and loss["cells"] == 1 == report["exported"]["cells_with_losses"]
    assert items["reports/2024/01/calls.csv"]["files"][0]["file"] == "data/reports/2024/01/calls.xlsx"
    assert "not a table" in items["reports/2024/02/scan.pdf"]["notes"][0]
    assert loss["what"] in (bag / "report.html").read_text("utf-8").replace("&#x27;", "'").replace("&gt;", ">")


def test_tables_are_merged_and_cut_to_the_period(audited: Desk) -> None:
    options = ("--format", "csv", "--period", "2024-01", "--merge", "--rows-in-period", "--time-column", "time")
    audited.call("export", "acme", *options, "--to", "bag")
    validate(audited.folder / "bag")
    (name,) = (name for name in files_of(audited.folder / "bag") if name.startswith("data/"))
    assert name == "data/acme-2024-01.csv"
    rows = (audited.folder / "bag" / name).read_text("utf-8").splitlines()
    assert len(rows) == 2 and "+79990001122" in rows[1]
    report = report_of(audited.folder / "bag")
    assert report["merged"][0]["files"][0]["file"] == name
    assert [item["given_as"] for item in report["items"] if item["type"] == "file"] == ["merged"]


def test_two_exports_of_one_request_can_be_compared(audited: Desk) -> None:
    for name in ("one", "two"):
        audited.call("export", "acme", "--as", "xlsx", "--to", name)
    one, two = (files_of(audited.folder / name) for name in ("one", "two"))
    # these tell when it was, or are signed or hashed over what does
    telling = {"bag-info.txt", "report.json", "report.html", "tagmanifest-sha256.txt", "signature.sig"}
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} <= telling
    reports = [report_of(audited.folder / name) for name in ("one", "two")]
    for report in reports:
        del report["asked"]
    assert reports[0] == reports[1]


def test_what_is_lost_is_told_and_the_others_are_exported(desk: Desk) -> None:
    write_files(desk.folder / "source", {f"2024-{month:02}.csv": text(month, 30_000) for month in range(1, 7)})
    desk.init()
    desk.shrink_packs(20_000)
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    packs = sorted((repository(desk) / "projects").glob("*/packs/*/*"))
    damaged = bytearray(packs[0].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    packs[0].write_bytes(damaged)
    packs[-1].unlink()
    result = desk.call("export", "acme", "--to", "bag", exits=3)
    assert "problem: reports/" in result.err
    bag = desk.folder / "bag"
    validate(bag)
    lost = {problem["path"] for problem in report_of(bag)["problems"]}
    there = {name.removeprefix("data/") for name in files_of(bag) if name.startswith("data/")}
    assert lost and there and not lost & there
    assert lost | there == {f"reports/2024-{month:02}.csv" for month in range(1, 7)}


def test_older_versions_are_in_the_bag_where_they_are_asked_for(audited: Desk) -> None:
    path = audited.folder / "source/2024/02/calls.csv"
    path.write_bytes(b"time;tel\r\n2024-02-01 10:00:00;another\r\n")
    audited.call("backup")
    audited.call("export", "acme", "--path", "reports/2024/02/calls.csv", "--versions", "all", "--to", "bag")
    validate(audited.folder / "bag")
    found = files_of(audited.folder / "bag")
    data = [content for name, content in found.items() if name.startswith("data/")]
    assert sorted(data) == sorted([REPORTS["2024/02/calls.csv"], path.read_bytes()])
    report = report_of(audited.folder / "bag")
    assert report["selection"]["as_typed"]["versions"] == "all" and "in all versions" in report["selection"]["in_words"]
    assert report["counts"]["files"] == 2 == len(report["items"])


def test_a_selection_of_nothing_writes_nothing(audited: Desk) -> None:
    refusal(audited.call("export", "acme", "--period", "1999", "--to", "bag", exits=1))
    assert not (audited.folder / "bag").exists()


def test_a_dry_run_writes_nothing(audited: Desk) -> None:
    before = tree_facts(audited.folder / "source")
    for target in ("bag", "bag.zip"):
        result = audited.call("export", "acme", "--to", target, "--dry-run")
        assert "plan: 4 files" in result.err and result.out == b""
        assert audited.call("export", "acme", "--to", target, "--dry-run", "--json").document["plan"]["files"] == 4
        assert not (audited.folder / target).exists()
    assert tree_facts(audited.folder / "source") == before


def test_places_that_cannot_be_a_bag_are_refused(audited: Desk) -> None:
    write_files(audited.folder, {"full/mine": b"precious", "there.zip": b"precious"})
    assert "not empty" in refusal(audited.call("export", "acme", "--to", "full", exits=1))
    refused = refusal(audited.call("export", "acme", "--to", "there.zip", exits=1))
    assert "there already" in refused
    assert "--existing" not in refused, "export has no such option to follow the hint with"
    for to in (("--to", "-"), ("--to", "s3://bucket/x"), ()):
        refusal(audited.call("export", "acme", *to, exits=2))
    assert (audited.folder / "full/mine").read_bytes() == b"precious" == (audited.folder / "there.zip").read_bytes()


def test_an_interrupted_export_is_begun_anew_by_the_same_request_alone(audited: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Path) -> None:
        raise Interrupted("stopped before its end")

    with monkeypatch.context() as patch:
        patch.setattr("restore.export.folder.end", interrupted)
        audited.call("export", "acme", "--to", "bag", exits=130)
    bag = audited.folder / "bag"
    left = tree_facts(bag)
    assert "another request" in refusal(audited.call("export", "acme", "--kind", "reports", "--to", "bag", exits=1))
    assert tree_facts(bag) == left
    result = audited.call("export", "acme", "--to", "bag")
    assert "begun anew" in result.err
    validate(bag)
    assert "not empty" in refusal(audited.call("export", "acme", "--to", "bag", exits=1))
