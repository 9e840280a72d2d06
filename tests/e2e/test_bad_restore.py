"""What a person gets wrong when restoring: nothing is written that was not meant."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.used import repository, unchanged
from tests.support.desk import Desk, refusal
from tests.support.tree_facts import tree_facts, write_files


def test_a_target_that_cannot_be_written_is_refused(used: Desk) -> None:
    file = used.folder / "a file"
    file.write_text("x")
    for target in (file, file / "below"):
        assert str(file) in refusal_of_restore(used, target)
    assert file.read_text() == "x"
    if Path("/proc/self").exists():
        assert "/proc/self" in refusal_of_restore(used, Path("/proc/self/restored"))
    unchanged(used)


def refusal_of_restore(desk: Desk, target: Path) -> str:
    result = desk.call("restore", "acme", "--to", str(target), exits=1)
    assert result.out == b"" and "hint: " in result.err
    return result.err


def test_what_stands_in_the_way_decides_nothing_by_itself(used: Desk) -> None:
    target = used.folder / "target"
    write_files(target, {"reports/a.csv": b"mine", "reports/other": b"not ours"})
    before = tree_facts(target)

    result = used.call("restore", "acme", "--to", "target", exits=1)
    assert result.out == b"" and "in the way: reports/a.csv (file)" in result.err and "--existing" in result.err
    document = used.call("restore", "acme", "--to", "target", "--json", exits=1).document
    assert document["error"]["exit_code"] == 1 and document["error"]["hint"]
    assert tree_facts(target) == before

    used.call("restore", "acme", "--to", "target", "--existing", "skip")
    assert (target / "reports/a.csv").read_bytes() == b"mine" and (target / "reports/sub/b.csv").is_file()
    used.call("restore", "acme", "--to", "target", "--existing", "keep-both")
    assert (target / "reports/a.csv").read_bytes() == b"mine"
    assert [path.read_bytes() for path in (target / "reports").glob("a (restored *).csv")] == [b"1"]
    used.call("restore", "acme", "--to", "target", "--existing", "replace", "--yes")
    assert (target / "reports/a.csv").read_bytes() == b"1" and (target / "reports/other").read_bytes() == b"not ours"
    used.call("restore", "acme", "--to", "target", "--existing", "maybe", exits=2)


def test_a_dry_run_writes_nothing(used: Desk) -> None:
    before = tree_facts(used.folder / "source"), tree_facts(repository(used))
    result = used.call("restore", "acme", "--to", "target", "--dry-run")
    assert "plan: 2 files" in result.err and result.out == b""
    assert used.call("restore", "acme", "--to", "target", "--dry-run", "--json").document["plan"]["files"] == 2
    assert not (used.folder / "target").exists()
    assert (tree_facts(used.folder / "source"), tree_facts(repository(used))) == before


def test_a_moment_or_pattern_that_means_nothing_is_refused(used: Desk) -> None:
    for at in ("garbage", "2026-13-01", "99999999t999999z-0000000000000000", "20200101t000000z-0000000000000000", "-1", ""):
        refusal(used.call("restore", "acme", "--to", "out", "--at", at, exits=2))
    assert "no snapshot" in refusal(used.call("ls", "acme", "--at", "2001-01-01", exits=1))
    assert "strongroom find" in refusal(used.call("restore", "acme", "reports/nothing*", "--to", "out", exits=1))
    assert "invalid range of characters" in refusal(used.call("ls", "acme", "reports/[z-a]", exits=2))
    refusal(used.call("restore", "acme", exits=2))
    assert not (used.folder / "out").exists()


def test_several_files_cannot_be_streamed(used: Desk) -> None:
    assert "2 files match" in refusal(used.call("restore", "acme", "--to", "-", exits=2))
    (used.folder / "source/hollow").mkdir()
    used.call("backup")
    assert "no file matches" in refusal(used.call("restore", "acme", "reports/hollow", "--to", "-", exits=2))
    assert used.call("restore", "acme", "reports/a.csv", "--to", "-").out == b"1"


def test_an_unknown_command_or_option_is_a_usage_error(used: Desk) -> None:
    for arguments in (
        ["nonsense"],
        ["backup", "--fast"],
        ["restore"],
        ["check", "--percent", "5"],
        ["check", "--percent", "many"],
        ["check", "--data", "0%"],
        ["check", "--data", "many%"],
        ["check", "--data", "101%"],
    ):
        result = used.call(*arguments, exits=2)
        assert result.out == b"" and result.err


def test_every_refusal_is_one_document_with_json(used: Desk) -> None:
    for arguments, code in (
        (["ls", "acne"], 2),
        (["restore", "acme", "--to", "-", "--json", "nothing"], 1),
        (["list", "--identity", "nowhere"], 12),
        (["backup", "--config", "nowhere"], 2),
        (["init", "repository", "--config", "other.toml"], 21),
    ):
        result = used.call(*arguments, "--json", exits=code)
        error = result.document["error"]
        assert error["exit_code"] == code and error["message"] in result.err and error["hint"] in result.err
