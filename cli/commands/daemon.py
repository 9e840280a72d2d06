"""`strongroom daemon`: backups, checks, drills, retention and prune by their schedules, or one of them now."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.commands import daemon_logs
from cli.options import EXIT_CODES, Config, Identity, Json
from strongroom import environment, local_state, settings, store_access
from vault.errors import Busy, Interrupted, SettingsError, StrongroomError, UsageError

if TYPE_CHECKING:
    from policies.daemon.child_processes import Children, ProcessResult
    from policies.daemon.console_agent import AgentWork
    from policies.daemon.daemon import DaemonConfig, DaemonParts, DaemonSignals
    from policies.daemon.log import Log
    from policies.daemon.log_heads import LogTasks
    from policies.daemon.warm_parent import WarmParent
    from policies.scheduling.jobs import Stop
    from strongroom.daemon_config import Commands
    from strongroom.settings import Settings

DONE_WITH_PROBLEMS = 3
REACH_WITHIN = 120.0
"""Seconds that the store has to answer to the daemon's first question."""


app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback(epilog=EXIT_CODES)
def daemon(
    context_: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Run what is due now, and end: for cron.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="Print a unit for systemd, and end.")] = False,
    json_log: Annotated[
        bool, typer.Option("--json-log", help="Log a JSON document a line, whatever the settings say.")
    ] = False,
    config: Config = None,
    identity: Identity = None,
) -> None:
    """Run the jobs of all projects by their schedules, watch that promises are kept, and tell people when one is not.

    It logs to stdout. SIGTERM lets runs withdraw and ends it; SIGHUP reads the settings anew, but for the table [daemon], and
    goes on with the old ones where the new cannot be used. With --once it ends with exit code 3 where a run did not do all of
    its work. Another daemon of this machine for the same repository is refused with exit code 11.
    """
    if context_.invoked_subcommand is not None:
        behind = context_.invoked_subcommand
        own = ("once", "systemd", "json_log", "config", "identity")
        if any(getattr(context_.get_parameter_source(name), "name", "") == "COMMANDLINE" for name in own):
            raise UsageError(f"options of `daemon {behind}` stand behind it", hint=f"see `strongroom daemon {behind} --help`")
        return
    file = settings.find(config).absolute()
    found = settings.load(file)
    if systemd:
        output.result(_unit(found, identity or []).rstrip("\n"))
        return
    if not found.projects:
        raise SettingsError(f"{file} names no project", hint="add one with `strongroom project add NAME --source KIND=PATH`")
    from policies.daemon.daemon import Daemon, DaemonSignals
    from policies.daemon.log import Log

    clock = environment.services().clock
    log = Log(output.Lines().write, clock, as_json=json_log or found.document.daemon.log == "json")
    identities = [one.expanduser().absolute() for one in identity or []]
    signals = DaemonSignals()
    _tell_what_is_left_to_others(found, identities, log)
    reach = None if once else lambda: _reach(found, identities)
    with _daemon_parts(found, log, reach) as parts, _signals(signals), _warm_parent(found, log, once=once) as warm:
        one = Daemon(
            parts,
            _daemon_config(found, identities, log, warm),
            lambda: _daemon_config(settings.load(file), identities, log, warm),
        )
        left = one.once(signals) if once else one.run(signals)
    if once and left:
        raise typer.Exit(DONE_WITH_PROBLEMS)


