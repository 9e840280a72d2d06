"""The fixtures of the plugin, used as a user's tests use them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

import strongroom
from strongroom.testing import Faults, FrozenClock, ThrowawayProject, ThrowawayRepository, assert_restores
from vault.errors import SettingsError, StorageFull


def replace_by_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


def point_elsewhere(link: Path) -> None:
    link.unlink()
    link.symlink_to("elsewhere")


def test_a_project_is_backed_up_and_restored(strongroom_project: ThrowawayProject) -> None:
    reports = strongroom_project.source
    may = reports / "2024" / "05.csv"
    may.parent.mkdir()
    may.write_text("agent,calls\nolena,17\n")
    may.chmod(0o640)
    os.utime(may, ns=(0, 1_600_000_000_123_456_789))
    (reports / "newest").symlink_to("2024/05.csv")
    [done] = strongroom_project.backup()
    assert done.error is None and done.problems == 0
    assert_restores(strongroom_project.select(), equals=reports)
    assert_restores(strongroom_project.select(paths=["reports/2024/05.csv"]), equals=may)
    assert_restores(strongroom_project.select(periods=["2024-05"]), equals=reports, subset=True)
    assert isinstance(strongroom_project, strongroom.Project)


def test_a_process_of_the_test_finds_the_repository_too(
    strongroom_project: ThrowawayProject, strongroom_repository: ThrowawayRepository
) -> None:
    (strongroom_project.source / "a.csv").write_text("1")
    words = [sys.executable, "-P", "-c", "from cli.main import run; run()", "backup", "--quiet", "--json"]
    subprocess.run(words, check=True, capture_output=True)
    with strongroom.open_repository() as repository:
        assert repository.context.settings.file == strongroom_repository.settings
        assert [len(one.snapshots().snapshots) for one in repository.projects()] == [1]
    assert_restores(strongroom_project.select(), equals=strongroom_project.source)


@pytest.mark.parametrize("strongroom_repository", ["folder", "moto"], indirect=True)
def test_the_parameter_says_where_the_repository_lies(
    strongroom_repository: ThrowawayRepository, strongroom_project: ThrowawayProject, request: pytest.FixtureRequest
) -> None:
    assert strongroom_repository.address.startswith("s3://") == ("moto" in request.node.name)
    (strongroom_project.source / "a.csv").write_text("1")
    assert [done.error for done in strongroom_project.backup()] == [None]
    assert_restores(strongroom_project.select(), equals=strongroom_project.source)


@pytest.mark.strongroom(sources={"reports": "r", "tickets": "t"})
def test_items_of_several_kinds_are_compared_with_a_folder_each(strongroom_project: ThrowawayProject) -> None:
    for kind, folder in strongroom_project.sources.items():
        (folder / "a.csv").write_text(kind)
    strongroom_project.backup()
    assert_restores(strongroom_project.select(), equals=strongroom_project.sources)
    with pytest.raises(AssertionError, match="give a folder for each"):
        assert_restores(strongroom_project.select(), equals=strongroom_project.source)
    with pytest.raises(AssertionError, match="expected were reports"):
        assert_restores(strongroom_project.select(), equals={"reports": strongroom_project.source})


CHANGES: dict[str, Callable[[Path], object]] = {
    "a.csv: its content differs from byte 2 on": lambda folder: (folder / "a.csv").write_text("12x"),
    "a.csv: its content differs from byte 3 on .3 bytes instead of 4": lambda folder: (folder / "a.csv").write_text("1234"),
    "a.csv: its mode is 0644, and should be 0600": lambda folder: (folder / "a.csv").chmod(0o600),
    "a.csv: it was modified at .*, and should have been at 1970-01-01T00:00:00.000000007Z": lambda folder: os.utime(
        folder / "a.csv", ns=(0, 7)
    ),
    "new.csv: the file was not restored": lambda folder: (folder / "new.csv").write_text(""),
    "a.csv: there is a file that should not be there": lambda folder: (folder / "a.csv").unlink(),
    "link: it points to a.csv, and should to elsewhere": lambda folder: point_elsewhere(folder / "link"),
    "sub: it is a folder, and should be a file": lambda folder: replace_by_file(folder / "sub"),
}


def test_whatever_differs_is_named(strongroom_project: ThrowawayProject, tmp_path: Path) -> None:
    for number, (message, change) in enumerate(CHANGES.items()):
        folder = strongroom_project.source if number == 0 else tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        (folder / "sub").mkdir()
        (folder / "a.csv").write_text("123")
        (folder / "a.csv").chmod(0o644)
        (folder / "link").symlink_to("a.csv")
        if number == 0:
            strongroom_project.backup()
        selected = strongroom_project.select()
        change(folder)
        with pytest.raises(AssertionError, match=message):
            assert_restores(selected, equals=folder)


def test_many_differences_are_counted(strongroom_project: ThrowawayProject, tmp_path: Path) -> None:
    for number in range(15):
        (strongroom_project.source / f"{number:02}.csv").write_text("1")
    strongroom_project.backup()
    empty = tmp_path / "empty"
    empty.mkdir()
    os.utime(empty, ns=(0, strongroom_project.source.stat().st_mtime_ns))
    with pytest.raises(AssertionError, match=r"15 differences(.*\n)*.*… and 5 more"):
        assert_restores(strongroom_project.select(), equals=empty, times=False)


def test_the_clock_stands_still_until_it_is_moved(strongroom_clock: FrozenClock, strongroom_project: ThrowawayProject) -> None:
    strongroom_clock.move_to("2026-03-14T12:00Z")
    report = strongroom_project.source / "a.csv"
    report.write_text("1")
    strongroom_project.backup()
    strongroom_clock.move(days=30)
    report.write_text("2")
    strongroom_project.backup()
    report.write_text("3")
    strongroom_project.backup()
    noon = datetime(2026, 3, 14, 12, tzinfo=UTC)
    taken = sorted(one.taken_at for one in strongroom_project.snapshots().snapshots)
    assert taken == [noon, noon + timedelta(days=30), noon + timedelta(days=30)]
    assert_restores(strongroom_project.select(), equals=strongroom_project.source)
    report.write_text("1")
    assert_restores(strongroom_project.select(before="2026-04-01"), equals=strongroom_project.source, times=False)
    with pytest.raises(ValueError, match="no time zone"):
        strongroom_clock.move_to("2026-03-14")


@pytest.mark.parametrize("when", ["before", "after"])
def test_after_a_power_cut_life_goes_on(
    strongroom_project: ThrowawayProject, strongroom_faults: Faults, when: Literal["before", "after"]
) -> None:
    report = strongroom_project.source / "a.csv"
    for writes in range(4):
        report.write_text(f"{writes}" * 100)
        survived = False
        with strongroom_faults.power_cut(after_writes=writes, when=when):
            strongroom_project.backup()
            survived = True
        assert not survived
        assert [done.error for done in strongroom_project.backup()] == [None]
        assert_restores(strongroom_project.select(), equals=strongroom_project.source)
    assert strongroom_project.check(data=1.0).sound


def test_a_fault_that_did_not_come_about_fails_the_test(
    strongroom_project: ThrowawayProject, strongroom_faults: Faults
) -> None:
    (strongroom_project.source / "a.csv").write_text("1")
    with (
        pytest.raises(AssertionError, match="after write 10000 did not come about"),
        strongroom_faults.power_cut(after_writes=10_000),
    ):
        strongroom_project.backup()
    with pytest.raises(ZeroDivisionError), strongroom_faults.full_disk():
        _ = 1 // 0


def test_a_full_disk_is_an_error_of_the_backup_and_the_next_one_goes_on(
    strongroom_project: ThrowawayProject, strongroom_faults: Faults
) -> None:
    (strongroom_project.source / "a.bin").write_bytes(bytes(range(256)) * 100 + os.urandom(100_000))
    with strongroom_faults.full_disk(after_bytes=10_000):
        [done] = strongroom_project.backup()
    assert isinstance(done.error, StorageFull)
    assert [done.error for done in strongroom_project.backup()] == [None]
    assert_restores(strongroom_project.select(), equals=strongroom_project.source)


@pytest.mark.parametrize("how", ["drops", "empties", "flips"])
def test_no_lie_of_a_store_goes_unnoticed(
    strongroom_project: ThrowawayProject, strongroom_faults: Faults, how: Literal["drops", "empties", "flips"]
) -> None:
    (strongroom_project.source / "a.csv").write_text("1" * 100)
    with strongroom_faults.lying_store(how):
        [done] = strongroom_project.backup()
    noticed = done.error is not None or not strongroom_project.check(data=1.0).sound
    assert noticed


def test_settings_can_be_added_and_bad_ones_are_refused(
    strongroom_project: ThrowawayProject, strongroom_repository: ThrowawayRepository
) -> None:
    strongroom_repository.write_settings("[projects.project.keep]\nlast = 3")
    anew = strongroom_repository.project(strongroom_project.name)
    assert anew.context.settings.project("project").keep.last == 3
    assert anew.source == strongroom_project.source
    with pytest.raises(SettingsError):
        strongroom_repository.write_settings("[nonsense]")
    assert "nonsense" not in strongroom_repository.settings.read_text()
