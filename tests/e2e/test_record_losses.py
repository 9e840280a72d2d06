"""What help desks lose without a word: a comment, the content of a field, a ticket that is deleted, one that is archived out of
their listings. `history --record` shows each, with the two snapshots between which it happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.test_sources_rest import DESCRIPTION, SECRET, Served
from tests.support.clock import StillClock
from tests.support.desk import Desk
from tests.support.rest_double import serving
from tests.support.trap_desk import TrapDesk

COMMENTED, FILLED, DELETED, ARCHIVED = 4, 5, 6, 7
BEGUN = DESCRIPTION.partition("[resources.tickets.incremental]")[0]
CHILDREN = "[resources.tickets.children.comments]" + DESCRIPTION.partition("[resources.tickets.children.comments]")[2]
LISTING = BEGUN + CHILDREN
"""Without an export: every run reads all that is listed."""

EXPORT = (
    BEGUN
    + """
[resources.tickets.incremental]
field = "modified"
parameters = { modified_from = "{since}", order = "modified" }
full_from = "2000-01-01T00:00:00Z"
shows_deletions = true

"""
    + CHILDREN.replace('records = "results"\n', 'records = "results"\nunless = { status = "deleted" }\n', 1)
)


class Losing:
    """A desk that loses something of each kind, and a project that has been backed up before and after."""

    def __init__(self, desk: Desk, model: TrapDesk, description: str) -> None:
        for number in range(1, 10):
            model.add(title=f"звонок {number}", phone="+380441234567")
        for text in ("Where is it?", "On its way", "Thanks"):
            model.comment(COMMENTED, text)
        self.served = Served(desk, model)
        (desk.folder / "desk.toml").write_text(description)
        self.model = model
        self.taken = [self._backup()]

    def lose(self) -> None:
        model = self.model
        model.lose_comment(COMMENTED)
        model.tickets[FILLED]["phone"] = ""
        model.delete(DELETED)
        model.set_archived(ARCHIVED)
        self._forget_mirrors()
        self.taken.append(self._backup())

    def history(self, number: int) -> list[dict[str, Any]]:
        words = ("history", "acme", "tickets", "--record", f"{number}", "--json")
        (found,) = self.served.call(*words).document["history_list"]
        events = found["events"]
        assert isinstance(events, list)
        return events

    def second(self, number: int) -> dict[str, Any]:
        """What happened to a ticket after it was there first, between the two snapshots."""
        created, happened = self.history(number)
        assert created["what"] == "created"
        assert (happened["after"], happened["at"]) == tuple(self.taken)
        assert isinstance(happened, dict)
        return happened

    def _forget_mirrors(self) -> None:
        """A full scan is due."""
        for file in self.served.desk.folder.rglob("mirror.sqlite"):
            file.unlink()

    def _backup(self) -> str:
        found = self.served.backup()
        assert found["problems"] == 0
        return str(found["taken_at"])


def losing(desk: Desk, traps: set[str], description: str) -> Iterator[Losing]:
    with serving(TrapDesk(StillClock(), traps)) as model:
        model.secret = SECRET
        yield Losing(desk, model, description)


@pytest.fixture
def listed(desk: Desk) -> Iterator[Losing]:
    yield from losing(desk, {"archived"}, LISTING)


@pytest.fixture
def exported(desk: Desk) -> Iterator[Losing]:
    yield from losing(desk, {"archived", "deleted-with-status"}, EXPORT)


def changes(event: dict[str, Any]) -> dict[str, tuple[str, Any, Any]]:
    return {one["field"]: (one["what"], one["before"], one["after"]) for one in event["field_changes"]}


def test_all_that_a_desk_without_an_export_loses_is_shown_with_its_moment(listed: Losing) -> None:
    listed.lose()
    lost = listed.second(COMMENTED)
    (name,) = changes(lost)
    assert name.startswith("comments[") and changes(lost)[name][0] == "removed" and changes(lost)[name][1]["text"] == "Thanks"
    assert changes(listed.second(FILLED)) == {"phone": ("cleared", "+380441234567", "")}
    for number in (DELETED, ARCHIVED):
        gone = listed.second(number)
        assert (gone["what"], gone["record_fields"], gone["item_is_gone"]) == ("deleted", None, False)
        assert "or archived" in listed.served.call("history", "acme", "tickets", "--record", f"{number}").text
    assert len(listed.history(1)) == 1


def test_an_archived_ticket_comes_back_when_it_is_worked_on_again(listed: Losing) -> None:
    listed.lose()
    listed.model.archive.clear()
    listed.model.edit(ARCHIVED, status="open")
    listed.served.backup()
    assert [one["what"] for one in listed.history(ARCHIVED)] == ["created", "deleted", "came back"]
    assert [one["what"] for one in listed.history(DELETED)] == ["created", "deleted"]


def test_an_export_tells_archived_and_deleted_tickets_by_their_status(exported: Losing) -> None:
    exported.lose()
    for number, status in ((DELETED, "deleted"), (ARCHIVED, "archived")):
        event = exported.second(number)
        assert event["what"] == "changed" and changes(event)["status"][2] == status
    (name,) = changes(exported.second(COMMENTED))
    assert name.startswith("comments[")
    assert changes(exported.second(FILLED)) == {"phone": ("cleared", "+380441234567", "")}
