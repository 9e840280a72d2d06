"""What plans come to: files and bytes by kind and period, about how long it takes, and whether the disk has room for it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from restore.local_fs.syscalls import is_folder
from restore.planning import estimate

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from restore.planning.estimate import EstimateRow
    from restore.planning.plan import RestorePlan
    from strongroom.context import Context


class Estimate(Struct, frozen=True):
    """What a restore comes to. rows: files and bytes by kind and period · seconds: about how long it takes."""

    rows: tuple[EstimateRow, ...]
    seconds: float


class DiskShortage(Struct, frozen=True):
    """A disk that may have too little room; what is compressed or shared there may still fit. needed, free: bytes."""

    folder: Path
    needed: int
    free: int


def estimate_of(context: Context, plans: Sequence[RestorePlan], zone: ZoneInfo) -> Estimate:
    """What plans come to. zone: in which periods are meant."""
    pace = estimate.throughput_of(context.settings.repository.address)
    return Estimate(tuple(estimate.by_period(plans, zone)), estimate.seconds(plans, pace))


def plan_json(plans: Sequence[RestorePlan], estimated: Estimate) -> dict[str, Any]:
    """All plans as one, and the estimate."""
    rows = [row.as_json() for row in estimated.rows]
    return summed([plan.as_json() for plan in plans]) | {
        "by_period": rows,
        "estimated_seconds": round(estimated.seconds, 1),
    }


def summed(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several JSON documents of one form as one: numbers added, lists put one after another."""
    found = dict(documents[0])
    for one in documents[1:]:
        for name, value in one.items():
            found[name] = found[name] + value if name in found else value
    return found


def disk_shortage(folder: Path, needed: int) -> DiskShortage | None:
    """Whether the disk of a folder, which need not exist, has less room than this. needed: bytes. None where it has, or where
    that cannot be told."""
    for existing in (folder, *folder.absolute().parents):
        if is_folder(existing):
            try:
                free = shutil.disk_usage(existing).free
            except OSError:
                return None
            return DiskShortage(folder, needed, free) if needed > free else None
    return None
