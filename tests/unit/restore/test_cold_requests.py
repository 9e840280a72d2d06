"""What a machine without a cache asks of the store for a month out of a history of hours, once that was maintained."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks import hours
from restore.history import rollup
from vault.repository import head_chunks, snapshots
from vault.repository.gc.prune_plan import PruneOptions

MOST = 20


def test_a_month_is_restored_with_at_most_twenty_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of so few snapshots a listing is one page; each further thousand is one request more."""
    monkeypatch.setattr(hours, "ROWS", 5)
    monkeypatch.setattr(rollup, "FEWEST", 4)
    monkeypatch.setattr(snapshots, "WORTH_TABLES", 3)
    monkeypatch.setattr(head_chunks, "WORTH_PACKS", 1)
    run = hours.Run.begin(tmp_path / "work")
    hours.live(run, Namespace(hours=20, prune_every=0, no_join=False))
    month = hours.month_before(run.clock.hour)
    _, before = hours.restored(run.place, run.source, run.folder, month)
    assert sum(before.values()) > MOST
    for _ in range(2):
        hours.prune(run.place.usual, PruneOptions(join=True))
    _, asked = hours.restored(run.place, run.source, run.folder, month)
    assert sum(asked.values()) <= MOST, asked
    _, everything = hours.restored(run.place, run.source, run.folder, None)
    assert sum(everything.values()) <= MOST, everything
