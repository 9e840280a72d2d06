"""The demo's contact centre: repeatable, consistent with itself, and made of files that other programs can open."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cli.demo.calls import CLIENTS, SeededRandomness, calls_of
from cli.demo.data import grow, write_contact_centre
from cli.demo.files import DemoTable, csv_bytes, pdf_bytes, xlsx_bytes
from vault.errors import TargetError

UNTIL = datetime(2026, 1, 2, 3, tzinfo=UTC)
AWKWARD = DemoTable(
    "Awkward & <odd>",
    ("day", "code", "text", "number"),
    [
        (date(2024, 2, 29), "007", 'He said "no", twice', 1),
        (date(2026, 1, 1), "+7916", "две\nстроки (и скобки) \\ 👍", 2.5),
        (date(1999, 12, 31), "", "=1+1 <b>&", 0),
    ],
)


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("centre")
    write_contact_centre(root, seed="test", years=0.3, until=UNTIL)
    return root


def test_the_same_seed_writes_the_same_bytes_names_and_times(centre: Path, tmp_path: Path) -> None:
    write_contact_centre(tmp_path / "again", seed="test", years=0.3, until=UNTIL)
    assert tree(tmp_path / "again") == tree(centre)


def test_another_seed_writes_other_calls(centre: Path, tmp_path: Path) -> None:
    write_contact_centre(tmp_path / "other", seed="other", years=0.01, until=UNTIL)
    name = "parcelo/raw/2026/01/calls_2026-01-01.jsonl"
    assert (tmp_path / "other" / name).read_bytes() != (centre / name).read_bytes()


def test_the_summary_counts_what_is_there(tmp_path: Path) -> None:
    summary = write_contact_centre(tmp_path, seed="test", years=0.05, until=UNTIL)
    files = tree(tmp_path)
    assert summary.files == len(files)
    assert summary.bytes == sum(len(content) for content, _ in files.values())
    assert summary.until == UNTIL
    assert set(summary.clients) == {path.name for path in tmp_path.iterdir()}


def test_every_kind_of_file_is_there(centre: Path) -> None:
    for client in CLIENTS:
        for name in (
            "reports/hourly/2026-01-02/queues_2026-01-02T02.csv",
            "reports/daily/2026-01/calls_2026-01-02.csv",
            "reports/monthly/2025/summary_2025-10.csv",
            "reports/quarterly/summary_2025-Q4.xlsx",
            "reports/yearly/summary_2025.pdf",
            "tickets/2026-01/tickets_2026-01-01.jsonl",
            "tickets/tickets_2025-09.jsonl",
            "raw/2025/12/calls_2025-12-31.jsonl",
        ):
            assert (centre / client.name / name).is_file(), name
        assert not (centre / client.name / "reports/hourly/2026-01-02/queues_2026-01-02T03.csv").exists()


def test_growing_hour_by_hour_gives_what_writing_later_gives(tmp_path: Path) -> None:
    start, until = datetime(2025, 9, 30, 20, tzinfo=UTC), datetime(2025, 10, 2, 3, tzinfo=UTC)
    write_contact_centre(tmp_path / "grown", seed="test", years=0.02, until=start)
    for hour in range(31):
        grow(tmp_path / "grown", start + timedelta(hours=hour), seed="test")
    write_contact_centre(tmp_path / "later", seed="test", years=0.3, until=until)
    grown, later = tree(tmp_path / "grown"), tree(tmp_path / "later")
    written_since = {name for name in grown if grown[name][1] > start.timestamp() * 1e9 + 200e9}
    assert {name: grown[name] for name in written_since} == {name: later[name] for name in written_since}
    for name in ("reports/quarterly/summary_2025-Q3.xlsx", "reports/hourly/2025-10-02/queues_2025-10-02T02.csv"):
        assert f"parcelo/{name}" in written_since


def test_growing_the_same_hour_twice_changes_nothing(tmp_path: Path) -> None:
    write_contact_centre(tmp_path, seed="test", years=0.01, until=UNTIL)
    grow(tmp_path, UNTIL, seed="test")
    before = tree(tmp_path)
    grow(tmp_path, UNTIL, seed="test")
    assert tree(tmp_path) == before


def test_reports_agree_with_the_raw_records(centre: Path) -> None:
    raw = (centre / "nordbank/raw/2026/01/calls_2026-01-01.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in raw]
    with (centre / "nordbank/reports/daily/2026-01/calls_2026-01-01.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["call_id"] for row in rows] == [record["call_id"] for record in records]
    assert [row["comment"] for row in rows] == [record["comment"] for record in records]
    offered = 0
    for path in (centre / "nordbank/reports/hourly/2026-01-01").iterdir():
        offered += sum(int(row["offered"]) for row in csv.DictReader(path.read_text("utf-8").splitlines()))
    assert offered == len(records)


def test_records_carry_what_real_ones_carry(centre: Path) -> None:
    text = "".join(path.read_text("utf-8") for path in sorted((centre / "parcelo/raw/2025/12").iterdir()))
    records = [json.loads(line) for line in text.splitlines()]
    assert all(record["caller"].startswith("+7") for record in records)
    assert all(record["call_id"].startswith("00") for record in records)
    assert any(record["agent"] is None for record in records)
    assert re.search("[а-я]", text)
    assert "👍" in text
    assert "\\" in text
    assert len({record["session"] for record in records}) == len(records)
    tickets = (centre / "parcelo/tickets/2026-01/tickets_2026-01-01.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["call_id"][:4] for line in tickets} == {"0041"}


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(TargetError, match="not an empty folder"):
        write_contact_centre(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_place_that_cannot_be_written_is_a_target_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TargetError, match="cannot write"):
        write_contact_centre(tmp_path / "file" / "centre", years=0.01)


def test_calls_are_in_order_and_their_volume_can_be_set() -> None:
    calls = calls_of(CLIENTS[0], date(2026, 3, 4), "x", volume=500)
    assert len(calls) == 500
    assert [call.second for call in calls] == sorted(call.second for call in calls)
    assert [call.call_id for call in calls] == sorted({call.call_id for call in calls})
    assert all(0 <= call.queue < len(CLIENTS[0].queues) for call in calls)


def test_seeded_chance_repeats_itself_and_does_not_depend_on_how_it_is_cut() -> None:
    whole = SeededRandomness("a").token(100)
    cut = SeededRandomness("a")
    assert cut.token(33) + cut.token(67) == whole
    assert SeededRandomness("b").token(100) != whole
    randomness = SeededRandomness("c")
    fractions = [randomness.fraction() for _ in range(2000)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert 0.45 < sum(fractions) / len(fractions) < 0.55


def test_csv_quotes_what_needs_it() -> None:
    rows = list(csv.reader(io.StringIO(csv_bytes(AWKWARD).decode(), newline="")))
    assert rows[0] == list(AWKWARD.columns)
    assert rows[1:] == [[str(cell) for cell in row] for row in AWKWARD.rows]


def test_a_workbook_is_a_zip_of_well_formed_parts_and_keeps_text_as_text() -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx_bytes(AWKWARD))) as archive:
        assert archive.testzip() is None
        parts = {name: ET.fromstring(archive.read(name)) for name in archive.namelist()}
    overrides = {element.get("PartName", "")[1:] for element in parts["[Content_Types].xml"]} - {""}
    assert overrides < parts.keys()
    space = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    rows = parts["xl/worksheets/sheet1.xml"].findall(".//s:row", space)
    cells = [[(cell.get("t"), "".join(cell.itertext())) for cell in row] for row in rows]
    assert cells[1][:2] == [(None, "45351"), ("inlineStr", "007")]
    assert cells[2][2] == ("inlineStr", "две\nстроки (и скобки) \\ 👍")
    assert cells[3][2] == ("inlineStr", "=1+1 <b>&")
    assert xlsx_bytes(AWKWARD) == xlsx_bytes(AWKWARD)


def test_a_pdf_has_a_header_a_trailer_and_a_table_that_points_at_its_objects() -> None:
    long = DemoTable("Long", ("line",), [(f"line {number}",) for number in range(200)])
    for table, pages in ((AWKWARD, 1), (long, 4)):
        content = pdf_bytes(table)
        assert content.startswith(b"%PDF-1.4\n")
        assert content.endswith(b"%%EOF\n")
        assert content.count(b"/Type /Page ") == pages
        start = int(content.rsplit(b"startxref\n", 1)[1].split()[0])
        entries = content[start:].split(b"trailer")[0].splitlines(keepends=True)[2:]
        assert all(len(entry) == 20 for entry in entries)
        for number, entry in enumerate(entries[1:], 1):
            assert content[int(entry[:10]) :].startswith(b"%d 0 obj\n" % number)
        for match in re.finditer(rb"/Length (\d+) >>\nstream\n", content):
            assert content[match.end() + int(match[1]) :].startswith(b"\nendstream")
