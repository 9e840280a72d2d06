"""One record over all snapshots: what a help desk lost without a word is shown, with the moments between which it was lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.desk import Desk

MAY, JUNE = "tickets/2024-05.jsonl", "tickets/2024-06.jsonl"
TICKET: dict[str, Any] = {
    "id": 4711,
    "subject": "Delivery is late",
    "customer": {"name": "Олена", "phone": "+380441234567"},
    "status": "open",
    "comments": [{"id": 7, "text": "Where is it?"}, {"id": 8, "text": "On its way"}, {"id": 9, "text": "Thanks"}],
}


def others(month: int) -> list[dict[str, Any]]:
    """Tickets that nobody asks for, with the id of the other one in a text."""
    return [{"id": month * 100 + number, "subject": "see 4711", "comments": []} for number in range(50)]


def lines(tickets: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False, sort_keys=True).encode() + b"\n" for one in tickets)


class Tickets:
    """A help desk's tickets by month of creation, and their snapshots."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.folder = desk.folder / "source"
        self.folder.mkdir()
        desk.init()
        desk.add("acme", f"tickets={self.folder}")

    def snapshot(self, may: Mapping[str, Any] | None, june: Mapping[str, Any] | None = None) -> str:
        """Back up a state in which the ticket is in one of the months, or in none; gives the snapshot's id."""
        for month, ticket in ((5, may), (6, june)):
            found = sorted([*others(month), *([dict(ticket)] if ticket is not None else [])], key=lambda one: str(one["id"]))
            (self.folder / f"2024-{month:02}.jsonl").write_bytes(lines(found))
        (done,) = self.desk.call("backup", "--json", exits=(0, 3)).document["snapshots"]
        return str(done["snapshot"])

    def history(self, *more: str) -> dict[str, Any]:
        found = self.desk.call("history", "acme", "tickets", "--record", "4711", "--json", *more).document
        (one,) = found["history_list"]
        assert isinstance(one, dict)
        return one


@pytest.fixture
def tickets(desk: Desk) -> Tickets:
    return Tickets(desk)


def without_comment(number: int) -> dict[str, Any]:
    return TICKET | {"comments": [one for one in TICKET["comments"] if one["id"] != number]}


def test_a_lost_comment_a_cleared_field_a_deletion_and_a_return_are_shown(tickets: Tickets) -> None:
    cleared = without_comment(8) | {"customer": {"name": "Олена", "phone": ""}}
    states = [None, TICKET, TICKET, without_comment(8), cleared, None, cleared]
    taken = [tickets.snapshot(state) for state in states]
    found = tickets.history()
    assert (found["entity"], found["key"], found["deleted"]) == ("tickets", "id", False)
    created, lost, emptied, deleted, back = found["events"]
    assert [one["what"] for one in found["events"]] == ["created", "changed", "changed", "deleted", "came back"]
    assert created["record_fields"] == TICKET and (created["snapshot"], created["until_snapshot"]) == (taken[1], taken[2])
    assert created["snapshots"] == 2
    assert lost["field_changes"] == [
        {"field": "comments[8]", "what": "removed", "before": {"id": 8, "text": "On its way"}, "after": None}
    ]
    assert lost["snapshot"] == taken[3] and lost["after"] < lost["at"] and lost["path"] == MAY
    assert [(one["field"], one["what"], one["before"]) for one in emptied["field_changes"]] == [
        ("customer.phone", "cleared", "+380441234567")
    ]
    assert deleted["record_fields"] is None and not deleted["item_is_gone"] and deleted["after"] == emptied["at"]
    assert back["record_fields"] == cleared
    text = tickets.desk.call("history", "acme", "tickets", "--record", "4711").text
    assert 'comments[8] is gone: {"id": 8, "text": "On its way"}' in text
    assert 'customer.phone cleared: "+380441234567" -> ""' in text
    assert "deleted, after" in text and "or archived" in text


