"""What a program sees of a project without a terminal: its snapshots, its items, what became of them, and what differs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from strongroom import notices
from strongroom.context import opened
from strongroom.diff import DiffOptions, RowOptions, compare
from strongroom.history import HistoryOptions, item_history
from strongroom.items import find_items, list_items
from strongroom.snapshots import list_snapshots
from tests.unit.library.lived_project import CALLS, Heard, LivedProject, lived_desk, opened_project
from vault.errors import Interrupted, NothingFound, SettingsError, UsageError

NOW = HistoryOptions()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivedProject]:
    """Read only: all tests of this file share it."""
    with opened_project(lived_desk(tmp_path_factory.mktemp("lived"))) as made:
        yield made


def test_the_snapshots_of_a_project_are_listed_by_time(lived: LivedProject) -> None:
    found = list_snapshots(lived.context, lived.project)
    assert (found.project, found.project_id, found.missing, found.damage) == ("acme", lived.project.id, (), ())
    assert list(found.snapshots) == sorted(found.snapshots, key=lambda one: one.taken_at)
    assert [one.counts.items for one in found.snapshots] == [5, 4, 4]
    document = json.loads(json.dumps(found.as_json()))
    assert [one["snapshot"] for one in document["snapshots"]] == [one.id for one in found.snapshots]
    assert document["snapshots"][1]["parents"] == [found.snapshots[0].id]


def test_items_are_values_with_what_the_snapshot_says_of_them(lived: LivedProject) -> None:
    listing = list_items(lived.context, lived.project, lived.query("**/calls*.csv"))
    (calls,) = listing.items()
    status = (lived.source / "2024/calls-2024-05.csv").stat()
    assert (calls.path, calls.type, calls.kind, calls.format) == (b"reports/2024/calls-2024-05.csv", "file", "reports", "csv")
    assert (calls.size, calls.mtime_ns, calls.mode) == (status.st_size, status.st_mtime_ns, status.st_mode & 0o7777)
    assert calls.period(listing.zone) == "2024-05" and calls.vanished_at is None
    (told,) = json.loads(json.dumps(listing.as_json()))["items"]
    assert (told["path"], told["period"], told["mtime_ns"]) == (calls.path.decode(), "2024-05", status.st_mtime_ns)


def test_find_tells_of_every_item_that_ever_was_and_can_be_cut_short(lived: LivedProject) -> None:
    found = find_items(lived.context, lived.project, lived.query(), NOW)
    by_path = {one.path: one for one in found.items()}
    assert found.total == len(by_path) == 5 and len(found.items(2)) == 2
    assert len(found.as_json(1)["items"]) == 1 and found.as_json(1)["total"] == 5
    assert by_path[b"reports/2024/calls-2024-05.csv"].versions == 2
    gone = by_path[b"reports/2024/a.csv"]
    assert gone.deleted and gone.snapshot == lived.ids[1] and not gone.older_forgotten
    (only,) = find_items(lived.context, lived.project, lived.query(), NOW, deleted=True).items()
    assert only == gone
    document = json.loads(json.dumps(found.as_json()))
    assert next(one for one in document["items"] if one["path"] == "reports/2024/a.csv")["deleted"] is True


def test_a_history_tells_the_events_of_an_item_over_the_time_that_is_asked_for(lived: LivedProject) -> None:
    first, second, third = lived.records
    found = item_history(lived.context, lived.project, lived.query("reports/note.txt"), NOW)
    (note,) = found.items
    assert [(one.what, one.snapshot) for one in note.events] == [
        ("created", first.id),
        ("deleted", second.id),
        ("came back", third.id),
    ]
    until = HistoryOptions(until=second.taken_at)
    (note,) = item_history(lived.context, lived.project, lived.query("reports/note.txt"), until).items
    assert [one.what for one in note.events] == ["created", "deleted"]
    few = item_history(lived.context, lived.project, lived.query("reports/**"), NOW, most=1)
    assert (len(few.items), few.total) == (1, 4)
    assert json.loads(json.dumps(few.as_json()))["total"] == 4


def test_what_nothing_matches_is_an_error_that_says_what_comes_near(lived: LivedProject) -> None:
    for ask in (find_items, item_history):
        with pytest.raises(NothingFound) as raised:
            ask(lived.context, lived.project, lived.query("reports/nothing.csv"), NOW)
        assert "in any of 3 snapshots" in str(raised.value)
        with pytest.raises(UsageError, match="no snapshot of a source 'tickets'"):
            ask(lived.context, lived.project, lived.query(source="tickets"), NOW)


def test_a_difference_between_two_moments_counts_items_and_shows_cells(lived: LivedProject) -> None:
    first, second, third = lived.records
    options = DiffOptions(first.taken_at, second.taken_at, rows=RowOptions(keys=("call_id",)))
    found = compare(lived.context, lived.project, lived.query(), options)
    assert found.items.counts() == {"created": 0, "changed": 1, "attributes changed": 0, "deleted": 1}
    assert found.rows is not None and found.rows.total == 1 and not found.problems
    (cell,) = found.rows.items[0].tables[0].cells
    assert (cell.key, cell.column, str(cell.before), str(cell.after)) == ("117", "minutes", "5", "500")
    document = json.loads(json.dumps(found.as_json(1)))
    assert len(document["items"]) == 1 and document["tables_total"] == 1
    assert document["sides"] == [{"source": "reports", "before": first.id, "after": second.id, "live": False}]
    now = compare(lived.context, lived.project, lived.query(), DiffOptions(second.taken_at))
    assert now.items.sides[0].after == third and now.rows is None and now.total == 2
    with pytest.raises(UsageError, match="exclude each other"):
        compare(lived.context, lived.project, lived.query(), DiffOptions(until=third.taken_at, live=True))


def test_the_newest_snapshot_is_compared_with_the_live_folder(lived: LivedProject) -> None:
    live = DiffOptions(live=True)
    assert compare(lived.context, lived.project, lived.query(), live).total == 0
    fresh = lived.source / "fresh.csv"
    fresh.write_bytes(CALLS)
    try:
        found = compare(lived.context, lived.project, lived.query("**/*.csv"), live)
    finally:
        fresh.unlink()
    (row,) = found.items.table.to_pylist()
    assert (row["path"], row["what"], found.live) == (b"reports/fresh.csv", "created", frozenset({"reports"}))
    assert found.as_json()["sides"][0]["live"] is True
    text = lived.desk.settings.read_text()
    elsewhere = lived.desk.folder / "elsewhere.toml"
    elsewhere.write_text(text.replace('kind = "reports"', 'kind = "tickets"'))
    assert elsewhere.read_text() != text
    with opened(elsewhere) as other, pytest.raises(SettingsError, match="does not say where the source 'reports'"):
        compare(other, other.project("acme"), lived.query(), live)


def test_the_reading_of_a_history_is_heard_and_can_be_ended(lived: LivedProject, tmp_path: Path) -> None:
    def stop() -> None:
        raise Interrupted("enough")

    afresh = replace(lived.context, cache=tmp_path)  # nothing of the history is kept there
    with pytest.raises(Interrupted):
        find_items(afresh, lived.project, lived.query(), HistoryOptions(stop=stop))
    heard = Heard()
    assert find_items(afresh, lived.project, lived.query(), HistoryOptions(progress=heard)).total == 5
    assert heard.phases and heard.items == 3


def test_a_snapshot_that_is_gone_is_among_the_missing_and_is_warned_of(
    lived: LivedProject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, notices.NAME)
    assert not list_snapshots(lived.context, lived.project).missing and not caplog.records
    file = lived.record_file(lived.ids[1])
    data = file.read_bytes()
    file.unlink()
    try:
        found = list_snapshots(lived.context, lived.project)
    finally:
        file.write_bytes(data)
    assert found.missing == (file.name,) and found.as_json()["missing"] == [file.name]
    assert [one.id for one in found.snapshots] == [one for one in lived.ids if one != file.name]
    assert [(one.levelname, file.name in one.getMessage()) for one in caplog.records] == [("WARNING", True)]
