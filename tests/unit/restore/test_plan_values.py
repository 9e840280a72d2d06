"""What is said beside a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.restore_output import warn_of_shortage
from strongroom.estimate import disk_shortage, summed


def test_a_disk_with_too_little_room_is_told_of_and_one_with_enough_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "not" / "made"
    warn_of_shortage(disk_shortage(folder, 1))
    assert capsys.readouterr().err == ""
    warn_of_shortage(disk_shortage(folder, 1 << 60))
    told = capsys.readouterr().err
    assert told.startswith("warning: up to ") and str(folder) in told and not folder.exists()


def test_several_plans_are_told_as_one() -> None:
    one, two = {"files": 1, "missing": [1]}, {"files": 2, "missing": [2]}
    assert summed([one, two]) == {"files": 3, "missing": [1, 2]}
    assert (one, two) == ({"files": 1, "missing": [1]}, {"files": 2, "missing": [2]})
