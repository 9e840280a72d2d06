"""The index: every record in three orders, each a page of its own, since nothing on a page can sort.

index.html          the newest first
by-number.html      by the records' numbers
by-subject.html     by their titles

Long ones go on in `index-2.html` and so on; the first page says where each of these begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from restore.pages.attached_files import relative_link
from restore.pages.frame import page
from restore.pages.record_page import IndexEntry
from restore.pages.register import Order, Register
from restore.pages.safe_text import escaped, shortened
from vault.wording import counted

ROWS = 500
"""Of a page, unless there would be too many pages."""

MOST_PAGES = 1000
LABEL = 40
NAMES: dict[Order, str] = {"date": "index", "number": "by-number", "subject": "by-subject"}
_TITLES: dict[Order, str] = {"date": "by date", "number": "by number", "subject": "by subject"}


def index_pages(register: Register, title: str, about: Sequence[str]) -> Iterator[tuple[bytes, bytes]]:
    """The pages, with their names. title: of all · about: sentences for the first page."""
    total = register.count()
    rows = max(ROWS, -(-total // MOST_PAGES))
    for order in NAMES:
        entries = register.entries(order)
        begins: list[str] = []
        first: list[IndexEntry] = []
        pages = max(1, -(-total // rows))
        for number in range(1, pages + 1):
            part = list(islice(entries, rows))
            begins.append(_label(part[0], order) if part else "")
            if number == 1:
                first = part
            else:
                yield _name(order, number), _page(title, order, part, (number, pages), [])
        yield _name(order, 1), _page(title, order, first, (1, pages), [*_about(about), *_parts(order, begins)])


def _name(order: Order, number: int) -> bytes:
    return (NAMES[order] + ("" if number == 1 else f"-{number}") + ".html").encode()


def _page(title: str, order: Order, entries: Sequence[IndexEntry], place: tuple[int, int], more: Sequence[str]) -> bytes:
    number, pages = place
    orders = "".join(
        f"<strong>{_TITLES[one]}</strong> "
        if one == order and number == 1
        else f'<a href="./{_name(one, 1).decode()}">{_TITLES[one]}</a>'
        for one in NAMES
    )
    parts = [f'<h1 dir="auto">{escaped(title)}</h1>\n', f"<nav>{orders}</nav>\n", *more, _turning(order, number, pages)]
    parts.append(
        "<table>\n<thead><tr><th>Number</th><th>Subject</th><th>By</th><th>Date</th><th>Of</th></tr></thead>\n<tbody>\n"
    )
    parts += map(_row, entries)
    parts += ["</tbody>\n</table>\n", _turning(order, number, pages)]
    return page(f"{title} {_TITLES[order]}", parts)


def _row(entry: IndexEntry) -> str:
    link = escaped(relative_link(b"index.html", entry.path))
    words = (shortened(entry.title, 200), entry.author, entry.time, entry.entity)
    cells = "".join(f'<td dir="auto">{escaped(one)}</td>' for one in words)
    gone = ' class="gone" title="deleted"' if entry.deleted else ""
    key = escaped(shortened(entry.key, 100))
    mark = " (deleted)" if entry.deleted else ""
    return f'<tr{gone}><td dir="auto"><a href="{link}">{key}</a>{mark}</td>{cells}</tr>\n'


def _about(sentences: Sequence[str]) -> Iterator[str]:
    yield from (f'<p dir="auto">{escaped(one)}</p>\n' for one in sentences)


def _parts(order: Order, begins: Sequence[str]) -> Iterator[str]:
    """Where each page begins."""
    if len(begins) < 2:
        return
    links = "".join(
        f'<li><a href="./{_name(order, number).decode()}">from <bdi>{escaped(label)}</bdi></a></li>\n'
        for number, label in enumerate(begins, 1)
    )
    yield f"<details><summary>{counted(len(begins), 'page')}</summary><ol>\n{links}</ol></details>\n"


def _turning(order: Order, number: int, pages: int) -> str:
    if pages == 1:
        return ""
    words = []
    for label, other in (("first", 1), ("previous", number - 1), ("next", number + 1), ("last", pages)):
        if 1 <= other <= pages and other != number:
            words.append(f'<a href="./{_name(order, other).decode()}">{label}</a>')
    return f"<nav>page {number} of {pages} {' '.join(words)}</nav>\n"


def _label(entry: IndexEntry, order: Order) -> str:
    words = {"date": entry.time or "no date", "number": f"{entry.entity} {entry.key}", "subject": entry.title}
    return shortened(words[order], LABEL)
