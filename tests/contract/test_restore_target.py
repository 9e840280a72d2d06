"""What every place promises that a restore goes to, over all of them: the same bytes, nothing of others replaced unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk, Place
from tests.support.target_places import TARGETS, TargetPlace, target_place
from tests.support.trees import text

FILES = {
    "2024-05/звонки & co.csv": text("calls", 700),
    "2024-05/empty": b"",
    "2024-06/per cent %41 #1?.csv": text("odd", 90),
    "large.bin": text("large", 2_300_000),
}
SMALL = "2024-05/звонки & co.csv"


class Filled:
    """A desk with one snapshot of these files, and a place that they are restored to, in which nothing is yet."""

    def __init__(self, desk: Desk, place: TargetPlace) -> None:
        self.desk, self.place = desk, place
        desk.call("backup")
        place.delete(*place.contents())

    def restore(self, *words: str, exits: int | tuple[int, ...] = 0) -> Any:
        return self.desk.call("restore", "acme", *self.place.words, *words, "--json", exits=exits).document


@pytest.fixture(params=TARGETS)
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Filled:
    desk = Desk(tmp_path / "desk", Place("repository"))
    return Filled(desk, target_place(request.param, desk, request, FILES))


class TestRestoreTargetContract:
    """Each test runs once for each kind of place."""

    def test_everything_comes_byte_for_byte_and_a_second_run_has_nothing_left_to_do(self, filled: Filled) -> None:
        assert filled.restore("--dry-run")["plan"]["files"] == len(FILES) and filled.place.contents() == {}
        done = filled.restore("--verify", "--yes")
        assert (done["files"], done["problem_list"]) == (len(FILES), [])
        assert (done["verification"]["files"], done["verification"]["items_differing"]) == (len(FILES), 0)
        assert filled.place.contents() == FILES
        again = filled.restore("--yes")
        assert (again["files"], again["already_there"] >= len(FILES)) == (0, True)

    def test_where_something_else_stands_nothing_is_written_unless_somebody_says_what_to_do(self, filled: Filled) -> None:
        filled.place.put({SMALL: b"theirs"})
        assert filled.restore("--existing", "refuse", "--yes", exits=1)["error"]["what"] == "target-error"
        assert filled.place.contents() == {SMALL: b"theirs"}
        assert filled.restore("--existing", "skip", "--yes")["skipped"] == 1
        assert filled.place.contents() == FILES | {SMALL: b"theirs"}
        filled.restore("--existing", "replace", "--yes")
        assert filled.place.contents() == FILES

    def test_both_are_kept_where_both_are_wanted(self, filled: Filled) -> None:
        filled.place.put({SMALL: b"theirs"})
        filled.restore("--existing", "keep-both", "--yes")
        found = filled.place.contents()
        assert found.pop(SMALL) == b"theirs"
        assert sorted(found.values()) == sorted(FILES.values()) and len(found) == len(FILES)

    def test_what_nobody_selected_is_not_touched(self, filled: Filled) -> None:
        theirs = {"2024-05/new.csv": b"new", "2024-06/new/er.csv": b"newer"}
        filled.place.put(theirs)
        filled.restore("--existing", "replace", "--yes")
        assert filled.place.contents() == FILES | theirs
