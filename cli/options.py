"""Options that several commands have, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.progress import ProgressStyle
from strongroom import environment

GLOBAL = "Global options, before or after the command"
ITEMS = "Which items"
MOMENT = "As of when"
TABLES = "Tables"
DESTINATION = "Where to"
CONFLICTS = "When something is there already"
BUCKET = "Buckets (S3)"
"""Panels of the help, by subject."""

EXIT_CODES = """Exit codes: 0 done, 1 error, 2 usage, 3 done with problems, 10 no repository, 11 busy, 12 key refused,
20 damaged, 21 refused by a rule, 30 storage, 130 interrupted."""

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The settings file (else $STRONGROOM_CONFIG, ./strongroom.toml, …).",
        rich_help_panel=GLOBAL,
    ),
]
Repository = Annotated[
    str | None,
    typer.Option(
        "--repository",
        metavar="ADDRESS",
        help="A repository by its address alone, without settings: a folder, or s3://bucket/prefix (with "
        "?endpoint=URL&region=NAME behind it).",
        envvar="STRONGROOM_REPOSITORY",
        rich_help_panel=GLOBAL,
    ),
]
Identity = Annotated[
    list[Path] | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="An identity file instead of the settings' one; may be given again.",
        envvar="STRONGROOM_IDENTITY",
        rich_help_panel=GLOBAL,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on stdout.", envvar="STRONGROOM_JSON", rich_help_panel=GLOBAL),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Say less: no progress, no summary of a backup or a drill.",
        envvar="STRONGROOM_QUIET",
        rich_help_panel=GLOBAL,
    ),
]
ShowProgress = Annotated[
    ProgressStyle | None,
    typer.Option(
        "--progress",
        metavar="bar|plain|json|none",
        help="How progress is shown, on stderr. Default: a bar on a terminal, elsewhere a line now and then.",
        envvar=environment.PROGRESS,
        rich_help_panel=GLOBAL,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say what is being done.", envvar="STRONGROOM_VERBOSE", rich_help_panel=GLOBAL),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="Say that with times, and every request to the store.",
        envvar="STRONGROOM_DEBUG",
        rich_help_panel=GLOBAL,
    ),
]
LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        help="Append what is said, and what is being done, to this file.",
        envvar="STRONGROOM_LOG_FILE",
        rich_help_panel=GLOBAL,
    ),
]
Shares = Annotated[
    int | None,
    typer.Option("--shares", metavar="N", help="The recovery kit in so many shares, word lists by SLIP-39, at most 16."),
]
Threshold = Annotated[
    int | None, typer.Option("--threshold", metavar="M", help="With --shares: so many of them open everything, at least 2.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", envvar="STRONGROOM_YES", rich_help_panel=GLOBAL)]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="As it was then: 2026-11-01 (its end), '2026-11-01 14:30', '3 days ago', a snapshot's id. Default: now.",
        rich_help_panel=MOMENT,
    ),
]
Before = Annotated[
    str | None,
    typer.Option(
        "--before",
        metavar="TIME",
        help="As it was right before then: a day's beginning, a moment, a snapshot's id.",
        rich_help_panel=MOMENT,
    ),
]
Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", help="Only this source of the project.", rich_help_panel=ITEMS),
]
Patterns = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATTERN", help="Paths (KIND/…) or globs; a folder means all in it. Default: everything."),
]
Paths = Annotated[
    list[str] | None,
    typer.Option("--path", metavar="GLOB", help="Like PATTERN; may be given again.", rich_help_panel=ITEMS),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only reports, tickets, raw, …; may be given again.", rich_help_panel=ITEMS),
]
Periods = Annotated[
    list[str] | None,
    typer.Option(
        "--period",
        metavar="PERIOD",
        help="What it is about: 2024, 2024-Q3, 2024-05, 2024-W20, 2024-05-17, 2024-05-01..2024-06-15, 2024-05.., last-month, "
        "yesterday; may be given again.",
        rich_help_panel=ITEMS,
    ),
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help="Only csv, xlsx, pdf, …, told by content; may be repeated.",
        rich_help_panel=ITEMS,
    ),
]
Overlapping = Annotated[
    bool,
    typer.Option(
        "--overlapping/--within",
        help="Take what touches the period, or only what lies within it (the default).",
        rich_help_panel=ITEMS,
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="The first row of a CSV names its columns, or is data. Default: what the source's setting `header` says, else "
        "what it looks like.",
        rich_help_panel=TABLES,
    ),
]
Sheets = Annotated[
    list[str] | None,
    typer.Option(
        "--sheet",
        metavar="NAME|NUMBER",
        help="Of workbooks (XLSX, ODS) only this sheet, of SQLite files only this table: by its name, or its place from 1 on; "
        "may be given again.",
        rich_help_panel=TABLES,
    ),
]
Deleted = Annotated[
    bool,
    typer.Option("--deleted", help="What the source no longer has, instead of what it has.", rich_help_panel=ITEMS),
]
