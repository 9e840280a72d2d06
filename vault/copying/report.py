"""What a copy of a project has to do, and what it came to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct, field

from vault.problems import Problem


class CopyPlan(Struct, frozen=True):
    """What is missing in the second store.

    - `snapshots`: ids of those to copy, parents first
    - `packs`, `size`: to copy, and their stored bytes
    - `repaired`: packs among them that the second store had, and has lost or damaged
    - `objects`: small objects to copy whole: holds, key objects and others
    - `problems`: what cannot be copied, and why
    """

    project: str
    snapshots: tuple[str, ...]
    packs: int
    size: int
    repaired: int
    objects: int
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "snapshot_ids": list(self.snapshots),
            "packs": self.packs,
            "bytes": self.size,
            "packs_repaired": self.repaired,
            "objects_to_copy": self.objects,
            "problem_list": [one.as_json() for one in self.problems],
        }


class CopyReport(Struct):
    """What a run copied of a project.

    - `began`: when the first store was looked at: what it had then, the second has if the copy is `complete`
    - `snapshots`, `packs`, `bytes`, `objects`: that were copied; bytes of packs
    - `repaired`: packs among them that the second store had lost or damaged
    - `left`: snapshots that are still to be copied
    - `waiting`: why some of them wait, in words
    - `problems`: what could not be copied, and why
    """

    project: str
    began: datetime
    snapshots: int = 0
    packs: int = 0
    bytes: int = 0
    repaired: int = 0
    objects: int = 0
    left: int = 0
    waiting: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether the second store has every snapshot that the first one had."""
        return not self.left

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "began_at": self.began.isoformat(),
            "snapshots_copied": self.snapshots,
            "packs_copied": self.packs,
            "bytes_copied": self.bytes,
            "packs_repaired": self.repaired,
            "objects_copied": self.objects,
            "snapshots_left": self.left,
            "waiting_for": list(self.waiting),
            "problem_list": [one.as_json() for one in self.problems],
            "seconds": round(self.seconds, 3),
            "complete": self.complete,
        }
