"""All items of a project, read once: what they were at any moment is what the other verbs say, without asking the store
again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import strongroom
from strongroom.project_items import load_project_items, stored_version
from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files
from vault.errors import NothingFound, UsageError

NOW = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two sources; one file is changed, one deleted, one comes back."""
    made = Desk(tmp_path_factory.mktemp("items") / "desk", Place("repository"))
    write_files(made.folder / "source", {"2024-05.csv": b"a\n", "2024-06.csv": b"b\n", "2024-07.csv": b"c\n"})
    write_files(made.folder / "raw", {"x.json": b"{}"})
    made.init()
    made.add("acme", f"reports={made.folder / 'source'}", f"raw={made.folder / 'raw'}")
    made.call("backup")
    (made.folder / "source" / "2024-05.csv").unlink()
    (made.folder / "source" / "2024-06.csv").write_bytes(b"another\n")
    made.call("backup")
    write_files(made.folder / "source", {"2024-05.csv": b"a\n"})
    (made.folder / "source" / "2024-07.csv").unlink()
    made.call("backup")
    return made


def test_any_moment_is_what_a_listing_of_it_says_without_the_store(desk: Desk) -> None:
    with desk.surroundings(["console"]):
        with strongroom.open_repository(desk.settings) as repository:
            project = repository.project("acme")
            known = load_project_items(project.context, project.stored)
            listed = {one.id: list(project.items(at=one.id, with_deleted=True).items()) for one in known.snapshots}
        assert len(listed) == 6
        for snapshot, expected in listed.items():  # the repository is closed
            rows = known.at(known.moment(snapshot, NOW)).table.to_pylist()
            assert [(row["path"], row["size"], row["vanished_at"]) for row in rows] == [
                (one.path, one.size, one.vanished_at) for one in expected
            ]
        now = known.at()
        assert b"reports/2024-07.csv" in now.vanished()["path"].to_pylist()
        assert now.present().num_rows + now.vanished().num_rows == now.table.num_rows
        assert known.at() is now and now.taken_at == known.snapshots[-1].taken_at
        assert {row["path"] for row in known.ever().to_pylist()} == {row["path"] for row in now.table.to_pylist()}
        assert [one.what for one in known.events(b"reports/2024-05.csv")[0].events] == ["created", "deleted", "came back"]
        assert known.events(b"reports/nothing") == () and known.size > 0


def test_moments_are_meant_as_at_means_them_and_wrong_ones_are_refused(desk: Desk) -> None:
    with desk.surroundings(["console"]), strongroom.open_repository(desk.settings) as repository:
        project = repository.project("acme")
        known = load_project_items(project.context, project.stored)
        assert known.moment("", NOW) is None
        assert known.moment("2024-05-17 12:00", NOW) == datetime(2024, 5, 17, 12, tzinfo=known.zone)
        for text in ("nonsense", "20240517T120000Z-0123456789abcdef", "9" * 200):
            with pytest.raises(UsageError) as refused:
                known.moment(text, NOW)
            assert refused.value.hint
        with pytest.raises(NothingFound):
            known.at(datetime(2001, 1, 1, tzinfo=UTC))


def test_without_snapshots_there_is_nothing_and_each_snapshot_makes_another_version(tmp_path: Path) -> None:
    made = Desk(tmp_path / "desk", Place("repository"))
    write_files(made.folder / "source", {"x.csv": b"x\n"})
    made.init()
    made.add("acme", f"reports={made.folder / 'source'}")
    with made.surroundings(["console"]), strongroom.open_repository(made.settings) as repository:
        project = repository.project("acme")
        known = load_project_items(project.context, project.stored)
        assert known.ever().num_rows == 0 and known.snapshots == ()
        with pytest.raises(NothingFound, match="no snapshot"):
            known.at()
        assert stored_version(project.stored) == known.version
        project.backup("reports")
        assert stored_version(repository.project("acme").stored) != known.version
