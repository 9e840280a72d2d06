"""Keeping: other rules of retention, holds and their release, and the erasing of a project, each by two people."""

from __future__ import annotations

import io
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

import strongroom
from console.access.rights import Action, Role
from strongroom.retention_settings import rules_of
from tests.e2e.console.getting_back import fields_of, log_of, until
from tests.e2e.test_keys import grant, other
from tests.support.clock import StillClock
from tests.support.console import ConsoleClient, console_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.clock import SystemClock
from vault.format.snapshot_record import Record

OLGA, BORIS = person("olga", Role.OPERATOR), person("boris", Role.OPERATOR)
AUDITOR, VIEWER = person("vera", Role.AUDITOR), person("anna", Role.VIEWER)
ONE_IDENTITY = "\n[erasure]\napprovals = 1\n"
RETENTION, ERASE = "/projects/acme/retention", "/projects/acme/erase"
TIMELINE = "/projects/acme/timeline"


def made_at(folder: Path) -> Desk:
    desk = Desk(folder, Place("repository"))
    write_files(desk.folder / "source", {"2024-05.csv": b"agent,calls\nolena,17\n"})
    desk.init()
    for name in ("acme", "zarya"):
        desk.add(name, f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = made_at(tmp_path_factory.mktemp("keeping") / "desk")
    write_files(desk.folder / "source", {"2024-05.csv": b"agent,calls\nolena,18\n"})
    desk.call("backup")
    return desk


@pytest.fixture
def console(kept: Desk) -> Iterator[ConsoleClient]:
    """The settings are afterwards as they were."""
    before = kept.settings.read_text()
    with console_of(kept, OLGA, BORIS, VIEWER) as made:
        yield made
    kept.settings.write_text(before)


def snapshots_of(desk: Desk) -> list[Record]:
    """Of acme, the oldest first."""
    with desk.surroundings([]), strongroom.open_repository(desk.settings) as repository:
        return sorted(repository.project("acme").snapshots().snapshots, key=lambda one: one.taken_at)


def holding(desk: Desk) -> dict[str, object]:
    with desk.surroundings([]), strongroom.open_repository(desk.settings) as repository:
        return rules_of(repository.context, "acme").as_json()


def test_other_rules_are_tried_and_nothing_is_changed_by_that(kept: Desk, console: ConsoleClient) -> None:
    before = kept.settings.read_bytes()
    now = text_of(console.get(RETENTION))
    assert "0 snapshots would go" in now and "Other rules" not in now
    page = console.get(f"{RETENTION}?other=1&last=1&within=0+days&item-reports=5+years")
    said = text_of(page)
    assert (
        "They keep less than before:" in said
        and "one a month: all of them before, 0 then" in said
        and "1 snapshot would go" in said
    )
    assert "A second person must approve it" in said
    longer = text_of(console.get(f"{RETENTION}?other=1&daily=400&monthly=all&within=90+days"))
    assert "at least as long as before" in longer and "A second person" not in longer
    assert console.get(f"{RETENTION}?other=1&daily=many").status_code == 400
    assert kept.settings.read_bytes() == before


def test_rules_that_keep_more_are_written_at_once(kept: Desk, console: ConsoleClient) -> None:
    page = console.get(f"{RETENTION}?other=1&daily=400&monthly=all&within=90+days")
    form = fields_of(page, "/retention")
    assert console.post(RETENTION, {**form, "reason": " "}).status_code == 400
    done = console.post(RETENTION, {**form, "reason": "contract 17"})
    assert (done.status_code, done.headers["location"]) == (303, RETENTION)
    assert holding(kept)["keep"] == {"daily": 400, "monthly": "all", "within": "90 days"}
    entry = next(one.entry for one in log_of(kept) if one.entry.action == "retention-change")
    assert (entry.who.user, entry.what["reason"]) == ("olga", "contract 17")
    assert entry.what["before"]["keep"]["daily"] == 366 and entry.what["after"]["keep"]["daily"] == 400


def test_rules_that_keep_less_are_typed_approved_by_another_and_done_from_the_request(
    kept: Desk, console: ConsoleClient
) -> None:
    before = holding(kept)
    form = {"last": "3", "within": "0 days", "item-reports": "5 years", "reason": "the contract says so"}
    assert "was not typed" in console.post(RETENTION, form).text
    form["confirm"] = "acme"
    address = console.post(RETENTION, form).headers["location"]
    assert address.startswith("/approvals/") and console.post(RETENTION, form).headers["location"] == address
    assert holding(kept) == before
    assert console.post(f"{address}/carry-out").status_code == 403
    assert console.post(f"{address}/decide", {"decision": "approve"}).status_code == 403
    console.person = "boris"
    seen = text_of(console.get(address))
    assert "one a month: all of them before, 0 then" in seen and "the contract says so" in seen
    assert console.post(f"{address}/carry-out").status_code == 403
    assert console.post(f"{address}/decide", {"decision": "approve"}).status_code == 303
    assert console.post(f"{address}/carry-out").status_code == 403, "it is olga's to do"
    console.person = "olga"
    assert "Do it now: Keep for a shorter time" in text_of(console.get(address))
    kept.settings.write_text(kept.settings.read_text() + "\n[projects.acme.keep]\ndaily = 5\n")
    changed = console.post(f"{address}/carry-out").headers["location"]
    assert changed.startswith("/approvals/") and changed != address, (
        "what was approved is a change of other rules: it is asked for anew"
    )
    kept.settings.write_text(kept.settings.read_text().replace("\n[projects.acme.keep]\ndaily = 5\n", ""))
    assert console.post(f"{address}/carry-out").headers["location"] == RETENTION
    assert holding(kept) == {"keep": {"last": 3, "within": "0 days"}, "item_retention": {"reports": "5 years after period"}}
    assert console.post(f"{address}/carry-out").status_code == 403, "an approval is good once"


def test_an_approval_that_is_late_is_over(kept: Desk) -> None:
    before, clock = holding(kept), StillClock(SystemClock().now())
    form = {"last": "3", "within": "0 days", "reason": "x", "confirm": "acme"}
    with console_of(kept, OLGA, BORIS, clock=clock) as console:
        address = console.post(RETENTION, form).headers["location"]
        console.person = "boris"
        console.post(f"{address}/decide", {"decision": "approve"})
        clock.sleep(timedelta(days=1, seconds=1).total_seconds())
        console.person = "olga"
        assert console.post(f"{address}/carry-out").status_code == 403 and "expired" in text_of(console.get(address))
    assert holding(kept) == before


def test_settings_that_the_console_may_not_write_are_said_to_be_written_by_hand(kept: Desk, console: ConsoleClient) -> None:
    kept.settings.write_bytes(kept.settings.read_bytes().replace(b"\n", b"\r\n"))
    page = console.get(f"{RETENTION}?other=1&daily=5")
    assert "write into [projects.acme]: keep = {" in page.text and '<form method="post"' not in page.text.split("<main")[1]
    refused = console.post(RETENTION, {"daily": "5", "reason": "x", "confirm": "acme"})
    assert refused.status_code == 403 and "cannot change the settings" in refused.text


def test_a_hold_says_what_it_is_on_and_is_released_from_its_request(kept: Desk, console: ConsoleClient) -> None:
    placed = console.post("/projects/acme/holds", {"kind": "reports", "reason": "case 17"}).headers["location"]
    page = console.get(placed)
    assert "it is on 1 item of the newest snapshots" in text_of(page) or "it is on 2 items" in text_of(page)
    hold = page.text.partition('name="hold" value="')[2].partition('"')[0]
    address = console.post("/projects/acme/holds/release", {"hold": hold, "reason": "over"}).headers["location"]
    console.person = "boris"
    said = text_of(console.get(address))
    assert "Which hold kind reports" in said and "Why it was placed case 17" in said and "Placed olga (console)," in said
    assert hold not in said, "nobody knows it by its number"
    console.post(f"{address}/decide", {"decision": "approve"})
    console.person = "olga"
    (kept.folder / "repository").rename(kept.folder / "away")
    assert console.post(f"{address}/carry-out").status_code >= 400
    (kept.folder / "away").rename(kept.folder / "repository")
    assert console.post(f"{address}/carry-out").headers["location"] == "/projects/acme/holds", "the approval is still good"
    history = text_of(console.get("/projects/acme/holds"))
    assert "ended kind reports case 17 olga (console)" in history and "over" in history


def test_a_single_snapshot_is_held_from_the_list_of_snapshots_and_its_release_asks_a_second_person(
    kept: Desk, console: ConsoleClient
) -> None:
    first, second = (one.id for one in snapshots_of(kept))
    address = unescape(re.findall(r'href="(/projects/acme/holds\?snapshot=[^"#]*)#place"', console.get(TIMELINE).text)[-1])
    form = console.get(address)
    assert f'name="snapshot" value="{first}"' in form.text and 'name="kind"' not in form.text
    assert "On the whole snapshot of reports" in text_of(form)
    placed = console.post("/projects/acme/holds", {"snapshot": first, "reason": "case 18"}).headers["location"]
    assert "the snapshot stays until the hold ends" in text_of(console.get(placed))
    (held,) = (one for one in kept.call("hold", "list", "acme", "--json").document["holds"] if one["reason"] == "case 18")
    assert held["snapshot"] == first and held["who"] == "olga (console)"
    going = kept.call("snapshot", "show", "acme", first, "--json").document
    assert "case 18" in json.dumps(going["holds"])
    released = console.post("/projects/acme/holds/release", {"hold": held["hold"], "reason": "over"}).headers["location"]
    assert released.startswith("/approvals/")
    both = console.post("/projects/acme/holds", {"snapshot": second, "kind": "reports", "reason": "x"})
    assert both.status_code == 400 and "a hold on a snapshot is on all of it" in both.text
    assert console.get("/projects/acme/holds?snapshot=ffffffffff").status_code == 400
    assert console.call("/projects/acme/holds", {"snapshot": "f" * 32, "reason": "x"}).status_code == 400
    assert console.call("/projects/acme/holds", {"snapshot": second, "reason": "by a script"}).json()["snapshot"] == second
    console.person = "anna"
    assert "#place" not in console.get(TIMELINE).text
    assert console.get(address).status_code == 403


@pytest.mark.slow
def test_without_a_rule_for_two_one_person_is_enough(kept: Desk) -> None:
    before = kept.settings.read_text()
    with console_of(kept, OLGA, approvals=frozenset({Action.ERASE})) as console:
        form = {"last": "3", "within": "0 days", "reason": "x", "confirm": "acme"}
        assert console.post(RETENTION, form).headers["location"] == RETENTION
    kept.settings.write_text(before)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return made_at(tmp_path / "desk")


def test_a_project_is_erased_by_two_people_of_the_console_where_one_identity_is_enough(desk: Desk) -> None:
    desk.settings.write_text(desk.settings.read_text() + ONE_IDENTITY)
    with console_of(desk, OLGA, BORIS, AUDITOR, VIEWER) as console:
        plan = text_of(console.get(ERASE))
        assert "destroyed for good" in plan and "1 " in plan and "other machines keep sealed copies" in plan
        form = {"step": "ask", "reason": "contract ended", "confirm": "acne"}
        assert "was not typed" in console.post(ERASE, form).text
        form["confirm"] = "acme"
        address = console.post(ERASE, form).headers["location"]
        assert address.startswith("/approvals/")
        assert console.post(f"{address}/decide", {"decision": "approve"}).status_code == 403
        assert console.post(ERASE, {"step": "erase", "confirm": "acme"}).status_code == 403, "nobody has approved it"
        console.person = "boris"
        assert "contract ended" in text_of(console.get(address))
        console.post(f"{address}/decide", {"decision": "approve"})
        console.person = "olga"
        task = console.post(f"{address}/carry-out").headers["location"]
        done = text_of(until(console, task, "is done"))
        assert "objects were deleted" in done and "not all of it" not in done
        act = text_of(console.get("/projects/acme/erasure"))
        assert "Everything that was stored of this project was erased" in act and "contract ended" in act
        assert "was erased" in text_of(console.get(ERASE))
        console.person = "vera"
        assert "Erased projects acme" in text_of(console.get("/prove"))
        file = console.get("/projects/acme/erasure/file")
        with zipfile.ZipFile(io.BytesIO(file.content)) as bag:
            bag.extractall(desk.folder / "act")
        console.person = "anna"
        assert console.get("/projects/acme/erasure").status_code == 403
        assert "acme" not in console.get("/").text and "zarya" in console.get("/").text
    (command, *_) = [one for one in re.findall(r"ssh-keygen .*", act) if "ssh-keygen" in one]
    folder = desk.folder / "act/act-of-destruction"
    assert {"request.json", "destruction.json", "completion.json", "allowed_signers"} <= {one.name for one in folder.iterdir()}
    first = command.split(" ssh-keygen")[0].replace("&lt;", "<")
    verified = subprocess.run(first, shell=True, cwd=folder, capture_output=True, check=False)
    assert verified.returncode == 0, verified.stderr


@pytest.mark.slow
def test_where_two_identities_are_needed_the_console_says_so_and_is_only_one_of_them(desk: Desk) -> None:
    anna = other(desk, "anna")
    grant(desk, anna, "anna", "read", "audit")
    with console_of(desk, OLGA, BORIS) as console:
        assert "strongroom project erase acme --approve" in text_of(console.get(ERASE))
        asked = console.post(ERASE, {"step": "ask", "reason": "contract ended", "confirm": "acme"})
        assert asked.headers["location"] == ERASE
        console.person = "boris"
        page = text_of(console.get(ERASE))
        assert "contract ended (asked for in the console by olga)" in page and "It waits for somebody with another" in page
        for step in ("approve", "erase"):
            assert console.post(ERASE, {"step": step, "confirm": "acme"}).status_code == 403, "it is the same identity"
        anna.call("project", "erase", "acme", "--approve", "--confirm", "acme")
        assert "Enough people want it" in text_of(console.get(ERASE))
        task = console.post(ERASE, {"step": "erase", "confirm": "acme"}).headers["location"]
        until(console, task, "is done")
        assert "Approved by anna" in text_of(console.get("/projects/acme/erasure"))


@pytest.mark.slow
def test_what_somebody_asks_for_at_their_own_machine_is_approved_in_the_console_by_another(desk: Desk) -> None:
    made = other(desk, "boris")
    for name in ("acme", "zarya"):  # the first request in a repository is noted in the keys of all projects
        grant(desk, made, "boris", "read", "audit", project=name)
    made.call("project", "erase", "acme", "--reason", "a court", "--confirm", "acme")
    with console_of(desk, OLGA, BORIS) as console:
        console.person = "boris"
        assert "Nobody approves their own requests" in text_of(console.get(ERASE))
        own = console.post(ERASE, {"step": "approve", "confirm": "acme"})
        assert own.status_code == 403 and "nobody approves" in own.text
        console.person = "olga"
        assert "a court" in text_of(console.get(ERASE))
        assert console.post(ERASE, {"step": "approve", "confirm": "acme"}).headers["location"] == ERASE
        assert "Enough people want it" in text_of(console.get(ERASE))
        approved = [one.entry for one in log_of(desk) if one.entry.action == "erase" and one.entry.who.user == "olga"]
        assert [one.what["step"] for one in approved] == ["approve"]


@pytest.mark.slow
def test_what_stands_against_erasing_is_said_and_nothing_is_begun(desk: Desk) -> None:
    desk.settings.write_text(desk.settings.read_text() + ONE_IDENTITY)
    desk.call("hold", "add", "acme", "--reason", "a lawsuit")
    with console_of(desk, OLGA, approvals=frozenset()) as console:
        page = text_of(console.get(ERASE))
        assert "It cannot be done now." in page and "a lawsuit" in page
        refused = console.post(ERASE, {"step": "ask", "reason": "x", "confirm": "acme"})
        assert refused.status_code == 403 and "a lawsuit" in refused.text
        assert not [one for one in log_of(desk) if one.entry.action == "erase"]
        assert "You have no tasks" in text_of(console.get("/tasks"))
