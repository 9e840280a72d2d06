"""Actions, roles and assignments; and the scope in which a person may do something in a project.

    scope = person.scope(Action.READ, "parcelo", now)
    scope.covers("reports", b"reports/2024-05.csv")

A role is given to persons and to groups, for projects, kinds and patterns of paths, with an end if wanted. What is not given is
refused. Whoever may not see a project learns nothing of it, not even that it exists.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify.path_patterns import pattern_regex
from console.texts import marked

if TYPE_CHECKING:
    from strongroom.settings.console import ConsoleSettings


class Action(StrEnum):
    """What can be asked of the console."""

    SEE = "see"
    """names, sizes and times of items, snapshots, what vanished"""
    READ = "read"
    """the content of items, in the browser"""
    DOWNLOAD = "download"
    """content that leaves: files, archives, other formats"""
    EXPORT_PROJECT = "export-project"
    """a whole project at once"""
    EXPORT_BAG = "export-bag"
    """items with proof: a signed bag, and whether a bag is what it says"""
    RESTORE_TO_FOLDER = "restore-to-folder"
    """into a folder that the settings allow"""
    RESTORE_IN_PLACE = "restore-in-place"
    """where it was"""
    ASK = "ask"
    """SQL over history"""
    WATCH = "watch"
    """sources, schedules, runs, alerts, storage"""
    OPERATE = "operate"
    """start runs, accept flagged snapshots"""
    HOLD = "hold"
    """place holds"""
    RELEASE_HOLD = "release-hold"
    SHORTEN_RETENTION = "shorten-retention"
    ERASE = "erase"
    AUDIT = "audit"
    """the log, evidence, verification"""
    ADMINISTER = "administer"
    """accounts, sessions and tokens of others"""


APPROVED_BY_TWO = frozenset({Action.ERASE, Action.SHORTEN_RETENTION, Action.RELEASE_HOLD})
"""What a second person must approve where the settings say nothing."""

MAY_BE_APPROVED = APPROVED_BY_TWO | {Action.RESTORE_IN_PLACE, Action.EXPORT_PROJECT}
"""What the settings may ask a second person for."""


class Role(StrEnum):
    """What people are, by the actions that they need."""

    VIEWER = "viewer"
    EXPORTER = "exporter"
    RESTORER = "restorer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


ROLES: Mapping[Role, frozenset[Action]] = {
    Role.VIEWER: frozenset({Action.SEE, Action.READ}),
    Role.EXPORTER: frozenset({Action.SEE, Action.READ, Action.DOWNLOAD, Action.EXPORT_PROJECT, Action.EXPORT_BAG, Action.ASK}),
    Role.RESTORER: frozenset({Action.SEE, Action.READ, Action.RESTORE_TO_FOLDER, Action.RESTORE_IN_PLACE}),
    Role.OPERATOR: frozenset(
        {
            *(Action.SEE, Action.WATCH, Action.OPERATE, Action.HOLD, Action.RELEASE_HOLD),
            *(Action.SHORTEN_RETENTION, Action.ERASE),
        }
    ),
    Role.AUDITOR: frozenset({Action.SEE, Action.READ, Action.EXPORT_BAG, Action.AUDIT}),
    Role.ADMINISTRATOR: frozenset({Action.ADMINISTER}),
}
"""An operator sees no content, and an administrator nothing of any project: they can be given another role beside it."""


ROLE_TITLES: Mapping[Role, str] = {
    Role.VIEWER: marked("Viewer"),
    Role.EXPORTER: marked("Exporter"),
    Role.RESTORER: marked("Restorer"),
    Role.OPERATOR: marked("Operator"),
    Role.AUDITOR: marked("Auditor"),
    Role.ADMINISTRATOR: marked("Administrator"),
}
ACTION_TITLES: Mapping[Action, str] = {
    Action.SEE: marked("See names and snapshots"),
    Action.READ: marked("Read content"),
    Action.DOWNLOAD: marked("Download"),
    Action.EXPORT_PROJECT: marked("Export whole projects"),
    Action.EXPORT_BAG: marked("Export with proof, verify bags"),
    Action.RESTORE_TO_FOLDER: marked("Restore into a folder"),
    Action.RESTORE_IN_PLACE: marked("Restore in place"),
    Action.ASK: marked("Ask in SQL"),
    Action.WATCH: marked("Watch runs and alarms"),
    Action.OPERATE: marked("Start runs, accept snapshots"),
    Action.HOLD: marked("Place holds"),
    Action.RELEASE_HOLD: marked("Release holds"),
    Action.SHORTEN_RETENTION: marked("Shorten retention"),
    Action.ERASE: marked("Erase projects"),
    Action.AUDIT: marked("Read the log and evidence"),
    Action.ADMINISTER: marked("Administer accounts"),
}
"""As people read them, marked for translation."""


class Scope(Struct, frozen=True):
    """The items of a project that something may be done with. parts: kinds and patterns of paths, each empty for all; an item
    in one of the parts is in the scope."""

    parts: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def is_everything(self) -> bool:
        """Whether it is the whole project."""
        return any(not kinds and not paths for kinds, paths in self.parts)

    def covers(self, kind: str, path: bytes) -> bool:
        """Whether an item is in it. path: as stored, with its kind in front."""
        return any(
            (not kinds or kind in kinds) and (not paths or any(_pattern(one).search(path) for one in paths))
            for kinds, paths in self.parts
        )


class Assignment(Struct, frozen=True):
    """A role that somebody has. projects: names, with `*` for any letters · kinds, paths: empty for all; a path begins with its
    kind · until: when it ends; None: it does not."""

    role: Role
    projects: tuple[str, ...] = ("*",)
    kinds: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    until: datetime | None = None

    def applies(self, action: Action, project: str, now: datetime) -> bool:
        """Whether it allows an action in some part of a project."""
        return (
            action in ROLES[self.role]
            and (self.until is None or now < self.until)
            and any(fnmatchcase(project, one) for one in self.projects)
        )


class Limit(Struct, frozen=True):
    """What a token may be used for at most, of what its person may. actions: only these · projects: names, with `*`."""

    actions: frozenset[Action]
    projects: tuple[str, ...] = ("*",)

    def allows(self, action: Action, project: str | None) -> bool:
        """Whether it leaves an action in a project, or in any."""
        return action in self.actions and (project is None or any(fnmatchcase(project, one) for one in self.projects))


class Person(Struct, frozen=True):
    """Somebody who is known. name: unique, as it stands in the log · title: as people call them · groups: of the settings or of
    whoever vouches for them · assignments: what they have been given, by name or by group · language: that they chose; "" for
    the browser's · limit: of the token with which they ask."""

    name: str
    title: str = ""
    groups: frozenset[str] = frozenset()
    assignments: tuple[Assignment, ...] = ()
    language: str = ""
    limit: Limit | None = None

    def scope(self, action: Action, project: str, now: datetime) -> Scope:
        """In what of a project they may do something; empty where they may not."""
        if self.limit is not None and not self.limit.allows(action, project):
            return Scope()
        found = [one for one in self.assignments if one.applies(action, project, now)]
        return Scope(tuple((frozenset(one.kinds), one.paths) for one in found))

    def may_everywhere(self, action: Action, now: datetime) -> bool:
        """Whether they may do something with all of every project, whichever there are."""
        if self.limit is not None and not (action in self.limit.actions and "*" in self.limit.projects):
            return False
        return any(
            action in ROLES[one.role]
            and "*" in one.projects
            and not (one.kinds or one.paths)
            and (one.until is None or now < one.until)
            for one in self.assignments
        )

    def may(self, action: Action, now: datetime, project: str | None = None) -> bool:
        """Whether they may do something in some part of a project, or of any."""
        if self.limit is not None and not self.limit.allows(action, project):
            return False
        return any(
            action in ROLES[one.role] and (one.until is None or now < one.until)
            if project is None
            else one.applies(action, project, now)
            for one in self.assignments
        )


def assigned(settings: ConsoleSettings, name: str, groups: Collection[str]) -> tuple[Assignment, ...]:
    """What somebody has been given, by name or by one of their groups."""
    zone = ZoneInfo(settings.zone)
    return tuple(
        Assignment(Role(one.role), one.projects, one.kinds, one.paths, None if one.until is None else _end(one.until, zone))
        for one in settings.roles
        if name in one.people or not set(groups).isdisjoint(one.groups)
    )


def _end(day: str, zone: ZoneInfo) -> datetime:
    """The first moment after a day."""
    return datetime.fromisoformat(day).replace(tzinfo=zone) + timedelta(days=1)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[bytes]:
    return re.compile(pattern_regex(text).encode())
