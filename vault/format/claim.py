"""The claim of a snapshot that is being written, and how far its writer is; and the record of its eviction by a prune."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from vault.errors import Damaged
from vault.format import strict_json


class Process(Struct, frozen=True):
    """The process of a writer, so that its machine can find out later whether it has ended.

    - `machine`: an identifier of the machine that only its own processes know
    - `boot`: the id of the machine's boot
    - `namespace`: the PID namespace that `number` belongs to; a container has its own
    - `number`: the process id
    - `started`: when the process started, in ticks since the boot
    """

    machine: str
    boot: str
    namespace: str
    number: int
    started: int

    @classmethod
    def from_json(cls, value: dict[str, Any], what: str) -> Process:
        """Read back. Raises `Damaged`."""
        return cls(
            machine=strict_json.field(value, "machine", str, what),
            boot=strict_json.field(value, "boot", str, what),
            namespace=strict_json.field(value, "namespace", str, what),
            number=strict_json.count(value, "number", what),
            started=strict_json.count(value, "started", what),
        )

    def as_json(self) -> dict[str, Any]:
        """As a claim holds it."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Claim(Struct, frozen=True):
    """A snapshot that is being written.

    - `id`: of the claim and of the snapshot
    - `nonce`: distinguishes this writer's claim from one that another writer put under the same id
    - `items`, `bytes`: progress at `updated_at`
    - `process`: of the writer; None where the system does not say
    - `committing`: the record may have been sent to a store without create-once: it may still
      arrive, even if the writer is dead
    """

    id: str
    source: str
    host: str
    writer: str
    started_at: datetime
    updated_at: datetime
    nonce: str
    items: int = 0
    bytes: int = 0
    process: Process | None = None
    committing: bool = False

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {
            "record": "claim",
            "id": self.id,
            "source": self.source,
            "host": self.host,
            "writer": self.writer,
            "started_at": strict_json.write_moment(self.started_at),
            "updated_at": strict_json.write_moment(self.updated_at),
            "nonce": self.nonce,
            "items": self.items,
            "bytes": self.bytes,
            "process": None if self.process is None else self.process.as_json(),
            "committing": self.committing,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Claim:
        """Read back. Raises `Damaged`."""
        what = "a claim"
        if strict_json.field(value, "record", str, what) != "claim":
            raise Damaged(f"{what} is malformed: it lacks what every such object has, or has it in another form")
        return cls(
            id=strict_json.field(value, "id", str, what),
            source=strict_json.field(value, "source", str, what),
            host=strict_json.field(value, "host", str, what),
            writer=strict_json.field(value, "writer", str, what),
            started_at=strict_json.moment(value, "started_at", what),
            updated_at=strict_json.moment(value, "updated_at", what),
            nonce=strict_json.field(value, "nonce", str, what),
            items=strict_json.count(value, "items", what),
            bytes=strict_json.count(value, "bytes", what),
            # absent in claims of the first version
            process=Process.from_json(value["process"], what) if isinstance(value.get("process"), dict) else None,
            committing=value.get("committing") is True,
        )


class Eviction(Struct, frozen=True):
    """The claim with this id was taken away: this record takes the place of the snapshot's, so that its writer can no longer
    commit."""

    id: str

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {"record": "evicted", "id": self.id}
