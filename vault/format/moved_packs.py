"""The record of moved packs: where the content of repacked packs lies now. A prune commits it under a snapshot's name."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from vault.errors import Damaged
from vault.format import strict_json

MAX_MOVED_BYTES = 1024 * 1024
"""Of the packs in one record, as JSON; further packs are moved under another record."""


class MovedPacks(Struct, frozen=True):
    """Packs whose content was stored again in others.

    - `id`: of the record, in the form of a snapshot's id
    - `packs`: by the SHA-256 of each moved pack, the packs that hold all of its content that any snapshot needs. A pack with an
      empty list has not moved: an earlier version wrote that of packs of which nothing was needed.
    """

    id: str
    packs: dict[bytes, tuple[bytes, ...]]

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        packs = {old.hex(): [pack.hex() for pack in new] for old, new in sorted(self.packs.items())}
        return {"record": "moved", "id": self.id, "packs": packs}

    @classmethod
    def from_json(cls, value: dict[str, Any], snapshot: str) -> MovedPacks:
        """Read back what is stored under the id `snapshot`. Raises `Damaged`, also where one pack is both moved and a target: a
        prune never moves content into a pack that it takes content from."""
        what = f"the record {snapshot} of moved packs"
        listed = strict_json.field(value, "packs", dict, what)
        packs = {strict_json.from_hex(old, 32, what): strict_json.sha256_list(listed, old, what) for old in listed}
        targets = {pack for new in packs.values() for pack in new}
        if not targets.isdisjoint(packs):
            raise Damaged(f"{what} names the pack {min(targets & packs.keys()).hex()} as moved and as where something moved to")
        return cls(snapshot, packs)
