"""`strongroom restore PROJECT [PATTERN…] [--to DIR|FILE.zip|s3://…|- | --in-place]`: files again, or tables out of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import prompts
from cli.options import (
    BUCKET,
    CONFLICTS,
    DESTINATION,
    ITEMS,
    MOMENT,
    TABLES,
    At,
    Before,
    Config,
    Deleted,
    Formats,
    FromCopy,
    Header,
    Identity,
    Json,
    Kinds,
    Overlapping,
    Paths,
    Patterns,
    Periods,
    Quiet,
    Repository,
    Sheets,
    Source,
    Yes,
)
from cli.restore_run import RestoreRequest, RunOptions, restore_all, restore_project
from cli.table_formats import PAGES, RestoreAs
from restore.planning.conflict_policy import ConflictPolicy
from restore.tables.write_options import Audience
from strongroom.reading import opened_to_read
from strongroom.selection import SelectionOptions, parse_versions
from strongroom.table_options import TableOptions
from vault.errors import UsageError


def restore(
    project: Annotated[str | None, typer.Argument(metavar="PROJECT")] = None,
    patterns: Patterns = None,
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
    paths: Paths = None,
    kinds: Kinds = None,
    periods: Periods = None,
    formats: Formats = None,
    overlapping: Overlapping = False,
    at: At = None,
    before: Before = None,
    deleted: Deleted = False,
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
    profile: Annotated[
        Audience | None,
        typer.Option(
            "--profile",
            metavar="exact|people",
            help="For machines (the default), or safe to open in a spreadsheet.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", metavar="CHAR", help="Between the columns of a CSV.", rich_help_panel=TABLES)
    ] = None,
    bom: Annotated[bool, typer.Option("--bom", help="Begin a CSV with a byte order mark.", rich_help_panel=TABLES)] = False,
    rows_in_period: Annotated[
        bool,
        typer.Option(
            "--rows-in-period", help="Of tables, only the rows of the period, by their column of times.", rich_help_panel=TABLES
        ),
    ] = False,
    time_column: Annotated[
        str | None, typer.Option("--time-column", metavar="NAME", help="That column, if not found.", rich_help_panel=TABLES)
    ] = None,
    header: Header = None,
    sheets: Sheets = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="One table out of all of them, with a column `source`.", rich_help_panel=TABLES)
    ] = False,
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
    from_copy: FromCopy = None,
    config: Config = None,
    repository: Repository = None,
    identity: Identity = None,
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
    tables = TableOptions(
        format=as_.value if as_ and as_.value != PAGES else None,
        profile=profile,
        delimiter=delimiter,
        bom=bom,
        rows_in_period=rows_in_period,
        time_column=time_column,
        header=header,
        sheets=tuple(sheets or ()),
        merge=merge,
    )
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
    request.check(periods=bool(periods))
    if all_projects:
        patterns = [*([] if project is None else [project]), *(patterns or [])]
    elif project is None:
        raise UsageError(
            "missing project: name one, or use --all-projects", hint="`strongroom project list` names those there are"
        )
    options = SelectionOptions(
        patterns, paths, kinds, periods, formats, overlapping, at, deleted, source, before, parse_versions(versions)
    )
    with opened_to_read(config, identity, address=repository, copy=from_copy) as opened:
        if all_projects:
            restore_all(opened, options, request)
        else:
            restore_project(opened, prompts.project(opened, project or ""), options, request)
