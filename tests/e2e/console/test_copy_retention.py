"""What copies keep, in the console: rules of a copy are about all projects, and what keeps less is asked of a second person."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.access.rights import Assignment, Person, Role
from strongroom.settings import load
from tests.e2e.console.getting_back import log_of
from tests.e2e.test_copy import name_copy
from tests.support.console import ConsoleClient, console_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

OLGA, BORIS = person("olga", Role.OPERATOR), person("boris", Role.OPERATOR)
NARROW = person("nina", Role.OPERATOR, projects=["acme", "zarya"])
OF_KINDS = Person("kira", assignments=(Assignment(Role.OPERATOR, ("*",), kinds=("reports",)),))
VERA = person("vera", Role.AUDITOR)
PAGE = "/copies/offsite/retention"
SHORTER = {"rules": "own", "last": "1", "within": "0 days"}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two projects with two snapshots each, all of them in a copy, which has no rules of its own."""
    desk = Desk(tmp_path_factory.mktemp("copied") / "desk", Place("repository"))
    desk.init()
    for name in ("acme", "zarya"):
        write_files(desk.folder / name, {"2024-05.csv": b"agent,calls\nolena,17\n"})
        desk.add(name, f"reports={desk.folder / name}")
    desk.call("backup")
    for name in ("acme", "zarya"):
        write_files(desk.folder / name, {"2024-06.csv": b"agent,calls\nolena,18\n"})
    desk.call("backup")
    name_copy(desk, Place("second"))
    desk.call("copy")
    return desk


@pytest.fixture
def console(copied: Desk) -> Iterator[ConsoleClient]:
    """The settings are afterwards as they were."""
    before = copied.settings.read_text()
    with console_of(copied, OLGA, BORIS, NARROW, OF_KINDS, VERA) as made:
        yield made
    copied.settings.write_text(before)


def keep_of(desk: Desk) -> dict[str, object] | None:
    """What the settings say of the copy."""
    found = load(desk.settings).copies["offsite"].keep
    return None if found is None else found.model_dump(exclude_none=True)


def test_what_a_copy_keeps_is_shown_and_tried_by_its_own_rules_and_by_those_of_the_projects(
    copied: Desk, console: ConsoleClient
) -> None:
    assert f'href="{PAGE}"' in console.get("/watch").text and f'href="{PAGE}"' in console.get("/projects/acme/retention").text
    text = text_of(console.get(PAGE))
    assert "acme 0 2" in text and "zarya 0 2" in text
    tried = console.get(f"{PAGE}?other=1&rules=own&last=1&within=0+days")
    assert "acme 1 1" in text_of(tried) and "They keep less than before" in tried.text
    assert "acme: within: 90 days before, 0 days then" in text_of(tried)
    assert keep_of(copied) is None, "nothing is changed by looking"
    said = console.call(f"{PAGE}/try", {"own": True, "keep": {"last": "1", "within": "0 days"}}).json()
    assert said["projects"][0] == {"project": "acme", "goes": 1, "stays": 1} and said["approval"] and said["possible"]
    assert console.call(PAGE).json()["own"] is False
    assert console.call("/copies").json() == {"copies": [{"name": "offsite", "own": False}]}
    planned = copied.call("retention", "plan", "--from", "offsite", "--json").document["projects"]
    assert [len(one["stays"]) for one in planned] == [2, 2], "as the command says it"


