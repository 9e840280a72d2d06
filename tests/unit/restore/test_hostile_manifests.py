"""A writer who holds the keys and means harm: whatever a manifest says, nothing is written outside of the target.

Such a manifest is refused as a whole before the first byte is written, or costs its own items alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from restore.execution.executor import RestoreReport, execute
from restore.local_fs import Target
from restore.local_fs.names import temporary_name
from restore.planning.conflict_policy import ConflictPolicy
from restore.planning.plan import make_plan
from restore.selection.select import ItemQuery, select
from tests.support.places import TODAY, back_up, made_on, restore
from tests.support.trees import contents, look_at, text, write_tree
from vault.errors import Damaged, StrongroomError, TargetError
from vault.format import manifest
from vault.format.layout import META_TIER
from vault.repository import snapshots
from vault.repository.catalog_chunks import MetaReader, MetaWriter
from vault.repository.chunk_index import ChunkIndex
from vault.repository.project import Project
from vault.repository.session import Session
from vault.storage.memory import MemoryStore

Row = dict[str, Any]
LONG = text("long", 5000)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What lies around the target and must stay as it is."""
    write_tree(tmp_path / "world", {"victim": b"precious", "folder/inside": b"precious too", "target/": b""})
    return tmp_path / "world"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose one snapshot is harmless: a folder, a small file, a file of many chunks, a link."""
    source = write_tree(tmp_path / "source", {"sub/small": b"small", "sub/long": LONG})
    (source / "way").symlink_to("sub")
    made = made_on(MemoryStore())
    back_up(made, source)
    return made


def rows_of(project: Project) -> dict[bytes, Row]:
    """The rows of the newest manifest, by path."""
    (record,) = snapshots.at(snapshots.read_all(project), None)
    rows = snapshots.read_manifest(MetaReader(project), record).to_pylist()
    return {row["path"]: row for row in rows}


def forge(project: Project, rows: list[Row]) -> None:
    """Commit a snapshot with these rows, as a writer would that holds every key."""
    (last,) = snapshots.at(snapshots.read_all(project), None)
    session = Session.begin(project, last.source)
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: bytes(row["path"])), manifest.schema())
    writer = MetaWriter(project, ChunkIndex.load(project, tier=META_TIER), session.packs)
    root = writer.write(manifest.encode(table))
    writer.flush()
    forged = replace(last, id=session.id, taken_at=project.services.clock.now(), parents=(last.id,), manifest=root)
    session.commit(forged)
    session.packs.close()


def forged(project: Project, *, of: bytes = b"reports/sub/small", **changes: object) -> Project:
    """The harmless snapshot and one more row, made from that of `of`."""
    rows = rows_of(project)
    forge(project, [*rows.values(), rows[of] | changes])
    return project


def unhurt(outside: Path, act: Callable[[], object]) -> None:
    """Do something and see that nothing around the target has changed."""
    before = around(outside)
    act()
    assert around(outside) == before


def around(outside: Path) -> tuple[object, ...]:
    """Everything but what is in the target."""
    names = {path.name for path in (*outside.iterdir(), *outside.parent.iterdir())}
    return names, (outside / "victim").read_bytes(), look_at(outside / "folder")


def refused(outside: Path, project: Project, error: type[StrongroomError], words: str) -> None:
    """The restore is refused before anything is written."""

    def act() -> None:
        with pytest.raises(error, match=words) as caught:
            restore(project, outside / "target")
        assert caught.value.hint

    unhurt(outside, act)
    assert contents(outside / "target") == {}


def contained(outside: Path, project: Project, *, existing: ConflictPolicy = ConflictPolicy.REFUSE) -> RestoreReport:
    """The restore comes to an end, with problems, and stays inside."""
    reports: list[RestoreReport] = []
    unhurt(outside, lambda: reports.append(restore(project, outside / "target", existing=existing)))
    return reports[0]


@pytest.mark.parametrize(
    "path",
    [
        b"../victim",
        b"reports/../../victim",
        b"reports/..",
        b"..",
        b".",
        b"reports/./x",
        b"/etc/strongroom-was-here",
        b"//x",
        b"reports//x",
        b"reports/x/",
        b"",
        b"reports/a\0b",
        b"reports/" + b"n" * 256,
        b"reports/sub/" + temporary_name(b"reports/sub/small").rpartition(b"/")[2],
        b"reports/.strongroom-anything.part/x",
    ],
)
def test_a_path_that_leaves_the_target_is_refused(project: Project, outside: Path, path: bytes) -> None:
    refused(outside, forged(project, path=path), Damaged, "must not be restored")


@pytest.mark.parametrize("of", [b"reports/sub", b"reports/way"], ids=["folder", "link"])
def test_a_folder_or_link_that_leaves_the_target_is_refused(project: Project, outside: Path, of: bytes) -> None:
    refused(outside, forged(project, of=of, path=b"reports/../../made"), Damaged, "must not be restored")


def test_a_manifest_with_a_device_is_refused_and_an_older_snapshot_stands_in_for_it(project: Project, outside: Path) -> None:
    report = contained(outside, forged(project, path=b"reports/null", type="device"))
    assert [problem.what for problem in report.problems] == ["lost-manifest"]
    assert "unknown type 'device'" in report.problems[0].message
    assert not (outside / "target/reports/null").exists()
    assert contents(outside / "target") != {}


def test_two_items_of_one_path_are_refused(project: Project, outside: Path) -> None:
    refused(outside, forged(project, path=b"reports/sub/small"), TargetError, "reports/sub/small")


@pytest.mark.parametrize("target", ["..", "/", "../../folder", "ABSOLUTE"])
def test_nothing_is_written_through_a_link_of_the_same_snapshot(project: Project, outside: Path, target: str) -> None:
    points_to = os.fsencode(outside / "folder") if target == "ABSOLUTE" else target.encode()
    rows = rows_of(project)
    link = rows[b"reports/way"] | {"path": b"reports/trap", "link_target": points_to}
    through = [rows[b"reports/sub/small"] | {"path": b"reports/trap/" + name} for name in (b"inside", b"victim", b"new")]
    through.append(rows[b"reports/sub/long"] | {"path": b"reports/trap/more/long"})
    forge(project, [*rows.values(), link, *through])
    report = contained(outside, project)
    assert {problem.path for problem in report.problems} == {row["path"] for row in through}
    assert {problem.what for problem in report.problems} == {"blocked"}
    assert (outside / "target/reports/sub/long").read_bytes() == LONG


def test_a_folder_in_place_of_a_link_of_the_same_snapshot_is_a_folder_of_the_target(project: Project, outside: Path) -> None:
    rows = rows_of(project)
    link = rows[b"reports/way"] | {"path": b"reports/trap", "link_target": os.fsencode(outside / "folder")}
    below = [
        rows[b"reports/sub"] | {"path": b"reports/trap/made"},
        rows[b"reports/sub/small"] | {"path": b"reports/trap/inside"},
        link | {"path": b"reports/trap/link"},
    ]
    forge(project, [*rows.values(), link, *below])
    report = contained(outside, project)
    assert [(problem.path, problem.what) for problem in report.problems] == [(b"reports/trap", "exists")]
    assert (outside / "target/reports/trap/inside").read_bytes() == b"small"


def test_a_link_that_stands_in_the_way_is_not_followed(project: Project, outside: Path) -> None:
    (outside / "target/reports").mkdir()
    (outside / "target/reports/sub").symlink_to(outside / "folder")
    for existing in ConflictPolicy:

        def act(policy: ConflictPolicy = existing) -> None:
            try:
                restore(project, outside / "target", existing=policy)
            except TargetError as error:
                assert "in the way" in str(error)

        unhurt(outside, act)
    assert not (outside / "folder/small").exists()


def test_a_file_and_a_folder_of_one_name_stay_inside(project: Project, outside: Path) -> None:
    rows = rows_of(project)
    below = rows[b"reports/sub/small"] | {"path": b"reports/sub/long/below"}
    forge(project, [*rows.values(), below])
    report = contained(outside, project)
    assert report.problems and (outside / "target/reports/sub/small").read_bytes() == b"small"


def test_names_that_a_target_blind_to_case_takes_for_one_are_refused_there(project: Project, outside: Path) -> None:
    class Blind(Target):
        def prepare(self) -> bool:
            super().prepare()
            return True

    forged(project, path=b"reports/sub/SMALL")
    with Blind(os.fsencode(outside / "target")) as target:
        plan = make_plan(select(project, ItemQuery()), target, ConflictPolicy.REFUSE, TODAY)
        with pytest.raises(TargetError, match="apart") as caught:
            execute(plan, target, stop=lambda: None)
    assert caught.value.hint and contents(outside / "target") == {}
    assert restore(project, outside / "target").problems == []


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 3},
        {"size": -1},
        {"size": 1 << 62},
        {"size": 1 << 40, "chunks": []},
        {"chunks": [{"id": None, "length": -5}]},
        {"chunks": [{"id": None, "length": 1 << 62}]},
        {"chunks": None},
        {"chunks": []},
        {"mtime": 1 << 62},
        {"mtime": -(1 << 62), "mtime_nanos": -1},
        {"mtime_nanos": 1 << 30},
        {"mode": -1},
        {"mode": 0o1000777},
        {"uid": -2, "gid": 1 << 40},
        {"uid": 1 << 62},
        {"xattrs": [{"name": b"", "value": b"x"}]},
        {"xattrs": [{"name": b"user.\0", "value": b"x"}]},
        {"xattrs": [{"name": b"user." + b"n" * 300, "value": b"x" * 100_000}]},
        {"link_group": 7},
        {"blake3": None},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_numbers_that_make_no_sense_cost_their_item_at_most(project: Project, outside: Path, changes: dict[str, Any]) -> None:
    rows = rows_of(project)
    odd = [rows[b"reports/sub/" + name] | {"path": b"reports/odd " + name} | changes for name in (b"small", b"long")]
    forge(project, [*rows.values(), *odd])
    report = contained(outside, project)
    assert {problem.path for problem in report.problems} <= {row["path"] for row in odd}
    assert (outside / "target/reports/sub/small").read_bytes() == b"small"
    assert (outside / "target/reports/sub/long").read_bytes() == LONG


@pytest.mark.parametrize("points_to", [None, b"", b"a\0b", b"x" * 10_000])
def test_a_link_to_what_no_link_can_hold_costs_itself(project: Project, outside: Path, points_to: bytes | None) -> None:
    report = contained(outside, forged(project, of=b"reports/way", path=b"reports/odd", link_target=points_to))
    assert [problem.path for problem in report.problems] == [b"reports/odd"]
    assert not (outside / "target/reports/odd").is_symlink()


def test_one_link_group_does_not_make_two_contents_one_file(project: Project, outside: Path) -> None:
    rows = rows_of(project)
    for path in (b"reports/sub/small", b"reports/sub/long"):
        rows[path]["link_group"] = 7
    forge(project, list(rows.values()))
    assert contained(outside, project).problems == []
    assert contents(outside / "target/reports/sub") == {"small": b"small", "long": LONG}


def test_a_chunk_that_is_nowhere_is_missing_data(project: Project, outside: Path) -> None:
    forged(project, path=b"reports/lost", chunks=[{"id": bytes(32), "length": 5}])
    refused(outside, project, Damaged, "reports/lost")
    report = restore(project, outside / "target", incomplete=True)
    assert [problem.path for problem in report.problems] == [b"reports/lost"]
    assert (outside / "target/reports/sub/long").read_bytes() == LONG
