"""Local accounts: what is kept of a password, what counts as one, and one-time passwords that count once."""

from __future__ import annotations

import pytest

from console.accounts import totp
from console.accounts.accounts import Accounts
from console.accounts.sessions import Identity
from console.state import ConsoleState
from tests.support.clock import StillClock
from tests.unit.console.accounts.conftest import PASSWORD
from vault.errors import UsageError


def identity(name: str = "anna") -> Identity:
    return Identity(name, name.title(), frozenset({"managers"}), "local")


def set_up_totp(people: Accounts, clock: StillClock) -> bytes:
    secret = people.local.new_totp("anna")
    assert people.local.confirm_totp("anna", totp.code(secret, int(clock.now().timestamp()) // 30))
    return secret


def test_a_password_is_the_accounts_or_it_is_not(people: Accounts) -> None:
    assert people.local.has_password("anna", PASSWORD)
    assert not people.local.has_password("anna", PASSWORD + "x")
    assert not people.local.has_password("nobody", PASSWORD)
    assert not people.local.has_password("anna", "x" * 100_000)


def test_nothing_that_is_stored_is_a_password_a_cookie_or_a_token(people: Accounts, state: ConsoleState) -> None:
    cookie = people.sessions.begin(identity(), "192.0.2.7", "a browser")
    stored = b"".join(file.read_bytes() for file in state.file.parent.iterdir() if file.is_file())
    assert b"$argon2id$" in stored
    for secret in (PASSWORD, cookie):
        assert secret.encode() not in stored


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "annaannaanna", "x" * 2000])
def test_a_password_that_is_easy_to_guess_is_refused(people: Accounts, password: str) -> None:
    with pytest.raises(UsageError, match="the password"):
        people.local.set_password("anna", password)


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "x" * 101, "ann/a", "<b>"])
def test_a_name_is_a_word(people: Accounts, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        people.local.add(name, PASSWORD)


def test_a_name_is_given_once(people: Accounts) -> None:
    with pytest.raises(UsageError, match="already"):
        people.local.add("anna", PASSWORD)


def test_another_password_ends_all_sessions_but_the_one_that_changed_it(people: Accounts) -> None:
    here, there = (people.sessions.begin(identity(), "192.0.2.7", "") for _ in range(2))
    session = people.sessions.find(here)
    assert session is not None
    people.local.set_password("anna", "four other good words", keep_session=session.id)
    assert people.sessions.find(here) is not None and people.sessions.find(there) is None
    assert not people.local.has_password("anna", PASSWORD)


def test_what_is_removed_is_gone_with_its_sessions(people: Accounts) -> None:
    cookie = people.sessions.begin(identity(), "192.0.2.7", "")
    people.local.remove("anna")
    assert people.sessions.find(cookie) is None and people.local.all() == []
    with pytest.raises(UsageError, match="no account"):
        people.local.remove("anna")


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_one_time_passwords_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert totp.code(b"12345678901234567890", seconds // 30) == code


def test_a_code_counts_once_and_only_around_its_time(people: Accounts, clock: StillClock) -> None:
    secret = set_up_totp(people, clock)
    step = int(clock.now().timestamp()) // 30
    assert not people.local.has_code("anna", totp.code(secret, step)), "it was used to set it up"
    assert people.local.has_code("anna", totp.code(secret, step + 1))
    assert not people.local.has_code("anna", totp.code(secret, step + 1))
    clock.sleep(300)
    assert not people.local.has_code("anna", totp.code(secret, step + 2))
    fresh = totp.code(secret, step + 10)
    assert people.local.has_code("anna", f"{fresh[:3]} {fresh[3:]}")


def test_a_new_secret_counts_from_its_first_code_on(people: Accounts, clock: StillClock) -> None:
    people.local.new_totp("anna")
    account = people.local.get("anna")
    assert account is not None and not account.has_totp
    assert not people.local.confirm_totp("anna", "000000")
    set_up_totp(people, clock)
    account = people.local.get("anna")
    assert account is not None and account.has_totp


def test_a_lost_telephone_is_forgotten(people: Accounts, clock: StillClock) -> None:
    set_up_totp(people, clock)
    cookie = people.sessions.begin(identity(), "192.0.2.7", "")
    people.local.reset_totp("anna")
    account = people.local.get("anna")
    assert account is not None and not account.has_totp and people.sessions.find(cookie) is None
