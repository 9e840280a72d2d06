"""`strongroom test-restore` proves from the real sources that they can be restored, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from strongroom import restore, restore_test
from tests.support.desk import Desk, Place, refusal, without_root_powers
from tests.support.tree_facts import below, tree_facts, write_files
from vault.backup import run

SETTINGS = """
[repository]
address = "s3://nobody/production"
endpoint = "http://127.0.0.1:9"
[identity]
file = "nowhere.txt"
[projects.acme]
[[projects.acme.sources]]
kind = "reports"
path = "source"
exclude = ["*.log", "/cache/"]
[[projects.acme.sources]]
kind = "tickets"
path = "tickets"
"""


@pytest.fixture
def ready(tmp_path: Path) -> Desk:
    """Settings with two sources, of a repository that is out of reach, and a folder for temporary files."""
    desk = Desk(tmp_path / "desk", Place("none"), {"TMPDIR": str(tmp_path / "temporary")})
    (tmp_path / "temporary").mkdir()
    desk.settings.write_text(SETTINGS)
    source = desk.folder / "source"
    write_files(
        source, {"2024/05.csv": b"agent,calls\n", "2024/06.csv": b"1" * 3000, "x.log": b"no", "cache/c": b"no", "b.part": b""}
    )
    below(source, b"\xff\x01.csv").write_bytes(b"2")
    (source / "newest").symlink_to("2024/06.csv")
    os.setxattr(source / "2024/05.csv", "user.origin", b"pbx")
    (source / "2024").chmod(0o500)
    os.mkfifo(source / "pipe")
    write_files(desk.folder / "tickets", {"1.json": b"{}"})
    return desk


@pytest.fixture(autouse=True)
def temporary(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, also of commands that run in this process."""
    monkeypatch.setattr("tempfile.tempdir", ready.variables["TMPDIR"])
    return Path(ready.variables["TMPDIR"])


def results(desk: Desk, *words: str, exits: int = 0) -> dict[str, Any]:
    """The document of a test, by source."""
    document = desk.call("test-restore", "--json", *words, exits=exits).document
    return {one["source"]: one for one in document["sources"]}


def after_backup(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Somebody works at the source between the backup and the comparison."""
    back_up = run.back_up

    def worked_at(*arguments: Any, **more: Any) -> object:
        report = back_up(*arguments, **more)
        act()
        return report

    monkeypatch.setattr(run, "back_up", worked_at)


def after_restore(monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]) -> None:
    """A restore that does its work badly. act: gets the folder of the source's items."""
    restore_all = restore.restore

    def bad(planned: Any, **more: Any) -> object:
        result = restore_all(planned, **more)
        for folder in planned.destination.path.iterdir():
            act(folder)
        return result

    monkeypatch.setattr(restore, "restore", bad)


def test_all_sources_come_back_as_they_are_and_nothing_stays(ready: Desk, temporary: Path) -> None:
    before = tree_facts(ready.folder / "source")
    result = ready.call("test-restore", "--junit", "out.xml")
    assert "acme/reports: passed: 6 items" in result.text and "acme/tickets: passed: 2 items" in result.text
    assert f"the test needs up to 32.0 MiB in {temporary}" in result.err
    assert tree_facts(ready.folder / "source") == before
    assert not list(temporary.iterdir())
    assert sorted(one.name for one in ready.folder.iterdir()) == ["out.xml", "source", "strongroom.toml", "tickets"]
    root = ElementTree.parse(ready.folder / "out.xml").getroot()
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "0", "0")
    assert [(one.get("classname"), one.get("name")) for one in root.iter("testcase")] == [
        ("acme", "reports"),
        ("acme", "tickets"),
    ]


def test_the_document_counts_what_was_compared_and_left_out(ready: Desk) -> None:
    found = results(ready, "acme", "--source", "reports")
    assert list(found) == ["reports"]
    reports = found["reports"]
    assert (reports["items"], reports["bytes"], reports["changed"], reports["differences"]) == (6, 3013, 0, 0)
    assert reports["left_out"] == 4  # *.log, /cache/, *.part, the pipe
    assert reports["passed"] is True


def test_sources_of_one_kind_with_files_of_one_name_are_told_apart(ready: Desk) -> None:
    write_files(ready.folder / "other", {"2024/05.csv": b"of another branch\n"})
    with ready.settings.open("a") as file:
        file.write('[[projects.acme.sources]]\nname = "branch"\nkind = "reports"\npath = "other"\n')
    found = results(ready)
    assert {name: one["items"] for name, one in found.items()} == {"reports": 6, "tickets": 2, "branch": 3}
    assert all(one["passed"] for one in found.values())


def test_an_s3_server_in_the_process_does_as_well(ready: Desk, temporary: Path) -> None:
    assert [one["passed"] for one in results(ready, "--into", "moto").values()] == [True, True]
    assert not list(temporary.iterdir()) and os.environ.get("AWS_ACCESS_KEY_ID") != "testing"


