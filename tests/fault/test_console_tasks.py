"""Whatever happens to the console, its disk or its store while something is brought back: nothing half-written is called done,
and it goes on where it was."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.access.rights import Role
from console.limits import ConsoleLimits
from console.state import ConsoleState
from console.tasks.records import Tasks
from tests.e2e.console.getting_back import confirm, fetched, get_back, log_of, plan, tick, until
from tests.support.console import console_of, person, text_of
from tests.support.desk import Desk, Place
from tests.support.randomness import SeededChance
from tests.support.small_disk import MB, make_room, small_disk
from tests.support.tree_facts import tree_facts, write_files
from vault.clock import SystemClock

ANNA = person("anna", Role.RESTORER, Role.EXPORTER)
OPERATOR = person("anna", Role.OPERATOR)
ROOT = Path(__file__).parents[2]
NOT_RUN = ConsoleLimits(tasks_at_once=0)
HURRIED = ConsoleLimits(retry=0.05)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    randomness = SeededChance("console")
    files = {f"2024/{number:02}.bin": randomness.token(30_000) for number in range(30)} | {"kept.txt": b"here"}
    write_files(made.folder / "reports", files | {"2024/large.bin": randomness.token(2 * MB)})
    made.init()
    made.shrink_packs(200_000)
    made.add("acme", f"reports={made.folder / 'reports'}")
    made.call("backup")
    return made


def killed(desk: Desk, after: int) -> None:
    """A console that is killed once the restore has told of progress so often."""
    command = [sys.executable, "-m", "tests.support.killed_console", str(desk.settings)]
    file = desk.folder / "console" / "console.sqlite"
    environment = {**desk.environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, str(file), str(after)], cwd=desk.folder, env=environment, capture_output=True, timeout=120, check=False
    )
    assert done.stdout == b"killed\n" and done.returncode == -9, done.stderr.decode()


def test_a_console_that_is_killed_in_the_middle_of_a_restore_goes_on_with_it(desk: Desk) -> None:
    reports = desk.folder / "reports"
    before = tree_facts(reports)
    shutil.rmtree(reports / "2024")
    with console_of(desk, ANNA, limits=NOT_RUN) as console:
        tick(console, folder="reports%2F2024")
        task = confirm(console, plan(console, "place")).headers["location"]
    for after in (2, 0):
        killed(desk, after)
        state = ConsoleState(desk.folder / "console" / "console.sqlite")
        assert Tasks(state).get(task.removeprefix("/tasks/")).state == "running"
        state.close()
        there = {path: facts for path, facts in tree_facts(reports).items() if not _is_half(path)}
        whole = {path for path in there if path in before and there[path] == before[path]}
        assert len(whole) < len(before), "nothing was left to be done"
        assert all(path in whole for path in there if path.endswith((b".bin", b".txt"))), "a file is there that is not whole"
    with console_of(desk, ANNA) as console:
        done = text_of(until(console, task, "is done"))
        assert "not as you asked for" not in done
    after_all = tree_facts(reports)
    assert {path: after_all[path] for path in before if path} == {path: before[path] for path in before if path}
    assert not [path for path in after_all if _is_half(path)]


def test_a_console_that_is_killed_while_it_erases_goes_on_to_the_end_and_called_nothing_done_before(desk: Desk) -> None:
    desk.settings.write_text(desk.settings.read_text() + "\n[erasure]\napprovals = 1\n")
    form = {"step": "ask", "reason": "contract ended", "confirm": "acme"}
    with console_of(desk, OPERATOR, limits=NOT_RUN, approvals=frozenset()) as console:
        task = console.post("/projects/acme/erase", form).headers["location"]
    killed(desk, after=3)
    state = ConsoleState(desk.folder / "console" / "console.sqlite")
    assert Tasks(state).get(task.removeprefix("/tasks/")).state == "running"
    state.close()
    left = list((desk.folder / "repository/projects").glob("*/*/*"))
    assert left, "nothing was left to be done"
    with console_of(desk, OPERATOR, limits=NOT_RUN) as console:
        begun = text_of(console.get("/projects/acme/erase"))
        assert "The erasing has begun, and there is no way back" in begun and "Completed by" not in begun
        refused = console.post(f"{task}/cancel")
        assert refused.status_code == 400 and "goes on to its end" in refused.text
    with console_of(desk, OPERATOR) as console:
        until(console, task, "is done")
        assert "Completed by" in text_of(console.get("/projects/acme/erasure"))
    assert not [one for one in (desk.folder / "repository/projects").rglob("*") if one.is_file()]


def test_a_console_that_is_killed_in_an_export_makes_it_anew_and_nothing_half_can_be_fetched(desk: Desk) -> None:
    with console_of(desk, ANNA, limits=NOT_RUN) as console:
        task = console.post("/projects/acme/export", {"reason": "audit 17"}).headers["location"]
    killed(desk, after=20)
    with console_of(desk, ANNA, limits=NOT_RUN) as console:
        assert "Download" not in text_of(console.get(task)) and "is done" not in text_of(console.get(task))
    with console_of(desk, ANNA) as console:
        assert "The bag is whole." in text_of(until(console, task, "is done"))
        bag = fetched(console, task).content
    with zipfile.ZipFile(io.BytesIO(bag)) as archive:
        assert archive.testzip() is None
        data = {one.rpartition("/data/reports/")[2]: archive.read(one) for one in archive.namelist() if one.endswith(".bin")}
    assert {name: (desk.folder / "reports" / name).read_bytes() for name in data} == data and len(data) == 31
    (folder,) = (desk.folder / "console/console-files").iterdir()
    assert [one.suffix for one in folder.iterdir()] == [".zip"]


def test_a_console_that_is_killed_while_it_verifies_a_bag_gives_no_verdict_and_verifies_it_anew(desk: Desk) -> None:
    bag = desk.folder / "bag.zip"
    desk.call("export", "acme", "--to", str(bag), "--reason", "audit 17")
    with console_of(desk, ANNA, limits=NOT_RUN) as console:
        begun = console.call("/projects/acme/bags/verify", bag.read_bytes())
        task = f"/tasks/{begun.json()['id']}"
    killed(desk, after=0)
    _until_nobody_has_open(desk.folder / "console")
    with console_of(desk, ANNA, limits=NOT_RUN) as console:
        page = text_of(console.get(task))
        assert "is done" not in page and "The bag is" not in page and "NOT" not in page
    (left,) = (desk.folder / "console/console-files").iterdir()
    assert (left / "bag").read_bytes() == bag.read_bytes(), "it can be verified anew"
    with console_of(desk, ANNA) as console:
        assert "The bag is whole." in text_of(until(console, task, "is done"))
        assert not list((desk.folder / "console/console-files").iterdir())
    verified = [one.entry.outcome for one in log_of(desk) if one.entry.action == "bag-verify"]
    assert [one and one.result for one in verified] == ["interrupted", "ok"]


def _until_nobody_has_open(folder: Path) -> None:
    """No process has a file below it any more: what was begun for a console ends with it, or notices that it is gone."""
    deadline = SystemClock().monotonic() + 60
    while any(str(folder) in one for one in _open_files()):
        assert SystemClock().monotonic() < deadline, "a process outlives the console"
        SystemClock().sleep(0.1)


def _open_files() -> Iterator[str]:
    for one in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            yield str(one.readlink())


@pytest.mark.slow
def test_an_export_without_room_or_store_is_not_called_done(desk: Desk, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", MB) as disk, console_of(desk, ANNA) as console:
        files = desk.folder / "console/console-files"
        files.symlink_to(disk)
        task = console.post("/projects/acme/export", {"reason": "audit 17"}).headers["location"]
        failed = text_of(until(console, task, "did not work"))
        assert "has room for" in failed or "No space left" in failed
        assert not list(disk.rglob("*.zip")) and "Download" not in failed
        refused = console.call("/projects/acme/bags/verify", b"x" * MB)
        assert refused.status_code == 507 and not [one for one in disk.rglob("*") if one.is_file() and one.name == "bag"]
        files.unlink()
        console.post(f"{task}/again")
        until(console, task, "is done")
    away = desk.folder / "away"
    with console_of(desk, ANNA, limits=NOT_RUN) as console:
        task = console.post("/projects/acme/export", {"reason": "audit 18"}).headers["location"]
    (desk.folder / "repository").rename(away)
    with console_of(desk, ANNA, limits=HURRIED) as console:
        assert "is done" not in text_of(until(console, task, "is tried again soon"))
        away.rename(desk.folder / "repository")
        until(console, task, "is done")


def _is_half(path: bytes) -> bool:
    return b".strongroom-" in path


@pytest.mark.slow
def test_a_store_that_is_away_is_waited_for_and_nothing_is_called_done(desk: Desk) -> None:
    shutil.rmtree(desk.folder / "reports/2024")
    away = desk.folder / "away"
    with console_of(desk, ANNA, limits=HURRIED) as console:
        tick(console, folder="reports%2F2024")
        page = plan(console, "place")
        (desk.folder / "repository").rename(away)
        refused = confirm(console, page)
        assert refused.status_code >= 500 or refused.status_code == 404
        away.rename(desk.folder / "repository")
    with console_of(desk, ANNA, limits=NOT_RUN) as console:
        task = confirm(console, plan(console, "place")).headers["location"]
    (desk.folder / "repository").rename(away)
    with console_of(desk, ANNA, limits=HURRIED) as console:
        assert "is done" not in text_of(until(console, task, "is tried again soon"))
        away.rename(desk.folder / "repository")
        until(console, task, "is done")
    assert (desk.folder / "reports/2024/large.bin").stat().st_size == 2 * MB


@pytest.mark.slow
def test_a_full_disk_is_told_and_room_is_all_it_takes(desk: Desk, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", MB) as disk, console_of(desk, ANNA, folders={"Handover": disk}) as console:
        tick(console, folder="reports%2F2024")
        page = plan(console, "folder", folder="Handover")
        assert "The disk may be too small" in text_of(page)
        task = confirm(console, page).headers["location"]
        failed = text_of(until(console, task, "did not work"))
        assert "No space left" in failed or "free some room" in failed
        make_room(disk, 20 * MB)
        console.post(f"{task}/again")
        until(console, task, "is done")
        (made,) = disk.iterdir()
        assert tree_facts(made / "reports/2024") == tree_facts(desk.folder / "reports/2024")


def test_a_download_whose_content_is_gone_is_no_download(desk: Desk) -> None:
    with console_of(desk, ANNA) as console:
        tick(console, folder="reports%2F2024")
        task = get_back(console, "download")
        for pack in (desk.folder / "repository/projects").glob("*/packs/*/*"):
            if pack.stat().st_size > 100_000:
                pack.unlink()
        answer = fetched(console, task)
        assert answer.status_code >= 400
        page = text_of(console.get(task))
        assert "is ready to be fetched" in page and "is done" not in page
