"""What a new snapshot means for promises: is it suspicious, and is a report missing that should be there by now?"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from strongroom import local_state, notices
from vault.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.monitoring.anomalies import AnomalyLimits
    from policies.monitoring.state_store import StateStore
    from strongroom.settings import Settings
    from strongroom.settings.projects import ProjectSettings, SourceSettings
    from vault.format.snapshot_record import Record
    from vault.repository.project import Project


class Findings(Struct, frozen=True):
    """What a new snapshot means. flagged: why it is suspicious, so that retention is frozen · learning: why it would be, were
    its source known for longer · missing: expected reports and rows that are not there."""

    flagged: tuple[str, ...] = ()
    learning: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"flagged": list(self.flagged), "learning": list(self.learning), "missing": list(self.missing)}


def limits(project: ProjectSettings) -> AnomalyLimits:
    """From when on a snapshot is suspicious."""
    from policies.monitoring.anomalies import AnomalyLimits

    alerts = project.alerts
    return AnomalyLimits(
        deleted_share=alerts.deleted_share,
        rewritten_share=alerts.rewritten_share,
        entropy=alerts.entropy,
        vanished=alerts.vanished,
        folder=alerts.folder,
        emptied=alerts.emptied,
    )


def of_snapshot(settings: Settings, project: Project, source: SourceSettings, record: Record) -> Findings:
    """Look at a snapshot that was just committed, freeze retention where it must be, and note what was found. Raises
    `StorageError`, `Damaged` where that cannot be done: the next backup does it then."""
    from policies.monitoring import retention_freeze

    own = settings.project(project.name)
    verdict = retention_freeze.watch(project, record, limits(own), ZoneInfo(own.zone))
    for why in verdict.quiet:
        notices.notice(f"notice: {project.name}/{source.name}: {why}")
    for why in verdict.reasons:
        notices.warn(
            f"{project.name}/{source.name}: {why}; retention is frozen until a person accepts it "
            f"(`strongroom snapshot accept {quoted(project.name)}`)"
        )
    now = project.services.clock.now()
    with local_state.noted(settings) as state_store:
        since = state_store.first_seen(project.name, f"source {source.name}", now) if state_store else record.taken_at
        missing = list(_missing(settings, project, source, record, since))
        if state_store:
            _note(state_store, project, source, record, missing)
            if verdict.reasons or _is_frozen(state_store, project.name):
                note_freeze(state_store, project)
    return Findings(tuple(verdict.reasons), tuple(verdict.quiet), tuple(missing))


def note_freeze(state_store: StateStore, project: Project) -> tuple[str, ...]:
    """Ask the repository why retention is frozen, and note it for those who do not ask."""
    from policies.monitoring import retention_freeze
    from vault.repository import holds

    now = project.services.clock.now()
    why = tuple(retention_freeze.why(hold) for hold in retention_freeze.freezing(holds.read_all(project).holds, now))
    state_store.note(project.name, "freeze", "", now, {"why": why})
    return why


def _is_frozen(state_store: StateStore, project: str) -> bool:
    found = state_store.found(project, "freeze")
    return found is not None and bool(found.value["why"])


def _note(state_store: StateStore, project: Project, source: SourceSettings, record: Record, missing: list[str]) -> None:
    value = {"snapshot": record.id, "taken_at": record.taken_at.isoformat(), "items": record.counts.items, "missing": missing}
    state_store.note(project.name, "backup", source.name, record.finished_at, value)


def _missing(known: Settings, project: Project, source: SourceSettings, record: Record, since: datetime) -> Iterator[str]:
    if not source.expected:
        return
    settings = known.project(project.name)
    from policies.monitoring import expected_files
    from strongroom import expected_reports, expected_rows, sources
    from vault.format.layout import META_TIER
    from vault.repository import snapshots
    from vault.repository.catalog_chunks import MetaReader
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.orphan_packs import repaired_index

    reader = MetaReader(project, repaired_index(project, ChunkIndex.load(project, tier=META_TIER)))
    table = snapshots.read_manifest(reader, record, columns=[*expected_files.COLUMNS, *expected_rows.COLUMNS])
    zone = ZoneInfo(settings.zone)
    for one in expected_reports.of_source(source):
        if one.column is None:
            yield from expected_files.missing(table, one.pattern, since, record.taken_at, zone)
        else:
            expectation = expected_rows.RowExpectation(one.pattern, one.column, since, record.taken_at)
            origin = sources.origin(source, sources.context_of(known, project.name))
            yield from expected_rows.missing(table, expectation, settings, origin)
