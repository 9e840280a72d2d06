"""Looks at content by a program that stays, as the console: each is on this machine's disk before content leaves, and in the
log with the person's name; several of them are one entry.

    views = ViewLog(clock)
    with item_content(context, project, path, options, views=views) as found:
        ...
    views.write(context, everything=True)       before the log is read, and at the end

A person's first look in a project is an entry at once, as that of any other program. What they look at within ten minutes after
it is added to a draft (see `vault.repository.audit.draft`), which is one entry when they are over, or when it has become long.
Of a program that was killed the next command makes that entry. Within that time the same version of an item is one look: a
recording that is played asks for it a hundred times. Where the disk takes no draft, each look is an entry.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from strongroom import command_log, log_values
from vault.problems import printable

if TYPE_CHECKING:
    from strongroom.context import Context
    from vault.clock import Clock
    from vault.repository.audit.draft import Draft
    from vault.repository.project import Project

WITHIN = 600.0
"""Seconds that one look lasts, and that entries wait for more of them."""

MOST_LOOKS = 200
LARGEST = 128 * 1024
"""Bytes of a draft to which no further look is added: an entry may have twice as many."""


class Look(Struct, frozen=True):
    """Of somebody at an item. version: what tells this content of it from others · snapshot: that was looked at · at: the
    moment as it was asked for; None for now · size: in bytes."""

    path: bytes
    source: str
    version: bytes
    snapshot: str
    at: str | None
    size: int


class _Sitting(Struct):
    """What one person looks at in one project. project: whose settings say how entries are locked · began: on the monotonic
    clock · draft: of those that wait; None where there are none · seen: every look since it began."""

    project: Project
    began: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    draft: Draft | None = None
    items: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0
    seen: set[tuple[bytes, str, bytes]] = field(default_factory=set)


class ViewLog:
    """See this module's text. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sittings: dict[tuple[str, str], _Sitting] = {}

    def joins(self, context: Context, project: Project, look: Look) -> bool:
        """Whether a look is in the log already, or on the disk as a part of the next entry. If not, it must become an entry of
        its own, and be told to `recorded`. The person is whom `command_log.acting_as` names."""
        self.write(context)
        sitting = self._of(project)
        if sitting is None:
            return False
        with sitting.lock:
            if self._is_over(sitting):  # between both looks at the clock: another thread may have written it
                return False
            if _key(look) in sitting.seen:
                return True
            if len(sitting.items) >= MOST_LOOKS:
                _end(context, sitting)
            return _add(context, sitting, look)

    def recorded(self, project: Project, look: Look) -> None:
        """It is an entry of the log now: others may join from here on."""
        with self._lock:
            sitting = self._sittings.setdefault((command_log.person(), project.id), _Sitting(project, self._clock.monotonic()))
        with sitting.lock:
            sitting.seen.add(_key(look))

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        with self._lock:
            return all(one.draft is None for one in self._sittings.values())

    @property
    def is_due(self) -> bool:
        """Whether something waits that is to be written."""
        with self._lock:
            return any(self._is_over(one) for one in self._sittings.values())

    def write(self, context: Context, *, everything: bool = False) -> None:
        """Make entries of what waits long enough. context: of the same repository · everything: of all that waits. That the
        store takes none is said by a warning, and the entry goes with the next command."""
        with self._lock:
            over = [key for key, one in self._sittings.items() if self._is_over(one)]
            wanted = [self._sittings.pop(key) for key in over] + (list(self._sittings.values()) if everything else [])
        for one in wanted:
            with one.lock:
                _end(context, one)

    def _of(self, project: Project) -> _Sitting | None:
        with self._lock:
            return self._sittings.get((command_log.person(), project.id))

    def _is_over(self, sitting: _Sitting) -> bool:
        return self._clock.monotonic() - sitting.began > WITHIN


def _add(context: Context, sitting: _Sitting, look: Look) -> bool:
    """On the disk. Gives whether it is there."""
    path, now = printable(look.path), context.repository.services.clock.now()
    item = {"path": path, "snapshot": look.snapshot, "at": look.at, "source": look.source, "bytes": look.size, "seen_at": now}
    items = [*sitting.items, log_values.plain(item)]
    draft = sitting.draft or command_log.drafted(context, "view", sitting.project)
    if draft is None:  # nobody can sign, or the project has no log
        return False
    draft = replace(draft, what={"items": items})
    if sitting.items and len(draft.encode()) > LARGEST:
        _end(context, sitting)
        return _add(context, sitting, look)
    if not command_log.keep_draft(context, draft):
        return False
    sitting.draft, sitting.items = draft, items
    sitting.size += look.size
    sitting.seen.add(_key(look))
    return True


def _end(context: Context, sitting: _Sitting) -> None:
    """Make an entry of what waits."""
    draft, count, size = sitting.draft, len(sitting.items), sitting.size
    sitting.draft, sitting.items, sitting.size = None, [], 0
    if draft is not None:
        command_log.end_draft(context, sitting.project, draft, {"files": count, "bytes": size})


def _key(look: Look) -> tuple[bytes, str, bytes]:
    return look.path, look.source, look.version
