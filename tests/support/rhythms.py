"""A contact centre's source: workbooks that get a row each hour, a folder of reports a day, an archive of earlier months."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from openpyxl import Workbook

from policies.monitoring import retention_freeze
from policies.monitoring.anomalies import Anomalies, AnomalyLimits
from restore.tables.formats import TABLE_FORMATS
from restore.tables.profile import table_profile
from tests.support.places import folder_source, made_on
from vault.backup import run
from vault.backup.table_profiles import Profiler
from vault.format.changes import Changes
from vault.repository import holds, snapshots
from vault.repository.project import Project
from vault.storage.memory import MemoryStore

HOUR = timedelta(hours=1)
START = datetime(2127, 3, 3, 8, tzinfo=UTC)
"""A Monday, and long after what the machine's clock says: files are older than the snapshots that take them."""

PROFILER = Profiler(TABLE_FORMATS, lambda descriptor, format_: table_profile(Path(f"/dev/fd/{descriptor}"), format_))
KYIV = ZoneInfo("Europe/Kyiv")


class WallClock:
    """A clock that shows what it was set to."""

    def __init__(self, now: datetime) -> None:
        self.moment = now

    def now(self) -> datetime:
        self.moment += timedelta(milliseconds=1)
        return self.moment

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Centre:
    """root: of the source · workbooks: how many · alerts: what was said, by the moment."""

    root: Path
    workbooks: int = 12
    clock: WallClock = field(default_factory=lambda: WallClock(START))
    alerts: list[tuple[datetime, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.project: Project = made_on(MemoryStore(), clock=self.clock)
        self.rows: dict[int, list[list[object]]] = {number: [] for number in range(self.workbooks)}
        for number in self.rows:
            for back in range(24, 0, -1):
                self._row(number, START - back * HOUR)
            self.write(number)

    def _row(self, number: int, hour: datetime) -> None:
        calls = (hour.toordinal() * 31 + hour.hour * 7 + number * 13) % 97
        self.rows[number].append([f"{hour:%Y-%m-%d %H:%M}", calls, calls * 9 // 10, f"agent {calls % 7}", f"note {calls}"])

    def write(self, number: int, *, without: int | None = None) -> None:
        """A workbook as it is now. without: a column whose cells are gone."""
        book = Workbook(write_only=True)
        sheet = book.create_sheet("calls")
        sheet.append(["time", "calls", "answered", "agent", "note"])
        for row in self.rows[number]:
            sheet.append([None if place == without else cell for place, cell in enumerate(row)])
        self.root.mkdir(parents=True, exist_ok=True)
        book.save(self.book(number))

    def book(self, number: int) -> Path:
        return self.root / f"project-{number:02}.xlsx"

    def archive(self, month: str, days: int = 24) -> None:
        """Daily reports of a month."""
        for day in range(1, days + 1):
            file = self.root / month / f"{month}-{day:02}.csv"
            file.parent.mkdir(exist_ok=True)
            file.write_text("hour,calls\n" + "".join(f"{hour},{day * hour % 41}\n" for hour in range(24)) + month)

    def hour(self, hours: int = 1) -> None:
        """A row in every workbook, for each of so many hours."""
        end = self.clock.moment.replace(minute=0, second=0, microsecond=0) + hours * HOUR
        self.clock.moment = end
        for number in self.rows:
            for back in range(hours, 0, -1):
                self._row(number, end - back * HOUR)
            self.write(number)

    def back_up(self) -> Anomalies:
        """A snapshot, and what is said of it."""
        source = folder_source(self.root)
        source = replace(source, profiler=PROFILER)
        record = run.back_up(self.project, source, run.BackupOptions()).record
        verdict = retention_freeze.watch(self.project, record, AnomalyLimits(), KYIV)
        self.alerts += [(record.taken_at, why) for why in verdict.reasons]
        return verdict

    def accept(self) -> None:
        """A person has looked."""
        retention_freeze.accept(self.project, reason="looked at it", who="olena@desk")

    @property
    def frozen(self) -> bool:
        return bool(retention_freeze.freezing(holds.read_all(self.project).holds, self.clock.now()))

    @property
    def changes(self) -> Changes:
        """What the newest snapshot did."""
        found = snapshots.committed(self.project).records[-1].changes
        assert found is not None
        return found


def a_folder_goes(centre: Centre) -> None:
    shutil.rmtree(centre.root / "2127-01")


def a_third_of_the_year_goes(centre: Centre) -> None:
    for month in ("2126-09", "2126-10", "2126-11", "2126-12"):
        shutil.rmtree(centre.root / month)


def a_month_goes_from_a_folder_of_many(centre: Centre) -> None:
    for file in (centre.root / "daily").glob("2025-08-*.csv"):
        file.unlink()


def everything_is_encrypted(centre: Centre) -> None:
    for file in sorted(centre.root.rglob("*.*")):
        file.write_bytes(scrambled(file.read_bytes()))


def everything_is_encrypted_under_other_names(centre: Centre) -> None:
    everything_is_encrypted(centre)
    for file in sorted(centre.root.rglob("*.*")):
        file.rename(f"{file}.locked")


def workbooks_are_damaged_behind_their_beginning(centre: Centre) -> None:
    for number in centre.rows:
        data = centre.book(number).read_bytes()
        centre.book(number).write_bytes(data[:1024] + scrambled(data[1024:]))


def a_column_is_emptied(centre: Centre) -> None:
    for number in centre.rows:
        centre.write(number, without=2)


def a_column_is_deleted(centre: Centre) -> None:
    for number in centre.rows:
        book = Workbook()
        for row in [["time", "calls", "agent", "note"], *([*row[:2], *row[3:]] for row in centre.rows[number])]:
            book.active.append(row)
        book.save(centre.book(number))


def all_rows_are_deleted(centre: Centre) -> None:
    for rows in centre.rows.values():
        rows.clear()
    for number in centre.rows:
        centre.write(number)


CATASTROPHES: dict[Callable[[Centre], None], str] = {
    a_folder_goes: "1 folder vanished as a whole: reports/2127-01 (24 files)",
    a_third_of_the_year_goes: "96 of ",
    a_month_goes_from_a_folder_of_many: "everything about 2025-08 (20 files) vanished",
    everything_is_encrypted: "look encrypted",
    everything_is_encrypted_under_other_names: "files vanished (100 %)",
    workbooks_are_damaged_behind_their_beginning: "cannot be opened any more",
    a_column_is_emptied: "a column was emptied in",
    a_column_is_deleted: "a column was emptied in",
    all_rows_are_deleted: "were emptied",
}
"""And what must be said of each."""


def scrambled(data: bytes) -> bytes:
    """Bytes without any form."""
    from blake3 import blake3

    return b"\0\xfe" + blake3(data).digest(len(data))


def with_archives(root: Path, workbooks: int = 12) -> Centre:
    """A centre with five months of daily reports, and one whose reports lie in a folder of many."""
    centre = Centre(root, workbooks)
    for month in ("2126-09", "2126-10", "2126-11", "2126-12", "2127-01"):
        centre.archive(month)
    (root / "daily").mkdir()
    for month in ("2025-07", "2025-08"):
        centre.archive(month, 20)
        for file in (root / month).iterdir():
            file.rename(root / "daily" / file.name)
        (root / month).rmdir()
    return centre
