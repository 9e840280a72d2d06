"""A report an hour, for days and for weeks, with a prune now and then: how many objects stand, what is stored anew, and how
many requests a restore takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hourly import HourlyReports
from tests.support.places import restore, through
from tests.support.trees import look_at
from vault.repository import snapshots
from vault.repository.claims import WaitOptions
from vault.repository.gc.prune import apply
from vault.repository.gc.prune_plan import PruneOptions
from vault.repository.gc.prune_planner import make_plan
from vault.storage.counting import CountingStore

PRUNE = PruneOptions(patience=WaitOptions(seconds=0), repack_above=None)
AT_MOST = 28
"""Packs of a tier that are not large: seven of each of four classes."""


@pytest.mark.parametrize(("hours", "every"), [(40, 8), pytest.param(21 * 24, 24, marks=pytest.mark.slow)])
def test_hourly_backups_stay_few_objects_that_are_stored_anew_a_few_times(hours: int, every: int, tmp_path: Path) -> None:
    life = HourlyReports(tmp_path)
    first = rewritten = 0
    for _ in range(hours // every):
        before = {info.name for info in life.disk.list("projects")}
        life.pass_hours(every)
        first += sum(info.size for info in life.disk.list("projects") if info.name not in before and "/meta/" in info.name)
        plan = make_plan(life.project, PRUNE)
        rewritten += sum(one.size for one in plan.small if one.tier == 1)
        assert apply(life.project, plan, PRUNE).done
    assert rewritten < 3 * first
    for _ in range(2):
        assert apply(life.project, make_plan(life.project, PRUNE), PRUNE).done
    content, catalogue = life.packs()
    assert content <= AT_MOST and catalogue <= AT_MOST + first // (128 * 1024)
    assert life.count("index") <= 8
    assert life.count("snapshots") <= hours + 16, "records of moved packs are among them"
    assert life.count("marks") == life.count("claims") == 0
    assert len(snapshots.read_all(life.project)) == hours
    life.judge()
    counting = CountingStore(life.disk)
    restore(through(life.project, counting), tmp_path / "back")
    assert look_at(tmp_path / "back/reports") == look_at(life.folder)
    asked = counting.snapshot().requests
    assert asked["get_range"] <= 3 * (content + catalogue), "two for each pack, and one more where it is long"
