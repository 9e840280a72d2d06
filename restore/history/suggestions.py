"""Which items a query means over all snapshots; and where it means none, what comes near."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from restore.history.update import History
from restore.selection import filters
from restore.selection import suggestions as selection
from restore.selection.query import ItemQuery
from vault.errors import NothingFound
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from restore.history.ledger import Mask

MOST = 3
FOLDERS_COMPARED = 2000


def mask_of(query: ItemQuery) -> Mask | None:
    """The items that a query names: paths, kinds, formats, periods (in its own time zone). None where all are meant. Whether
    the source still has them is another question. Raises `UsageError`."""
    periods = filters.periods_of(query, filters.zone_of(query.zone, query))
    if not (query.patterns or query.kinds or query.formats or periods):
        return None

    def meant(table: pa.Table) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        named = filters.named(table, query)
        if not periods:
            return named
        about = (filters.overlapping if query.overlapping else filters.within)(table, periods)
        return about if named is None else pc.and_(named, about)

    return meant


def nothing_found(history: History, query: ItemQuery) -> NothingFound:
    """The error of a question without an answer, with what comes near."""
    name = history.project.name
    if not history.ledgers:
        return NothingFound(f"project {name!r} has no snapshot yet", hint="take one with `strongroom backup`")
    newest = [(ledger.records[-1], ledger.open_rows) for ledger in history.ledgers.values()]
    selection_error = selection.nothing(history.project, query, newest)
    close = [path for pattern in query.patterns for path in _near(history, pattern)][:MOST]
    count = sum(len(ledger.records) for ledger in history.ledgers.values())
    hint = f"there is: {', '.join(map(printable, close))}" if close else selection_error.hint
    return NothingFound(
        f"{selection_error}, in any of {counted(count, 'snapshot')}" if count > 1 else str(selection_error), hint=hint
    )


def _near(history: History, pattern: str) -> list[bytes]:
    """A few paths that somebody may have meant: the same name elsewhere, else folders that are spelt like it."""
    words = [word for word in re.split(r"[*?\[\]/]+", pattern) if word]
    if not words:
        return []
    found = dict.fromkeys(path for paths in _all_paths(history) for path in _holding(paths, words[-1]))
    if found:
        return sorted(found)[:MOST]
    folders = {printable(folder): folder for paths in _all_paths(history) for folder in _folders(paths)}
    return [folders[text] for text in difflib.get_close_matches(pattern.strip("/"), folders, n=MOST, cutoff=0.6)]


def _all_paths(history: History) -> Iterator[pa.ChunkedArray]:
    return (ledger.open_rows["path"] for ledger in history.ledgers.values())


def _holding(paths: pa.ChunkedArray, word: str) -> list[bytes]:
    import pyarrow.compute as pc

    has = pc.match_substring(paths, word.encode("utf-8", "surrogateescape"), ignore_case=True)
    held: list[bytes] = paths.filter(has).slice(0, MOST).to_pylist()
    return held


def _folders(paths: pa.ChunkedArray) -> Iterator[bytes]:
    import pyarrow.compute as pc

    return islice(iter(pc.unique(pc.replace_substring_regex(paths, "(?s)/[^/]*$", "")).to_pylist()), FOLDERS_COMPARED)
