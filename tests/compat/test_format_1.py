"""A repository that the first version made opens for ever: opened, listed, checked and restored as on its first day.

How the fixture was made: `tests/compat/make_fixture.py`.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest
from msgspec import Struct

from restore.execution.executor import execute
from restore.local_fs import Target
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.plan import make_plan
from restore.selection.select import ItemQuery, select
from tests.compat.trees import described
from tests.support.coverage_notes import not_covered
from tests.support.randomness import SeededChance
from tests.support.recovery_script import recovered
from vault.age import parse_identities
from vault.clock import SystemClock
from vault.repository import snapshots
from vault.repository.check import Depth, check
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.repository import Repository
from vault.repository.services import Services
from vault.storage.local import LocalStore

FIXTURE = Path(__file__).parent / "fixtures" / "format-1"

Tree = dict[str, dict[str, Any]]


class Expected(Struct, frozen=True):
    """A snapshot's id and what it must restore to."""

    snapshot: str
    tree: Tree


def expectation() -> list[Expected]:
    """Each snapshot's whole tree: the fixture keeps what changes from one to the next."""
    found: list[Expected] = []
    tree: Tree = {}
    for one in json.loads((FIXTURE / "expected.json").read_text("utf-8"))["snapshots"]:
        tree = {path: facts for path, facts in {**tree, **one["news"]}.items() if facts is not None}
        found.append(Expected(one["snapshot"], tree))
    return found


def opened(folder: Path, identity: str) -> Project:
    services = Services(SystemClock(), SeededChance("compat"), "test.example.org", "strongroom/test")
    store = LocalStore(folder, clock=services.clock, randomness=services.randomness)
    identities = parse_identities((FIXTURE / identity).read_text("utf-8"))
    name = json.loads((FIXTURE / "expected.json").read_text("utf-8"))["project"]
    return Repository.open(store, services).project(name, identities)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy: opening must not change what is kept."""
    return Path(shutil.copytree(FIXTURE / "repository", tmp_path / "repository"))


def restored(project: Project, query: ItemQuery, place: Path) -> Tree:
    with Target(os.fsencode(place)) as target:
        plan = make_plan(select(project, query), target, ConflictPolicy.REFUSE, SystemClock().now().date())
        assert execute(plan, target, lambda: None).problems == []
    return described(place / "reports")


def without_attributes(tree: Tree) -> Tree:
    """For a file system that has no extended attributes."""
    return {path: {name: value for name, value in facts.items() if name != "xattrs"} for path, facts in tree.items()}


def test_its_snapshots_are_listed(repository: Path) -> None:
    project = opened(repository, "identity.txt")
    records = snapshots.read_all(project)
    assert [one.id for one in records] == [one.snapshot for one in expectation()]
    assert [one.source for one in snapshots.heads(records, "reports")] == ["reports"]
    assert records[1].parents == (records[0].id,)
    assert records[1].counts.vanished == 2


def test_it_is_sound(repository: Path) -> None:
    report = check(opened(repository, "identity.txt"), Depth(data=1))
    assert (report.damage, report.lost, report.orphans) == ([], [], 0)
    assert report.snapshots == 2


def test_it_holds_chunks_that_need_a_dictionary(repository: Path) -> None:
    table = ChunkIndex.load(opened(repository, "identity.txt")).table
    assert pc.count(table["dictionary"]).as_py() > 400


@pytest.mark.parametrize("identity", ["identity.txt", "kit.txt"])
def test_every_snapshot_restores_to_what_was_there(repository: Path, tmp_path: Path, identity: str) -> None:
    project = opened(repository, identity)
    for number, one in enumerate(expectation()):
        (record,) = [record for record in snapshots.read_all(project) if record.id == one.snapshot]
        found = restored(project, ItemQuery(at=record.taken_at), tmp_path / f"out-{number}")
        if has_attributes(tmp_path):
            assert found == one.tree
        else:
            not_covered("extended attributes of the old repository: the temporary folder has none")
            assert without_attributes(found) == without_attributes(one.tree)


def has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "user.strongroom.test", b"1")
    except OSError:
        return False
    return True


def test_what_vanished_is_still_there(repository: Path, tmp_path: Path) -> None:
    first, second = (one.tree for one in expectation())
    found = restored(opened(repository, "identity.txt"), ItemQuery(deleted=True), tmp_path / "out")
    gone = {path: facts for path, facts in first.items() if path not in second}
    assert gone.keys() == {"hourly/007.csv", "empty folder"}
    assert {path: found[path] for path in gone} == gone


def test_the_recovery_script_reads_it_without_strongroom(repository: Path, tmp_path: Path, age_program: Path) -> None:
    """A dictionary, odd names, holes."""
    (project,) = recovered(FIXTURE / "kit.txt", repository, tmp_path, age_program).iterdir()
    found, expected = described(project / "reports"), expectation()[-1].tree
    contents = {path: facts["content"] for path, facts in expected.items() if "content" in facts}
    assert {path: facts["content"] for path, facts in found.items() if "content" in facts} == contents
    assert found.keys() == expected.keys()
