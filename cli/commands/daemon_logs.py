"""`strongroom daemon jobs` and `logs`: which jobs there are, and what their runs came to and said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cli import output
from cli.options import Config, Json
from strongroom import environment, settings, time_parsing
from vault import wording
from vault.errors import Interrupted, StrongroomError

if TYPE_CHECKING:
    from strongroom.daemon_jobs import Follower, RunLog

FOLLOW_EVERY = 1.0
"""Seconds."""


def complete_job(incomplete: str) -> list[str]:
    """The jobs that begin so, for the shell."""
    from strongroom import daemon_jobs

    try:
        found = settings.load(settings.find(None), tell_old_names=False)
    except StrongroomError:
        return []
    return [name for name in daemon_jobs.names(daemon_jobs.scheduled(found)) if name.startswith(incomplete)]


def complete_project(incomplete: str) -> list[str]:
    """The projects of the settings that begin so, for the shell."""
    try:
        found = settings.load(settings.find(None), tell_old_names=False)
    except StrongroomError:
        return []
    return [name for name in found.projects if name.startswith(incomplete)]


JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="`check`, 'backup reports', PROJECT/check, …", autocompletion=complete_job)
]
OptionalJobArgument = Annotated[
    str | None,
    typer.Argument(metavar="JOB", help="`check`, 'backup reports', PROJECT/check. Default: all.", autocompletion=complete_job),
]
ProjectArgument = Annotated[
    str | None, typer.Argument(metavar="PROJECT", help="Default: all that have the job.", autocompletion=complete_project)
]


def jobs(config: Config = None, as_json: Json = False) -> None:
    """The daemon's jobs: their schedules, when each ran last and what came of it, and when it runs next."""
    from strongroom import daemon_jobs

    found = daemon_jobs.jobs(settings.load(settings.find(config)))
    if as_json:
        output.document("daemon-jobs/1", {"jobs": [one.as_json() for one in found]})
        return
    if not found:
        output.notice("no project has a schedule; docs/settings.md has examples")
        return
    rows = [
        (
            one.project,
            one.job,
            one.schedule,
            "-" if one.last is None else wording.moment(one.last.started),
            "-" if one.last is None else one.last.ending or "running",
            wording.moment(one.next_run),
        )
        for one in found
    ]
    output.tell_left_out(output.table(rows, ["PROJECT", "JOB", "SCHEDULE", "LAST RUN", "RESULT", "NEXT RUN"], spare=[2, 3]))


def logs(
    job: OptionalJobArgument = None,
    project: ProjectArgument = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on and show what comes, until Ctrl-C.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only runs from then on: 2026-11-01, '3 hours ago'.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="At most so many lines, the newest.")] = 200,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """What the daemon's runs came to and said, the newest last.

    Kept are the newest 20 outputs of each job, at most 16 KiB of each, and a line for each of its newest thousand runs. With
    --json and --follow each run is a JSON document in a line of its own, when it begins and when it has ended.
    """
    from strongroom import daemon_jobs

    found = settings.load(settings.find(config))
    zone = ZoneInfo(environment.time_zone() or "UTC")
    begin = None if since is None else time_parsing.moment(since, zone, environment.services().clock.now(), begin=True)
    keys = daemon_jobs.choose(daemon_jobs.known(found), job, project)
    follower = daemon_jobs.Follower(found, keys)
    follower.new()  # what is there now is not new
    runs = daemon_jobs.logs(found, keys, begin)
    if as_json and not follow:
        output.document("daemon-logs/1", {"runs": [one.as_json() for one in runs]})
    elif as_json:
        _documents(runs)
    else:
        _show_lines(daemon_jobs.newest_lines(runs, lines))
        if not runs and not follow:
            output.notice("none of these jobs has run yet" if since is None else "none of these jobs has run since then")
    if follow:
        _follow(follower, as_json=as_json)


def _follow(follower: Follower, *, as_json: bool) -> None:
    """Until Ctrl-C, which is no error here."""
    try:
        while True:
            environment.services().clock.sleep(FOLLOW_EVERY)
            new = follower.new()
            if as_json:
                _documents(new)
            else:
                _show_lines([line for one in new for line in one.lines()])
    except KeyboardInterrupt as end:
        raise typer.Exit(Interrupted.exit_code) from end


def _documents(runs: Sequence[RunLog]) -> None:
    """Each run as a document in a line of its own."""
    for one in runs:
        output.document("daemon-run/1", one.as_json(), line=True)
    output.flush()


def show(runs: Sequence[RunLog], *, as_json: bool) -> None:
    """Runs and what they said."""
    if as_json:
        output.document("daemon-logs/1", {"runs": [one.as_json() for one in runs]})
    else:
        _show_lines([line for one in runs for line in one.lines()])


def _show_lines(lines: Sequence[str]) -> None:
    for line in lines:
        output.result(line)
    output.flush()