def test_what_does_not_come_back_as_it_was_is_named_and_fails(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(folder: Path) -> None:
        if folder.name == "reports":
            (folder / "2024/06.csv").write_bytes(b"1" * 2999 + b"2")
            (folder / "2024").chmod(0o755)
            (folder / "2024/05.csv").unlink()
            below(folder, b"more\x1f.csv").write_bytes(b"")
            os.utime(folder, ns=(0, (ready.folder / "source").stat().st_mtime_ns))

    after_restore(monkeypatch, spoil)
    found = results(ready, "--junit", "out.xml", exits=3)
    different = {(one["path"], one["what"]) for one in found["reports"]["different_items"]}
    assert different == {
        ("2024", "mode"),
        ("2024", "time"),
        ("2024/05.csv", "missing"),
        ("2024/06.csv", "content"),
        ("2024/06.csv", "time"),
        ("more\\x1f.csv", "unexpected"),
    }
    assert not found["reports"]["passed"] and found["tickets"]["passed"]
    root = ElementTree.parse(ready.folder / "out.xml").getroot()
    cases = {one.get("name"): one for one in root.iter("testcase")}
    assert cases.keys() == {"2024", "2024/05.csv", "2024/06.csv", "more\\x1f.csv", "tickets"}
    failures = [one.get("message") for one in root.iter("failure")]
    assert len(failures) == int(root.get("failures") or 0) == 4
    assert any(one and one.startswith("its content differs from byte 2,999 on; it was modified at ") for one in failures)
    assert "  differs: 2024/05.csv: the file was not restored" in ready.call("test-restore", exits=3).text


def test_what_changes_at_the_source_meanwhile_is_said_and_is_no_failure(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ready.folder / "source"

    def work() -> None:
        (source / "2024/06.csv").write_bytes(b"another")
        below(source, b"\xff\x01.csv").unlink(missing_ok=True)
        (source / "2025.csv").write_bytes(b"new")

    after_backup(monkeypatch, work)
    result = ready.call("test-restore", "--source", "reports", "--junit", "out.xml")
    assert "not compared: acme/reports: 2024/06.csv: it changed at the source meanwhile" in result.err
    assert "not compared: acme/reports: 2025.csv: it appeared at the source meanwhile" in result.err
    assert "\\xff\\x01.csv: it vanished at the source meanwhile" in result.err
    assert "0 differ, 4 changed meanwhile" in result.text  # the folder, too
    assert "2024/06.csv: it changed" in (ready.folder / "out.xml").read_text()


def test_a_test_that_could_compare_nothing_has_not_passed(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = ready.folder / "tickets"
    after_backup(monkeypatch, lambda: ((tickets / "1.json").write_bytes(b"[]"), (tickets / "2.json").write_bytes(b"")))
    found = results(ready, "--source", "tickets", "--junit", "out.xml", exits=3)["tickets"]
    assert (found["items"], found["differences"], found["passed"]) == (0, 0, False)
    assert "nothing could be compared" in (ready.folder / "out.xml").read_text()


def test_a_source_that_is_not_there_fails_and_the_others_are_results(ready: Desk, temporary: Path) -> None:
    shutil.rmtree(ready.folder / "tickets")
    found = results(ready, "--junit", "out.xml", exits=1)
    assert "is not there" in found["tickets"]["error"]["message"] and found["reports"]["passed"]
    root = ElementTree.parse(ready.folder / "out.xml").getroot()
    assert (root.get("tests"), root.get("errors")) == ("2", "1")
    assert not list(temporary.iterdir())


def test_an_empty_source_passes(ready: Desk) -> None:
    (ready.folder / "tickets/1.json").unlink()
    found = results(ready, "--source", "tickets")["tickets"]
    assert (found["passed"], found["items"]) == (True, 1)


def test_an_unreadable_file_is_a_problem_by_name(ready: Desk, temporary: Path) -> None:
    secret = ready.folder / "tickets/secret.json"
    secret.write_bytes(b"{}")
    secret.chmod(0)
    result = ready.run("test-restore", "--json", "--source", "tickets", exits=3, preexec_fn=without_root_powers)
    [found] = result.document["sources"]
    assert [(one["path"], one["what"]) for one in found["problem_list"]] == [("tickets/secret.json", "unreadable")]
    assert (found["differences"], found["items"]) == (0, 2)  # said once
    assert not list(temporary.iterdir())


def test_too_little_room_is_refused_before_anything_is_written(
    ready: Desk, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(temporary)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    message = refusal(ready.call("test-restore", exits=1))
    assert "needs up to 32.0 MiB" in message and "TMPDIR" in message
    monkeypatch.undo()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr("strongroom.environment.free_memory", lambda: 1000)
    assert "in memory" in refusal(ready.call("test-restore", "--into", "moto", exits=1))
    assert not list(temporary.iterdir())


def test_wrong_words_are_refused(ready: Desk) -> None:
    assert "there are: acme" in refusal(ready.call("test-restore", "acne", exits=2))
    assert "sources: reports, tickets" in refusal(ready.call("test-restore", "--source", "raw", exits=2))
    assert "its folder is not there" in refusal(ready.call("test-restore", "--junit", "no/where.xml", exits=2))


def test_the_folder_for_temporary_files_may_lie_in_a_source(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = ready.folder / "tickets/tmp"
    inside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(inside))
    found = results(ready, "--source", "tickets")["tickets"]
    assert found["passed"] and found["items"] >= 2 and found["differences"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_leaves_nothing(ready: Desk, temporary: Path, number: signal.Signals) -> None:
    with (ready.folder / "tickets/large.bin").open("wb") as large:
        large.truncate(1 << 30)
    process = ready.start("test-restore", "--source", "tickets")
    deadline = time.monotonic() + 60
    while not list(temporary.glob(f"{restore_test.PREFIX}*/repository/strongroom.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert not list(temporary.iterdir())


def test_what_a_killed_test_has_left_goes_with_the_next_and_a_running_one_stays(ready: Desk, temporary: Path) -> None:
    killed, young, foreign = (temporary / name for name in ("strongroom-test-restore-1", "strongroom-test-restore-2", "other"))
    for folder in (killed, young, foreign):
        write_files(folder / "restored", {"a.csv": b"1"})
        (folder / "restored").chmod(0o500)
    for folder in (killed, foreign):
        os.utime(folder, ns=(0, 0))
    ready.run("test-restore", "--source", "tickets", preexec_fn=without_root_powers)
    assert sorted(one.name for one in temporary.iterdir()) == ["other", "strongroom-test-restore-2"]
