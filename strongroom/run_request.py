"""Asking the daemon of this machine for a run, without waiting for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom import command_log, context, daemon_jobs, environment, local_state
from vault.errors import Busy, UsageError

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from vault.repository.project import Project


def request_run(opened: context.Context, project: Project, job: str) -> str:
    """Have the daemon run a job of a project as soon as it has room; gives the run's id. job: by its whole name, as `backup
    reports`. That it was asked for is recorded. Raises `UsageError` where the job is none of the daemon's, `Busy` where it runs
    or waits already, or no daemon of this machine is there; `StrongroomError`."""
    settings = opened.settings
    key = (project.name, job)
    if key not in daemon_jobs.scheduled(settings):
        raise UsageError(f"{job!r} is no job of {project.name}", hint="the page of the project lists its jobs")
    _require_idle(settings, key)
    if not _daemon_runs(settings):
        raise Busy("no daemon of this machine is running", hint="start it: `systemctl start strongroom`")
    with command_log.recorded(opened, "request-run", [project], {"job": job}) as entry:
        entry.begin()
        run = environment.services().randomness.token(8).hex()
        daemon_jobs.requests(settings).ask(run, *key)
    return run


def _require_idle(settings: Settings, key: daemon_jobs.Key) -> None:
    with daemon_jobs.history_reader(settings) as history:
        running = any(run.ending is None for run in history.recent(*key, 1))
    if running or key in daemon_jobs.requests(settings).pending():
        raise Busy(f"{key[0]}/{key[1]} is running, or was asked for already", hint="wait for its end")


def _daemon_runs(settings: Settings) -> bool:
    from policies.scheduling import run_history_file

    try:
        return run_history_file.is_locked(local_state.folder(settings) / local_state.RUN_HISTORY)
    except OSError:
        return False
