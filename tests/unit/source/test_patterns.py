"""Which items the rules take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vault.errors import UsageError
from vault.source.patterns import Rules
from vault.source.scan import scan


def tree(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def taken(root: Path, rules: Rules) -> list[str]:
    found = scan(os.fsencode(root), b"s", rules, stop=lambda: None)
    return [os.fsdecode(path)[2:] for path in found.table["path"].to_pylist() if path != b"s"]


def test_lock_files_and_partial_downloads_are_left_out_by_default(tmp_path: Path) -> None:
    tree(tmp_path, "~$a.xlsx", ".~lock.a.ods#", "a.part", "a.partial", "a.crdownload", "a.xlsx", ".~lock.a", "b~", "x.part/f")
    found = scan(os.fsencode(tmp_path), b"s", Rules(), stop=lambda: None)
    assert taken(tmp_path, Rules()) == [".~lock.a", "a.xlsx", "b~", "x.part", "x.part/f"]
    assert found.excluded == 5
    assert found.by_default == {"~$*": 1, ".~lock.*#": 1, "*.part": 1, "*.partial": 1, "*.crdownload": 1}
    asked = scan(os.fsencode(tmp_path), b"s", Rules(include=["*.xlsx"], exclude=["a.part"]), stop=lambda: None)
    assert asked.by_default == {"~$*": 1}


def test_a_negated_pattern_brings_a_default_back(tmp_path: Path) -> None:
    tree(tmp_path, "a.part", "b.partial")
    assert taken(tmp_path, Rules(exclude=["!*.part"])) == ["a.part"]


def test_the_last_matching_pattern_decides(tmp_path: Path) -> None:
    tree(tmp_path, "a.log", "keep.log", "d/b.log", "d/c.csv")
    assert taken(tmp_path, Rules(exclude=["*.log", "!keep.log"])) == ["d", "d/c.csv", "keep.log"]


def test_an_excluded_folder_is_not_looked_into(tmp_path: Path) -> None:
    tree(tmp_path, "tmp/a", "d/tmp/b", "d/tmp2/c", "tmpfile")
    rules = Rules(exclude=["tmp/", "!tmp/a"])
    assert taken(tmp_path, rules) == ["d", "d/tmp2", "d/tmp2/c", "tmpfile"]
    assert taken(tmp_path, Rules(exclude=["/tmp"])) == ["d", "d/tmp", "d/tmp/b", "d/tmp2", "d/tmp2/c", "tmpfile"]


def test_includes_take_matching_files_and_the_folders_that_lead_to_them(tmp_path: Path) -> None:
    tree(tmp_path, "a/b/x.csv", "a/b/y.txt", "c/z.txt", "top.csv", "r/1.txt")
    (tmp_path / "r" / "empty").mkdir()
    assert taken(tmp_path, Rules(include=["*.csv"])) == ["a", "a/b", "a/b/x.csv", "top.csv"]
    assert taken(tmp_path, Rules(include=["/r/"])) == ["r", "r/1.txt", "r/empty"]
    assert taken(tmp_path, Rules(include=["*.csv"], exclude=["b"])) == ["top.csv"]


def test_names_that_are_no_text_or_hold_a_line_break_are_matched(tmp_path: Path) -> None:
    rules = Rules(exclude=["*.log"])
    assert not rules.takes(b"\xff.log")
    assert not rules.takes(b"a\nb.log")
    assert rules.takes(b"a.log\n")


def test_blank_lines_and_comments_are_no_patterns() -> None:
    assert not Rules(include=["", "# all"], exclude=["  "]).patterned


def test_a_pattern_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        Rules(exclude=["!"])
    assert caught.value.hint


def test_without_patterns_nothing_heavy_is_imported() -> None:
    program = "import sys; from vault.source.patterns import Rules; Rules(); print({'pathspec', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
