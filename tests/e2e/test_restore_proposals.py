"""A restore that names no destination proposes one; nothing is written before somebody has said yes."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.desk import Desk, refusal
from tests.support.json_documents import validate
from tests.support.terminal import Terminal
from tests.support.tree_facts import tree_facts, write_files

OLD, NEW = 1_700_000_000, 1_900_000_000


@pytest.fixture
def kept(desk: Desk) -> Desk:
    source = desk.folder / "source"
    write_files(source, {"2023/a.csv": b"a", "2023/b.csv": b"bb", "2024/c.csv": b"c"})
    for path in (*source.rglob("*"), source):
        os.utime(path, (OLD, OLD))
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


def proposed_folders(desk: Desk) -> list[Path]:
    return sorted(desk.folder.glob("acme-restored-*"))


def left_alone(report: Path) -> list[dict[str, str]]:
    """What a report of a restore says was left; it follows its schema."""
    document = json.loads(report.read_text())
    validate(document)
    return list(document["left"])


def test_what_is_gone_where_it_was_is_proposed_to_go_back_there(kept: Desk) -> None:
    source = kept.folder / "source"
    before = tree_facts(source)
    shutil.rmtree(source / "2023")
    os.utime(source, (OLD, OLD))
    command = ("restore", "acme", "reports/2023")
    refused = refusal(kept.call(*command, exits=2))
    assert f"Restore 2 files, 3 B, to {source}?" in refused and "there is no terminal" in refused
    assert "--yes" in refused and "--in-place" in refused and not (source / "2023").exists()
    shown = kept.call(*command, "--dry-run").err
    assert "proposed: back in place" in shown and not (source / "2023").exists()
    assert re.search(r"reports +2023 +2 files +3 B", shown), "of which period, how many and how much"
    assert kept.call(*command, "--dry-run", "--json").document["proposed"]["in_place"] is True
    document = kept.call(*command, "--yes", "--json").document
    assert document["files"] == 2 and document["proposed"]["in_place"] is True
    assert tree_facts(source) == before and proposed_folders(kept) == []


def test_a_terminal_asks_the_same_question_and_takes_no_for_an_answer(kept: Desk) -> None:
    source = kept.folder / "source"
    shutil.rmtree(source / "2023")
    for answer, code, there in ((b"n\r", 1, False), (b"y\r", 0, True)):
        terminal = Terminal(kept, "restore", "acme", "reports/2023", columns=200)
        terminal.wait_for(f"Restore 2 files, 3 B, to {source}?".encode())
        terminal.type(answer)
        assert terminal.end() == code and (source / "2023/a.csv").exists() is there


def test_where_a_file_exists_a_new_folder_is_proposed_each_time_another_one(kept: Desk) -> None:
    source = kept.folder / "source"
    (source / "2023/a.csv").unlink()
    (source / "2023/b.csv").write_bytes(b"edited")
    assert "acme-restored-" in refusal(kept.call("restore", "acme", "reports/2023", exits=2))
    assert proposed_folders(kept) == []
    for number in (1, 2):
        document = kept.call("restore", "acme", "reports/2023", "--yes", "--json").document
        assert document["files"] == 2 and document["proposed"]["in_place"] is False
        assert [(one / "reports/2023/b.csv").read_bytes() for one in proposed_folders(kept)] == [b"bb"] * number
    assert (source / "2023/b.csv").read_bytes() == b"edited" and not (source / "2023/a.csv").exists()


def test_tables_and_unknown_sources_go_to_a_new_folder(kept: Desk) -> None:
    shutil.rmtree(kept.folder / "source/2023")
    document = kept.call("restore", "acme", "reports/2023", "--as", "jsonl", "--yes", "--json").document
    assert "converted" in document["proposed"]["why"]
    address = ("--repository", kept.place.address, "--identity", str(kept.identity))
    document = kept.call("restore", "acme", "reports/2023", *address, "--yes", "--json").document
    assert document["files"] == 2 and document["proposed"]["in_place"] is False
    assert "--all-projects needs --to" in refusal(kept.call("restore", "--all-projects", "--yes", exits=2))


def test_the_same_path_of_two_sources_goes_back_to_each_but_not_into_one_folder(kept: Desk) -> None:
    other = kept.folder / "other"
    write_files(other, {"2023/a.csv": b"other"})
    with kept.settings.open("a") as settings:
        settings.write(f'\n[[projects.acme.sources]]\nkind = "reports"\nname = "other"\npath = "{other}"\n')
    kept.call("backup")
    assert "--source other or --source reports" in refusal(kept.call("restore", "acme", "reports/2023", "--yes", exits=1))
    for folder in (kept.folder / "source", other):
        shutil.rmtree(folder / "2023")
    assert kept.call("restore", "acme", "reports/2023", "--yes", "--json").document["files"] == 3
    assert (other / "2023/a.csv").read_bytes() == b"other" and (kept.folder / "source/2023/a.csv").read_bytes() == b"a"


def test_every_item_that_is_left_alone_is_named_with_the_reason(kept: Desk) -> None:
    source = kept.folder / "source"
    (source / "2023/a.csv").write_bytes(b"edited")
    (source / "2023/b.csv").touch()
    os.utime(source / "2023/b.csv", (NEW, NEW))
    command = ("restore", "acme", "--in-place")
    planned = kept.call(*command, "--dry-run", "--json", "--report", "plan.json").document["plan"]
    assert {one["path"]: one["why"] for one in planned["left"]} == {"2023/a.csv": "newer", "2023/b.csv": "newer-attributes"}
    assert all(one["message"] for one in planned["left"]) and planned["same"] == ["2024/c.csv"]
    listed = left_alone(kept.folder / "plan.json")
    assert {one["path"]: one["why"] for one in listed} == {
        "reports/2023/a.csv": "newer",
        "reports/2023/b.csv": "newer-attributes",
        "reports/2024/c.csv": "same",
    }
    told = kept.call(*command, "--report", "left.txt", exits=3)
    assert "problem: reports/2023/a.csv: what stands there is newer" in told.err
    assert "left as it is: 2023/b.csv: it is there with another time of modification, and is newer" in told.err
    text = (kept.folder / "left.txt").read_text().splitlines()
    assert [line.split(": ")[:2] for line in text] == [[one["path"], one["why"]] for one in listed]
    assert (kept.folder / "left.txt").stat().st_mode & 0o777 == 0o600
    skipped = kept.call(*command, "--existing", "skip", "--report", "left.json")
    assert "left as it is: 2023/a.csv: something else stands there" in skipped.err
    conflicts = kept.call(*command, "--existing", "refuse", "--dry-run", "--report", "left.json")
    assert "in the way: 2023/a.csv (file)" in conflicts.err
    listed = left_alone(kept.folder / "left.json")
    assert {one["why"] for one in listed} == {"in-the-way", "attributes", "same"}
    (kept.folder / "left.json").unlink()
    kept.call(*command, "--existing", "refuse", "--report", "left.json", exits=1)
    assert left_alone(kept.folder / "left.json") == listed, "of a plan that is refused, too"


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_restored(kept: Desk) -> None:
    for place in ("no/such/folder.txt", "source"):
        assert "report" in refusal(kept.call("restore", "acme", "--to", "x", "--report", place, exits=1))
    refusal(kept.call("restore", "acme", "--to", "x", "--report", f"{kept.place.address}/projects/left.txt", exits=21))
    refusal(kept.call("restore", "acme", "reports/2024/c.csv", "--to", "-", "--report", "left.txt", exits=2))
    refusal(kept.call("restore", "--all-projects", "--to", "x", "--report", "left.txt", exits=2))
    assert not (kept.folder / "x").exists()
