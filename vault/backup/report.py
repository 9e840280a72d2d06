"""What a backup of one source did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from vault.format.snapshot_record import Record
from vault.problems import Problem, printable
from vault.source.contract import Skipped

if TYPE_CHECKING:
    from vault.backup.new_content import Grown  # most backups read nothing

MOST_DOUBTFUL = 1000
"""Paths of doubtful periods that a report names."""


class BackupReport(Struct, frozen=True):
    """What a backup did. seconds: from the scan to the commit · claim_stays: it could not be deleted, which harms nothing ·
    snapshots: that the project has now, as far as this run saw · grown: files of which what they had at first is kept ·
    by_default: how many items were left out by each default pattern · doubtful: paths that this run described and that can be
    read in several ways; their periods cover them all · read_again: packs whose lost content was read again from the source."""

    project: str
    record: Record
    problems: tuple[Problem, ...]
    skipped: tuple[Skipped, ...]
    excluded: int
    by_default: Mapping[str, int]
    seconds: float
    grown: tuple[Grown, ...] = ()
    claim_stays: bool = False
    snapshots: int = 1
    doubtful: tuple[bytes, ...] = ()
    read_again: frozenset[bytes] = frozenset()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "project": self.project,
            "source": self.record.source,
            "snapshot": self.record.id,
            "taken_at": self.record.taken_at.isoformat(),
            **self.record.counts.as_json(),
            "seconds": round(self.seconds, 3),
            "skipped": [{"path": printable(one.path), "what": one.what} for one in self.skipped],
            "excluded": self.excluded,
            "excluded_by_default": dict(self.by_default),
            "grown": [{"path": printable(one.path), "kept_bytes": one.size} for one in self.grown],
            "claim_stays": self.claim_stays,
            "doubtful_periods": [printable(path) for path in self.doubtful[:MOST_DOUBTFUL]],
            "problem_list": [problem.as_json() for problem in self.problems],
        }
