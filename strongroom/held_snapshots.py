"""Which snapshots holds are on, going by their records and, where a hold is on a period or a path, by their items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vault.format.hold import Hold
    from vault.format.snapshot_record import Record
    from vault.repository.project import Project

Known = dict[object, tuple[frozenset[str], frozenset[str]]]
"""Of manifests: the holds that were compared with their items, and those that match some."""


def matching(
    project: Project, records: Iterable[Record], by_item: Sequence[Hold], known: Known | None = None
) -> dict[str, frozenset[str]]:
    """Which of these holds an item of each snapshot matches; without such holds nobody looks into manifests. A snapshot whose
    manifest cannot be read is left out: it counts as held by all of them. known: from before, and added to."""
    from classify.path_patterns import pattern_regex
    from policies.retention.holds import COLUMNS, matches
    from vault.errors import Damaged
    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import repaired_index

    known = {} if known is None else known
    wanted = frozenset(hold.id for hold in by_item)
    reader = None
    found = {}
    for record in records if by_item else ():
        before, matched = known.get(record.manifest, (frozenset(), frozenset()))
        if wanted - before:
            reader = reader or MetaReader(project, repaired_index(project, ChunkIndex.load(project)))
            try:
                table = snapshots.read_manifest(reader, record, columns=list(COLUMNS))
            except Damaged:
                continue
            matched |= matches(table, [hold for hold in by_item if hold.id not in before], pattern_regex)
            known[record.manifest] = (before | wanted, matched)
        found[record.id] = matched
    return found


def covered(project: Project, records: Sequence[Record], holds: Sequence[Hold]) -> list[Record]:
    """The snapshots that one of these holds is on."""
    matched = matching(project, records, [hold for hold in holds if hold.scope.by_item])
    return [record for record in records if any(_is_on(hold, record, matched) for hold in holds)]


def held(project: Project) -> Callable[[Sequence[Record]], dict[str, str]]:
    """Asks the holds, as they are at each call, which of some snapshots must stay, by id, and why. Forgotten snapshots are
    judged by their items like others."""
    known: Known = {}

    def reasons(records: Sequence[Record]) -> dict[str, str]:
        from vault.repository import holds

        binding = holds.read_all(project).binding(project.services.clock.now()) if records else ()
        matched = matching(project, records, [hold for hold in binding if hold.scope.by_item], known)
        found: dict[str, str] = {}
        for hold in binding:
            for record in records:
                if _is_on(hold, record, matched):
                    found.setdefault(record.id, f"{hold.reason} (by {hold.who}, hold {hold.id})")
        return found

    return reasons


def _is_on(hold: Hold, record: Record, matched: dict[str, frozenset[str]]) -> bool:
    """matched: which holds an item of each snapshot matches; one that is not among them counts as held."""
    if not hold.scope.touches(record.id, record.kind):
        return False
    of_items = matched.get(record.id)
    return not hold.scope.by_item or of_items is None or hold.id in of_items
