"""`strongroom console agent`: restores that people ask for in a console which cannot read content; `console host`: who may take
them."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import output, prompts
from cli.options import EXIT_CODES, Config, Identity, Json, Yes
from strongroom import environment, settings, time_parsing
from vault import wording
from vault.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from console.agent.client import ConsoleClient
    from console.agent.loop import Agent, Finished
    from console.hosts.records import Host, Hosts
    from strongroom.settings.agent import AgentSettings

DONE_WITH_PROBLEMS = 3

host = typer.Typer(help="Hosts that carry out restores for this console, and their tokens.", rich_markup_mode=None)

HostName = Annotated[str, typer.Argument(metavar="NAME", help="Of the host, as people see it.")]


def agent(
    console: Annotated[
        str | None,
        typer.Option("--console", metavar="URL", help="The console's address. Default: that of the settings, [agent]."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Its first line is the token that the console showed."),
    ] = None,
    project: Annotated[
        list[str] | None, typer.Option("--project", "-p", metavar="PROJECT", help="Only of this one; may be given again.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Carry out what waits now, and end.")] = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Carry out restores that people ask for in a console which cannot read content itself.

    It asks the console again and again, until SIGTERM or Ctrl-C; nothing connects to this host. What may be asked for is in the
    settings of this host, `[[agent.allow]]`: without a rule nothing is. It takes one restore at a time, makes its own plan, and
    replaces no more than was confirmed; another agent goes on where this one ends. With --once it ends with 3 where a restore
    was not carried out as a whole.
    """
    if as_json and not once:
        raise UsageError("--json needs --once: without it this command has no end", hint="add --once")
    file = settings.find(config).absolute()
    table = settings.load(file).document.agent
    if not table.allow:
        raise SettingsError(
            "the settings of this host allow nothing to be asked for",
            hint='add [[agent.allow]] with projects = ["…"] and in_place = true, or folders',
        )
    client = _client(table, console, token_file)
    with (
        _made(file, [one.expanduser().absolute() for one in identity or []], client, tuple(project or ())) as made,
        _ended(made),
    ):
        if not once:
            from strongroom.settings import durations

            output.notice(f"this host asks {client.address} for work, every {table.every}")
            made.run(durations.read(table.every).total_seconds())
            return
        done = made.once()
    if as_json:
        output.document("console-agent/1", {"restores": [_as_json(one) for one in done]})
    elif not done:
        output.result("nothing waits for this host")
    if not all(one.is_whole for one in done):
        raise typer.Exit(DONE_WITH_PROBLEMS)


