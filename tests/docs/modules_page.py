"""docs/modules.md: every module and what it is for, from the first paragraph of its docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import DOCS

FLOORS = ("classify", "vault", "restore", "policies", "strongroom", "console", "cli")
"""From the bottom."""

_SYNOPSIS = re.compile(r"`(strongroom [^`]*)`")
"""How a command is called, which is none that can be typed."""

BEGINNING = """# Every module

Which file is it? The floors from the bottom, each folder with its modules; a page of [the architecture](architecture.md)
says how they fit together."""


def page(note: str) -> str:
    """The page."""
    root = DOCS.parent
    folders = sorted(
        {file.parent for floor in FLOORS for file in (root / floor).rglob("*.py")}, key=lambda one: _place(root, one)
    )
    parts = [BEGINNING, note, *(part for folder in folders for part in _folder(root, folder))]
    return "\n\n".join(parts) + "\n"


def _place(root: Path, folder: Path) -> tuple[int, str]:
    name = str(folder.relative_to(root))
    return FLOORS.index(name.partition("/")[0]), name


def _folder(root: Path, folder: Path) -> Iterator[str]:
    yield f"## {folder.relative_to(root)}/"
    about = _purpose(folder / "__init__.py")
    if about:
        yield about
    rows = [f"| `{file.name}` | {_purpose(file)} |" for file in sorted(folder.glob("*.py")) if file.stem != "__init__"]
    if rows:
        yield "\n".join(["| module | |", "| --- | --- |", *rows])


def _purpose(file: Path) -> str:
    """The first paragraph of a module's docstring, in a line."""
    text = ast.get_docstring(ast.parse(file.read_text("utf-8"))) if file.exists() else None
    line = " ".join((text or "").split("\n\n")[0].split())
    return _SYNOPSIS.sub(r"\1", line).replace("|", "\\|")
