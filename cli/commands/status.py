"""`strongroom status`: is every promise kept, and how does everything stand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output
from cli.options import Config, Identity, Json
from strongroom import context, environment, local_state, post_backup, settings
from strongroom import status as strongroom_status
from vault import wording
from vault.errors import Damaged, NoRepository, StorageError, StrongroomError, UsageError

if TYPE_CHECKING:
    from policies.daemon.heartbeat import Heartbeat
    from policies.monitoring.alerts import Alert
    from strongroom.settings import Settings
    from strongroom.status import ProjectStatus

DONE_WITH_PROBLEMS = 3
SHOW_AFTER = 3.0
"""Seconds that the store has to answer before what this machine knows is shown."""

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
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="With --accept: why all is well; it is kept.")] = "",
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Every project and source with its last snapshot, its age and the promise, the next run, what is being written just now;
    of every project the last restore drill, how long it took, how much of the data was read and checked, whether retention is
    frozen; and whether the daemon lives.

    Where the store does not answer, what this machine knows is shown, and the exit code says that the store did not. Ends with
    exit code 3 where a promise is broken, the daemon was killed, a source of the settings has no snapshot, or its last one had
    problems.
    """
    if reason and not accept:
        raise UsageError("--reason needs --accept PROJECT")
    if accept:
        if not reason.strip():
            raise UsageError("--accept needs a reason", hint="say what you found, with --reason 'they moved the archive'")
        with context.opened(config, identity, brief=True) as opened:
            _accept(opened, accept, reason, as_json=as_json)
        return
    whole = _looked(settings.load(settings.find(config)), config, identity, as_json=as_json)
    if as_json:
        output.document("status/1", whole.as_json())
    if whole.error is not None:
        if not as_json:
            output.failure(whole.error)
        raise typer.Exit(whole.error.exit_code)
    if whole.has_problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _looked(found: Settings, config: Path | None, identity: list[Path] | None, *, as_json: bool) -> _Whole:
    """All that can be known; shown as a text, unless it is to be a document. Raises what opening the repository raises, where
    this machine knows nothing by itself."""
    with _shown_meanwhile(found, as_json=as_json) as meanwhile:
        try:
            whole = _asked(found, config, identity)
        except (StorageError, NoRepository, Damaged) as error:
            whole = _without_store(found, error)
            if not whole.is_known:
                raise
    if not as_json and not (whole.error is not None and meanwhile.was_shown):
        _show(whole)
    return whole


