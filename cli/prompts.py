"""Questions. The same things are asked about everywhere; where nobody can answer, the command refuses with the question and
its choices in the error.

confirmation        yes or no; `--yes` answers it, on a terminal as elsewhere
typed confirmation  the name of what will be gone for good; `--confirm NAME` answers it, and `--yes` does not
choice              a numbered list; the error names the option that chooses
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from msgspec.structs import replace

from cli import output
from strongroom import environment
from vault.errors import UsageError
from vault.problems import printable
from vault.wording import quoted

if TYPE_CHECKING:
    from restore.selection.select import Selection
    from strongroom.context import Context
    from strongroom.selection import AmbiguousSource
    from vault.repository.project import Project

MOST = 30
"""Choices that a person is shown; more are no choice."""


def choose(question: str, choices: Sequence[str]) -> int | None:
    """The number, from 0, of what a person chooses; None where nobody can be asked, or there is too much to choose from."""
    if not environment.is_interactive() or not 0 < len(choices) <= MOST:
        return None
    output.notice(question)
    for number, choice in enumerate(choices, 1):
        output.notice(f"  {number:>2}  {choice}")
    while True:
        typed: int = typer.prompt("Which one", type=int, err=True)
        if 1 <= typed <= len(choices):
            return typed - 1
        output.notice(f"type a number from 1 to {len(choices)}")


def project(context: Context, name: str) -> Project:
    """The project of that name; on a terminal also one that is spelt nearly so, or begins so. Raises `UsageError`."""
    try:
        return context.project(name)
    except UsageError as error:
        known = [capability.name for capability in context.repository.open_keys(context.identities).capabilities]
        suggestions = _suggestions(name, known)
        if not suggestions:
            raise
        chosen = choose(f"There is no project {name!r}. Did you mean", suggestions)
        if chosen is None:
            raise UsageError(str(error), hint=f"did you mean {' or '.join(map(repr, suggestions))}?") from error
        return context.project(suggestions[chosen])


def _suggestions(name: str, known: Sequence[str]) -> list[str]:
    plain = name.casefold()
    begins = [one for one in known if one.casefold().startswith(plain)]
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    return list(dict.fromkeys([*begins, *close]))


def source(error: AmbiguousSource) -> str:
    """The source that is meant where several have an item of one path. Raises the error where nobody can be asked."""
    chosen = choose(f"Several sources have an item {printable(error.path)}. Which one do you mean", error.sources)
    if chosen is None:
        raise error
    return error.sources[chosen]


def one_file(selection: Selection) -> Selection:
    """The selection cut down to the one file that a person chooses; as it is where there is nothing to choose."""
    import pyarrow.compute as pc

    from vault.format import manifest

    files = selection.table.filter(pc.equal(selection.table["type"], manifest.FILE))
    if not 1 < files.num_rows <= MOST:
        return selection
    chosen = choose(f"{files.num_rows} files match.", [printable(path) for path in files["path"].to_pylist()])
    return selection if chosen is None else replace(selection, table=files.slice(chosen, 1))


def new_passphrase() -> str:
    """Twice, unseen. Raises `UsageError` where nobody can be asked."""
    if not environment.is_interactive():
        raise UsageError(
            "there is no terminal to ask for a new passphrase", hint="run it on a terminal, or without --passphrase"
        )
    passphrase: str = typer.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return passphrase


def confirm(
    question: str, *, yes: bool = False, undone: str = "nothing was done", hint: str = "run it again with --yes"
) -> None:
    """Go on only where a person says so.

    question: as it is asked, with a question mark · yes: it is answered already · undone, hint: for the error. Raises
    `typer.Abort` where the answer is no, `UsageError` with the question where nobody can be asked.
    """
    if yes:
        return
    if not environment.is_interactive():
        raise UsageError(f"{question} There is no answer: there is no terminal to confirm it, and {undone}", hint=hint)
    typer.confirm(question, err=True, abort=True)


def confirm_by_name(question: str, name: str, typed: str | None, *, undone: str) -> None:
    """Go on only where a person types the name of what will be gone for good.

    question: as it is asked · name: that must be typed · typed: it was given with `--confirm` · undone: for the error. Raises
    `UsageError` where it is another name, or nobody can be asked.
    """
    if typed is None:
        if not environment.is_interactive():
            raise UsageError(
                f"{question} There is no answer: there is no terminal to confirm it, and {undone}",
                hint=f"run it again with --confirm {quoted(name)}",
            )
        output.notice(question)
        typed = typer.prompt(f"Type the project's name ({name}) to go on", err=True)
    if typed != name:
        raise UsageError(f"{typed!r} is not the name of the project, {name!r}; {undone}", hint="type the whole name as it is")
