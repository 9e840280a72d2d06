"""The options of a selection, which every command shares, as a wish; and what to say beside what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cli import output
from strongroom import time_parsing
from strongroom.context import Context
from vault import wording
from vault.errors import UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.selection.query import ItemQuery
    from restore.selection.select import Selection
    from vault.repository.project import Project


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """The options as they were typed."""

    patterns: Sequence[str] | None = None
    paths: Sequence[str] | None = None
    kinds: Sequence[str] | None = None
    periods: Sequence[str] | None = None
    formats: Sequence[str] | None = None
    overlapping: bool = False
    at: str | None = None
    deleted: bool = False
    source: str | None = None
    before: str | None = None

    def query(self, place: Context, project: Project) -> ItemQuery:
        """What they mean in a project. Raises `UsageError`."""
        from restore.selection.query import ItemQuery

        zone = place.zone(project.name)
        at, words = self._moment(project, zone)
        return ItemQuery(
            patterns=(*(self.patterns or ()), *(self.paths or ())),
            at=at,
            at_words=words,
            deleted=self.deleted,
            source=self.source,
            kinds=tuple(self.kinds or ()),
            formats=tuple(self.formats or ()),
            periods=tuple(self.periods or ()),
            overlapping=self.overlapping,
            now=project.services.clock.now(),
            zone=zone.key,
        )

    def _moment(self, project: Project, zone: ZoneInfo) -> tuple[datetime | None, str]:
        """What --at or --before mean, and in words. Raises `UsageError`."""
        if self.at is not None and self.before is not None:
            raise UsageError("--at and --before exclude each other", hint="leave one of them out")
        if self.before is not None:
            end = time_parsing.parse(self.before, project, zone, begin=True)
            at = None if end is None else end - timedelta.resolution
        else:
            at = time_parsing.parse(self.at, project, zone)
        return at, "" if at is None else time_parsing.in_words(self.at, at, zone, before=self.before is not None)

    def as_json(self) -> dict[str, Any]:
        """As they were typed, for reports; what was not said is left out."""
        said = {
            "patterns": [*(self.patterns or ()), *(self.paths or ())],
            "kinds": list(self.kinds or ()),
            "periods": list(self.periods or ()),
            "formats": list(self.formats or ()),
            "overlapping": self.overlapping,
            "at": self.at,
            "before": self.before,
            "deleted": self.deleted,
            "source": self.source,
        }
        return {name: value for name, value in said.items() if value}


ITEMS_NAMED = 10


def tell_consistency(items: pa.Table) -> None:
    """Which items of a selection are not what a file at rest had."""
    from vault.format import manifest

    if items["consistency"].null_count == items.num_rows:
        return
    for mask, text in (
        (manifest.is_inconsistent(items), "changed while the backup read it: its content may be of several moments"),
        (manifest.is_prefix(items), "grew while the backup read it: what it had at first is kept"),
    ):
        paths = items["path"].filter(mask)
        for path in paths.slice(0, ITEMS_NAMED).to_pylist():
            output.notice(f"warning: {printable(path)} {text}")
        if len(paths) > ITEMS_NAMED:
            output.notice(f"warning: … and so did {counted(len(paths) - ITEMS_NAMED, 'more item')}")


def tell_moment(query: ItemQuery, selection: Selection, zone: ZoneInfo) -> None:
    """Which moment is shown, where one was asked for."""
    if query.at_words:
        taken = max(one.taken_at for one in selection.records)
        output.notice(f"as of {wording.moment(taken, zone)}, the newest snapshot up to {query.at_words}")


def tell_beyond(selection: Selection, periods: Sequence[str] | None) -> None:
    """What a wider reading of the period would add."""
    beyond = selection.beyond
    if beyond.items:
        output.notice(
            f"{counted(beyond.items, 'item')} ({wording.size(beyond.bytes)}) reach beyond {' or '.join(periods or ())} "
            "and are left out; --overlapping takes them too"
        )
