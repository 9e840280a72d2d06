"""The jobs that the runner gets, and what the answers of their runs mean."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from policies.daemon.child import Ended, Run
from policies.daemon.plan import PlannedJob, ProjectPlan
from policies.schedule.jobs import Job, Outcome, Stop
from vault.errors import Interrupted, StrongroomError

DONE, DONE_WITH_PROBLEMS = 0, 3
_COUNTS = {"added": "new", "changed": "changed", "vanished": "vanished"}

Command = Callable[[str, PlannedJob], Sequence[str]]
"""The command that does a project's job, and answers with a JSON document."""


class RunFailed(StrongroomError):
    """A job's process ended without having done its work."""


def jobs(projects: Iterable[ProjectPlan], command: Command, run: Run) -> Iterator[Job]:
    """Every job of every project."""
    for project in projects:
        for one in project.jobs:
            work = partial(_work, command(project.name, one), run)
            yield Job(one.name, project.name, one.schedule, work, one.policy)


def _work(command: Sequence[str], run: Run, stop: Stop) -> Outcome:
    return outcome(run(command, stop))


def outcome(ended: Ended) -> Outcome:
    """What a run came to. Raises `Interrupted`, `RunFailed`."""
    if ended.code == DONE:
        return Outcome(message=_told(ended.document))
    if ended.code == DONE_WITH_PROBLEMS:
        problems, first = _problems(ended)
        return Outcome(problems=problems, message=first)
    message, hint = _error(ended)
    if ended.code == Interrupted.exit_code:
        raise Interrupted(message, hint=hint)
    raise RunFailed(message, hint=hint)


def _told(document: dict[str, Any]) -> str:
    """A success in a few words."""
    snapshots = document.get("snapshots")
    return "; ".join(map(_counted, snapshots)) if isinstance(snapshots, list) else ""


def _counted(snapshot: dict[str, Any]) -> str:
    counts = ", ".join(f"{snapshot.get(name, 0)} {word}" for name, word in _COUNTS.items())
    return f"snapshot {snapshot.get('snapshot')}: {counts}"


def _problems(ended: Ended) -> tuple[int, str]:
    snapshots = [one for one in ended.document.get("snapshots", []) if isinstance(one, dict)]
    count = sum(int(one.get("problems", 0)) for one in snapshots)
    listed = [problem for one in snapshots for problem in one.get("problem_list", [])]
    first = f"{listed[0]['path']}: {listed[0]['message']}" if listed else _last_line(ended)
    return max(1, count), first


def _error(ended: Ended) -> tuple[str, str | None]:
    told = ended.document.get("error")
    if isinstance(told, dict):
        return str(told.get("message")), told.get("hint")
    for one in ended.document.get("snapshots", []):
        if "error" in one:
            return str(one["error"]), one.get("hint")
    damage = [line for one in ended.document.get("projects", []) for line in one.get("damage", [])]
    if damage:
        return f"damaged: {damage[0]}", None
    if ended.code < 0:
        return f"it was killed by {_signal(-ended.code)}", "was there enough memory?"
    return _last_line(ended) or f"it ended with exit code {ended.code}", None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(ended: Ended) -> str:
    lines = [line for line in ended.errors.splitlines() if not line.startswith("hint: ")]
    return lines[-1].removeprefix("strongroom: error: ") if lines else ""
