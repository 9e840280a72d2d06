"""A check that reads a share of the packs, so that run after run all are read within a set time.

Which packs were read when is noted on this machine, also when the check is interrupted. A machine that knows nothing begins
anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from strongroom import local_state
from strongroom.settings import durations, resolve

if TYPE_CHECKING:
    from policies.monitoring.check_coverage import Pace
    from policies.monitoring.state_store import PackSeen, StateStore
    from strongroom.settings import Settings
    from strongroom.settings.projects import ProjectSettings
    from vault.repository.check import CheckReport, Depth
    from vault.repository.project import Project

DAMAGE_NOTED = 20


def rolled(settings: Settings, project: Project, depth: Depth, others: Sequence[str] = ()) -> CheckReport:
    """Check a project, and note what was read and found. others: damage that was found beside it. Raises `StorageError` where
    the store cannot be asked."""
    with local_state.state_store(settings) as state_store:
        now = project.services.clock.now()
        run = _Rolling(state_store.packs(project.name), pace(settings.project(project.name), now), now)
        try:
            from vault.repository.check import check

            report = check(project, replace(depth, chosen=run.chosen, heard=run.heard))
        finally:
            if run.packs is not None:
                state_store.write_packs(project.name, run.packs)
        _note_report(state_store, project, report, others, now)
        return report


def _note_report(state_store: StateStore, project: Project, report: CheckReport, others: Sequence[str], now: datetime) -> None:
    damage = list(dict.fromkeys([*report.damage, *others, *(f"lost: {one.path}" for one in report.lost)]))
    state_store.note(project.name, "check", "", now, {"damage": damage[:DAMAGE_NOTED], "packs_read": report.packs_read})


def noted(
    settings: Settings,
    project: Project,
    depth: Depth,
    look: Callable[[Depth], CheckReport],
    others: Sequence[str] = (),
) -> CheckReport:
    """A check that reads packs as it was asked to; what it read is noted for backups, which rely on no damaged pack, and for
    rolling checks; what it found, for `status` and alerts. others: damage that was found beside it."""
    heard: dict[bytes, bool] = {}

    def hear(pack: bytes, whole: bool) -> None:  # noqa: FBT001 (the form that `Depth.heard` has)
        heard[pack] = whole

    try:
        report = look(replace(depth, heard=hear))
        with local_state.noted(settings) as state_store:
            if state_store is not None:
                _note_report(state_store, project, report, others, project.services.clock.now())
        return report
    finally:
        if heard:
            _note_read(settings, project, heard, every=depth.data >= 1)


def _note_read(settings: Settings, project: Project, heard: Mapping[bytes, bool], *, every: bool) -> None:
    """every: whether these were to be all that stand; else only what is known of some changes."""
    from policies.monitoring.state_store import PackSeen

    now = project.services.clock.now()
    with local_state.noted(settings) as state_store:
        if state_store is None:
            return
        before = state_store.packs(project.name)
        seen = {
            pack: PackSeen(before[pack].seen_at if pack in before else now, now, whole=whole)
            for pack, whole in heard.items()
            if every or not whole or pack in before
        }
        state_store.write_packs(project.name, seen if every else {**before, **seen})


def pace(settings: ProjectSettings, now: datetime) -> Pace:
    """How much is to be read each time, going by the schedule; without one, as if it came once a day."""
    from policies.monitoring.check_coverage import Pace

    schedules = [job.schedule for job in resolve.scheduled(settings) if job.name == "check"]
    upcoming = schedules[0].next_after(now) if schedules else now
    until_next = schedules[0].next_after(upcoming) - upcoming if schedules else timedelta(days=1)
    return Pace(durations.read(settings.schedule.check.all_within), until_next)


class _Rolling:
    """What is known of the packs, before and after. packs: None where the store was not asked yet."""

    def __init__(self, seen: Mapping[bytes, PackSeen], pace_: Pace, now: datetime) -> None:
        self._seen = seen
        self._pace = pace_
        self._now = now
        self.packs: dict[bytes, PackSeen] | None = None

    def chosen(self, stored: Mapping[bytes, int]) -> Collection[bytes]:
        """The packs to read."""
        from policies.monitoring.check_coverage import known, tonight

        self.packs = known(stored, self._seen, self._now)
        return tonight(stored, self.packs, self._pace, self._now)

    def heard(self, pack: bytes, whole: bool) -> None:  # noqa: FBT001 (the form that `Depth.heard` has)
        """One was read."""
        if self.packs is not None:
            self.packs[pack] = self.packs[pack]._replace(read_at=self._now, whole=whole)
