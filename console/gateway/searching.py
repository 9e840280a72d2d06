"""Items over all snapshots, by parts of names, kinds, formats, periods, and whether their sources still have them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from console.errors import NotThere
from console.gateway import listings, scoped
from console.gateway.browsing import Page
from console.visit import Visit
from restore.history.suggestions import mask_of
from restore.selection.query import ItemQuery
from vault.errors import UsageError
from vault.problems import printable

if TYPE_CHECKING:
    import pyarrow as pa

ANY, PRESENT, DELETED = "any", "present", "deleted"
STATES = (ANY, PRESENT, DELETED)
RESULTS_A_PAGE = 100
LONGEST_TEXT = 500
"""Characters that are looked for."""

MOST_WORDS = 8


class Search(Struct, frozen=True):
    """What is looked for; "" for no matter what. text: words or patterns of paths, all of which an item must have · period: as
    `--period` takes it · state: one of `STATES`."""

    text: str = ""
    kind: str = ""
    format: str = ""
    period: str = ""
    state: str = ANY

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not (self.text.strip() or self.kind or self.format or self.period.strip()) and self.state == ANY


class Result(Struct, frozen=True):
    """An item that was found. missing_since: when it was found missing; None while its source has it · at: the id of the newest
    snapshot at which it had it."""

    quoted: str
    name: str
    folder: str
    source: str
    kind: str
    type: str
    size: int
    format: str
    period: str
    last_seen: datetime
    missing_since: datetime | None
    at: str


class SearchView(Struct, frozen=True):
    """What was found. kinds, formats: that can be chosen · problem: why what is looked for means nothing, with a hint."""

    search: Search
    zone: ZoneInfo
    results: tuple[Result, ...]
    page: Page
    kinds: tuple[str, ...]
    formats: tuple[str, ...]
    problem: UsageError | None = None


def search(visit: Visit, name: str, wanted: Search, number: int = 1) -> SearchView:
    """Files of a project that whoever asks may see. Raises `NotThere`, `StorageError`; what is no period or pattern is a
    problem of the view: somebody is still writing it."""
    import pyarrow.compute as pc

    known, scope = listings.known_items(visit, name)
    ever = scoped.within(known.ever(), scope)
    if not known.snapshots and scope.is_everything:
        raise listings.no_snapshot()
    if not ever.num_rows and not scope.is_everything:
        raise NotThere("there is no such project", hint="choose one of yours on the first page")
    files = ever.filter(pc.not_equal(ever["type"], "folder"))
    kinds, formats = (tuple(sorted(one for one in pc.unique(files[part]).to_pylist() if one)) for part in ("kind", "format"))
    try:
        found = files if wanted.is_empty else _matching(files, wanted, known.zone, visit.now)
        problem = None
    except UsageError as error:
        found, problem = files.slice(0, 0), error
    page = Page.of(number, found.num_rows, RESULTS_A_PAGE)
    some = found.slice(page.start(RESULTS_A_PAGE), RESULTS_A_PAGE).to_pylist()
    results = tuple(_result(one, known.zone) for one in some)
    return SearchView(wanted, known.zone, results, page, kinds, formats, problem)


def _matching(files: pa.Table, wanted: Search, zone: ZoneInfo, now: datetime) -> pa.Table:
    """Raises `UsageError`."""
    import pyarrow.compute as pc

    if wanted.state != ANY:
        missing = pc.is_valid(files["missing_since"])
        files = files.filter(missing if wanted.state == DELETED else pc.invert(missing))
    words = wanted.text[:LONGEST_TEXT].split()[:MOST_WORDS]
    for number, word in enumerate(words or [""]):
        first = number == 0
        query = ItemQuery(
            patterns=(word,) if word else (),
            anywhere=True,
            fold=True,
            kinds=(wanted.kind,) if wanted.kind and first else (),
            formats=(wanted.format,) if wanted.format and first else (),
            periods=(wanted.period,) if wanted.period.strip() and first else (),
            now=now,
            zone=zone.key,
        )
        mask = mask_of(query)
        files = files if mask is None else files.filter(mask(files))
    return files


def _result(one: dict[str, Any], zone: ZoneInfo) -> Result:
    row = listings.row_of(one, zone)
    return Result(
        row.quoted,
        row.name,
        printable(one["path"].rpartition(b"/")[0]),
        row.source,
        row.kind,
        row.type,
        row.size,
        row.format,
        row.period,
        one["last_seen"],
        one["missing_since"],
        one["snapshot"],
    )
