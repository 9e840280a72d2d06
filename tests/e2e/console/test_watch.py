"""Watch: operators see how everything is and what to do, accept flagged snapshots, look at runs, place holds, simulate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.access.rights import Assignment, Person, Role
from tests.support.console import ConsoleClient, console_of, links_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

SCHEDULE = """
[projects.acme.schedule]
backup = { every = "day" }
drill = { every = "day" }
[projects.acme.keep]
last = 1
daily = 1
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("watch") / "desk", Place("repository"))
    source = made.folder / "source"
    write_files(source, {f"2024/{number}.csv": b"n\n%d\n" % number for number in range(20)})
    made.init()
    made.add("acme", f"reports={source}")
    made.add("zarya", f"reports={source}")
    made.settings.write_text(made.settings.read_text() + SCHEDULE)
    made.call("backup", "acme")
    made.call("drill", "acme")
    for number in range(12):
        (source / f"2024/{number}.csv").unlink()
    made.call("backup", "acme")
    made.run("daemon", "--once", exits=(0, 3))
    return made


@pytest.fixture
def console(desk: Desk) -> Iterator[ConsoleClient]:
    olga = person("olga", Role.OPERATOR, projects=["acme"])
    chief = person("boris", Role.OPERATOR)
    viewer = person("anna", Role.VIEWER)
    vera = person("vera", Role.AUDITOR, projects=["acme"])
    narrow = Person("ivan", assignments=(Assignment(Role.OPERATOR, ("acme",), kinds=("reports",)),))
    with console_of(desk, olga, chief, viewer, vera, narrow) as made:
        yield made


def test_while_the_store_is_away_pages_say_so_and_are_back_with_it(desk: Desk) -> None:
    store, away = desk.folder / "repository", desk.folder / "away"
    with console_of(desk, person("olga", Role.OPERATOR, projects=["acme"])) as console:
        assert console.get("/watch").status_code == 200
        store.rename(away)
        try:
            for path in ("/watch", "/projects/acme/watch", "/projects/acme/holds"):
                page = console.get(path)
                assert (page.status_code, "The store does not answer" in text_of(page)) == (503, True), path
                assert "strongroom init" not in text_of(page)
        finally:
            away.rename(store)
        assert console.get("/watch").status_code == 200


def test_an_operator_sees_what_is_wrong_and_what_to_do_about_their_projects(console: ConsoleClient) -> None:
    page = console.get("/watch")
    text = text_of(page)
    assert page.status_code == 200 and "A snapshot waits for acceptance" in text and "strongroom snapshot accept acme" in text
    assert "zarya" not in page.text and "daemon" not in page.text.lower()
    assert links_of(page)["acme"] == "/projects/acme/watch"
    console.person = "boris"
    text = text_of(console.get("/watch"))
    assert "Something is critical" in text and "zarya" in text and "The daemon has ended." in text
    console.person = "anna"
    assert "There is no project that you may watch." in text_of(console.get("/watch"))


def test_a_project_is_shown_with_its_jobs_drills_and_storage(console: ConsoleClient) -> None:
    page = console.get("/projects/acme/watch")
    text = text_of(page)
    assert page.status_code == 200
    for said in ("backup reports", "passed", "Size of the sources", "drill", "Holds"):
        assert said in text, said
    assert page.text.count("<polyline") == 2 and "style=" not in page.text


def test_runs_are_shown_with_what_they_said(console: ConsoleClient) -> None:
    text = text_of(console.get("/projects/acme/runs"))
    assert "backup reports" in text and "8 compared" in text
    assert "drill" not in text_of(console.get("/projects/acme/runs?job=backup%20reports"))
    assert console.get("/projects/acme/runs?job=nothing").status_code == 404


def test_without_a_daemon_nobody_is_told_that_a_run_will_begin(console: ConsoleClient) -> None:
    refused = console.post("/projects/acme/runs", {"job": "backup reports"})
    assert refused.status_code == 409 and "no daemon of this machine is running" in refused.text
    assert console.post("/projects/acme/runs", {"job": "nothing"}).status_code == 400


def test_retention_is_simulated_for_a_day(console: ConsoleClient) -> None:
    now = text_of(console.get("/projects/acme/retention"))
    assert "0 snapshots would go" in now and "Nothing of the project is forgotten while a snapshot waits" in now
    later = console.get("/projects/acme/retention?on=2099-01-01")
    assert later.status_code == 200
    assert console.get("/projects/acme/retention?on=2001-01-01").status_code == 400
    assert console.get("/projects/acme/retention?on=nonsense").status_code == 400


