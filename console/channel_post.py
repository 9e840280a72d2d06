"""Telling people through the notification channels of the settings, by a thread of its own: nobody waits for a mail server.

What cannot be delivered is logged and given up: everything that is told is on the pages, too. A queue that is full takes no
more.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from strongroom.messages import message, send

if TYPE_CHECKING:
    from policies.notifications.message import Message
    from strongroom.settings.notifications import NotifySettings
    from vault.clock import Clock

_log = logging.getLogger("strongroom.console")

MOST_WAITING = 200
PATIENCE = 30.0
"""Seconds that what waits gets when the console ends."""


def address_of_name(person: str) -> str:
    """Many sign in by their mail address, which their provider has verified; of others none is known."""
    name, at, host = person.rpartition("@")
    return person if at and name and "." in host and person.isprintable() and not set(person) & set(' ,;<>"\\') else ""


class ChannelPost:
    """A `console.post.Post`. notify: the table [notify] as it is now · host: whose messages these are · address_of: the mail
    address of a person; "" where there is none."""

    def __init__(
        self, notify: Callable[[], NotifySettings], host: str, clock: Clock, address_of: Callable[[str], str] = address_of_name
    ) -> None:
        self._notify = notify
        self._host = host
        self._clock = clock
        self._address_of = address_of
        self._queue: queue.Queue[tuple[Message, str] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._serve, name="post", daemon=True)
        self._thread.start()

    def tell(self, person: str, subject: str, text: str) -> None:
        """See `console.post.Post`."""
        address = self._address_of(person)
        if address:
            self._put(subject, text, address)

    def tell_all(self, subject: str, text: str) -> None:
        """See `console.post.Post`."""
        self._put(subject, text, "")

    def close(self) -> None:
        """Send what waits, and end."""
        self._queue.put(None)
        self._thread.join(PATIENCE)

    def _put(self, subject: str, text: str, to: str) -> None:
        try:
            self._queue.put_nowait((message(subject, text, self._host, self._clock.now()), to))
        except queue.Full:
            _log.warning("a message was not sent: %d wait already", MOST_WAITING)

    def _serve(self) -> None:
        while (waiting := self._queue.get()) is not None:
            try:
                for failure in send(self._notify(), *waiting):
                    _log.warning("a message could not be sent: %s", failure)
            except Exception as error:  # noqa: BLE001 (one message must not keep the next ones from being sent)
                _log.warning("a message could not be sent: %s", type(error).__name__)
