"""A desk with a repository in a folder and one snapshot: what most tests of wrong input begin with, and end by using."""

from __future__ import annotations

from pathlib import Path

from tests.support.desk import Desk
from tests.support.tree_facts import tree_facts, write_files


def with_snapshot(desk: Desk) -> Desk:
    """The project acme with two files, backed up once."""
    write_files(desk.folder / "source", {"a.csv": b"1", "sub/b.csv": b"2" * 1000})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


def repository(desk: Desk) -> Path:
    """The folder of the repository."""
    return desk.folder / "repository"


def unchanged(desk: Desk) -> None:
    """Whatever was refused, the next backup and a restore work."""
    desk.call("backup")
    desk.call("check", "--data")
    desk.call("restore", "acme", "--to", "proof")
    assert tree_facts(desk.folder / "proof/reports") == tree_facts(desk.folder / "source")
