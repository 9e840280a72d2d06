"""`strongroom source add|list|test`: where items come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.options import EXIT_CODES, Config, Identity, Json, Yes
from strongroom import context, source_move
from strongroom import settings as settings_module
from vault import wording
from vault.errors import UsageError
from vault.problems import printable
from vault.wording import counted, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.source_probe import SourceProbe
    from strongroom.source_settings import ListedSource
    from vault.rate_limits import RateLimits

DONE_WITH_PROBLEMS = 3
GAPS_SHOWN = 10
SAME_CLOCK = 2.0
"""Seconds."""

app = typer.Typer(
    help="Where items come from: folders, databases, buckets, commands.", no_args_is_help=True, rich_markup_mode=None
)

ProjectName = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name.")]
Patterns = Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="In gitignore's grammar; may be given again.")]


@app.command("add", epilog=EXIT_CODES)
def add(
    project: ProjectName,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Of its items: reports, tickets, raw or another.")],
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="A folder, or an address: command:…, sqlite:FILE, postgresql://…, mariadb://…; see docs/sources.md.",
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Unique in the project. Default: the kind.")
    ] = None,
    time_column: Annotated[
        str | None,
        typer.Option("--time-column", metavar="NAME", help="The column of times by which tables are cut into periods."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="What this kind of source knows; may be given again."),
    ] = None,
    include: Patterns = None,
    exclude: Patterns = None,
    yes: Yes = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Add a source to a project, in the settings.

    Secrets are never in the settings, in an argument or in a URL: an option names a file that holds one, or a command that
    prints it.
    """
    from strongroom.source_settings import add_source, plan_source

    more = {"time_column": time_column, "options": _options(option or []), "include": include, "exclude": exclude}
    with context.opened(config, identity) as opened:
        said = {key: value for key, value in more.items() if value}
        planned = plan_source(opened, project, kind, url, name=name, more=said)
        file = opened.settings.file
        if not as_json:
            output.result(f"{project}/{planned.source.name}: {planned.source.place}, items of kind {planned.source.kind}")
        prompts.confirm(f"Change {file}?", yes=yes)
        add_source(opened, planned)
        running = source_move.daemon_runs(opened)
    if as_json:
        output.document("source-add/1", planned.as_json())
    else:
        words = f"{quoted(project)} {quoted(planned.source.name)}"
        output.result(f"Next: strongroom source test {words}")
    if running:
        output.notice("the daemon must read the settings anew: `systemctl reload strongroom`, or send it SIGHUP")


@app.command("list", epilog=EXIT_CODES)
def list_(
    projects: Annotated[list[str] | None, typer.Argument(metavar="PROJECT", help="Default: all of the settings.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """The sources that the settings name."""
    from strongroom.source_settings import listed

    found = list(listed(settings_module.load(settings_module.find(config)), projects or []))
    if as_json:
        output.document("source-list/1", {"sources": [one.as_json() for one in found]})
        return
    output.table([_cells(one) for one in found], ["PROJECT", "SOURCE", "KIND", "WHERE"])


@app.command("test", epilog=EXIT_CODES)
def test(
    project: ProjectName,
    source: Annotated[str | None, typer.Argument(metavar="SOURCE", help="Default: all of the project.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Connect to a source and show what a backup would take; nothing is written.

    One item is read. Of a table the first row is shown, with its letters and digits masked. What the credentials may not do is
    named, and of servers what they say of limits: how many requests were refused as too many, and headers such as Retry-After.
    """
    from strongroom.source_probe import probe_source

    settings = settings_module.load(settings_module.find(config))
    if project not in settings.projects:
        raise UsageError(f"{settings.file} names no project {project!r}", hint=f"there are: {', '.join(settings.projects)}")
    chosen = [one for one in settings.projects[project] if source in (None, one.name)]
    if not chosen:
        there = ", ".join(one.name for one in settings.projects[project]) or "none"
        raise UsageError(f"project {project!r} has no source {source!r}", hint=f"there are: {there}")
    results = [probe_source(settings, project, one) for one in chosen]
    if as_json:
        output.document("source-test/1", {"sources": [one.as_json() for one in results]})
    for one in results:
        if not as_json:
            for line in _in_words(one):
                output.result(line)
        output.problems(one.problems)
        if one.error is not None:
            output.failure(one.error)
    errors = [one.error.exit_code for one in results if one.error is not None]
    if errors:
        raise typer.Exit(errors[0])
    if any(one.problems for one in results):
        raise typer.Exit(DONE_WITH_PROBLEMS)


def _clock(difference: float) -> str:
    """How far a server's clock is from ours."""
    if abs(difference) < SAME_CLOCK:
        return "the server's is as ours"
    return f"the server's is {counted(round(abs(difference)), 'second')} {'ahead of' if difference > 0 else 'behind'} ours"


def _limits(limits: RateLimits) -> str:
    """How many requests the settings let go out, and what the server made of them."""
    own = "none of ours" if limits.per_second is None else f"at most {limits.per_second:g} a second, by the settings"
    sent = f"{counted(limits.requests, 'request')} sent"
    if not limits.refusals:
        return f"{own}; {sent}, none was refused as one too many"
    wait = f", and asked to wait {wording.duration(limits.longest_wait)}" if limits.longest_wait else ""
    return f"{own}; {sent}, the server refused {limits.refusals} as too many{wait}"


def _count(name: str, count: int | None) -> str:
    """How many records of a sort there are."""
    return f"{name} (how many is not said)" if count is None else f"{name} {count:,}".replace(",", " ")


def _options(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UsageError("invalid option: expected KEY=VALUE", hint="for example --option timeout=2h")
        found[key] = value
    return found


def _cells(one: ListedSource) -> tuple[str, str, str, str]:
    return one.project, one.source.name, one.source.kind, one.source.place


def _in_words(one: SourceProbe) -> Iterator[str]:
    yield f"{one.project}/{one.source}: {one.place}"
    for right in one.missing_rights[:GAPS_SHOWN]:
        yield f"  missing   {printable(right.path)}: {right.message}" if right.path else f"  missing   {right.message}"
    if one.coverage is None:
        return
    size = "sizes are known once they are read" if one.size is None else wording.size(one.size)
    if one.record_counts:
        yield f"  records   {', '.join(_count(*pair) for pair in one.record_counts)}"
    else:
        yield f"  takes     {counted(one.files, 'file')}, {size}"
    yield f"  entities  {', '.join(entity.name for entity in one.coverage.entities)}"
    moment = "all of one moment" if one.coverage.one_moment else "each item of its own moment"
    yield f"  moment    {moment}"
    yield from _about_its_server(one)
    for gap in one.coverage.gaps[:GAPS_SHOWN]:
        yield f"  gap       {gap}"
    if one.sample_of:
        yield f"  read      {wording.size(one.read_bytes)} of {printable(one.sample_of)}"
    for cell in one.sample:
        yield f"    {cell.column} ({cell.type}): {cell.masked}"


def _about_its_server(one: SourceProbe) -> Iterator[str]:
    if one.clock_difference is not None:
        yield f"  clock     {_clock(one.clock_difference)}"
    if one.rate_limits is not None:
        yield f"  limits    {_limits(one.rate_limits)}"
        for name, value in one.rate_limits.stated:
            yield f"    {name}: {value}"
    for note in one.notes:
        yield f"  note      {note}"
