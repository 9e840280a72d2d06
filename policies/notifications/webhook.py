"""Telling by a POST of a JSON document."""

from __future__ import annotations

import json
from dataclasses import dataclass

from policies.notifications import http
from policies.notifications.channels import Secret
from policies.notifications.message import Message


@dataclass(frozen=True, slots=True)
class Webhook:
    """url: mostly a secret itself."""

    url: Secret

    @property
    def name(self) -> str:
        return "webhook"

    def send(self, message: Message) -> None:
        """Raises `NotDelivered`, `SettingsError`."""
        http.post(self.url(), json.dumps(message.as_json() | {"text": message.text()}, ensure_ascii=False).encode())