def test_a_hold_is_placed_in_the_name_of_who_asks(console: ConsoleClient) -> None:
    assert console.post("/projects/acme/holds", {"kind": "reports", "period": "2024-05"}).status_code == 400
    form = {"kind": "reports", "period": "2024-05", "until": "2099-01-01", "reason": "a lawsuit"}
    placed = console.post("/projects/acme/holds", form)
    assert placed.status_code == 303 and placed.headers["location"].startswith("/projects/acme/holds?placed=")
    text = text_of(console.get("/projects/acme/holds"))
    assert "kind reports, period May 2024 a lawsuit olga (console)" in text


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Items that vanished: 12"), ("ru", "Пропало объектов: 12"), ("uk", "Зникло об’єктів: 12")]
)
def test_what_changed_in_a_flagged_snapshot_is_counted_in_words_of_the_language(desk: Desk, language: str, words: str) -> None:
    with console_of(desk, person("olga", Role.OPERATOR, projects=["acme"], language=language)) as console:
        text = text_of(console.get("/projects/acme/flagged"))
    assert words in text and "created" not in text and "attributes changed" not in text


def test_a_flagged_snapshot_is_looked_at_and_accepted_with_a_reason(console: ConsoleClient) -> None:
    page = console.get("/projects/acme/flagged")
    text = text_of(page)
    assert "reports/2024 20 0 0 12" in text
    snapshot = page.text.partition('name="snapshot" value="')[2].partition('"')[0]
    _its_hold_is_not_one_to_be_released(console, snapshot)
    assert console.post("/projects/acme/flagged", {"snapshot": snapshot, "reason": " "}).status_code == 400
    assert console.post("/projects/acme/flagged", {"reason": "moved"}).status_code == 400
    assert console.post("/projects/acme/flagged", {"snapshot": "nothing", "reason": "moved"}).status_code == 400
    assert console.post("/projects/acme/flagged", {"snapshot": snapshot, "reason": "moved"}).status_code == 303
    assert "No snapshot waits for acceptance." in text_of(console.get("/projects/acme/flagged"))
    ended = text_of(console.get("/projects/acme/holds"))
    assert f"ended the whole project the snapshot {snapshot} waits" in ended and "olga (console)" in ended and "moved" in ended


def _its_hold_is_not_one_to_be_released(console: ConsoleClient, snapshot: str) -> None:
    page = console.get("/projects/acme/holds")
    text = text_of(page)
    assert f"the snapshot {snapshot} waits for acceptance" in text and "It ends when the snapshot is accepted" in text
    assert links_of(page)["See here what changed, and accept it"] == "/projects/acme/flagged"
    (hold,) = (one for one in console.call("/projects/acme/holds").json()["holds"] if one["flagged"])
    assert hold["flagged"] == [snapshot] and hold["binds"] and f'name="hold" value="{hold["id"]}"' not in page.text
    refused = console.post("/projects/acme/holds/release", {"hold": hold["id"], "reason": "over"})
    assert refused.status_code == 400 and "accept the snapshot, and the hold ends" in text_of(refused)
    console.person = "vera"
    assert "See here what changed" not in console.get("/projects/acme/holds").text, "an auditor does not watch"
    console.person = "olga"


@pytest.mark.parametrize("path", ["watch", "runs", "flagged", "retention"])
def test_whoever_is_no_operator_of_all_of_a_project_gets_nothing(console: ConsoleClient, path: str) -> None:
    assert console.get(f"/projects/zarya/{path}").text == console.get(f"/projects/nothing/{path}").text
    for name in ("anna", "ivan"):
        console.person = name
        assert console.get(f"/projects/acme/{path}").status_code == 403, name
        for action in ("runs", "flagged", "holds"):
            form = {"job": "backup reports", "snapshot": "latest", "reason": "x"}
            assert console.post(f"/projects/acme/{action}", form).status_code == 403, (name, action)


def test_a_hold_is_released_once_a_second_person_has_approved_it(desk: Desk) -> None:
    with console_of(
        desk, person("olga", Role.OPERATOR), person("boris", Role.OPERATOR), person("anna", Role.VIEWER)
    ) as console:
        assert console.post("/projects/zarya/holds", {"reason": "a case"}).status_code == 303
        page = console.get("/projects/zarya/holds")
        hold = page.text.partition('name="hold" value="')[2].partition('"')[0]
        form = {"hold": hold, "reason": "the case is over"}
        release = "/projects/zarya/holds/release"
        asked = console.post(release, form).headers["location"]
        assert asked.startswith("/approvals/") and console.post(release, form).headers["location"] == asked
        assert "binds" in text_of(console.get("/projects/zarya/holds"))
        assert console.post(f"{asked}/decide", {"decision": "approve"}).status_code == 403
        console.person = "boris"
        assert console.post(f"{asked}/decide", {"decision": "approve"}).status_code == 303
        console.person = "olga"
        assert console.post(release, form).headers["location"] == "/projects/zarya/holds"
        assert "ended the whole project a case" in text_of(console.get("/projects/zarya/holds"))
        assert console.post(release, form).status_code == 400
        console.person = "anna"
        assert console.post(release, form).status_code == 403
