"""A device with passkeys, in software: ES256 keys, and what browsers send of it. It answers truly, unless told otherwise.

    device = Device()
    made = device.create(options, "https://console.example")
    answer = device.get(options, "https://console.example", verified=False)

The words of the browser (the origin) and of the device (that it verified its person, its counter) are parameters: a test
can have either lie.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.randomness import SeededChance

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Device:
    """Counts its answers over all its keys, as most do."""

    def __init__(self, seed: str = "device") -> None:
        self.keys: dict[bytes, ec.EllipticCurvePrivateKey] = {}
        self.count = 0
        self._chance = SeededChance(seed)

    def create(self, options: str, origin: str, *, verified: bool = True, host: str | None = None, **client: Any) -> str:
        """A new key's answer. host: in place of that of the question · client: fields of the browser's words."""
        asked = json.loads(options)
        id_, key = self._chance.token(32), ec.generate_private_key(ec.SECP256R1())
        self.keys[id_] = key
        public = key.public_key().public_numbers()
        coordinates = {-2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        credential = bytes(16) + len(id_).to_bytes(2, "big") + id_ + cbor2.dumps({1: 2, 3: -7, -1: 1, **coordinates})
        said = (
            _of_device(host or asked["rp"]["id"], PRESENT | ATTESTED | (VERIFIED if verified else 0), self._next()) + credential
        )
        words = _of_browser("webauthn.create", asked["challenge"], origin, client)
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": said})
        return _answer(id_, {"clientDataJSON": text(words), "attestationObject": text(attested)})

    def get(
        self,
        options: str,
        origin: str,
        *,
        verified: bool = True,
        present: bool = True,
        host: str | None = None,
        count: int | None = None,
        key: bytes | None = None,
        **client: Any,
    ) -> str:
        """An answer with one of its keys. key: which; else the one that was asked for, or the newest · count: in place of the
        next one."""
        asked = json.loads(options)
        wanted = [data(one["id"]) for one in asked["allowCredentials"]] or list(self.keys)[-1:]
        id_ = key or next(one for one in wanted if one in self.keys)
        flags = (PRESENT if present else 0) | (VERIFIED if verified else 0)
        said = _of_device(host or asked["rpId"], flags, self._next() if count is None else count)
        words = _of_browser("webauthn.get", asked["challenge"], origin, client)
        signature = self.keys[id_].sign(said + hashlib.sha256(words).digest(), ec.ECDSA(hashes.SHA256()))
        return _answer(id_, {"clientDataJSON": text(words), "authenticatorData": text(said), "signature": text(signature)})

    def _next(self) -> int:
        self.count += 1
        return self.count


def text(plain: bytes) -> str:
    """As WebAuthn writes bytes in JSON."""
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def data(written: str) -> bytes:
    """Back from that."""
    return base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))


def _of_device(host: str, flags: int, count: int) -> bytes:
    return hashlib.sha256(host.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")


def _of_browser(type_: str, challenge: str, origin: str, more: dict[str, Any]) -> bytes:
    said = {"type": type_, "challenge": challenge, "origin": origin, "crossOrigin": False, **more}
    return json.dumps(said).encode()


def _answer(id_: bytes, response: dict[str, str]) -> str:
    return json.dumps({"id": text(id_), "rawId": text(id_), "type": "public-key", "response": response})
