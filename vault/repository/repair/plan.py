"""What a repair would do, and what it cannot: values."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from msgspec import Struct

from vault.repository.repair.unrepaired_items import LostItem

StepKind = Literal["put-back", "index", "content", "record", "claim", "roll-up", "record-table", "head-chunks"]


class RepairStep(NamedTuple):
    """One thing that is done.

    - `what`: put-back: a whole copy of an object · index: rows that the packs say themselves · content: what a bad pack held
      lies in others · record: of a snapshot · claim: that cannot be read, taken away · roll-up: that cannot be read, deleted
    - `object`: its name in the store; of `index` the folder
    - `origin`: where it is from, in words
    - `message`: in words
    """

    what: StepKind
    object: str
    origin: str
    message: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"what": self.what, "object": self.object, "copied_from": self.origin, "message": self.message}


class Unrepaired(NamedTuple):
    """Something that cannot be mended from here.

    - `folder`: of the project, as `snapshots`; `packs` for packs
    - `object`: its name in the store
    - `message`: what is wrong and why it stays, in words
    - `drop`: what becomes of it when a person gives it up, in words; empty where that is another command's business
    """

    folder: str
    object: str
    message: str
    drop: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"object": self.object, "message": self.message, "with_drop": self.drop or None}


class RepairPlan(Struct, frozen=True):
    """What a repair of a project would do.

    - `steps`: in the order in which they are done
    - `unrepaired`: what stays as it is
    - `lost`: items whose content nobody has, without those that were given up
    - `given_up`: how many were
    - `bad_packs`: packs that snapshots need and that are gone or damaged
    - `reads`: whether this identity may read content: who may not cannot look into packs of content
    - `unreachable`: copies that could not be asked, and why
    """

    project: str
    steps: tuple[RepairStep, ...] = ()
    unrepaired: tuple[Unrepaired, ...] = ()
    lost: tuple[LostItem, ...] = ()
    given_up: int = 0
    bad_packs: int = 0
    reads: bool = True
    unreachable: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether there is nothing to do and nothing left."""
        return not (self.steps or self.unrepaired or self.lost)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "sound": self.sound,
            "steps": [one.as_json() for one in self.steps],
            "unrepaired": [one.as_json() for one in self.unrepaired],
            "lost_items": [one.as_json() for one in self.lost],
            "given_up_items": self.given_up,
            "bad_packs": self.bad_packs,
            "may_read": self.reads,
            "unreachable": list(self.unreachable),
        }


class RepairReport(Struct, frozen=True):
    """What a repair of a project did.

    - `done`: the steps that were done
    - `failed`: those that were not, as the store or a copy turned out to be otherwise, with why
    - `packs`: that were put back or whose content lies elsewhere now
    - `left`: what a repair would do now
    """

    done: tuple[RepairStep, ...]
    failed: tuple[Unrepaired, ...]
    packs: frozenset[bytes]
    left: RepairPlan

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "steps_done": [one.as_json() for one in self.done],
            "steps_failed": [one.as_json() for one in self.failed],
            "left_to_repair": self.left.as_json(),
        }