def test_rules_of_a_copy_that_keep_less_wait_for_a_second_person_who_may_it_everywhere(
    copied: Desk, console: ConsoleClient
) -> None:
    form = SHORTER | {"reason": "contract 17"}
    assert console.post(PAGE, form).status_code == 400, "its name is to be typed"
    address = console.post(PAGE, form | {"confirm": "offsite"}).headers["location"]
    assert address.startswith("/approvals/") and keep_of(copied) is None
    console.person = "nina"
    assert console.get(address).status_code == 404, "two projects are not all of them"
    assert "olga" not in text_of(console.get("/approvals"))
    console.person = "boris"
    shown = text_of(console.get(address))
    assert "all projects" in shown and "offsite" in shown and "acme: within: 90 days before, 0 days then" in shown
    assert "all projects" in text_of(console.get("/approvals"))
    assert console.post(f"{address}/decide", {"decision": "approve"}).status_code == 303
    console.person = "olga"
    assert console.post(f"{address}/carry-out").headers["location"] == PAGE
    assert keep_of(copied) == {"last": 1, "within": "0 days"}
    assert "acme 1 1" in text_of(console.get(PAGE))
    intent, entry = (one.entry for one in log_of(copied) if one.entry.action == "retention-change")
    assert (intent.phase, entry.phase) == ("intent", "outcome")
    assert entry.what["copy"] == "offsite" and entry.what["reason"] == "contract 17"
    assert entry.who.user == "olga" and sorted(one.name for one in entry.projects) == ["acme", "zarya"]
    again = SHORTER | {"last": "5", "reason": "x"}
    assert console.post(PAGE, again).headers["location"] == PAGE, "more is kept then: nobody else is asked"
    assert keep_of(copied) == {"last": 5, "within": "0 days"}
    back = console.call(PAGE, {"own": False, "reason": "as before", "confirm": "offsite"}).json()
    assert not back["done"] and back["request"], "those of the projects keep fewer, counted one by one"
    console.person = "boris"
    console.post(f"/approvals/{back['request']}/decide", {"decision": "approve"})
    console.person = "olga"
    assert "those of each project" in text_of(console.get(f"/approvals/{back['request']}"))
    assert console.call(f"/approvals/{back['request']}/carry-out", {}).json()["done"] and keep_of(copied) is None


@pytest.mark.parametrize("who", ["nina", "kira", "vera"])
def test_whoever_may_not_do_it_in_all_of_every_project_does_not_learn_which_copies_there_are(
    console: ConsoleClient, who: str
) -> None:
    console.person = who
    assert PAGE not in console.get("/watch").text
    assert console.call("/copies").json() == {"copies": []}
    for copy in ("offsite", "nowhere"):
        asked = [
            console.get(f"/copies/{copy}/retention"),
            console.post(f"/copies/{copy}/retention", SHORTER | {"reason": "x", "confirm": copy}),
            console.call(f"/copies/{copy}/retention"),
            console.call(f"/copies/{copy}/retention", {"own": False, "reason": "x"}),
        ]
        assert [one.status_code for one in asked] == [403] * 4
        assert "all projects" in asked[0].text


def test_a_copy_that_is_away_or_not_there_is_said(copied: Desk, console: ConsoleClient) -> None:
    assert console.get("/copies/nowhere/retention").status_code == 404
    (copied.folder / "second").rename(copied.folder / "away")
    try:
        page = console.get(PAGE)
        assert page.status_code == 200 and "The copy cannot be looked at now" in page.text
    finally:
        (copied.folder / "away").rename(copied.folder / "second")


def test_comments_of_the_settings_stay_and_what_the_console_cannot_write_is_said(copied: Desk, console: ConsoleClient) -> None:
    text = copied.settings.read_text() + "\n[copies.offsite.keep] # of the lease\ndaily = 30 # a month\nwithin = '1 day'\n"
    copied.settings.write_text(text)
    longer = {"rules": "own", "daily": "60", "within": "1 day", "reason": "x"}
    assert console.post(PAGE, longer).headers["location"] == PAGE
    assert copied.settings.read_text() == text.replace("daily = 30", "daily = 60")
    copied.settings.write_bytes(copied.settings.read_bytes().replace(b"\n", b"\r\n"))
    refused = console.post(PAGE, longer | {"daily": "90"})
    assert refused.status_code == 403 and "write into [copies.offsite]: keep = {" in refused.text
