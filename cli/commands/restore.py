"""`strongroom restore PROJECT [PATTERN…] --to DIR`: files again."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import moments, output, progress, workplace
from cli.options import At, Config, Identity, Json, Quiet, Source
from restore.existing import Existing
from vault.errors import UsageError
from vault.problems import printable

if TYPE_CHECKING:
    from restore.apply import Report
    from restore.plan import Plan
    from restore.select import Selection

DONE_WITH_PROBLEMS = 3
CONFLICTS_SHOWN = 10


def restore(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    patterns: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATTERN]…", help="Paths (KIND/…) or globs; a folder means all in it. Default: everything."),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="DIR|-", help="Restore into this folder; - writes one file to stdout.")
    ] = "",
    at: At = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="What the source no longer has, instead of what it has.")] = False,
    existing: Annotated[Existing, typer.Option("--existing", help="What to do with what is in the way.")] = Existing.REFUSE,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Restore what is there, though some content is missing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    source: Source = None,
    config: Config = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Bring items back: DIR/KIND/path, byte for byte, with times, modes and attributes.

    The plan is made first, and nothing is written where something is missing or in the way. An interrupted restore is
    continued by the same command.
    """
    from restore.select import Wish, select

    if not to:
        raise UsageError("where to?", hint="name a folder with --to DIR, or - for stdout")
    manner = _Manner(as_json=as_json, quiet=quiet, dry_run=dry_run, incomplete=incomplete)
    with workplace.opened(config, identity) as place:
        found = place.project(project)
        found.capability.reading()
        wish = Wish(tuple(patterns or ()), moments.parse(at, found), deleted, source)
        selection = select(found, wish)
        if to == "-":
            _stream(selection)
            return
        _to_folder(selection, Path(to), existing, manner)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How to go about it."""

    as_json: bool
    quiet: bool
    dry_run: bool
    incomplete: bool


def _stream(selection: Selection) -> None:
    from restore.stream import stream

    with output.standard_output():
        stream(selection, sys.stdout.buffer, lambda: None)
    if selection.damage:
        output.problems(selection.damage)
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _to_folder(selection: Selection, folder: Path, existing: Existing, manner: _Manner) -> None:
    from restore.apply import apply
    from restore.plan import make_plan
    from restore.target import Target

    today = selection.project.services.clock.now().astimezone().date()
    with Target(os.fsencode(folder.expanduser().absolute())) as target:
        plan = make_plan(selection, target, existing, today)
        if not manner.as_json:
            _show(plan, selection, folder)
        if manner.incomplete:
            plan = plan.without_missing()
        if manner.dry_run:
            if manner.as_json:
                output.document({"plan": plan.as_json()})
            output.problems(plan.damage)
            return
        with progress.shown(quiet=manner.quiet or manner.as_json) as listener:
            report = apply(plan, target, lambda: None, listener)
    if manner.as_json:
        output.document({"plan": plan.as_json(), **report.as_json()})
    else:
        _tell(report, folder)
    output.problems(report.problems)
    if report.problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _show(plan: Plan, selection: Selection, folder: Path) -> None:
    when = max(one.taken_at for one in selection.records)
    output.notice(
        f"plan: {output.count(plan.files, 'file')}, {output.size(plan.bytes_to_write)} to write to {folder}, "
        f"as of {output.moment(when)}; "
        f"{output.size(plan.bytes_to_read)} to read in about {output.count(plan.requests, 'request')}"
    )
    for number, text in (
        (plan.already_there, "are there already"),
        (plan.skipped, "are in the way and stay as they are"),
        (len(plan.replacing), "are in the way and will be replaced"),
        (len(plan.renamed), "are in the way and will be kept beside what is restored"),
        (len(plan.conflicts), "are in the way"),
        (len(plan.missing), "cannot be restored whole: content is missing"),
    ):
        if number:
            output.notice(f"plan: {output.count(number, 'item')} {text}")
    for conflict in plan.conflicts[:CONFLICTS_SHOWN]:
        output.notice(f"  in the way: {printable(conflict.path)} ({conflict.standing})")
    output.problems(plan.missing)


def _tell(report: Report, folder: Path) -> None:
    output.result(
        f"restored {output.count(report.files, 'file')}, {output.size(report.bytes)}, to {folder} "
        f"in {output.duration(report.seconds)}"
    )
    if report.already_there or report.skipped:
        output.result(f"{report.already_there} were there already, {report.skipped} were skipped")
