"""What a decision must know of snapshots, from their records.

A record does not tell which holds on periods and paths its items match: that takes a look at its manifest (`holds.matches`).
Where nobody has looked, all such holds bind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policies.retention.verdict import Snapshot
from vault.format.snapshot_record import Record


def described(
    records: Iterable[Record], *, flagged: Mapping[str, str], matches: Mapping[str, frozenset[str]]
) -> tuple[Snapshot, ...]:
    """Facts for the decision. records: all of a project, their parents such that those of forgotten snapshots are bridged ·
    flagged: snapshots with an alert that nobody has accepted, and why · matches: the holds that the items of a snapshot
    match, for those whose manifests were looked at."""
    found = list(records)
    superseded = {(one.source, parent) for one in found for parent in one.parents}
    return tuple(
        Snapshot(
            id=one.id,
            source=one.source,
            kind=one.kind,
            taken_at=one.taken_at,
            good=not one.counts.problems,
            superseded=(one.source, one.id) in superseded,
            flagged=flagged.get(one.id, ""),
            matches=matches.get(one.id),
        )
        for one in found
    )
