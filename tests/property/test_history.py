"""A folder lives on and is backed up now and then: every snapshot gives back what the folder was, whatever came after."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from restore.selection.select import ItemQuery, select
from tests.support.places import back_up, checked, made_on, restore
from tests.support.trees import Seen, look_at, next_tick, text
from vault.backup.run import BackupOptions
from vault.errors import UsageError
from vault.format.snapshot_record import Record
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

FOLDERS = st.sampled_from(["", "north", "south", "north/deep", "\u00e9t\u00e9 \U0001f4c1"])
FILES = st.sampled_from(["a.csv", "b.csv", "ticket", " blank ", "new\nline", "\udcff raw"])
PLACES = st.tuples(FOLDERS, FILES).map(lambda pair: f"{pair[0]}/{pair[1]}".lstrip("/"))
SIZES = st.sampled_from([0, 1, 63, 64, 65, 300, 2000, 7000])
MODES = st.sampled_from([0o600, 0o644, 0o755, 0o400])
HOUR = 3_600_000_000_000

usual = settings(
    derandomize=True, deadline=None, max_examples=12, stateful_step_count=20, suppress_health_check=list(HealthCheck)
)
deep = settings(usual, max_examples=300, stateful_step_count=40)


@dataclass
class Moment:
    """A snapshot, and what the folder was when it was taken."""

    record: Record
    folder: dict[bytes, Seen]


class History(RuleBasedStateMachine):
    """Edits, backups and restores in any order, beside a plain memory of what was there when."""

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.folder = self.home / "source"
        self.folder.mkdir()
        self.project: Project = made_on(MemoryStore())
        self.moments: list[Moment] = []
        self.vanished: dict[bytes, Seen] = {}
        self.edits = 0

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def place(self, name: str) -> Path:
        """Where a file is to be; the folder that leads there exists then."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def fresh(self, size: int) -> bytes:
        self.edits += 1
        return text(self.edits, size)

    def standing(self, number: int, sort: str) -> Path | None:
        """One of the files (links, folders) that there are."""
        seen = sorted(path for path, one in look_at(self.folder).items() if one.type == sort and path)
        return self.folder / os.fsdecode(seen[number % len(seen)]) if seen else None

    @rule(name=PLACES, size=SIZES)
    def write(self, name: str, size: int) -> None:
        place = self.place(name)
        place.unlink(missing_ok=True)
        place.write_bytes(self.fresh(size))

    @rule(number=st.integers(0, 50), size=SIZES)
    def overwrite_in_place_and_keep_the_time(self, number: int, size: int) -> None:
        """As somebody does who wants to hide a change: same size, same time."""
        if place := self.standing(number, "file"):
            before = place.stat()
            place.write_bytes(self.fresh(before.st_size))
            os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(number=st.integers(0, 50), size=SIZES)
    def append(self, number: int, size: int) -> None:
        if place := self.standing(number, "file"):
            place.write_bytes(place.read_bytes() + self.fresh(size))

    @rule(number=st.integers(0, 50))
    def copy_with_another_name(self, number: int) -> None:
        place, copy = self.standing(number, "file"), self.folder / "copy"
        if place and place != copy:
            copy.unlink(missing_ok=True)
            shutil.copy2(place, copy)

    @rule(name=PLACES, tail=SIZES)
    def write_sparse(self, name: str, tail: int) -> None:
        place = self.place(name)
        place.unlink(missing_ok=True)
        with place.open("wb") as file:
            file.truncate(1_500_000)
            file.seek(700_000)
            file.write(self.fresh(tail))

    @rule(number=st.integers(0, 50))
    def delete(self, number: int) -> None:
        if place := self.standing(number, "file"):
            place.unlink()

    @rule(number=st.integers(0, 50))
    def delete_folder(self, number: int) -> None:
        if place := self.standing(number, "folder"):
            shutil.rmtree(place)

    @rule(number=st.integers(0, 50), name=PLACES)
    def rename(self, number: int, name: str) -> None:
        if place := self.standing(number, "file"):
            place.replace(self.place(name))

    @rule(number=st.integers(0, 50))
    def rename_folder(self, number: int) -> None:
        place, target = self.standing(number, "folder"), self.folder / "moved"
        if place and not target.exists():
            place.rename(target)

    @rule(number=st.integers(0, 50), mode=MODES)
    def change_mode(self, number: int, mode: int) -> None:
        if place := self.standing(number, "file"):
            place.chmod(mode)

    @rule(number=st.integers(0, 50), hours=st.integers(-1_000_000, 1_000_000), nanos=st.integers(0, 999_999_999))
    def change_time(self, number: int, hours: int, nanos: int) -> None:
        if place := self.standing(number, "file"):
            os.utime(place, ns=(0, hours * HOUR + nanos))

    @rule(number=st.integers(0, 50), value=st.binary(max_size=20))
    def set_attribute(self, number: int, value: bytes) -> None:
        if place := self.standing(number, "file"):
            os.setxattr(place, "user.strongroom-test", value)

    @rule(points_to=st.sampled_from(["a.csv", "../out", "/nowhere", "north"]), name=st.sampled_from(["link one", "link two"]))
    def make_link(self, points_to: str, name: str) -> None:
        place = self.folder / name
        place.unlink(missing_ok=True)
        place.symlink_to(points_to)

    @rule(number=st.integers(0, 50), name=st.sampled_from(["hard one", "hard two"]))
    def make_hard_link(self, number: int, name: str) -> None:
        place, other = self.standing(number, "file"), self.folder / name
        if place and place != other:
            other.unlink(missing_ok=True)
            other.hardlink_to(place)

    @rule(name=st.sampled_from(["empty", "north/empty", "south"]))
    def make_folder(self, name: str) -> None:
        (self.folder / name).mkdir(parents=True, exist_ok=True)

    @rule()
    def back_up(self) -> None:
        now = look_at(self.folder)
        report = back_up(self.project, self.folder, BackupOptions(allow_empty=True))
        assert report.problems == ()
        assert report.record.counts.items == len(now)
        assert report.record.counts.bytes == sum(len(one.content or b"") for one in now.values())
        if self.moments:
            self.vanished |= {path: one for path, one in self.moments[-1].folder.items() if path not in now}
        self.vanished = {path: one for path, one in self.vanished.items() if path not in now}
        self.moments.append(Moment(report.record, now))
        next_tick(self.home)

    @rule(times=st.integers(1, 2))
    def back_up_and_look(self, times: int) -> None:
        """Rules are drawn evenly, and backups are what this is about."""
        for _ in range(times):
            self.back_up()
        self.restore_any_moment(len(self.moments) - 1)

    @rule(number=st.integers(0, 50), size=SIZES)
    def change_and_back_up(self, number: int, size: int) -> None:
        self.append(number, size)
        self.back_up()
        self.restore_what_vanished()

    @precondition(lambda self: self.moments)
    @rule(number=st.integers(0, 50))
    def restore_any_moment(self, number: int) -> None:
        moment = self.moments[number % len(self.moments)]
        assert self.given_back(ItemQuery(at=moment.record.taken_at)) == moment.folder

    @precondition(lambda self: self.moments)
    @rule()
    def restore_what_vanished(self) -> None:
        try:
            found = select(self.project, ItemQuery(deleted=True)).table["path"].to_pylist()
        except UsageError:
            assert not self.vanished
            return
        assert found == sorted(b"reports/" + path for path in self.vanished)
        back = self.given_back(ItemQuery(deleted=True))
        for path, seen in self.vanished.items():
            assert (back[path].type, back[path].content, back[path].points_to) == (seen.type, seen.content, seen.points_to)
            assert back[path].mode == seen.mode

    @precondition(lambda self: self.moments)
    @rule()
    def check(self) -> None:
        report = checked(self.project)
        assert report.sound
        assert report.snapshots == len(self.moments)

    def given_back(self, query: ItemQuery) -> dict[bytes, Seen]:
        back = self.home / "back"
        try:
            report = restore(self.project, back, query)
            assert report.problems == []
            return look_at(back / "reports")
        finally:
            shutil.rmtree(back, ignore_errors=True)


def test_every_snapshot_gives_back_what_the_folder_was() -> None:
    run_state_machine_as_test(History, settings=usual)


@pytest.mark.slow
def test_every_snapshot_gives_back_what_the_folder_was_in_long_histories() -> None:
    run_state_machine_as_test(History, settings=deep)
