"""Checks that read stored data: all of it, a share of it each time, or as much as it takes to read all within a set time.

    all         every pack
    10%, 5GiB   so much of it: packs that were never read first, in random order, then those that were read longest ago, so that
                repeated runs cover everything
    rolling     as many packs, the longest unread first, as it takes to read all within `schedule.check.all_within`

Which packs were read when is noted on this machine, also when the check is interrupted. A machine that knows nothing begins
anew.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from strongroom import local_state, notices
from strongroom.settings import durations, resolve
from vault.errors import UsageError
from vault.wording import counted, size_in_bytes

if TYPE_CHECKING:
    from policies.monitoring.check_coverage import Pace
    from policies.monitoring.state_store import PackSeen
    from strongroom.settings import Settings
    from strongroom.settings.projects import ProjectSettings
    from vault.repository.check import Depth
    from vault.repository.check_report import CheckReport, ReadCoverage
    from vault.repository.project import Project

DAMAGE_NOTED = 20
NOTED_EVERY = 60.0
"""Seconds after which what was read is noted, while the check goes on."""

_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%\Z", re.ASCII)
_HOW = "write all, rolling, a percentage such as 10%, or a size such as 5GiB"


class ReadData(Struct, frozen=True):
    """How much stored data a check reads. share: of all bytes, above 0 and up to 1 · size: bytes · rolling: as much as it takes
    to read all within the time of the settings. One of them."""

    share: float = 0.0
    size: int = 0
    rolling: bool = False

    @classmethod
    def parse(cls, text: str) -> ReadData:
        """`all`, `rolling`, `10%` or `5GiB`. Raises `UsageError`."""
        word = text.strip().lower()
        if word in ("all", "rolling"):
            return cls(share=1.0) if word == "all" else cls(rolling=True)
        share, size = _SHARE.match(word), None if word[-1:].isdigit() else size_in_bytes(word)
        if share is not None and 0 < float(share[1]) <= 100:
            return cls(share=float(share[1]) / 100)
        if size:
            return cls(size=size)
        kind = "percentage" if word.endswith("%") else "amount of data to read"
        hint = "write a number above 0 and up to 100, as 10%" if word.endswith("%") else _HOW
        raise UsageError(f"{text!r} is not a valid {kind}", hint=hint)

    @property
    def everything(self) -> bool:
        """Whether every pack is read."""
        return self.share >= 1


def check(settings: Settings, project: Project, depth: Depth, read: ReadData | None, others: Sequence[str] = ()) -> CheckReport:
    """Check a project, and note what was read, for backups, which rely on no damaged pack, and for later checks; and what was
    found, for `status` and alerts.

    read: None for no data · others: damage that was found beside it. Raises `StorageError` where the store cannot be asked, for
    a rolling check `StrongroomError` where it cannot be noted what was read.
    """
    from vault.repository.check import check as look

    reading = None if read is None else _Reading.begin(settings, project, read)
    try:
        report = look(project, depth if reading is None else replace(depth, chosen=reading.chosen, heard=reading.heard))
    except BaseException:
        if reading is not None and reading.read:
            reading.save()
            notices.notice(
                f"{project.name}: {counted(len(reading.read), 'pack')} were read before the check ended; that is kept"
            )
        raise
    if reading is not None:
        reading.save()
        report.coverage = reading.coverage()
    with local_state.noted(settings) as state_store:
        if state_store is not None:
            damage = list(dict.fromkeys([*report.damage, *others, *(f"lost: {one.path}" for one in report.lost)]))
            now = project.services.clock.now()
            found = {"damage": damage[:DAMAGE_NOTED], "packs_read": report.packs_read}
            state_store.note(project.name, "check", "", now, found)
    return report


def pace(settings: ProjectSettings, now: datetime) -> Pace:
    """How much is to be read each time, going by the schedule; without one, as if it came once a day."""
    from policies.monitoring.check_coverage import Pace

    schedules = [job.schedule for job in resolve.scheduled(settings) if job.name == "check"]
    upcoming = schedules[0].next_after(now) if schedules else now
    until_next = schedules[0].next_after(upcoming) - upcoming if schedules else timedelta(days=1)
    return Pace(durations.read(settings.schedule.check.all_within), until_next)


class _Reading:
    """Which packs one check reads, and what is known of all of them before and after. read: what was read so far."""

    def __init__(
        self, settings: Settings, project: Project, wanted: ReadData, seen: Mapping[bytes, PackSeen], now: datetime
    ) -> None:
        self._settings = settings
        self._project = project
        self._wanted = wanted
        self._seen = seen
        self._now = now
        self._sizes: dict[bytes, int] = {}
        self._packs: dict[bytes, PackSeen] = {}
        self._clock = project.services.clock
        self._saved_at = self._clock.monotonic()
        self.read: dict[bytes, PackSeen] = {}

    @classmethod
    def begin(cls, settings: Settings, project: Project, wanted: ReadData) -> _Reading:
        """With what this machine remembers. Raises `StrongroomError` for a rolling check where that cannot be read."""
        now = project.services.clock.now()
        if wanted.rolling:
            with local_state.state_store(settings) as opened:
                return cls(settings, project, wanted, opened.packs(project.name), now)
        seen: Mapping[bytes, PackSeen] = {}
        with local_state.noted(settings) as state_store:
            seen = {} if state_store is None else state_store.packs(project.name)
        return cls(settings, project, wanted, seen, now)

    def chosen(self, stored: Mapping[bytes, int]) -> Collection[bytes]:
        """The packs to read. stored: all that the store has, with their sizes."""
        from policies.monitoring.check_coverage import known, longest_unread, tonight

        self._sizes = dict(stored)
        self._packs = known(stored, self._seen, self._now)
        if self._wanted.everything:
            return stored.keys()
        if self._wanted.rolling:
            return tonight(stored, self._packs, pace(self._settings.project(self._project.name), self._now), self._now)
        budget = self._wanted.size or math.ceil(self._wanted.share * sum(stored.values()))
        return longest_unread(stored, self._packs, budget, self._project.services.randomness.fraction)

    def heard(self, pack: bytes, whole: bool) -> None:  # noqa: FBT001 (the form that `Depth.heard` has)
        """One was read."""
        self.read[pack] = self._packs[pack]._replace(read_at=self._now, whole=whole)
        if self._clock.monotonic() - self._saved_at >= NOTED_EVERY:
            self.save()

    def save(self) -> None:
        """Note what is known now; what another check has read meanwhile stays noted."""
        from policies.monitoring.check_coverage import known

        self._saved_at = self._clock.monotonic()
        with local_state.noted(self._settings) as state_store:
            if state_store is not None:
                meanwhile = known(self._sizes, state_store.packs(self._project.name), self._clock.now())
                state_store.write_packs(self._project.name, meanwhile | self.read)

    def coverage(self) -> ReadCoverage:
        """What checks of this machine have read by now, this one among them."""
        from vault.repository.check_report import ReadCoverage

        known = self._packs | self.read
        read = {pack: one.read_at for pack, one in known.items() if one.read_at is not None}
        return ReadCoverage(
            packs=len(known),
            bytes=sum(self._sizes.values()),
            packs_read=len(read),
            bytes_read=sum(self._sizes[pack] for pack in read),
            since=min(read.values()) if read and len(read) == len(known) else None,
        )