def test_a_ticket_that_moves_to_another_month_was_not_deleted(tickets: Tickets) -> None:
    for may, june in ((TICKET, None), (None, TICKET | {"created": "2024-06-01"}), (None, TICKET)):
        tickets.snapshot(may, june)
    created, moved, changed = tickets.history()["events"]
    assert (moved["what"], moved["moved_from"], moved["path"]) == ("moved", MAY, JUNE)
    assert [one["field"] for one in moved["field_changes"]] == ["created"]
    assert (changed["what"], changed["field_changes"][0]["what"]) == ("changed", "removed")
    assert created["path"] == MAY


def test_a_ticket_whose_item_is_gone_is_gone_with_it(tickets: Tickets) -> None:
    tickets.snapshot(TICKET)
    (tickets.folder / "2024-05.jsonl").unlink()
    tickets.desk.call("backup", exits=(0, 3))
    assert [(one["what"], one["item_is_gone"]) for one in tickets.history()["events"]] == [
        ("created", False),
        ("deleted", True),
    ]


def test_only_the_time_that_is_asked_for_is_told(tickets: Tickets) -> None:
    taken = [tickets.snapshot(state) for state in (TICKET, without_comment(7), without_comment(8))]
    events = tickets.history("--since", taken[1])["events"]
    assert [one["what"] for one in events] == ["first seen in the time asked for", "changed"]
    assert [one["what"] for one in tickets.history("--until", taken[1])["events"]] == ["created", "changed"]


def test_a_record_that_nobody_has_is_not_found(tickets: Tickets) -> None:
    tickets.snapshot(TICKET)
    result = tickets.desk.call("history", "acme", "--record", "see 4711", exits=1)
    assert "no version of 2 items" in result.err and "--key FIELD" in result.err
    assert "missing PATH" in tickets.desk.call("history", "acme", exits=2).err
    assert "--key needs --record" in tickets.desk.call("history", "acme", "tickets", "--key", "id", exits=2).err


def test_another_field_may_be_the_key(tickets: Tickets) -> None:
    tickets.snapshot(TICKET | {"reference": {"number": "A/17"}})
    found = tickets.desk.call("history", "acme", "--record", "A/17", "--key", "reference.number", "--json").document
    assert found["history_list"][0]["key"] == "reference.number"


def parquet(rows: list[dict[str, Any]]) -> bytes:
    out = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def test_a_call_is_found_with_its_recordings_and_its_row_has_a_history(desk: Desk) -> None:
    calls: Path = desk.folder / "source/calls"
    recordings = desk.folder / "source/recordings/2024-05"
    calls.mkdir(parents=True)
    recordings.mkdir(parents=True)
    row = {"call_id": "1714.55", "caller": "+380441234567", "seconds": 61}
    (calls / "2024-05.parquet").write_bytes(parquet([row, row | {"call_id": "1714.551"}]))
    (calls / "2024-05.csv").write_bytes(b"call_id,rating\n1714.55,5\n1714.551,1\n")
    for name in ("in-1714.55.wav", "1714.55-second.wav", "1714.551.wav"):
        (recordings / name).write_bytes(name.encode())
    desk.init()
    desk.add("acme", f"raw={desk.folder / 'source'}")
    desk.call("backup")
    (calls / "2024-05.parquet").write_bytes(parquet([row | {"seconds": 62}, row | {"call_id": "1714.551"}]))
    (recordings / "in-1714.55.wav").unlink()
    desk.call("backup", exits=(0, 3))
    found = desk.call("find", "acme", "--record", "1714.55", "--json").document["items"]
    assert [(one["path"], one["where"], one["key"], one["missing_since"] is None) for one in found] == [
        ("raw/calls/2024-05.csv", "content", "call_id", True),
        ("raw/calls/2024-05.parquet", "content", "call_id", True),
        ("raw/recordings/2024-05/1714.55-second.wav", "name", None, True),
        ("raw/recordings/2024-05/in-1714.55.wav", "name", None, False),
    ]
    shown = desk.call("find", "acme", "--record", "1714.55").text
    assert "call_id" in shown and "in-1714.55.wav" in shown and "1714.551.wav" not in shown
    both = desk.call("history", "acme", "raw/calls/*.parquet", "--record", "1714.55", "--json").document["history_list"]
    (one,) = both
    assert [change["field"] for event in one["events"] for change in event["field_changes"]] == ["seconds"]


