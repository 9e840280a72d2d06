"""Examples of every command, shown at the beginning of its help; a file for each part of `cli.registry.GROUPS`. A test parses
each of them."""

from __future__ import annotations

from typing import NamedTuple

from cli.examples.everyday import EVERYDAY_AND_LOOK
from cli.examples.keep import KEEP
from cli.examples.set_up import SET_UP


class Example(NamedTuple):
    """A command line, and what it does."""

    command: str
    explanation: str


EXAMPLES: dict[str, tuple[Example, ...]] = {
    path: tuple(Example(f"strongroom {line}".rstrip(), does) for line, does in pairs)
    for path, pairs in (EVERYDAY_AND_LOOK | KEEP | SET_UP).items()
}
"""By the words of a command; empty for `strongroom` itself."""
