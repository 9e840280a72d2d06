"""A publication that is killed at any moment: no reader ever sees half a file, nothing of others is touched, and the next run
makes the place what it should be, whatever the source did meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from restore.outputs.output_item import OutputItem
from restore.outputs.sink import OutputEntry, OutputSink
from restore.publishing.changes import PublicationOptions
from restore.publishing.folder_place import FolderPlace
from restore.publishing.place import PublicationPlace, StandingFile
from restore.publishing.run import PublicationReport, PublicationRequest, publish
from restore.publishing.state import FOLDER, PublishedFile
from strongroom.selection import SelectionOptions
from strongroom.table_options import TableOptions
from tests.support.dying import PowerCut
from tests.unit.library.repositories import OpenProject, restorable
from vault.problems import Problem

MOMENTS = 40
"""More than a run of this size has."""

FOREIGN = b"not ours"


class DyingPlace:
    """A place over another one, which is gone before its k-th effect, or right after it, unseen."""

    batch = 1

    def __init__(self, inner: PublicationPlace, lives: int, *, after: bool) -> None:
        self._inner = inner
        self.mode = inner.mode
        self._lives = lives
        self._after = after
        self.effects = 0

    @contextmanager
    def effect(self) -> Iterator[None]:
        """One thing that lasts."""
        self.effects += 1
        if self.effects > self._lives and not self._after:
            raise PowerCut
        yield
        if self.effects > self._lives:
            raise PowerCut

    def describe(self) -> str:
        return self._inner.describe()

    def look(self, names: Collection[bytes]) -> dict[bytes, StandingFile]:
        return self._inner.look(names)

    def has(self, file: PublishedFile) -> bool:
        return self._inner.has(file)

    def state(self) -> Iterator[bytes] | None:
        return self._inner.state()

    def journal(self) -> Iterator[bytes]:
        return self._inner.journal()

    def begin(self) -> AbstractContextManager[None]:
        return self._inner.begin()

    def note(self, lines: Sequence[bytes]) -> None:
        with self.effect():
            self._inner.note(lines)

    @contextmanager
    def sink(self) -> Iterator[OutputSink]:
        with self._inner.sink() as sink:
            yield _DyingSink(sink, self)

    def remove(self, names: Iterable[bytes]) -> list[Problem]:
        with self.effect():
            return self._inner.remove(names)

    def settle(self, lines: Iterable[bytes]) -> None:
        with self.effect():
            self._inner.settle(lines)


class _DyingSink:
    def __init__(self, inner: OutputSink, place: DyingPlace) -> None:
        self._inner = inner
        self._place = place

    def folder(self, path: bytes, entry: OutputEntry) -> list[Problem]:
        return self._inner.folder(path, entry)

    def link(self, path: bytes, points_to: bytes, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        return self._inner.link(path, points_to, entry, replace=replace)

    def file(self, item: OutputItem, entry: OutputEntry, *, replace: bool = False) -> list[Problem]:
        with self._place.effect():
            return self._inner.file(item, entry, replace=replace)

    def finish(self) -> list[Problem]:
        with self._place.effect():
            return self._inner.finish()


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    """With two more snapshots: everything is another one in each, and the newest lacks what the one before had."""
    with restorable(tmp_path_factory.mktemp("publish")) as found:
        for number in (1, 2):
            (found.reports / "2024-05/a.csv").write_bytes(b"id,amount\n%d,9\n" % number)
            (found.reports / "2024-06/b.csv").unlink(missing_ok=True)
            (found.reports / f"new-{number}.csv").write_bytes(b"id,amount\n%d,8\n" % number)
            (found.reports / "new-0.csv").unlink(missing_ok=True)
            (found.reports / f"new-{number - 1}.csv").unlink(missing_ok=True)
            found.desk.call("backup", exits=(0, 3))
        yield found


def snapshots(opened: OpenProject) -> list[str]:
    """Of the reports, the oldest first."""
    (project,) = opened.desk.call("list", "acme", "--json").document["projects"]
    return [one["snapshot"] for one in project["snapshots"] if one["source"] == "reports"]


def run(opened: OpenProject, place: PublicationPlace, scratch: Path, at: str) -> PublicationReport:
    """Publish the reports of a snapshot as Parquet."""
    selected = opened.select(SelectionOptions(kinds=["reports"], at=at, source="reports"))
    conversion = TableOptions(format="parquet").conversion(selected.query, opened.context, "acme")
    request = PublicationRequest(selected.selection, conversion, {"as": "parquet"}, PublicationOptions(), selected.zone)
    scratch.mkdir(exist_ok=True)
    for leftover in scratch.iterdir():
        leftover.unlink()
    return publish(request, place, scratch)


def folder(path: Path) -> FolderPlace:
    return FolderPlace(os.fsencode(path))


def files(path: Path) -> dict[str, bytes]:
    """What a reader sees who passes over hidden names."""
    found = (one for one in path.rglob("*") if one.is_file() and FOLDER not in one.parts)
    return {str(one.relative_to(path)): one.read_bytes() for one in found if not one.name.startswith(".")}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("later", [2, 3])
def test_a_killed_run_is_continued(opened: OpenProject, tmp_path: Path, later: int, *, after: bool) -> None:
    """The second snapshot is published; a run for the third is killed at each of its moments; a run for that one, or for the
    fourth, makes the place what a fresh one would be."""
    ids, scratch, fresh = snapshots(opened), tmp_path / "scratch", tmp_path / "fresh"
    expected = []
    for number, at in enumerate(ids):
        run(opened, folder(fresh / str(number)), scratch, at)
        expected.append(files(fresh / str(number)))
    whole = {content for one in expected for content in one.values()} | {FOREIGN}
    ends = 0
    for lives in range(MOMENTS):
        place = tmp_path / f"place-{lives}"
        shutil.copytree(fresh / "1", place)
        (place / "reports/of others.parquet").write_bytes(FOREIGN)
        dying = DyingPlace(folder(place), lives, after=after)
        try:
            run(opened, dying, scratch, ids[2])
        except PowerCut:
            assert set(files(place).values()) <= whole
        else:
            ends += 1
        assert run(opened, folder(place), scratch, ids[later]).problems == []
        assert files(place) == expected[later] | {"reports/of others.parquet": FOREIGN}
        assert not list(place.rglob(".strongroom-*.part"))
        assert run(opened, folder(place), scratch, ids[later]).files == 0
        if ends:
            break
    assert ends
