"""`strongroom cache …`: what this machine keeps of repositories so that commands are fast, and clearing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.options import EXIT_CODES, Config, Json, Repository
from strongroom import settings
from vault import wording
from vault.errors import SettingsError, UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from strongroom.cache import Cleared
    from strongroom.settings import Settings
    from vault.errors import Busy

DONE_WITH_PROBLEMS = 3

app = typer.Typer(
    help="What this machine keeps of repositories so that commands are fast: how much, and clearing it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("info", epilog=EXIT_CODES)
def info(config: Config = None, repository: Repository = None, as_json: Json = False) -> None:
    """What the cache of each repository holds: objects as they are stored, history that was read, and whole copies of what is
    damaged or gone in the store; how large, since when, and when it was last used. The store is not asked.
    """
    from strongroom import cache, environment

    found = cache.info(_settings(config, repository))
    if as_json:
        output.document(
            "cache-info/1", {"folder": str(environment.cache_folder()), "repositories": [one.as_json() for one in found]}
        )
        return
    if not found:
        output.result(f"{environment.cache_folder()}: nothing is kept")
        return
    rows = [
        (
            one.address or one.repository,
            part.name,
            str(part.files),
            wording.size(part.size),
            _moment(part.oldest),
            _moment(part.last_used),
            "yes" if one.in_use else "no",
        )
        for one in found
        for part in one.parts
        if part.files or part.name == "objects"
    ]
    heads = ["REPOSITORY", "WHAT", "FILES", "SIZE", "OLDEST", "LAST USED", "IN USE"]
    output.tell_left_out(output.table(rows, heads, right=[2, 3], spare=[4, 6, 2]))
    total = wording.size(sum(one.size for one in found))
    output.result(f"{total} in {environment.cache_folder()}")


@app.command("clear", epilog=EXIT_CODES)
def clear(
    everything: Annotated[bool, typer.Option("--all", help="Of every repository, not only of the settings' one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and delete nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also whole copies of what is damaged or gone in the store: perhaps the last.")
    ] = False,
    config: Config = None,
    repository: Repository = None,
    as_json: Json = False,
) -> None:
    """Delete what this machine keeps of the settings' repository; the next commands fetch it anew.

    Whole copies of objects that are damaged or gone in the store stay, since a backup puts them back. A cache that a command is
    using is refused with exit code 11; with --all the others are cleared.
    """
    from strongroom import cache
    from vault.errors import Busy

    if everything and repository is not None:
        raise UsageError("--all and --repository exclude each other", hint="leave one of them out")
    named = _settings(config, repository)
    if everything:
        chosen = cache.info(named)
    else:
        chosen = cache.chosen(named if named is not None else settings.load(settings.find(config)))
    done: list[Cleared] = []
    busy: list[Busy] = []
    for one in chosen:
        try:
            done.append(cache.clear(one, force=force, dry_run=dry_run))
        except Busy as error:
            if not everything:
                raise
            busy.append(error)
    if as_json:
        found = {"dry_run": dry_run, "cleared": [one.as_json() for one in done], "busy": [error.as_json() for error in busy]}
        output.document("cache-clear/1", found)
    else:
        _show(done, busy, dry_run=dry_run)
    if busy or any(one.problems for one in done):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _show(done: list[Cleared], busy: Sequence[Busy], *, dry_run: bool) -> None:
    for one in done:
        would = "would be freed" if dry_run else "freed"
        output.result(f"{one.address or one.repository}: {wording.size(one.freed)} {would} ({counted(one.files, 'file')})")
        if one.kept:
            output.notice(
                f"{counted(one.kept, 'whole copy', 'whole copies')} of what is damaged or gone in the store kept; "
                "`strongroom check` says what becomes of them, --force deletes them"
            )
        for problem in one.problems:
            output.notice(f"problem: {printable(problem.path)}: {problem.message}")
    for error in busy:
        output.notice(f"left alone: {error}")
    if not done and not busy:
        output.result("nothing is kept")


def _settings(config: Path | None, repository: str | None) -> Settings | None:
    """Those that name a repository; None where there are none, which is no error here: caches are there without them."""
    if repository is not None:
        if config is not None:
            raise UsageError("--repository and --config exclude each other", hint="leave one of them out")
        return settings.of_address(repository)
    try:
        file = settings.find(config)
    except SettingsError:
        return None
    return settings.load(file)


def _moment(when: datetime | None) -> str:
    return "-" if when is None else wording.moment(when)
