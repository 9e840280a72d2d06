"""How an IMAP server is reached, and who logs in."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from vault.hidden_fields import HidesFields

CONNECTIONS = 4
"""At the same time, where the settings say nothing: many servers allow ten of one user, whose own programs want some."""


class ImapAddress(HidesFields, frozen=True):
    """How a server is reached.

    - `secure`: TLS from the first byte; else STARTTLS, and without TLS on this machine alone
    - `secret`: gives the password, or the OAuth 2 access token, for each login anew: a token may have been renewed meanwhile
    - `is_token`: the secret is an access token
    - `certificates`: a file of certificate authorities that are trusted; empty for the system's
    - `connections`: at most so many at the same time
    """

    host: str
    port: int
    secure: bool = True
    user: str = ""
    secret: Callable[[], str] = str
    is_token: bool = False
    certificates: str = ""
    connections: int = CONNECTIONS

    @property
    def text(self) -> str:
        """For people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'imaps' if self.secure else 'imap'}://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine, so that nobody can listen on the way."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
