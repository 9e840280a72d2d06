"""A page of help as text, as wide as the terminal: what it does and examples first, then everything else."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator

from cli.help_pages import HelpPage, Section

NARROWEST, WIDEST = 40, 100
"""Columns; longer lines are hard to read."""

INDENT = "  "
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")


def terminal_width() -> int:
    """Columns to write in: those of the terminal or of $COLUMNS, 80 where there are none."""
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST))


def as_text(page: HelpPage, width: int) -> str:
    """The whole page, without a line break at its end."""
    return "\n".join(_lines(page, width)).rstrip("\n")


def _lines(page: HelpPage, width: int) -> Iterator[str]:
    yield from _command_line(f"Usage: {page.usage}", width, INDENT * 2, continued="")
    yield ""
    yield from _filled(page.summary, width)
    if page.examples:
        yield "\nExamples:"
    for example in page.examples:
        yield from _command_line(f"{INDENT}{example.command}", width, INDENT * 3)
        yield from _filled(example.explanation, width, INDENT * 3)
    for paragraph in page.details:
        yield ""
        yield from _filled(paragraph, width)
    for section in page.sections:
        yield f"\n{section.title}:"
        yield from _entries(section, width)
    if page.epilog:
        yield ""
        yield from _filled(page.epilog, width)


def _entries(section: Section, width: int) -> Iterator[str]:
    """Names on the left, help on the right; a name that is too long for its column has a line of its own."""
    column = min(max(len(one.written) for one in section.entries), width // 3)
    margin = " " * (len(INDENT) + column + 2)
    for one in section.entries:
        lines = list(_filled(one.help, width, margin)) or [""]
        if len(one.written) <= column:
            yield f"{INDENT}{one.written.ljust(column)}  {lines.pop(0).strip()}".rstrip()
        else:
            yield f"{INDENT}{one.written}"
        yield from lines


def _filled(text: str, width: int, margin: str = "") -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )


def _command_line(text: str, width: int, margin: str, continued: str = " \\") -> Iterator[str]:
    """A command that can be copied: it goes on behind a backslash, and no quoted word is broken."""
    line = text[: len(text) - len(text.lstrip())]
    for word in _WORD.findall(text):
        if line.strip() and len(line) + 1 + len(word) + len(continued) > width:
            yield f"{line}{continued}"
            line = margin + word
        else:
            line += f" {word}" if line.strip() else word
    yield line
