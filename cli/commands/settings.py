"""`strongroom settings …`: whether the settings file is right, what applies, changing it, and the way back to a lost one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import output, progress, terminal_layout
from cli.commands import settings_edit
from cli.options import EXIT_CODES, Config, Identity, Json, Repository
from strongroom import context, environment, settings
from vault import wording
from vault.errors import RefusedByRule, UsageError
from vault.problems import printable
from vault.wording import counted

if TYPE_CHECKING:
    from strongroom.settings.origin import SettingOrigin
    from strongroom.settings_restore import Choice, Copies, Found, SettingsNeeds

DONE_WITH_PROBLEMS = 3

WIDEST_SETTING = 48
"""Characters of the column of settings; one long value does not push the origins of all others off the screen."""

app = typer.Typer(
    help="The settings file: is it right, what applies, changing it, an example, bringing a lost one back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


app.command("edit", epilog=EXIT_CODES)(settings_edit.edit)
app.command("migrate", epilog=EXIT_CODES)(settings_edit.migrate)


@app.command("check", epilog=EXIT_CODES)
def check(config: Config = None, as_json: Json = False) -> None:
    """Read the settings and tell all that is wrong with them, then what looks odd: folders that are not there, promises that
    the schedule cannot keep, retention that is shorter than 90 days.

    Ends with exit code 1 where anything is wrong; what is odd is told and changes nothing.
    """
    from strongroom.settings import edit as editing

    file = settings.find(config)
    checked = editing.check(file, settings.read_text(file), environment.services().clock.now())
    errors, warnings = checked.errors, checked.warnings
    if as_json:
        output.document(
            "settings-check/1",
            {
                "file": str(file),
                "errors": [one.as_json() for one in errors],
                "warnings": [one.as_json() for one in warnings],
            },
        )
    else:
        for word, found in (("error", errors), ("warning", warnings)):
            for one in found:
                output.result(f"{word}: {one.sentence()}{f' ({one.fault.hint})' if one.fault.hint else ''}")
        output.result(f"{file}: {counted(len(errors), 'error')}, {counted(len(warnings), 'warning')}")
    if errors:
        raise typer.Exit(1)


@app.command("show", epilog=EXIT_CODES)
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Also where each value came from.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Every setting that applies: what the file says, what projects have from [defaults], what nobody has said."""
    from strongroom.settings.errors import written
    from strongroom.settings.origin import entries

    file = settings.find(config)
    found = list(entries(settings.load(file)))
    if as_json:
        rows = [
            {"setting": written(one.key), "key": list(one.key), "value": _plain(one.value)}
            | ({"origin": one.origin.as_json()} if origin else {})
            for one in found
        ]
        output.document("settings-show/1", {"file": str(file), "settings": rows})
    elif origin:
        output.notice(f"{file}, {_chosen(config)}")
        width = min(WIDEST_SETTING, max(len(one.text()) for one in found))
        output.result(f"{'SETTING'.ljust(width)}  ORIGIN")
        for one in found:
            output.result(f"{_text(one).ljust(width)}  ", one.origin.text(file))
    else:
        for one in found:
            output.result(_text(one))
    if not as_json and any(_text(one) != one.text() for one in found):
        output.notice("recipients are shown by their ends; --json has them whole")


def _text(one: SettingOrigin) -> str:
    return terminal_layout.shortened(one.text(), terminal_layout.width_of(sys.stdout))


@app.command("example", epilog=EXIT_CODES)
def example() -> None:
    """A settings file with a word on everything."""
    from strongroom.settings.example import EXAMPLE

    with output.standard_output():
        typer.echo(EXAMPLE, nl=False)


