"""The mark of a prune: the packs that it is about to delete, or the writers that it does not wait for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from vault.errors import Damaged
from vault.format import strict_json

MAX_PACKS_IN_MARK = 50_000
"""A mark of more packs would be longer than a record may be, so a prune writes several."""

UNKNOWN_MOMENT = datetime(1, 1, 1, tzinfo=UTC)
"""In place of the time of a mark that does not say when it was written."""


class Mark(Struct, frozen=True):
    """A mark.

    - `id`: as in its name
    - `packs`: the SHA-256 of each pack that may be deleted: nothing that is written after the mark may refer to them anew
    - `host`, `started_at`: of the prune
    - `evicted`: the writers that the prune does not wait for, by the ids of their snapshots; a mark with these names no packs
    """

    id: str
    packs: tuple[bytes, ...]
    host: str
    started_at: datetime
    evicted: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As stored, inside the envelope."""
        value: dict[str, Any] = {
            "record": "mark",
            "packs": [pack.hex() for pack in self.packs],
            "host": self.host,
            "started_at": strict_json.write_moment(self.started_at),
        }
        return value | {"evicted": list(self.evicted)} if self.evicted else value

    @classmethod
    def from_json(cls, value: dict[str, Any], mark: str) -> Mark:
        """Read back the mark with the id `mark`; `host` and `started_at` may be absent. Raises `Damaged`."""
        what = "a prune's mark"
        if strict_json.field(value, "record", str, what) != "mark":
            raise Damaged(f"{what} is malformed: it lacks what every such object has, or has it in another form")
        return cls(
            id=mark,
            packs=strict_json.sha256_list(value, "packs", what),
            host=strict_json.field(value, "host", str, what) if "host" in value else "",
            started_at=strict_json.moment(value, "started_at", what) if "started_at" in value else UNKNOWN_MOMENT,
            evicted=tuple(map(str, strict_json.field(value, "evicted", list, what))) if "evicted" in value else (),
        )
