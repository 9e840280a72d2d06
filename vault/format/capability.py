"""What a key file lets its holder do: the secrets of one project, as they lie (sealed to a principal) in a key object.

A *write* capability holds the public content key, the catalogue pair and the chunk-id key: its holder backs up,
deduplicates, finds and plans, sees names, and cannot read one byte of content. A *read* capability adds the private
content key, *audit* the private key of the log. Epochs number the key pairs of a project: a rotation starts new ones, and what
the former ones have sealed stays readable (`epoch_keys`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from blake3 import blake3
from msgspec.structs import replace

from vault.age import HybridIdentity, HybridRecipient
from vault.errors import Damaged, KeyRefused
from vault.format import epoch_keys, granted_fields, rights, strict_json
from vault.format.chunks import ID_SIZE, derive
from vault.format.epoch_keys import FormerEpoch, PendingEpoch
from vault.format.granted_fields import LARGEST_KEY_OBJECT, WHAT, GrantReference
from vault.format.rights import Rights
from vault.hidden_fields import HidesFields
from vault.randomness import Randomness

FINGERPRINT_CONTEXT = "strongroom 2026-11-22 project fingerprint"
"""For BLAKE3's `derive_key`."""


class Capability(HidesFields, frozen=True):
    """The secrets of one project. `content_identity` is None in a write capability.

    audit_recipient: entries of the log are sealed to it; None where the project has no log yet · audit_identity: opens them;
    None for whoever may not audit · rights: as granted; empty where nobody granted anything yet, and the keys say what may be
    done · grant: by which these keys are held · former, pending: other epochs · descriptors: SHA-256 (32 bytes) of descriptors
    that are right; none in repositories without grants
    """

    repository: str
    project: str
    name: str
    epoch: int
    content_recipient: HybridRecipient
    content_identity: HybridIdentity | None
    catalogue: HybridIdentity
    chunk_id_key: bytes
    audit_recipient: HybridRecipient | None = None
    audit_identity: HybridIdentity | None = None
    rights: Rights = ()
    grant: GrantReference | None = None
    former: tuple[FormerEpoch, ...] = ()
    pending: PendingEpoch | None = None
    descriptors: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Capability({self.kind}, project {self.project}, epoch {self.epoch})"  # what else it holds is secret

    @classmethod
    def generate(cls, repository: str, project: str, name: str, randomness: Randomness) -> Capability:
        """The secrets of a new project, with the rights to read and to audit."""
        content = HybridIdentity.generate(randomness)
        audit = HybridIdentity.generate(randomness)
        return cls(
            repository=repository,
            project=project,
            name=name,
            epoch=1,
            content_recipient=content.recipient,
            content_identity=content,
            catalogue=HybridIdentity.generate(randomness),
            chunk_id_key=randomness.token(ID_SIZE),
            audit_recipient=audit.recipient,
            audit_identity=audit,
        )

    @property
    def kind(self) -> str:
        """`read`, `write`, or `audit` where nothing may be written."""
        if self.content_identity is not None:
            return rights.READ
        return rights.WRITE if self.may_write else rights.AUDIT

    @property
    def may_write(self) -> bool:
        """Whether its holder may store anything. Auditors who see the catalogue may not, though their keys would do."""
        return not self.rights or rights.includes(self.rights, rights.WRITE)

    @property
    def tag_key(self) -> bytes:
        """The key of the tags on records, claims and marks (32 bytes)."""
        return derive(self.chunk_id_key, "record tag")

    @property
    def index_key(self) -> bytes:
        """The key that names index segments (32 bytes)."""
        return derive(self.chunk_id_key, "index name")

    @property
    def rollup_key(self) -> bytes:
        """The key that names roll-ups (32 bytes)."""
        return derive(self.chunk_id_key, "rollup name")

    @property
    def record_table_key(self) -> bytes:
        """The key that names record tables (32 bytes)."""
        return derive(self.chunk_id_key, "record table name")

    @property
    def head_chunks_key(self) -> bytes:
        """The key that names objects of head chunks (32 bytes)."""
        return derive(self.chunk_id_key, "head chunks name")

    @property
    def fingerprint(self) -> bytes:
        """Of the project's id, and of the keys that its objects are sealed to and named by now (32 bytes). It reveals no
        secret."""
        parts = [
            self.project,
            self.content_recipient.encode(),
            self.catalogue.recipient.encode(),
            blake3(self.chunk_id_key).hexdigest(),
        ]
        return blake3(" ".join(parts).encode(), derive_key_context=FINGERPRINT_CONTEXT).digest()

    @property
    def catalogue_identities(self) -> tuple[HybridIdentity, ...]:
        """What opens objects of the catalogue, of every epoch: the current one first."""
        pending = None if self.pending is None else self.pending.catalogue
        others = [pending, *(one.catalogue for one in self.former)]
        return (self.catalogue, *(one for one in others if one is not None))

    @property
    def audit_identities(self) -> tuple[HybridIdentity, ...]:
        """What opens entries of the log, of every epoch; none for whoever may not audit."""
        pending = None if self.pending is None else self.pending.audit
        every = [self.audit_identity, pending, *(one.audit for one in self.former)]
        return tuple(one for one in every if one is not None)

    def without_reading(self) -> Capability:
        """The same project with the right to write only."""
        return self.without_content().without_audit()

    def without_content(self) -> Capability:
        """The same keys, but for those that open content."""
        former = tuple(replace(one, content=None) for one in self.former)
        pending = None if self.pending is None else replace(self.pending, content=None)
        return replace(self, content_identity=None, former=former, pending=pending)

    def without_audit(self) -> Capability:
        """The same keys, but for those that open the log."""
        former = tuple(replace(one, audit=None) for one in self.former)
        pending = None if self.pending is None else replace(self.pending, audit=None)
        return replace(self, audit_identity=None, former=former, pending=pending)

    def reading(self) -> HybridIdentity:
        """The private content key. Raises `KeyRefused` where the holder may only write."""
        if self.content_identity is None:
            may = "back up" if self.may_write else "see the names in"
            raise KeyRefused(
                f"this identity may {may} project {self.name!r} but not read its content",
                hint="use an identity with a read capability, for example the recovery kit",
            )
        return self.content_identity

    def content_identities(self) -> tuple[HybridIdentity, ...]:
        """What opens packs of content, of every epoch: the current one first. Raises as `reading`."""
        pending = None if self.pending is None else self.pending.content
        others = [pending, *(one.content for one in self.former)]
        return (self.reading(), *(one for one in others if one is not None))

    def refuse_auditor(self) -> None:
        """Raises `KeyRefused` where the holder may write nothing."""
        if not self.may_write:
            raise KeyRefused(
                f"this identity may look at project {self.name!r} and write nothing to it",
                hint="use an identity with a write or a read capability; `strongroom keys list` says who has one",
            )

    def next_epoch(self, now: datetime) -> Capability:
        """With the pending epoch as the current one, and the current one as a former. now: since when. Raises `Damaged` where
        none is pending, or the holder lacks keys of it."""
        if self.pending is None or self.pending.catalogue is None:
            raise Damaged(f"{WHAT} has no epoch that could become the current one")
        before = FormerEpoch(self.epoch, self.fingerprint, self.content_identity, self.catalogue, self.audit_identity, now)
        return replace(
            self,
            epoch=self.pending.number,
            content_recipient=self.pending.content_recipient,
            content_identity=self.pending.content,
            catalogue=self.pending.catalogue,
            audit_recipient=self.pending.audit_recipient,
            audit_identity=self.pending.audit,
            former=(before, *self.former),
            pending=None,
        )

    def encode(self) -> bytes:
        """As stored, before it is sealed. Raises `Unstorable` where no reader would take it."""
        value: dict[str, Any] = {
            "repository": self.repository,
            "project": self.project,
            "name": self.name,
            "capability": self.kind,
            "epoch": self.epoch,
            "content_recipient": self.content_recipient.encode(),
            "content_identity": epoch_keys.encoded(self.content_identity),
            "catalogue_identity": self.catalogue.encode(),
            "chunk_id_key": self.chunk_id_key.hex(),
        }
        if self.audit_recipient is not None:
            value["audit_recipient"] = self.audit_recipient.encode()
            value["audit_identity"] = epoch_keys.encoded(self.audit_identity)
        granted = granted_fields.as_json(self.rights, self.grant, self.descriptors)
        if self.former:
            granted["former"] = [one.as_json() for one in self.former]
        if self.pending is not None:
            granted["pending"] = self.pending.as_json()
        return granted_fields.dumped(value | granted, self.name)

    @classmethod
    def decode(cls, data: bytes | bytearray) -> Capability:
        """Read back. Raises `Damaged`."""
        return cls.from_json(strict_json.load(data, WHAT, largest=LARGEST_KEY_OBJECT))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Capability:
        """As `decode`."""
        log = strict_json.optional(value, "audit_recipient", str, WHAT)
        try:
            capability = cls(
                repository=strict_json.field(value, "repository", str, WHAT),
                project=strict_json.field(value, "project", str, WHAT),
                name=strict_json.field(value, "name", str, WHAT),
                epoch=strict_json.count(value, "epoch", WHAT),
                content_recipient=epoch_keys.recipient(value, "content_recipient", WHAT),
                content_identity=epoch_keys.identity(value, "content_identity", WHAT),
                catalogue=HybridIdentity.parse(strict_json.field(value, "catalogue_identity", str, WHAT)),
                chunk_id_key=strict_json.hexadecimal(value, "chunk_id_key", ID_SIZE, WHAT),
                audit_recipient=HybridRecipient.parse(log) if log is not None else None,
                audit_identity=epoch_keys.identity(value, "audit_identity", WHAT),
                rights=granted_fields.rights_of(value),
                grant=granted_fields.grant_of(value),
                former=epoch_keys.former_of(value, WHAT),
                pending=epoch_keys.pending_of(value, WHAT),
                descriptors=granted_fields.descriptors_of(value),
            )
        except KeyRefused as error:
            raise Damaged(f"{WHAT} holds a key that cannot be read") from error
        epoch_keys.belong(capability.content_identity, capability.content_recipient, WHAT)
        epoch_keys.belong(capability.audit_identity, capability.audit_recipient, WHAT)
        granted_fields.refuse_unfit(capability.repository, capability.project, capability.name)
        held = {rights.READ: capability.content_identity, rights.AUDIT: capability.audit_identity}
        if capability.rights and any((right in capability.rights) is (key is None) for right, key in held.items()):
            raise Damaged(f"{WHAT} holds other keys than its rights say")
        return capability
