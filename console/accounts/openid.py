"""OpenID Connect: the authorization code flow with PKCE. The provider vouches for a person; what it says is checked: signature,
issuer, audience, times, nonce; and that the answer is to a question of this very browser.

A name belongs to the first subject that came with it: whoever gets an address of somebody else later is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from msgspec import Struct

from console.accounts import provider
from console.accounts.sessions import Identity
from console.accounts.tables import digest, words
from console.errors import LoginRefused, NotThere
from console.texts import marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from console.accounts.provider import Provider
    from console.state import ConsoleState
    from strongroom.settings.console import ConsoleSettings, OpenIdSettings
    from vault.clock import Clock
    from vault.randomness import Randomness

TRY_HOLDS = 600.0
LONGEST_NAME = 200
MOST_GROUPS = 500
BACK = "/login/openid/back"
_AGAIN = marked("sign in again from the login page")


class Try(Struct, frozen=True):
    """A login that begins. url: of the provider, to which the browser goes · cookie: by which it is known again."""

    url: str
    cookie: str


class OpenId:
    """Sends browsers to the provider of the settings, and takes them back."""

    def __init__(
        self, state: ConsoleState, settings: Callable[[], ConsoleSettings], clock: Clock, randomness: Randomness
    ) -> None:
        self._state = state
        self._settings = settings
        self._clock = clock
        self._randomness = randomness
        self._lock = threading.Lock()
        self._provider: Provider | None = None

    def begin(self, back: str) -> Try:
        """back: the page that was asked for first. Raises `NotThere`, `ProviderFailed`."""
        settings = self._own()
        endpoint = self._found(settings).authorization()
        cookie, nonce, verifier = (words(self._randomness.token(32)) for _ in range(3))
        now = self._clock.now().timestamp()
        with self._state.transaction() as database:
            database.execute("DELETE FROM openid_try WHERE created < ?", (now - TRY_HOLDS,))
            database.execute("INSERT INTO openid_try VALUES (?, ?, ?, ?, ?)", (digest(cookie), nonce, verifier, back, now))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": self._redirect_uri(),
            "scope": " ".join(settings.scopes),
            "state": cookie,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return Try(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked, quote_via=quote)}", cookie)

    def finish(self, answer: Mapping[str, str], cookie: str) -> tuple[Identity, str]:
        """Who has come back, and to which page they go. answer: the query · cookie: the browser's. Raises `LoginRefused`,
        `NotThere`, `ProviderFailed`."""
        settings = self._own()
        if not cookie or not hmac.compare_digest(answer.get("state", "").encode(), cookie.encode()):
            raise LoginRefused("this login was not begun by this browser", hint=_AGAIN)
        with self._state.transaction() as database:
            row = database.execute("SELECT * FROM openid_try WHERE id = ?", (digest(cookie),)).fetchone()
            database.execute("DELETE FROM openid_try WHERE id = ?", (digest(cookie),))
        if row is None or self._clock.now().timestamp() - row["created"] >= TRY_HOLDS:
            raise LoginRefused("this login was begun too long ago, or has been used", hint=_AGAIN)
        found = self._found(settings)
        if answer.get("iss", found.issuer) != found.issuer or "code" not in answer:
            raise LoginRefused("the provider did not sign you in", hint=_AGAIN)
        claims = found.claims(answer["code"], row["verifier"], self._redirect_uri(), row["nonce"], self._clock.now())
        identity = _identity(settings, claims)
        self._bind(found.issuer, str(claims["sub"]), identity.name)
        return identity, str(row["back"])

    def _bind(self, issuer: str, subject: str, name: str) -> None:
        with self._state.transaction() as database:
            if database.execute("SELECT 1 FROM account WHERE name = ?", (name,)).fetchone() is not None:
                raise LoginRefused(
                    f"{name} is the name of a local account", hint="sign in with its password, or have that account removed"
                )
            others = database.execute(
                "SELECT 1 FROM vouched WHERE name = ? AND NOT (issuer = ? AND subject = ?)", (name, issuer, subject)
            ).fetchone()
            if others is not None:
                raise LoginRefused(
                    f"{name} belongs to somebody else whom the provider named so before",
                    hint=f"whoever administers the console may run `strongroom console user remove {name}` first",
                )
            database.execute("INSERT OR REPLACE INTO vouched VALUES (?, ?, ?)", (issuer, subject, name))

    def _own(self) -> OpenIdSettings:
        found = self._settings().openid
        if found is None:
            raise NotThere("there is no such page", hint="go back to the beginning")
        return found

    def _redirect_uri(self) -> str:
        return f"{(self._settings().url or '').rstrip('/')}{BACK}"

    def _found(self, settings: OpenIdSettings) -> Provider:
        with self._lock:
            if self._provider is None or self._provider.settings != settings:
                self._provider = provider.Provider(settings, self._clock)
            return self._provider


def _identity(settings: OpenIdSettings, claims: Mapping[str, Any]) -> Identity:
    name = claims.get(settings.name_claim)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise LoginRefused(f"the provider says no name for you: it gives no claim {settings.name_claim!r}", hint=_AGAIN)
    if settings.name_claim == "email" and claims.get("email_verified") is not True:
        raise LoginRefused("the provider has not verified your e-mail address", hint="verify it there, and sign in again")
    title = claims.get("name")
    groups = claims.get(settings.groups_claim)
    named = [one for one in groups if isinstance(one, str)][:MOST_GROUPS] if isinstance(groups, list) else []
    return Identity(
        name, title[:LONGEST_NAME] if isinstance(title, str) and title.isprintable() else name, frozenset(named), "openid"
    )
