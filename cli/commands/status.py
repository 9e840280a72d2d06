"""`strongroom status`: is every promise kept, and how does everything stand."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import consequences, environment, local, output, standing, workplace
from cli.options import Config, Identity, Json
from vault.errors import UsageError

if TYPE_CHECKING:
    from cli.standing import Standing

DONE_WITH_PROBLEMS = 3

SOURCES = {
    "project": "PROJECT", "source": "SOURCE", "state": "STATE", "last": "LAST SNAPSHOT", "age": "AGE", "rpo": "PROMISED",
    "next": "NEXT RUN", "items": "ITEMS", "running": "RUNNING",
}  # fmt: skip
PROJECTS = {
    "project": "PROJECT", "drilled": "LAST DRILL", "recovery": "RECOVERY TAKES", "checked": "READ AND CHECKED",
    "retention": "RETENTION",
}  # fmt: skip


def status(
    accept: Annotated[
        str,
        typer.Option("--accept", metavar="PROJECT", help="A person has looked at its flagged snapshots: retention goes on."),
    ] = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="With --accept, and needed: why all is well; it is kept.")
    ] = "",
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Every project and source with its last snapshot, its age and the promise, the next run, what is being written just now;
    of every project the last restore drill, how long it took, how much of the data was read and checked, whether retention is
    frozen.

    Ends with exit code 3 where a promise is broken, a source of the settings has no snapshot, or its last one had problems.
    """
    if reason.strip() and not accept:
        raise UsageError("--reason goes with --accept PROJECT")
    if accept and not reason.strip():
        raise UsageError(
            "--accept needs a reason, which is kept",
            hint="say what happened: --reason 'the archive was moved to the new server'",
        )
    with workplace.opened(config, identity, brief=True) as place:
        if accept:
            _accept(place, accept, reason, as_json=as_json)
            return
        now = workplace.services().clock.now()
        with closing(standing.books(place)) as books, local.findings(place.settings) as findings:
            look = standing.Looking(place, books, findings, now)
            found = [look.at(project) for project in place.projects([])]
        address = place.repository.store.describe()
        known = {one.project["project"] for one in found}
        unknown = sorted(set(place.settings.projects) - known)
    rows = [row for one in found for row in one.sources]
    rows += [{"project": name, "source": "-", "state": "not in the repository"} for name in unknown]
    identifier = place.repository.descriptor.repository
    if as_json:
        output.document(
            {
                "repository": identifier,
                "address": address,
                "sources": rows,
                "projects": [one.project for one in found],
                "broken": [alarm.as_json() for one in found for alarm in one.alarms],
            }
        )
    else:
        output.result(f"repository {identifier} at {address}")
        _show(rows, found)
    if place.refused or any(row["state"] != "ok" for row in rows) or any(one.alarms for one in found):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _show(rows: list[dict[str, Any]], found: list[Standing]) -> None:
    _table(rows, SOURCES)
    output.result("")
    _table([one.project for one in found], PROJECTS)
    for one in found:
        for alarm in one.alarms:
            output.result(f"BROKEN {alarm.title}: {alarm.message}")
            output.result(f"  what to do: {alarm.hint}")


def _table(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    right = [place for place, name in enumerate(columns) if name == "items"]
    output.table([[str(row.get(name, "-")) for name in columns] for row in rows], list(columns.values()), right=right)


def _accept(place: workplace.Workplace, name: str, reason: str, *, as_json: bool) -> None:
    from policies.promises import freeze

    project = place.project(name)
    who = f"{environment.user_name()}@{environment.host_name()}"
    released = freeze.accept(project, reason=reason, who=who)
    with local.noted(place.settings) as findings:
        if findings is not None:
            consequences.note_freeze(findings, project)
    if as_json:
        output.document(
            {"project": name, "accepted": [{"hold": one.id, "why": freeze.why(one)} for one in released], "who": who}
        )
    for one in released if not as_json else ():
        output.result(f"{name}: accepted by {who}: {freeze.why(one)}")
