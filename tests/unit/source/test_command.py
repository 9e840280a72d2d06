"""The output of a command as an item: whole and of a command that succeeded, or no item at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.places import checked, made_on
from tests.support.trees import text
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import Interrupted, SourceError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader
from vault.repository.project import Project
from vault.source.command import Command, CommandSource
from vault.storage.memory import MemoryStore

Made = Callable[..., CommandSource]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def made(tmp_path: Path, said: list[str]) -> Made:
    """A source whose command is a script of the shell."""

    def make(script: str, *, timeout: float = 60.0, may_be_empty: bool = False) -> CommandSource:
        words = ("sh", "-c", script)
        command = Command(words, tmp_path, {"PATH": os.defpath}, timeout, may_be_empty)
        return CommandSource(command, b"raw", b"dumps/crm.dump", SystemClock(), said.append)

    return make


@pytest.fixture
def project() -> Project:
    return made_on(MemoryStore())


def backed_up(project: Project, source: CommandSource) -> run.BackupReport:
    return run.back_up(project, run.Source("dump", "raw", source), run.BackupOptions())


def stored(project: Project) -> dict[bytes, bytes | None]:
    """The digest of each file in the newest manifest."""
    record = snapshots.heads(snapshots.read_all(project), "dump")[-1]
    rows = snapshots.read_manifest(MetaReader(project), record).to_pylist()
    return {row["path"]: row["blake3"] for row in rows if row["type"] == "file"}


def test_a_command_that_fails_leaves_no_item_and_says_why(project: Project, made: Made, said: list[str]) -> None:
    report = backed_up(project, made("echo half; echo the disk is full >&2; exit 3"))
    (problem,) = report.problems
    assert (problem.path, problem.what) == (b"raw/dumps/crm.dump", "unreadable")
    assert "exit code 3" in problem.message and "it said: the disk is full" in problem.message
    assert "nothing of it is in this snapshot" in problem.message
    assert stored(project) == {} and said == ["the disk is full"]


def test_after_a_failure_the_last_good_output_stays_and_the_next_run_goes_on(project: Project, made: Made) -> None:
    backed_up(project, made("echo good"))
    before = stored(project)
    report = backed_up(project, made("echo half; kill -9 $$"))
    assert "SIGKILL" in report.problems[0].message and "its version of" in report.problems[0].message
    assert stored(project) == before and len(before) == 1
    report = backed_up(project, made("echo better"))
    assert report.problems == () and stored(project) != before and report.record.counts.changed == 1
    assert checked(project).sound


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(project: Project, made: Made, tmp_path: Path) -> None:
    report = backed_up(project, made("echo $$ > pid; echo a; sleep 60 & sleep 60", timeout=0.5))
    assert "did not end within 0.5 seconds" in report.problems[0].message
    number = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{number}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{number}").exists()


def test_no_output_is_a_problem_unless_the_settings_allow_it(project: Project, made: Made) -> None:
    assert "printed nothing" in backed_up(project, made("true")).problems[0].message
    report = backed_up(project, made("true", may_be_empty=True))
    assert report.problems == () and len(stored(project)) == 1


def test_a_long_output_passes_in_pieces(project: Project, made: Made, tmp_path: Path) -> None:
    content = text("long", 20_000_000)
    (tmp_path / "long").write_bytes(content)
    report = backed_up(project, made("cat long"))
    assert (report.problems, report.record.counts.read_bytes) == ((), len(content))


def test_an_equal_output_is_no_new_version(project: Project, made: Made) -> None:
    backed_up(project, made("echo same"))
    first = snapshots.read_all(project)[-1]
    report = backed_up(project, made("printf 'same\\n'"))
    counts = report.record.counts
    assert (counts.added, counts.changed, counts.unchanged) == (0, 0, counts.items)
    reader = MetaReader(project)
    assert snapshots.read_manifest(reader, report.record).equals(snapshots.read_manifest(reader, first))


def test_a_program_that_is_not_there_ends_the_backup(tmp_path: Path, said: list[str]) -> None:
    command = Command(("no-such-program", "--password=geheim"), tmp_path, {"PATH": os.defpath}, 60.0)
    source = CommandSource(command, b"raw", b"dump", SystemClock(), said.append)
    with pytest.raises(SourceError, match="no-such-program") as caught:
        source.scan(never)
    assert "geheim" not in str(caught.value)


def test_a_run_that_is_stopped_ends_the_command(made: Made) -> None:
    def stop() -> None:
        raise Interrupted("stopped")

    source = made("sleep 60")
    source.scan(never)
    with source.reader(stop) as reader:
        stream = reader.open_large(b"raw/dumps/crm.dump")
        assert not isinstance(stream, Problem)
        with stream, pytest.raises(Interrupted):
            stream.readinto(bytearray(10), 0)
