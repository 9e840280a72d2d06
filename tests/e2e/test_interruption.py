"""Ctrl-C, SIGTERM and `kill -9` in the middle: what is stored is used, and the same command comes to its end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.desk import Desk, Place, Result, checked
from tests.support.randomness import SeededChance
from tests.support.slow_proxy import SlowProxy, slow_proxy
from tests.support.store_fixtures import BUCKET
from tests.support.tree_facts import tree_facts, write_files

SMALL_PACKS = 1_000_000

AT_THE_FIRST_IMPORT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # what has started the tests may ignore it
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "cli.main":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
from cli.start import run
sys.meta_path.insert(0, Interrupt())
run()
"""
PROMPTLY = 2.5
"""Seconds from a signal to the end of the process, half a second of a busy machine included."""


@pytest.fixture
def proxy(moto_endpoint: str) -> Iterator[SlowProxy]:
    with slow_proxy(moto_endpoint) as running:
        yield running


@pytest.fixture
def slow_desk(tmp_path: Path, proxy: SlowProxy) -> Desk:
    """A project of 8 MB behind a proxy that may let it wait; its packs are small."""
    desk = Desk(tmp_path / "desk", Place(f"s3://{BUCKET}/slow-{tmp_path.name}", proxy.url))
    prepare(desk)
    return desk


def prepare(desk: Desk) -> None:
    randomness = SeededChance("interruption")
    files = {f"{number % 7}/{number}.bin": randomness.token(20_000) for number in range(250)}
    write_files(desk.folder / "source", files | {"large.bin": randomness.token(3_000_000)})
    desk.init()
    desk.shrink_packs(SMALL_PACKS)
    desk.add("acme", f"reports={desk.folder / 'source'}")


def interrupted(process: subprocess.Popen[bytes], number: signal.Signals) -> Result:
    """Send the signal and wait: the process ends promptly, as one that was interrupted."""
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    took = time.monotonic() - began
    result = checked([number.name], Result(process.returncode, out, err.decode()), [130])
    assert took < PROMPTLY, took
    assert f"interrupted by {number.name}" in result.err and result.err.count("hint: ") == 1
    return result


def proven(desk: Desk) -> None:
    """Whatever happened: sound, and a restore is equal to the source."""
    desk.call("check", "--data")
    desk.call("restore", "acme", "--to", "proof")
    assert tree_facts(desk.folder / "proof/reports") == tree_facts(desk.folder / "source")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_backup_that_is_interrupted_while_a_pack_hangs_ends_promptly(
    slow_desk: Desk, proxy: SlowProxy, number: signal.Signals
) -> None:
    proxy.hold("PUT", "/packs/", free=3)
    process = slow_desk.start("backup")
    assert proxy.held.wait(60)
    assert interrupted(process, number).out == b""
    proxy.release()
    assert slow_desk.call("list").text.startswith("acme: 0 snapshots\n")
    again = slow_desk.call("backup", "--json").document
    size = sum(path.stat().st_size for path in (slow_desk.folder / "source").rglob("*") if path.is_file())
    assert again["snapshots"][0]["stored_bytes"] < size - 2 * SMALL_PACKS  # three packs were there already
    proven(slow_desk)


@pytest.mark.parametrize("request_kind", [("GET", "/strongroom.json"), ("PUT", "/snapshots/")], ids=lambda kind: kind[1])
def test_a_command_that_is_interrupted_in_the_middle_of_a_request_does_not_try_again(
    slow_desk: Desk, proxy: SlowProxy, request_kind: tuple[str, str]
) -> None:
    """The SDK takes whatever is raised in it for the network's error; a signal must not be among that."""
    proxy.hold(*request_kind)
    process = slow_desk.start("backup", "--json")
    assert proxy.held.wait(60)
    interrupted(process, signal.SIGINT)
    proxy.release()
    slow_desk.call("backup")
    proven(slow_desk)


