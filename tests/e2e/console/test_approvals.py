"""What the settings ask a second person for waits until somebody else has approved it, with a reason, in time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from console.access.rights import Action, Role
from console.accounts import accounts
from console.limits import ConsoleLimits
from console.post import Write, no_readers
from console.state import ConsoleState
from console.texts import Texts
from strongroom.settings.console import ConsoleSettings
from tests.e2e.console.getting_back import REPORTS, acts, confirm, fetched, get_back, make_desk, plan, tick, until
from tests.support.clock import StillClock
from tests.support.console import CHEAP, ConsoleClient, console_of, person, text_of
from tests.support.console_login import PASSWORD
from tests.support.desk import Desk
from vault.clock import SystemClock
from vault.randomness import SystemRandomness

ANNA, BORIS = person("anna", Role.RESTORER, Role.EXPORTER), person("boris", Role.RESTORER, Role.EXPORTER)
EVE, VIEWER = person("eve", Role.RESTORER, projects=["parcelo"]), person("vera", Role.VIEWER)
NARROW = person("nina", Role.RESTORER, kinds=["tickets"])
BOTH = frozenset({Action.RESTORE_IN_PLACE, Action.EXPORT_PROJECT})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return make_desk(tmp_path_factory.mktemp("still"))


@pytest.fixture
def still(made_once: Desk) -> Desk:
    """One whose sources no test changes; the console begins anew."""
    shutil.rmtree(made_once.folder / "console", ignore_errors=True)
    return made_once


def asked(console: ConsoleClient, reason: str = "the client <asks> for it") -> str:
    """Somebody asks to have a folder back; gives the address of the task."""
    tick(console, folder="reports%2F2024", deleted="only")
    page = plan(console, "place")
    assert "A second person must approve this." in text_of(page)
    return confirm(console, page, reason=reason).headers["location"]


def request_of(console: ConsoleClient) -> str:
    """The address of the one request on somebody's page."""
    page = console.get("/approvals")
    (address,) = {part.split('"')[0] for part in page.text.split('href="/approvals/')[1:]}
    return f"/approvals/{address}"


def test_a_restore_waits_for_somebody_else_and_both_are_named_in_the_log(desk: Desk) -> None:
    with console_of(desk, ANNA, BORIS, approvals=BOTH) as console:
        task = asked(console)
        assert "waits for a second person" in text_of(console.get(task))
        address = request_of(console)
        own = console.post(f"{address}/decide", {"decision": "approve"})
        assert own.status_code == 403 and "nobody approves" in text_of(own)
        console.person = "boris"
        seen = text_of(console.get(address))
        assert "the client <asks> for it" in seen and "2 files" in seen and "reports/2024" in seen
        assert console.post(f"{address}/decide", {"decision": "approve", "note": "fine"}).headers["location"] == address
        assert console.post(f"{address}/decide", {"decision": "refuse"}).status_code == 403
        console.person = "anna"
        assert "Approved by boris" in text_of(until(console, task, "is done"))
    assert (desk.folder / "reports/2024/05.csv").read_bytes() == REPORTS["2024/05.csv"]
    assert [action for action, _ in acts(desk, "anna")] == ["ask-approval", "restore"]
    ((decided, what),) = acts(desk, "boris")
    assert (decided, what["asked_by"], what["note"]) == ("approve", "anna", "fine")
    assert acts(desk, "anna")[1][1]["approved_by"] == "boris"


def test_without_a_reason_nothing_is_asked_for_and_what_is_refused_is_not_done(desk: Desk) -> None:
    with console_of(desk, ANNA, BORIS, approvals=BOTH) as console:
        tick(console, folder="reports%2F2024", deleted="only")
        page = confirm(console, plan(console, "place"), reason="  ")
        assert page.status_code == 400 and "A reason is missing" in text_of(page)
        task = confirm(console, page, reason="please").headers["location"]
        console.person = "boris"
        address = request_of(console)
        assert console.post(f"{address}/decide", {"decision": "perhaps"}).status_code == 400
        console.post(f"{address}/decide", {"decision": "refuse", "note": "not now"})
        console.person = "anna"
        assert "was refused" in text_of(console.get(task)) and "not now" in text_of(console.get(task))
        assert console.post(f"{task}/again").status_code == 400
    assert not (desk.folder / "reports/2024").exists()
    assert [action for action, _ in acts(desk, "boris")] == ["refuse-approval"]


