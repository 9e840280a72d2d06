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
"""Of manifests: what `rewritten` reads."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares above which a snapshot is flagged, 0 to 1."""

    shrunk: float = 0.3
    changed: float = 0.5
    entropy: bool = True


@dataclass(frozen=True, slots=True)
class Rewritten:
    """files: whose content is another one than before · formed: those of them that had a form before · lost: those of these
    that have none now."""

    files: int = 0
    formed: int = 0
    lost: int = 0


def of_vanished(before: Counts, now: Counts, limits: Limits) -> Iterator[str]:
    """Why a snapshot is suspicious by what it lost. before: of the snapshot that it supersedes."""
    if _is_much(now.vanished, before, limits.shrunk):
        yield f"{now.vanished} of {before.items} items vanished"


def worth_a_look(before: Counts, now: Counts, limits: Limits) -> bool:
    """Whether manifests must be compared. A record only counts what was read again: files that somebody touched, and folders,
    too."""
    return _is_much(now.changed, before, limits.changed) or (limits.entropy and now.changed >= FEWEST_REWRITTEN)


def of_rewritten(before: Counts, found: Rewritten, limits: Limits) -> Iterator[str]:
    """Why it is suspicious by what became of its files."""
    if _is_much(found.files, before, limits.changed):
        yield f"{found.files} of {before.items} items were rewritten"
    if limits.entropy and found.lost >= FEWEST_REWRITTEN and found.lost >= LOST_FORM * found.formed:
        yield f"{found.lost} of {found.formed} rewritten files look encrypted: they have no format any more"


def rewritten(before: pa.Table, now: pa.Table) -> Rewritten:
    """Compare the manifests of two snapshots, of which `COLUMNS` are needed."""
    import pyarrow.compute as pc

    at = pc.index_in(now["path"], value_set=before["path"].combine_chunks())
    both, old = now.filter(pc.is_valid(at)), before.take(at.drop_null())
    differs = pc.fill_null(pc.not_equal(_whole(both, "blake3"), _whole(old, "blake3")), fill_value=False)
    had_form = pc.fill_null(pc.not_equal(_whole(old, "format"), BINARY), fill_value=False)
    has_none = pc.fill_null(pc.equal(_whole(both, "format"), BINARY), fill_value=False)
    formed = pc.and_(differs, had_form)
    return Rewritten(_number(differs), _number(formed), _number(pc.and_(formed, has_none)))


def _is_much(count: int, before: Counts, share: float) -> bool:
    return before.items >= FEWEST and count >= FEWEST and count >= share * before.items


def _whole(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()


def _number(mask: pa.Array) -> int:
    import pyarrow.compute as pc

    return pc.sum(mask).as_py() or 0