def test_who_may_not_read_content_sees_no_record(tickets: Tickets) -> None:
    tickets.snapshot(TICKET)
    desk = tickets.desk
    host = Desk(desk.folder / "host", desk.place)
    address = str(desk.folder / "repository")
    host.call("join", address, "--name", "host")
    public = str(host.identity.with_name("identity.txt.pub"))
    desk.call("keys", "grant", public, "--name", "host", "--project", "acme", "--as", "write", "--yes")
    for command in ("history", "find"):
        result = host.call(command, "acme", "--record", "4711", exits=12)
        assert "4711" not in result.text
    shown = desk.call("audit", "show", "--action", "history", "--json", exits=(0, 1)).text
    desk.call("history", "acme", "--record", "4711")
    assert desk.call("audit", "show", "--action", "history", "--json").text != shown


def test_two_moments_are_compared_by_the_key_and_within_comments(tickets: Tickets) -> None:
    first = tickets.snapshot(TICKET)
    tickets.snapshot(without_comment(8) | {"status": "closed"})
    result = tickets.desk.call("diff", "acme", "--since", first, "--rows")
    assert "(id 4711), status: 'open' -> 'closed'" in result.text
    assert '(id 4711), comments[8] is gone: {"id": 8, "text": "On its way"}' in result.text
    (item,) = tickets.desk.call("diff", "acme", "--since", first, "--rows", "--json").document["tables"]
    (cell,) = (one for one in item["tables"][0]["cells"] if one["column"] == "comments")
    assert [one["field"] for one in cell["field_changes"]] == ["comments[8]"]


def test_the_primary_key_of_a_database_is_the_key_of_its_rows(desk: Desk) -> None:
    file = desk.folder / "calls.db"

    def write(*statements: str) -> None:
        with closing(sqlite3.connect(file)) as database, database:
            for statement in statements:
                database.execute(statement)

    write(
        "create table calls (code text, line integer primary key, note text)",
        "insert into calls values ('5', 17, 'a'), ('17', 5, 'b')",
    )
    desk.init()
    desk.call("project", "add", "acme")
    desk.call("source", "add", "acme", "raw", f"sqlite:{file}", "--yes")
    desk.call("backup")
    write("update calls set note = 'c' where line = 17")
    desk.call("backup")
    found = desk.call("history", "acme", "--record", "17", "--json").document["history_list"]
    (one,) = (each for each in found if each["key"] == "line")
    assert [change["after"] for event in one["events"] for change in event["field_changes"]] == ["c"]
    assert len(found) == 1, "the code that looks alike is no key"


def test_what_cannot_be_read_is_named_and_is_no_deletion(tickets: Tickets) -> None:
    tickets.snapshot(TICKET)
    before = set(tickets.desk.folder.glob("repository/projects/*/packs/*/*"))
    tickets.snapshot(without_comment(8))
    for pack in set(tickets.desk.folder.glob("repository/projects/*/packs/*/*")) - before:
        pack.unlink()
    result = tickets.desk.call("history", "acme", "tickets", "--record", "4711", "--json", exits=3)
    (one,) = result.document["history_list"]
    assert [event["what"] for event in one["events"]] == ["created"] and not one["deleted"]
    assert {problem["what"] for problem in result.document["damage"]} == {"not-read"}
    assert "problem: tickets/2024-05.jsonl" in result.err


def test_a_byte_order_mark_and_lines_that_are_no_json_hide_no_record(desk: Desk) -> None:
    source = desk.folder / "source"
    source.mkdir()
    (source / "2024-05.jsonl").write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2, 1\r\n{"id": 3}\r\n{"id": 4}')
    desk.init()
    desk.add("acme", f"tickets={source}")
    desk.call("backup")
    for record in ("1", "3", "4"):
        (one,) = desk.call("history", "acme", "--record", record, "--json").document["history_list"]
        assert one["events"][0]["record_fields"] == {"id": int(record)}
    desk.call("history", "acme", "--record", "2", exits=1)
