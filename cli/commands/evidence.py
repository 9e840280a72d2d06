"""`strongroom evidence [PROJECT…] --period P --to FILE.zip`: what an auditor reads alone."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output, progress
from cli.options import Config, Identity, Json, Quiet, Repository
from strongroom.context import opened
from strongroom.destinations import expanded
from vault import wording
from vault.errors import UsageError
from vault.wording import counted


def evidence(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all.")] = None,
    period: Annotated[
        str, typer.Option("--period", metavar="PERIOD", help="Of which: 2026-Q4, last-month, 2026-10-01..2026-11-30.")
    ] = "",
    to: Annotated[str, typer.Option("--to", metavar="FILE.zip", help="A new file.")] = "",
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a signed bag that tells an auditor of a period: a page with charts, and every table as CSV.

    Backups against the promised RPO with every gap, drills with measured times, checks, holds, what retention says, what was
    forgotten and by whom, Object Lock as the store reports it, who holds keys, and the log with its signatures, verified.
    `strongroom export verify FILE.zip` checks the bag.
    """
    from strongroom import evidence as evidences

    if not period:
        raise UsageError("missing period: use --period PERIOD", hint="for example --period 2026-Q4, or --period last-quarter")
    if not to.lower().endswith(".zip"):
        raise UsageError("missing destination: use --to FILE.zip", hint="for example --to evidence.zip")
    with opened(config, identity, address=repository) as context:
        chosen = context.projects(projects or [])
        with progress.phase("collecting", project="the evidence", quiet=quiet, as_json=as_json):
            found = evidences.collect(context, chosen, period)
            bag = evidences.write(context, chosen, found, expanded(to).absolute())
    if as_json:
        output.document("evidence/1", bag.as_json())
    else:
        said = bag.as_json()
        gaps = f"{counted(said['backup_gaps'], 'gap')}, the longest {wording.duration(said['longest_gap_seconds'])}"
        log = {True: "whole", False: "NOT WHOLE", None: "none"}[said["log_sound"]]
        gaps = gaps if said["backup_gaps"] else "no gap"
        output.result(f"wrote {to}: {counted(said['backups'], 'backup')}, {gaps}; the log: {log}")
    output.finish(bag.problems, refused=context.refused)
