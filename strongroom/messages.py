"""Single messages to people, through the notification channels that the settings name.

    failures = send(settings.document.notify, message("boris asks for an approval", "…", host, now))

Alerts have an outbox of their own in the daemon. What is sent here is a courtesy: what it is about can be seen elsewhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vault.errors import StrongroomError

if TYPE_CHECKING:
    from policies.notifications.message import Message
    from strongroom.settings.notifications import NotifySettings

PROMISE = "message"
"""For programs: it is about no promise."""


def message(title: str, text: str, host: str, at: datetime) -> Message:
    """A message of one subject. host: whose it is."""
    from policies.notifications.message import Line, Message

    return Message(host, at, (), (), notes=(Line(title, PROMISE, text, "see the console"),))


def send(notify: NotifySettings, what: Message, to: str = "") -> list[StrongroomError]:
    """Send it by all channels. to: a mail address, which alone gets it, where there is a mail server. Takes as long as the
    channels do. Gives what could not be delivered, in words without secrets."""
    from policies.notifications.email import Email
    from strongroom.daemon_config import channels

    failures: list[StrongroomError] = []
    for channel in channels(notify):
        if to and not isinstance(channel, Email):
            continue
        try:
            (replace(channel, to=(to,)) if to and isinstance(channel, Email) else channel).send(what)
        except StrongroomError as error:
            failures.append(error)
    return failures