@app.command("run", epilog=EXIT_CODES)
def run(
    job: daemon_logs.JobArgument,
    project: daemon_logs.ProjectArgument = None,
    wait: Annotated[bool, typer.Option("--wait", help="Where it is running already, run it again after that.")] = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Run a job of the daemon's now, whatever its schedule says, and show what came of it.

    JOB is `backup`, `check`, `drill`, `retention`, `prune`, or a name that `daemon jobs` lists. The run is like every other: in
    the history, with the same retries, locks and alerts. A daemon that is running is asked to start it; where none is, this
    command does, and no daemon starts meanwhile. Ends with 3 where a run had problems, with 1 where it failed.
    """
    from strongroom import daemon_jobs, requested_runs

    file = settings.find(config).absolute()
    found = settings.load(file)
    keys = daemon_jobs.choose(daemon_jobs.scheduled(found), job, project)
    identities = [one.expanduser().absolute() for one in identity or []]
    with requested_runs.RequestedRuns.of(found, keys, wait=wait) as asked:
        while not asked.over(output.notice):
            if asked.waits and not asked.somebody_else_starts():
                with suppress(Busy):  # a daemon has begun just now, and starts it
                    _run_requested(found, identities)
                    asked.require_started()
            else:
                environment.services().clock.sleep(requested_runs.LOOK_EVERY)
        logs = asked.logs()
    daemon_logs.show(logs, as_json=as_json)
    if any(one.run.ending != "done" for one in logs):
        raise typer.Exit(DONE_WITH_PROBLEMS if all(one.run.ending in ("done", "problems") for one in logs) else 1)


def _run_requested(found: Settings, identities: list[Path]) -> None:
    """Be the daemon for what is asked for. Raises `Busy`, `Interrupted`."""
    from policies.daemon.daemon import Daemon, DaemonSignals
    from policies.daemon.log import Log

    log = Log(output.notice, environment.services().clock, as_json=False)
    signals = DaemonSignals()
    with _daemon_parts(found, log, None) as parts, _signals(signals):
        wanted = _daemon_config(found, identities, log, None)
        Daemon(parts, wanted, lambda: wanted).once(signals, requested_only=True)
    if signals.stop:
        raise Interrupted("interrupted by a signal; the runs were asked to withdraw")


@contextmanager
def _warm_parent(found: Settings, log: Log, *, once: bool) -> Iterator[WarmParent | None]:
    """What forks the runs; None where the daemon ends at once, or the system cannot do it."""
    from policies.daemon.warm_parent import WarmParent, is_possible
    from strongroom import daemon_config

    if once or not is_possible():
        yield None
        return

    addresses = [one.address for one in (found.repository, *found.copies.values())]
    kind = ["s3"] if any(address.lower().startswith("s3:") for address in addresses) else []
    server = [*daemon_config.WARM_PARENT, *kind]
    warm = WarmParent(daemon_config.RUN, server, environment.for_warm_parent(), environment.services().clock, log.notice)
    warm.warm_up()
    try:
        yield warm
    finally:
        warm.close()


def _daemon_config(found: Settings, identity: list[Path], log: Log, warm: WarmParent | None) -> DaemonConfig:
    from policies.daemon import job_results
    from policies.daemon.child_processes import Children
    from policies.daemon.daemon import DaemonConfig
    from strongroom import daemon_config, daemon_jobs
    from strongroom.settings import durations

    projects = daemon_config.projects(found)
    grace = durations.read(found.document.daemon.grace).total_seconds()
    copy: Path | None = None
    try:
        copy = local_state.keep_settings(found)
    except StrongroomError as error:
        log.notice(str(error))
    # runs are killed while there is still somebody to see it
    children = Children(environment.for_children(copy), kill_after=max(1.0, grace * 0.8), warm=warm)

    def run(command: Sequence[str], stop: Stop) -> ProcessResult:
        ended = run_alone(command, stop)
        daemon_jobs.keep_output(found, stop.run, ended, log.notice)
        return ended

    def run_alone(command: Sequence[str], stop: Stop) -> ProcessResult:
        if copy is not None and not copy.exists():  # somebody has deleted it
            with suppress(StrongroomError):
                local_state.keep_settings(found)
        return children.run(command, stop)

    commands = daemon_config.Commands(found.file, identity)
    notify = found.document.notify
    return DaemonConfig(
        projects=projects,
        jobs=tuple(job_results.jobs(projects, commands, run)),
        channels=daemon_config.channels(notify),
        healthchecks=daemon_config.healthchecks(notify),
        grace=grace,
        kits=daemon_config.kits(found),
        log=_log_tasks(found, commands, children),
        agent=_agent_work(commands, children) if found.document.agent.daemon else None,
    )


def _agent_work(commands: Commands, children: Children) -> AgentWork:
    """The agent for a console elsewhere, as a process of its own."""
    from policies.daemon import job_results

    return lambda stop: job_results.agent_ended(children.run(commands.agent(), stop))


def _log_tasks(found: Settings, commands: Commands, children: Children) -> LogTasks:
    """What is done with the heads of the log, each as a process of its own."""
    from policies.daemon import job_results
    from policies.daemon.log_heads import LogTasks
    from policies.scheduling.jobs import Stop

    clock = environment.services().clock

    def stop() -> Stop:
        return Stop(clock, clock.monotonic() + REACH_WITHIN)

    stamped = found.document.audit.timestamp is not None
    return LogTasks(
        heads=lambda: job_results.log_heads(children.run(commands.log_heads(), stop())),
        stamp=(lambda: job_results.reached(children.run(commands.log_stamp(), stop()))) if stamped else None,
    )


def _reach(found: Settings, identity: list[Path]) -> None:
    """As a process of its own, like every run: the daemon opens no repository. Raises `StrongroomError`."""
    from policies.daemon import job_results
    from policies.daemon.child_processes import Children
    from policies.scheduling.jobs import Stop
    from strongroom import daemon_config

    clock = environment.services().clock
    copy = local_state.folder(found) / local_state.SETTINGS_IN_USE
    children = Children(environment.for_children(copy if copy.exists() else None))
    command = daemon_config.Commands(found.file, identity).status()
    job_results.reached(children.run(command, Stop(clock, clock.monotonic() + REACH_WITHIN)))


def _tell_what_is_left_to_others(found: Settings, identity: list[Path], log: Log) -> None:
    """Drills and publications of projects that this machine's keys do not read. What they allow is known from the first opening
    on."""
    from strongroom import daemon_config

    if None in daemon_config.capabilities(found).values():
        with suppress(StrongroomError):  # the daemon says by itself that it cannot reach the store
            _reach(found, identity)
    for name, capability in daemon_config.capabilities(found).items():
        if capability == "write":
            log.notice(
                f"{name}: this machine may write and read no content, so it makes no drills, publishes nothing and repacks "
                "no content; a daemon on a machine that may read it does"
            )


@contextmanager
def _daemon_parts(found: Settings, log: Log, reach: Callable[[], None] | None) -> Iterator[DaemonParts]:
    """reach: asks the store for anything; None where it is to run what is due and end, and metrics are not served."""
    from policies.daemon import systemd
    from policies.daemon.daemon import DaemonParts
    from policies.daemon.health import Health
    from policies.monitoring.state_store import StateStore
    from policies.scheduling.run_history import RunHistory
    from policies.scheduling.run_requests import RunRequests

    services = environment.services()
    table = found.document.daemon
    with ExitStack() as stack:
        history = RunHistory.open(local_state.folder(found) / local_state.RUN_HISTORY, services.clock, log.notice)
        stack.callback(history.close)
        state_store = stack.enter_context(
            StateStore.open_anyhow(local_state.folder(found) / local_state.STATE_STORE, log.notice)
        )
        health = Health(table.metrics, services.clock) if reach is not None and table.metrics is not None else None
        if health is not None:
            stack.callback(health.close)
        notify_socket, micros, pid = (environment.variable(name) for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
        supervisor = systemd.of(notify_socket, micros, pid, os.getpid())
        requests = RunRequests(local_state.folder(found))
        yield DaemonParts(
            history, state_store, services, log, table.max_parallel, health, supervisor, reach=reach, requests=requests
        )


@contextmanager
def _signals(signals: DaemonSignals) -> Iterator[None]:
    """SIGTERM, Ctrl-C and SIGHUP raise a hand; a second one of the first two ends the process at once."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signals.stop = True
        signal.signal(number, signal.SIG_DFL)

    def reload(_number: int, _frame: FrameType | None) -> None:
        signals.reload = True

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        for number, handler in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, reload)):
            signal.signal(number, handler)
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _unit(found: Settings, identity: list[Path]) -> str:
    from policies.daemon import systemd_unit
    from strongroom.settings import durations
    from vault.storage.address import FolderAddress

    table = found.identity
    own = None if table.command is not None else table.file or environment.identity_file()
    address = store_access.settings_address(found)
    writable = [address.path] if isinstance(address, FolderAddress) else []
    writable += restored_into(found)
    return systemd_unit.text(
        systemd_unit.UnitOptions(
            program=Path(sys.argv[0]).absolute(),
            settings=found.file.absolute(),
            identity=identity[0].absolute() if identity else own,
            writable=writable + ([found.document.daemon.state] if found.document.daemon.state is not None else []),
            grace=durations.read(found.document.daemon.grace).total_seconds(),
            read=[one.path for project in found.document.projects.values() for one in project.sources if one.path is not None],
        )
    )


def restored_into(found: Settings) -> list[Path]:
    """The folders into which the agent of the daemon may restore."""
    agent = found.document.agent
    if not agent.daemon:
        return []
    in_place = [
        source.path
        for name, project in found.document.projects.items()
        if any(rule.in_place and any(fnmatchcase(name, one) for one in rule.projects) for rule in agent.allow)
        for source in project.sources
        if source.path is not None
    ]
    named = {name for rule in agent.allow for name in rule.folders}
    return list(dict.fromkeys([*(agent.folders[name] for name in sorted(named)), *in_place]))


app.command("jobs", epilog=EXIT_CODES)(daemon_logs.jobs)
app.command("logs", epilog=EXIT_CODES)(daemon_logs.logs)
