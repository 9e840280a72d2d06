"""The front door: a repository is opened by its settings or its address, and its projects have a method for each verb."""

from __future__ import annotations

from pathlib import Path

import pytest

import strongroom
from strongroom.destinations import InPlace
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.errors import Interrupted, NothingFound, UsageError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "desk", Place("repository"))
    write_files(made.folder / "source", {"2024-05.csv": b"agent,calls\nolena,17\n", "2024-06.csv": b"agent,calls\nivan,23\n"})
    made.init()
    made.add("acme", f"reports={made.folder / 'source'}")
    return made


def test_a_project_is_backed_up_looked_at_and_restored_through_its_methods(desk: Desk) -> None:
    with desk.surroundings(["library"]), strongroom.open_repository(desk.settings) as repository:
        (project,) = repository.projects()
        (done,) = project.backup()
        assert (done.source, done.error, done.problems) == ("reports", None, 0)
        assert [one.id for one in project.snapshots().snapshots] == [done.report.record.id if done.report else ""]
        (desk.folder / "source/2024-05.csv").unlink()
        project.backup()
        assert [one.path for one in project.find(deleted=True).items()] == [b"reports/2024-05.csv"]
        with pytest.raises(NothingFound):
            project.find(deleted=True, patterns=["reports/2024-06.csv"])
        selected = project.select(deleted=True, sources_apart=True)
        result = project.restore(project.plan_restore(selected, InPlace()))
        assert (result.files, result.problems) == (1, [])
        assert (desk.folder / "source/2024-05.csv").read_bytes() == b"agent,calls\nolena,17\n"
        assert repository.check().sound and project.check(data=1.0).sound
        exported = project.export(project.plan_export(project.select(), desk.folder / "bag.zip", reason="audit 17"))
        assert exported.files == 1 and (desk.folder / "bag.zip").is_file()
        assert project.status().sources[0].state == "ok"
        assert project.drill().error is None


def test_a_repository_is_opened_by_its_address_and_the_recovery_kit(desk: Desk, tmp_path: Path) -> None:
    desk.call("backup")
    with desk.surroundings(["library"]):
        repository = strongroom.open_repository(address=str(desk.folder / "repository"), identity=desk.kit)
        project = repository.project("acme")
        project.restore(project.plan_restore(project.select(kinds=["reports"]), tmp_path / "back"))
        repository.close()
    assert sorted(path.name for path in (tmp_path / "back/reports").iterdir()) == ["2024-05.csv", "2024-06.csv"]


def test_a_token_that_is_cancelled_ends_the_work(desk: Desk) -> None:
    token = strongroom.CancelToken()
    token()
    token.cancel()
    with desk.surroundings(["library"]), strongroom.open_repository(desk.settings) as repository:
        with pytest.raises(Interrupted):
            repository.project("acme").backup(stop=token)
        with pytest.raises(UsageError):
            repository.project("nobody")
