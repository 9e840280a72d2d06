"""People are told by the notification channels: one by their own mail address alone, all by all channels."""

from __future__ import annotations

import json
import logging

import pytest

from console.channel_post import ChannelPost, address_of_name
from strongroom.settings.notifications import NotifySettings
from tests.support.sinks import mail_sink, web_sink
from vault.clock import SystemClock


def settings(**tables: object) -> NotifySettings:
    return NotifySettings.model_validate(tables)


def mail_server(port: int) -> dict[str, object]:
    return {"host": "127.0.0.1", "port": port, "tls": "none", "from": "strongroom@example.org", "to": ["ops@example.org"]}


def test_one_person_is_told_by_their_own_address_and_nobody_else() -> None:
    with mail_sink() as mails, web_sink() as web:
        post = ChannelPost(
            lambda: settings(email=mail_server(mails.port), webhook={"url": web.url("/hook")}), "desk", SystemClock()
        )
        post.tell("anna@example.com", "your restore in acme: done", "3 files are back.")
        post.tell("ivan", "never sent: there is no address", "x")
        post.close()
    assert len(mails.letters) == 1 and web.posts == [] and mails.recipients == ["rcpt TO:<anna@example.com>"]


def test_requests_are_told_by_all_channels() -> None:
    with mail_sink() as mails, web_sink() as web:
        post = ChannelPost(
            lambda: settings(email=mail_server(mails.port), webhook={"url": web.url("/hook")}), "desk", SystemClock()
        )
        post.tell_all("anna asks for an approval in acme", "Their reason: the client asks")
        post.close()
    assert len(mails.letters) == 1 and "the client asks" in json.dumps(json.loads(web.posts[0][1]))


def test_a_channel_that_fails_is_logged_and_keeps_no_other_message_back(caplog: pytest.LogCaptureFixture) -> None:
    with web_sink() as web, caplog.at_level(logging.WARNING, "strongroom.console"):
        post = ChannelPost(lambda: settings(email=mail_server(1), webhook={"url": web.url("/hook")}), "desk", SystemClock())
        post.tell_all("one", "x")
        post.tell_all("two", "x")
        post.close()
    assert len(web.posts) == 2 and len(caplog.messages) == 2


@pytest.mark.parametrize(
    ("person", "address"),
    [
        ("anna@example.com", "anna@example.com"),
        ("anna", ""),
        ("@example.com", ""),
        ("anna@localhost", ""),
        ("a@b.c, ops@example.org", ""),
        ("x\ny@example.org", ""),
        ("<a@b.c>", ""),
    ],
)
def test_a_name_is_an_address_only_where_it_is_nothing_else(person: str, address: str) -> None:
    assert address_of_name(person) == address
