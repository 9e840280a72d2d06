"""Who may do what with a project, and since when: signed statements in the folder `grants/` of a project.

    grant        what a principal may do; the *root grant* is the one that the project's creator gives itself
    revocation   ends a grant
    epoch        the public keys of an epoch

Each is written once, under a name of its own, as a tagged record like others, and signed: who has only a write capability can
make the tag, and not the signature. Which of them are believed: `grant_chain`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from blake3 import blake3
from msgspec import Struct
from msgspec.structs import replace

from vault.age import HybridIdentity, HybridRecipient
from vault.errors import Damaged, KeyRefused, Unstorable
from vault.format import rights, signed_statement, strict_json
from vault.format.granted_fields import LONGEST_HOLDER, GrantReference
from vault.format.layout import is_id
from vault.format.principal import Principal
from vault.format.rights import Rights

NAMESPACE = "strongroom-grant"
"""Of the signatures."""

LONGEST_REASON = 1000
MOST_KEPT = 20_000
"""Ids that a revocation names: 700 KB."""


class Signer(Struct, frozen=True):
    """Who has signed. name: of the holder, for people · signing_key: 32 bytes."""

    name: str
    signing_key: bytes

    def as_json(self) -> dict[str, Any]:
        """As stored."""
        return {"name": self.name, "signing_key": self.signing_key.hex()}


class Grant(Struct, frozen=True):
    """repository, project: of what · name: of the holder · until: None where it has no end · signature: empty until it is
    signed."""

    repository: str
    project: str
    id: str
    name: str
    principal: Principal
    rights: Rights
    by: Signer
    at: datetime
    until: datetime | None = None
    signature: str = ""

    @property
    def reference(self) -> GrantReference:
        """As a key object has it."""
        return GrantReference(self.id, self.name, self.until)

    def may(self, right: str) -> bool:
        """Whether it allows something."""
        return rights.includes(self.rights, right)

    def ended(self, now: datetime) -> bool:
        """Whether its time has run out."""
        return self.until is not None and now >= self.until

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        key = self.principal.signing_key
        return {
            "record": "grant",
            "repository": self.repository,
            "project": self.project,
            "id": self.id,
            "name": self.name,
            "recipient": self.principal.recipient.encode(),
            "signing_key": None if key is None else key.hex(),
            "rights": list(self.rights),
            "by": self.by.as_json(),
            "at": strict_json.write_moment(self.at),
            "until": self.until and strict_json.write_moment(self.until),
            "signature": self.signature,
        }


class Revocation(Struct, frozen=True):
    """grant: the id of the one that it ends · keeps: ids of what its holder has signed and that goes on being believed: what
    turns up later under that key, whatever its date, is not."""

    repository: str
    project: str
    id: str
    grant: str
    reason: str
    keeps: tuple[str, ...]
    by: Signer
    at: datetime
    signature: str = ""

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {
            "record": "revocation",
            "repository": self.repository,
            "project": self.project,
            "id": self.id,
            "grant": self.grant,
            "reason": self.reason,
            "keeps": list(self.keeps),
            "by": self.by.as_json(),
            "at": strict_json.write_moment(self.at),
            "signature": self.signature,
        }


class EpochStatement(Struct, frozen=True):
    """The public keys of an epoch: no machine seals to other ones."""

    repository: str
    project: str
    id: str
    number: int
    content_recipient: HybridRecipient
    catalogue_recipient: HybridRecipient
    audit_recipient: HybridRecipient
    by: Signer
    at: datetime
    signature: str = ""

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {
            "record": "epoch",
            "repository": self.repository,
            "project": self.project,
            "id": self.id,
            "number": self.number,
            "content_recipient": self.content_recipient.encode(),
            "catalogue_recipient": self.catalogue_recipient.encode(),
            "audit_recipient": self.audit_recipient.encode(),
            "by": self.by.as_json(),
            "at": strict_json.write_moment(self.at),
            "signature": self.signature,
        }


Statement: TypeAlias = Grant | Revocation | EpochStatement
Signed = TypeVar("Signed", Grant, Revocation, EpochStatement)


def root_id(project: str) -> str:
    """The id of a project's root grant: there can be one only."""
    return blake3(f"root grant {project}".encode()).hexdigest(length=16)


