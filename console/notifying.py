"""A `console.post.Post` over the notification channels of the settings: one person by e-mail, everybody by all of them."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from strongroom import context, daemon_config
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from policies.notifications.channels import Channel
    from policies.notifications.message import Message
    from strongroom.settings.notifications import NotifySettings
    from vault.clock import Clock

_log = logging.getLogger("strongroom.console")

MOST_WAITING = 1000
"""Messages that wait for a slow server of mail; further ones are only on the pages."""


class ChannelPost:
    """See this module's text. notify: the settings' table as it is now · url: of the console."""

    def __init__(self, notify: Callable[[], NotifySettings], clock: Clock, url: str) -> None:
        self._notify = notify
        self._clock = clock
        self._url = url
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._deliver, name="notifications", daemon=True)
        self._thread.start()

    def tell(self, person: str, subject: str, text: str) -> None:
        """Tell a person who signs in with an address of mail; the others read it on the pages."""
        if "@" in person:
            self._put(lambda: self._send(self._mail_to(person), subject, text))

    def tell_all(self, subject: str, text: str) -> None:
        """Tell whoever the channels reach."""
        self._put(lambda: self._send(daemon_config.channels(self._notify()), subject, text))

    def close(self) -> None:
        """Deliver what waits, within the time that a channel has."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(DELIVER_WITHIN)

    def _put(self, work: Callable[[], None]) -> None:
        try:
            self._waiting.put_nowait(work)
        except queue.Full:
            _log.warning("a notification is left out: %d wait already", MOST_WAITING)

    def _deliver(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                work()
            except StrongroomError as error:
                _log.warning("a notification was not delivered: %s", error)

    def _mail_to(self, person: str) -> Iterable[Channel]:
        from policies.notifications.email import Email

        return [replace(one, to=(person,)) for one in daemon_config.channels(self._notify()) if isinstance(one, Email)]

    def _send(self, channels: Iterable[Channel], subject: str, text: str) -> None:
        message = self._message(subject, text)
        for channel in channels:
            try:
                channel.send(message)
            except StrongroomError as error:
                _log.warning("a notification was not delivered: %s", error)

    def _message(self, subject: str, text: str) -> Message:
        from policies.notifications.message import Line, Message

        note = Line(subject, "console", text, f"open {self._url}")
        return Message(context.services().host, self._clock.now(), (), (), notes=(note,))


DELIVER_WITHIN = 20.0
"""Seconds."""
