"""What retention judges, gathered from a repository and the settings: snapshots, holds and rules of a project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from strongroom.settings import resolve

if TYPE_CHECKING:
    import pyarrow as pa

    from policies.retention.plan import RetentionInputs, StorageUse
    from strongroom.settings import Settings
    from vault.backup.new_manifest import ItemRetirement
    from vault.format.hold import Hold
    from vault.format.snapshot_record import Record
    from vault.problems import Problem
    from vault.repository.project import Project


def world(settings: Settings, project: Project) -> tuple[RetentionInputs, tuple[Problem, ...]]:
    """All that a verdict follows from, and what of it could not be read. Raises `StorageError`, `SettingsError`."""
    from policies.monitoring import retention_freeze
    from policies.retention.plan import RetentionInputs
    from policies.retention.snapshot_facts import described
    from vault.repository import holds, snapshots

    committed = snapshots.committed(project)
    placed = holds.read_all(project)
    now = project.services.clock.now()
    rules = settings.project(project.name)
    frozen = "; ".join(retention_freeze.why(hold) for hold in retention_freeze.freezing(placed.holds, now))
    seen = matching(project, committed.records, [hold for hold in placed.binding(now) if hold.scope.by_item])
    found = RetentionInputs(
        project=project.id,
        snapshots=described(committed.records, flagged={}, matches=seen),
        keep=resolve.keep(rules.keep),
        holds=placed.holds,
        zone=ZoneInfo(rules.zone),
        frozen=frozen,
    )
    return found, (*committed.damaged, *placed.problems)


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
    asked = frozenset(hold.id for hold in by_item)
    reader = None
    found = {}
    for record in records if by_item else ():
        before, matched = known.get(record.manifest, (frozenset(), frozenset()))
        if asked - before:
            reader = reader or MetaReader(project, repaired_index(project, ChunkIndex.load(project)))
            try:
                table = snapshots.read_manifest(reader, record, columns=list(COLUMNS))
            except Damaged:
                continue
            matched |= matches(table, [hold for hold in by_item if hold.id not in before], pattern_regex)
            known[record.manifest] = (before | asked, matched)
        found[record.id] = matched
    return found


def covered(project: Project, records: list[Record], holds: list[Hold]) -> list[Record]:
    """The snapshots that one of these holds is on."""
    seen = matching(project, records, [hold for hold in holds if hold.scope.by_item])

    def on(hold: Hold, record: Record) -> bool:
        matched = seen.get(record.id)
        of_items = not hold.scope.by_item or matched is None or hold.id in matched
        return hold.scope.touches(record.id, record.kind) and of_items

    return [record for record in records if any(on(hold, record) for hold in holds)]


def held(project: Project) -> Callable[[Sequence[Record]], dict[str, str]]:
    """Asks the holds, as they are at each call, which of some snapshots must stay, by id, and why. Forgotten snapshots are
    judged by their items like others."""
    known: Known = {}

    def reasons(records: Sequence[Record]) -> dict[str, str]:
        from vault.repository import holds

        binding = holds.read_all(project).binding(project.services.clock.now()) if records else ()
        seen = matching(project, records, [hold for hold in binding if hold.scope.by_item], known)
        found: dict[str, str] = {}
        for hold in binding:
            for record in records:
                matched = seen.get(record.id)
                of_items = not hold.scope.by_item or matched is None or hold.id in matched
                if hold.scope.touches(record.id, record.kind) and of_items:
                    found.setdefault(record.id, f"{hold.reason} (by {hold.who}, hold {hold.id})")
        return found

    return reasons


def storage(project: Project) -> StorageUse:
    """What packs cost, and who needs them."""
    from policies.retention.plan import StorageUse
    from vault.format.layout import TIERS
    from vault.repository import snapshots
    from vault.repository.gc import reachability
    from vault.repository.stored_packs import list_packs

    committed = snapshots.committed(project)
    records = {one.id: one for one in committed.records}
    sizes = {pack: size for tier in TIERS for pack, size in list_packs(project, tier).items()}
    reader, moved = reachability.catalogue_reader(project), committed.moved
    return StorageUse(lambda snapshot: snapshots.needed_packs(reader, records[snapshot], moved), sizes)


def retiring(settings: Settings, project: Project) -> ItemRetirement | None:
    """Which items have outlived their retention; None where every item stays for ever."""
    rules = resolve.items(settings.project(project.name))
    if not settings.project(project.name).items:
        return None
    from policies.retention.items import COLUMNS
    from vault.backup.new_manifest import ItemRetirement

    def outlived(table: pa.Table) -> pa.Array:
        from classify.path_patterns import pattern_regex
        from policies.retention.items import Times, judge_items
        from vault.repository import holds

        now = project.services.clock.now()
        times = Times(now, ZoneInfo(settings.zone(project.name)))
        binding = holds.read_all(project).binding(now)
        return judge_items(table, rules, binding, times, pattern_regex).goes

    return ItemRetirement(COLUMNS, outlived)
