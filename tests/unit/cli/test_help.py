"""The help of every command: examples that the command line takes, lines that fit, and one meaning of each option."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer.main

from cli import examples, help_format, help_pages, man_pages, registry
from cli.command_line import OLD_SPELLINGS
from cli.main import app
from tests.docs.generated import commands, option_names

ROOT: Any = typer.main.get_command(app)
PAGES = {page.path: page for page in man_pages.pages(ROOT)}


def parsed(line: str) -> Any:
    """What the command line makes of an example, without running it."""
    words = shlex.split(line.partition(" > ")[0])[1:]
    context = ROOT.make_context("strongroom", words)
    name, command, rest = ROOT.resolve_command(context, [*context._protected_args, *context.args])
    inner = command.make_context(name, rest, parent=context)
    words = [*inner._protected_args, *inner.args] if hasattr(command, "commands") else []
    while words:
        name, command, rest = command.resolve_command(inner, words)
        inner = command.make_context(name, rest, parent=inner)
        words = [*inner._protected_args, *inner.args] if hasattr(command, "commands") else []
    return inner


@pytest.mark.parametrize("path", PAGES)
def test_every_help_begins_with_examples_that_the_command_line_takes(path: str) -> None:
    page = PAGES[path]
    assert 2 <= len(page.examples) <= 4
    for example in page.examples:
        command = parsed(example.command).command
        assert f"{command.path} ".startswith(f"{path} ".lstrip()), example
        assert not example.explanation.endswith(".")
    shown = help_format.as_text(page, 80)
    assert shown.startswith("Usage: strongroom")
    assert shown.index("Examples:") < min(shown.index(f"\n{one.title}:") for one in page.sections)


def test_there_are_examples_of_commands_alone() -> None:
    assert examples.EXAMPLES.keys() <= PAGES.keys()


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("path", PAGES)
def test_no_line_of_the_help_is_too_long(path: str, width: int) -> None:
    page = PAGES[path]
    lines = help_format.as_text(page, width).splitlines()
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines), path
    words = " ".join(lines).split()
    told = [page.summary, *page.details, *(one.help for section in page.sections for one in section.entries)]
    assert {word for text in told for word in text.split()} <= set(words), path


def test_examples_in_a_narrow_help_can_be_copied() -> None:
    page = PAGES["restore"]
    shown = help_format.as_text(page, 60).replace("\\\n", "")
    for example in page.examples:
        assert shlex.split(example.command) in [shlex.split(line) for line in shown.splitlines() if line.startswith("  strong")]


@pytest.mark.parametrize("path", PAGES)
def test_usage_lines_have_no_doubled_brackets(path: str) -> None:
    usage = PAGES[path].usage
    assert "[[" not in usage and "......" not in usage and "…" not in usage and "{" not in usage
    assert usage.startswith(f"strongroom {path}".rstrip())


def test_every_command_is_in_one_group_of_the_help_with_a_line_that_fits() -> None:
    grouped = [name for group in registry.GROUPS.values() for name in group]
    assert sorted(grouped) == sorted(registry.CommandsByName())
    assert list(registry.GROUPS) == ["Everyday", "Look", "Keep", "Set up"]
    assert all(len(line) <= 66 for group in registry.GROUPS.values() for line in group.values())


def test_long_helps_are_in_sections_by_subject() -> None:
    titles = [section.title for section in PAGES["restore"].sections]
    assert titles[0] == help_pages.ARGUMENTS and titles[-1].startswith("Global options")
    assert {"Which items", "As of when", "Where to", "When something is there already", "Tables"} <= set(titles)
    for path, page in PAGES.items():
        assert all(len(section.entries) <= 14 for section in page.sections if path), path


def test_old_spellings_are_no_options_any_more_and_lead_to_some_that_are() -> None:
    for path, renamed in OLD_SPELLINGS.items():
        known = option_names(commands()[path])
        assert set(renamed.values()) <= known, path
        assert not {old for old in renamed if old in known}, path


def test_one_option_has_one_meaning_in_all_commands() -> None:
    for path, command in commands().items():
        options = {name: one for one in command.params if one.param_type_name == "option" for name in one.opts}
        assert "--from" not in options or options["--from"].metavar == "COPY", path
        for name in ("--since", "--until", "--at", "--before"):
            assert name not in options or options[name].metavar in ("TIME", "DATE"), (path, name)
        assert "--to" not in options or not {"TIME", "DATE"} & {options["--to"].metavar}, path
        assert all(options[name].metavar == "FILE" for name in ("--config", "--identity", "--log-file") if name in options), (
            path
        )
        assert {"--quiet", "--verbose", "--debug", "--log-file"} <= options.keys(), path
        if "-h" not in options:
            assert "-h" in command.context_settings["help_option_names"], path
