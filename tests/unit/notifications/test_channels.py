"""Letters through each way of telling people, to servers of our own; and that no secret is ever told."""

from __future__ import annotations

import email
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.policy import default
from types import ModuleType

import pytest
from msgspec.structs import replace

from policies.notifications import deadline
from policies.notifications.apprise import Apprise
from policies.notifications.channels import NotDelivered, PartlyDelivered
from policies.notifications.email import Email
from policies.notifications.healthchecks import Healthchecks
from policies.notifications.message import Line, Message
from policies.notifications.webhook import Webhook
from tests.support.sinks import mail_sink, web_sink
from vault.errors import SettingsError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BROKEN = Line("сдэк/reports", "rpo", "no success for 3 h, and 2 h are promised", "run it by hand", "critical")
MENDED = Line("mobifon", "frozen", "retention is frozen: x")
MESSAGE = Message("desk", NOW, (BROKEN,), (MENDED,))
TOKEN = "s3cr3t-t0ken-0123456789"


def mail(port: int, protection: str = "none") -> Email:
    return Email("127.0.0.1", port, protection, "strongroom@example.org", ("a@example.org", "b@example.org"))  # type: ignore[arg-type] # a word of the settings


def test_a_message_reads_back_as_it_was_written() -> None:
    assert Message.from_json(json.loads(json.dumps(MESSAGE.as_json()))) == MESSAGE


def test_a_subject_says_how_much_broke_and_what_was_mended() -> None:
    assert MESSAGE.subject == "Strongroom on desk: CRITICAL: 1 alert firing (сдэк/reports), 1 alert resolved (mobifon)"
    assert Message("desk", NOW, (BROKEN, BROKEN), ()).subject == "Strongroom on desk: CRITICAL: 2 alerts firing"


def test_a_letter_is_as_severe_as_the_worst_of_what_broke_and_says_so_of_each() -> None:
    late = replace(BROKEN, title="mobifon/calls", severity="warning")
    assert Message("desk", NOW, (late,), ()).subject.startswith("Strongroom on desk: WARNING: 1 alert firing")
    both = Message("desk", NOW, (late, BROKEN), ())
    assert both.subject.startswith("Strongroom on desk: CRITICAL: 2 alerts firing")
    assert "warning: FIRING  mobifon" in both.text() and "critical: FIRING  сдэк" in both.text()
    assert both.as_json()["severity"] == "critical" and [one["severity"] for one in both.as_json()["firing"]] == [
        "warning",
        "critical",
    ]
    assert Message("desk", NOW, (), (MENDED,)).severity == "" and "CRITICAL" not in Message("desk", NOW, (), (MENDED,)).subject


def test_a_letter_that_an_older_version_left_in_the_outbox_is_still_read() -> None:
    stored = MESSAGE.as_json()
    del stored["firing"], stored["resolved"]
    for one in (*stored["broken"], *stored["mended"]):
        del one["severity"]
    del stored["severity"]
    assert Message.from_json(stored).severity == "warning"


def test_a_letter_reaches_everybody_with_what_to_do() -> None:
    with mail_sink() as sink:
        mail(sink.port).send(MESSAGE)
    assert [line.split("<")[1].rstrip(">") for line in sink.recipients] == ["a@example.org", "b@example.org"]
    letter = email.message_from_bytes(sink.letters[0], policy=default)
    assert letter["Subject"] == MESSAGE.subject and letter["To"] == "a@example.org, b@example.org"
    text = letter.get_content()
    assert "FIRING  сдэк/reports: no success" in text and "what to do: run it by hand" in text and "resolved  mobifon" in text


def test_a_mail_server_that_refuses_or_is_not_there_is_told_in_a_sentence() -> None:
    with mail_sink("MAIL") as sink, pytest.raises(NotDelivered, match="refuses the mail"):
        mail(sink.port).send(MESSAGE)
    with pytest.raises(NotDelivered, match="no mail could be given"):
        mail(sink.port).send(MESSAGE)


def test_recipients_that_are_refused_are_named_and_the_others_get_the_letter_once() -> None:
    with mail_sink("b@example.org") as sink:
        with pytest.raises(PartlyDelivered, match=r"refuses the recipient b@example\.org \(code 550\)") as partly:
            mail(sink.port).send(MESSAGE)
        assert partly.value.left == ("b@example.org",) and len(sink.letters) == 1
        with pytest.raises(NotDelivered, match=r"refuses the recipient b@example\.org"):
            mail(sink.port).send(replace(MESSAGE, only=partly.value.left))
    assert len(sink.letters) == 1 and ["a@example.org" in line for line in sink.recipients] == [True]


@pytest.mark.parametrize("farewell", [b"421 too busy\r\n", b"", b"no such code\r\n"])
def test_a_letter_that_was_taken_is_told_whatever_the_server_says_at_the_end(farewell: bytes) -> None:
    with mail_sink() as sink:
        sink.farewell = farewell
        mail(sink.port).send(MESSAGE)
    assert len(sink.letters) == 1


