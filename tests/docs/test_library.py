"""The page of the library: its examples run, in order, and print what it says."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import strongroom
from tests.support.desk import Desk, Place

PAGE = Path(__file__).parent.parent.parent / "docs/library.md"


def test_the_examples_of_the_library_run_and_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "desk", Place("repository"))
    source = desk.folder / "data"
    source.mkdir(parents=True)
    (source / "2024-05.csv").write_text("agent,calls\nolena,17\n")
    (source / "2024-06.csv").write_text("agent,calls\nivan,23\n")
    desk.call("init", "repository", "--recovery-kit", "kit.txt")
    desk.call("project", "add", "parcelo", "--source", f"reports={source}")
    with desk.surroundings(["library"]):
        monkeypatch.chdir(desk.folder)
        flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
        failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=flags, encoding="utf-8")
    assert tried > 20
    assert failed == 0


def test_what_the_library_promises_is_there_and_nothing_else() -> None:
    assert sorted(strongroom.__all__) == ["CancelToken", "Project", "Repository", "StrongroomError", "open_repository"]
    assert all(getattr(strongroom, name) is not None for name in strongroom.__all__)
    with pytest.raises(AttributeError):
        _ = strongroom.nonsense
