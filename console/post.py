"""Telling people outside of the console's pages: one person by e-mail in their language, everybody by the channels of the
settings in the language of these. What is told is written in `console.letters`."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from msgspec.structs import replace

from strongroom import daemon_config, environment
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from console.texts import Texts
    from policies.notifications.channels import Channel
    from policies.notifications.message import Message
    from strongroom.settings.notifications import NotifySettings
    from vault.clock import Clock

_log = logging.getLogger("strongroom.console")

MOST_WAITING = 1000
"""Messages that wait for a slow server of mail; further ones are only on the pages."""
DELIVER_WITHIN = 20.0
"""Seconds."""


class Letter(Struct, frozen=True):
    """What is told, in one language. path: of the page of the console about it."""

    subject: str
    text: str
    path: str


Write = Callable[["Texts"], Letter]
"""A letter in the language of whoever reads it."""


def no_readers() -> Iterable[str]:
    """Nobody but the channels."""
    return ()


class Post(Protocol):
    """A way to people. It is called from threads of the console, must be quick, and raises nothing."""

    def tell(self, person: str, write: Write) -> None:
        """Tell one person, if there is a way to them. person: as they sign in."""
        ...

    def tell_all(self, write: Write, readers: Callable[[], Iterable[str]] = no_readers) -> None:
        """Tell whoever the notification channels reach. readers: names of persons whom it concerns, each in their language."""
        ...


class NoPost:
    """Sends nothing; all of it is on the pages."""

    def tell(self, person: str, write: Write) -> None:
        """Nothing."""

    def tell_all(self, write: Write, readers: Callable[[], Iterable[str]] = no_readers) -> None:
        """Nothing."""


class ChannelPost:
    """Over the channels of the settings, in a thread of its own. notify: the settings' table as it is now · url: of the
    console · texts_of: the language of a person by name, of the channels by ""."""

    def __init__(self, notify: Callable[[], NotifySettings], clock: Clock, url: str, texts_of: Callable[[str], Texts]) -> None:
        self._notify = notify
        self._clock = clock
        self._url = url.rstrip("/")
        self._texts_of = texts_of
        self._waiting: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._deliver, name="notifications", daemon=True)
        self._thread.start()

    def tell(self, person: str, write: Write) -> None:
        """Tell a person who signs in with an address of mail; the others read it on the pages."""
        if "@" in person:
            self._put(lambda: self._send(self._mail_to(person), person, write))

    def tell_all(self, write: Write, readers: Callable[[], Iterable[str]] = no_readers) -> None:
        """See `Post`. Who gets the mails of the settings anyway is not told twice."""

        def work() -> None:
            channels = daemon_config.channels(self._notify())
            self._send(channels, "", write)
            mail = self._notify().email
            for person in readers():
                if "@" in person and (mail is None or person not in mail.to):
                    self._send(self._mail_to(person), person, write)

        self._put(work)

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

    def _send(self, channels: Iterable[Channel], person: str, write: Write) -> None:
        message = self._message(self._texts_of(person), write)
        for channel in channels:
            try:
                channel.send(message)
            except StrongroomError as error:
                _log.warning("a notification was not delivered: %s", error)

    def _message(self, texts: Texts, write: Write) -> Message:
        from policies.notifications.message import Line, Message

        letter, now, host = write(texts), self._clock.now(), environment.services().host
        page = f"{self._url}{letter.path}"
        text = f"{letter.text}\n\n{page}\n\n-- \nStrongroom, {host}, {texts.moment(now, 'long')}\n"
        note = Line(letter.subject, "console", letter.text, page)
        return Message(host, now, (), (), notes=(note,), own_subject=letter.subject, own_text=text)
