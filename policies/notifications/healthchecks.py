"""Pings as healthchecks.io takes them: whoever hears none for a while raises the alert, also when this machine is gone.

URL/start    the daemon has begun
URL          every promise is kept
URL/fail     one is broken; the body says which
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from policies.notifications import http
from policies.notifications.channels import Secret


class Healthchecks(Struct, frozen=True):
    """url: of the check."""

    url: Secret

    def start(self) -> None:
        """Raises `NotDelivered`, `SettingsError`, as all of these do."""
        self._ping("/start", "")

    def round(self, firing: Sequence[str]) -> None:
        """firing: a line for each promise that is."""
        self._ping("/fail" if firing else "", "\n".join(firing))

    def _ping(self, suffix: str, body: str) -> None:
        http.post(f"{self.url().rstrip('/')}{suffix}", body.encode(), "text/plain; charset=utf-8")
