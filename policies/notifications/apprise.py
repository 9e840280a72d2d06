"""Telling by whatever apprise knows: chats, telephones, a hundred services. It is an extra: `pip install
strongroom[apprise]`."""

from __future__ import annotations

import importlib

from msgspec import Struct

from policies.notifications.channels import NotDelivered, Secret
from policies.notifications.message import Message
from vault.errors import SettingsError


class Apprise(Struct, frozen=True):
    """urls: one a line; they bear secrets."""

    urls: Secret

    @property
    def name(self) -> str:
        return "apprise"

    def send(self, message: Message) -> None:
        """Raises `NotDelivered`, `SettingsError`."""
        try:
            library = importlib.import_module("apprise")
        except ImportError as error:
            raise SettingsError(
                "[notify.apprise] needs a package that is not installed", hint="pip install 'strongroom[apprise]'"
            ) from error
        notifier = library.Apprise()
        lines = [line.strip() for line in self.urls().splitlines()]
        for number, url in enumerate(line for line in lines if line and not line.startswith("#")):
            if not notifier.add(url):
                raise NotDelivered(f"apprise does not understand the URL number {number + 1}")
        if not notifier.notify(title=message.subject, body=message.text()):
            raise NotDelivered("apprise could not deliver the message to all of its URLs")
