"""The holds of a project: placed, released and listed.

Whoever forgets, prunes or erases reads them first, and once more right before the first deletion. What lies in `holds/` and
cannot be read binds as if it held the whole project, and is told as a problem: damage, and somebody who scribbles into the
store, may then keep too much but never let something go. A release that names it ends that too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from vault.errors import Damaged, ObjectNotFound, UsageError
from vault.format import hold as stored
from vault.format import layout
from vault.format.hold import Hold, Release, Scope
from vault.problems import Problem
from vault.repository import snapshots
from vault.repository.project import Project
from vault.wording import quoted

LONGEST_TEXT = 2000
"""Characters of a reason, a name or a pattern."""


class AllHolds(NamedTuple):
    """All holds of a project, oldest first, those that have ended included, and what of them could not be read."""

    holds: tuple[Hold, ...]
    problems: tuple[Problem, ...]

    def binding(self, now: datetime) -> tuple[Hold, ...]:
        """Those that bind at `now`."""
        return tuple(hold for hold in self.holds if hold.binds(now))


def read_all(project: Project) -> AllHolds:
    """Every hold with its release."""
    holds, releases, problems = _read(project)
    first = _first_of_each(releases)
    whole = [replace(hold, release=first.get(hold.id)) for hold in holds]
    bad = [one for one in problems if one.path.decode().rpartition("/")[2] not in first]
    return AllHolds(tuple(sorted(whole, key=_age)), tuple(bad))


def readable(project: Project) -> tuple[frozenset[str], frozenset[str]]:
    """The ids of all holds and releases that can be read, and those of the holds that releases name, whether they stand or
    not."""
    holds, releases, _ = _read(project)
    ids = {one.id for one in holds if one.placed_at is not None} | {one.id for one in releases}
    return frozenset(ids), frozenset(one.hold for one in releases)


def _read(project: Project) -> tuple[list[Hold], list[Release], list[Problem]]:
    holds: list[Hold] = []
    releases: list[Release] = []
    problems: list[Problem] = []
    for name in sorted(info.name for info in project.store.list(project.folder("holds"))):
        leaf = name.rpartition("/")[2]
        if not layout.is_id(leaf):
            continue
        try:
            found = stored.read(project.read_record(name, f"the hold {leaf}"), leaf)
        except (Damaged, ObjectNotFound) as error:
            holds.append(Hold.unreadable(leaf))
            message = (
                f"a hold cannot be read and binds the whole project until it is released: {error}; put an older version of the "
                f"object back, or: `strongroom hold release {quoted(project.name)} {leaf} --reason TEXT`"
            )
            problems.append(Problem(name.encode(), "damaged-hold", message))
            continue
        if isinstance(found, Release):
            releases.append(found)
        else:
            holds.append(found)
    return holds, releases, problems


def place(project: Project, scope: Scope, *, reason: str, who: str, until: datetime | None = None) -> Hold:
    """Write a new hold. Raises `UsageError` where it makes no sense."""
    now = project.services.clock.now()
    _refuse_unfit(reason, who)
    if until is not None and until <= now:
        raise UsageError(f"a hold until {until:%Y-%m-%d %H:%M} would be over already", hint="name a later date, or none")
    _refuse_nonsense(project, scope)
    hold = Hold(layout.new_id(project.services.randomness.token(16)), scope, reason.strip(), who.strip(), now, until)
    project.put_record(layout.hold_name(project.id, hold.id), hold.as_json())
    return hold


def release(project: Project, hold_id: str, *, reason: str, who: str) -> Hold:
    """Let go of a hold, and leave a record of it. Raises `UsageError` where there is none that binds under this id."""
    _refuse_unfit(reason, who)
    hold = next((one for one in read_all(project).holds if one.id == hold_id), None)
    if hold is None:
        raise UsageError(f"there is no hold {hold_id!r}", hint=f"see them: `strongroom hold list {project.name}`")
    if hold.release is not None:
        raise UsageError(
            f"the hold {hold_id} was released by {hold.release.who} on {hold.release.released_at:%Y-%m-%d}: "
            f"{hold.release.reason}"
        )
    services = project.services
    new_id = layout.new_id(services.randomness.token(16))
    release = Release(new_id, hold.id, reason.strip(), who.strip(), services.clock.now())
    project.put_record(layout.hold_name(project.id, release.id), release.as_json())
    return replace(hold, release=release)


def _first_of_each(releases: Iterable[Release]) -> dict[str, Release]:
    """Two people may have let go at once: the earlier one counts, whatever a listing's order."""
    return {one.hold: one for one in sorted(releases, key=lambda one: (one.released_at, one.id), reverse=True)}


def _age(hold: Hold) -> tuple[bool, float, str]:
    """Oldest first; those that cannot be read before all others."""
    return (hold.placed_at is not None, hold.placed_at.timestamp() if hold.placed_at else 0.0, hold.id)


def _refuse_unfit(reason: str, who: str) -> None:
    for name, text in (("a reason", reason), ("who it is from", who)):
        if not text.strip() or not _fits(text):
            raise UsageError(f"a hold must say {name}, in at most {LONGEST_TEXT} characters of text")


def _refuse_nonsense(project: Project, scope: Scope) -> None:
    if scope.snapshot is not None:
        if (scope.kind, scope.period, scope.path) != (None, None, None):
            raise UsageError("a hold on a snapshot is on all of it", hint="name either a snapshot, or kind, period and path")
        if scope.snapshot not in snapshots.ids(project):
            hint = f"see them: `strongroom list {project.name}`"
            raise UsageError(f"project {project.name!r} has no snapshot {scope.snapshot!r}", hint=hint)
    period = scope.period
    if period and period.start and period.end and period.start >= period.end:
        raise UsageError(f"the period {period.text!r} ends before it begins")
    for name, text in (("kind", scope.kind), ("period", period and period.text), ("pattern", scope.path)):
        if text is not None and (not text or not _fits(text)):
            raise UsageError(f"a hold's {name} must be at most {LONGEST_TEXT} characters of text")


def _fits(text: str) -> bool:
    """Whether a text can stand in JSON: bytes that are no UTF-8 come from a command line as surrogates."""
    return len(text) <= LONGEST_TEXT and not any("\ud800" <= char <= "\udfff" for char in text)
