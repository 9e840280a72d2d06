"""The documents as tests see them: pages, fenced blocks, links, headings."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


class Block(Struct, frozen=True):
    """A fenced block. info: the word behind the fence."""

    info: str
    text: str


def pages() -> list[Path]:
    """Every document for people."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def blocks(page: Path, info: str | None = None) -> list[Block]:
    """The fenced blocks of a page, all or those of one kind."""
    found = [Block(*match.groups()) for match in _FENCE.finditer(page.read_text("utf-8"))]
    return [block for block in found if info in (None, block.info)]


def links(page: Path) -> list[str]:
    """Where a page's links lead, fenced blocks left out."""
    return _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked to."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def section(page: Path, heading: str) -> str:
    """The text of a page from a heading to the next one of the same depth."""
    text = page.read_text("utf-8")
    start = text.index(heading + "\n")
    depth = heading.split(" ")[0]
    end = re.search(rf"^{depth} ", text[start + len(heading) :], re.MULTILINE)
    return text[start:] if end is None else text[start : start + len(heading) + end.start()]


def table_rows(text: str) -> dict[str, str]:
    """The first two cells of each row of the tables in a text, without their code marks."""
    rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ]
    return {row[0]: row[1] for row in rows}
