"""What every way of telling people has in common.

To add one: a class with `send`, its table in `strongroom.settings.notifications`, and its making in
`strongroom.daemon_config.channels`. What is sent is made in `message`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from policies.notifications.message import Message
from vault.errors import StrongroomError

Secret = Callable[[], str]
"""Gives a password or a URL when it is needed. Raises `SettingsError` where it cannot be had."""

TIMEOUT = 20.0
"""Seconds for whatever is asked over the network."""


class NotDelivered(StrongroomError):
    """A message could not be delivered; it says so without any secret."""


class PartlyDelivered(NotDelivered):
    """Some have got it. left: those who have not."""

    def __init__(self, message: str, left: Sequence[str]) -> None:
        super().__init__(message)
        self.left = tuple(left)


class Channel(Protocol):
    """A channel that reaches people. name: as in the settings."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> None:
        """Deliver it, on a thread of its own. Raises `NotDelivered`, `SettingsError`."""
        ...
