"""`strongroom audit show|verify|export|heads|stamp`: what was done, by whom, and the proof that nothing of it is missing."""

from __future__ import annotations

import sys
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cli import colour, output, progress
from cli.options import EXIT_CODES, Config, Identity, Json, Quiet, Repository
from strongroom import audit, audit_verification, time_parsing
from strongroom.audit import LogSelection, ReadLog
from strongroom.audit_verification import VerifiedLog
from strongroom.audited_projects import AuditedProject, audited_projects
from strongroom.context import Context, opened
from strongroom.destinations import expanded
from vault import wording
from vault.errors import Damaged, UsageError
from vault.format.log_head import LogHead
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.audit import FoundEntry
    from vault.repository.audit.verify import ChainReport
    from vault.repository.project import Project

SHOWN = 100
"""Entries that are shown if nothing else is said."""

FINDINGS_SHOWN = 50
LONGEST_WHAT = 100
PRINCIPAL_SHOWN = 8
"""Digits of a principal's id that tell it from others."""

app = typer.Typer(
    help="The log: what was done, by whom and when; that nothing of it is missing or changed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Projects = Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")]
Actions = Annotated[
    list[str] | None, typer.Option("--action", metavar="WORD", help="Only this: backup, restore, prune, …; may be given again.")
]
Users = Annotated[list[str] | None, typer.Option("--user", metavar="NAME", help="Only of this user of the system.")]
Hosts = Annotated[list[str] | None, typer.Option("--host", metavar="NAME", help="Only of this machine.")]
Results = Annotated[
    list[str] | None,
    typer.Option("--result", metavar="WORD", help="Only what ended ok, problems, refused, failed or interrupted."),
]
Principals = Annotated[
    list[str] | None,
    typer.Option("--principal", metavar="ID", help="Only of this principal; the beginning of its id is enough."),
]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="What began then or later.")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="What began before then.")]


class ExportFormat(StrEnum):
    """What the log can be exported as."""

    JSONL = "jsonl"
    CSV = "csv"


