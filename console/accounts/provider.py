"""An OpenID Connect provider: what it says of itself, its keys, and its answer to a code. Everything is bounded and checked."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from console.errors import LoginRefused, ProviderFailed

if TYPE_CHECKING:
    from strongroom.settings.console import OpenIdSettings
    from vault.clock import Clock

ANSWERS_WITHIN = 10.0
LARGEST = 1 << 20
"""Bytes of an answer."""
KEPT = 3600.0
"""Seconds for which what it says of itself is believed; its keys are asked for again sooner where one is unknown."""
KEYS_AT_MOST_EVERY = 60.0
CLOCKS_DIFFER = 60
ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512", "Ed25519", "EdDSA")
"""Signatures with a key of the provider's own. None by a shared secret, and never none at all."""
_AGAIN = "sign in again; if it stays, ask whoever administers the console"


class Provider:
    """See this module's text."""

    def __init__(self, settings: OpenIdSettings, clock: Clock) -> None:
        self.settings = settings
        self.issuer = settings.issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None

    def authorization(self) -> str:
        """Where browsers go. Raises `ProviderFailed`."""
        return self._endpoint("authorization_endpoint")

    def claims(self, code: str, verifier: str, redirect_uri: str, nonce: str, now: datetime) -> Mapping[str, Any]:
        """What it says of the person for whom it gave a code, all of it checked. Raises `LoginRefused`, `ProviderFailed`."""
        answer = self._answer_to(code, verifier, redirect_uri)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderFailed("the provider's answer has no identity in it", hint=_AGAIN)
        claims = self._checked(token, nonce, now)
        if self.settings.name_claim not in claims and isinstance(answer.get("access_token"), str):
            more = self._about(answer["access_token"])
            if more.get("sub") == claims["sub"]:
                return {**more, **claims}
        return claims

    def _answer_to(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self.settings.secret_file is not None:
            secret = _first_line(self.settings.secret_file)
            if "client_secret_basic" in self._about_itself().get(
                "token_endpoint_auth_methods_supported", ["client_secret_basic"]
            ):
                pair = f"{quote(self.settings.client_id, safe='')}:{quote(secret, safe='')}"
                headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = secret
        return _asked(
            self._endpoint("token_endpoint"), headers, urlencode(form).encode(), refused="the provider did not sign you in"
        )

    def _checked(self, token: str, nonce: str, now: datetime) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError

        claims: dict[str, Any] = self._verified(token)
        registry = jwt.JWTClaimsRegistry(
            int(now.timestamp()),
            CLOCKS_DIFFER,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise LoginRefused(f"the provider's answer does not hold: {error}", hint=_AGAIN) from error
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self.settings.client_id) != self.settings.client_id:
            raise LoginRefused("the provider's answer is for another client", hint=_AGAIN)
        return claims

    def _verified(self, token: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        for fresh in (False, True):
            try:
                keys = KeySet.import_key_set(self._key_set(fresh=fresh))  # type: ignore[arg-type]
                return dict(jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims)
            except (JoseError, ValueError, TypeError, KeyError) as error:
                if fresh:
                    raise LoginRefused("the provider's signature does not hold", hint=_AGAIN) from error
        raise LoginRefused("the provider's signature does not hold", hint=_AGAIN)

    def _about(self, access_token: str) -> dict[str, Any]:
        if "userinfo_endpoint" not in self._about_itself():
            return {}
        return _asked(self._endpoint("userinfo_endpoint"), {"authorization": f"Bearer {access_token}"})

    def _endpoint(self, name: str) -> str:
        found = self._about_itself().get(name)
        if not isinstance(found, str):
            raise ProviderFailed(f"the provider does not say its {name}", hint="is issuer in [console.openid] right?")
        _require_protected(found)
        return found

    def _about_itself(self) -> dict[str, Any]:
        with self._lock:
            if self._known is None or self._clock.monotonic() - self._known[0] > KEPT:
                found = _asked(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration", {})
                if found.get("issuer") != self.issuer:
                    raise ProviderFailed(
                        "the provider calls itself otherwise than the settings", hint="is issuer in [console.openid] right?"
                    )
                self._known = self._clock.monotonic(), found
            return self._known[1]

    def _key_set(self, *, fresh: bool) -> dict[str, Any]:
        address = self._endpoint("jwks_uri")
        with self._lock:
            age = None if self._keys is None else self._clock.monotonic() - self._keys[0]
            if self._keys is None or age is None or age > (KEYS_AT_MOST_EVERY if fresh else KEPT):
                self._keys = self._clock.monotonic(), _asked(address, {})
            return self._keys[1]


def _asked(address: str, headers: Mapping[str, str], body: bytes | None = None, *, refused: str = "") -> dict[str, Any]:
    """A JSON object. refused: said of an answer 4xx, where that is the person's matter. Nobody is followed elsewhere."""
    _require_protected(address)
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=ANSWERS_WITHIN)
        try:
            target = f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"
            connection.request("GET" if body is None else "POST", target, body, dict(headers))
            response = connection.getresponse()
            data = response.read(LARGEST + 1)
            status = response.status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise ProviderFailed(f"the provider at {parts.hostname} does not answer: {error}", hint="try again later") from error
    if refused and 400 <= status < 500:
        raise LoginRefused(refused, hint=_AGAIN)
    if status != 200 or len(data) > LARGEST:
        raise ProviderFailed(f"the provider at {parts.hostname} answers with {status}", hint="try again later")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProviderFailed(f"the provider at {parts.hostname} answers with no JSON", hint=_AGAIN) from error
    if not isinstance(found, dict):
        raise ProviderFailed(f"the provider at {parts.hostname} answers with no JSON object", hint=_AGAIN)
    return found


def _require_protected(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        raise ProviderFailed("the provider names an address without HTTPS", hint="is issuer in [console.openid] right?")


def _first_line(file: Path) -> str:
    try:
        return file.read_text("utf-8").splitlines()[0].strip()
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise ProviderFailed("the client's secret cannot be read", hint=f"look at {file}") from error
