"""Records created again in an interface: everything that belongs to them, once, whatever happens meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from restore.interfaces.id_map import MappedRecord
from tests.support.creating_desk import DESCRIPTION, CreatingDesk
from tests.support.kept_records import BetweenDesks, Killed
from tests.support.rest_double import serving
from vault.errors import SourceDenied, TargetError

RECORDING = bytes(range(256)) * 9


def filled(desk: CreatingDesk) -> None:
    """Tickets that refer to earlier and later ones, comments that are equal, files."""
    first = desk.add(title="a", queue=2, custom={"phone": "+380 44", "tags": ["x", "y"]})
    second = desk.add(title="b", parent=first, status="closed")
    third = desk.add(title="c «Посилка»", linked=[first, second], queue=1)
    desk.tickets[first]["parent"] = third
    desk.comment(first, "where is it?", {"record.wav": RECORDING, "лист.txt": "привіт".encode()})
    desk.comment(first, "ok")
    desk.comment(first, "ok", public=False)
    desk.comment(first, "ok")
    desk.comment(third, 'two\nlines, "quoted"', {'odd " name.bin': b"\r\n--x\r\n"})


@pytest.fixture
def desks() -> Iterator[tuple[CreatingDesk, CreatingDesk]]:
    with (
        serving(CreatingDesk(4711, {7: "Deliveries", 2: "Deliveries", 1: "General"})) as old,
        serving(CreatingDesk(1, {5: "General", 9: "Deliveries"})) as new,
    ):
        filled(old)
        yield old, new


@pytest.fixture
def restoring(desks: tuple[CreatingDesk, CreatingDesk], tmp_path: Path) -> BetweenDesks:
    return BetweenDesks(*desks, tmp_path)


def test_tickets_are_created_with_comments_files_and_references_and_a_second_run_writes_nothing(
    restoring: BetweenDesks,
) -> None:
    plan = restoring.plan()
    (one,) = plan.resources
    assert (one.records, one.missing, one.there, one.children, one.files, one.unresolved) == (3, 3, 0, 5, 3, ())
    assert restoring.new.writes == 0 and list(one.losses) == ["when tickets were created", "created of 3 records"]
    done = restoring.run()
    assert (done.created, done.children, done.files, done.problems) == (3, 5, 3, [])
    assert restoring.new.seen() == restoring.old.seen()
    assert [(one.old, one.new, one.lost) for one in done.ids] == [("4711", "1", ()), ("4712", "2", ()), ("4713", "3", ())]
    writes = restoring.new.writes
    again = restoring.run()
    assert (again.created, again.there, again.ids) == (0, 3, done.ids) and restoring.new.writes == writes
    restoring.forget()
    elsewhere = restoring.run()
    assert (elsewhere.created, elsewhere.there) == (0, 3) and restoring.new.writes == writes
    assert [one.new for one in elsewhere.ids] == ["1", "2", "3"]


def test_what_somebody_has_deleted_there_comes_again(restoring: BetweenDesks) -> None:
    restoring.run()
    del restoring.new.tickets[1]
    done = restoring.run()
    assert (done.created, done.there, done.children) == (1, 2, 4) and len(restoring.new.tickets) == 3
    assert next(one.new for one in done.ids if one.old == "4711") == "4"
    assert [one["text"] for one in restoring.new.comments[4]] == ["where is it?", "ok", "ok", "ok"]


def test_what_people_have_done_since_stays(restoring: BetweenDesks) -> None:
    restoring.run()
    restoring.new.tickets[1]["status"] = "closed"
    restoring.new.comments[1].pop()
    seen = restoring.new.seen()
    for _ in range(2):
        restoring.run()
        restoring.forget()
    assert restoring.new.seen() == seen


STORMS = ["429", "503", "500", "cut", "nothing", "503-done", "500-done", "cut-done", "nothing-done", "html-done"]


@pytest.mark.parametrize("what", STORMS)
def test_an_answer_that_is_lost_creates_nothing_twice(restoring: BetweenDesks, what: str) -> None:
    """Each request that changes something meets it once."""
    restoring.new.storm = dict.fromkeys(range(1, 100, 2), what)
    done = restoring.run()
    assert done.problems == [] and restoring.new.seen() == restoring.old.seen()
    assert len(restoring.new.tickets) == 3


def test_a_server_that_asks_to_wait_is_waited_for(restoring: BetweenDesks) -> None:
    restoring.new.storm = {1: "429", 2: "503"}
    restoring.run()
    assert sum(restoring.clock.slept) >= 2 and restoring.new.seen() == restoring.old.seen()


@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(10, 400))])
def test_killed_at_any_moment_and_met_by_storms_nothing_is_twice_and_nothing_missing(
    desks: tuple[CreatingDesk, CreatingDesk], tmp_path: Path, seed: int
) -> None:
    chance, restoring = random.Random(seed), BetweenDesks(*desks, tmp_path)
    for _ in range(chance.randint(1, 6)):
        restoring.moment = chance.randint(1, 40)
        restoring.new.storm = {restoring.new.writes + chance.randint(1, 12): chance.choice(STORMS) for _ in range(4)}
        with suppress(Killed):
            restoring.run()
        if chance.random() < 0.3:
            restoring.forget()
    restoring.moment, restoring.new.storm = 0, {}
    restoring.run()
    assert restoring.new.seen() == restoring.old.seen()
    assert len(restoring.new.tickets) == 3
    writes = restoring.new.writes
    assert restoring.run().created == 0 and restoring.new.writes == writes


def test_an_interface_that_cannot_be_searched_is_said_and_a_lost_answer_is_not_repeated(
    desks: tuple[CreatingDesk, CreatingDesk], tmp_path: Path
) -> None:
    text = DESCRIPTION.replace('find = { parameters = { ref = "{finished},{unfinished}" }, at = "ref" }\n', "")
    restoring = BetweenDesks(*desks, tmp_path, text)
    assert "cannot be searched" in restoring.plan().resources[0].notes[0]
    restoring.new.storm = {1: "cut-done"}
    done = restoring.run()
    assert [(one.what, one.path) for one in done.problems] == [("unknown", b"tickets/4711")] and done.created == 2
    again = restoring.run()
    assert [one.what for one in again.problems] == ["unknown"] and len(restoring.new.tickets) == 3
    restoring.given = [MappedRecord("tickets", "4711", "1", "finished")]
    assert restoring.run().problems == []
    restoring.given = [MappedRecord("tickets", "4711", "", "finished")]
    del restoring.new.tickets[1]
    assert restoring.run().created == 1 and len(restoring.new.tickets) == 3


def test_a_record_that_is_refused_does_not_stop_the_others_and_its_reason_has_no_secret(restoring: BetweenDesks) -> None:
    restoring.new.refused = {'"title":"b"'}
    done = restoring.run()
    (problem,) = done.problems
    assert problem.path == b"tickets/4712" and "this is not taken here" in problem.message
    assert restoring.new.secret not in problem.message and done.created == 2
    restoring.new.refused = set()
    assert restoring.run().created == 1
    assert restoring.new.seen() != restoring.old.seen()  # what refers to it was not there then
    assert len(restoring.new.tickets) == 3


def test_files_that_are_refused_do_not_take_the_comment_with_them(restoring: BetweenDesks) -> None:
    restoring.new.refused = {"лист.txt"}
    done = restoring.run()
    (problem,) = done.problems
    assert problem.what == "not-kept" and "лист.txt" in problem.message and "2 of 2 files not there" in problem.message
    assert [one["text"] for one in restoring.new.comments[1]] == ["where is it?", "ok", "ok", "ok"]


def test_a_field_that_is_refused_is_named_and_the_others_are_set(restoring: BetweenDesks) -> None:
    restoring.new.refused = {'"closed"'}
    done = restoring.run()
    (problem,) = done.problems
    assert problem.path == b"tickets/4712" and "status: refused" in problem.message
    assert restoring.new.tickets[2]["parent"] == 1 and restoring.new.tickets[2]["status"] == "open"


def test_a_field_that_is_taken_and_not_kept_is_named(restoring: BetweenDesks) -> None:
    def forget(_: int) -> None:
        for one in restoring.new.tickets.values():
            one.pop("custom", None)

    restoring.new.after_write = forget
    (problem,) = restoring.run().problems
    assert problem.path == b"tickets/4711" and "custom: is not there" in problem.message


def test_a_secret_that_runs_out_ends_the_run_and_the_next_one_goes_on(restoring: BetweenDesks) -> None:
    def run_out(number: int) -> None:
        if number == 4:
            restoring.new.secret = "another"

    restoring.new.before_write = run_out
    with pytest.raises(SourceDenied, match="credentials are refused"):
        restoring.run()
    restoring.new.before_write = lambda _: None
    restoring.secret = restoring.new.secret
    restoring.run()
    assert restoring.new.seen() == restoring.old.seen() and len(restoring.new.tickets) == 3


def test_a_token_that_expires_in_the_middle_is_renewed(desks: tuple[CreatingDesk, CreatingDesk], tmp_path: Path) -> None:
    text = DESCRIPTION.replace('type = "bearer"', 'type = "oauth2"\ntoken_url = "token"')
    restoring = BetweenDesks(*desks, tmp_path, text)

    def expire(number: int) -> None:
        restoring.new.secret = f"token-{number // 3}"

    restoring.new.before_write = expire
    assert restoring.run().problems == []
    assert restoring.new.seen() == restoring.old.seen() and len(restoring.new.tickets) == 3


def test_a_server_that_stays_away_ends_the_run(restoring: BetweenDesks) -> None:
    restoring.new.storm = dict.fromkeys(range(3, 400), "503")
    with pytest.raises(TargetError, match="cannot be written to"):
        restoring.run()
    restoring.new.storm = {}
    restoring.run()
    assert restoring.new.seen() == restoring.old.seen() and len(restoring.new.tickets) == 3


def test_what_leads_nowhere_is_said_before_and_afterwards_and_a_person_may_say_what_it_is(
    desks: tuple[CreatingDesk, CreatingDesk], tmp_path: Path
) -> None:
    old, new = desks
    new.queues = {3: "Main", 9: "Deliveries"}
    old.tickets[4713]["linked"] = [4711, 17]
    restoring = BetweenDesks(old, new, tmp_path)
    (one,) = restoring.plan().resources
    assert [text.partition(":")[0] for text in one.unresolved] == ["queue 1 of 2 records", "linked 17 of 1 record"]
    assert "queues,1,NEW" in one.unresolved[0]
    restoring.given = [MappedRecord("queues", "1", "3", "finished")]
    (one,) = restoring.plan().resources
    assert len(one.unresolved) == 1
    done = restoring.run()
    assert done.created == 3 and [ticket["queue"] for ticket in new.tickets.values()] == [9, 3, 3]


def test_records_that_are_still_where_they_came_from_are_not_created_again(
    desks: tuple[CreatingDesk, CreatingDesk], tmp_path: Path
) -> None:
    old, _ = desks
    with serving(CreatingDesk()) as snapshot:
        snapshot.tickets, snapshot.comments, snapshot.files = dict(old.tickets), dict(old.comments), dict(old.files)
        snapshot.queues = old.queues
        del old.tickets[4712]
        restoring = BetweenDesks(snapshot, old, tmp_path)
        restoring.same_interface = True
        (one,) = restoring.plan().resources
        assert (one.missing, one.there) == (1, 2)
        done = restoring.run()
        assert (done.created, done.there, done.problems) == (1, 2, [])
        assert [two["title"] for two in old.tickets.values()] == ["a", "c «Посилка»", "b"] and old.tickets[4714][
            "parent"
        ] == 4711


def test_a_file_that_the_snapshot_lacks_is_a_problem_and_the_rest_comes(restoring: BetweenDesks) -> None:
    lost = next(number for number, data in restoring.old.files.items() if data == RECORDING)
    del restoring.old.files[lost]
    (problem,) = restoring.run().problems
    assert "record.wav: the snapshot does not have it" in problem.message
    assert [one["name"] for one in restoring.new.comments[1][0]["files"]] == ["лист.txt"]
