"""Bags: valid for the tools of others, the same for the same request, honest about what is missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bagit
import pytest

from restore.export import folder
from restore.export.sink import BagSink
from restore.export.write import to_folder, to_zip
from restore.local_fs import Attributes, Target
from restore.outputs.conversion import Conversion
from restore.outputs.folder_sink import FolderSink
from restore.outputs.output_item import ItemOutcome, OutputItem
from restore.outputs.sink import OutputEntry
from restore.selection.select import ItemQuery
from tests.support.bags import at_another_time, files_of, ordered, unzipped, validate
from tests.support.places import back_up, made_on, names, tiny_descriptor
from tests.support.tree_facts import below
from tests.support.trees import text, write_tree
from vault.errors import Interrupted, TargetError
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

FILES = {
    "2024/01/a.csv": b"tel;n\r\n+7999;1\r\n",
    "2024/02/a.csv": b"tel;n\r\n007;\r\n",
    "big": text("big", 9000),
    "empty": b"",
}
ODD = [
    b"line\nbreak",
    b"100%0A.txt",
    b"caf\xe9.csv",
    b"trailing ",
    b"dot.",
    b"\xd1\x8f" * 127,
    b"a\\b",
    b"A",
    b"a",
    b"~41",
    b"\r",
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = made_on(MemoryStore())
    back_up(made, write_tree(tmp_path / "source", FILES))
    return made


def payload_of(bag: Path) -> dict[str, bytes]:
    return {name: data for name, data in files_of(bag).items() if name.startswith("data/") or name == "manifest-sha256.txt"}


def report_of(bag: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bag / "report.json").read_bytes())
    return found


def test_a_bag_is_valid_for_other_tools_as_a_folder_and_as_a_zip(project: Project, tmp_path: Path) -> None:
    order = ordered(project)
    to_folder(order, tmp_path / "one/bag")
    to_zip(order, tmp_path / "bag.zip")
    info = validate(tmp_path / "one/bag").info
    assert info["Payload-Oxum"] == f"{sum(map(len, FILES.values()))}.{len(FILES)}"
    assert info["Bagging-Date"] == "2026-11-22" and info["Strongroom-Asked-For"] == "ticket 17"
    extracted = unzipped(tmp_path / "bag.zip", tmp_path / "out")
    validate(extracted)
    assert files_of(extracted) == files_of(tmp_path / "one/bag")
    assert {name: data for name, data in files_of(extracted).items() if name.startswith("data/")} == {
        f"data/reports/{name}": data for name, data in FILES.items()
    }


def test_a_changed_missing_or_added_byte_is_found(project: Project, tmp_path: Path) -> None:
    for number, name in enumerate(["data/reports/big", "data/reports/empty", "report.json", "bag-info.txt", "bagit.txt"]):
        bag = tmp_path / str(number)
        to_folder(ordered(project), bag)
        content = (bag / name).read_bytes()
        (bag / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b"x")
        with pytest.raises((bagit.BagError, bagit.BagValidationError)):
            bagit.Bag(str(bag)).validate()


def test_the_same_request_makes_the_same_bytes(project: Project, tmp_path: Path) -> None:
    for conversion in (None, Conversion("xlsx")):
        order = ordered(project, conversion=conversion)
        folder = tmp_path / ("as it is" if conversion is None else "converted")
        for place in ("one", "two"):
            to_zip(order, folder / place / "bag.zip")
        one, two = (folder / place / "bag.zip" for place in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_who_asks_and_when_changes_nothing_but_what_tells_of_it(project: Project, tmp_path: Path) -> None:
    order = ordered(project)
    to_folder(order, tmp_path / "one")
    to_folder(at_another_time(order), tmp_path / "two")
    assert payload_of(tmp_path / "one") == payload_of(tmp_path / "two")
    one, two = report_of(tmp_path / "one"), report_of(tmp_path / "two")
    assert one.pop("asked") != two.pop("asked")
    assert one == two


def test_odd_names_make_a_valid_bag_that_tells_them(tmp_path: Path) -> None:
    project, source = made_on(MemoryStore()), tmp_path / "source"
    source.mkdir()
    for number, name in enumerate(ODD):
        below(source, name).write_bytes(str(number).encode())
    back_up(project, source)
    to_folder(ordered(project), tmp_path / "bag")
    to_zip(ordered(project), tmp_path / "bag.zip")
    validate(tmp_path / "bag")
    validate(unzipped(tmp_path / "bag.zip", tmp_path / "out"))
    found = {}
    for item in report_of(tmp_path / "bag")["items"]:
        for file in item.get("files", []):
            path = bytes.fromhex(item["path_hex"]) if "path_hex" in item else item["path"].encode()
            found[path] = (tmp_path / "bag" / file["file"]).read_bytes()
    assert found == {b"reports/" + name: str(number).encode() for number, name in enumerate(ODD)}
    renamed = {one["path_hex"] for one in report_of(tmp_path / "bag")["renamed"]}
    # "A" comes first of the two names that some systems take for one
    assert renamed == {(b"reports/" + name).hex() for name in ODD if name != b"A"}


def test_a_selection_without_files_makes_a_valid_bag(tmp_path: Path) -> None:
    project = made_on(MemoryStore())
    back_up(project, write_tree(tmp_path / "source", {"folder/": b"", "file": b"1"}))
    order = ordered(project, ItemQuery(patterns=("reports/folder",)))
    to_folder(order, tmp_path / "bag")
    to_zip(order, tmp_path / "bag.zip")
    for bag in (tmp_path / "bag", unzipped(tmp_path / "bag.zip", tmp_path / "out")):
        assert validate(bag).info["Payload-Oxum"] == "0.0" and (bag / "data").is_dir()
    assert [item["path"] for item in report_of(tmp_path / "bag")["items"]] == ["reports/folder"]


def test_paths_that_lead_out_of_the_bag_stay_below_data(tmp_path: Path) -> None:
    bag = tmp_path / "world/bag"
    with Target(str(bag).encode()) as target:
        target.prepare()
        sink = BagSink(FolderSink(target), "", tmp_path)
        for number, path in enumerate([b"../victim", b"/etc/x", b"a/../../victim", b"..", b"a//b", b"a/\0", b"", b"data/../x"]):
            with (tmp_path / "content").open("w+b") as content:
                content.write(b"harm")
                content.seek(0)
                given = OutputItem(path, content, 4, ItemOutcome(number, path, None))
                assert sink.file(given, OutputEntry(Attributes())) == []
        assert sink.finish() == []
    assert [path.name for path in (tmp_path / "world").iterdir()] == ["bag"]
    assert [path.name for path in bag.iterdir()] == ["data"]
    assert len(files_of(bag)) == len(sink.payload) == 8


def test_what_is_damaged_or_missing_is_left_out_and_told(tmp_path: Path) -> None:
    project, files = (
        made_on(MemoryStore(), tiny_descriptor(pack=2000)),
        {f"f{number:02}": text(number, 900) for number in range(12)},
    )
    back_up(project, write_tree(tmp_path / "source", files))
    packs = names(project.store, project.folder("packs"))
    damaged = bytearray(project.store.get(packs[0]))
    damaged[-900] ^= 1
    project.store.put(packs[0], bytes(damaged))
    project.store.delete(packs[-1])
    assert len(packs) > 2
    exported = to_folder(ordered(project), tmp_path / "bag")
    lost = {problem.path.decode() for problem in exported.output.report.problems}
    validate(tmp_path / "bag")
    there = {name.removeprefix("data/") for name in files_of(tmp_path / "bag") if name.startswith("data/")}
    assert there and lost and there | lost == {f"reports/{name}" for name in files} and not there & lost
    told = {one["path"] for one in report_of(tmp_path / "bag")["problems"]}
    assert told == lost
    assert all(path in (tmp_path / "bag/report.html").read_text() for path in lost)
    assert f"Strongroom-Problems: {len(exported.output.report.problems)}\n" in (tmp_path / "bag/bag-info.txt").read_text()


def test_a_content_that_is_not_what_the_manifest_says_is_left_out(project: Project, tmp_path: Path) -> None:
    with Target(str(tmp_path / "bag").encode()) as target, (tmp_path / "content").open("w+b") as content:
        target.prepare()
        sink = BagSink(FolderSink(target), "", tmp_path)
        told = ItemOutcome(0, b"reports/a", None)
        (problem,) = sink.file(OutputItem(b"reports/a", content, 0, told), OutputEntry(Attributes(), digest=bytes(32)))
        assert sink.finish() == []
    assert problem.what == "damaged" and told.problems == [problem]
    assert sink.payload == {} and files_of(tmp_path / "bag") == {}


def test_an_interrupted_export_is_begun_anew_by_the_same_request(project: Project, tmp_path: Path) -> None:
    order, calls = ordered(project), 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        to_folder(order, tmp_path / "bag", stop)
    assert (tmp_path / "bag" / folder.NOTE).exists() and not (tmp_path / "bag/manifest-sha256.txt").exists()
    with pytest.raises(TargetError, match="another request"):
        to_folder(ordered(project, ItemQuery(zone="Europe/Kyiv")), tmp_path / "bag")
    to_folder(order, tmp_path / "bag")
    validate(tmp_path / "bag")
    assert not [path for path in (tmp_path / "bag").iterdir() if "strongroom" in path.name]
    with pytest.raises(TargetError, match="not empty"):
        to_folder(order, tmp_path / "bag")


def test_an_interrupted_zip_leaves_nothing(project: Project, tmp_path: Path) -> None:
    def stop() -> None:
        raise Interrupted("stopped")

    place = tmp_path / "place"
    with pytest.raises(Interrupted):
        to_zip(ordered(project), place / "bag.zip", stop)
    assert list(place.iterdir()) == []


def test_the_report_tells_history_schemas_and_links(tmp_path: Path) -> None:
    project, source = made_on(MemoryStore()), write_tree(tmp_path / "source", FILES)
    (source / "way").symlink_to("big")
    back_up(project, source)
    (source / "2024/01/a.csv").unlink()
    back_up(project, source)
    to_folder(ordered(project, ItemQuery(deleted=True)), tmp_path / "gone")
    (item,) = report_of(tmp_path / "gone")["items"]
    assert item["path"] == "reports/2024/01/a.csv" and item["vanished"] > item["last_seen"] >= item["first_seen"]
    assert item["period"] == "2024-01" and item["period_origin"] and item["size"] == len(FILES["2024/01/a.csv"])

    to_folder(ordered(project, conversion=Conversion("parquet")), tmp_path / "bag")
    report = report_of(tmp_path / "bag")
    items = {item["path"]: item for item in report["items"]}
    assert items["reports/way"]["points_to"] == "big" and "files" not in items["reports/way"]
    table = items["reports/2024/02/a.csv"]
    assert table["given_as"] == "parquet" and table["files"][0]["file"] == "data/reports/2024/02/a.parquet"
    (shape,) = report["schemas"]
    assert [column["name"] for column in shape["columns"]] == ["tel", "n"] and shape["tables"] == 1
    assert table["tables"] == [{"name": "", "rows": 1, "schema": 0}]
    assert "not a table" in items["reports/big"]["notes"][0]
    assert report["counts"]["by_period"]["2024-02"] == {"files": 1, "bytes": len(FILES["2024/02/a.csv"])}


def test_the_page_shows_what_is_dangerous_as_text(tmp_path: Path) -> None:
    project, source = made_on(MemoryStore()), tmp_path / "source"
    source.mkdir()
    below(source, b"<script>alert(1)<br>&amp;\xe2\x80\xae.csv").write_bytes(b"a;<img src=x>\r\n1;2\r\n3;4\r\n")
    back_up(project, source)
    to_folder(ordered(project), tmp_path / "bag")
    page = (tmp_path / "bag/report.html").read_text("utf-8")
    assert "<script" not in page and "<img" not in page and "\u202e" not in page
    assert "&lt;script&gt;alert(1)&lt;br&gt;&amp;amp;\\u202e.csv" in page and "&lt;img src=x&gt;" in page
    assert "http" not in page.partition("<body>")[0]


def test_counts_are_of_months_while_they_are_few(project: Project, tmp_path: Path) -> None:
    many = made_on(MemoryStore())
    back_up(many, write_tree(tmp_path / "many", {f"{2020 + month // 12}-{month % 12 + 1:02}.csv": b"1" for month in range(25)}))
    for one, expected in ((project, {"2024-01", "2024-02"}), (many, {"2020", "2021", "2022"})):
        bag = tmp_path / str(len(expected))
        to_folder(ordered(one), bag)
        periods = set(report_of(bag)["counts"]["by_period"])
        assert expected <= periods
    assert periods == {"2020", "2021", "2022"}


def test_the_day_of_bagging_is_that_of_the_project(project: Project, tmp_path: Path) -> None:
    order = ordered(project, ItemQuery(zone="Pacific/Kiritimati", at=datetime(2127, 1, 1, tzinfo=UTC)))
    to_folder(order, tmp_path / "bag")
    info = validate(tmp_path / "bag").info
    assert info["Bagging-Date"] == "2026-11-23" and info["Strongroom-Moment"] == "2127-01-01T00:00:00+00:00"


def test_a_table_that_cannot_be_read_is_given_as_it_is_and_that_is_said(tmp_path: Path) -> None:
    project, broken = made_on(MemoryStore()), b"SQLite format 3\0" + b"\xff" * 2000
    back_up(project, write_tree(tmp_path / "source", {"broken.sqlite": broken}))
    exported = to_folder(ordered(project), tmp_path / "bag")
    (item,) = (item for item in report_of(tmp_path / "bag")["items"] if item["type"] == "file")
    assert item["format"] == "sqlite" and "cannot be read as a table" in item["notes"][0] and "tables" not in item
    assert exported.output.report.problems == []
    assert files_of(tmp_path / "bag")["data/reports/broken.sqlite"] == broken


def test_a_page_that_would_be_too_long_says_so(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to_folder(ordered(project), tmp_path / "whole")
    monkeypatch.setattr("restore.export.html_report.ITEMS_SHOWN", 2)
    to_folder(ordered(project), tmp_path / "short")
    whole, short = ((tmp_path / name / "report.html").read_text() for name in ("whole", "short"))
    assert "report.json has all" not in whole and whole.count(" [file") == len(FILES)
    assert "The first 2; report.json has all" in short and short.count("blake3 of the original") < len(FILES)
    assert files_of(tmp_path / "whole")["report.json"] == files_of(tmp_path / "short")["report.json"]