@app.command("restore", epilog=EXIT_CODES)
def restore(
    to: Annotated[
        str, typer.Option("--to", metavar="FILE", help="Where it goes; - for stdout. Default: strongroom.toml.")
    ] = "strongroom.toml",
    host: Annotated[str | None, typer.Option("--host", metavar="NAME", help="Of the machine of this name.")] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="As they were then: 2026-11-01, '3 days ago', or a copy's id. Default: now."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Over the file that is there.")] = False,
    unverified: Annotated[bool, typer.Option("--unverified", help="Also a copy of which nothing proves who wrote it.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show which copies there are, and write nothing.")] = False,
    repository: Repository = None,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Bring the settings file back out of the repository, which has a sealed copy of it.

    `init`, `project add` and every `backup` write a new copy when the settings have changed. The recovery kit opens it, and the
    identity that adds projects. Files that settings name (identities, URLs) are not in the copy: the command says which of them
    are missing on this machine, and which commands the settings will run.
    """
    from strongroom import settings_restore

    choice = settings_choice(host, at, unverified=unverified)
    with context.opened(config, identity, brief=True, address=repository) as opened:
        with progress.phase("reading copies", project="settings", as_json=as_json):
            copies = settings_restore.copies(opened)
        if listing:
            _list(copies, as_json=as_json)
            return
        found = choice.of(copies)
        if to == "-":
            with output.standard_output():
                typer.echo(found.copy.text, nl=False)
            return
        file = Path(to).expanduser()
        needs = settings_restore.needs(opened, found, file.absolute())
        _write(file, found.copy.text, replace=replace)
    if as_json:
        document = {"file": str(file), "restored": str(file), "copy": found.as_json()} | needs.as_json()
        output.document("settings-restore/1", document)
    else:
        _report(file, found, needs)


def settings_choice(host: str | None, at: str | None, *, unverified: bool) -> Choice:
    """Which copy of settings a command's options mean. Raises `UsageError` for what is no moment."""
    from zoneinfo import ZoneInfo

    from strongroom import time_parsing
    from strongroom.settings_restore import Choice
    from vault.format.layout import is_snapshot_id

    if at is None or is_snapshot_id(at):
        return Choice(host, at, None, unverified)
    zone = ZoneInfo(environment.time_zone() or "UTC")
    return Choice(host, None, time_parsing.moment(at, zone, environment.services().clock.now()), unverified)


def _write(file: Path, text: str, *, replace: bool) -> None:
    """A file that only its owner may read. Raises `RefusedByRule` where one is there, `UsageError`."""
    from strongroom import identities

    if not replace and file.exists():
        raise RefusedByRule(f"{file} exists; it was left alone", hint="name another file with --to, or say --replace")
    if not replace:
        identities.write_secret(file, text.encode())
        return
    half = file.with_name(f".{file.name}.{environment.services().randomness.token(4).hex()}")
    identities.write_secret(half, text.encode())
    try:
        half.replace(file)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="name another file with --to") from error


def _report(file: Path, found: Found, needs: SettingsNeeds) -> None:
    copy = found.copy
    output.result(
        f"{file}: the settings of {printable(copy.host.encode())} ({printable(copy.file.encode())}), as of "
        f"{wording.moment(copy.written_at)}"
    )
    for key, text in needs.missing.items():
        output.notice(f"missing on this machine: {key}: {printable(text.encode('utf-8', 'surrogateescape'))}")
    for key, text in needs.commands.items():
        output.notice(f"will run a command: {key}: {printable(text.encode())}")
    for note in needs.notes:
        output.notice(f"notice: {note}")


def _list(copies: Copies, *, as_json: bool) -> None:
    if as_json:
        problems = [one.as_json() for one in copies.problems]
        found = [one.as_json() for one in copies.found]
        output.document(
            "settings-copies/1", {"copies": found, "unopened": copies.unopened, "problem_list": problems, "problems": problems}
        )
    else:
        rows = [
            (
                one.copy.id,
                wording.moment(one.copy.written_at),
                printable(one.copy.host.encode()),
                printable(one.copy.file.encode()),
                str(len(one.as_json()["projects"])),
                "yes" if one.verified else "no",
            )
            for one in copies.found
        ]
        output.table(rows, ["ID", "WRITTEN", "HOST", "FILE", "PROJECTS", "VERIFIED"], right=[4])
        if copies.unopened:
            output.notice(f"notice: {counted(copies.unopened, 'copy', 'copies')} encrypted for others")
        output.problems(copies.problems)
    if copies.problems:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _chosen(config: Path | None) -> str:
    """How the settings file was found."""
    if config is not None:
        return "named by --config"
    return "named by STRONGROOM_CONFIG" if environment.variable("STRONGROOM_CONFIG") else "found where settings may lie"


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever a setting may be)
    return str(value) if isinstance(value, Path) else value
