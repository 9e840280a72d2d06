"""The record of an eviction. It takes the place of a snapshot's record: a prune took the snapshot's claim away, so its writer
can no longer commit."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Eviction(Struct, frozen=True):
    """The claim with this id was taken away."""

    id: str

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        return {"record": "evicted", "id": self.id}
