"""What a prune did."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class PruneReport(Struct):
    """What a prune did.

    - `waiting`, `waiting_for`: claims that still existed when its patience ran out, and whose they are; then it did nothing
      else
    - `forgotten`: deleted records of forgotten snapshots
    - `deleted`, `freed`: deleted packs and their bytes
    - `spared`: packs of the plan that are needed by now
    - `refused`: names of objects that the store would not delete
    - `left`: packs that there was no time for
    - `moved`, `stored`: packs that were repacked, and bytes of the new ones
    - `joined`, `joined_into`: small packs that were joined, and how many there are instead; their bytes are in `stored`
    - `moves_joined`: records of moved packs that one record now says the same as; they go with the next prune
    - `damaged`: packs that could not be repacked since they cannot be read whole
    - `segments_written`, `segments_replaced`: of the index
    - `rollups_deleted`: roll-ups of whose snapshots few are left
    - `records_gathered`: records that were put into tables of them, or joined there · `tables_deleted`: such tables that could
      not be used
    """

    project: str
    waiting: list[str] = field(default_factory=list)
    waiting_for: list[str] = field(default_factory=list)
    forgotten: int = 0
    deleted: int = 0
    freed: int = 0
    spared: int = 0
    refused: list[str] = field(default_factory=list)
    left: int = 0
    moved: int = 0
    stored: int = 0
    joined: int = 0
    joined_into: int = 0
    moves_joined: int = 0
    damaged: list[str] = field(default_factory=list)
    segments_written: int = 0
    segments_replaced: int = 0
    rollups_deleted: int = 0
    records_gathered: int = 0
    tables_deleted: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether the whole plan was carried out."""
        return not (self.waiting or self.refused or self.left or self.damaged)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        named = {
            "packs_deleted": self.deleted,
            "records_deleted": self.forgotten,
            "freed_bytes": self.freed,
            "packs_spared": self.spared,
            "objects_refused": list(self.refused),
            "packs_left": self.left,
            "packs_repacked": self.moved,
            "stored_bytes": self.stored,
        }
        named |= {"packs_joined": self.joined, "packs_joined_into": self.joined_into, "move_records_joined": self.moves_joined}
        plain = [name for name in self.__struct_fields__ if name not in ("joined", "joined_into", "moves_joined")]
        return {name: getattr(self, name) for name in plain} | named | {"done": self.done}
