"""`strongroom check`: is everything there, and is it whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import colour, output, progress
from cli.options import Config, Identity, Json, Quiet, Repository
from strongroom import context, local_state
from vault import wording
from vault.errors import Damaged, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.check import CheckReport
    from vault.repository.check_objects import RepositoryReport

DONE_WITH_PROBLEMS = 3
LINES_SHOWN = 50
STRAYS_SHOWN = 5


def check(
    projects: Annotated[
        list[str] | None, typer.Argument(metavar="PROJECT|PERCENT%", help="Default: all. With --data, 10% is PERCENT.")
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="Read packs too: re-hash them, open them, compare every chunk.")] = False,
    percent: Annotated[
        float, typer.Option("--percent", min=0, max=100, help="With --data: of so many percent of the packs.")
    ] = 100,
    rolling: Annotated[
        bool,
        typer.Option(
            "--rolling", help="Read as many packs, the longest unread first, as it takes to read all in the time that is set."
        ),
    ] = False,
    acknowledge: Annotated[
        str | None,
        typer.Option(
            "--acknowledge",
            metavar="REASON",
            help="What is missing, or cannot be read any more, is given up: say why; it is on record.",
        ),
    ] = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check that everything that a snapshot needs is there; with --data, that it is whole. With --rolling a share of it is
    read, so that run after run everything is, within `schedule.check.all_within` of the settings.

    Every sort of object is opened, in the store and below this machine's cache; key objects of others are looked at from
    outside. Names the items that a damaged or missing pack costs, and what was here and is gone, and ends with exit code 20
    then; with 3 where objects are not locked though the settings ask for it. Says where this machine's cache has a whole copy
    of what is damaged or gone: the next backup here puts most of it back.

    With --acknowledge a person gives up what a project misses or cannot read any more: snapshots (as `retention accept-loss`
    does for some), notes of forgotten snapshots, marks of prunes, holds and key objects that are gone, and vanished items
    whose content is lost. No pack is deleted for seven days after snapshots were given up.
    """
    from strongroom import checks
    from vault.repository import settings_copies

    _refuse_contradictions(percent, acknowledge, data=data, rolling=rolling)
    projects, percent = _apart(projects or [], percent) if data else (projects or [], percent)
    with context.opened(config, identity, address=repository) as opened:
        chosen = opened.projects(projects)
        if acknowledge is not None:
            for project in chosen:
                checks.acknowledge(opened, project, acknowledge.strip())
            opened.memory.save_lines(*settings_copies.MEMORY, [])  # the next backup remembers them as they are then
        whole = checks.check_repository(opened, chosen, only=bool(projects))
        share = percent / 100 if data else 0.0
        reports = []
        for project in chosen:
            with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
                found = checks.check_project(
                    opened, project, data=share, rolling=rolling, beside=whole.damage, progress=listener
                )
                reports.append(found)
        for report in reports if whole.sound else ():
            if report.sound:
                local_state.note_run(opened.settings, report.project, "check")
    if as_json:
        refused = [one.as_json() for one in opened.refused]
        documents = [report.as_json() for report in reports]
        output.document("check/1", {"projects": documents, "repository": whole.as_json(), "refused": refused})
    else:
        for report in reports:
            _report(report)
        _report_repository(whole)
    if opened.refused or not whole.sound or not all(report.sound for report in reports):
        raise typer.Exit(Damaged.exit_code)
    if any(report.unlocked for report in reports):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _refuse_contradictions(percent: float, acknowledge: str | None, *, data: bool, rolling: bool) -> None:
    if percent < 100 and not data:
        raise UsageError("--percent needs --data", hint="write `strongroom check --data 10%`")
    if rolling and data:
        raise UsageError(
            "--rolling and --data exclude each other: --rolling chooses what is read itself", hint="leave --data out"
        )
    if acknowledge is not None and (rolling or not acknowledge.strip()):
        raise UsageError("--acknowledge needs a reason, and excludes --rolling", hint="say why nothing is wrong; it is kept")


def _apart(words: list[str], percent: float) -> tuple[list[str], float]:
    """`check --data 10%`: what ends with % among the words is the PERCENT, as `--data` cannot take a value that may be left
    out. A number without it is a project's name."""
    names = []
    for word in words:
        if not word.endswith("%"):
            names.append(word)
            continue
        try:
            percent = float(word[:-1])
        except ValueError as error:
            raise UsageError(
                f"{word!r} is not a valid percentage", hint="write a number above 0 and up to 100, as 10%"
            ) from error
    if not 0 < percent <= 100:
        raise UsageError(f"{percent:g} is not a valid percentage", hint="write a number above 0 and up to 100, as 10%")
    return names, percent


def _report(report: CheckReport) -> None:
    packs, chunks = counted(report.packs_read, "pack"), counted(report.chunks_read, "chunk")
    read = f"; {packs} read ({wording.size(report.bytes_read)}), {chunks} compared"
    verdict, style = ("sound", colour.Style.GOOD) if report.sound else ("DAMAGED", colour.Style.BAD)
    output.result(
        f"{report.project}: {counted(report.snapshots, 'snapshot')}, {counted(report.packs_needed, 'pack')} needed"
        f"{read if report.packs_read else ''}: {verdict}",
        paint=(verdict, style),
    )
    if report.orphans:
        output.notice(f"{report.project}: {counted(report.orphans, 'pack')} that no snapshot uses (left by runs that died)")
    if report.inconsistent:
        items = counted(len({item.path for item in report.inconsistent}), "item")
        output.notice(
            f"{report.project}: {items} may be of several moments: changed while a backup was reading (named with --json)"
        )
    for line in report.damage[:LINES_SHOWN]:
        output.result(f"  damage: {line}", paint=("  damage:", colour.Style.BAD))
    for item in report.lost[:LINES_SHOWN]:
        output.result(f"  lost: {item.path} (snapshot {item.snapshot})", paint=("  lost:", colour.Style.BAD))
    for lines in (report.damage, report.lost):
        if len(lines) > LINES_SHOWN:
            output.result(f"  … and {len(lines) - LINES_SHOWN} more (all of them with --json)")
    for copy in report.copies[:LINES_SHOWN]:
        output.notice(f"{report.project}: {copy.message}")
    if report.unlocked:
        many, some = counted(len(report.unlocked), "object"), ", ".join(report.unlocked[:STRAYS_SHOWN])
        output.notice(f"warning: {report.project}: {many} that the settings want locked can be deleted: {some}")


def _report_repository(whole: RepositoryReport) -> None:
    said = f"{counted(whole.opened, 'key object')} opened"
    if whole.outside:
        said += f", {whole.outside} of others looked at from outside"
    output.result(f"repository: {said}: {'sound' if whole.sound else 'DAMAGED'}")
    for line in whole.damage[:LINES_SHOWN]:
        output.result(f"  damage: {line}", paint=("  damage:", colour.Style.BAD))
    if len(whole.damage) > LINES_SHOWN:
        output.result(f"  … and {len(whole.damage) - LINES_SHOWN} more (all of them with --json)")
    for line in whole.unopened[:LINES_SHOWN]:
        output.notice(f"notice: {line} was not looked at: the identities at hand do not open it")
    for line in whole.old_settings[:LINES_SHOWN]:
        output.notice(f"notice: {line}; a newer copy is there")
    for line in whole.unsealed[:LINES_SHOWN]:
        output.notice(f"notice: {line}: that recovery kit does not open it")
    if whole.strays:
        some = ", ".join(whole.strays[:STRAYS_SHOWN])
        output.notice(f"notice: {counted(len(whole.strays), 'object')} that are not Strongroom's, by their names: {some}")
