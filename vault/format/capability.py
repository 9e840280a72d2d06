"""What a key file lets its holder do: the secrets of one project, as they lie (sealed to a principal) under `keys/`.

A *write* capability holds the public content key, the catalogue pair and the chunk-id key: its holder backs up,
deduplicates, finds and plans, sees names, and cannot read one byte of content. A *read* capability adds the private
content key, *audit* the private key of the log. Epochs number the key pairs of a project, so that a rotation can start new ones
and old packs stay readable.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from vault.age import HybridIdentity, HybridRecipient
from vault.errors import Damaged, KeyRefused, Unstorable
from vault.format import strict_json
from vault.format.chunks import ID_SIZE, derive
from vault.format.layout import is_id
from vault.hidden_fields import HidesFields
from vault.randomness import Randomness

LARGEST_KEY_OBJECT = 64 * 1024
LONGEST_NAME = 200
WHAT = "a project's key object"


class Capability(HidesFields, frozen=True):
    """The secrets of one project. `content_identity` is None in a write capability.

    audit_recipient: entries of the log are sealed to it; None where the project has no log yet · audit_identity: opens them;
    None for whoever may not audit
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
        """`read` or `write`."""
        return "write" if self.content_identity is None else "read"

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

    def without_reading(self) -> Capability:
        """The same project with the right to write only."""
        return replace(self, content_identity=None, audit_identity=None)

    def reading(self) -> HybridIdentity:
        """The private content key. Raises `KeyRefused` where the holder may only write."""
        if self.content_identity is None:
            raise KeyRefused(
                f"this identity may back up project {self.name!r} but not read its content",
                hint="use an identity with a read capability, for example the recovery kit",
            )
        return self.content_identity

    def encode(self) -> bytes:
        """As stored, before it is sealed. Raises `Unstorable` where no reader would take it."""
        content = None if self.content_identity is None else self.content_identity.encode()
        value: dict[str, Any] = {
            "repository": self.repository,
            "project": self.project,
            "name": self.name,
            "capability": self.kind,
            "epoch": self.epoch,
            "content_recipient": self.content_recipient.encode(),
            "content_identity": content,
            "catalogue_identity": self.catalogue.encode(),
            "chunk_id_key": self.chunk_id_key.hex(),
        }
        if self.audit_recipient is not None:
            value["audit_recipient"] = self.audit_recipient.encode()
            value["audit_identity"] = None if self.audit_identity is None else self.audit_identity.encode()
        try:
            data = strict_json.dump(value)
        except ValueError as error:
            raise Unstorable(f"{WHAT} cannot be written: {error}") from error
        if len(self.name) > LONGEST_NAME or len(data) > LARGEST_KEY_OBJECT:
            raise Unstorable(f"{WHAT} cannot be written: the project's name has more than {LONGEST_NAME} characters")
        return data

    @classmethod
    def decode(cls, data: bytes | bytearray) -> Capability:
        """Read back. Raises `Damaged`."""
        value = strict_json.load(data, WHAT, largest=LARGEST_KEY_OBJECT)
        content = strict_json.optional(value, "content_identity", str, WHAT)
        log = strict_json.optional(value, "audit_recipient", str, WHAT)
        audit = strict_json.optional(value, "audit_identity", str, WHAT)
        try:
            capability = cls(
                repository=strict_json.field(value, "repository", str, WHAT),
                project=strict_json.field(value, "project", str, WHAT),
                name=strict_json.field(value, "name", str, WHAT),
                epoch=strict_json.count(value, "epoch", WHAT),
                content_recipient=HybridRecipient.parse(strict_json.field(value, "content_recipient", str, WHAT)),
                content_identity=None if content is None else HybridIdentity.parse(content),
                catalogue=HybridIdentity.parse(strict_json.field(value, "catalogue_identity", str, WHAT)),
                chunk_id_key=strict_json.hexadecimal(value, "chunk_id_key", ID_SIZE, WHAT),
                audit_recipient=None if log is None else HybridRecipient.parse(log),
                audit_identity=None if audit is None else HybridIdentity.parse(audit),
            )
        except KeyRefused as error:
            raise Damaged(f"{WHAT} holds a key that cannot be read") from error
        pairs = (
            (capability.content_identity, capability.content_recipient),
            (capability.audit_identity, capability.audit_recipient),
        )
        if any(identity and identity.recipient != recipient for identity, recipient in pairs):
            raise Damaged(f"{WHAT} holds a key that does not belong to the other")
        if not is_id(capability.project) or not is_id(capability.repository) or len(capability.name) > LONGEST_NAME:
            raise Damaged(f"{WHAT} holds an invalid value")
        return capability
