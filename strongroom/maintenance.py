"""What a backup does now and then, so that later commands stay fast: history rolled up, roll-ups joined, records gathered in
tables, small segments of the index joined."""

from __future__ import annotations

from typing import NamedTuple

from vault.progress import Progress
from vault.repository.project import Project

EVERY = 16
"""Snapshots, after which one looks whether there is something to do: to look costs some requests."""


class MaintenanceResult(NamedTuple):
    """rolled_up, gathered: how many snapshots, records · joined: whether segments were."""

    rolled_up: int
    gathered: int
    joined: bool


def run_maintenance(project: Project, source: str, progress: Progress, *, locked: bool) -> MaintenanceResult:
    """Do it. locked: what is stored is locked by the store, so that joined segments would stay beside the new one. Raises
    `StorageError`."""
    from restore.history import rollup_joining
    from restore.history.rollup import roll_up
    from restore.history.update import UpdateOptions
    from vault.repository import record_gathering
    from vault.repository.index_compaction import join_if_many

    options = UpdateOptions(progress=progress)
    held = roll_up(project, source, options)
    if locked:
        gathered = record_gathering.gather(project, record_gathering.WITHOUT_JOINING, options.stop)
    else:
        gathered = record_gathering.gather_for_backups(project, options.stop)
        rollup_joining.join(project, options)
    return MaintenanceResult(held, gathered.records, not locked and join_if_many(project, options.stop))
