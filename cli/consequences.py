"""What a new snapshot means for promises: is it suspicious, and is a report missing that should be there by now?"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cli import local, output
from cli.settings import lengths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.settings import Settings
    from cli.settings.projects import ProjectSettings, SourceSettings
    from policies.promises.findings import Findings
    from policies.promises.flags import Limits
    from vault.format.record import Record
    from vault.repository.project import Project


def limits(project: ProjectSettings) -> Limits:
    """From when on a snapshot is suspicious."""
    from policies.promises.flags import Limits

    alarms = project.alarms
    return Limits(alarms.shrunk, alarms.changed, alarms.entropy, alarms.vanished, alarms.folder, alarms.emptied)


def of_snapshot(settings: Settings, project: Project, source: SourceSettings, record: Record) -> dict[str, Any]:
    """Look at a snapshot that was just committed, freeze retention where it must be, and note what was found. Raises
    `StorageError`, `Damaged` where that cannot be done: the next backup does it then."""
    from policies.promises import freeze

    own = settings.project(project.name)
    verdict = freeze.watch(project, record, limits(own), ZoneInfo(own.zone))
    flagged = list(verdict.reasons)
    for why in verdict.quiet:
        output.notice(f"notice: {project.name}/{source.name}: {why}")
    for why in flagged:
        output.notice(
            f"warning: {project.name}/{source.name}: {why}; retention is frozen until a person accepts it (`strongroom status`)"
        )
    now = project.services.clock.now()
    with local.noted(settings) as findings:
        since = findings.first_met(project.name, f"source {source.name}", now) if findings else record.taken_at
        missing = list(_missing(project, own, source, record, since))
        if findings:
            _note(findings, project, source, record, missing)
            if flagged or _is_frozen(findings, project.name):
                note_freeze(findings, project)
    return {"flagged": flagged, "learning": list(verdict.quiet), "missing": missing}


def note_freeze(findings: Findings, project: Project) -> tuple[str, ...]:
    """Ask the repository why retention is frozen, and note it for those who do not ask."""
    from policies.promises import freeze
    from vault.repository import holds

    now = project.services.clock.now()
    why = tuple(freeze.why(hold) for hold in freeze.freezing(holds.read_all(project).holds, now))
    findings.note(project.name, "freeze", "", now, {"why": why})
    return why


def _is_frozen(findings: Findings, project: str) -> bool:
    found = findings.found(project, "freeze")
    return found is not None and bool(found.value["why"])


def _note(findings: Findings, project: Project, source: SourceSettings, record: Record, missing: list[str]) -> None:
    value = {"snapshot": record.id, "taken_at": record.taken_at.isoformat(), "items": record.counts.items, "missing": missing}
    findings.note(project.name, "backup", source.name, record.finished_at, value)


def _missing(
    project: Project, settings: ProjectSettings, source: SourceSettings, record: Record, since: datetime
) -> Iterator[str]:
    if not source.expect:
        return
    from cli import expected_rows
    from policies.promises import expected
    from vault.about.globs import pattern_regex
    from vault.format.layout import META_TIER
    from vault.repository import snapshots
    from vault.repository.adopt import healed
    from vault.repository.chunk_index import ChunkIndex
    from vault.repository.meta import MetaReader

    reader = MetaReader(project, healed(project, ChunkIndex.load(project, tier=META_TIER)))
    table = snapshots.read_manifest(reader, record, columns=[*expected.COLUMNS, *expected_rows.COLUMNS])
    zone = ZoneInfo(settings.zone)
    for one in source.expect:
        pattern = pattern_regex(f"{source.kind}/{one.path.strip('/')}")
        wanted = expected.Expected(pattern, one.every, lengths.read(one.grace))
        if one.column is None:
            yield from expected.missing(table, wanted, since, record.taken_at, zone)
        else:
            asked = expected_rows.Asked(wanted, one.column, since, record.taken_at)
            yield from expected_rows.missing(table, asked, settings, source)
