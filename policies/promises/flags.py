"""What makes a new snapshot suspicious, going by what it changed.

    shrunk    a set share of the source's items vanished at once: a mass deletion
    changed   a set share of them was rewritten at once
    entropy   files that were tables, texts or documents are now bytes without any form, as ransomware leaves them

Of few items no share means anything: two of three reports go on an ordinary day.

Encryption is told by the format of what was rewritten, which every manifest has: whatever a file was, encrypted it is `binary`.
How well it compresses would be another sign, but half of what clients keep (XLSX, PDF, recordings) never compressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vault.about.format import BINARY
from vault.format.record import Counts

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST = 5
"""Items that a share is reckoned of, and that must be concerned."""

FEWEST_REWRITTEN = 10
LOST_FORM = 0.5
"""Of so many rewritten files that had a form, this share has none any more."""

COLUMNS = ["path", "blake3", "format"]
"""Of manifests: what `unformed` reads."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares above which a snapshot is flagged, 0 to 1."""

    shrunk: float = 0.3
    changed: float = 0.5
    entropy: bool = True


@dataclass(frozen=True, slots=True)
class Unformed:
    """Of the files that were rewritten: how many had a form before, and how many of these have none now."""

    formed: int = 0
    lost: int = 0


def of_counts(before: Counts, now: Counts, limits: Limits) -> Iterator[str]:
    """Why a snapshot is suspicious by its counts. before: of the snapshot that it supersedes."""
    for count, limit, what in ((now.vanished, limits.shrunk, "vanished"), (now.changed, limits.changed, "were rewritten")):
        if before.items >= FEWEST and count >= FEWEST and count >= limit * before.items:
            yield f"{count} of {before.items} items {what}"


def worth_a_look(now: Counts, limits: Limits) -> bool:
    """Whether the rewritten files are enough to compare manifests for."""
    return limits.entropy and now.changed >= FEWEST_REWRITTEN


def unformed(before: pa.Table, now: pa.Table) -> Unformed:
    """Compare the manifests of two snapshots, of which `COLUMNS` are needed."""
    import pyarrow.compute as pc

    old = before.filter(pc.and_(pc.is_valid(before["format"]), pc.not_equal(before["format"], BINARY)))
    at = pc.index_in(now["path"], value_set=old["path"].combine_chunks())
    both = now.filter(pc.is_valid(at))
    old = old.take(at.drop_null())
    rewritten = pc.not_equal(both["blake3"].combine_chunks(), old["blake3"].combine_chunks())
    lost = pc.and_(rewritten, pc.equal(both["format"].combine_chunks(), BINARY))
    return Unformed(_number(rewritten), _number(lost))


def of_forms(found: Unformed) -> Iterator[str]:
    """Why it is suspicious by the forms of its files."""
    if found.lost >= FEWEST_REWRITTEN and found.lost >= LOST_FORM * found.formed:
        yield f"{found.lost} of {found.formed} rewritten files look encrypted: they have no format any more"


def _number(mask: pa.Array) -> int:
    import pyarrow.compute as pc

    return pc.sum(mask).as_py() or 0
