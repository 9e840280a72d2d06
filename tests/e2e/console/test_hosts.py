"""A console without a key to content asks for restores, and a host with one carries them out: through the application."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from console.access.rights import Action, Assignment, Person, Role
from console.hosts.messages import AskAnswer, EntryLine, ScopePart
from console.limits import ConsoleLimits
from strongroom.settings.agent import AgentRule
from tests.e2e.console.getting_back import REPORTS, TICKETS, acts, confirm, fields_of, log_of, make_desk, plan, tick
from tests.e2e.console.hosts import agent_of, carried_out, make_host, rules, work_for
from tests.support.clock import StillClock
from tests.support.console import ConsoleClient, console_of, person, text_of
from tests.support.console_words import english_words, read
from tests.support.desk import Desk
from tests.support.names_only import names_only
from tests.support.tree_facts import write_files

ANNA, BORIS, ROOT = person("anna", Role.RESTORER), person("boris", Role.RESTORER), person("root", Role.ADMINISTRATOR)
OLGA = person("olga", Role.OPERATOR)
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = make_desk(tmp_path_factory.mktemp("still"))
    names_only(made, "acme")
    return made


@pytest.fixture
def still(made_once: Desk) -> Desk:
    """One whose sources no test changes; the console begins anew."""
    shutil.rmtree(made_once.folder / "console", ignore_errors=True)
    return made_once


@pytest.fixture
def desk(still: Desk) -> Iterator[Desk]:
    """One into whose sources is restored; afterwards they are as before."""
    yield still
    shutil.rmtree(still.folder / "reports/2024", ignore_errors=True)
    write_files(still.folder / "tickets", TICKETS)


def of_task(desk: Desk, task: str) -> list[tuple[str, Mapping[str, Any]]]:
    """What the log says of it."""
    return [(action, what) for action, what in acts(desk, "anna") if what.get("task") == task.removeprefix("/tasks/")]


def asked(console: ConsoleClient, goal: str = "place", **asked_for: str) -> str:
    """Anna asks for the folder that was deleted; gives the address of the task."""
    tick(console, folder="reports%2F2024", deleted="only")
    page = plan(console, goal, **asked_for)
    assert page.status_code == 200, text_of(page)
    begun = confirm(console, page)
    assert begun.status_code == 303, text_of(begun)
    return begun.headers["location"]


def test_what_somebody_asks_for_is_carried_out_by_a_host_under_their_name(desk: Desk) -> None:
    said: list[str] = []
    with console_of(desk, ANNA, ROOT, OLGA, identity=[names_only(desk)]) as console:
        token = make_host(console)
        tick(console, folder="reports%2F2024", deleted="only")
        page = plan(console, "place")
        assert "2 files" in text_of(page) and "by a host that has the key" in text_of(page)
        assert "What is in the way is not known here" in text_of(page)
        task = confirm(console, page).headers["location"]
        waits = text_of(console.get(task))
        assert (
            "waits for a host" in waits
            and "These hosts may take work of this project, and have never asked for any: backup1." in waits
        )
        with agent_of(desk, console, token, said=said) as agent:
            assert not (desk.folder / "reports/2024").exists()
            (done,) = agent.once()
        assert done.is_whole and done.body.outcome.files == 2
        over = text_of(console.get(task))
        assert "is done" in over and "2 files are back" in over and "Carried out by the host backup1" in over
        console.person = "olga"
        watch = text_of(console.get("/watch"))
        assert "Hosts that carry out restores" in watch and "backup1" in watch and "machine-1" in watch
        console.person = "anna"
    assert {name: (desk.folder / "reports" / name).read_bytes() for name in REPORTS} == REPORTS
    ((action, what),) = of_task(desk, task)
    assert action == "restore" and what["in_place"]
    assert what["carried_out_for"] == "http://127.0.0.1"
    (entry,) = [one.entry for one in log_of(desk) if one.entry.what.get("task") == what["task"]]
    assert entry.who.program.endswith("console agent") and entry.who.host
    assert any("'anna' asks for a restore back to where it was" in one for one in said)


def test_what_is_in_the_way_is_confirmed_first_and_only_that_is_replaced(desk: Desk) -> None:
    here = desk.folder / "reports/2024"
    here.mkdir()
    (here / "06.csv").write_bytes(b"an old copy")
    os.utime(here / "06.csv", (1_000_000_000, 1_000_000_000))
    with console_of(desk, ANNA, ROOT, identity=[names_only(desk)]) as console:
        task = asked(console)
        with agent_of(desk, console, make_host(console)) as agent:
            (first,) = agent.once()
            assert first.body.result == "confirm" and (here / "06.csv").read_bytes() == b"an old copy"
            assert not (here / "05.csv").exists(), "nothing is written before"
            page = console.get(task)
            said = text_of(page)
            assert "waits for you to confirm it" in said and "1 file that is there is replaced." in said
            assert "reports/2024/06.csv" in said
            assert console.post(f"{task}/confirm", {"replacing": "2"}).status_code == 400
            assert console.post(f"{task}/confirm", {"replacing": "x"}).status_code == 400
            assert console.post(f"{task}/confirm", fields_of(page, "confirm")).status_code == 303
            (second,) = agent.once()
            assert second.is_whole
        assert "2 files are back" in text_of(console.get(task))
    assert (here / "06.csv").read_bytes() == REPORTS["2024/06.csv"]


def test_a_second_person_approves_in_front_of_it_and_anew_what_is_replaced(desk: Desk) -> None:
    here = desk.folder / "reports/2024"
    here.mkdir()
    (here / "06.csv").write_bytes(b"an old copy")
    os.utime(here / "06.csv", (1_000_000_000, 1_000_000_000))
    both = frozenset({Action.RESTORE_IN_PLACE})
    with console_of(desk, ANNA, BORIS, ROOT, identity=[names_only(desk)], approvals=both) as console:
        token = make_host(console)
        tick(console, folder="reports%2F2024", deleted="only")
        task = confirm(console, plan(console, "place"), reason="gone").headers["location"]
        with agent_of(desk, console, token) as agent:
            assert agent.once() == [] and "waits for a second person" in text_of(console.get(task))
            _approve(console)
            (first,) = agent.once()
            assert first.body.result == "confirm" and first.work.approved_by == "boris"
            assert console.post(f"{task}/confirm", {"replacing": "1"}).status_code == 400, "a reason is missing"
            console.post(f"{task}/confirm", {"replacing": "1", "reason": "the new one is wrong"})
            assert agent.once() == [] and "waits for a second person" in text_of(console.get(task))
            _approve(console)
            (second,) = agent.once()
            assert second.is_whole
    assert of_task(desk, task)[-1][1]["approved_by"] == "boris"
    assert (here / "06.csv").read_bytes() == REPORTS["2024/06.csv"]


def _approve(console: ConsoleClient) -> None:
    console.person = "boris"
    waiting = console.get("/approvals").text.partition("What you have asked for")[0]
    (address,) = {part.split('"')[0] for part in waiting.split('href="/approvals/')[1:]}
    assert console.post(f"/approvals/{address}/decide", {"decision": "approve"}).status_code == 303
    console.person = "anna"


@pytest.mark.slow
def test_into_a_folder_that_a_host_offers_goes_a_new_folder(still: Desk, tmp_path: Path) -> None:
    place = tmp_path / "handover"
    place.mkdir()
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], folders={"/of/the/console": tmp_path}) as console:
        token = make_host(console)
        with agent_of(still, console, token, rules(folders={"Handover": place})) as agent:
            assert agent.once() == []
            tick(console, folder="reports%2F2024", deleted="only")
            basket = console.get("/projects/acme/basket").text
            assert '<option value="Handover">' in basket and "/of/the/console" not in basket
            for folder in ("/of/the/console", "..", str(place), ""):
                assert plan(console, "folder", folder=folder).status_code == 400, folder
            page = plan(console, "folder", folder="Handover", format="jsonl")
            assert "into a new folder acme-" in text_of(page) and str(tmp_path) not in page.text
            confirm(console, page)
            (done,) = agent.once()
            assert done.is_whole
    (made,) = place.iterdir()
    assert {one.name for one in made.rglob("*.jsonl")} == {"05.jsonl", "06.jsonl"}
    assert not (still.folder / "reports/2024").exists()


def test_a_host_does_what_its_own_settings_allow_and_nothing_else(still: Desk, tmp_path: Path) -> None:
    with console_of(still, ANNA, ROOT, identity=[names_only(still)]) as console:
        token = make_host(console, projects="*")
        task = asked(console)
        for allow in (
            AgentRule.model_construct(projects=("parcelo",), in_place=True, folders=()),
            AgentRule.model_construct(projects=("acme",), in_place=False, folders=("x",)),
        ):
            with agent_of(still, console, token, rules(allow, folders={"x": tmp_path})) as agent:
                assert agent.once() == []
        assert "do not offer this" in text_of(console.get(task))
        with agent_of(still, console, token, identity=[names_only(still)]) as agent:
            assert agent.once() == [], "a host without the key offers nothing"
        lying = work_for(console, token).json()["work"]
        assert lying["project"] == "acme"
    assert not (still.folder / "reports/2024").exists()


def test_a_host_refuses_what_a_console_asks_for_against_its_rules(still: Desk) -> None:
    nothing = rules(AgentRule.model_construct(projects=("acme",), in_place=False, folders=()))
    with console_of(still, ANNA, ROOT, identity=[names_only(still)]) as console:
        token, task = make_host(console), asked(console)
        given = msgspec.json.decode(work_for(console, token).content, type=AskAnswer).work
        assert given is not None
        for asked_for in (given, replace(given, goal="folder", folder="../.."), replace(given, goal="folder", folder="/etc")):
            body = carried_out(still, console, token, nothing, asked_for)
            assert body.result == "failed" and "settings of this host do not let" in body.error
        console.as_host("/outcome", token, msgspec.json.encode(body))
        assert "did not work" in text_of(console.get(task))
    assert not (still.folder / "reports/2024").exists()


def test_what_a_console_sends_is_bounded_and_names_only_items_of_the_project(still: Desk) -> None:
    with console_of(still, ANNA, ROOT, identity=[names_only(still)]) as console:
        token, _ = make_host(console), asked(console)
        given = msgspec.json.decode(work_for(console, token).content, type=AskAnswer).work
        assert given is not None
        for hostile in (
            replace(given, entries=[EntryLine("item", "..%2F..%2Fetc%2Fpasswd")]),
            replace(given, entries=[EntryLine("item", "%00")]),
            replace(given, entries=[EntryLine("folder", "x" * 60_000)]),
            replace(given, entries=[EntryLine("period", "never")]),
            replace(given, entries=[EntryLine("item", "reports%2F2024%2F05.csv", at="soon")]),
            replace(given, person="anna\x1b[2J"),
            replace(given, project="parcelo"),
            replace(given, scopes=[[ScopePart(["nothing"])]]),
            replace(given, scopes=[[]]),
            replace(given, scopes=[[ScopePart(paths=["[" * 4000])]]),
        ):
            body = carried_out(still, console, token, rules(), hostile)
            assert body.result == "failed" and body.error, hostile
    assert not (still.folder / "reports/2024").exists()


def test_one_task_goes_to_one_host_and_to_another_one_when_that_is_silent(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock) as console:
        one, two = make_host(console, "one"), make_host(console, "two")
        task = asked(console)
        first = work_for(console, one).json()["work"]
        assert first["person"] == "anna" and work_for(console, two).json() == {"work": None}
        assert console.as_host("/progress", two, {"lease": first["lease"]}).status_code == 409
        clock.sleep(first["seconds"] - 1)
        said = console.as_host("/progress", one, {"lease": first["lease"], "items": 1, "of_items": 2})
        assert said.json() == {"go_on": True, "seconds": first["seconds"]}
        assert "The host one is at it" in text_of(console.get(task)) and "50" in text_of(console.get(task))
        clock.sleep(first["seconds"] - 1)
        assert work_for(console, two).json() == {"work": None}
        clock.sleep(2)
        assert "waits for a host" in text_of(console.get(task))
        assert console.as_host("/progress", one, {"lease": first["lease"]}).status_code == 409
        second = work_for(console, two).json()["work"]
        assert second["task"] == first["task"] and second["lease"] != first["lease"]
        restored = {"result": "restored", "outcome": {"files": 2}}
        assert console.as_host("/outcome", one, {"lease": first["lease"], **restored}).status_code == 409
        assert "is running" in text_of(console.get(task))
        for _ in range(2):  # the answer was lost, and it is said again
            assert console.as_host("/outcome", two, {"lease": second["lease"], **restored}).json() == {"state": "done"}
        assert "is done" in text_of(console.get(task))


@pytest.mark.slow
def test_a_host_that_has_finished_while_the_console_was_away_is_believed_unless_another_one_has_begun(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock) as console:
        token, task = make_host(console), asked(console)
        given = work_for(console, token).json()["work"]
        clock.sleep(given["seconds"] + 1)
        assert "waits for a host" in text_of(console.get(task))
        body = {"lease": given["lease"], "result": "restored", "outcome": {"files": 2}}
        assert console.as_host("/outcome", token, body).json() == {"state": "done"}


@pytest.mark.slow
def test_hosts_that_die_again_and_again_end_a_task(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock, limits=ConsoleLimits(attempts=2)) as console:
        token, task = make_host(console), asked(console)
        for _ in range(2):
            assert work_for(console, token).json()["work"] is not None
            clock.sleep(100)
        assert work_for(console, token).json() == {"work": None}
        page = text_of(console.get(task))
        assert "did not work" in page and "none has come to its end" in page
        console.post(f"{task}/again")
        assert work_for(console, token).json()["work"] is not None


def test_cancelling_on_the_page_stops_the_host_and_what_waits_is_over_at_once(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock) as console:
        token, task = make_host(console), asked(console)
        console.post(f"{task}/cancel")
        assert "was cancelled" in text_of(console.get(task)) and work_for(console, token).json() == {"work": None}
        console.post(f"{task}/again")
        given = work_for(console, token).json()["work"]
        console.post(f"{task}/cancel")
        assert "is being cancelled" in text_of(console.get(task))
        assert console.as_host("/progress", token, {"lease": given["lease"]}).json()["go_on"] is False
        stopped = console.as_host("/outcome", token, {"lease": given["lease"], "result": "stopped"})
        assert stopped.json() == {"state": "cancelled"} and "was cancelled" in text_of(console.get(task))
        console.post(f"{task}/again")
        assert work_for(console, token).json()["work"] is not None
        console.post(f"{task}/cancel")
        clock.sleep(100)  # and the host dies
        assert "was cancelled" in text_of(console.get(task))


def test_an_agent_that_is_told_to_end_gives_its_work_back(still: Desk) -> None:
    with console_of(still, ANNA, ROOT, identity=[names_only(still)]) as console:
        token, task = make_host(console), asked(console)
        with agent_of(still, console, token, meet=lambda path: agent.end() if path == "/work" else None) as agent:
            (done,) = agent.once()
            assert done.body.result == "stopped" and done.state == "waiting"
        assert "waits for a host" in text_of(console.get(task))
        assert not (still.folder / "reports/2024").exists()


def test_who_may_not_any_more_gets_nothing_back(still: Desk) -> None:
    gone = Person("anna", assignments=(Assignment(Role.VIEWER),))
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], people=lambda name: gone) as console:
        token, task = make_host(console), asked(console)
        assert work_for(console, token).json() == {"work": None}
        assert "was refused" in text_of(console.get(task))


@pytest.mark.slow
def test_what_lies_outside_of_a_scope_is_not_there_for_the_host_either(desk: Desk) -> None:
    tickets = person("anna", Role.RESTORER, kinds=["tickets"])
    (desk.folder / "tickets/2024-05.jsonl").unlink()
    with console_of(desk, tickets, ROOT, identity=[names_only(desk)]) as console:
        tick(console, folder=["reports", "tickets"], deleted="with")
        confirm(console, plan(console, "place"))
        with agent_of(desk, console, make_host(console)) as agent:
            (done,) = agent.once()
        assert done.body.outcome.files == 1
    assert (desk.folder / "tickets/2024-05.jsonl").exists() and not (desk.folder / "reports/2024").exists()


def test_a_token_of_a_host_does_nothing_else_and_one_of_a_person_takes_no_work(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock) as console:
        token = make_host(console, projects="parcelo")
        asked(console)
        assert work_for(console, token).json() == {"work": None}, "of another project"
        for by in ("token", "session"):
            refused = console.call("/host/work", {"machine": "x", "projects": {}}, by=by)
            assert refused.status_code == 403 and "this is for hosts" in refused.text
        for wrong in ("", "strongroom_host_", f"{token}x", token[:-1], token.replace("_host_", "_"), "x" * 5000):
            assert work_for(console, wrong).status_code == 401, wrong
        clock.sleep(timedelta(days=300).total_seconds())
        assert work_for(console, token).status_code == 401, "its time is over"


def test_a_token_ends_when_an_administrator_ends_it_and_its_work_goes_on_elsewhere(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock) as console:
        one, two = make_host(console, "one"), make_host(console, "two")
        asked(console)
        given = work_for(console, one).json()["work"]
        assert console.post("/hosts/end", {"name": "one"}).status_code == 403
        console.person = "root"
        assert "one" in text_of(console.get("/hosts"))
        console.post("/hosts/end", {"name": "one"})
        assert console.as_host("/progress", one, {"lease": given["lease"]}).status_code == 401
        assert work_for(console, two).json()["work"]["task"] == given["task"]


def test_whoever_waits_for_a_host_that_was_removed_is_told_so_and_what_is_left(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock) as console:
        task = asked(console)
        assert "No host may take work of this project. Tell whoever runs the console." in text_of(console.get(task))
        make_host(console, "old")
        console.person = "root"
        console.post("/hosts/end", {"name": "old"})
        clock.sleep(7200)
        console.person = "anna"
        for address in (task, "/projects/acme/basket"):
            tick(console, folder="reports%2F2024", deleted="only")
            said = text_of(console.get(address))
            assert "The host old was removed 2 hours ago, and no other one may take work of this project." in said
        page = console.get(task, accept_language="ru")
        assert "Сервер old удалён 2 часа назад, а других" in text_of(page)
        assert english_words(read(page.text).said.replace("old", "").replace("Anna", "")) == []
        make_host(console, "new", projects="ac*")
        said = text_of(console.get(task))
        assert "The host old was removed 2 hours ago. These hosts may take work" in said and "asked for any: new." in said
        make_host(console, "old")
        assert "removed" not in text_of(console.get(task)), "it is there again"
        console.person = "root"
        for name in ("old", "new"):
            console.post("/hosts/end", {"name": name})
        clock.sleep(32 * 86400)
        console.person = "anna"
        assert "No host may take work" in text_of(console.get("/projects/acme/basket"))


@pytest.mark.slow
def test_when_no_host_has_asked_for_a_while_the_page_says_since_when(still: Desk) -> None:
    clock = StillClock(NOW)
    with console_of(still, ANNA, ROOT, identity=[names_only(still)], clock=clock) as console:
        token = make_host(console)
        work_for(console, token)
        task = asked(console)
        assert "A host asked for work" in text_of(console.get(task))
        clock.sleep(400)
        page = text_of(console.get(task))
        assert "No host has asked for work since Dec 1, 2026, 9:00:00" in page.replace("\u202f", " ")
        tick(console, folder="reports%2F2024", deleted="only")
        assert "No host has asked for work since" in text_of(plan(console, "place"))
        assert "No host has asked for work since" in text_of(console.get("/projects/acme/basket"))


def test_nonsense_of_a_host_is_refused_and_changes_nothing(still: Desk) -> None:
    with console_of(still, ANNA, ROOT, identity=[names_only(still)]) as console:
        token, task = make_host(console), asked(console)
        given = work_for(console, token).json()["work"]
        lease = given["lease"]
        for path, body in (
            ("/outcome", {"lease": lease, "result": "fine"}),
            ("/outcome", {"lease": lease, "result": "restored", "outcome": {"files": -1}}),
            ("/outcome", {"lease": lease, "result": "restored", "outcome": {"files": 1 << 80}}),
            ("/outcome", {"lease": lease, "result": "failed", "error": "x" * 5000}),
            ("/outcome", {"lease": lease, "result": "confirm", "plan": {"names": ["x"] * 500}}),
            ("/progress", {"lease": lease, "took": -5}),
            ("/progress", {"lease": lease, "unknown": 1}),
            ("/work", {"machine": "", "projects": {}}),
            ("/work", {"machine": "m", "projects": {"acme": {"folders": ["x" * 300]}}}),
            ("/work", b"{" * 100_000),
            ("/work", b"\xff\xfe"),
        ):
            assert console.as_host(path, token, body).status_code == 400, body
        assert console.as_host("/outcome", token, b"[" + b"1," * 600_000 + b"1]").status_code == 413
        assert "is running" in text_of(console.get(task))
        failed = {"lease": lease, "result": "failed", "error": "<script>alert(1)</script>"}
        console.as_host("/outcome", token, failed)
        assert "<script>alert" not in console.get(task).text


@pytest.mark.slow
def test_a_console_that_reads_content_itself_gives_hosts_nothing(desk: Desk) -> None:
    with console_of(desk, ANNA, ROOT, limits=ConsoleLimits(tasks_at_once=0)) as console:
        token = make_host(console)
        asked(console)
        assert work_for(console, token).json() == {"work": None}


@pytest.mark.slow
def test_a_task_that_a_host_has_is_not_taken_up_by_a_console_that_begins_anew(still: Desk) -> None:
    identity = [names_only(still)]
    with console_of(still, ANNA, ROOT, identity=identity) as console:
        token, task = make_host(console), asked(console)
        given = work_for(console, token).json()["work"]
    with console_of(still, ANNA, ROOT, identity=identity) as console:
        assert "is running" in text_of(console.get(task))
        body = {"lease": given["lease"], "result": "restored", "outcome": {"files": 2}}
        assert console.as_host("/outcome", token, body).json() == {"state": "done"}


def test_scripts_see_and_confirm_it_too(still: Desk) -> None:
    with console_of(still, ANNA, ROOT, identity=[names_only(still)]) as console:
        console.call("/projects/acme/basket", {"folders": ["reports/2024"], "deleted": "only"})
        planned = console.call("/projects/acme/plan", {"goal": "place"}).json()
        assert planned["hosted"] and planned["files"] == 2
        task = console.call("/projects/acme/get-back", {"goal": "place", "moment": planned["moment"]}).json()
        assert task["state"] == "waiting" and task["hosted"]
        token = make_host(console)
        given = work_for(console, token).json()["work"]
        found = {"lease": given["lease"], "result": "confirm", "plan": {"replacing": 3, "files": 2, "names": ["a"]}}
        assert console.as_host("/outcome", token, found).json() == {"state": "confirm"}
        shown = console.call(f"/tasks/{task['id']}").json()
        assert shown["to_confirm"]["replacing"] == 3 and shown["host"] == "backup1"
        assert console.call(f"/tasks/{task['id']}/confirm", {"replacing": 2}).status_code == 400
        assert console.call(f"/tasks/{task['id']}/confirm", {"replacing": 3}).json()["state"] == "waiting"
        assert work_for(console, token).json()["work"]["replacing"] == 3


@pytest.mark.slow
def test_a_repository_that_is_away_is_tried_again_later(still: Desk) -> None:
    with console_of(still, ANNA, ROOT, identity=[names_only(still)]) as console:
        token, task = make_host(console), asked(console)
        away = still.folder / "away"
        with agent_of(still, console, token, meet=lambda path: _away(still, away) if path == "/work" else None) as agent:
            done = agent.next()
        away.rename(still.folder / "repository")
        assert done is not None
        assert done.body.result == "again" and "waits for a host" in text_of(console.get(task))


def _away(desk: Desk, away: Path) -> None:
    if not away.exists():
        (desk.folder / "repository").rename(away)


def test_the_command_makes_lists_and_ends_tokens_and_an_agent_without_rules_does_not_begin(still: Desk) -> None:
    made = still.call("console", "host", "add", "backup9", "--project", "acme", "--until", "2027-03-31", "--json").document
    assert made["token"].startswith("strongroom_host_") and made["until"].startswith(("2027-03-31", "2027-04-01"))
    assert still.call("console", "host", "add", "backup9", "--project", "acme", "--until", "2027-03-31", exits=2).out == b""
    (listed,) = still.call("console", "host", "list", "--json").document["agents"]
    assert listed["name"] == "backup9" and listed["asked_at"] is None
    assert "backup9" in still.call("console", "host", "list").text
    assert made["token"] not in still.call("console", "host", "list").text
    still.call("console", "host", "remove", "backup9", "--yes")
    assert still.call("console", "host", "list", "--json").document["agents"] == []
    still.call("console", "host", "remove", "backup9", "--yes", exits=2)
    assert "allow nothing to be asked for" in still.call("console", "agent", "--once", exits=2).err
    assert "--json needs --once" in still.call("console", "agent", "--json", exits=2).err
