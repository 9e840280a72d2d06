"""A real Request Tracker 5 as a source: tickets with history, messages, attachments; what was updated, and what was deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import request_tracker as tracking
from tests.support.coverage_notes import not_covered
from tests.support.desk import Desk
from tests.support.request_tracker import RequestTracker
from tests.support.trees import contents


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RequestTracker]:
    if not tracking.is_installed():
        not_covered(tracking.MISSING)
        pytest.skip(tracking.MISSING)
    with tracking.request_tracker(tmp_path_factory.mktemp("rt")) as one:
        yield one


@pytest.mark.slow
def test_tickets_of_a_real_request_tracker_come_with_all_that_belongs_to_them(
    desk: Desk, tracker: RequestTracker, tmp_path: Path
) -> None:
    recording = bytes(range(256)) * 300
    first = tracker.create({"record.bin": recording}, Subject="Посилка запізнилась", Content="де вона?")
    others = [tracker.create(Subject=f"ticket {number}") for number in range(3)]
    tracker.comment(first, "ми шукаємо", {"answer.txt": "завтра".encode()})
    (desk.folder / "secret").write_text(tracking.PASSWORD)
    desk.init()
    desk.call("project", "add", "acme")
    words = (
        "--option",
        f"base={tracker.url}",
        "--option",
        f"user={tracking.USER}",
        "--option",
        "password_file=secret",
        "--yes",
    )
    desk.call("source", "add", "acme", "tickets", "rest:request-tracker", *words)
    before = desk.call("backup", "--json").document["snapshots"][0]
    assert before["problems"] == 0
    again = desk.call("backup", "--json").document["snapshots"][0]
    assert (again["problems"], again["changed"], again["added"]) == (0, 0, 0)

    tracker.edit(others[0], Status="resolved", Priority="42")
    tracker.delete(others[1])
    changed = desk.call("backup", "--json").document["snapshots"][0]
    assert changed["changed"] == 1

    desk.call("restore", "acme", "--at", before["taken_at"], "--to", str(tmp_path / "then"), "--yes")
    desk.call("restore", "acme", "--to", str(tmp_path / "now"), "--yes")
    then, now = contents(tmp_path / "then"), contents(tmp_path / "now")
    assert {name.rpartition("-")[2]: data for name, data in then.items() if "/attachments/" in name} == {
        "record.bin": recording,
        "answer.txt": "завтра".encode(),
    }
    (month,) = [name for name in then if name.startswith("tickets/tickets/2")]
    records = {str(one["id"]): one for one in map(json.loads, then[month].splitlines())}
    texts = [one.get("Content", "") for one in records[str(first)]["messages"]]
    assert "ми шукаємо" in texts and records[str(first)]["Subject"] == "Посилка запізнилась"
    assert next(one["Type"] for one in records[str(first)]["history"]) == "Create"
    later = {str(one["id"]): one for one in map(json.loads, now[month].splitlines())}
    assert (later[str(others[0])]["Status"], later[str(others[0])]["Priority"]) == ("resolved", "42")
    assert str(others[1]) in later  # deletions are seen by a full scan
    for file in desk.folder.rglob("mirror.sqlite"):
        file.unlink()
    assert desk.call("backup", "--json").document["snapshots"][0]["changed"] == 1
    desk.call("restore", "acme", "--to", str(tmp_path / "full"), "--yes")
    full = {str(one["id"]) for one in map(json.loads, contents(tmp_path / "full")[month].splitlines())}
    assert full == later.keys() - {str(others[1])}
