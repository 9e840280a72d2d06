"""What people read of a page, and what of it is English though the page is in another language.

What a page says in English on purpose is in an element with `lang="en"`, and what is no language is in `code` or has
`translate="no"`.
"""

from __future__ import annotations

import getpass
import re
import socket
from html.parser import HTMLParser
from typing import NamedTuple

NAMES = frozenset(
    (
        *("strongroom", "openssh", "openid", "connect", "cron", "utc", "https", "localhost", "cookie", "qr", "sql", "select"),
        *("csv", "xlsx", "ods", "zip", "json", "jsonl", "pdf", "png", "wav", "eml", "text", "binary", "html", "parquet"),
        *("feather", "sqlite"),
    )
)
"""Names and formats, which no language translates."""

WRITTEN = frozenset(
    ["acme", "zarya", "reports", "tickets", "mail", "olena", "boris", "vera", "agent", "calls", "desk", "offsite", "novy"]
)
"""What these tests have written themselves in Latin letters: projects, kinds, people, columns, a group, a copy."""

HERE = frozenset(word.lower() for word in re.findall("[A-Za-z]{2,}", f"{socket.gethostname()} {getpass.getuser()}"))
"""Who runs the tests, and where."""

WORD = re.compile(r"[A-Za-z]{2,}")
FILE = re.compile(
    r"[\w./%*-]*(?:/|\.(?:csv|xlsx|sqlite|parquet|pdf|png|txt|bin|wav|jsonl|eml|zip|html|json|toml))[\w./%*-]*|[0-9a-f]{8,}|\b20\d\d-\S+"
)


class Found(NamedTuple):
    """said: what is read of a page in its language, its title and what is said of controls included · english: in English on
    purpose."""

    said: str
    english: list[str]


class Reader(HTMLParser):
    """What people read and hear of a page, apart by language. Code is no language."""

    VOID = frozenset(("input", "meta", "link", "img", "br", "hr"))
    SPOKEN = ("aria-label", "title", "alt")

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.english: list[str] = []
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        above = self._open[-1][1] if self._open else ""
        kind = above
        if tag in ("script", "style", "code", "pre", "textarea", "iframe") or named.get("translate") == "no":
            kind = "code"
        elif named.get("translate") == "yes":
            kind = ""
        elif named.get("lang") == "en" and above != "code" and tag != "html":
            kind = "en"
        if tag == "option" and named.get("lang"):
            kind = "code"  # languages call themselves
        if kind == "":
            self.said += [named[name] for name in self.SPOKEN if name in named]
        if tag not in self.VOID:
            self._open.append((tag, kind))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            name, _ = self._open.pop()
            if name == tag:
                break

    def handle_data(self, data: str) -> None:
        kind = self._open[-1][1] if self._open else ""
        if kind == "":
            self.said.append(data)
        elif kind == "en" and data.strip():
            self.english.append(" ".join(data.split()))


def read(page: str) -> Found:
    reader = Reader()
    reader.feed(page)
    return Found(" ".join(" ".join(reader.said).split()), reader.english)


def english_words(said: str) -> list[str]:
    """Words that are neither names, nor written by the tests."""
    return [one for one in WORD.findall(FILE.sub(" ", said)) if one.lower() not in NAMES | WRITTEN | HERE]
