"""A restore that is written by worker processes, caught in the middle: none of them stays behind, nothing is half done, and the
same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from restore.execution.executor import WORTH_FILES
from restore.execution.worker_processes import useful
from tests.support.desk import Desk, Place, Result, checked
from tests.support.randomness import SeededChance
from tests.support.slow_proxy import SlowProxy, slow_proxy
from tests.support.small_disk import MB, make_room, small_disk
from tests.support.store_fixtures import BUCKET
from tests.support.tree_facts import tree_facts, write_files

pytestmark = pytest.mark.skipif(useful() < 2, reason="needs two processors")


def prepare(desk: Desk, size: int) -> None:
    """A project of so many files that processes write them. size: bytes of each."""
    randomness = SeededChance("processes")
    files = {f"{number % 20}/{number}.bin": randomness.token(size) for number in range(WORTH_FILES + 50)}
    write_files(desk.folder / "source", files)
    desk.init()
    desk.shrink_packs(100_000)
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")


@pytest.fixture
def proxy(moto_endpoint: str) -> Iterator[SlowProxy]:
    with slow_proxy(moto_endpoint) as running:
        yield running


@pytest.fixture
def slow_desk(tmp_path: Path, proxy: SlowProxy) -> Desk:
    desk = Desk(tmp_path / "desk", Place(f"s3://{BUCKET}/processes-{tmp_path.name}", proxy.url))
    prepare(desk, 500)
    return desk


def in_the_middle(desk: Desk, proxy: SlowProxy) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A restore, in a session of its own, that waits for the third pack; and its workers."""
    with desk.store() as store:
        packs = sum("/packs/" in one.name for one in store.list(""))
    assert packs > 4
    proxy.hold("GET", "/packs/", free=2)  # a listing shows that they are there; then a request a pack
    process = desk.start("restore", "acme", "--to", "back", start_new_session=True)
    assert proxy.held.wait(60)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(workers) >= 2
    return process, [int(worker) for worker in workers]


def ended(desk: Desk, process: subprocess.Popen[bytes], exits: int) -> Result:
    out, err = process.communicate(timeout=30)
    return checked(["restore"], Result(process.returncode, out, err.decode()), [exits])


def goes_on(desk: Desk, proxy: SlowProxy, workers: list[int]) -> None:
    """No worker is left, nothing that has a name is half done, and the same command comes to its end."""
    until = time.monotonic() + 10
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.02)
    for path in (desk.folder / "back/reports").rglob("*.bin"):
        assert path.stat().st_size == 500
    proxy.release()
    desk.run("restore", "acme", "--to", "back")
    assert tree_facts(desk.folder / "back/reports") == tree_facts(desk.folder / "source")
    assert not list((desk.folder / "back").rglob(".strongroom-*"))


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_ctrl_c_reaches_all_processes_and_what_is_finished_stays(slow_desk: Desk, proxy: SlowProxy) -> None:
    process, workers = in_the_middle(slow_desk, proxy)
    deadline = time.monotonic() + 60
    while not any(path.is_file() for path in (slow_desk.folder / "back").rglob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)  # workers have the first packs, and may not have begun to write
    os.killpg(process.pid, signal.SIGINT)
    assert "interrupted by SIGINT" in ended(slow_desk, process, 130).err
    assert list((slow_desk.folder / "back/reports").rglob("*.bin"))
    goes_on(slow_desk, proxy, workers)


def test_a_worker_that_is_killed_is_an_error_and_never_a_hang(slow_desk: Desk, proxy: SlowProxy) -> None:
    process, workers = in_the_middle(slow_desk, proxy)
    os.kill(workers[0], signal.SIGKILL)
    told = ended(slow_desk, process, 1).err
    assert "a worker process of this command was ended by SIGKILL" in told and "run the same command again" in told
    goes_on(slow_desk, proxy, workers)


def test_workers_end_with_a_command_that_is_killed(slow_desk: Desk, proxy: SlowProxy) -> None:
    process, workers = in_the_middle(slow_desk, proxy)
    process.kill()
    process.communicate(timeout=30)
    goes_on(slow_desk, proxy, workers)


def test_a_disk_that_is_full_for_the_workers_is_told_and_room_is_all_it_takes(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk", Place("repository"))
    prepare(desk, 9000)
    with small_disk(tmp_path / "disk", 4 * MB) as disk:
        arguments = ("restore", "acme", "--to", str(disk / "back"))
        told = desk.run(*arguments, exits=1)
        assert "No space left on device" in told.err and told.err.count("hint: free some room") == 1
        make_room(disk, 30 * MB)
        desk.run(*arguments)
        assert tree_facts(disk / "back/reports") == tree_facts(desk.folder / "source")
        assert not list((disk / "back").rglob(".strongroom-*"))
