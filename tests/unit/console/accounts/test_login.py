"""Signing in: two steps where there are two, nothing said of who exists, and longer waits with each wrong answer."""

from __future__ import annotations

import logging

import pytest

from console.accounts import totp
from console.accounts.accounts import Accounts
from console.accounts.login import Client
from console.errors import LoginRefused, TooManyTries
from tests.support.clock import StillClock
from tests.unit.console.accounts.conftest import PASSWORD
from tests.unit.console.accounts.test_local import set_up_totp

HERE = Client("192.0.2.7", "a browser")


def wrong(people: Accounts, name: str = "anna", client: Client = HERE) -> None:
    with pytest.raises(LoginRefused):
        people.login.password(name, "not the password", "/", client)


def test_the_right_password_begins_a_session(people: Accounts) -> None:
    answer = people.login.password("anna", PASSWORD, "/projects/acme", HERE)
    session = people.sessions.find(answer.session)
    assert session is not None and session.identity.name == "anna" and answer.back == "/projects/acme"
    assert (session.address, session.agent) == ("192.0.2.7", "a browser")


def test_a_name_that_does_not_exist_is_refused_in_the_same_words(people: Accounts) -> None:
    said = []
    for name in ("anna", "nobody"):
        with pytest.raises(LoginRefused) as caught:
            people.login.password(name, "not the password", "/", HERE)
        said.append((str(caught.value), caught.value.hint))
    assert said[0] == said[1]


def test_with_a_second_factor_the_password_alone_begins_nothing(people: Accounts, clock: StillClock) -> None:
    secret = set_up_totp(people, clock)
    answer = people.login.password("anna", PASSWORD, "/x", HERE)
    assert not answer.session and people.sessions.of() == []
    with pytest.raises(LoginRefused, match="the code is wrong"):
        people.login.code(answer.step, "000000", HERE)
    clock.sleep(30)
    done = people.login.code(answer.step, totp.code(secret, int(clock.now().timestamp()) // 30), HERE)
    assert people.sessions.find(done.session) is not None and done.back == "/x"
    clock.sleep(30)
    with pytest.raises(LoginRefused, match="too much time"):  # the step was used
        people.login.code(answer.step, totp.code(secret, int(clock.now().timestamp()) // 30), HERE)


def test_the_second_step_ends_after_five_minutes_or_five_codes(people: Accounts, clock: StillClock) -> None:
    secret = set_up_totp(people, clock)
    late = people.login.password("anna", PASSWORD, "/", HERE)
    clock.sleep(300)
    with pytest.raises(LoginRefused, match="too much time"):
        people.login.code(late.step, totp.code(secret, int(clock.now().timestamp()) // 30), HERE)
    guessed = people.login.password("anna", PASSWORD, "/", HERE)
    for number in range(5):
        with pytest.raises((LoginRefused, TooManyTries)):
            people.login.code(guessed.step, f"00000{number}", Client(f"198.51.100.{number}", ""))
    with pytest.raises(LoginRefused, match="too many codes"):
        people.login.code(guessed.step, totp.code(secret, int(clock.now().timestamp()) // 30), Client("198.51.100.9", ""))


def test_each_wrong_answer_makes_the_next_one_wait_longer(people: Accounts, clock: StillClock) -> None:
    for _ in range(5):
        wrong(people)
    waits = []
    for _ in range(12):
        with pytest.raises(TooManyTries) as caught:
            people.login.password("anna", PASSWORD, "/", HERE)
        waits.append(caught.value.wait)
        clock.sleep(caught.value.wait)
        wrong(people)
    assert waits[:4] == pytest.approx([1, 2, 4, 8]) and waits[-1] == pytest.approx(900)
    clock.sleep(900)
    assert people.login.password("anna", PASSWORD, "/", HERE).session
    wrong(people)  # and all is forgiven: the next one is looked at at once
    wrong(people)


def test_somebody_elses_wrong_answers_do_not_lock_a_person_out(people: Accounts) -> None:
    for _ in range(5):
        wrong(people)
    with pytest.raises(TooManyTries):
        people.login.password("anna", PASSWORD, "/", HERE)
    assert people.login.password("anna", PASSWORD, "/", Client("203.0.113.5", "")).session


def test_one_address_that_tries_many_names_waits_as_well(people: Accounts) -> None:
    for number in range(30):
        wrong(people, f"name{number}")
    with pytest.raises(TooManyTries):
        people.login.password("another", "x", "/", HERE)


def test_many_addresses_that_try_one_name_wait_as_well_and_not_for_long(people: Accounts, clock: StillClock) -> None:
    for number in range(100):
        people.throttle.failed("anna", f"198.51.100.{number}")
    for _ in range(10):
        people.throttle.failed("anna", "198.51.100.200")
    assert 0 < people.throttle.wait("anna", "203.0.113.5") <= 60


def test_addresses_of_one_network_of_ipv6_count_as_one(people: Accounts) -> None:
    for number in range(5):
        people.throttle.failed("anna", f"2001:db8::{number}")
    assert people.throttle.wait("anna", "2001:db8::ffff") > 0
    assert people.throttle.wait("anna", "2001:db8:0:1::1") == 0


def test_nothing_that_is_typed_is_logged(people: Accounts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LoginRefused):
        people.login.password("my-password-in-the-wrong-field", "another secret", "/", HERE)
    people.login.password("anna", PASSWORD, "/", HERE)
    assert "somebody unknown was refused" in caplog.text and "anna signed in" in caplog.text
    for secret in ("my-password-in-the-wrong-field", "another secret", PASSWORD):
        assert secret not in caplog.text
