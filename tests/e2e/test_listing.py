"""`ls` shows one level at a time, `list` the snapshots that are asked for."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from strongroom import environment
from tests.support.desk import Desk, Place
from tests.support.stage import StageClock
from tests.support.tree_facts import write_files


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    made.init()
    files = {f"2024/0{month}/{day:02}.csv": b"x" * 1000 for month in (1, 2) for day in (1, 2, 3)}
    write_files(made.folder / "reports", files | {"2024/sum.csv": b"y" * 1536, "notes.txt": b"z"})
    write_files(made.folder / "raw", {"one.bin": b"1"})
    (made.folder / "raw" / os.fsdecode(b"odd \xff")).mkdir()
    (made.folder / "raw" / os.fsdecode(b"odd \xff") / "in.bin").write_bytes(b"22")
    made.add("acme", f"reports={made.folder / 'reports'}", f"raw={made.folder / 'raw'}")
    made.call("backup", "--quiet")
    return made


def level(desk: Desk, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = desk.call("ls", "acme", *arguments, "--json").document
    return document


def names(document: dict[str, Any]) -> list[str]:
    return [one["name"] for one in document["entries"]]


def test_without_a_pattern_the_kinds_are_listed_with_what_is_below(desk: Desk) -> None:
    found = level(desk)
    assert (found["folder"], found["total"], names(found)) == ("", 2, ["raw", "reports"])
    assert [(one["items"], one["bytes"]) for one in found["entries"]] == [(3, 3), (11, 7537)]
    lines = desk.call("ls", "acme").text.splitlines()
    assert lines[0].split() == ["SIZE", "MODIFIED", "PERIOD", "ITEMS", "NAME"]
    assert lines[2].split()[:2] == ["7.4", "KiB"] and lines[2].endswith("11  reports/")


def test_a_folder_is_listed_with_its_folders_first_and_then_its_files(desk: Desk) -> None:
    found = level(desk, "reports/2024/")
    assert (found["folder"], names(found)) == ("reports/2024", ["01", "02", "sum.csv"])
    assert [one["path"] for one in found["entries"]] == ["reports/2024/01", "reports/2024/02", "reports/2024/sum.csv"]
    assert [one["items"] for one in found["entries"][:2]] == [3, 3] and "items" not in found["entries"][2]
    lines = desk.call("ls", "acme", "reports/2024", "-l", "--bytes").text.splitlines()
    assert lines[0] == "reports/2024/" and lines[1].split()[:3] == ["MODE", "OWNER", "SIZE"]
    assert (
        lines[2].startswith("d")
        and lines[4].startswith("-")
        and lines[4].split()[2] == "1536"
        and lines[4].endswith(" sum.csv")
    )


def test_names_of_any_bytes_have_a_level_of_their_own(desk: Desk) -> None:
    assert names(level(desk, "raw")) == ["odd \\xff", "one.bin"]
    found = level(desk, "raw/odd*")
    assert [(one["name"], one["items"]) for one in found["entries"]] == [("odd \\xff", 1)]


def test_a_glob_shows_what_matches_from_the_folder_before_its_first_joker_on(desk: Desk) -> None:
    assert names(level(desk, "reports/2024/*.csv")) == ["sum.csv"]
    found = level(desk, "reports/**/01.csv")
    assert [(one["name"], one["items"], one["bytes"]) for one in found["entries"]] == [("2024", 2, 2000)]
    assert names(level(desk, "reports/notes.txt")) == ["notes.txt"]
    assert level(desk, "reports/2024/01", "reports/2024/02/01.csv")["folder"] == "reports/2024"
    assert level(desk, "reports/notes.txt", "raw/one.bin")["folder"] == ""


def test_filters_count_only_what_is_meant_and_folders_without_a_row_of_their_own_are_shown(desk: Desk) -> None:
    found = level(desk, "--kind", "reports", "--format", "csv")
    assert [(one["name"], one["type"], one["items"], one["bytes"]) for one in found["entries"]] == [
        ("reports", "folder", 7, 7536)
    ]
    assert " 7  reports/" in desk.call("ls", "acme", "--format", "csv", "-l").text
    assert "did you mean reports/2024" in desk.call("ls", "acme", "reports/2023", exits=1).err


def test_a_limit_says_how_many_are_left_out_at_one_level_and_in_all(desk: Desk) -> None:
    shown = desk.call("ls", "acme", "reports/2024", "--limit", "1")
    assert shown.text.splitlines()[-1].endswith(" 01/") and "… and 2 entries more: " in shown.err
    assert "entry more" in desk.call("ls", "acme", "reports/2024", "--limit", "2").err
    assert (names(level(desk, "reports/2024", "--limit", "2")), level(desk, "reports/2024", "--limit", "2")["total"]) == (
        ["01", "02"],
        3,
    )
    every = desk.call("ls", "acme", "-r", "--limit", "2")
    assert len(every.text.splitlines()) == 3 and "… and 14 items more: " in every.err
    assert len(level(desk, "-r", "--limit", "2")["items"]) == 2 and level(desk, "-r")["total"] == 16


def test_all_below_is_listed_with_whole_paths_and_the_old_document(desk: Desk) -> None:
    items = level(desk, "-r", "reports/2024/01")["items"]
    assert [one["path"] for one in items] == ["reports/2024/01", *(f"reports/2024/01/0{day}.csv" for day in (1, 2, 3))]
    assert items[1]["size"] == 1000 and items[1]["mode"] == "0644" and items[1]["uid"] == os.getuid()
    lines = desk.call("ls", "acme", "-r", "-l").text.splitlines()
    assert lines[0].split() == ["MODE", "OWNER", "SIZE", "MODIFIED", "PERIOD", "PATH"]
    assert len(lines) == 17 and lines[1].endswith(" raw/")


def test_snapshots_are_listed_by_number_and_by_time_with_the_newest_last(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = datetime.now(UTC)
    for days in (2, 4):
        with monkeypatch.context() as patch:
            patch.setattr(environment, "SystemClock", lambda days=days: StageClock(begin + timedelta(days=days)))
            desk.call("backup", "--quiet")
    every = desk.call("list", "--json").document["projects"][0]["snapshots"]
    moments = [one["taken_at"] for one in every]
    assert len(every) == 6 and moments == sorted(moments)
    shown = desk.call("list", "acme", "--last", "2")
    assert shown.text.startswith("acme: 2 snapshots\n") and shown.text.splitlines()[-1].split()[0] == every[-1]["snapshot"]
    assert "4 other snapshots are left out: `strongroom list acme` shows all" in shown.err
    day = (begin + timedelta(days=2)).strftime("%Y-%m-%d")
    of_day = desk.call("list", "--since", day, "--until", day, "--json").document["projects"][0]
    assert [one["snapshot"] for one in of_day["snapshots"]] == [one["snapshot"] for one in every[2:4]]
    assert of_day["left_out"] == 4
    assert "left out" not in desk.call("list").err
    assert "invalid time" in desk.call("list", "--since", "whenever", exits=2).err