def dripping(words: bytes) -> Iterator[int]:
    """A server that says these words, and a byte of nothing much again and again."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as one:
                one.sendall(words)
                while True:
                    one.sendall(b"x")
                    time.sleep(0.02)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join(10)
    assert not thread.is_alive(), "the connection has ended"


@pytest.mark.parametrize("protection", ["none", "starttls", "tls"])
def test_a_mail_server_that_drips_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch, protection: str) -> None:
    monkeypatch.setattr(deadline, "LONGEST", 0.3)
    begun = time.monotonic()
    for port in dripping(b"" if protection == "tls" else b"220-"):
        with pytest.raises(NotDelivered, match="no mail could be given"):
            mail(port, protection).send(MESSAGE)
    assert time.monotonic() - begun < 10


def test_a_web_server_that_drips_is_left_after_a_while_and_one_that_has_taken_it_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadline, "LONGEST", 0.3)
    for port in dripping(b"HTTP/1.1 "):
        with pytest.raises(NotDelivered, match="cannot be reached"):
            Webhook(lambda port=port: f"http://127.0.0.1:{port}/x").send(MESSAGE)  # type: ignore[misc] # a lambda with a default
    monkeypatch.setattr(deadline, "LONGEST", 30.0)
    begun = time.monotonic()
    for port in dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"):
        Webhook(lambda port=port: f"http://127.0.0.1:{port}/x").send(MESSAGE)  # type: ignore[misc] # a lambda with a default
    assert time.monotonic() - begun < 10


def test_a_server_without_the_protection_that_is_asked_for_gets_neither_password_nor_letter() -> None:
    with mail_sink() as sink, pytest.raises(NotDelivered):
        Email("127.0.0.1", sink.port, "starttls", "s@example.org", ("a@example.org",), "user", lambda: TOKEN).send(MESSAGE)
    assert sink.letters == []


def test_a_webhook_gets_the_message_as_json() -> None:
    with web_sink() as sink:
        Webhook(lambda: sink.url("/hook")).send(MESSAGE)
    (path, body), found = sink.posts[0], json.loads(sink.posts[0][1])
    assert path == "/hook" and found["broken"] == [BROKEN.as_json()] and found["text"] == MESSAGE.text()
    assert body.decode()


@pytest.mark.parametrize("answer", [302, 404, 500])
def test_a_url_that_is_a_secret_is_never_told(answer: int) -> None:
    with web_sink() as sink:
        sink.answers = [answer]
        with pytest.raises(NotDelivered, match=f"127.0.0.1 answers {answer}") as refused:
            Webhook(lambda: sink.url(f"/{TOKEN}")).send(MESSAGE)
    assert TOKEN not in f"{refused.value!r} {refused.value.__cause__!r}" and len(sink.posts) == 1
    with pytest.raises(NotDelivered, match="cannot be reached") as unreachable:
        Webhook(lambda: sink.url(f"/{TOKEN}")).send(MESSAGE)
    assert TOKEN not in f"{unreachable.value!r} {unreachable.value.__cause__!r}"


@pytest.mark.parametrize("text", ["", TOKEN, f"file:///etc/{TOKEN}", f"https://[{TOKEN}", f"http://127.0.0.1:9/{TOKEN} x"])
def test_what_is_no_url_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(NotDelivered) as refused:
        Webhook(lambda: text).send(MESSAGE)
    assert TOKEN not in str(refused.value)


def test_pings_tell_start_success_and_failure_apart() -> None:
    with web_sink() as sink:
        pings = Healthchecks(lambda: sink.url(f"/{TOKEN}/"))
        pings.start()
        pings.round([])
        pings.round(["sdek: late"])
    assert sink.posts == [(f"/{TOKEN}/start", b""), (f"/{TOKEN}", b""), (f"/{TOKEN}/fail", b"sdek: late")]


def test_without_apprise_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SettingsError, match="not installed"):
        Apprise(lambda: "tgram://token").send(MESSAGE)


def test_apprise_gets_every_url_and_its_failure_is_told_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with apprise's own three calls, as the package is an extra."""
    told: list[tuple[list[str], str]] = []

    class Fake:
        def __init__(self) -> None:
            self.urls: list[str] = []

        def add(self, url: str) -> bool:
            self.urls.append(url)
            return url != "nonsense"

        def notify(self, *, title: str, body: str) -> bool:
            told.append((self.urls, title + body[:0]))
            return "down://" not in self.urls

    module = ModuleType("apprise")
    module.Apprise = Fake  # type: ignore[attr-defined] # what the package has
    monkeypatch.setitem(sys.modules, "apprise", module)
    Apprise(lambda: "# ours\ntgram://token\n\nmailto://x\n").send(MESSAGE)
    assert told == [(["tgram://token", "mailto://x"], MESSAGE.subject)]
    for urls in ("nonsense", "down://"):
        with pytest.raises(NotDelivered) as refused:
            Apprise(lambda urls=urls: urls).send(MESSAGE)  # type: ignore[misc] # a lambda with a default
        assert urls not in str(refused.value)
