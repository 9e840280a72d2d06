"""How a project is, as values: its sources, its last restore drill, how much of it was read and checked, its alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from vault import wording
from vault.wording import counted

if TYPE_CHECKING:
    from policies.monitoring.alerts import Alert
    from policies.monitoring.state_store import Coverage, StateEntry
    from vault.format.claim import Claim

OK, LATE, FAILED, PROBLEMS = "ok", "late", "failed", "problems"
NEVER = "never backed up"
AHEAD = "dated in the future"
"""A snapshot of a clock that was wrong: its age is not known."""

UNLISTED = "not in the settings"
NOT_ASKED = "store not reached"
NOT_STORED = "not in the repository"
WELL = frozenset({OK, UNLISTED, NOT_ASKED})
"""States of a source that are no problem by themselves."""

WHOLE_PROJECT = "-"
"""In place of a source's name, where a row is about all of the project."""

_DRILL_VALUES = frozenset(
    {
        *("items", "folders", "bytes", "seconds", "compared", "folders_compared", "attributes_compared"),
        *("whole_items", "whole_bytes", "whole_seconds", "newest", "wrong", "problems", "problem_list"),
    }
)
"""What a drill may have noted beside its trouble; older versions noted less."""

SILENT_AFTER = timedelta(hours=1)
"""A run that has said nothing for so long is not called running: its claim is rewritten every minute or so while it reads."""


class FailedBackup(Struct, frozen=True):
    """The newest backup of a source, where it failed and no snapshot is newer."""

    at: datetime
    message: str

    def as_json(self) -> dict[str, str]:
        """For `--json`."""
        return {"at": self.at.isoformat(), "message": self.message}


class RunningBackup(Struct, frozen=True):
    """A snapshot that is being written. items, size: what is done of it, size in bytes · host: where · silent: how long nothing
    was heard of it."""

    items: int
    size: int
    host: str
    silent: timedelta

    @property
    def is_dead(self) -> bool:
        """Whether nothing was heard of it for so long that nobody is writing it any more."""
        return self.silent > SILENT_AFTER

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "items": self.items,
            "bytes": self.size,
            "host": self.host,
            "seconds_silent": round(self.silent.total_seconds(), 3),
            "message": self.in_words(),
        }

    def in_words(self) -> str:
        """How far it is, and when it was last heard of."""
        silent = wording.duration(self.silent.total_seconds())
        ending = f"no sign of life for {silent}" if self.is_dead else f"last seen {silent} ago"
        return f"{counted(self.items, 'item')} done, {wording.size(self.size)} read, on {self.host}, {ending}"


def running_backup(claims: Sequence[Claim], now: datetime) -> RunningBackup | None:
    """The newest run of a source that has not ended; None where there is none. claims: of this source."""
    if not claims:
        return None
    newest = max(claims, key=lambda claim: claim.updated_at)
    return RunningBackup(newest.items, newest.bytes, newest.host, now - newest.updated_at)


class SourceStatus(Struct, frozen=True):
    """One source of a project, or what else is wrong with the project.

    source: its name, `WHOLE_PROJECT` for a row about all of the project · state: one of the texts above, or in words what is
    damaged or gone · taken_at, age: of its newest snapshot · rpo: how old that may be · next_run: of its backup · items,
    snapshot, problems: of the newest snapshot · failed: the newest backup, where it failed · running: a snapshot that is being
    written · damaged, gone: names of what cannot be read, or is not there any more.
    """

    project: str
    source: str
    state: str
    taken_at: datetime | None = None
    age: timedelta | None = None
    rpo: timedelta | None = None
    next_run: datetime | None = None
    items: int | None = None
    snapshot: str | None = None
    problems: int = 0
    failed: FailedBackup | None = None
    running: RunningBackup | None = None
    damaged: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Whose it is, for people."""
        return self.project if self.source == WHOLE_PROJECT else f"{self.project}/{self.source}"

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong with it by itself."""
        return self.state in WELL

    @property
    def is_wanted(self) -> bool:
        """Whether it is a source that the settings name."""
        return self.source != WHOLE_PROJECT and self.state != UNLISTED

    def as_json(self) -> dict[str, Any]:
        """For `--json`: what is not known is left out."""
        running = self.running
        values = {
            "taken_at": self.taken_at and self.taken_at.isoformat(),
            "age_seconds": None if self.age is None else round(self.age.total_seconds(), 3),
            "items": self.items,
            "snapshot": self.snapshot,
            "problems": self.problems or None,
            "failed": self.failed and self.failed.as_json(),
            "rpo_seconds": self.rpo and self.rpo.total_seconds(),
            "next_run": self.next_run and self.next_run.isoformat(),
            "unfinished" if running is not None and running.is_dead else "running": running and running.as_json(),
            "damaged": list(self.damaged) or None,
            "gone": list(self.gone) or None,
        }
        known = {name: value for name, value in values.items() if value is not None}
        return {"project": self.project, "source": self.source, "state": self.state} | known


