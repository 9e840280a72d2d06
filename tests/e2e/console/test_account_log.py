"""Who signed in, who was refused, and what was done with accounts is in the signed log, and no secret is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx2 as httpx
import pytest

import strongroom
from console import server
from console.access.rights import Action
from console.accounts import accounts
from console.accounts.account_log import NOBODY, AccountLog
from console.accounts.passkeys import Site
from console.accounts.sessions import Identity
from console.recording import AccountRecorder, write_due
from console.state import ConsoleState
from strongroom import audit, settings
from strongroom.audit import LogSelection
from strongroom.audited_projects import AuditedProject
from strongroom.repository import Repository
from strongroom.settings.console import ConsoleSettings
from tests.support.console import CHEAP, text_of
from tests.support.console_login import FORM, PASSWORD, Browser, LoginConsole, login_console
from tests.support.console_process import running
from tests.support.desk import Desk, Place
from tests.support.passkey_device import Device
from tests.support.tree_facts import write_files
from vault.clock import SystemClock
from vault.errors import NoRepository
from vault.randomness import SystemRandomness

ROLES = [
    {"role": "administrator", "people": ["oleg"]},
    {"role": "auditor", "people": ["vera"]},
    {"role": "auditor", "people": ["ivan"], "projects": ["acme", "zarya"]},
]
OTHER = "four other good words"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    made = Desk(tmp_path_factory.mktemp("accounts") / "desk", Place("repository"))
    write_files(made.folder / "source", {"2024-05.csv": b"agent,calls\n"})
    made.init()
    made.add("acme", f"reports={made.folder / 'source'}")
    return made


@pytest.fixture
def console(desk: Desk) -> Iterator[LoginConsole]:
    with login_console(desk, roles=ROLES) as made:
        for name in ("anna", "oleg", "vera", "ivan"):
            made.accounts.local.add(name, PASSWORD)
        made.record()
        yield made


def signed_in(console: LoginConsole, name: str) -> Browser:
    browser = console.browser()
    assert browser.sign_in(name).status_code == 303
    return browser


def entries(console: LoginConsole, after: int = 0) -> list[dict[str, Any]]:
    """All that is in the log about accounts, of what was written from an entry on, as `audit show --json` has it."""
    with console.pool.lent() as repository:
        audited = [AuditedProject.of_project(one.stored) for one in repository.projects()]
        found = audit.read_log(repository.context, audited, LogSelection())
    assert not found.damage
    return [one.as_json() for one in found.entries if "account" in one.entry.what and one.entry.sequence > after]


def state_file(desk: Desk) -> Path:
    """Of the console that the command line starts."""
    with desk.surroundings([]):
        return server.state_file(settings.load(desk.settings))


def register_passkey(desk: Desk, name: str) -> None:
    state, site = ConsoleState(state_file(desk)), Site("console.example", "https://console.example")
    opened = accounts.opened(state, ConsoleSettings.model_construct, SystemClock(), SystemRandomness(), CHEAP)
    options = opened.passkeys.to_register(site, "a session", name, "", opened.local.all()[0].created)
    opened.passkeys.register(Device().create(options, site.origin), name, "telephone", site, "a session")
    state.close()


def newest(console: LoginConsole) -> int:
    return max(int(one["sequence"]) for one in entries(console))


def told(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["user"], one["action"], one["request"]["account"]


def test_signing_in_and_out_and_every_change_is_in_the_log_with_who_did_it(console: LoginConsole) -> None:
    before = newest(console)
    oleg, anna = signed_in(console, "oleg"), signed_in(console, "anna")
    oleg.send("/people", "/people", {"name": "boris", "title": "Boris", "groups": "managers"})
    oleg.send("/people", "/people/change", {"name": "boris", "what": "groups", "groups": "night shift"})
    oleg.send("/people", "/people/change", {"name": "boris", "what": "password"})
    oleg.send("/people", "/people/change", {"name": "boris", "what": "second-factor"})
    oleg.send("/people", "/people/change", {"name": "anna", "what": "sessions"})
    oleg.send("/people", "/people/change", {"name": "boris", "what": "remove"})
    assert anna.get("/account").status_code == 303
    anna = signed_in(console, "anna")
    anna.send("/account", "/account/password", {"old": PASSWORD, "new": OTHER, "again": OTHER})
    anna.send("/account", "/logout")
    assert console.record() == 11 and console.record() == 0
    found = entries(console, before)
    assert [told(one) for one in found] == [
        ("oleg", "sign-in", "oleg"),
        ("anna", "sign-in", "anna"),
        ("oleg", "account-add", "boris"),
        ("oleg", "account-groups", "boris"),
        ("oleg", "password-change", "boris"),
        ("oleg", "second-factor-reset", "boris"),
        ("oleg", "session-end", "anna"),
        ("oleg", "account-remove", "boris"),
        ("anna", "sign-in", "anna"),
        ("anna", "password-change", "anna"),
        ("anna", "sign-out", "anna"),
    ]
    assert all(one["program"].endswith(" console") and one["result"] == "ok" for one in found)
    first = found[0]["request"]
    assert (first["by"], first["address"]) == ("password", "203.0.113.5")
    assert not [one for one in (PASSWORD, OTHER) if one in str(found)]


def test_tokens_are_in_the_log_by_their_public_half(console: LoginConsole) -> None:
    before = newest(console)
    identity = Identity("vera", "Vera", frozenset(), "local")
    until = console.clock.now().replace(year=console.clock.now().year + 1)
    token = console.accounts.tokens.make(identity, "nightly", [Action.AUDIT], ["acme"], until)
    (made,) = console.accounts.tokens.of("vera")
    console.accounts.tokens.end(made.id)
    console.record()
    one, other = entries(console, before)
    assert told(one)[1:] == ("token-make", "vera") and told(other)[1:] == ("token-end", "vera")
    assert one["request"]["label"] == "nightly" and one["request"]["actions"] == ["audit"]
    assert token.partition(".")[2] not in str((one, other))


def test_hosts_that_are_let_in_are_in_the_log(console: LoginConsole) -> None:
    before, oleg = newest(console), signed_in(console, "oleg")
    until = (console.clock.now() + timedelta(days=30)).date().isoformat()
    made = oleg.send("/hosts", "/hosts", {"name": "night", "projects": "acme", "until": until})
    assert made.status_code == 200
    oleg.send("/hosts", "/hosts/end", {"name": "night"})
    console.record()
    told_ = [told(one) for one in entries(console, before)]
    assert told_[1:] == [("oleg", "host-add", "night"), ("oleg", "host-end", "night")]


def test_wrong_answers_are_one_entry_for_an_account_and_a_quarter_of_an_hour(console: LoginConsole) -> None:
    before = newest(console)
    browsers = [console.browser(f"203.0.113.{number}") for number in range(1, 21)]
    for browser in browsers:
        browser.sign_in("anna", "not the password")
        browser.sign_in(PASSWORD, "what was typed into the wrong field")
    assert console.record() == 0, "they are still counted"
    console.clock.sleep(900)
    assert console.record() == 2
    found = {one["request"]["account"]: one for one in entries(console, before)}
    assert found.keys() == {"anna", NOBODY}
    for one in found.values():
        assert (one["action"], one["result"], one["request"]["tries"]) == ("sign-in-refused", "refused", 20)
        assert len(one["request"]["addresses"]) == 10 and one["request"]["and_other_addresses"]
    assert PASSWORD not in str(found) and "not the password" not in str(found)


def test_what_happens_while_the_store_is_away_is_written_when_it_is_back(console: LoginConsole) -> None:
    before = newest(console)
    when = console.clock.now()
    browser = signed_in(console, "vera")

    def away() -> AbstractContextManager[Repository]:
        raise NoRepository("the store is away")

    with pytest.raises(NoRepository):
        write_due(console.accounts.log, away, console.state.file)
    assert "1 entry is not in the log yet" in text_of(browser.get("/prove/accounts"))
    console.clock.sleep(3600)
    assert console.record() == 1
    (one,) = entries(console, before)
    assert told(one) == ("vera", "sign-in", "vera") and one["began_at"] == when.isoformat()
    assert "not in the log yet" not in text_of(browser.get("/prove/accounts"))


def test_a_thread_of_the_console_writes_what_happens(console: LoginConsole) -> None:
    recorder = AccountRecorder(console.accounts.log, console.pool.lent, console.state.file)
    recorder.start()
    try:
        signed_in(console, "anna")
        until = monotonic() + 60
        while console.accounts.log.waiting() and monotonic() < until:
            sleep(0.05)
    finally:
        recorder.stop()
    assert console.accounts.log.waiting() == 0


def test_only_who_audits_everything_reads_the_log_of_accounts(console: LoginConsole) -> None:
    vera = signed_in(console, "vera")
    console.record()
    page = vera.get("/prove/accounts")
    assert page.status_code == 200 and "sign-in" in text_of(page) and "vera" in text_of(page)
    assert 'href="/prove/accounts"' in vera.get("/prove").text
    assert "0 entries" in text_of(vera.get("/prove/accounts?action=backup"))
    assert "account-add" not in text_of(vera.get("/prove/accounts?action=sign-in")).partition("What")[2]
    for name in ("ivan", "anna", "oleg"):
        browser = signed_in(console, name)
        assert browser.get("/prove/accounts").status_code == 403
        assert "/prove/accounts" not in browser.get("/prove").text
    assert vera.get("/api/v1/accounts/log?action=sign-in").json()["lines"]


def test_who_the_proxy_vouches_for_signs_in_with_the_first_request(desk: Desk) -> None:
    proxy = {"addresses": ["192.0.2.0/24"], "header": "X-Remote-User"}
    with login_console(desk, proxy=proxy, url="http://console.example", idle="30 min") as console:
        browser = console.browser("192.0.2.7")
        for _ in range(3):
            browser.get("/account", x_remote_user="maria")
        assert [one.action for one in console.accounts.log.due()] == ["sign-in"]
        console.clock.sleep(1800)
        browser.get("/account", x_remote_user="maria")
        assert [one.facts["by"] for one in console.accounts.log.due()] == ["proxy", "proxy"]


def test_the_command_line_says_who_changed_an_account(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    desk.call("console", "user", "add", "petro", "--password-file", str(file))
    try:
        register_passkey(desk, "petro")
        said = desk.call("console", "user", "passwd", "petro", "--password-file", str(file)).err
        assert "petro still signs in with 1 passkey" in said
        assert b"1 passkey of petro forgotten" in desk.call("console", "user", "reset-passkeys", "petro").out
        with desk.surroundings([]), strongroom.open_repository(desk.settings) as repository:
            audited = [AuditedProject.of_project(one.stored) for one in repository.projects()]
            found = audit.read_log(repository.context, audited, LogSelection())
        mine = [one.entry for one in found.entries if one.entry.what.get("account") == "petro"]
        assert [one.action for one in mine] == ["account-add", "passkey-add", "password-change", "passkey-remove"]
        by_command = [one for one in mine if one.action != "passkey-add"]
        assert all(one.who.user not in ("petro", "") and not one.who.program.endswith("console") for one in by_command)
        assert PASSWORD not in str(mine)
        store = desk.folder / "repository"
        store.rename(desk.folder / "away")
        try:
            assert "waits on this machine" in desk.call("console", "user", "groups", "petro", "--group", "x").err
        finally:
            (desk.folder / "away").rename(store)
    finally:
        desk.call("console", "user", "remove", "petro", "--yes")


@pytest.mark.slow
def test_a_sign_in_while_the_store_is_away_outlives_a_kill_of_the_console(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    desk.call("console", "user", "add", "dana", "--password-file", str(file))
    state = ConsoleState(state_file(desk))
    store, away = desk.folder / "repository", desk.folder / "away"
    store.rename(away)
    try:
        with running(desk) as console, httpx.Client(base_url=console.url) as client:
            found = FORM.search(client.get("/login").text)
            assert found is not None
            form = {"form": found[1], "name": "dana", "password": PASSWORD, "back": "/"}
            assert client.post("/login", data=form).status_code == 303
            console.process.kill()
    finally:
        away.rename(store)
    log = AccountLog(state, SystemClock())
    assert log.waiting() == 1
    with running(desk):
        until = monotonic() + 60
        while log.waiting() and monotonic() < until:
            sleep(0.05)
    state.close()
    shown = json.loads(desk.call("audit", "show", "--action", "sign-in", "--user", "dana", "--json").out)
    assert [one["request"]["by"] for one in shown["entries"]] == ["password"]
    desk.call("console", "user", "remove", "dana", "--yes")
