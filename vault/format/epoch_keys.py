"""The key pairs of a project's epochs. A rotation begins a new one: what comes is sealed to its keys, and those of former
epochs stay wrapped for the holders that are left, so that what they have sealed stays readable.

    current    what is stored now is sealed to it; its keys stand among the fields of a capability itself
    pending    is being introduced: every holder opens it already, and nobody seals to it yet
    former     only opens
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from vault.age import HybridIdentity, HybridRecipient
from vault.errors import Damaged
from vault.format import strict_json
from vault.format.strict_json import write_moment
from vault.hidden_fields import HidesFields
from vault.randomness import Randomness

MOST_FORMER = 100
"""Former epochs that a key object holds."""


class PendingEpoch(HidesFields, frozen=True):
    """Keys that are being introduced. content, audit: None for whoever may not read, or not audit · catalogue: None for whoever
    may audit only · complete: whether every holder has them, so that they may become current."""

    number: int
    content_recipient: HybridRecipient
    content: HybridIdentity | None
    catalogue_recipient: HybridRecipient
    catalogue: HybridIdentity | None
    audit_recipient: HybridRecipient
    audit: HybridIdentity | None
    complete: bool = False

    @classmethod
    def generate(cls, number: int, randomness: Randomness) -> PendingEpoch:
        """New keys, with the rights to read and to audit."""
        content, catalogue, audit = (HybridIdentity.generate(randomness) for _ in range(3))
        return cls(number, content.recipient, content, catalogue.recipient, catalogue, audit.recipient, audit)

    def as_json(self) -> dict[str, Any]:
        """As a key object has it."""
        return {
            "number": self.number,
            "content_recipient": self.content_recipient.encode(),
            "content_identity": encoded(self.content),
            "catalogue_recipient": self.catalogue_recipient.encode(),
            "catalogue_identity": encoded(self.catalogue),
            "audit_recipient": self.audit_recipient.encode(),
            "audit_identity": encoded(self.audit),
            "complete": self.complete,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> PendingEpoch:
        """Raises `Damaged`, `KeyRefused` for a key that cannot be read."""
        found = cls(
            number=strict_json.count(value, "number", what),
            content_recipient=recipient(value, "content_recipient", what),
            content=identity(value, "content_identity", what),
            catalogue_recipient=recipient(value, "catalogue_recipient", what),
            catalogue=identity(value, "catalogue_identity", what),
            audit_recipient=recipient(value, "audit_recipient", what),
            audit=identity(value, "audit_identity", what),
            complete=strict_json.field(value, "complete", bool, what),
        )
        belong(found.content, found.content_recipient, what)
        belong(found.catalogue, found.catalogue_recipient, what)
        belong(found.audit, found.audit_recipient, what)
        return found


class FormerEpoch(HidesFields, frozen=True):
    """Keys that only open. fingerprint: of the project's keys then (32 bytes), by which machines know them · until: when the
    next one became current · the others as in `PendingEpoch`."""

    number: int
    fingerprint: bytes
    content: HybridIdentity | None
    catalogue: HybridIdentity | None
    audit: HybridIdentity | None
    until: datetime

    def as_json(self) -> dict[str, Any]:
        """As a key object has it."""
        return {
            "number": self.number,
            "fingerprint": self.fingerprint.hex(),
            "content_identity": encoded(self.content),
            "catalogue_identity": encoded(self.catalogue),
            "audit_identity": encoded(self.audit),
            "until": write_moment(self.until),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> FormerEpoch:
        """Raises `Damaged`, `KeyRefused` for a key that cannot be read."""
        return cls(
            number=strict_json.count(value, "number", what),
            fingerprint=strict_json.hexadecimal(value, "fingerprint", 32, what),
            content=identity(value, "content_identity", what),
            catalogue=identity(value, "catalogue_identity", what),
            audit=identity(value, "audit_identity", what),
            until=strict_json.moment(value, "until", what),
        )


def former_of(value: dict[str, Any], what: str) -> tuple[FormerEpoch, ...]:
    """The field `former` of a key object, newest first; none where it is absent. Raises as `FormerEpoch.from_json`."""
    listed = strict_json.optional(value, "former", list, what) or []
    if len(listed) > MOST_FORMER:
        raise Damaged(f"{what} has {len(listed)} former epochs; more than {MOST_FORMER} are never written")
    return tuple(FormerEpoch.from_json(strict_json.item(one, what), what) for one in listed)


def pending_of(value: dict[str, Any], what: str) -> PendingEpoch | None:
    """The field `pending` of a key object. Raises as `PendingEpoch.from_json`."""
    found = strict_json.optional(value, "pending", dict, what)
    return None if found is None else PendingEpoch.from_json(found, what)


def encoded(one: HybridIdentity | None) -> str | None:
    """As in JSON."""
    return None if one is None else one.encode()


def identity(value: dict[str, Any], name: str, what: str) -> HybridIdentity | None:
    """A private key; None where the holder has not got it. Raises `Damaged`, `KeyRefused`."""
    text = strict_json.optional(value, name, str, what)
    return None if text is None else HybridIdentity.parse(text)


def recipient(value: dict[str, Any], name: str, what: str) -> HybridRecipient:
    """A public key. Raises `Damaged`, `KeyRefused`."""
    return HybridRecipient.parse(strict_json.field(value, name, str, what))


def belong(private: HybridIdentity | None, public: HybridRecipient | None, what: str) -> None:
    """Raises `Damaged` where both halves are there and are not of one pair."""
    if private is not None and private.recipient != public:
        raise Damaged(f"{what} holds a key that does not belong to the other")