@dataclass(frozen=True, slots=True)
class _Whole:
    """All that is shown. opened: of the repository, in words; empty where it did not answer · alerts: of the daemon itself ·
    error: why the store was not asked."""

    repository: str
    address: str
    rows: list[dict[str, Any]]
    projects: list[ProjectStatus]
    heartbeat: Heartbeat
    alerts: tuple[Alert, ...]
    refused: bool = False
    error: StrongroomError | None = None

    @property
    def firing(self) -> tuple[Alert, ...]:
        """What is critical first."""
        found = (*self.alerts, *(alert for one in self.projects for alert in one.alerts))
        return tuple(sorted(found, key=lambda alert: alert.severity != "critical"))

    @property
    def has_problems(self) -> bool:
        return self.refused or any(row["state"] not in strongroom_status.WELL for row in self.rows) or bool(self.firing)

    @property
    def is_known(self) -> bool:
        """Whether this machine knows anything by itself."""
        return self.heartbeat.since is not None or any("taken_at" in row or "failed" in row for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        document = {
            "repository": self.repository,
            "address": self.address,
            "daemon": self.heartbeat.as_json(),
            "sources": self.rows,
            "projects": [one.project for one in self.projects],
            "broken": [alert.as_json() for alert in self.firing],
        }
        if self.error is not None:
            document["error"] = self.error.as_json()
        return document


def _asked(found: Settings, config: Path | None, identity: list[Path] | None) -> _Whole:
    with context.opened(config, identity, brief=True) as opened:
        asked = {project.name: strongroom_status.ask_repository(opened, project) for project in opened.projects([])}
        address, refused = opened.repository.store.describe(), bool(opened.refused)
        identifier = opened.repository.descriptor.repository
    with strongroom_status.open_local_state(found) as local_:
        projects = [local_.status_of(name, one) for name, one in asked.items()]
        heartbeat, alerts = local_.heartbeat, local_.of_daemon()
    rows = [row for one in projects for row in one.sources]
    rows += [
        {"project": name, "source": "-", "state": "not in the repository"} for name in sorted(found.projects.keys() - asked)
    ]
    return _Whole(identifier, address, rows, projects, heartbeat, alerts, refused)


def _without_store(found: Settings, error: StrongroomError | None) -> _Whole:
    with strongroom_status.open_local_state(found) as local_:
        projects = [local_.status_of(name, None) for name in found.projects]
        heartbeat, alerts = local_.heartbeat, local_.of_daemon()
    rows = [row for one in projects for row in one.sources]
    return _Whole("", found.repository.address, rows, projects, heartbeat, alerts, error=error)


class _Meanwhile:
    """Shows what this machine knows where the store takes long to answer: once."""

    def __init__(self, found: Settings, *, as_json: bool) -> None:
        self._found = found
        self.was_shown = False
        self._timer = threading.Timer(SHOW_AFTER, self._show)
        self._timer.daemon = True
        if not as_json:
            self._timer.start()

    def cancel(self) -> None:
        """Not any more; where it is just being shown, once it is."""
        self._timer.cancel()
        if self._timer.is_alive():
            self._timer.join()

    def _show(self) -> None:
        with suppress(StrongroomError):
            whole = _without_store(self._found, None)
            if whole.is_known:
                self.was_shown = True
                output.notice("the store has not answered yet; this is what this machine knows:")
                _show(whole)


@contextmanager
def _shown_meanwhile(found: Settings, *, as_json: bool) -> Iterator[_Meanwhile]:
    meanwhile = _Meanwhile(found, as_json=as_json)
    try:
        yield meanwhile
    finally:
        meanwhile.cancel()


def _show(whole: _Whole) -> None:
    name = f"repository {whole.repository}" if whole.repository else "the repository, which was not reached,"
    output.result(f"{name} at {whole.address}")
    beat = whole.heartbeat
    if beat.state != "none":
        words = {"running": "runs", "stuck": "DOES NOT MOVE", "killed": "WAS KILLED", "ended": "has ended"}
        since = f", begun {wording.moment(beat.since)}" if beat.since is not None else ""
        seen = f", last sign of life {wording.moment(beat.seen)}" if beat.seen is not None else ""
        output.result(f"the daemon {words.get(beat.state, 'cannot be seen by this user')}{since}{seen}")
    _table(whole.rows, SOURCES)
    output.result("")
    _table([one.project for one in whole.projects], PROJECTS)
    for row in whole.rows:
        if "unfinished" in row:
            title = f"{row['project']}/{row['source']}"
            output.result(f"unfinished {title}: {row['unfinished']}; a prune takes it away when it is a day old")
        if "failed" in row:
            output.result(f"FAILED {row['project']}/{row['source']}: {row['failed']['message']}")
    for alert in whole.firing:
        output.result(f"{alert.severity}: BROKEN {alert.title}: {alert.message}")
        output.result(f"  what to do: {alert.hint}")


def _table(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    right = [index for index, name in enumerate(columns) if name == "items"]
    output.table([[str(row.get(name, "-")) for name in columns] for row in rows], list(columns.values()), right=right)


def _accept(opened: context.Context, name: str, reason: str, *, as_json: bool) -> None:
    from policies.monitoring import retention_freeze

    project = opened.project(name)
    who = f"{environment.user_name()}@{environment.host_name()}"
    released = retention_freeze.accept(project, reason=reason, who=who)
    with local_state.noted(opened.settings) as state_store:
        if state_store is not None:
            post_backup.note_freeze(state_store, project)
    if as_json:
        output.document(
            "status-accept/1",
            {"project": name, "accepted": [{"hold": one.id, "why": retention_freeze.why(one)} for one in released], "who": who},
        )
    for one in released if not as_json else ():
        output.result(f"{name}: accepted by {who}: {retention_freeze.why(one)}")
