"""`strongroom daemon`: backups, checks, drills, retention and prune by their schedules, for all projects."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.options import Config, Identity
from strongroom import context, environment, local_state, settings
from vault.errors import SettingsError, StrongroomError

if TYPE_CHECKING:
    from policies.daemon.child_processes import ProcessResult
    from policies.daemon.log import Log
    from policies.daemon.loop import DaemonConfig, DaemonParts, DaemonSignals
    from policies.daemon.warm_parent import WarmParent
    from policies.scheduling.jobs import Stop
    from strongroom.settings import Settings

DONE_WITH_PROBLEMS = 3
REACH_WITHIN = 120.0
"""Seconds that the store has to answer to the daemon's first question."""


def daemon(
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
    file = settings.find(config).absolute()
    found = settings.load(file)
    if systemd:
        output.result(_unit(found, identity or []).rstrip("\n"))
        return
    if not found.projects:
        raise SettingsError(f"{file} names no project", hint="add one with `strongroom project add NAME --source KIND=PATH`")
    from policies.daemon.log import Log
    from policies.daemon.loop import Daemon, DaemonSignals

    clock = context.services().clock
    log = Log(output.Lines().write, clock, as_json=json_log or found.document.daemon.log == "json")
    identities = [one.expanduser().absolute() for one in identity or []]
    signals = DaemonSignals()
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


@contextmanager
def _warm_parent(found: Settings, log: Log, *, once: bool) -> Iterator[WarmParent | None]:
    """What forks the runs; None where the daemon ends at once, or the system cannot do it."""
    from policies.daemon.warm_parent import WarmParent, is_possible
    from strongroom import from_settings

    if once or not is_possible():
        yield None
        return

    kind = ["s3"] if found.repository.address.lower().startswith("s3:") else []
    server = [*from_settings.WARM_PARENT, *kind]
    warm = WarmParent(from_settings.RUN, server, environment.for_warm_parent(), context.services().clock, log.notice)
    warm.warm_up()
    try:
        yield warm
    finally:
        warm.close()


def _daemon_config(found: Settings, identity: list[Path], log: Log, warm: WarmParent | None) -> DaemonConfig:
    from policies.daemon import job_results
    from policies.daemon.child_processes import Children
    from policies.daemon.loop import DaemonConfig
    from strongroom import from_settings
    from strongroom.settings import durations

    projects = from_settings.projects(found)
    grace = durations.read(found.document.daemon.grace).total_seconds()
    copy: Path | None = None
    try:
        copy = local_state.keep_settings(found)
    except StrongroomError as error:
        log.notice(str(error))
    # runs are killed while there is still somebody to see it
    children = Children(environment.for_children(copy), kill_after=max(1.0, grace * 0.8), warm=warm)

    def run(command: Sequence[str], stop: Stop) -> ProcessResult:
        if copy is not None and not copy.exists():  # somebody has deleted it
            with suppress(StrongroomError):
                local_state.keep_settings(found)
        return children.run(command, stop)

    commands = from_settings.Commands(found.file, identity)
    notify = found.document.notify
    return DaemonConfig(
        projects=projects,
        jobs=tuple(job_results.jobs(projects, commands, run)),
        channels=from_settings.channels(notify),
        healthchecks=from_settings.healthchecks(notify),
        grace=grace,
    )


def _reach(found: Settings, identity: list[Path]) -> None:
    """As a process of its own, like every run: the daemon opens no repository. Raises `StrongroomError`."""
    from policies.daemon import job_results
    from policies.daemon.child_processes import Children
    from policies.scheduling.jobs import Stop
    from strongroom import from_settings

    clock = context.services().clock
    copy = local_state.folder(found) / local_state.SETTINGS_IN_USE
    children = Children(environment.for_children(copy if copy.exists() else None))
    command = from_settings.Commands(found.file, identity).status()
    job_results.reached(children.run(command, Stop(clock, clock.monotonic() + REACH_WITHIN)))


@contextmanager
def _daemon_parts(found: Settings, log: Log, reach: Callable[[], None] | None) -> Iterator[DaemonParts]:
    """reach: asks the store for anything; None where it is to run what is due and end, and metrics are not served."""
    from policies.daemon import systemd
    from policies.daemon.health import Health
    from policies.daemon.loop import DaemonParts
    from policies.monitoring.state_store import StateStore
    from policies.scheduling.run_history import RunHistory

    services = context.services()
    table = found.document.daemon
    with ExitStack() as stack:
        history = RunHistory.open(local_state.folder(found) / local_state.BOOKS, services.clock, log.notice)
        stack.callback(history.close)
        state_store = stack.enter_context(StateStore.open_anyhow(local_state.folder(found) / local_state.FINDINGS, log.notice))
        health = Health(table.metrics, services.clock) if reach is not None and table.metrics is not None else None
        if health is not None:
            stack.callback(health.close)
        notify_socket, micros, pid = (environment.variable(name) for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
        supervisor = systemd.of(notify_socket, micros, pid, os.getpid())
        yield DaemonParts(history, state_store, services, log, table.at_once, health, supervisor, reach=reach)


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
    address = context.located(found.repository.address, found.file.absolute().parent)
    writable = [address.path] if isinstance(address, FolderAddress) else []
    return systemd_unit.text(
        systemd_unit.UnitOptions(
            program=Path(sys.argv[0]).absolute(),
            settings=found.file.absolute(),
            identity=identity[0].absolute() if identity else own,
            writable=writable + ([found.document.daemon.state] if found.document.daemon.state is not None else []),
            grace=durations.read(found.document.daemon.grace).total_seconds(),
            read=[source.path for project in found.document.projects.values() for source in project.sources],
        )
    )
