"""Which files of a source are taken: patterns of the settings, and what is left out of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk
from tests.support.tree_facts import write_files


@pytest.fixture
def source(desk: Desk) -> Path:
    folder = desk.folder / "source"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("", {"a.csv", "b.tmp", "cache/deep/x.csv", "cache/y.csv", "sub/c.csv", "sub/d.tmp"}),
        ('exclude = ["*.tmp", "/cache/"]', {"a.csv", "sub/c.csv"}),
        ('exclude = ["*.tmp", "!d.tmp"]', {"a.csv", "cache/deep/x.csv", "cache/y.csv", "sub/c.csv", "sub/d.tmp"}),
        ('include = ["sub/**", "*.tmp"]', {"b.tmp", "sub/c.csv", "sub/d.tmp"}),
        ('include = ["*.csv"]\nexclude = ["cache/deep"]', {"a.csv", "cache/y.csv", "sub/c.csv"}),
        ('exclude = ["!~$*"]', {"a.csv", "b.tmp", "cache/deep/x.csv", "cache/y.csv", "sub/c.csv", "sub/d.tmp", "~$a.xlsx"}),
    ],
)
def test_patterns_of_the_settings_decide_what_is_taken(desk: Desk, source: Path, patterns: str, expected: set[str]) -> None:
    names = [
        "a.csv",
        "b.tmp",
        "~$a.xlsx",
        ".~lock.a.ods#",
        "big.part",
        "cache/deep/x.csv",
        "cache/y.csv",
        "sub/c.csv",
        "sub/d.tmp",
    ]
    write_files(source, dict.fromkeys(names, b"1"))
    desk.init()
    desk.add("acme", f"reports={source}")
    with desk.settings.open("a") as settings:
        settings.write(f"{patterns}\n")
    excluded = desk.call("backup", "--json").document["snapshots"][0]["excluded"]
    items = desk.call("ls", "acme", "-r", "--json").document["items"]
    assert {item["path"].removeprefix("reports/") for item in items if item["type"] == "file"} == expected
    assert excluded > 0
