"""What was ticked one by one, by folder and by period comes to the items that are meant, each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from strongroom.destinations import Folder
from strongroom.picked import NAMES_LOGGED, NothingPicked, Pick, select_picked
from strongroom.restore import restore
from strongroom.restore_plan import plan_restore
from strongroom.selection import SelectedItems, Unmatched
from tests.unit.library.repositories import EVERYTHING, NOTES, OLD_NOTES, OpenProject, contents, restorable
from vault.errors import NothingFound, UsageError


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    with restorable(tmp_path_factory.mktemp("picked")) as opened:
        yield opened


def first_moment(acme: OpenProject) -> str:
    from strongroom.snapshots import list_snapshots

    return min(list_snapshots(acme.context, acme.project).snapshots, key=lambda one: one.taken_at).id


def picked(acme: OpenProject, *picks: Pick) -> SelectedItems:
    return select_picked(acme.context, acme.project, picks)


def paths(selected: SelectedItems) -> list[str]:
    """Of the files that are selected, in their order."""
    table = selected.selection.table
    return [path.decode() for path in table.filter(pc.equal(table["type"], "file"))["path"].to_pylist()]


def test_items_folders_and_periods_unite_and_each_item_comes_once_in_order(acme: OpenProject) -> None:
    both = Pick(items=(b"tickets/t1.json", b"reports/2024-05/a.csv"), folders=(b"reports/2024-05",), periods=("2024-06",))
    assert paths(picked(acme, both)) == ["reports/2024-05/a.csv", "reports/2024-06/b.csv", "tickets/t1.json"]
    assert paths(picked(acme, Pick(folders=(b"",)))) == sorted(EVERYTHING)
    assert paths(picked(acme, Pick(periods=("2024",), kinds=("tickets",)), Pick(periods=("2024-05",)))) == [
        "reports/2024-05/a.csv"
    ]


def test_a_folder_whose_name_begins_alike_is_another_one(acme: OpenProject) -> None:
    with pytest.raises(NothingFound):
        picked(acme, Pick(folders=(b"reports/2024-0",)))
    with pytest.raises(NothingFound):
        picked(acme, Pick(items=(b"reports/2024-05/a.cs?",)))
    with pytest.raises(UsageError, match="invalid period"):
        picked(acme, Pick(periods=("someday",)))


def test_the_most_exact_pick_tells_the_version_and_of_two_alike_the_last(acme: OpenProject, tmp_path: Path) -> None:
    then = first_moment(acme)
    notes = b"reports/notes.txt"
    for number, (picks, expected) in enumerate(
        (
            ((Pick(folders=(b"reports",)), Pick(items=(notes,), at=then)), OLD_NOTES),
            ((Pick(items=(notes,)), Pick(folders=(b"reports",), at=then)), NOTES),
            ((Pick(items=(notes,)), Pick(items=(notes,), at=then)), OLD_NOTES),
            ((Pick(items=(notes,), at=then), Pick(items=(notes,))), NOTES),
        )
    ):
        selected = picked(acme, *picks)
        place = tmp_path / str(number)
        restore(plan_restore(acme.context, selected, Folder(place)))
        assert contents(place)["reports/notes.txt"] == expected
        assert sorted(paths(selected)) == paths(selected) and len(set(paths(selected))) == len(paths(selected))


def test_what_may_not_be_had_counts_as_not_there_and_folders_above_keep_their_modes(acme: OpenProject, tmp_path: Path) -> None:
    def reports_only(table: pa.Table) -> pa.Table:
        return table.filter(pc.equal(table["kind"], "reports"))

    selected = select_picked(acme.context, acme.project, [Pick(folders=(b"",))], within=reports_only)
    assert not [path for path in paths(selected) if not path.startswith("reports/")]
    with pytest.raises(NothingFound):
        select_picked(acme.context, acme.project, [Pick(items=(b"tickets/t1.json",))], within=reports_only)
    one = picked(acme, Pick(items=(b"reports/2024-05/a.csv",)))
    assert one.selection.above["path"].to_pylist() == [b"reports", b"reports/2024-05"]


def test_what_was_deleted_comes_where_it_is_named_or_asked_for(tmp_path: Path) -> None:
    with restorable(tmp_path) as opened:
        (opened.reports / "2024-05/a.csv").unlink()
        opened.desk.call("backup")
        gone = "reports/2024-05/a.csv"
        assert gone not in paths(picked(opened, Pick(folders=(b"reports",))))
        assert gone in paths(picked(opened, Pick(folders=(b"reports",), deleted="with")))
        assert paths(picked(opened, Pick(folders=(b"reports",), deleted="only"))) == [gone]
        assert paths(picked(opened, Pick(items=(gone.encode(),)))) == [gone]
        assert paths(picked(opened, Pick(periods=("2024-05",), deleted="only"))) == [gone]


def test_what_was_picked_and_is_not_there_is_told_one_by_one(acme: OpenProject) -> None:
    there = Pick(items=(b"tickets/t1.json",), folders=(b"reports",), periods=("2024-05",))
    assert picked(acme, there).unmatched == ()
    lost = Pick(
        items=(b"tickets/t1.json", b"tickets/none"),
        folders=(b"reports/none", b"reports", b""),
        periods=("2024-05", "1999"),
        kinds=("reports",),
    )
    gone = Pick(folders=(b"reports",), deleted="only")
    found = picked(acme, lost, gone)
    assert found.unmatched == (
        Unmatched("item", b"tickets/none"),
        Unmatched("folder", b"reports/none"),
        Unmatched("period", b"1999", kinds=("reports",)),
        Unmatched("folder", b"reports", deleted="only"),
    )
    with pytest.raises(NothingPicked) as refused:
        picked(acme, gone, Pick(items=(b"none",), at=first_moment(acme)))
    assert [one.name for one in refused.value.unmatched] == [b"reports", b"none"]


def test_the_log_gets_names_of_bounded_length_and_what_tells_all_of_them() -> None:
    many = Pick(items=tuple(b"reports/%d" % number for number in range(NAMES_LOGGED + 5)), at="2026-01-01")
    told = many.as_json()
    assert (
        len(told["items"]) == NAMES_LOGGED + 1 and told["items"][-1]["all"] == NAMES_LOGGED + 5 and told["at"] == "2026-01-01"
    )
    assert "folders" not in told
    (name, whole) = Pick(folders=(b"x" * 4000,)).as_json()["folders"]
    assert len(name) == 300 and len(whole["sha256_of_names_joined_by_nul"]) == 64
