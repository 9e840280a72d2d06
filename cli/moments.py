"""Moments as people write them: a date, a date and a time, with or without a zone, or a snapshot's id."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vault.errors import UsageError
from vault.format.layout import is_snapshot_id

if TYPE_CHECKING:
    from vault.repository.project import Project


def parse(text: str | None, project: Project) -> datetime | None:
    """The moment that `--at` means, aware; None for now. A date alone means its end. Raises `UsageError`.

    Without a zone it is this machine's own time.
    """
    if text is None:
        return None
    if is_snapshot_id(text):
        from vault.repository import snapshots

        found = snapshots.read(project, text)
        if found is None:
            raise UsageError(f"project {project.name!r} has no snapshot {text}", hint=f"see `strongroom list {project.name}`")
        return found.taken_at
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not a moment", hint="write 2026-11-01, '2026-11-01 14:30' or a snapshot's id") from error
    if len(text) <= len("2026-11-01"):
        moment += timedelta(days=1, microseconds=-1)
    return moment.astimezone()
