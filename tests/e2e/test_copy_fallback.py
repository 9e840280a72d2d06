"""What the repository's own store does not give is read from a copy, object by object, and said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from strongroom import store_access
from tests.e2e.test_copy import name_copy
from tests.support.desk import Desk, Place, Result
from tests.support.tree_facts import tree_facts, write_files

SILENT = 'address = "s3://bucket/repository"\nendpoint = "http://127.0.0.1:9"'


@pytest.fixture
def copied(used: Desk) -> Desk:
    """A repository with a table, and a copy of it."""
    write_files(used.folder / "source", {"calls.csv": b"number\n" + b"7\n" * 300})
    name_copy(used, Place("second"))
    used.call("backup")
    used.call("copy")
    used.call("cache", "clear", "--all")
    return used


def objects(desk: Desk, folder: str) -> list[Path]:
    return sorted(file for file in (desk.folder / "repository").glob(f"projects/*/{folder}/**/*") if file.is_file())


def snapshot_file(desk: Desk) -> Path:
    """The record of the newest snapshot."""
    (project,) = desk.call("list", "--json").document["projects"]
    (file,) = (one for one in objects(desk, "snapshots") if one.name == project["snapshots"][-1]["snapshot"])
    desk.call("cache", "clear", "--all")
    return file


def remove(file: Path) -> None:
    file.unlink()


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def problems(done: Result) -> list[str]:
    return [one["what"] for one in done.document["problem_list"]]


@pytest.mark.parametrize("damage", [remove, flip, truncate])
@pytest.mark.parametrize("folder", ["packs", "meta", "snapshots", "index"])
def test_a_restore_reads_what_is_lost_from_the_copy(copied: Desk, folder: str, damage: Callable[[Path], None]) -> None:
    for file in objects(copied, folder) if folder != "snapshots" else [snapshot_file(copied)]:
        damage(file)
    done = copied.call("restore", "acme", "--to", "back", "--json", exits=3)
    assert tree_facts(copied.folder / "back/reports") == tree_facts(copied.folder / "source")
    assert problems(done) and set(problems(done)) <= {"read-from-copy", "damaged-index", "missing-index"}
    if folder != "index":
        assert "read-from-copy" in problems(done) and "it was read from the copy 'offsite'" in done.err


@pytest.mark.parametrize("forgetful", [False, True])
def test_a_snapshot_that_is_lost_is_restored_from_the_copy(copied: Desk, *, forgetful: bool) -> None:
    """Nobody knows that it was there but the copy, and a machine that has seen it."""
    newest = snapshot_file(copied)
    newest.unlink()
    if forgetful:
        shutil.rmtree(copied.folder / "home/.local/state")
        assert newest.name not in copied.call("list").text
    for number in range(2):
        done = copied.call("restore", "acme", "--to", f"back {number}", "--json", exits=3)
        assert tree_facts(copied.folder / f"back {number}/reports") == tree_facts(copied.folder / "source")
        assert [(one["what"], Path(one["path"]).name) for one in done.document["problem_list"]] == [
            ("read-from-copy", newest.name)
        ]
        assert done.document["missing_snapshots"] == []
    copied.call("restore", "acme", "--at", newest.name, "--to", "back 2", exits=3)
    assert tree_facts(copied.folder / "back 2/reports") == tree_facts(copied.folder / "source")
    asked = copied.call("query", "acme", "select max(number) from reports", "--json", exits=3)
    assert asked.document["rows"] == [[7]] and problems(asked) == ["read-from-copy"]
    assert problems(copied.call("export", "acme", "--to", "bag", "--json", exits=3)) == ["read-from-copy"]
    (drilled,) = copied.call("drill", "--json", exits=3).document["drills"]
    assert not drilled["trouble"] and [one["what"] for one in drilled["problem_list"]] == ["read-from-copy"]
    assert "If a copy has it, `strongroom repair` puts it back" in copied.call("list").err
    copied.call("repair", "--yes")
    copied.call("restore", "acme", "--to", "back 3")


def test_a_lost_index_costs_a_drill_and_a_query_nothing(copied: Desk) -> None:
    for file in objects(copied, "index"):
        file.unlink()
    (drilled,) = copied.call("drill", "--json", exits=3).document["drills"]
    assert not drilled["trouble"] and "missing-index" in {one["what"] for one in drilled["problem_list"]}
    asked = copied.call("query", "acme", "select max(number) from reports", "--json", exits=3)
    assert asked.document["rows"] == [[7]] and "missing-index" in problems(asked)


@pytest.mark.parametrize(
    "command", ["list", "ls acme", "find acme *.csv", "history acme reports/calls.csv", "snapshot show acme"]
)
def test_what_a_copy_has_is_looked_at_by_its_name(copied: Desk, command: str) -> None:
    words = command.split()
    here = copied.call(*words)
    assert copied.call(*words, "--from", "offsite").text == here.text
    shutil.rmtree(copied.folder / "repository")
    refused = copied.call(*words, exits=10).err
    assert "`strongroom list --from offsite`" in refused and "strongroom init" not in refused
    assert copied.call(*words, "--from", "offsite").text == here.text


def test_a_whole_store_is_as_quiet_as_ever(copied: Desk) -> None:
    before = tree_facts(copied.folder / "home/.cache")
    done = copied.call("restore", "acme", "--to", "back")
    assert "copy" not in done.err and "copy" not in done.text
    assert len([one for one in (copied.folder / "home/.cache/strongroom").iterdir() if "-" in one.name]) <= 1, before


def test_key_objects_that_are_lost_are_those_of_the_copy(copied: Desk) -> None:
    for folder in ("keys", "projects"):  # there are two of each
        for file in (copied.folder / "repository" / folder).rglob("*.age"):
            truncate(file)
    shutil.rmtree(copied.folder / "home/.local/state")  # and one on the machine
    done = copied.call("restore", "acme", "--to", "back", exits=3)
    assert "was read from the copy" in done.err
    assert tree_facts(copied.folder / "back/reports") == tree_facts(copied.folder / "source")


@pytest.mark.parametrize("how", ["gone", "empty", "no descriptor"])
def test_a_repository_that_is_lost_is_its_copy(copied: Desk, how: str) -> None:
    if how == "no descriptor":
        (copied.folder / "repository/strongroom.json").unlink()
    else:
        shutil.rmtree(copied.folder / "repository")
    if how == "empty":
        (copied.folder / "repository").mkdir()
    done = copied.call("restore", "acme", "--to", "back", exits=3)
    assert "everything is read from its copy 'offsite'" in done.err
    assert tree_facts(copied.folder / "back/reports") == tree_facts(copied.folder / "source")
    assert "7" in copied.call("query", "acme", "select max(number) from reports", exits=3).text
    copied.call("export", "acme", "--to", "bag", exits=3)
    copied.call("drill", exits=3)


def test_a_server_that_does_not_answer_is_not_waited_for_long(copied: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_access, "BRIEF", 0.2)
    text = copied.settings.read_text("utf-8")
    text = text.replace(f'address = "{copied.folder}/repository"', SILENT)
    copied.settings.write_text(text, "utf-8")
    done = copied.call("restore", "acme", "--to", "back", exits=3)
    assert "everything is read from its copy 'offsite'" in done.err
    assert "takes the log: cannot read strongroom.json" in done.err, "it was waited for a second time, to take the log"
    assert tree_facts(copied.folder / "back/reports") == tree_facts(copied.folder / "source")
    assert "--from offsite" in copied.call("list", exits=30).err
    assert "--from offsite" in copied.call("status", exits=30).err


def test_other_readers_say_it_too(copied: Desk) -> None:
    for file in objects(copied, "packs"):
        flip(file)
    asked = copied.call("query", "acme", "select max(number) from reports", "--json", exits=3)
    assert asked.document["rows"] == [[7]] and "read-from-copy" in problems(asked)
    bag = copied.call("export", "acme", "--to", "bag", "--json", exits=3)
    assert set(problems(bag)) == {"read-from-copy"}
    (drilled,) = copied.call("drill", "--json", exits=3).document["drills"]
    assert {one["what"] for one in drilled["problem_list"]} == {"read-from-copy"} and not drilled["trouble"]
    assert copied.call("restore", "acme", "reports/a.csv", "--to", "-", exits=3).out == b"1"


def test_thousands_of_files_by_several_processes(copied: Desk) -> None:
    write_files(copied.folder / "source", {f"many/{number}.txt": b"%d" % number for number in range(1200)})
    copied.call("backup")
    copied.call("copy")
    for file in objects(copied, "packs"):
        flip(file)
    done = copied.run("restore", "acme", "--to", "back", "--json", exits=3)
    assert tree_facts(copied.folder / "back/reports") == tree_facts(copied.folder / "source")
    assert set(problems(done)) == {"read-from-copy"} and len(problems(done)) == len(
        set(map(str, done.document["problem_list"]))
    )


def test_what_no_store_has_is_lost_and_named(copied: Desk) -> None:
    for store in ("repository", "second"):
        for file in (copied.folder / store).glob("projects/*/packs/*/*"):
            flip(file)
    done = copied.call("restore", "acme", "--to", "back", "--json", exits=3)
    assert "damaged" in problems(done)


def test_a_store_that_was_set_back_is_as_far_as_its_copy(copied: Desk) -> None:
    """What the last backup wrote is gone, the index and the packs as well as the record."""
    before = set(copied.folder.glob("repository/projects/**/*"))
    write_files(copied.folder / "source", {"calls.csv": b"number\n" + b"8\n" * 300})
    copied.call("backup")
    copied.call("copy")
    for file in set(copied.folder.glob("repository/projects/**/*")) - before:
        if file.is_file():
            file.unlink()
    copied.call("cache", "clear", "--all")
    asked = copied.call("query", "acme", "select max(number) from reports", "--json", exits=3)
    assert asked.document["rows"] == [[8]] and set(problems(asked)) == {"read-from-copy"}
    copied.call("restore", "acme", "--to", "back", exits=3)
    assert tree_facts(copied.folder / "back/reports") == tree_facts(copied.folder / "source")


def test_a_copy_that_is_away_is_no_failure_of_a_restore(copied: Desk) -> None:
    (copied.folder / "second").rename(copied.folder / "away")
    said = copied.call("restore", "acme", "--to", "back").err
    assert "warning: the copy 'offsite' is left out" in said
    assert "offsite" not in copied.call("restore", "acme", "--to", "back again").err, "it was asked a second time"
    assert tree_facts(copied.folder / "back/reports") == tree_facts(copied.folder / "source")


def test_a_copy_that_is_away_too_does_not_hide_the_first_error(copied: Desk) -> None:
    shutil.rmtree(copied.folder / "repository")
    shutil.rmtree(copied.folder / "second")
    said = copied.call("restore", "acme", "--to", "back", exits=10).err
    assert "the copy 'offsite' cannot be opened either" in said and "repository" in said
