"""Pages as a browser reads them: html5lib builds the tree that the HTML standard says, and this judges it.

page = read_page(data)       raises AssertionError for whatever a page of ours must not have
page.text, page.links
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import html5lib

TAGS = frozenset(
    (
        *("html", "head", "meta", "title", "style", "body", "nav", "h1", "h2", "p", "a", "table", "thead", "tbody", "tr", "th"),
        *("td", "article", "header", "footer", "div", "span", "bdi", "details", "summary", "pre", "ul", "ol", "li", "strong"),
        "br",
    )
)
ATTRIBUTES = frozenset(("class", "dir", "scope", "href", "rel", "title", "http-equiv", "content", "charset", "name", "lang"))
HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table><script src=//evil.example></script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>open</a>",
    "<style>body{display:none}</style><base href=//evil.example>",
    "<!-- --><iframe src=//evil.example></iframe>",
    "</title></style></textarea><meta http-equiv=refresh content='0;url=//evil.example'>",
    "\u202egnp.exe\u2066\u2069\u202d",
    "\x00\x07\x1b[31m\ud800\x85",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<p onclick=alert(1)>hello<br>again</p><form action=//evil.example><input name=q></form>",
    "&lt;script&gt; &amp;amp; &#x202e;",
    "<a <b <!-- <p",
    "<math><mtext></mtext><mglyph><svg><mtext><style><img src=x onerror=alert(1)></style></svg></mglyph></math>",
)


class ReadPage(NamedTuple):
    """text: of the body · links: what can be clicked, as paths relative to the page · title: of the window."""

    text: str
    links: list[str]
    title: str


def read_page(data: bytes) -> ReadPage:
    """A page. Raises AssertionError where it has a tag or an attribute that may do anything, or a link that leads elsewhere."""
    tree = html5lib.parse(data.decode("utf-8"), namespaceHTMLElements=False)
    elements = list(tree.iter())
    for one in elements:
        assert isinstance(one.tag, str), "a comment"
        assert one.tag in TAGS, one.tag
        assert set(one.attrib) <= ATTRIBUTES, one.attrib
    policies = [one for one in elements if one.get("http-equiv")]
    assert [one.get("http-equiv") for one in policies] == ["Content-Security-Policy"]
    assert str(policies[0].get("content")).startswith("default-src 'none'; style-src 'sha256-")
    assert len([one for one in elements if one.tag == "style"]) == 1 and elements.index(policies[0]) < 4
    links = [str(one.get("href")) for one in elements if one.get("href") is not None]
    for link in links:
        parts = urlsplit(link)
        assert link.startswith(("./", "../")) and not parts.scheme and not parts.netloc, link
    (body,) = [one for one in elements if one.tag == "body"]
    (title,) = [one for one in elements if one.tag == "title"]
    return ReadPage("".join(_texts(body)), [unquote(link, errors="surrogateescape") for link in links], title.text or "")


def read_folder(folder: Path) -> dict[str, ReadPage]:
    """All pages below a folder, by name: each is judged, and each link leads to a file in the folder."""
    pages = {str(file.relative_to(folder)): read_page(file.read_bytes()) for file in folder.rglob("*.html") if _is_ours(file)}
    for name, page in pages.items():
        for link in page.links:
            target = (folder / name).parent.joinpath(link).resolve()
            assert target.is_relative_to(folder.resolve()) and target.is_file(), (name, link)
    return pages


def _is_ours(file: Path) -> bool:
    """What is a file of a record is a stranger's."""
    return "attachments" not in file.parts


def _texts(element: Any) -> Iterator[str]:
    yield element.text or ""
    for one in element:
        yield from _texts(one)
        yield one.tail or ""
