"""Who sent a request: a token in its header, the proxy in front, or a session's cookie; and what they have been given."""

from __future__ import annotations

import hashlib
import hmac
import threading
from typing import TYPE_CHECKING

from console.access import assignments
from console.access.rights import Person
from console.accounts import cookies, proxy
from console.accounts.account_log import SIGN_IN, acting_as
from console.accounts.sessions import Identity
from console.accounts.tables import words
from console.visit import Caller
from strongroom.settings import durations

if TYPE_CHECKING:
    from starlette.requests import Request

    from console.access.rights import Limit
    from console.accounts.accounts import Accounts
    from vault.clock import Clock
    from vault.randomness import Randomness

BEARER = "bearer "
MOST_PROXIED = 10_000
"""People of a proxy who are remembered."""


class RequestAuthenticator:
    """See `console.visit.Authenticator`. secure: whether people reach the console by HTTPS."""

    def __init__(self, accounts: Accounts, randomness: Randomness, clock: Clock, *, secure: bool) -> None:
        self._accounts = accounts
        self._clock = clock
        self._lock = threading.Lock()
        self._proxied: dict[str, float] = {}
        self._secure = secure
        self._key = randomness.token(32)

    def caller(self, request: Request) -> Caller | None:
        """Who sent it. A token that is wrong is nobody, whatever else the request has. Raises `StateError`."""
        settings = self._accounts.settings()
        address = proxy.address(settings.proxy, request)
        sent = request.headers.get("authorization", "")
        if sent.lower().startswith(BEARER):
            return self._by_token(sent[len(BEARER) :].strip(), address)
        at_proxy = proxy.identity(settings.proxy, request)
        if at_proxy is not None:
            self._note_proxied(at_proxy.name, address)
            token = words(hmac.digest(self._key, at_proxy.name.encode(), hashlib.sha256))
            return Caller(self._person(at_proxy), "proxy", address, token, way="proxy")
        secret = request.cookies.get(cookies.name(cookies.SESSION, secure=self._secure), "")
        return self._by_session(secret, address) if secret else None

    def person_named(self, name: str) -> Person | None:
        """Somebody as they are now, who does not ask; None where nobody has vouched for them lately."""
        account = self._accounts.local.get(name)
        if account is not None:
            return self._person(Identity(account.name, account.title, frozenset(account.groups), "local"))
        sessions = sorted(self._accounts.sessions.of(name), key=lambda one: one.created)
        now = [identity for one in sessions if (identity := self._as_now(one.identity)) is not None]
        return self._person(now[-1]) if now else None

    def _note_proxied(self, name: str, address: str) -> None:
        """A proxy's people have no sessions here: the first request after a pause is their signing in."""
        now, pause = self._clock.monotonic(), durations.read(self._accounts.settings().idle).total_seconds()
        with self._lock:
            before = self._proxied.pop(name, None)
            self._proxied[name] = now  # the newest last
            if len(self._proxied) > MOST_PROXIED:
                del self._proxied[next(iter(self._proxied))]
        if before is None or now - before >= pause:
            with acting_as(name, "console"):
                self._accounts.log.note(SIGN_IN, name, by="proxy", address=address)

    def _by_token(self, sent: str, address: str) -> Caller | None:
        token = self._accounts.tokens.find(sent)
        if token is None:
            return None
        identity = self._as_now(token.identity)
        if identity is None:
            return None
        return Caller(self._person(identity, token.limit), "token", address, way=identity.way)

    def _by_session(self, secret: str, address: str) -> Caller | None:
        session = self._accounts.sessions.find(secret)
        if session is None:
            return None
        identity = self._as_now(session.identity)
        if identity is None:
            return None
        return Caller(self._person(identity), "session", address, session.csrf, session.id, identity.way)

    def _as_now(self, identity: Identity) -> Identity | None:
        """A local account as it is at this moment; None where it is gone. What others vouch for holds as they said it, and no
        longer than they are asked."""
        settings = self._accounts.settings()
        if identity.way == "local":
            account = self._accounts.local.get(identity.name)
            return None if account is None else Identity(account.name, account.title, frozenset(account.groups), "local")
        return identity if (settings.openid if identity.way == "openid" else settings.proxy) is not None else None

    def _person(self, identity: Identity, limit: Limit | None = None) -> Person:
        settings = self._accounts.settings()
        given = assignments.of(settings, identity.name, identity.groups)
        if settings.second_factor and identity.way == "local":
            account = self._accounts.local.get(identity.name)
            if account is None or not (account.has_totp or account.passkeys):
                given = ()
        language = self._accounts.preferences.language(identity.name)
        return Person(identity.name, identity.title, identity.groups, given, language, limit)
