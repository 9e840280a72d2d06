"""The help of a command as a value: made from its declaration, shown as text (`help_format`), as a man page (`man_pages`), and
as a chapter of docs/cli.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from cli.examples import EXAMPLES, Example
from cli.options import GLOBAL

OPTIONS = "Options"
ARGUMENTS = "Arguments"
EXIT_STATUS = "Exit codes: "


class HelpEntry(Struct, frozen=True):
    """An option, an argument or a command. written: its names and what it takes · help: one or more sentences."""

    written: str
    help: str


class Section(Struct, frozen=True):
    """Entries that belong together."""

    title: str
    entries: tuple[HelpEntry, ...]


class HelpPage(Struct, frozen=True):
    """path: the words of the command, without `strongroom` · usage: how it is written · summary: what it does · details: more
    of that, in paragraphs · epilog: what stands at the end."""

    path: str
    usage: str
    summary: str
    examples: tuple[Example, ...]
    details: tuple[str, ...]
    sections: tuple[Section, ...]
    epilog: str = ""

    @property
    def name(self) -> str:
        """As it is typed: `strongroom restore`."""
        return f"strongroom {self.path}".rstrip()


def of_command(command: Any) -> HelpPage:  # noqa: ANN401 (a class that typer keeps to itself)
    """The page of a command that can be run."""
    path = getattr(command, "path", "") or command.name
    summary, *details = paragraphs(command.help)
    return HelpPage(
        path=path,
        usage=usage(path, command),
        summary=summary,
        examples=EXAMPLES.get(path, ()),
        details=tuple(details),
        sections=tuple(_sections(command)),
        epilog=" ".join((command.epilog or "").split()),
    )


def of_group(group: Any, sections: Mapping[str, Mapping[str, str]], more: Iterable[Any] = ()) -> HelpPage:  # noqa: ANN401
    """The page of a group of commands. sections: by title, the commands and what each does · more: its own options."""
    path = getattr(group, "path", "")
    summary, *details = paragraphs(group.help)
    commands = [Section(title, tuple(HelpEntry(*one) for one in found.items())) for title, found in sections.items()]
    return HelpPage(
        path=path,
        usage=f"strongroom {path}".rstrip() + (" [COMMAND]" if group.invoke_without_command else " COMMAND") + " [OPTIONS]",
        summary=summary,
        examples=EXAMPLES.get(path, ()),
        details=tuple(details),
        sections=(*commands, *_by_panel(more)),
        epilog=f"`{f'strongroom help {path}'.rstrip()} COMMAND` says more of one of them.",
    )


def usage(path: str, command: Any) -> str:  # noqa: ANN401
    """`strongroom ls PROJECT [PATTERN...] [OPTIONS]`."""
    arguments = [_argument(one) for one in command.params if one.param_type_name == "argument"]
    return " ".join(["strongroom", path, *arguments, "[OPTIONS]"])


def paragraphs(text: str | None) -> list[str]:
    """Each in one line; at least one."""
    found = [" ".join(one.split()) for one in inspect.cleandoc(text or "").split("\n\n")]
    return found or [""]


def written(option: Any) -> str:  # noqa: ANN401
    """An option's names and what it takes: `-y, --yes`, `--kind KIND`, `--overlapping/--within`."""
    names = "/".join([", ".join(sorted(option.opts, key=len)), *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar or _values(option)}"


def explained(option: Any) -> str:  # noqa: ANN401
    """An option's help, with its default and its variable."""
    text = " ".join((option.help or "").split())
    if not option.is_flag and option.default not in (None, "", [], ()) and not callable(option.default):
        text += f" Default: {getattr(option.default, 'value', option.default)}."
    if option.required:
        text += " Must be given."
    return f"{text} [${option.envvar}]" if option.envvar else text


def _argument(one: Any) -> str:  # noqa: ANN401
    name = (one.metavar or one.name.upper()).removesuffix("…") + ("..." if one.nargs != 1 else "")
    return name if one.required else f"[{name}]"


def _values(option: Any) -> str:  # noqa: ANN401
    """What an option without a word of its own takes."""
    if isinstance(option.default, Enum):
        return "|".join(one.value for one in type(option.default))
    return "NUMBER" if isinstance(option.default, int | float) else "TEXT"


def _sections(command: Any) -> Iterable[Section]:  # noqa: ANN401
    arguments = [one for one in command.params if one.param_type_name == "argument" and one.help and not one.hidden]
    if arguments:
        yield Section(ARGUMENTS, tuple(HelpEntry(_argument(one).strip("[]"), one.help) for one in arguments))
    yield from _by_panel(one for one in command.params if one.param_type_name == "option")


def _by_panel(options: Iterable[Any]) -> Iterable[Section]:
    """Panels in the order in which they are declared first, what every command has at the end."""
    panels: dict[str, list[HelpEntry]] = {}
    for one in options:
        if not one.hidden:
            panels.setdefault(one.rich_help_panel or OPTIONS, []).append(HelpEntry(written(one), explained(one)))
    panels.setdefault(GLOBAL, []).append(HelpEntry("-h, --help", "Show this help."))
    everywhere = panels.pop(GLOBAL)
    for title, entries in (*panels.items(), (GLOBAL, everywhere)):
        yield Section(title, tuple(entries))