class LastDrill(Struct, frozen=True):
    """The newest restore drill. trouble: why it failed, empty where it passed · recovery: what restoring everything would take
    · values: all that was noted of it."""

    at: datetime
    trouble: str
    recovery: timedelta | None
    values: Mapping[str, Any]

    @classmethod
    def of(cls, entry: StateEntry) -> LastDrill:
        """As it was noted."""
        whole = entry.value.get("whole_seconds")
        recovery = timedelta(seconds=whole) if isinstance(whole, int | float) else None
        return cls(entry.at, str(entry.value.get("trouble") or ""), recovery, entry.value)

    @property
    def passed(self) -> bool:
        """Whether what was restored is what was stored."""
        return not self.trouble

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        known = {name: value for name, value in self.values.items() if name in _DRILL_VALUES and value is not None}
        return {"at": self.at.isoformat(), "passed": self.passed, "trouble": self.trouble, **known}


class CheckedPacks(Struct, frozen=True):
    """How much of the stored data was read and compared. within: in this time · oldest: when the pack was read, or first seen,
    that waits the longest."""

    packs: int
    read: int
    damaged: int
    within: timedelta
    oldest: datetime | None

    @classmethod
    def of(cls, coverage: Coverage, within: timedelta) -> CheckedPacks | None:
        """None where nothing is known."""
        if not coverage.packs:
            return None
        return cls(coverage.packs, coverage.read, coverage.damaged, within, coverage.oldest)

    def in_words(self) -> str:
        """The share of the data, and the time."""
        return f"{100 * self.read // self.packs} % within {counted(self.within.days, 'day')}"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "packs": self.packs,
            "packs_read": self.read,
            "packs_damaged": self.damaged,
            "within_seconds": self.within.total_seconds(),
            "oldest": self.oldest and self.oldest.isoformat(),
        }


class CopyStatus(Struct, frozen=True):
    """How far a copy of the repository is behind.

    until: it has everything that was there then, as this machine has copied it; None where it has not · lacking: how many
    snapshots it lacks; None where nobody could be asked · oldest: when the oldest of these was taken · within: how long it may
    be without them · unreached: why its store was not reached, where it was asked for
    """

    copy: str
    until: datetime | None
    lacking: int | None
    oldest: datetime | None
    within: timedelta | None
    now: datetime
    unreached: str | None = None

    @property
    def behind(self) -> timedelta:
        """For how long it has lacked something."""
        return timedelta() if self.oldest is None else max(timedelta(), self.now - self.oldest)

    def in_words(self, *, why: bool = False) -> str:
        """In a few words. why: also why it is not reached."""
        if self.unreached is None:
            return self._known()
        known = f"; as far as known: {self._known()}" if self.lacking is not None or self.until is not None else ""
        return f"not reached{f' ({self.unreached})' if why else ''}{known}"

    def _known(self) -> str:
        if self.lacking is None:
            return "not known" if self.until is None else f"complete up to {wording.moment(self.until)}"
        if not self.lacking:
            return "up to date"
        silent = wording.duration(self.behind.total_seconds())
        return f"lacks {counted(self.lacking, 'snapshot')}, the oldest of {silent} ago"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "copy_name": self.copy,
            "copied_until": self.until and self.until.isoformat(),
            "snapshots_lacking": self.lacking,
            "behind_seconds": None if self.lacking is None else round(self.behind.total_seconds(), 3),
            "promised_seconds": self.within and self.within.total_seconds(),
            "unreached": self.unreached,
        }


class ProjectStatus(Struct, frozen=True):
    """How a project is.

    sources: each source, and one row for whatever else is wrong · frozen: why retention is · drill: the newest one · checks:
    how much was read and compared · next_runs: of its other jobs, by their names · alerts: that fire · reads: whether this
    machine may read content · readers: who may, where it may not and grants say so · copies: of the repository.
    """

    project: str
    sources: tuple[SourceStatus, ...]
    frozen: tuple[str, ...] = ()
    drill: LastDrill | None = None
    checks: CheckedPacks | None = None
    next_runs: Mapping[str, datetime] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()
    reads: bool = True
    readers: tuple[str, ...] = ()

    @property
    def left_to_others(self) -> str | None:
        """What this machine cannot do for the project, and who must, in words; None where it can do everything."""
        if self.reads:
            return None
        who = f"{', '.join(self.readers)} may" if self.readers else "whoever may read it must"
        return (
            f"this machine may write to {self.project} and read no content: restore tests and the repacking of packs are left "
            f"to a machine that may read it ({who})"
        )

    copies: tuple[CopyStatus, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`: all but its sources and alerts, which the document has in lists of their own."""
        found: dict[str, Any] = {"project": self.project, "frozen": list(self.frozen), "may_read": self.reads}
        if not self.reads:
            found["readers"] = list(self.readers)
        if self.drill is not None:
            found["last_drill"] = self.drill.as_json()
        if self.checks is not None:
            found["checks"] = self.checks.as_json()
        if self.copies:
            found["copy_list"] = [one.as_json() for one in self.copies]
        return found | {"next_runs": {name: when.isoformat() for name, when in self.next_runs.items()}}
