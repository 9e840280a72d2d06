"""`strongroom restore PROJECT [PATTERN…] [--to DIR|FILE.zip|s3://…|- | --in-place]`: files again, or tables out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from cli import prompts
from cli.option_groups import AccessOptions, ConversionOptions, PastItemOptions, grouped
from cli.options import (
    BUCKET,
    CONFLICTS,
    DESTINATION,
    ITEMS,
    MOMENT,
    TABLES,
    Json,
    Patterns,
    Quiet,
    Source,
    Yes,
)
from cli.restore_request import RestoreRequest, RunOptions
from cli.restore_run import restore_all, restore_project
from cli.table_formats import PAGES, RestoreAs
from restore.planning.conflict_policy import ConflictPolicy
from strongroom.selection import parse_versions
from vault.errors import UsageError


@grouped
def restore(
    project: Annotated[str | None, typer.Argument(metavar="PROJECT")] = None,
    patterns: Patterns = None,
    *,
    all_projects: Annotated[
        bool,
        typer.Option(
            "--all-projects",
            help="Every project that opens, each to a folder of its name below --to, or --in-place.",
            rich_help_panel=ITEMS,
        ),
    ] = False,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PLACE",
            help="A folder, FILE.zip, FILE.tar, FILE.tar.gz, FILE.tar.zst, s3://bucket/prefix, webdavs://USER@host/path, "
            "sftp://USER@host/path, imaps://USER@host/ (mail), rest:NAME (records of a help desk), "
            "FILE.csv (one table, with --as or --merge), sqlite:FILE, "
            "postgresql://USER@host/database or mariadb://USER@host/database (rows of a database), or - for one file to "
            "stdout.",
            rich_help_panel=DESTINATION,
        ),
    ] = "",
    in_place: Annotated[
        bool,
        typer.Option(
            "--in-place", help="Back below the folders of the sources; what is newer there stays.", rich_help_panel=DESTINATION
        ),
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(
            "--where", metavar="CONDITION", help='Of rows for a database only these: "id in (3, 5)".', rich_help_panel=ITEMS
        ),
    ] = None,
    records: Annotated[
        list[str] | None,
        typer.Option(
            "--record",
            metavar="ID",
            help="Of records only this one: with --as pages, and with --to rest:NAME.",
            rich_help_panel=ITEMS,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="FIELD", help="The field that has the ID, if not found.", rich_help_panel=ITEMS),
    ] = None,
    id_map: Annotated[
        Path | None,
        typer.Option(
            "--id-map",
            metavar="FILE",
            help="Of --to rest:NAME: which record became which, as CSV or JSON Lines; what it has is used, new ones are added.",
            rich_help_panel=DESTINATION,
        ),
    ] = None,
    items: PastItemOptions,
    existing: Annotated[
        ConflictPolicy | None,
        typer.Option(
            "--existing",
            metavar="refuse|skip|newer|replace|keep-both",
            help="What to do with what is there and differs; newer keeps only what is newer. Default: refuse, in place: newer.",
            rich_help_panel=CONFLICTS,
        ),
    ] = None,
    as_: Annotated[
        RestoreAs | None,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help="Tables as csv, xlsx, jsonl, json, parquet, feather, ods, sqlite, html; or records, such as tickets, as pages "
            "to read and print.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    conversion: ConversionOptions,
    versions: Annotated[
        str,
        typer.Option(
            "--versions",
            metavar="all|N",
            help="Of each file, the newest N contents that differ, or all; a deleted one is found too.",
            rich_help_panel=MOMENT,
        ),
    ] = "1",
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Restore what is there, though some content is missing.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Read again from the disk, archive or bucket what was written, and compare it."),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Name there every item that was left alone, and why: text, or JSON in FILE.json."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", metavar="URL", help="Of the S3 server of --to s3://…; else the repository's.", rich_help_panel=BUCKET
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="The region of --to s3://….", rich_help_panel=BUCKET)
    ] = None,
    source: Source = None,
    access: AccessOptions,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Bring items back: to KIND/path in a folder, an archive or a bucket, or below the folders that they came from.

    They come byte for byte, with times, modes and attributes; with --as, --rows-in-period or --merge as tables of another
    format, and a report says what it could not carry. The plan is made first, and nothing is written where something is missing
    or in the way. An interrupted restore is continued by the same command; an archive begins anew.

    Without --to and --in-place a destination is proposed, and asked about: back in place where none of the files exists any
    more, else a new folder PROJECT-restored-DATE in the current one.

    Contents of what stands there are compared. What is newer and differs stays with --existing newer, and what has other
    attributes stays with refuse and keep-both: it is named, and the command ends with exit code 3. What skip leaves was asked
    for: it is counted, and the exit code is 0. --report names every item that was left alone, with the reason. Replacing
    anything, setting attributes of what stands, and a proposed destination are asked about; without a terminal the question is
    the error, and --yes is the answer.

    With --verify what was written is read again, past the memory of the kernel, and compared with what the snapshot says: what
    differs is a problem, and the exit code is 3. Converted tables and streams cannot be.

    Tables of a database (see docs/sources.md) go back row by row with --to sqlite:FILE, --to postgresql://…, --to mariadb://…
    or --in-place: by the primary key, in one transaction, with --existing refuse (the default), skip, newer or replace.

    Records of help desks are created again, under new numbers, with --to rest:NAME, where NAME is a source of the settings
    whose description says how: with comments, attachments and references. The same command twice creates nothing twice, also
    after it was killed. The plan says what will be lost, and --id-map FILE gets old and new ids.

    With --as pages records of help desks become pages for people: a page a record with its comments and files, and an index, in
    a folder or an archive (see docs/records.md); with --record only those that are named.

    With --all-projects one that fails does not stop the others; --json lists what became of each, and the exit code is the
    greatest of all.
    """
    tables = conversion.to_format(as_.value if as_ and as_.value != PAGES else None)
    request = RestoreRequest(
        to=to,
        in_place=in_place,
        where=where,
        existing=existing,
        tables=tables,
        incomplete=incomplete,
        endpoint=endpoint,
        region=region,
        verify=verify,
        report=report,
        pages=as_ is not None and as_.value == PAGES,
        records=tuple(records or ()),
        key=key or "",
        id_map=id_map,
        run=RunOptions(dry_run=dry_run, yes=yes, quiet=quiet, as_json=as_json),
    )
    request.check(periods=bool(items.periods))
    if all_projects:
        patterns = [*([] if project is None else [project]), *(patterns or [])]
    elif project is None:
        raise UsageError(
            "missing project: name one, or use --all-projects", hint="`strongroom project list` names those there are"
        )
    options = replace(items.selection(patterns, source), versions=parse_versions(versions))
    with access.opened_to_read() as opened:
        if all_projects:
            restore_all(opened, options, request)
        else:
            restore_project(opened, prompts.project(opened, project or ""), options, request)
