"""A key object, opened: the keys of one holder to one project.

Capability         of whoever may see the catalogue: who writes, reads, or audits with the right to see names
AuditCapability    of whoever may read the log and nothing else
RevokedNotice      what stands in the place of keys that were taken away, where the store deletes nothing
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from vault.age import HybridIdentity
from vault.errors import Damaged, KeyRefused
from vault.format import epoch_keys, granted_fields, rights, strict_json
from vault.format.capability import Capability
from vault.format.granted_fields import LARGEST_KEY_OBJECT, WHAT, GrantReference
from vault.format.rights import Rights
from vault.hidden_fields import HidesFields


class AuditCapability(HidesFields, frozen=True):
    """The private keys of a project's log, of every epoch: the current one first. The others as in `Capability`."""

    repository: str
    project: str
    name: str
    epoch: int
    audit_identities: tuple[HybridIdentity, ...]
    rights: Rights
    grant: GrantReference | None
    descriptors: tuple[bytes, ...] = ()

    @property
    def kind(self) -> str:
        """`audit`."""
        return rights.AUDIT

    @classmethod
    def of(cls, capability: Capability, grant: GrantReference) -> AuditCapability:
        """What an auditor gets of a project. Raises `Damaged` where the capability does not open the log."""
        if not capability.audit_identities:
            raise Damaged(f"{WHAT} does not open the log, so that nobody can be granted to read it")
        return cls(
            capability.repository,
            capability.project,
            capability.name,
            capability.epoch,
            capability.audit_identities,
            (rights.AUDIT,),
            grant,
            capability.descriptors,
        )

    def encode(self) -> bytes:
        """As stored, before it is sealed. Raises `Unstorable` where no reader would take it."""
        value: dict[str, Any] = {
            "repository": self.repository,
            "project": self.project,
            "name": self.name,
            "capability": self.kind,
            "epoch": self.epoch,
            "audit_identities": [one.encode() for one in self.audit_identities],
        }
        return granted_fields.dumped(value | granted_fields.as_json(self.rights, self.grant, self.descriptors), self.name)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> AuditCapability:
        """Raises `Damaged`."""
        texts = strict_json.texts(value, "audit_identities", WHAT, most=epoch_keys.MOST_FORMER + 2)
        try:
            identities = tuple(HybridIdentity.parse(one) for one in texts)
        except KeyRefused as error:
            raise Damaged(f"{WHAT} holds a key that cannot be read") from error
        found = cls(
            strict_json.field(value, "repository", str, WHAT),
            strict_json.field(value, "project", str, WHAT),
            strict_json.field(value, "name", str, WHAT),
            strict_json.count(value, "epoch", WHAT),
            identities,
            granted_fields.rights_of(value),
            granted_fields.grant_of(value),
            granted_fields.descriptors_of(value),
        )
        granted_fields.refuse_unfit(found.repository, found.project, found.name)
        if found.rights != (rights.AUDIT,) or not identities:
            raise Damaged(f"{WHAT} holds other keys than its rights say")
        return found


class RevokedNotice(HidesFields, frozen=True):
    """Says that the grant by which somebody held keys was revoked. by: who revoked it · at: when."""

    repository: str
    project: str
    name: str
    grant: GrantReference
    by: str
    at: datetime

    def encode(self) -> bytes:
        """As stored, before it is sealed. Raises `Unstorable` where no reader would take it."""
        value = {
            "repository": self.repository,
            "project": self.project,
            "name": self.name,
            "capability": "none",
            "grant": self.grant.as_json(),
            "revoked": {"by": self.by, "at": strict_json.write_moment(self.at)},
        }
        return granted_fields.dumped(value, self.name)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RevokedNotice:
        """Raises `Damaged`."""
        revoked, grant = strict_json.field(value, "revoked", dict, WHAT), granted_fields.grant_of(value)
        if grant is None:
            raise Damaged(f"{WHAT} says that a grant was revoked, and not which one")
        found = cls(
            strict_json.field(value, "repository", str, WHAT),
            strict_json.field(value, "project", str, WHAT),
            strict_json.field(value, "name", str, WHAT),
            grant,
            strict_json.field(revoked, "by", str, WHAT),
            strict_json.moment(revoked, "at", WHAT),
        )
        granted_fields.refuse_unfit(found.repository, found.project, found.name)
        return found


KeyObjectContent: TypeAlias = Capability | AuditCapability | RevokedNotice


def decode(data: bytes | bytearray) -> KeyObjectContent:
    """Read back, whichever it is. Raises `Damaged`."""
    value = strict_json.load(data, WHAT, largest=LARGEST_KEY_OBJECT)
    if value.get("revoked") is not None:
        return RevokedNotice.from_json(value)
    if value.get("audit_identities") is not None:
        return AuditCapability.from_json(value)
    return Capability.from_json(value)