def test_a_restore_that_is_interrupted_is_continued_by_the_same_command(slow_desk: Desk, proxy: SlowProxy) -> None:
    slow_desk.call("backup")
    proxy.hold("GET", "/packs/", free=5)  # a request a pack, and there are nine
    process = slow_desk.start("restore", "acme", "--to", "back")
    assert proxy.held.wait(60)
    interrupted(process, signal.SIGTERM)
    proxy.release()
    report = slow_desk.call("restore", "acme", "--to", "back", "--json").document
    assert report["already_there"] > 0 and report["problems"] == 0
    assert tree_facts(slow_desk.folder / "back/reports") == tree_facts(slow_desk.folder / "source")
    assert not list((slow_desk.folder / "back").rglob(".strongroom-*"))


def test_a_second_signal_ends_a_command_at_once(slow_desk: Desk, proxy: SlowProxy) -> None:
    proxy.hold("PUT", "/packs/")
    process = slow_desk.start("backup")
    assert proxy.held.wait(60)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130) and time.monotonic() - began < 1


def test_two_backups_of_one_project_at_once_both_succeed(slow_desk: Desk, proxy: SlowProxy) -> None:
    proxy.hold("PUT", "/packs/", free=2)
    one, two = slow_desk.start("backup", "--json"), slow_desk.start("backup", "--json")
    assert proxy.held.wait(60)
    proxy.release()
    for process in (one, two):
        out, err = process.communicate(timeout=60)
        checked(["backup"], Result(process.returncode, out, err.decode()), [0])
    assert slow_desk.call("list").text.startswith("acme: 2 snapshots\n")
    slow_desk.call("backup")
    proven(slow_desk)


def test_the_same_command_twice_does_the_same(desk: Desk) -> None:
    prepare(desk)
    desk.run("backup")
    second = desk.run("backup", "--json").document["snapshots"][0]
    assert second["added"] == second["vanished"] == 0 and second["stored_bytes"] < 200_000
    for _ in range(2):
        desk.run("restore", "acme", "--to", "proof")
    proven(desk)


def kill_at_random_moments(desk: Desk, times: int, seed: str) -> None:
    """Backups of a growing source, each killed without a word somewhere between its start and its end."""
    randomness, moments = SeededChance(seed), random.Random(seed)
    prepare(desk)
    began = time.monotonic()
    desk.run("backup")
    usual = time.monotonic() - began
    for number in range(times):
        write_files(desk.folder / "source", {f"{number}/{name}.bin": randomness.token(300_000) for name in range(5)})
        process = desk.start("backup")
        time.sleep(usual * moments.uniform(0.3, 1.1))
        process.kill()
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
        desk.call("check")
    desk.run("backup")
    proven(desk)
    restore_killed(desk, moments, usual)


def restore_killed(desk: Desk, moments: random.Random, usual: float) -> None:
    for _ in range(2):
        process = desk.start("restore", "acme", "--to", "killed")
        time.sleep(usual * moments.uniform(0.3, 1.0))
        process.kill()
        process.communicate()
    desk.run("restore", "acme", "--to", "killed")
    assert tree_facts(desk.folder / "killed/reports") == tree_facts(desk.folder / "source")


@pytest.mark.parametrize(("kind", "times"), [("folder", 5), ("weed", 3)])
def test_a_killed_backup_leaves_a_sound_repository(
    tmp_path: Path, place_of: Callable[[str], Place], kind: str, times: int
) -> None:
    kill_at_random_moments(Desk(tmp_path / "desk", place_of(kind)), times, f"kill {kind}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "weed"])
def test_fifty_killed_backups_leave_a_sound_repository(tmp_path: Path, place_of: Callable[[str], Place], kind: str) -> None:
    kill_at_random_moments(Desk(tmp_path / "desk", place_of(kind)), 50, f"kill {kind} often")


def test_ctrl_c_before_the_command_has_begun_ends_it_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", AT_THE_FIRST_IMPORT], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
