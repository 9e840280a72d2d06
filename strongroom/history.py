"""What became of the items of a project: every version of them, over all snapshots."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from strongroom import notices
from vault import wording
from vault.progress import NoProgress, Progress, Stop, never

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from restore.history.events import ItemHistory
    from restore.history.timeline import Question
    from restore.history.update import History
    from restore.selection.query import ItemQuery
    from strongroom.context import Context
    from vault.problems import Problem
    from vault.repository.project import Project

CLOCKS_NAMED = 3
"""Snapshots with a wrong time that are named in warnings."""


class HistoryOptions(Struct, frozen=True):
    """Over which time a history is asked for, and who hears of it. since, until: the snapshots from the one moment to the
    other, both aware; None: from the first, to the last · progress: hears how far the reading is · stop: called often, raises
    to end it."""

    since: datetime | None = None
    until: datetime | None = None
    progress: Progress = field(default_factory=NoProgress)
    stop: Stop = never


class ItemHistories(Struct, frozen=True):
    """What happened to some items of a project. items: by path, as many as were asked for · total: as many as there are · zone:
    in which moments are shown · damage: snapshots that could not be read, and are left out."""

    project: str
    items: tuple[ItemHistory, ...]
    total: int
    zone: ZoneInfo
    damage: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        items = [one.as_json() for one in self.items]
        damage = [one.as_json() for one in self.damage]
        return {"project": self.project, "total": self.total, "items": items, "damage": damage}


def item_history(
    context: Context, project: Project, query: ItemQuery, options: HistoryOptions, *, most: int = 20
) -> ItemHistories:
    """Every event of the items that a query means; its moment counts for nothing. most: items.

    Raises `NothingFound`, `UsageError`, `StorageError`.
    """
    from restore.history.events import history
    from restore.history.suggestions import nothing_found

    question = question_of(query, options.since, options.until)
    known = load_history(context, project, options, source=query.source)
    found = history(known, question, most=most)
    if not found.items:
        notices.problems(known.problems)
        raise nothing_found(known, query)
    return ItemHistories(project.name, found.items, found.total, context.zone(project.name), known.problems)


def question_of(query: ItemQuery, since: datetime | None, until: datetime | None) -> Question:
    """The items that a query means, over a time. Raises `UsageError` for a period that is none."""
    from restore.history.suggestions import mask_of
    from restore.history.timeline import Question

    return Question(mask_of(query), query.source, since, until)


def load_history(context: Context, project: Project, options: HistoryOptions, *, source: str | None = None) -> History:
    """The history of a project's items, brought up to date from what this machine has kept of it. That a clock was wrong, and
    which snapshots are gone, is said as warnings. source: the one that is asked for.

    Raises `StorageError`, `UsageError` for a source that no snapshot is of.
    """
    from restore.history.cache import HistoryCache
    from restore.history.update import UpdateOptions, update_history
    from restore.selection import select

    context.gone(project)
    kept = HistoryCache(project, context.cache)
    found = update_history(project, kept, UpdateOptions(stop=options.stop, progress=options.progress))
    _warn_of_clocks(found)
    select.refuse_unknown_source(project, source, found.ledgers)
    return found


def _warn_of_clocks(found: History) -> None:
    from restore.history.update import out_of_order

    wrong = list(out_of_order(found))
    for later, earlier in wrong[:CLOCKS_NAMED]:
        notices.warn(
            f"snapshot {later.id} ({wording.moment(later.taken_at)}) was taken after {earlier.id} "
            f"({wording.moment(earlier.taken_at)}): a clock was wrong, and what happened is shown in the order of these times"
        )
    if len(wrong) > CLOCKS_NAMED:
        notices.warn(f"… and so were {len(wrong) - CLOCKS_NAMED} more")
