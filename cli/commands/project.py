"""`strongroom project …`: the clients whose data is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.commands import project_changes, project_erase
from cli.options import EXIT_CODES, Config, Identity, Json, Repository
from strongroom import context, environment
from strongroom.settings.value_types import KIND
from vault.errors import SourceError, UsageError
from vault.wording import quoted

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings

DONE_WITH_PROBLEMS = 3

app = typer.Typer(help="The clients whose data is kept: each has keys of its own.", no_args_is_help=True, rich_markup_mode=None)

app.command("show", epilog=EXIT_CODES)(project_changes.show)
app.command("rename", epilog=EXIT_CODES)(project_changes.rename)
app.command("move-source", epilog=EXIT_CODES)(project_changes.move_source)
app.command("erase", epilog=EXIT_CODES)(project_erase.erase)

SourceTexts = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="KIND=PATH", help="A folder: reports=/srv/reports. May be given again."),
]
Patterns = Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="In gitignore's grammar; may be given again.")]

Layouts = Annotated[
    list[str] | None,
    typer.Option(
        "--layout",
        metavar="LAYOUT",
        help="How paths say their period: '{year}/{month:02}/report-{day:02}.csv'. May be given again.",
    ),
]
TimeColumn = Annotated[
    str | None, typer.Option("--time-column", metavar="NAME", help="The column of times of tables whose paths tell no period.")
]
Zone = Annotated[
    str | None,
    typer.Option("--zone", metavar="ZONE", help="The time zone: Europe/Kyiv. Default: [defaults], or this machine's."),
]


@app.command("add", epilog=EXIT_CODES)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    source: SourceTexts = None,
    include: Patterns = None,
    exclude: Patterns = None,
    layout: Layouts = None,
    time_column: TimeColumn = None,
    zone: Zone = None,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Add a project: new keys, wrapped to your identity and to the recovery kit, and its sources in the settings.

    Sources can be added later: see `strongroom source add`.
    """
    from strongroom.new_project import add_project

    more = {"include": include, "exclude": exclude, "layout": layout, "time_column": time_column}
    sources = _sources(source or [], {name: value for name, value in more.items() if value})
    with context.opened(config, identity) as opened:
        made = add_project(opened, name, sources, zone)
    if as_json:
        output.document("project-add/1", made.as_json())
        return
    output.result(f"Project {name} has the id {made.project.id}; its objects lie under projects/{made.project.id}/.")
    if not made.recoverable:
        output.notice("notice: the settings name no recovery recipient, so only this identity opens the project")
        output.notice("hint: make a recovery kit with `strongroom keys kit`")
    if sources:
        output.result(f"Next: strongroom backup {quoted(name)}")
    else:
        output.result(f"Next: strongroom source add {quoted(name)} KIND URL")


@app.command("list", epilog=EXIT_CODES)
def list_(config: Config = None, repository: Repository = None, identity: Identity = None, as_json: Json = False) -> None:
    """The projects that your identity opens."""
    with context.opened(config, identity, address=repository) as opened:
        found = [project.capability for project in opened.available([])]
        rows = [
            {
                "project": one.name,
                "project_id": one.project,
                "capability": one.kind,
                "sources": [source.name for source in opened.settings.projects.get(one.name, ())],
            }
            for one in found
        ]
    if as_json:
        output.document("project-list/1", {"projects": rows, "refused": [one.as_json() for one in opened.refused]})
    else:
        cells = [
            (str(r["project"]), str(r["project_id"]), str(r["capability"]), ", ".join(map(str, r["sources"]))) for r in rows
        ]
        output.table(cells, ["PROJECT", "ID", "CAPABILITY", "SOURCES"])
    if opened.refused:
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _sources(texts: list[str], more: dict[str, object]) -> list[SourceSettings]:
    """more: what all of them have."""
    from strongroom.settings.projects import SourceSettings
    from strongroom.settings.reader import made
    from vault.source.patterns import Rules

    sources: list[SourceSettings] = []
    for text in texts:
        kind, equals, path = text.partition("=")
        if not equals or not path or not KIND.match(kind):
            raise UsageError(
                f"invalid source {text!r}: expected KIND=PATH",
                hint="for example --source reports=/srv/reports; kinds are small letters",
            )
        folder = environment.without_steps_up(Path(path).expanduser().absolute())
        if not folder.is_dir():
            raise SourceError(f"the source {folder} is not a folder", hint="is it mounted, and is the path right?")
        same = sum(source.kind == kind for source in sources)
        values = {"name": f"{kind}-{same + 1}" if same else kind, "kind": kind, "path": folder, **more}
        sources.append(made(SourceSettings, values))
        # a pattern that is none is told now, not at the first backup
        Rules(include=sources[-1].include, exclude=sources[-1].exclude)
    return sources