@host.command("add", epilog=EXIT_CODES)
def add(
    name: HostName,
    projects: Annotated[
        list[str],
        typer.Option(
            "--project", "-p", metavar="PROJECT", help="Of which it may take work; `*` for any letters; again for more."
        ),
    ],
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="When the token ends, within a year.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a token with which a host takes waiting restores of some projects, and does nothing else. It is shown this once."""
    services = environment.services()
    hosts, zone = _hosts(config)
    now = services.clock.now()
    moment = time_parsing.moment(until, zone, now)
    token = hosts.add(name, projects, moment, now, services.randomness)
    if as_json:
        output.document("console-host-add/1", {"name": name, "projects": projects, "until": _utc(moment), "token": token})
        return
    output.notice(f"{name} may take work until {wording.moment(moment, zone)}; put this into a file there, for --token-file:")
    output.result(token)


@host.command("list", epilog=EXIT_CODES)
def list_(config: Config = None, as_json: Json = False) -> None:
    """Hosts that may take work, and when they asked for some last."""
    hosts, zone = _hosts(config)
    found = hosts.all(environment.services().clock.now())
    if as_json:
        output.document("console-host-list/1", {"agents": [_host_as_json(one) for one in found]})
        return
    if not found:
        output.result("there is no host; make a token for one with `strongroom console host add NAME`")
        return
    rows = [
        (
            one.name,
            ", ".join(one.projects),
            "never" if one.asked is None else wording.moment(one.asked, zone),
            wording.moment(one.until, zone),
        )
        for one in found
    ]
    output.tell_left_out(output.table(rows, ["NAME", "PROJECTS", "ASKED FOR WORK", "UNTIL"]))


@host.command("remove", epilog=EXIT_CODES)
def remove(name: HostName, config: Config = None, yes: Yes = False) -> None:
    """End the token of a host. What it is at is carried out by another one."""
    hosts, _ = _hosts(config)
    now = environment.services().clock.now()
    prompts.confirm(f"End the token of the host {name}?", yes=yes, undone="nothing was changed")
    if not hosts.end(name, now):
        raise UsageError(f"there is no host {name!r}", hint="`strongroom console host list` lists them")
    output.result(f"the token of {name} has ended")


def _client(table: AgentSettings, url: str | None, token_file: Path | None) -> ConsoleClient:
    """Raises `UsageError`, `SettingsError`."""
    from console.agent.client import ConsoleClient, exposed, token_in
    from strongroom.settings.agent import console_url

    address = url or table.console
    file = token_file or table.token_file
    if address is None or file is None:
        raise UsageError(
            "missing console: use --console URL and --token-file FILE",
            hint="or write console and token_file into [agent] of the settings",
        )
    console_url(address)
    token_in(file)
    said = exposed(file)
    if said:
        output.notice(said, level=logging.WARNING)
    return ConsoleClient(address, lambda: token_in(file), environment.services().clock, table.ca_file)


@contextmanager
def _made(file: Path, identity: list[Path], client: ConsoleClient, only: tuple[str, ...]) -> Iterator[Agent]:
    import strongroom
    from console.agent.loop import Agent
    from console.agent.rules import HostRules
    from console.live_settings import LiveSettings
    from console.repositories import RepositoryPool

    clock = environment.services().clock
    live = LiveSettings(file)
    pool = RepositoryPool(lambda: strongroom.open_repository(file, identity=identity), clock, live.version)
    try:
        yield Agent(
            pool,
            client,
            lambda: HostRules(live.whole.document.agent, client.address, only),
            environment.host_name()[:200],
            clock,
            output.notice,
        )
    finally:
        pool.close()


@contextmanager
def _ended(made: Agent) -> Iterator[None]:
    """SIGTERM and Ctrl-C end it in order; a second one at once."""

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        made.end()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hosts(config: Path | None) -> tuple[Hosts, ZoneInfo]:
    """Those of the console of the settings, and its time zone."""
    from cli.commands.console import require_extra

    require_extra()
    from console import server
    from console.hosts.records import AREA, TABLES, Hosts
    from console.state import ConsoleState

    found = settings.load(settings.find(config).absolute())
    state = ConsoleState(server.state_file(found))
    state.migrate(AREA, TABLES)
    return Hosts(state), ZoneInfo(found.document.console.zone)


def _as_json(one: Finished) -> dict[str, Any]:
    work, body = one.work, one.body
    return {
        "task": work.task,
        "project": work.project,
        "person": work.person,
        "approved_by": work.approved_by,
        "goal": work.goal,
        "folder": work.folder,
        "result": body.result,
        "state": one.state,
        "files": body.outcome.files,
        "bytes": body.outcome.bytes,
        "already_there": body.outcome.already_there,
        "problems": body.outcome.problems,
        "to_be_replaced": 0 if body.plan is None else body.plan.replacing,
        "where": body.outcome.where,
        "message": body.error,
        "hint": body.hint,
    }


def _host_as_json(one: Host) -> dict[str, Any]:
    return {
        "name": one.name,
        "machine": one.machine,
        "projects": list(one.projects),
        "created_at": _utc(one.created),
        "until": _utc(one.until),
        "asked_at": None if one.asked is None else _utc(one.asked),
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
