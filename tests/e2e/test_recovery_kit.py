"""The day when only the recovery kit is left: its own words are commands that work on a machine that knows nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.desk import Desk, Place, refusal
from tests.support.tree_facts import write_files


@pytest.fixture
def kept(desk: Desk) -> Desk:
    """Two projects with a snapshot each, and a third that has none."""
    desk.init()
    for project in ("acme", "globex"):
        write_files(desk.folder / project, {"2024/calls-05.csv": project.encode()})
        desk.add(project, f"reports={desk.folder / project}")
    desk.call("backup", "--quiet")
    desk.add("new", f"reports={desk.folder / 'acme'}")
    return desk


def fresh_machine(kept: Desk, folder: Path) -> Desk:
    """A desk without settings, cache, memory and identity; the kit's text was typed into kit.txt."""
    machine = Desk(folder, Place(str(kept.folder / kept.place.address)))
    (folder / "kit.txt").write_bytes(kept.kit.read_bytes())
    return machine


def words_of(kit: str) -> list[list[str]]:
    """The commands that a kit tells."""
    return [shlex.split(line)[1:] for line in re.findall(r"^#   (strongroom .*)$", kit, re.MULTILINE)]


def test_the_words_of_the_kit_work_on_a_machine_that_knows_nothing(kept: Desk, tmp_path: Path) -> None:
    machine = fresh_machine(kept, tmp_path / "fresh")
    commands = words_of(kept.kit.read_text())
    assert [words[:2] for words in commands] == [["project", "list"], ["restore", "PROJECT"], ["restore", "--all-projects"]]
    for number, command in enumerate(commands):
        machine.run(*({"PROJECT": "acme", "DIR": f"out{number}"}.get(word, word) for word in command))
    out = tmp_path / "fresh"
    assert (out / "out1/reports/2024/calls-05.csv").read_text() == "acme"
    assert (out / "out2/acme/reports/2024/calls-05.csv").read_text() == "acme"
    assert (out / "out2/globex/reports/2024/calls-05.csv").read_text() == "globex"
    assert not (out / "out2/new").exists() and not list(out.glob("*.toml"))


def test_a_repository_is_read_by_its_address_alone(kept: Desk, tmp_path: Path) -> None:
    machine = fresh_machine(kept, tmp_path / "fresh")
    by_address = ("--repository", machine.place.address, "--identity", "kit.txt")
    for command in (
        ("list",),
        ("ls", "acme"),
        ("find", "acme", "calls"),
        ("history", "acme", "**/*.csv"),
        ("diff", "acme", "--from", "2199-01-01"),
        ("export", "acme", "--to", "bag"),
        ("check",),
    ):
        machine.call(*command, *by_address)
    config = machine.call("list", *by_address, "--config", "strongroom.toml", exits=2)
    assert "exclude each other" in refusal(config)
    assert "--repository ADDRESS" in refusal(machine.call("list", exits=2)), "without settings the hint names the way"
    assert "--repository" in refusal(machine.call("init", machine.place.address, exits=21))
    nobody = machine.call("list", "--repository", "s3://bucket/prefix?endpiont=x", exits=2)
    assert "endpoint" in refusal(nobody)


def test_one_project_that_fails_does_not_stop_the_others_and_decides_the_exit_code(kept: Desk) -> None:
    write_files(kept.folder / "out" / "acme", {"reports/2024/calls-05.csv": b"in the way"})
    result = kept.call("restore", "--all-projects", "--to", "out", exits=1)
    assert "in the way" in result.err
    assert (kept.folder / "out/globex/reports/2024/calls-05.csv").read_text() == "globex"
    assert (kept.folder / "out/acme/reports/2024/calls-05.csv").read_text() == "in the way"
    assert "which project" in refusal(kept.call("restore", "--to", "out", exits=2))
    assert "to a folder" in refusal(kept.call("restore", "--all-projects", "--to", "all.zip", exits=2))
    none = kept.call("restore", "--all-projects", "**/*.nothing", "--to", "none", exits=1)
    assert "no project has" in none.err
