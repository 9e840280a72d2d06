"""What this team wants to be sure of before the day it is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from strongroom.testing import Faults, FrozenClock, ThrowawayProject, assert_restores

HERE = Path(__file__).parent.parent
both_kinds = pytest.mark.strongroom(sources={"reports": "reports", "tickets": "tickets"})


@pytest.fixture
def stored(strongroom_project: ThrowawayProject) -> ThrowawayProject:
    """A project with the reports and tickets of this repository, backed up once."""
    for kind, folder in strongroom_project.sources.items():
        shutil.copytree(HERE / kind, folder, dirs_exist_ok=True)
    assert [done.error for done in strongroom_project.backup()] == [None] * len(strongroom_project.sources)
    return strongroom_project


@both_kinds
@pytest.mark.parametrize("strongroom_repository", ["folder", "moto"], indirect=True)
def test_everything_comes_back(stored: ThrowawayProject) -> None:
    assert_restores(stored.select(), equals=stored.sources)


def test_a_month_comes_back_by_itself(stored: ThrowawayProject) -> None:
    assert_restores(stored.select(periods=["2024-05"]), equals=HERE / "reports/2024/2024-05.csv", times=False, modes=False)


def test_a_report_that_was_overwritten_is_there_as_it_was(strongroom_clock: FrozenClock, stored: ThrowawayProject) -> None:
    report = stored.source / "2024/2024-05.csv"
    strongroom_clock.move(days=40)
    report.write_text("overwritten by mistake\n")
    stored.backup()
    before = stored.select(paths=["reports/2024/2024-05.csv"], at="30 days ago")
    assert_restores(before, equals=HERE / "reports/2024/2024-05.csv", times=False, modes=False)


def test_a_power_cut_in_the_middle_of_a_backup_costs_nothing(stored: ThrowawayProject, strongroom_faults: Faults) -> None:
    (stored.source / "2024/2024-07.csv").write_text("day,agent,calls\n2024-07-01,olena,18\n")
    with strongroom_faults.power_cut(after_writes=1):
        stored.backup()
    stored.backup()
    assert_restores(stored.select(), equals=stored.source)
