"""Passkeys: what counts as an answer, and everything else that somebody may send in its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from console.accounts.accounts import Accounts
from console.accounts.passkeys import HOLDS, LARGEST, MOST, CounterWentBack, Passkey, Site, site_of
from console.errors import LoginRefused
from tests.support.clock import StillClock
from tests.support.passkey_device import Device, data, text
from tests.unit.console.accounts.conftest import PASSWORD
from vault.errors import UsageError

SITE = Site("console.example", "https://console.example")
ELSEWHERE = "https://console.example.evil.example"
HOLDER = "a-session"


@pytest.fixture
def device(people: Accounts) -> Device:
    made = Device()
    registered(people, made)
    return made


def asked_to_register(people: Accounts, holder: str = HOLDER) -> str:
    account = people.local.get("anna")
    assert account is not None
    return people.passkeys.to_register(SITE, holder, "anna", account.title, account.created)


def registered(people: Accounts, device: Device, label: str = "telephone") -> Passkey:
    answer = device.create(asked_to_register(people), SITE.origin)
    return people.passkeys.register(answer, "anna", label, SITE, HOLDER)


def asked(people: Accounts, holder: str = HOLDER) -> str:
    return people.passkeys.to_sign_in(SITE, holder)


def whose(people: Accounts, answer: str, holder: str = HOLDER) -> str:
    return people.passkeys.verified(answer, "sign-in", SITE, holder).name


def changed(answer: str, **parts: Any) -> str:
    found = json.loads(answer)
    for name, value in parts.items():
        place = found["response"] if name in found["response"] else found
        place[name] = value
    return json.dumps(found)


def test_a_passkey_says_whose_it_is(people: Accounts, device: Device, clock: StillClock) -> None:
    clock.sleep(60)
    assert whose(people, device.get(asked(people), SITE.origin)) == "anna"
    (passkey,) = people.passkeys.of("anna")
    assert (passkey.label, passkey.used, passkey.doubted) == ("telephone", clock.now(), None)


def test_an_answer_counts_once_also_of_a_device_that_does_not_count(people: Accounts) -> None:
    device = Device()
    device.count = -1
    registered(people, device)
    answer = device.get(asked(people), SITE.origin, count=0)
    assert whose(people, answer) == "anna"
    with pytest.raises(LoginRefused, match="not accepted"):
        whose(people, answer)
    assert whose(people, device.get(asked(people), SITE.origin, count=0)) == "anna"


def test_a_question_is_the_browsers_that_got_it_and_for_what_it_was(people: Accounts, device: Device) -> None:
    for holder in ("another-session", ""):
        with pytest.raises(LoginRefused):
            whose(people, device.get(asked(people), SITE.origin), holder)
    with pytest.raises(LoginRefused):
        whose(people, device.get(asked(people, ""), SITE.origin), "")
    with pytest.raises(LoginRefused):
        people.passkeys.verified(device.get(asked(people), SITE.origin), "second-factor", SITE, HOLDER)
    with pytest.raises(LoginRefused):
        people.passkeys.register(device.create(asked_to_register(people, "another"), SITE.origin), "anna", "x", SITE, HOLDER)


def test_a_question_is_too_old_after_its_time(people: Accounts, device: Device, clock: StillClock) -> None:
    question = asked(people)
    clock.sleep(HOLDS - 1)
    assert whose(people, device.get(question, SITE.origin)) == "anna"
    question = asked(people)
    clock.sleep(HOLDS)
    with pytest.raises(LoginRefused, match="time") as refused:
        whose(people, device.get(question, SITE.origin))
    assert refused.value.again


WRONG: dict[str, Callable[[Device, str], str]] = {
    "of another origin": lambda device, question: device.get(question, ELSEWHERE),
    "without TLS": lambda device, question: device.get(question, "http://console.example"),
    "for another host": lambda device, question: device.get(question, SITE.origin, host="evil.example"),
    "the person not verified": lambda device, question: device.get(question, SITE.origin, verified=False),
    "nobody present": lambda device, question: device.get(question, SITE.origin, present=False),
    "another challenge": lambda device, question: device.get(question, SITE.origin, challenge=text(bytes(56))),
    "no challenge": lambda device, question: device.get(question, SITE.origin, challenge=""),
    "from within a frame of another site": lambda device, question: device.get(question, SITE.origin, crossOrigin=True),
    "of another sort": lambda device, question: device.get(question, SITE.origin, type="webauthn.create"),
    "signed by another key": lambda device, question: changed(
        device.get(question, SITE.origin),
        signature=json.loads(_other(device).get(question, SITE.origin))["response"]["signature"],
    ),
    "of a key that nobody has registered": lambda device, question: _stranger().get(question, SITE.origin),
    "with another name of the key": lambda device, question: changed(device.get(question, SITE.origin), id=text(b"x")),
    "without a signature": lambda device, question: changed(device.get(question, SITE.origin), signature=""),
    "cut off": lambda device, question: device.get(question, SITE.origin)[:-40],
    "with device's words cut off": lambda device, question: changed(
        device.get(question, SITE.origin), authenticatorData=text(bytes(36))
    ),
    "with extensions that never end": lambda device, question: changed(
        device.get(question, SITE.origin), authenticatorData=text(bytes(32) + b"\x85\0\0\0\x09" + b"\xbf" * 4000)
    ),
    "no base64": lambda device, question: changed(device.get(question, SITE.origin), clientDataJSON="§§§"),
    "not of its type": lambda device, question: changed(device.get(question, SITE.origin), signature=7),
    "too long": lambda device, question: changed(device.get(question, SITE.origin), more="x" * LARGEST),
    "nested deeply": lambda device, question: '{"more":' + "[" * 15_000,
    "nothing": lambda device, question: "",
    "no text": lambda device, question: "\ud800",
}


def _other(device: Device) -> Device:
    found = Device("other")
    for one in device.keys:
        found.create(json.dumps({"rp": {"id": SITE.host}, "challenge": ""}), SITE.origin)
        found.keys = {one: next(iter(found.keys.values()))}
    return found


def _stranger() -> Device:
    found = Device("stranger")
    found.create(json.dumps({"rp": {"id": SITE.host}, "challenge": ""}), SITE.origin)
    return found


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_true_answer_signs_nobody_in(people: Accounts, device: Device, wrong: str) -> None:
    with pytest.raises(LoginRefused, match="not accepted"):
        whose(people, WRONG[wrong](device, asked(people)))
    assert whose(people, device.get(asked(people), SITE.origin, count=1000)) == "anna", "the true one still does"


def test_as_a_second_factor_the_device_need_not_verify_its_person(people: Accounts, device: Device) -> None:
    question = people.passkeys.to_second_factor(SITE, HOLDER, "anna")
    assert [data(one["id"]) for one in json.loads(question)["allowCredentials"]] == list(device.keys)
    answer = device.get(question, SITE.origin, verified=False)
    assert people.passkeys.verified(answer, "second-factor", SITE, HOLDER).name == "anna"


def test_a_passkey_that_may_have_been_copied_signs_nobody_in_any_more(
    people: Accounts, device: Device, clock: StillClock
) -> None:
    assert whose(people, device.get(asked(people), SITE.origin, count=7)) == "anna"
    for count in (7, 3, 100):
        with pytest.raises(CounterWentBack):
            whose(people, device.get(asked(people), SITE.origin, count=count))
        clock.sleep(1)
    (passkey,) = people.passkeys.of("anna")
    assert passkey.doubted is not None and (clock.now() - passkey.doubted).total_seconds() == 3, "since it was first seen"


@pytest.mark.parametrize("fields", [{"origin": ELSEWHERE}, {"host": "evil.example"}, {"type": "webauthn.get"}])
def test_a_passkey_of_another_site_is_not_registered(people: Accounts, fields: dict[str, Any]) -> None:
    origin = fields.pop("origin", SITE.origin)
    with pytest.raises(LoginRefused):
        people.passkeys.register(Device().create(asked_to_register(people), origin, **fields), "anna", "x", SITE, HOLDER)
    assert people.passkeys.of("anna") == []


@pytest.mark.parametrize(
    "attested",
    [
        b"",
        b"\xa1",
        cbor2.dumps({"fmt": "none", "attStmt": {}}),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "text"}),
        cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": bytes(37)}),
        cbor2.dumps([1, 2]),
        b"\x9f" * 10_000,
        b"\x81" * 10_000,
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x68authData\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_bytes_that_are_no_attestation_are_refused(people: Accounts, attested: bytes) -> None:
    answer = Device().create(asked_to_register(people), SITE.origin)
    with pytest.raises(LoginRefused):
        people.passkeys.register(changed(answer, attestationObject=text(attested)), "anna", "x", SITE, HOLDER)


def test_what_a_device_says_of_its_maker_is_not_read(people: Accounts) -> None:
    answer = Device().create(asked_to_register(people), SITE.origin)
    said = cbor2.loads(data(json.loads(answer)["response"]["attestationObject"]))
    said |= {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"no signature", "x5c": [b"no certificate"]}}
    made = people.passkeys.register(changed(answer, attestationObject=text(cbor2.dumps(said))), "anna", "x", SITE, HOLDER)
    assert people.passkeys.of("anna") == [made]


def test_a_registration_counts_once_and_a_passkey_is_registered_once(people: Accounts) -> None:
    device = Device()
    answer = device.create(asked_to_register(people), SITE.origin)
    people.passkeys.register(answer, "anna", "telephone", SITE, HOLDER)
    with pytest.raises(LoginRefused):
        people.passkeys.register(answer, "anna", "again", SITE, HOLDER)
    again = Device().create(asked_to_register(people), SITE.origin)
    with pytest.raises(UsageError, match="already"):
        people.passkeys.register(again, "anna", "the same key", SITE, HOLDER)
    (excluded,) = json.loads(asked_to_register(people))["excludeCredentials"]
    assert data(excluded["id"]) in device.keys


@pytest.mark.parametrize("label", ["", " ", "x" * 101, "a\nb"])
def test_a_passkey_has_a_name(people: Accounts, label: str) -> None:
    with pytest.raises(UsageError, match="name"):
        registered(people, Device(), label)


def test_nobody_has_more_passkeys_than_a_person_needs(people: Accounts) -> None:
    for number in range(MOST):
        registered(people, Device(str(number)), f"number {number}")
    with pytest.raises(UsageError, match="20 passkeys already"):
        registered(people, Device("one more"))


def test_a_removed_passkey_signs_nobody_in(people: Accounts, device: Device) -> None:
    (passkey,) = people.passkeys.of("anna")
    people.local.add("boris", PASSWORD)
    assert people.passkeys.remove("boris", passkey.text) is None and people.passkeys.of("anna") == [passkey]
    assert people.passkeys.remove("anna", passkey.text) == passkey
    with pytest.raises(LoginRefused):
        whose(people, device.get(asked(people), SITE.origin))


def test_who_is_made_anew_is_another_one_for_devices(people: Accounts, device: Device, clock: StillClock) -> None:
    before = json.loads(asked_to_register(people))["user"]["id"]
    assert before == json.loads(asked_to_register(people))["user"]["id"] and "anna" not in data(before).decode("latin-1")
    people.local.remove("anna")
    clock.sleep(1)
    people.local.add("anna", PASSWORD)
    assert json.loads(asked_to_register(people))["user"]["id"] != before
    with pytest.raises(LoginRefused):
        whose(people, device.get(asked(people), SITE.origin))


def test_all_are_forgotten_with_the_second_factor_or_by_themselves(people: Accounts, device: Device) -> None:
    assert people.local.reset_passkeys("anna") == 1
    assert people.passkeys.of("anna") == [] and not people.passkeys.any()
    registered(people, Device("new"))
    people.local.reset_totp("anna")
    assert not people.passkeys.any()


@pytest.mark.parametrize(
    ("url", "asked_for", "site"),
    [
        ("https://Console.Example.org", "http://127.0.0.1:8440/", ("console.example.org", "https://console.example.org")),
        ("https://console.example.org:443/", "", ("console.example.org", "https://console.example.org")),
        ("https://console.example.org:8443", "", ("console.example.org", "https://console.example.org:8443")),
        (None, "http://localhost:8440/", ("localhost", "http://localhost:8440")),
        (None, "http://127.0.0.1:8440/", None),
        (None, "http://[::1]:8440/", None),
        ("https://192.0.2.7", "http://localhost/", None),
    ],
)
def test_the_site_is_the_one_of_the_settings_or_else_the_name_that_was_asked_for(
    url: str | None, asked_for: str, site: tuple[str, str] | None
) -> None:
    assert site_of(url, asked_for) == (None if site is None else Site(*site))
