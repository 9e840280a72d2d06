"""`strongroom check`: is everything there, and is it whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import colour, output, progress
from cli.command_classes import Command
from cli.options import Config, FromCopy, Identity, Json, Quiet, Repository
from strongroom import command_log, context, local_state
from vault import wording
from vault.errors import Damaged, UsageError
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.rolling_check import ReadData
    from vault.repository.check_report import CheckReport, ReadCoverage
    from vault.repository.repository_report import RepositoryReport

DONE_WITH_PROBLEMS = 3
LINES_SHOWN = 50
STRAYS_SHOWN = 5


READ_DATA = "--read-data"


class CheckCommand(Command):
    """The command with an option whose value may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (a class that typer keeps to itself)
        """`--read-data` alone means all; a word after it is its value where it is an amount, else a project's name."""
        return super().parse_args(ctx, with_amount(args))


COMMAND_CLASS = CheckCommand


def with_amount(args: Sequence[str]) -> list[str]:
    """The arguments, with a value for each `--read-data`."""
    found: list[str] = []
    words = list(args)
    while words:
        word = words.pop(0)
        if word == "--":
            return [*found, word, *words]
        if word == READ_DATA:
            word += f"={words.pop(0) if words and _is_amount(words[0]) else 'all'}"
        found.append(word)
    return found


def _is_amount(word: str) -> bool:
    from strongroom.rolling_check import ReadData

    try:
        ReadData.parse(word)
    except UsageError:
        return word.endswith("%")  # a wrong one
    return True


def check(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    read_data: Annotated[
        str | None,
        typer.Option(
            READ_DATA,
            metavar="[=all|10%|5GiB|rolling]",
            help="Read stored data too: re-hash packs, open them, compare every chunk. All of it, or so much, the longest "
            "unread first; rolling: as much as it takes to read all in the time that is set.",
        ),
    ] = None,
    data: Annotated[bool, typer.Option("--data", hidden=True)] = False,
    percent: Annotated[float | None, typer.Option("--percent", min=0, max=100, hidden=True)] = None,
    rolling: Annotated[bool, typer.Option("--rolling", hidden=True)] = False,
    acknowledge: Annotated[
        str | None,
        typer.Option(
            "--acknowledge",
            metavar="REASON",
            help="What is missing, or cannot be read any more, is given up: say why; it is on record.",
        ),
    ] = None,
    from_copy: FromCopy = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check that everything that a snapshot needs is there; with --read-data, that it is whole.

    --read-data=10% and =5GiB read so much: packs that were never read first, then those that were read longest ago, so that
    repeated runs cover everything; which were read is noted on this machine, also when the check is interrupted.
    --read-data=rolling reads as much as it takes to cover everything within `schedule.check.all_within` of the settings. The
    command says how much was covered by now, and since when.

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

    projects, read_data = _from_old_options(projects or [], read_data, percent, data=data, rolling=rolling)
    read = _amount(read_data, acknowledge)
    with context.opened(config, identity, address=repository, copy=from_copy) as opened:
        chosen = opened.projects(projects)
        if acknowledge is not None:
            with command_log.recorded(opened, "acknowledge", chosen, {"reason": acknowledge.strip()}):
                for project in chosen:
                    checks.acknowledge(opened, project, acknowledge.strip())
            opened.memory.save_lines(*settings_copies.MEMORY, [])  # the next backup remembers them as they are then
        whole = checks.check_repository(opened, chosen, only=bool(projects))
        reports = []
        with command_log.recorded(opened, "check", chosen, {"read_data": read_data}):
            for project in chosen:
                with progress.shown(quiet=quiet, as_json=as_json, project=project.name) as listener:
                    found = checks.check_project(opened, project, read=read, beside=whole.damage, progress=listener)
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


def _amount(read_data: str | None, acknowledge: str | None) -> ReadData | None:
    """How much is read. Raises `UsageError`."""
    from strongroom.rolling_check import ReadData

    read = None if read_data is None else ReadData.parse(read_data)
    if acknowledge is not None and (not acknowledge.strip() or (read is not None and read.rolling)):
        raise UsageError(
            f"--acknowledge needs a reason, and excludes {READ_DATA}=rolling", hint="say why nothing is wrong; it is kept"
        )
    return read


def _from_old_options(
    words: list[str], read_data: str | None, percent: float | None, *, data: bool, rolling: bool
) -> tuple[list[str], str | None]:
    """Projects and what `--read-data` says, also where it is said as in earlier versions: `--data`, `--data 10%`,
    `--data --percent 10`, `--rolling`. Raises `UsageError`."""
    if percent is not None and not data:
        raise UsageError("--percent needs --data", hint=f"write `strongroom check {READ_DATA}=10%`")
    if data + rolling + (read_data is not None) > 1:
        raise UsageError(f"--data, --rolling and {READ_DATA} exclude each other", hint=f"write {READ_DATA} alone")
    if not data and not rolling:
        return words, read_data
    names, said = words, "rolling" if rolling else "all" if percent is None else f"{percent:g}%"
    if data:
        names = [word for word in words if not word.endswith("%")]
        said = next((word for word in words if word.endswith("%")), said)
    old = "--rolling" if rolling else "--data"
    output.notice(f"notice: {old} is now {READ_DATA}{'' if said == 'all' else f'={said}'}; the next version knows that alone")
    return names, said


def _report(report: CheckReport) -> None:
    packs, chunks = counted(report.packs_read, "pack"), counted(report.chunks_read, "chunk")
    read = f"; {packs} read ({wording.size(report.bytes_read)}), {chunks} compared"
    verdict, style = ("sound", colour.Style.GOOD) if report.sound else ("DAMAGED", colour.Style.BAD)
    output.result(
        f"{report.project}: {counted(report.snapshots, 'snapshot')}, {counted(report.packs_needed, 'pack')} needed"
        f"{read if report.packs_read else ''}: {verdict}",
        paint=(verdict, style),
    )
    if report.coverage is not None:
        _report_coverage(report.coverage)
    _report_what_is_no_damage(report)
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


def _report_what_is_no_damage(report: CheckReport) -> None:
    if report.orphans:
        output.notice(f"{report.project}: {counted(report.orphans, 'pack')} that no snapshot uses (left by runs that died)")
    if report.inconsistent:
        items = counted(len({item.path for item in report.inconsistent}), "item")
        output.notice(
            f"{report.project}: {items} may be of several moments: changed while a backup was reading (named with --json)"
        )
    if report.unneeded:
        packs = counted(len(report.unneeded), "damaged pack")
        output.notice(
            f"{report.project}: {packs} that no snapshot needs, such as {report.unneeded[0]}: a prune takes them away"
        )
    if report.given_up:
        items = counted(len({item.path for item in report.given_up}), "item")
        output.notice(f"{report.project}: the content of {items} is lost, and a person has given that up (named with --json)")


def _report_coverage(covered: ReadCoverage) -> None:
    packs, size = counted(covered.packs, "pack"), wording.size(covered.bytes)
    if covered.since is not None:
        output.result(f"  all stored data ({packs}, {size}) was read since {wording.moment(covered.since)}")
    elif covered.packs:
        share = f"{covered.packs_read} of {packs}, {wording.size(covered.bytes_read)} of {size}"
        output.result(f"  checks of this machine have read {share} so far; the next one reads others first")


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
