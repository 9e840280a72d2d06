"""Sessions end by age, by idleness and by somebody's wish; tokens by their day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from console.access.rights import Action
from console.accounts.accounts import Accounts
from console.accounts.sessions import MOST, Identity
from tests.support.clock import StillClock
from vault.errors import UsageError

ANNA = Identity("anna", "Anna", frozenset({"managers"}), "local")
HOUR = 3600.0


def test_a_session_ends_an_hour_after_its_last_request(people: Accounts, clock: StillClock) -> None:
    cookie = people.sessions.begin(ANNA, "192.0.2.7", "a browser")
    clock.sleep(HOUR - 1)
    assert people.sessions.find(cookie) is not None
    clock.sleep(HOUR - 1)
    assert people.sessions.find(cookie) is not None
    clock.sleep(HOUR)
    assert people.sessions.find(cookie) is None


def test_a_session_ends_twelve_hours_after_it_began_however_it_is_used(people: Accounts, clock: StillClock) -> None:
    cookie = people.sessions.begin(ANNA, "192.0.2.7", "a browser")
    for _ in range(23):
        clock.sleep(HOUR / 2)
        assert people.sessions.find(cookie) is not None
    clock.sleep(HOUR / 2)
    assert people.sessions.find(cookie) is None and people.sessions.of() == []


def test_every_session_has_secrets_of_its_own(people: Accounts) -> None:
    cookies = [people.sessions.begin(ANNA, "192.0.2.7", "") for _ in range(3)]
    sessions = [people.sessions.find(one) for one in cookies]
    assert len({one.csrf for one in sessions if one} | set(cookies)) == 6


def test_an_id_signs_nobody_in(people: Accounts) -> None:
    people.sessions.begin(ANNA, "192.0.2.7", "")
    (session,) = people.sessions.of("anna")
    assert people.sessions.find(session.id) is None


def test_nobody_ends_a_session_of_another_person(people: Accounts) -> None:
    cookie = people.sessions.begin(ANNA, "192.0.2.7", "")
    (session,) = people.sessions.of("anna")
    assert not people.sessions.end(session.id, "ivan") and people.sessions.find(cookie) is not None
    assert people.sessions.end(session.id, "anna") and people.sessions.find(cookie) is None


def test_one_person_has_a_bounded_number_of_sessions(people: Accounts, clock: StillClock) -> None:
    first = people.sessions.begin(ANNA, "192.0.2.7", "")
    for _ in range(MOST):
        clock.sleep(1)
        people.sessions.begin(ANNA, "192.0.2.7", "")
    assert len(people.sessions.of("anna")) == MOST and people.sessions.find(first) is None


def token(people: Accounts, clock: StillClock, days: float = 1) -> str:
    until = clock.now() + timedelta(days=days)
    return people.tokens.make(ANNA, "for a script", [Action.SEE], ["parcelo"], until)


def test_a_token_holds_until_its_end(people: Accounts, clock: StillClock) -> None:
    sent = token(people, clock)
    found = people.tokens.find(sent)
    assert found is not None and found.identity == ANNA and found.limit.projects == ("parcelo",)
    clock.sleep(24 * HOUR)
    assert people.tokens.find(sent) is None and people.tokens.of() == []


def test_a_token_that_is_only_nearly_right_is_none(people: Accounts, clock: StillClock) -> None:
    sent = token(people, clock)
    other = token(people, clock)
    head, _, secret = sent.partition(".")
    for wrong in ("", "x", head, f"{head}.", f"{head}.{other.partition('.')[2]}", sent + "x", sent.removeprefix("strongroom_")):
        assert people.tokens.find(wrong) is None, wrong
    assert people.tokens.find(f"{head}.{secret}") is not None


def test_a_token_ends_within_a_year_and_is_for_something(people: Accounts, clock: StillClock) -> None:
    for days in (-1, 0, 400):
        with pytest.raises(UsageError, match="within a year"):
            token(people, clock, days)
    with pytest.raises(UsageError, match="something"):
        people.tokens.make(ANNA, "x", [], ["*"], clock.now() + timedelta(days=1))


def test_nobody_ends_a_token_of_another_person(people: Accounts, clock: StillClock) -> None:
    sent = token(people, clock)
    found = people.tokens.find(sent)
    assert found is not None
    assert not people.tokens.end(found.id, "ivan") and people.tokens.find(sent) is not None
    assert people.tokens.end(found.id, "anna") and people.tokens.find(sent) is None
