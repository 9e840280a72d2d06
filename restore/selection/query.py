"""What somebody asks for, in the words of the command line: the same grammar for every command.

Several of one sort unite; sorts narrow one another. A period takes what lies within it, or with `overlapping` what touches it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct


class ItemQuery(Struct, frozen=True):
    """What is asked for; empty means no matter which.

    patterns: of paths (see `classify.path_patterns`) · anywhere, fold: how they are meant (see `pattern_regex` there) · at: the
    moment, None for now · at_words: the same as it was asked for · deleted: only items that the source no longer had ·
    with_deleted: those, too · source: of one source only · kinds, formats: as manifests name them · periods: as people write
    them (see `classify.period_grammar`), in the time zone of each snapshot · overlapping: what touches them too · versions: of
    each item the newest so many, None for all; but for 1, of a deleted item that is named, or where nothing else is meant, too
    · now: what `last-month` counts from · zone: for snapshots that name none.
    """

    patterns: tuple[str, ...] = ()
    anywhere: bool = False
    fold: bool = False
    at: datetime | None = None
    at_words: str = ""
    deleted: bool = False
    with_deleted: bool = False
    source: str | None = None
    kinds: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()
    overlapping: bool = False
    versions: int | None = 1
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    zone: str = "UTC"
