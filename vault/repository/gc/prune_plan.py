"""What a prune would do, as a value, and the options of a prune. `prune_planner` makes a plan, `prune` carries it out.

forgotten records   go, unless a hold covers their snapshot
dead packs          no snapshot needs them by its record's list, or what it needs of them is proven to lie elsewhere: they go
wasteful packs      hold more waste than what a snapshot needs: that is repacked, and they go with the next prune
small packs         are joined once enough have come together (see `small_packs`), and go with the next prune
index               rows of packs that are gone are dropped, segments are joined when there are too many
locked              what the store keeps locked is left for another prune
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct, field

from vault.format.layout import META_TIER
from vault.progress import NoProgress, Progress, Stop
from vault.repository.claims import WaitOptions
from vault.repository.gc.forget import Held, nothing_held
from vault.repository.index_compaction import FEW_SEGMENTS

REPACK_ABOVE = 0.5
"""Share of waste from which on a pack is repacked."""

Locked = Callable[[str], datetime | None]
"""Until when the store keeps the object of a name locked; None where it does not."""


def nothing_locked(_name: str) -> datetime | None:
    """For stores that lock no objects."""
    return None


class StoredPack(NamedTuple):
    """A pack in the store. size: its stored bytes."""

    tier: int
    sha256: bytes
    size: int


Anew = Callable[[Sequence[StoredPack]], frozenset[bytes]]
"""Which packs are to be repacked, by their SHA-256."""


class PruneOptions(Struct, frozen=True):
    """How a prune behaves.

    - `held`: reads the holds; called again before each deletion
    - `locked`: until when the store keeps an object
    - `remembered`: ids of the snapshots that this machine has seen
    - `max_bytes`: how much is deleted or repacked at most
    - `max_seconds`: from the mark on
    - `repack_above`: share of waste, 0 to 1; None: no pack is repacked, so that not every manifest must be read
    - `join`: whether small packs are joined
    - `youngest_joined`: the store charges for objects that are deleted sooner: younger packs are not joined
    - `allow_empty`: it is no error that no snapshot is left
    - `most_segments`: small index segments that may stay, before they are joined
    - `anew`: finds packs, of those that are needed, that are repacked whatever their waste; None: there are none
    - `stop`: called often, raises to end the run
    """

    held: Held = nothing_held
    locked: Locked = nothing_locked
    remembered: frozenset[str] = frozenset()
    max_bytes: int | None = None
    max_seconds: float | None = None
    repack_above: float | None = REPACK_ABOVE
    join: bool = True
    youngest_joined: timedelta = timedelta(0)
    allow_empty: bool = False
    most_segments: int = FEW_SEGMENTS
    anew: Anew | None = None
    patience: WaitOptions = field(default_factory=WaitOptions)
    stop: Stop = lambda: None
    progress: Progress = field(default_factory=NoProgress)


PackBatch = tuple[StoredPack, ...]
"""Packs that become one."""


class WastefulPack(NamedTuple):
    """A pack of which only a part is needed. waste: stored bytes of chunks that no snapshot needs."""

    pack: StoredPack
    waste: int


class PrunePlan(Struct, frozen=True):
    """What a prune would do.

    - `known_forgotten`: every snapshot that was forgotten when the plan was made
    - `forgotten`: those of them whose records are deleted
    - `held`: those that stay because of a hold, and the hold's reason
    - `dead`: packs that are deleted
    - `wasteful`: packs that are repacked
    - `joins`: small packs that are joined, batch by batch
    - `later`: dead, wasteful and small packs that exceed `max_bytes`
    - `locked`, `locked_records`: packs and forgotten records that the store keeps, and until when
    - `needed`: packs that a snapshot needs
    - `unproven`: packs that stay although a record says that their content has moved, since that could not be proven; or
      although no record names them, since they hold the only copy of something that is needed
    - `after_loss`: packs that no snapshot needs, and that stay until `packs_stay_until`, since the loss of snapshots was
      accepted that may have needed them
    - `claims`: snapshots that are being written, which a prune waits for, with a description of their writers
    - `segments`: of the index, as it is
    - `young`: small packs that are not joined yet, since the store would charge for it
    - `unreadable`: small packs that wait for somebody with a read capability to join them
    - `moves`: ids of the records of moved packs
    """

    project: str
    known_forgotten: frozenset[str]
    forgotten: tuple[str, ...]
    held: tuple[tuple[str, str], ...]
    dead: tuple[StoredPack, ...]
    wasteful: tuple[WastefulPack, ...]
    later: tuple[StoredPack, ...]
    locked: tuple[tuple[StoredPack, datetime], ...]
    locked_records: tuple[tuple[str, datetime], ...]
    needed: tuple[StoredPack, ...]
    unproven: tuple[StoredPack, ...]
    claims: tuple[tuple[str, str], ...]
    segments: int
    after_loss: tuple[StoredPack, ...] = ()
    packs_stay_until: datetime | None = None
    joins: tuple[PackBatch, ...] = ()
    young: tuple[StoredPack, ...] = ()
    unreadable: tuple[StoredPack, ...] = ()
    moves: frozenset[str] = frozenset()

    @property
    def small(self) -> list[StoredPack]:
        """The packs that are joined."""
        return [pack for batch in self.joins for pack in batch]

    @property
    def new_packs(self) -> int:
        """In place of the packs that are joined, at most: of the catalogue what the newest snapshots need lies apart."""
        return sum(2 if batch[0].tier == META_TIER else 1 for batch in self.joins)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "forgotten": list(self.forgotten),
            "held": [{"snapshot": snapshot, "reason": why, "why": why} for snapshot, why in self.held],
            "dead": _totals(self.dead),
            "repack": _totals([one.pack for one in self.wasteful]) | {"waste": sum(one.waste for one in self.wasteful)},
            "join": _totals(self.small) | {"new_packs": self.new_packs},
            "young": _totals(self.young),
            "unreadable": _totals(self.unreadable),
            "later": _totals(self.later),
            "locked": [{"pack": one.sha256.hex(), "bytes": one.size, "until": until.isoformat()} for one, until in self.locked],
            "locked_records": [{"snapshot": one, "until": until.isoformat()} for one, until in self.locked_records],
            "needed": _totals(self.needed),
            "unproven": _totals(self.unproven),
            "after_loss": _totals(self.after_loss)
            | {"until": None if self.packs_stay_until is None else self.packs_stay_until.isoformat()},
            "claims": [{"snapshot": snapshot, "writer": whose, "of": whose} for snapshot, whose in self.claims],
            "segments": self.segments,
        }


def _totals(packs: Iterable[StoredPack]) -> dict[str, int]:
    sizes = [one.size for one in packs]
    return {"packs": len(sizes), "bytes": sum(sizes)}
