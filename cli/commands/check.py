"""`strongroom check`: is everything there, and is it whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import local, output, progress, workplace
from cli.options import Config, Identity, Json, Quiet, Repository
from vault.errors import Damaged, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.check import CheckReport

LINES_SHOWN = 50


def check(
    projects: Annotated[
        list[str] | None, typer.Argument(metavar="[PROJECT]… [PERCENT%]", help="Default: all. With --data, 10% is PERCENT.")
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
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check that everything that a snapshot needs is there; with --data, that it is whole. With --rolling a share of it is
    read, so that run after run everything is, within `schedule.check.all_within` of the settings.

    Names the items that a damaged or missing pack costs, and ends with exit code 20 then.
    """
    from cli.rolling import rolled
    from vault.repository.check import Depth
    from vault.repository.check import check as look

    if percent < 100 and not data:
        raise UsageError("--percent goes with --data", hint="write `strongroom check --data 10%`")
    if rolling and data:
        raise UsageError("--rolling chooses what is read itself", hint="leave --data out")
    projects, percent = _apart(projects or [], percent) if data else (projects or [], percent)
    with workplace.opened(config, identity, address=repository) as place, progress.shown(quiet=quiet or as_json) as listener:
        depth = Depth(data=percent / 100 if data else 0.0, progress=listener)
        reports = []
        for project in place.projects(projects):
            report = rolled(place.settings, project, depth) if rolling else look(project, depth)
            report.damage += [f"snapshot {one} is gone, and nothing says that it was forgotten" for one in place.gone(project)]
            reports.append(report)
            if report.sound:
                local.note_run(place.settings, project.name, "check")
    if as_json:
        output.document(
            {"projects": [report.as_json() for report in reports], "refused": [one.as_json() for one in place.refused]}
        )
    else:
        for report in reports:
            _tell(report)
    if place.refused or not all(report.sound for report in reports):
        raise typer.Exit(Damaged.exit_code)


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
            raise UsageError(f"{word!r} is not a percentage", hint="write a number above 0 and up to 100, as 10%") from error
    if not 0 < percent <= 100:
        raise UsageError(f"{percent:g} is not a percentage", hint="write a number above 0 and up to 100, as 10%")
    return names, percent


def _tell(report: CheckReport) -> None:
    packs, chunks = counted(report.packs_read, "pack"), counted(report.chunks_read, "chunk")
    read = f"; {packs} read ({output.size(report.bytes_read)}), {chunks} compared"
    output.result(
        f"{report.project}: {counted(report.snapshots, 'snapshot')}, {counted(report.packs_needed, 'pack')} needed"
        f"{read if report.packs_read else ''}: {'sound' if report.sound else 'DAMAGED'}"
    )
    if report.orphans:
        output.notice(f"{report.project}: {counted(report.orphans, 'pack')} that no snapshot uses (left by runs that died)")
    if report.inconsistent:
        items = counted(len({item.path for item in report.inconsistent}), "item")
        output.notice(
            f"{report.project}: {items} may be of several moments: changed while a backup was reading (named with --json)"
        )
    for line in report.damage[:LINES_SHOWN]:
        output.result(f"  damage: {line}")
    for item in report.lost[:LINES_SHOWN]:
        output.result(f"  lost: {item.path} (snapshot {item.snapshot})")
    for lines in (report.damage, report.lost):
        if len(lines) > LINES_SHOWN:
            output.result(f"  … and {len(lines) - LINES_SHOWN} more (all of them with --json)")