def test_only_who_may_do_it_with_all_of_it_may_approve_it(still: Desk) -> None:
    with console_of(still, ANNA, EVE, VIEWER, NARROW, approvals=BOTH) as console:
        asked(console)
        address = request_of(console)
        for name in ("eve", "vera", "nina"):
            console.person = name
            assert "Nobody waits for you" in text_of(console.get("/approvals"))
            assert console.get(address).status_code == 404
            assert console.post(f"{address}/decide", {"decision": "approve"}).status_code == 404
            assert console.post(f"{address}/withdraw").status_code == 404


def test_who_asked_may_take_it_back_and_a_cancelled_task_is_not_revived_by_an_approval(still: Desk) -> None:
    with console_of(still, ANNA, BORIS, approvals=BOTH) as console:
        task = asked(console)
        address = request_of(console)
        console.post(f"{task}/cancel")
        console.person = "boris"
        console.post(f"{address}/decide", {"decision": "approve"})
        console.person = "anna"
        assert "was cancelled" in text_of(console.get(task))
        task = asked(console)
        (other,) = {one for one in _addresses(console) if one != address}
        console.post(f"{other}/withdraw")
        assert "was refused" in text_of(console.get(task)) and "withdrawn" in text_of(console.get(other))
    assert not (still.folder / "reports/2024").exists()


def test_a_request_that_nobody_decides_in_time_is_over(still: Desk) -> None:
    clock = StillClock(SystemClock().now())
    with console_of(still, ANNA, BORIS, approvals=BOTH, clock=clock) as console:
        task = asked(console)
        address = request_of(console)
        clock.sleep(timedelta(days=1, seconds=1).total_seconds())
        console.person = "boris"
        assert "Nobody waits for you" in text_of(console.get("/approvals"))
        assert console.post(f"{address}/decide", {"decision": "approve"}).status_code == 403
        console.person = "anna"
        assert "expired" in text_of(console.get(address)) and "is done" not in text_of(console.get(task))
        assert "was refused" in text_of(console.get(task)) and "nobody has approved it in time" in text_of(console.get(task))


def test_requests_that_expired_are_in_nobodys_way(still: Desk) -> None:
    clock = StillClock(SystemClock().now())
    with console_of(still, ANNA, BORIS, approvals=BOTH, clock=clock, limits=ConsoleLimits(tasks_by_person=1)) as console:
        asked(console)
        clock.sleep(timedelta(days=1, seconds=1).total_seconds())
        assert "waits for a second person" in text_of(console.get(asked(console)))


def test_a_whole_project_waits_and_a_part_of_it_does_not(still: Desk) -> None:
    with console_of(still, ANNA, BORIS, approvals=BOTH) as console:
        tick(console, folder="reports", deleted="with")
        assert fetched(console, get_back(console, "download")).status_code == 200
        tick(console, folder="", deleted="with")
        task = confirm(console, plan(console, "download"), reason="the contract ends").headers["location"]
        assert "Download acme.zip" not in text_of(console.get(task))
        console.person = "boris"
        console.post(f"{request_of(console)}/decide", {"decision": "approve"})
        console.person = "anna"
        assert fetched(console, task).headers["content-type"] == "application/zip"


def _addresses(console: ConsoleClient) -> set[str]:
    return {f"/approvals/{part.split(chr(34))[0]}" for part in console.get("/approvals").text.split('href="/approvals/')[1:]}


class Letters:
    """What was told to whom, in English."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def tell(self, person: str, write: Write) -> None:
        self.told.append((person, write(Texts("en", ZoneInfo("UTC"))).subject))

    def tell_all(self, write: Write, readers: Callable[[], Iterable[str]] = no_readers) -> None:
        for one in ("the channels", *readers()):
            self.tell(one, write)


def test_those_who_may_decide_are_told_and_whoever_asked_hears_what_came_of_it(still: Desk) -> None:
    clock, post = StillClock(SystemClock().now()), Letters()
    persons = {
        one.name: one
        for one in (
            person("anna@example.org", Role.RESTORER),
            person("boris@example.org", Role.RESTORER),
            person("vera@example.org", Role.VIEWER),
        )
    }
    own = ConsoleState(still.folder / "console" / "console.sqlite")
    accounts_ = accounts.opened(own, ConsoleSettings.model_construct, clock, SystemRandomness(), CHEAP)
    for name in (*persons, "gone@example.org"):
        accounts_.local.add(name, PASSWORD)
    own.close()
    with console_of(still, *persons.values(), clock=clock, approvals=BOTH, post=post, people=persons.get) as console:
        task = asked(console)
        subject = "anna@example.org asks for an approval in acme"
        assert post.told == [("the channels", subject), ("boris@example.org", subject)]
        clock.sleep(timedelta(days=1).total_seconds())
        page = until(console, task, "was refused")
        assert "nobody has approved it in time" in text_of(page)
    assert post.told[2:] == [("anna@example.org", "Your request in acme has expired")]
