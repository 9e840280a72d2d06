"""Man pages: the help of every command as roff, for `man strongroom-restore`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.help_pages import HelpPage
from strongroom import __version__
from vault.errors import TargetError

SECTION = "1"


def write(root: Any, folder: Path) -> list[str]:  # noqa: ANN401 (a class that typer keeps to itself)
    """A page of every command to a folder, which is made. Gives the names of the pages. Raises `TargetError`."""
    made = list(pages(root))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for page in made:
            (folder / f"{name(page)}.{SECTION}").write_text(as_roff(page, made), "utf-8")
    except OSError as error:
        raise TargetError(f"{folder} cannot be written: {error.strerror}", hint="name another folder with --man") from error
    return [name(page) for page in made]


def pages(command: Any) -> Iterator[HelpPage]:  # noqa: ANN401
    """The help of a command, and of all below it."""
    yield command.page()
    for inner in getattr(command, "commands", {}).values():
        if not inner.hidden:
            yield from pages(inner)


def name(page: HelpPage) -> str:
    """`strongroom-settings-check`."""
    return page.name.replace(" ", "-")


def as_roff(page: HelpPage, others: list[HelpPage]) -> str:
    """One page. others: all pages there are, for what is named at its end."""
    lines = [
        f'.TH "{_quoted(name(page).upper())}" "{SECTION}" "" "Strongroom {__version__}" "Strongroom"',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{_escaped(name(page))} \\- {_escaped(page.summary.rstrip('.'))}",
        ".SH SYNOPSIS",
        _bold(page.usage),
        ".SH EXAMPLES",
    ]
    for example in page.examples:
        lines += [".TP", _bold(example.command), _line(example.explanation)]
    lines += [".SH DESCRIPTION", _line(page.summary)]
    for paragraph in page.details:
        lines += [".PP", _line(paragraph)]
    for section in page.sections:
        lines.append(f'.SH "{_quoted(section.title.upper())}"')
        for entry in section.entries:
            lines += [".TP", _bold(entry.written), _line(entry.help)]
    if page.epilog:
        lines += [".SH NOTES", _line(page.epilog)]
    related = _related(page, others)
    if related:
        lines += [".SH SEE ALSO", _line(", ".join(f"{one}({SECTION})" for one in related))]
    return "\n".join(lines) + "\n"


def _related(page: HelpPage, others: list[HelpPage]) -> list[str]:
    """The page above, and those right below."""
    depth = len(page.path.split())
    above = " ".join(page.path.split()[:-1])
    found = [one for one in others if one.path != page.path and (one.path == above if page.path else False)]
    below = [one for one in others if len(one.path.split()) == depth + 1 and one.path.split()[:depth] == page.path.split()]
    return [name(one) for one in (*found, *below)]


def _line(text: str) -> str:
    """Text of a paragraph, which must not be taken for a request."""
    escaped = _escaped(text)
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _escaped(text: str) -> str:
    """Backslashes, and the signs that roff sets otherwise than they are typed."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return plain.replace("^", "\\(ha").replace("~", "\\(ti").replace('"', "\\(dq").replace("…", "...")


def _quoted(text: str) -> str:
    """Within the quotes of a request."""
    return text.replace("\\", "\\e").replace('"', '""').replace("-", "\\-")
