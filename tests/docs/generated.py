"""The pages that follow from the code: `python -m tests.docs.generated` writes them, a test keeps them fresh.

docs/cli.md       every command, argument and option, from the typer application
docs/errors.md    every error with its exit code and hint, from the tree in `vault.errors`
docs/settings.md, docs/settings.schema.json    every setting, from the models in `strongroom.settings`
docs/modules.md   every module, from its docstring
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

from cli import help_pages
from cli.command_classes import global_options
from cli.main import app
from cli.options import EXIT_CODES, GLOBAL
from tests.docs import modules_page, settings_page
from tests.docs.pages import DOCS
from vault import errors
from vault.age import errors as age_errors

NOTE = "Made from the code by `python -m tests.docs.generated`; a test keeps it fresh."

JSON = """With `--json` a command writes one JSON document to stdout, refusals too. In all of them `project` is a project's name
and `project_id` its id; moments are ISO 8601 in UTC; sizes are bytes, and durations are seconds. Each document names its
schema: [what they have in common, and where the schemas are](json.md). Long commands show progress on stderr;
`--progress bar|plain|json|none`, or `STRONGROOM_PROGRESS`, chooses how ([progress](json.md#progress)).
Colours are for terminals: `NO_COLOR` takes them away, `FORCE_COLOR` brings them into pipes."""

GLOBAL_OPTIONS = """They stand before or after the command: `strongroom --json list` is `strongroom list --json`. Each has a
variable, for containers, units and cron; what is typed goes before it, and `STRONGROOM_REPOSITORY` before
`STRONGROOM_CONFIG`. Several files in `STRONGROOM_IDENTITY` stand with a colon between them. Options without a value are
switched on by `1`, `true`, `yes` or `on`. No variable holds a secret: identities are files, and S3 credentials come from where
the AWS tools find them. The daemon passes none of `STRONGROOM_JSON`, `STRONGROOM_QUIET`, `STRONGROOM_VERBOSE`,
`STRONGROOM_DEBUG`, `STRONGROOM_YES` and `STRONGROOM_REPOSITORY` on to the runs that it starts."""

VERBOSITY = """`--quiet` leaves out progress, what is only worth knowing, and the summary of a backup or a drill. `--verbose`
says what is being done: settings, repository, identities, phases. `--debug` says it with times, and every request to the store.
`--log-file` appends the same to a file that only its owner may read (at least what `--verbose` says), each line with its moment
and the number of the process, and how the command ended; passwords in addresses are left out, and keys and passphrases are
never among what is said."""

HELP_ROWS = [
    "| `-h, --help` | Show the help of the command. | |",
    "| `-V, --version` | Show the version (of `strongroom` itself). | |",
]

VARIABLES = {"config": "STRONGROOM_CONFIG"} | {one.name: one.envvar for one in global_options() if one.envvar}

BAR = "\\|"

MEANINGS = {
    0: "done",
    1: "an error without a code of its own",
    2: "usage: what was asked makes no sense, and nothing was tried",
    3: "done with problems: each is named, and the rest is done",
    10: "no repository at this address",
    11: "busy: somebody else's work is in the way",
    12: "key refused",
    20: "damaged",
    21: "refused by a rule",
    30: "storage",
    130: "interrupted by Ctrl-C or SIGTERM",
}


@cache
def commands() -> dict[str, Any]:
    """Every command that can be run, by its words: `project add`."""
    return dict(_leaves(typer.main.get_command(app), ()))


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None or command.invoke_without_command:
        yield " ".join(words), command
    if inner is None:
        return
    for name, one in inner.items():
        yield from _leaves(one, (*words, name))


def option_names(command: Any) -> set[str]:
    """Every way to write an option of a command."""
    return {"--help"} | {name for option in _options(command) for name in (*option.opts, *option.secondary_opts)}


def _options(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option"]


def cli_page() -> str:
    """docs/cli.md."""
    parts = [f"# Commands\n\n{NOTE}\n\n{_paragraph(EXIT_CODES)} What each means: [errors](errors.md).\n\n{JSON}\n"]
    parts.append(f"## Global options\n\n{GLOBAL_OPTIONS}\n\n{_global_options()}\n\n{VERBOSITY}\n")
    parts += [_command(command) for command in commands().values()]
    return "\n".join(parts)


def _command(command: Any) -> str:
    page = help_pages.of_command(command)
    shown = "\n".join(f"# {one.explanation}\n{one.command}" for one in page.examples)
    text = "\n\n".join(map(_text, (page.summary, *page.details)))
    parts = [f"## {page.name}\n\n```\n{page.usage}\n```\n\n{text}\n\n```sh\n{shown}\n```\n"]
    everywhere = _global_entries()
    for section in page.sections:
        own = [one for one in section.entries if one not in everywhere]
        if own:
            parts.append(f"{section.title if section.title != GLOBAL else help_pages.OPTIONS}:\n\n{_table(own)}")
    given = [one for section in page.sections for one in section.entries if one in everywhere]
    names = ", ".join(f"`{_longest(one.written)}`" for one in given)
    parts.append(f"Global options: {names}.\n")
    return "\n".join(parts)


def _global_options() -> str:
    rows = [
        f"| `{help_pages.written(one)}` | {_text(one.help)} | {f'`{VARIABLES[one.name]}`' if one.name in VARIABLES else ''} |"
        for one in global_options()
    ]
    return "\n".join(["| option | what it does | variable |", "| --- | --- | --- |", *rows, *HELP_ROWS])


def _global_entries() -> set[help_pages.HelpEntry]:
    found = {help_pages.HelpEntry(help_pages.written(one), help_pages.explained(one)) for one in global_options()}
    return found | {help_pages.HelpEntry("-h, --help", "Show this help.")}


def _table(entries: list[help_pages.HelpEntry]) -> str:
    rows = [f"| `{one.written.replace('|', BAR)}` | {_text(one.help)} |" for one in entries]
    return "\n".join(["| | |", "| --- | --- |", *rows]) + "\n"


def _longest(written: str) -> str:
    return next(word.strip(",") for word in written.split() if word.startswith("--"))


def _text(text: str | None) -> str:
    return "\n\n".join(_paragraph(one) for one in (text or "").split("\n\n")).replace("|", "\\|")


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def all_errors() -> list[type[errors.StrongroomError]]:
    """The tree, depth first, in the order in which it is written down. age's own follow theirs."""
    known = {one for module in (errors, age_errors) for one in vars(module).values() if isinstance(one, type)}
    return [one for one in _below(errors.StrongroomError) if one in known]


def _below(one: type[errors.StrongroomError]) -> Iterator[type[errors.StrongroomError]]:
    yield one
    for inner in one.__subclasses__():
        yield from _below(inner)


def errors_page() -> str:
    """docs/errors.md."""
    codes = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    rows = [
        f"| `{one.__name__}` | `{one('').what}` | {one.exit_code} | {_first(one)} | {one.hint or ''} |" for one in all_errors()
    ]
    return "\n".join(
        [
            "# Errors and exit codes\n",
            f"{NOTE}\n",
            "An error ends a command: `strongroom: error: …` on stderr, then `hint: …` where there is one, and its exit code.",
            "With `--json` stdout has a document with `error` too. A *problem* ends nothing: it is one item's trouble, and the",
            "run that met it exits 3. What to do about each code: [operations](operations.md#when-something-is-wrong).\n",
            "| exit code | meaning |",
            "| --- | --- |",
            *codes,
            "\n## The tree\n",
            "`python -m tests.docs.messages` prints all messages and hints of the source as one text.\n",
            "| error | `what` in [JSON](json.md) | exit code | meaning | hint where the place of the error has no better one |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _first(one: type[errors.StrongroomError]) -> str:
    return _paragraph((one.__doc__ or "").split("\n\n")[0])


def generated() -> dict[Path, str]:
    """Each page and what belongs in it."""
    return {
        DOCS / "cli.md": cli_page(),
        DOCS / "errors.md": errors_page(),
        DOCS / "settings.md": settings_page.page(NOTE),
        DOCS / "settings.schema.json": settings_page.schema(),
        DOCS / "modules.md": modules_page.page(NOTE),
    }


if __name__ == "__main__":
    for page, text in generated().items():
        page.write_text(text, "utf-8")
