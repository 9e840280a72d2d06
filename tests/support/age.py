"""Keys that cost nothing, and age's published test vectors."""

from __future__ import annotations

import zlib
from pathlib import Path

from msgspec import Struct

from tests.support.randomness import SeededChance
from vault.age import (
    HybridIdentity,
    Identity,
    Recipient,
    ScryptIdentity,
    ScryptRecipient,
    X25519Identity,
    parse_identity,
)

CHEAP_WORK_FACTOR = 2
VECTOR_FOLDER = Path(__file__).parent.parent / "vectors" / "age"


class Pair(Struct, frozen=True):
    """A recipient, the identity that belongs to it, and one that does not."""

    recipient: Recipient
    identity: Identity
    stranger: Identity


def pairs() -> dict[str, Pair]:
    """One pair of each kind."""
    randomness = SeededChance("age keys")
    hybrid, x25519 = HybridIdentity.generate(randomness), X25519Identity.generate(randomness)
    return {
        "hybrid": Pair(hybrid.recipient, hybrid, HybridIdentity.generate(randomness)),
        "x25519": Pair(x25519.recipient, x25519, X25519Identity.generate(randomness)),
        "scrypt": Pair(ScryptRecipient("hush", CHEAP_WORK_FACTOR), ScryptIdentity("hush"), ScryptIdentity("loud")),
    }


class Vector(Struct, frozen=True):
    """One published vector: the age file, and what opening it should come to.

    payload: SHA-256 of the plain bytes in hex (of those that a stream reader gives out before a failure), where stated.
    """

    name: str
    expect: str
    payload: str | None
    file_key: bytes | None
    identities: tuple[str, ...]
    passphrases: tuple[str, ...]
    armored: bool
    data: bytes

    def keys(self) -> list[Identity]:
        return [*map(parse_identity, self.identities), *map(ScryptIdentity, self.passphrases)]

    def recipients(self) -> list[Recipient]:
        """The recipients of `keys`, in the same order."""
        return [
            *(parse_identity(text).recipient for text in self.identities),
            *(ScryptRecipient(text, CHEAP_WORK_FACTOR) for text in self.passphrases),
        ]


def load_vectors() -> list[Vector]:
    """Every file of the folder but its README."""
    return [_load(path) for path in sorted(VECTOR_FOLDER.iterdir()) if path.name != "README.md"]


def _load(path: Path) -> Vector:
    head, _, data = path.read_bytes().partition(b"\n\n")
    facts: dict[str, list[str]] = {}
    for line in head.decode("utf-8").splitlines():
        key, _, value = line.partition(": ")
        facts.setdefault(key, []).append(value)
    known = {"expect", "payload", "file key", "identity", "passphrase", "armored", "compressed", "comment"}
    if not facts.keys() <= known:
        raise ValueError(f"{path.name}: unknown keys {facts.keys() - known}")
    return Vector(
        name=path.name,
        expect=facts["expect"][0],
        payload=facts.get("payload", [None])[0],
        file_key=bytes.fromhex(facts["file key"][0]) if "file key" in facts else None,
        identities=tuple(facts.get("identity", ())),
        passphrases=tuple(facts.get("passphrase", ())),
        armored="armored" in facts,
        data=zlib.decompress(data) if "compressed" in facts else data,
    )