def epoch_id(project: str, number: int) -> str:
    """The id of the statement about an epoch: two rotations at once cannot both begin it."""
    return blake3(f"epoch {number} {project}".encode()).hexdigest(length=16)


def signed(statement: Signed, identity: HybridIdentity) -> Signed:
    """The statement with the signature of whoever makes it. Raises `Unstorable` where nobody could read it again."""
    made = replace(statement, signature=signed_statement.sign(identity, statement.as_json(), NAMESPACE))
    try:
        read(made.as_json(), made.id)
    except Damaged as error:
        raise Unstorable(f"it cannot be written: {error}") from error
    return made


def read(value: dict[str, Any], named: str) -> Statement:
    """What is stored under the id `named`, with a signature by the key that it names. Whether that key may say so is another
    question. Raises `Damaged`."""
    what = f"the grant {named}"
    if strict_json.field(value, "id", str, what) != named:
        raise Damaged(f"{what} is another one than its name says")
    readers: dict[str, Callable[[dict[str, Any], str], Statement]] = {
        "grant": _grant,
        "revocation": _revocation,
        "epoch": _epoch,
    }
    sort = strict_json.field(value, "record", str, what)
    if sort not in readers:
        raise Damaged(f"{what} is neither a grant nor the end of one")
    try:
        found = readers[sort](value, what)
    except KeyRefused as error:
        raise Damaged(f"{what} holds a key that cannot be read") from error
    signed_statement.verify(value, found.signature, found.by.signing_key, NAMESPACE, what)
    if not is_id(found.repository) or not is_id(found.project) or len(found.by.name) > LONGEST_HOLDER:
        raise Damaged(f"{what} holds an invalid value")
    return found


def _grant(value: dict[str, Any], what: str) -> Grant:
    key = strict_json.optional(value, "signing_key", str, what)
    recipient = HybridRecipient.parse(strict_json.field(value, "recipient", str, what))
    found = Grant(
        **_common(value, what),
        name=strict_json.field(value, "name", str, what),
        principal=Principal(recipient, None if key is None else strict_json.from_hex(key, 32, what)),
        rights=strict_json.texts(value, "rights", what, most=len(rights.RIGHTS)),
        until=None if value.get("until") is None else strict_json.moment(value, "until", what),
    )
    if any(one not in rights.RIGHTS for one in found.rights) or len(found.name) > LONGEST_HOLDER:
        raise Damaged(f"{what} holds an invalid value")
    return found


def _revocation(value: dict[str, Any], what: str) -> Revocation:
    found = Revocation(
        **_common(value, what),
        grant=strict_json.field(value, "grant", str, what),
        reason=strict_json.field(value, "reason", str, what),
        keeps=strict_json.texts(value, "keeps", what, most=MOST_KEPT),
    )
    if len(found.reason) > LONGEST_REASON:
        raise Damaged(f"{what} holds an invalid value")
    return found


def _epoch(value: dict[str, Any], what: str) -> EpochStatement:
    names = ("content_recipient", "catalogue_recipient", "audit_recipient")
    keys: dict[str, Any] = {name: HybridRecipient.parse(strict_json.field(value, name, str, what)) for name in names}
    return EpochStatement(**_common(value, what), number=strict_json.count(value, "number", what), **keys)


def _common(value: dict[str, Any], what: str) -> dict[str, Any]:
    """The fields that all of them have."""
    by = strict_json.field(value, "by", dict, what)
    return {
        **{name: strict_json.field(value, name, str, what) for name in ("repository", "project", "id", "signature")},
        "by": Signer(strict_json.field(by, "name", str, what), strict_json.hexadecimal(by, "signing_key", 32, what)),
        "at": strict_json.moment(value, "at", what),
    }
