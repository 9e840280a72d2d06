"""A disk that fills up, under the store and under a restore: told as that, nothing is lost, and room is all it takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk, Place, refusal
from tests.support.randomness import SeededChance
from tests.support.small_disk import MB, make_room, small_disk
from tests.support.tree_facts import tree_facts, write_files


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 4 * MB) as folder:
        yield folder


def write_source(desk: Desk) -> Path:
    randomness = SeededChance("full")
    files = {f"{number}.bin": randomness.token(20_000) for number in range(100)}
    write_files(desk.folder / "source", files | {"large.bin": randomness.token(3 * MB)})
    return desk.folder / "source"


def test_a_full_store_is_told_and_room_is_all_it_takes(tmp_path: Path, disk: Path) -> None:
    desk = Desk(tmp_path / "desk", Place(str(disk / "repository")))
    source = write_source(desk)
    desk.init()
    desk.add("acme", f"reports={source}")
    message = refusal(desk.run("backup", exits=30))
    assert "No space left on device" in message and "free some room" in message
    assert desk.run("backup", "--json", exits=30).document["snapshots"][0]["exit_code"] == 30
    assert desk.call("list").text.startswith("acme: 0 snapshots\n")
    desk.call("check", "--data")
    make_room(disk, 20 * MB)
    desk.run("backup")
    desk.call("check", "--data")
    desk.run("restore", "acme", "--to", "back")
    assert tree_facts(desk.folder / "back/reports") == tree_facts(source)


def test_a_full_target_is_told_and_the_same_restore_goes_on(tmp_path: Path, disk: Path) -> None:
    desk = Desk(tmp_path / "desk", Place("repository"))
    source = write_source(desk)
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    arguments = ("restore", "acme", "--to", str(disk / "back"))
    told = desk.run(*arguments, exits=1)
    assert told.out == b"" and "No space left on device" in told.err and "hint: free some room" in told.err
    assert desk.run(*arguments, "--json", exits=1).document["error"]["exit_code"] == 1
    make_room(disk, 20 * MB)
    desk.run(*arguments)
    assert tree_facts(disk / "back/reports") == tree_facts(source)
    assert not list((disk / "back").rglob(".strongroom-*"))


def test_a_stream_into_a_full_device_is_told(desk: Desk) -> None:
    if not Path("/dev/full").exists():
        not_covered("streams into a full device: there is no /dev/full")
        pytest.skip("no /dev/full")
    source = write_source(desk)
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    for arguments in (["restore", "acme", "reports/large.bin", "--to", "-"], ["list"], ["ls", "acme", "-r", "--json"]):
        with Path("/dev/full").open("wb") as full:
            process = desk.start(*arguments, stdout=full)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and b"Traceback" not in err, err
        assert b"strongroom: error: " in err and b"No space left on device" in err and b"hint: " in err
