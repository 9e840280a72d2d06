"""Restoring over what stands: what is the same stays, what differs is replaced or named, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.tree_facts import tree_facts, write_files

OLD, NEW = 1_700_000_000, 1_900_000_000
POLICIES = ("refuse", "skip", "newer", "replace", "keep-both")


@pytest.fixture
def kept(desk: Desk) -> Desk:
    """a and b, and two names of one file, in a folder of their own; all of it in a backup."""
    source = desk.folder / "source"
    write_files(source, {"d/a.csv": b"a", "d/b.csv": b"bb", "d/x": b"linked", "e/c.csv": b"c"})
    os.link(source / "d/x", source / "d/y")
    for path in (*source.rglob("*"), source):
        os.utime(path, (OLD, OLD))
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    return desk


def damage_content(desk: Desk) -> None:
    """Every pack of content is zeros from its middle on."""
    for pack in (desk.folder / desk.place.address / "projects").glob("*/packs/*/*"):
        content = pack.read_bytes()
        pack.chmod(0o600)
        pack.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))


IN_PLACE = ("restore", "acme", "--in-place", "--json")


@pytest.mark.parametrize("existing", ["replace", "newer"])
def test_no_name_of_a_damaged_file_takes_the_place_of_a_living_one(kept: Desk, existing: str) -> None:
    source = kept.folder / "source"
    for name in ("x", "y"):
        (source / "d" / name).unlink()
        (source / "d" / name).write_bytes(b"edited since: " + name.encode())
        os.utime(source / "d" / name, (OLD - 1, OLD - 1))
    damage_content(kept)
    document = kept.call(*IN_PLACE, "reports/d/x", "reports/d/y", "--existing", existing, "--yes", exits=3).document
    assert document["files"] == 0
    assert [(one["path"], one["what"]) for one in document["problem_list"]] == [
        ("reports/d/x", "damaged"),
        ("reports/d/y", "damaged"),
    ]
    assert [(source / "d" / name).read_bytes() for name in ("x", "y")] == [b"edited since: x", b"edited since: y"]


def test_a_name_is_linked_to_a_living_one_only_where_that_is_what_it_was(kept: Desk) -> None:
    source = kept.folder / "source"
    (source / "d/y").unlink()
    assert kept.call(*IN_PLACE).document["files"] == 1
    assert (source / "d/y").samefile(source / "d/x")
    (source / "d/x").unlink()
    (source / "d/x").write_bytes(b"newer!")  # as long as before
    os.utime(source / "d/x", (NEW, NEW))
    (source / "d/y").unlink()
    document = kept.call(*IN_PLACE, exits=3).document
    assert document["files"] == 1 and [one["path"] for one in document["plan"]["left"]] == ["d/x"]
    assert (source / "d/x").read_bytes() == b"newer!" and (source / "d/y").read_bytes() == b"linked"
    kept.call(*IN_PLACE, "--existing", "replace", "--yes")
    assert (source / "d/x").read_bytes() == b"linked" and (source / "d/y").samefile(source / "d/x")


def test_bytes_that_changed_under_the_same_time_and_size_are_seen(kept: Desk) -> None:
    rotten = kept.folder / "source/d/b.csv"
    rotten.write_bytes(b"b!")
    os.utime(rotten, (OLD, OLD))
    assert "in the way" in kept.call(*IN_PLACE, "--existing", "refuse", exits=1).err
    document = kept.call(*IN_PLACE, "--existing", "skip").document  # that it stays is what was asked for
    assert (document["skipped"], document["problems"]) == (1, 0)
    assert [(one["path"], one["why"]) for one in document["plan"]["left"]] == [("d/b.csv", "skipped")]
    assert "there is no terminal" in kept.call(*IN_PLACE, exits=2).err and rotten.read_bytes() == b"b!"
    assert kept.call(*IN_PLACE, "--yes").document["files"] == 1
    assert rotten.read_bytes() == b"bb" and rotten.stat().st_mtime == OLD


def test_after_everything_was_overwritten_a_restore_that_leaves_it_so_is_no_success(kept: Desk) -> None:
    source = kept.folder / "source"
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for path in files:
        path.write_bytes(b"encrypted")
    result = kept.call("restore", "acme", "--in-place", exits=3)
    assert "5 items are not what the snapshot has" in result.err and "--existing replace" in result.err
    assert [one["what"] for one in kept.call(*IN_PLACE, exits=3).document["problem_list"]] == ["newer"] * 5
    kept.call("restore", "acme", "--in-place", "--existing", "replace", "--yes")
    assert [path.read_bytes() for path in files] == [b"a", b"bb", b"linked", b"linked", b"c"]
    kept.call("restore", "acme", "--in-place")


def test_modes_owners_and_attributes_are_repaired_without_writing_content(kept: Desk) -> None:
    source = kept.folder / "source"
    before, numbers = tree_facts(source), {path: path.stat().st_ino for path in source.rglob("*")}
    for path in source.rglob("*"):
        path.chmod(0o777)
        if os.geteuid() == 0:
            os.chown(path, 12_345, 12_345)
    os.setxattr(source / "d/a.csv", "user.stray", b"1")
    assert "attributes only" in kept.call("restore", "acme", "--in-place", "--existing", "replace", "--dry-run").err
    left = kept.call(*IN_PLACE, "--existing", "refuse", exits=3).document
    assert left["files"] == 0 and {one["why"] for one in left["plan"]["left"]} == {"attributes"}
    assert stat.S_IMODE((source / "d/a.csv").stat().st_mode) == 0o777
    document = kept.call(*IN_PLACE, "--existing", "replace", "--yes").document
    assert (document["files"], document["bytes"], document["attributes_only"]) == (0, 0, 7)
    assert tree_facts(source) == before
    assert {path: path.stat().st_ino for path in source.rglob("*")} == numbers
    again = kept.call(*IN_PLACE, "--existing", "replace").document  # nothing is left to ask about
    assert (again["attributes_only"], again["already_there"]) == (0, 5)


@pytest.mark.parametrize("existing", POLICIES)
def test_folders_that_stand_and_were_not_asked_for_keep_what_they_have(kept: Desk, existing: str) -> None:
    source = kept.folder / "source"
    (source / "d/a.csv").unlink()
    (source / "d").chmod(0o700)
    os.utime(source / "d", (OLD + 5, OLD + 5))
    facts = tree_facts(source)
    kept.call("restore", "acme", "reports/d/a.csv", "--in-place", "--existing", existing)
    after = tree_facts(source)
    assert after.pop(b"d/a.csv").content and after == facts
    kept.call("restore", "acme", "reports/d/a.csv", "--to", "out")
    (kept.folder / "out/reports/d").chmod(0o710)
    facts = tree_facts(kept.folder / "out")
    kept.call("restore", "acme", "reports/d/b.csv", "--to", "out", "--existing", existing)
    after = tree_facts(kept.folder / "out")
    assert after.pop(b"reports/d/b.csv").content and {**after, b"": facts[b""]} == facts


@pytest.mark.parametrize("existing", POLICIES)
@pytest.mark.parametrize("patterns", [("reports/d/a.csv",), ("reports/d/x", "reports/d/y"), ()])
def test_a_restore_that_has_nothing_to_write_is_a_success(kept: Desk, existing: str, patterns: tuple[str, ...]) -> None:
    restore = ("restore", "acme", *patterns, "--json", "--existing", existing)
    kept.call(*restore, "--to", "out")
    facts = tree_facts(kept.folder / "out/reports")
    for options in ((), ("--dry-run",), ("--in-place",)):
        where = () if "--in-place" in options else ("--to", "out")
        document = kept.call(*restore, *where, *options).document
        assert document["plan"]["files"] == 0 and document.get("files", 0) == 0
    assert tree_facts(kept.folder / "out/reports") == facts


@pytest.mark.parametrize("to", ["o.zip", "o.tar", "o.tar.gz", "o.tar.zst", "o"])
@pytest.mark.parametrize("options", [(), ("--as", "csv"), ("--merge",)])
def test_folders_without_a_file_can_be_given_in_every_shape(kept: Desk, to: str, options: tuple[str, ...]) -> None:
    (kept.folder / "source/hollow").mkdir()
    kept.call("backup")
    kept.call("restore", "acme", "reports/hollow", "--to", to, *options, "--json")
    assert (kept.folder / to).exists()


def test_an_empty_folder_can_be_exported(kept: Desk) -> None:
    (kept.folder / "source/hollow").mkdir()
    kept.call("backup")
    kept.call("export", "acme", "reports/hollow", "--to", "bag")
    kept.call("export", "acme", "reports/hollow", "--to", "bag.zip")


def test_keeping_both_gives_no_two_items_one_name_and_is_quick(desk: Desk) -> None:
    source = desk.folder / "source"
    names = ["a.csv", "a.txt", "A.csv", *(f"{'x' * 240}{number:03}" for number in range(300))]
    write_files(source, {name: name.encode() for name in names})
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    write_files(desk.folder / "out", {f"reports/{name}": b"mine" for name in names})
    assert desk.call("restore", "acme", "--to", "out", "--existing", "keep-both", "--json").document["files"] == len(names)
    made = [path for path in (desk.folder / "out/reports").iterdir() if "(restored" in path.name]
    assert sorted(path.read_bytes() for path in made) == sorted(name.encode() for name in names)
    assert len({path.name.casefold() for path in made}) == len(names)


def test_a_name_that_is_there_wins_over_the_same_text_as_a_pattern(desk: Desk) -> None:
    source = desk.folder / "source"
    write_files(source, {"a[1].csv": b"literal", "a1.csv": b"pattern", "b1.csv": b"b", "f*/in": b"in", "foo/in": b"other"})
    desk.init()
    desk.add("acme", f"reports={source}")
    desk.call("backup")
    assert desk.call("restore", "acme", "reports/a[1].csv", "--to", "-").out == b"literal"
    assert desk.call("restore", "acme", "reports/b[1].csv", "--to", "-").out == b"b"
    desk.call("restore", "acme", "reports/f*", "--to", "out")
    assert [path.name for path in (desk.folder / "out/reports").iterdir()] == ["f*"]


def test_the_hint_names_policies_that_help_and_were_not_given(kept: Desk) -> None:
    out = kept.folder / "out/reports"
    write_files(out, {"d/a.csv": b"mine"})
    message = kept.call("restore", "acme", "--to", "out", exits=1).err
    assert "skip, newer, replace or keep-both" in message
    (out / "d/b.csv").mkdir()
    message = kept.call("restore", "acme", "--to", "out", "--existing", "replace", exits=1).err
    assert "choose --existing skip or keep-both, or another target" in message
    shutil.rmtree(out / "d")
    Path(out / "d").write_text("a file")
    message = kept.call("restore", "acme", "--to", "out", "--existing", "keep-both", exits=1).err
    assert "choose --existing skip, or another target" in message