@app.command("show", epilog=EXIT_CODES)
def show(
    projects: Projects = None,
    actions: Actions = None,
    users: Users = None,
    hosts: Hosts = None,
    results: Results = None,
    principals: Principals = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many entries, the newest.")] = SHOWN,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Show what was done to projects: when, by whom, what with its whole selection, and what came of it.

    Entries are sealed to whoever may audit their projects; how many are for others only is said. Nothing is verified but each
    entry's own signature: `audit verify` does the rest.
    """
    with opened(config, identity, brief=True, address=repository) as context:
        chosen = audited_projects(context, projects or [])
        selection = _selection(context, chosen, actions, users, hosts, results, principals, since, until, last=limit)
        found = audit.read_log(context, chosen, selection, named=bool(projects))
    if as_json:
        output.document("audit-show/1", found.as_json())
    else:
        output.table([_cells(one) for one in found.entries], ["WHEN", "WHO", "DID", "PROJECTS", "RESULT", "WHAT"])
        _tell_unopened(found)
    output.finish(found.damage, refused=context.refused)


@app.command("verify", epilog=EXIT_CODES)
def verify(
    projects: Projects = None,
    heads: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="HEAD", help="A head that you were told, as a notification has it; may be given again."),
    ] = None,
    new: Annotated[
        bool,
        typer.Option(
            "--new", help="Read only what this machine has not found whole before; a change of older ones is not seen."
        ),
    ] = False,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Verify the whole log: every signature, every link from entry to entry, no gap, no fork, and that no chain was cut short.

    That a chain was cut is known by the heads that snapshots, time stamps, this machine and people have kept: give those of
    messages with --head. What is wrong is named, and the exit code is 20. Chains of all principals are verified, also entries
    that are sealed for others, by the entries after them. Everything is read each time, but with --new.
    """
    known = [LogHead.parse(one) for one in heads or []]
    shown = progress.phase("verifying", project="the log", quiet=quiet, as_json=as_json)
    with opened(config, identity, address=repository) as context, shown:
        found = audit_verification.verify_log(context, audited_projects(context, projects or []), heads=known, only_new=new)
    if as_json:
        output.document("audit-verify/1", found.as_json())
    else:
        _show_verified(found)
    if not found.sound:
        raise typer.Exit(Damaged.exit_code)
    output.finish([], refused=context.refused)


@app.command("export", epilog=EXIT_CODES)
def export(
    projects: Projects = None,
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="A new file, or - for stdout.")] = "",
    format_: Annotated[
        ExportFormat | None, typer.Option("--as", metavar="jsonl|csv", help="Default: by the file's name, else jsonl.")
    ] = None,
    actions: Actions = None,
    users: Users = None,
    hosts: Hosts = None,
    results: Results = None,
    principals: Principals = None,
    since: Since = None,
    until: Until = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Write the log to a file: JSON Lines, of which each can be verified with ssh-keygen, or CSV.

    Each line of JSON Lines has the text that was signed and the signature; docs/operations.md has the commands.
    """
    from strongroom import audit_export

    if not to:
        raise UsageError("missing destination: use --to FILE", hint="for example --to log.jsonl, or --to - for stdout")
    if to == "-" and as_json:
        raise UsageError("--json excludes --to -: one of both is on stdout", hint="name a file with --to")
    chosen_format = format_ or (ExportFormat.CSV if to.lower().endswith(".csv") else ExportFormat.JSONL)
    with opened(config, identity, address=repository) as context:
        chosen = audited_projects(context, projects or [])
        selection = _selection(context, chosen, actions, users, hosts, results, principals, since, until, last=None)
        found = audit.read_log(context, chosen, selection, named=bool(projects))
    if to == "-":
        with output.standard_output():
            audit_export.write(found.entries, chosen_format.value, sys.stdout.buffer)
    else:
        audit_export.write_file(found.entries, chosen_format.value, expanded(to).absolute())
    written = {"file": to, "format": chosen_format.value, "entries_written": len(found.entries), "unopened": found.unopened}
    if as_json:
        output.document("audit-export/1", written | {"damage": [one.as_json() for one in found.damage]})
    elif to != "-":
        output.result(f"wrote {counted(len(found.entries), 'entry', 'entries')} to {to}")
    _tell_unopened(found)
    output.finish(found.damage, refused=context.refused)


@app.command("heads", epilog=EXIT_CODES)
def heads(config: Config = None, repository: Repository = None, identity: Identity = None, as_json: Json = False) -> None:
    """Print the newest entry of every chain: keep them elsewhere, and give them to `audit verify` with --head later.

    Nothing is opened for that. The daemon sends them to its notification channels once a week.
    """
    with opened(config, identity, brief=True, address=repository) as context:
        found = audit_verification.heads(context)
    if as_json:
        output.document("audit-heads/1", {"heads": [one.as_text() for one in found]})
    for one in found if not as_json else ():
        output.result(one.as_text())


@app.command("stamp", epilog=EXIT_CODES)
def stamp(projects: Projects = None, config: Config = None, identity: Identity = None, as_json: Json = False) -> None:
    """Have the newest entry of every chain stamped by the time-stamp authority of the settings ([audit] timestamp).

    The daemon does so once a day. A head that is stamped already is left alone.
    """
    from strongroom import time_stamps

    with opened(config, identity) as context:
        made = time_stamps.stamp_heads(context, _projects(context, projects))
    if as_json:
        output.document("audit-stamp/1", {"stamps": [one.as_json() for one in made]})
        return
    for one in made:
        output.result(f"entry {one.head.sequence} of {one.head.principal} stamped at {wording.moment(one.at)}")
    if not made:
        output.result("every head is stamped already")


def _projects(context: Context, names: list[str] | None) -> list[Project]:
    """For whoever has something stamped."""
    return context.projects(names) if names else context.available([])


def _selection(
    context: Context,
    projects: list[AuditedProject],
    actions: list[str] | None,
    users: list[str] | None,
    hosts: list[str] | None,
    results: list[str] | None,
    principals: list[str] | None,
    since: str | None,
    until: str | None,
    *,
    last: int | None,
) -> LogSelection:
    return LogSelection(
        actions=actions or (),
        users=users or (),
        hosts=hosts or (),
        results=results or (),
        principals=principals or (),
        since=_moment(context, projects, since),
        until=_moment(context, projects, until),
        last=last,
    )


def _moment(context: Context, projects: list[AuditedProject], text: str | None) -> datetime | None:
    """In the zone of the first project."""
    if text is None or not projects:
        return None
    first = projects[0]
    zone = ZoneInfo(context.settings.zone(first.name)) if first.project is None else context.zone(first.name)
    return time_parsing.moment(text, zone, context.repository.services.clock.now())


def _cells(one: FoundEntry) -> tuple[str, ...]:
    entry = one.entry
    result = "-" if entry.outcome is None else entry.outcome.result
    did = f"{entry.action} ({entry.phase})" if entry.phase == "intent" else entry.action
    who = f"{entry.who.user}@{entry.who.host}{' (daemon)' if entry.who.daemon else ''}"
    projects = ", ".join(each.name for each in entry.projects) or "-"
    counts = {} if entry.outcome is None else entry.outcome.counts
    return wording.moment(entry.at), who, did, projects, result, _summary(entry.what, counts)


def _summary(what: dict[str, Any], counts: dict[str, int]) -> str:
    """In a line; `--json` has everything."""
    said = [f"{name}={_short(value)}" for name, value in what.items()]
    said += [f"{name}={number}" for name, number in counts.items() if number]
    text = "".join(char if char.isprintable() else " " for char in ", ".join(said))
    return text if len(text) <= LONGEST_WHAT else f"{text[: LONGEST_WHAT - 1]}…"


def _short(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}:{_short(one)}" for name, one in value.items())
    return "|".join(map(_short, value)) if isinstance(value, list) else str(value)


def _tell_unopened(found: ReadLog) -> None:
    if found.unopened:
        output.notice(
            f"{counted(found.unopened, 'entry', 'entries')} are about other projects: this identity does not open them"
        )


def _show_verified(found: VerifiedLog) -> None:
    for chain in found.chains:
        _show_chain(chain)
    stamps = found.stamps
    if stamps.verified:
        latest = "" if stamps.latest is None else f", the newest of {wording.moment(stamps.latest)}"
        output.result(f"time stamps: {stamps.verified} verified{latest}")
    if stamps.only_compared:
        output.notice(
            f"notice: {counted(stamps.only_compared, 'time stamp')} fit, and nobody vouches for the authority: name its "
            "certificate in the settings ([audit] certificates)"
        )
    for one in stamps.findings:
        output.result(f"  wrong: {one.message}", paint=("  wrong:", colour.Style.BAD))
    if found.waiting:
        output.notice(f"{counted(found.waiting, 'entry', 'entries')} of this machine wait for the store")


def _show_chain(chain: ChainReport) -> None:
    whole = f"whole since entry {chain.not_read + 1}" if chain.not_read else "whole"
    verdict, style = (whole, colour.Style.GOOD) if chain.sound else ("NOT WHOLE", colour.Style.BAD)
    hosts = f" of {', '.join(chain.hosts)}" if chain.hosts else ""
    span = ""
    if chain.first_at is not None and chain.last_at is not None:
        span = f", {wording.moment(chain.first_at)} to {wording.moment(chain.last_at)}"
    size = f"{counted(chain.entries, 'entry', 'entries')}, {chain.opened} opened"
    output.result(f"principal {chain.principal[:PRINCIPAL_SHOWN]}{hosts}: {size}{span}: {verdict}", paint=(verdict, style))
    if not chain.verified_key and chain.signing_key is not None:
        output.notice(f"notice: the key that signs it is met for the first time: {chain.signing_key.hex()[:16]}…")
    for one in chain.findings[:FINDINGS_SHOWN]:
        output.result(f"  wrong: {one.message}", paint=("  wrong:", colour.Style.BAD))
    if len(chain.findings) > FINDINGS_SHOWN:
        output.result(f"  … and {len(chain.findings) - FINDINGS_SHOWN} more (all of them with --json)")
