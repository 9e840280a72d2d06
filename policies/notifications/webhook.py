"""Telling by a POST of a JSON document."""

from __future__ import annotations

import json

from msgspec import Struct

from policies.notifications import http
from policies.notifications.channels import Secret
from policies.notifications.message import Message


class Webhook(Struct, frozen=True):
    """url: mostly a secret itself."""

    url: Secret

    @property
    def name(self) -> str:
        return "webhook"

    def send(self, message: Message) -> None:
        """Raises `NotDelivered`, `SettingsError`."""
        http.post(self.url(), json.dumps(message.as_json() | {"text": message.text()}, ensure_ascii=False).encode())
