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
    assert [words[:2] for words in commands] == [
        ["recover", machine.place.address],
        ["project", "list"],
        ["settings", "restore"],
        ["restore", "PROJECT"],
        ["restore", "--all-projects"],
    ]
    recover, *single = commands
    for number, command in enumerate(single):
        machine.run(*({"PROJECT": "acme", "DIR": f"out{number}"}.get(word, word) for word in command))
    again = fresh_machine(kept, tmp_path / "again")
    again.run(*recover, "--yes", "--no-identity", "--to", "all")
    assert (tmp_path / "again/all/globex/reports/2024/calls-05.csv").read_text() == "globex"
    out = tmp_path / "fresh"
    assert (out / "out2/reports/2024/calls-05.csv").read_text() == "acme"
    assert (out / "out3/acme/reports/2024/calls-05.csv").read_text() == "acme"
    assert (out / "out3/globex/reports/2024/calls-05.csv").read_text() == "globex"
    assert not (out / "out3/new").exists()
    assert (out / "strongroom.toml").read_bytes() == kept.settings.read_bytes()


def test_a_repository_is_read_by_its_address_alone(kept: Desk, tmp_path: Path) -> None:
    machine = fresh_machine(kept, tmp_path / "fresh")
    by_address = ("--repository", machine.place.address, "--identity", "kit.txt")
    for command in (
        ("list",),
        ("ls", "acme"),
        ("find", "acme", "calls"),
        ("history", "acme", "**/*.csv"),
        ("diff", "acme", "--since", "2199-01-01"),
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
    assert "missing project" in refusal(kept.call("restore", "--to", "out", exits=2))
    assert "to a folder" in refusal(kept.call("restore", "--all-projects", "--to", "all.zip", exits=2))
    none = kept.call("restore", "--all-projects", "**/*.nothing", "--to", "none", exits=1)
    assert "no project has" in none.err


def test_a_restore_of_all_projects_is_one_document_with_what_became_of_each(kept: Desk) -> None:
    every = ("restore", "--all-projects", "--to", "out", "--json")
    planned = kept.call(*every, "--dry-run").document["projects"]
    assert [(one["project"], one["plan"]["files"]) for one in planned if one["found"]] == [("acme", 1), ("globex", 1)]
    assert not (kept.folder / "out").exists()
    write_files(kept.folder / "out" / "acme", {"reports/2024/calls-05.csv": b"in the way"})
    document = kept.call(*every, exits=1).document
    told = {one["project"]: one for one in document["projects"]}
    assert list(told) == ["acme", "globex", "new"] and document["refused"] == []
    assert (told["acme"]["exit_code"], told["acme"]["error"]["exit_code"]) == (1, 1)
    assert "in the way" in told["acme"]["error"]["message"]
    assert (told["globex"]["exit_code"], told["globex"]["files"], told["globex"]["problems"]) == (0, 1, 0)
    assert (told["new"]["found"], told["new"]["exit_code"]) == (False, 0)
    none = kept.call("restore", "--all-projects", "**/*.nothing", "--to", "none", "--json", exits=1)
    assert "no project has" in none.document["error"]["message"]


def test_a_project_that_does_not_open_is_in_the_document_and_the_exit_code(kept: Desk) -> None:
    (acme,) = [one for one in kept.call("project", "list", "--json").document["projects"] if one["project"] == "acme"]
    with kept.store() as store:
        for folder in (f"keys/{acme['project_id']}", f"projects/{acme['project_id']}/keys"):
            for info in list(store.list(folder)):
                store.put(info.name, b"damaged")
    for copy in (kept.folder / "home/.local/state/strongroom").glob("*/keys/*.age"):
        copy.unlink()
    document = kept.call("restore", "--all-projects", "--to", "out", "--json", exits=3).document
    assert [one["project"] for one in document["projects"] if one["found"]] == ["globex"]
    assert [one["path"] for one in document["refused"]] == ["acme"]
