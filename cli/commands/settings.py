"""`strongroom settings …`: whether the settings file is right, what applies, and an example."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import environment, output, settings, workplace
from cli.options import EXIT_CODES, Config, Json
from vault.wording import counted

if TYPE_CHECKING:
    from cli.settings.faults import Placed

WIDEST_SETTING = 48
"""Characters of the column of settings; one long value does not push the origins of all others off the screen."""

app = typer.Typer(help="The settings file: is it right, what applies, an example.", no_args_is_help=True, rich_markup_mode=None)


@app.command("check", epilog=EXIT_CODES)
def check(config: Config = None, as_json: Json = False) -> None:
    """Read the settings and tell all that is wrong with them, then what looks odd: folders that are not there, promises that
    the schedule cannot keep, retention that is shorter than 90 days.

    Ends with exit code 1 where anything is wrong; what is odd is told and changes nothing.
    """
    from cli.settings.faults import Faulty

    file = settings.find(config)
    try:
        errors, warnings = _looked_at(settings.load(file))
    except Faulty as error:
        errors, warnings = error.faults, ()
    if as_json:
        output.document(
            {
                "file": str(file),
                "errors": [one.as_json() for one in errors],
                "warnings": [one.as_json() for one in warnings],
            }
        )
    else:
        for word, found in (("error", errors), ("warning", warnings)):
            for one in found:
                output.result(f"{word}: {one.sentence()}{f' ({one.fault.hint})' if one.fault.hint else ''}")
        output.result(f"{file}: {counted(len(errors), 'error')}, {counted(len(warnings), 'warning')}")
    if errors:
        raise typer.Exit(1)


def _looked_at(found: settings.Settings) -> tuple[Sequence[Placed], Sequence[Placed]]:
    from cli.settings import oddities
    from cli.settings.faults import placed
    from cli.settings.places import places

    known = places(found.text)
    now = workplace.services().clock.now()
    return placed(oddities.failing(found), known), placed(oddities.odd(found, now), known)


@app.command("show", epilog=EXIT_CODES)
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Also where each value came from.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Every setting that applies: what the file says, what projects have from [defaults], what nobody has said."""
    from cli.settings.origin import entries

    file = settings.find(config)
    found = list(entries(settings.load(file)))
    if as_json:
        rows = [
            {"key": list(one.key), "value": _plain(one.value)} | ({"origin": one.origin.as_json()} if origin else {})
            for one in found
        ]
        output.document({"file": str(file), "settings": rows})
    elif origin:
        output.notice(f"{file}, {_chosen(config)}")
        width = min(WIDEST_SETTING, max(len(one.text()) for one in found))
        output.result(f"{'SETTING'.ljust(width)}  ORIGIN")
        for one in found:
            output.result(f"{one.text().ljust(width)}  {one.origin.text(file)}")
    else:
        for one in found:
            output.result(one.text())


@app.command("example", epilog=EXIT_CODES)
def example() -> None:
    """A settings file with a word on everything."""
    from cli.settings.example import EXAMPLE

    with output.standard_output():
        typer.echo(EXAMPLE, nl=False)


def _chosen(config: Path | None) -> str:
    """How the settings file was found."""
    if config is not None:
        return "named by --config"
    return "named by STRONGROOM_CONFIG" if environment.variable("STRONGROOM_CONFIG") else "found where settings may lie"


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever a setting may be)
    return str(value) if isinstance(value, Path) else value
