"""What a request is authorised with: put into headers, the query or the path, and into no message."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from vault.clock import Clock
from vault.errors import SourceError
from vault.hidden_fields import HidesFields
from vault.rate_limits import BUSY, RETRY_AFTER, http_moment, seconds_to_wait
from vault.source.rest import exact_json
from vault.source.rest.connections import Connections, CutShort, Origin, Request
from vault.source.rest.description import Auth

LARGEST_TOKEN_ANSWER = 1 << 20
RECOGNISED = 12
"""Characters from which on a secret is known within what an interface answers: a shorter one may be a word like others."""

PAUSES = (0.5, 2.0, 10.0, 60.0)
"""Seconds before a server that is busy is asked for a token again; the last is the most that it may ask to wait."""

EARLY = 60.0
"""Seconds before its end at which a token is renewed."""


class Credentials(HidesFields, frozen=True):
    """What the options of a source lead to.

    - `secret`: the password, token or key; with OAuth 2 the client's secret; None where there is none
    - `user`: with `basic` the user, with OAuth 2 the client's id
    - `refresh_token`: of OAuth 2 · `keep_refresh_token`: keeps a new one that the server gives in its place; None: there is
      nowhere to keep it
    """

    secret: str | None = None
    user: str = ""
    refresh_token: str | None = None
    keep_refresh_token: Callable[[str], None] | None = None


class Authorization:
    """Authorises requests to one interface."""

    def __init__(
        self,
        auth: Auth,
        credentials: Credentials,
        base: str,
        clock: Clock,
        certificates: str = "",
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        """base: of the interface · sleep: waits, where that of the clock would not do. Raises `SourceError` where a secret is
        missing."""
        self._auth, self._credentials, self._clock = auth, credentials, clock
        self._sleep = sleep or clock.sleep
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0
        self._refresh_token = credentials.refresh_token
        self._secret = credentials.secret or ""
        self._tokens: set[str] = set()
        self._forms: tuple[int, tuple[str, ...]] = (-1, ())
        self._known: tuple[int, tuple[bytes, ...]] = (-1, ())
        if auth.type != "none" and credentials.secret is None:
            raise SourceError("the interface needs a secret", hint="name it with the option password_file or password_command")
        if any(sign in self._secret for sign in "\r\n"):
            raise SourceError("the secret has a line break in it", hint="keep nothing else in its file")
        if auth.type == "oauth2":
            self._url = urljoin(base, auth.token_url)
            self._connections = Connections(Origin.of(self._url), certificates)

    @property
    def is_renewable(self) -> bool:
        """Whether another try with a new token may help."""
        return self._auth.type == "oauth2"

    def headers(self) -> dict[str, str]:
        """For a request. Raises `SourceError` where no token is given."""
        auth, secret = self._auth, self._secret
        if auth.basic_with_user and self._credentials.user:
            return {"Authorization": _basic(self._credentials.user, secret)}
        if auth.type == "bearer":
            return {"Authorization": f"Bearer {secret}"}
        if auth.type == "header":
            return {auth.name: f"{auth.prefix}{secret}"}
        if auth.type == "basic_key":
            return {"Authorization": _basic(secret, "X")}
        if auth.type == "basic":
            return {"Authorization": _basic(self._credentials.user, secret)}
        if auth.type == "oauth2":
            return {"Authorization": f"Bearer {self._current_token()}"}
        return {}

    def parameters(self) -> dict[str, str]:
        """For the query of a request."""
        return {self._auth.name: self._secret} if self._auth.type == "query" else {}

    def path(self) -> str:
        """Between the base and the path of a resource."""
        return f"{quote(self._secret, safe='')}/" if self._auth.type == "path" else ""

    def hide(self, text: str) -> str:
        """A text of others without the secrets that it may repeat."""
        for secret in self._written():
            if len(secret) > 3:
                text = text.replace(secret, "…")
        return text

    def without_secrets(self, line: bytes) -> bytes:
        """A record without the secrets that the interface may repeat in it, such as a key in the address of a file."""
        count, known = self._known
        if count != len(self._tokens):
            count = len(self._tokens)
            known = tuple(one.encode("utf-8", "surrogatepass") for one in self._written() if len(one) >= RECOGNISED)
            self._known = count, known
        for secret in known:
            if secret in line:
                line = line.replace(secret, "…".encode())
        return line

    def _written(self) -> tuple[str, ...]:
        """The secrets as they may stand in a text, long ones first."""
        count, forms = self._forms
        if count != len(self._tokens):
            count, plain = len(self._tokens), {self._secret, *self._tokens, self._refresh_token or ""} - {""}
            written = {form for one in plain for form in (one, quote(one, safe=""), quote(one), json.dumps(one)[1:-1])}
            if self._secret:
                pairs = ((self._credentials.user, self._secret), (self._secret, "X"))
                written |= {_basic(user, password).removeprefix("Basic ") for user, password in pairs}
            forms = tuple(sorted(written, key=lambda one: (-len(one), one)))
            self._forms = count, forms
        return forms

    def renew(self) -> None:
        """The token was refused."""
        with self._lock:
            self._until = 0.0

    def close(self) -> None:
        """Close the connection."""
        if self._auth.type == "oauth2":
            self._connections.close()

    def _current_token(self) -> str:
        with self._lock:
            if not self._token or self._clock.monotonic() >= self._until:
                self._token, lasts = self._new_token()
                self._tokens.add(self._token)
                self._until = self._clock.monotonic() + max(0.0, lasts - EARLY)
            return self._token

    def _new_token(self) -> tuple[str, float]:
        """A token, and the seconds for which it lasts."""
        auth, own = self._auth, self._credentials
        form: dict[str, str] = {"grant_type": auth.grant}
        if auth.grant == "refresh_token":
            if not self._refresh_token:
                raise SourceError(
                    "the interface needs a refresh token", hint="name its file with the option refresh_token_file"
                )
            form["refresh_token"] = self._refresh_token
        if auth.scope:
            form["scope"] = auth.scope
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if auth.client_parameters:
            form |= {"client_id": own.user, "client_secret": self._secret}
        else:
            headers["Authorization"] = _basic(own.user, self._secret)
        found = self._asked(urlencode(form).encode(), headers)
        token, lasts = exact_json.at(found, "access_token"), exact_json.at(found, "expires_in")
        if not isinstance(token, str) or not token or "\n" in token or "\r" in token:
            raise SourceError(f"{self._connections.origin.text} gives no token", hint="is token_url right?")
        self._keep(exact_json.at(found, "refresh_token"))
        try:
            return token, float(lasts or 3600)
        except (TypeError, ValueError):
            return token, 3600.0

    def _asked(self, body: bytes, headers: dict[str, str]) -> Any:  # noqa: ANN401 (as parsed)
        """The answer to a request for a token. A server that is busy is asked again; one that breaks off is not: it may have
        taken a refresh token that holds once."""
        connections, parts = self._connections, urlsplit(self._url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        where = connections.origin.text
        pauses = list(PAUSES)
        try:
            while True:
                sent = connections.send(Request("POST", target, headers, body))
                answer = connections.whole(sent, LARGEST_TOKEN_ANSWER)
                if sent.status not in BUSY or not pauses:
                    break
                now = http_moment(sent.header("Date")) or self._clock.now()
                self._sleep(max(pauses.pop(0), min(PAUSES[-1], seconds_to_wait(sent.header(RETRY_AFTER), now))))
        except (CutShort, OSError, http.client.HTTPException) as error:
            raise SourceError(f"{where} cannot be asked for a token: {type(error).__name__}", hint="try again later") from error
        if sent.status != 200:
            hint = "are the client's id and secret right, and has the refresh token not run out?"
            raise SourceError(f"{where} answers {sent.status} to the request for a token", hint=hint)
        try:
            return exact_json.parse(answer)
        except exact_json.NotJson as error:
            raise SourceError(f"{where} gives no token: {error}", hint="is token_url right?") from error

    def _keep(self, new: object) -> None:
        """A server may give another refresh token, and take the old one no more."""
        if not isinstance(new, str) or not new or new == self._refresh_token:
            return
        keep = self._credentials.keep_refresh_token
        if keep is None:
            raise SourceError(
                "the server gives another refresh token each time, and there is no file to keep it in",
                hint="name a file with the option refresh_token_file",
            )
        keep(new)
        self._tokens |= {self._refresh_token or "", new} - {""}
        self._refresh_token = new


def _basic(user: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"
