"""`strongroom status`: is every source backed up, and since when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from cli import output, workplace
from cli.options import Config, Identity, Json

if TYPE_CHECKING:
    from vault.format.record import Claim, Record
    from vault.repository.project import Project

DONE_WITH_PROBLEMS = 3


def status(config: Config = None, identity: Identity = None, as_json: Json = False) -> None:
    """Every project and source with its last snapshot and its age, and what is being written just now.

    Ends with exit code 3 where a source of the settings has no snapshot, or its last one had problems.
    """
    with workplace.opened(config, identity) as place:
        now = workplace.services().clock.now()
        rows = [row for project in place.projects([]) for row in _project(place, project, now)]
        address = place.repository.store.describe()
        unknown = sorted(set(place.settings.projects) - {str(row["project"]) for row in rows})
    rows += [{"project": name, "source": "-", "state": "not in the repository"} for name in unknown]
    if as_json:
        output.document({"repository": place.repository.descriptor.repository, "address": address, "sources": rows})
    else:
        output.result(f"repository {place.repository.descriptor.repository} at {address}")
        cells = [
            [str(row.get(k, "-")) for k in ("project", "source", "state", "last", "age", "items", "running")] for row in rows
        ]
        output.table(cells, ["PROJECT", "SOURCE", "STATE", "LAST SNAPSHOT", "AGE", "ITEMS", "RUNNING"], right=(5,))
    if any(row["state"] != "ok" for row in rows):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _project(place: workplace.Workplace, project: Project, now: datetime) -> list[dict[str, Any]]:
    from vault.repository import snapshots

    gone = place.gone(project)
    records, damaged = snapshots.committed(project)
    output.problems(damaged)
    claims = snapshots.claims(project)
    committed = {one.id for one in records}
    settings = [source.name for source in place.settings.projects.get(project.name, ())]
    names = sorted({*settings, *(one.source for one in records)})
    rows = []
    for name in names:
        heads = snapshots.heads(records, name)
        running = [claim for claim in claims if claim.source == name and claim.id not in committed]
        rows.append(_row(project.name, name, heads[-1] if heads else None, running, now))
    if damaged:
        rows.append({"project": project.name, "source": "-", "state": "records are damaged"})
    if gone:
        rows.append({"project": project.name, "source": "-", "state": "snapshots are gone", "gone": gone})
    return rows


def _row(project: str, source: str, last: Record | None, running: list[Claim], now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {"project": project, "source": source, "state": "never backed up"}
    if last is not None:
        row |= {
            "state": "problems" if last.counts.problems else "ok",
            "last": output.moment(last.taken_at),
            "taken_at": last.taken_at.isoformat(),
            "age": output.duration((now - last.taken_at).total_seconds()),
            "age_seconds": round((now - last.taken_at).total_seconds(), 3),
            "items": last.counts.items,
            "snapshot": last.id,
        }
    if running:
        newest = max(running, key=lambda claim: claim.updated_at)
        seen = output.duration((now - newest.updated_at).total_seconds())
        row["running"] = f"{newest.items} items, {output.size(newest.bytes)}, on {newest.host}, last seen {seen} ago"
    return row
