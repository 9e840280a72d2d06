"""An OpenID Connect provider that we own, over loopback: it signs in whom a test names, and lies where a test wants it to.

with openid_provider(randomness) as provider:
    provider.claims = {"sub": "1", "email": "anna@example.org", "email_verified": True}
    url = …                               where the console sends the browser
    provider.sign_in(url)                 where the provider sends it back
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT, SECRET = "console", "a secret of the client's"


@cache
def key_named(kid: str) -> RSAKey:
    """A key of the provider's; made once, as that takes long."""
    return RSAKey.generate_key(2048, {"kid": kid})


class OpenIdProvider:
    """claims: of whom it signs in · change: of the claims, right before they are signed · forge: makes the token in its place ·
    seen: forms that came for codes, with their headers."""

    def __init__(self, issuer: str, now: Callable[[], float]) -> None:
        self.issuer = issuer
        self.claims: dict[str, Any] = {}
        self.change: Callable[[dict[str, Any]], object] = lambda claims: None
        self.forge: Callable[[dict[str, Any]], str] = self.signed
        self.about: dict[str, Any] = {}
        self.seen: list[tuple[dict[str, str], Mapping[str, str]]] = []
        self.key = key_named("first")
        self._now = now
        self._codes: dict[str, dict[str, str]] = {}

    def sign_in(self, url: str) -> str:
        """What the provider does with a browser that the console has sent: the address to which it goes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def signed(self, claims: dict[str, Any]) -> str:
        """As it should be."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def new_key(self) -> None:
        """From now on another one."""
        self.key = key_named("second")

    def answer(self, path: str, form: dict[str, str], headers: Mapping[str, str]) -> tuple[int, object]:
        """To a request of the console's."""
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.about,
            }
        if path == "/keys":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        if path == "/token":
            return self._token(form, headers)
        return 404, {}

    def _token(self, form: dict[str, str], headers: Mapping[str, str]) -> tuple[int, object]:
        self.seen.append((form, headers))
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if asked is None or challenge.decode() != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(self._now())
        claims = {
            "iss": self.issuer,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        self.change(claims)
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.forge(claims)}


def unsigned(claims: dict[str, Any]) -> str:
    """A token that nobody has signed."""
    parts = [json.dumps({"alg": "none"}), json.dumps(claims)]
    return ".".join(base64.urlsafe_b64encode(one.encode()).rstrip(b"=").decode() for one in parts) + "."


def signed_with_the_secret(claims: dict[str, Any]) -> str:
    """A token that anybody can sign who knows the client's secret."""
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET.encode().ljust(32, b"x")))


@contextmanager
def openid_provider(now: Callable[[], float]) -> Iterator[OpenIdProvider]:
    """On a free port. now: seconds since 1970."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
            self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, document = provider.answer(urlsplit(self.path).path, form, dict(self.headers.items()))
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = OpenIdProvider(f"http://127.0.0.1:{server.server_port}", now)
        thread = threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
