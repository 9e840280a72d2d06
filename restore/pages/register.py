"""What the pages have in common, in a private database: names that are taken, entries of the index, who has which number.

Two hundred thousand tickets a month do not fit into memory; here they take a few pages of it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from restore.pages.record_page import IndexEntry
from restore.tables.model import Value

Order = Literal["date", "number", "subject"]
BATCH = 5000
LONGEST_KEY = 200
_DIGITS = re.compile(r"\d+")
_ORDERS: dict[Order, str] = {
    "date": "moment is null, moment desc, entity, number",
    "number": "entity, number",
    "subject": "subject, entity, number",
}
_TABLES = """
create table names (name text primary key) without rowid;
create table people (kind text, id text, name text, primary key (kind, id)) without rowid;
create table pages (
    path blob, entity text, key text, title text, author text, time text, moment text, deleted integer,
    number text, subject text
);
"""


class Register:
    """See this module's text. file: of the database; it must not exist."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("pragma journal_mode = off")
        self._database.execute("pragma synchronous = off")
        self._database.execute("pragma cache_size = -16000")
        self._database.executescript(_TABLES)
        self._database.execute("begin")
        self._waiting: list[tuple[object, ...]] = []

    def close(self) -> None:
        """Nothing more is asked."""
        self._database.close()

    def take_all(self, names: Iterable[bytes]) -> None:
        """Names of files that are given as they are: no page gets one of them."""
        rows = ((_folded(name),) for name in names)
        self._database.executemany("insert or ignore into names values (?)", rows)

    def free_name(self, stem: bytes, ending: bytes) -> bytes:
        """A name that nobody has, case aside; it is taken then."""
        name, number = stem + ending, 2
        while not self._database.execute("insert or ignore into names values (?)", (_folded(name),)).rowcount:
            name, number = b"%s~%d%s" % (stem, number, ending), number + 1
        return name

    def know(self, kind: str, number: str, name: str) -> None:
        """Who has a number, among the items of a kind."""
        self._database.execute("insert or ignore into people values (?, ?, ?)", (_plain(kind), _plain(number), _plain(name)))

    def who(self, kind: str, number: Value) -> str:
        """Whose number that is; "" where nobody knows."""
        if isinstance(number, bool) or not isinstance(number, int | str) or number == "":
            return ""
        asked = (_plain(kind), _plain(str(number)))
        found = self._database.execute("select name from people where kind = ? and id = ?", asked).fetchone()
        return "" if found is None else str(found[0])

    def enter(self, entry: IndexEntry) -> None:
        """An entry of the index."""
        moment = None if entry.moment is None else entry.moment.isoformat()
        texts = map(_plain, (entry.entity, entry.key, entry.title, entry.author, entry.time))
        own = (*texts, moment, entry.deleted, _natural(entry.key), _plain(entry.title.casefold()))
        self._waiting.append((entry.path, *own))
        if len(self._waiting) >= BATCH:
            self._flush()

    def count(self) -> int:
        """How many entries there are."""
        self._flush()
        (found,) = self._database.execute("select count(*) from pages").fetchone()
        return int(found)

    def entries(self, order: Order) -> Iterator[IndexEntry]:
        """All entries, in an order."""
        self._flush()
        columns = "path, entity, key, title, author, time, deleted"
        for path, entity, key, title, author, time, deleted in self._database.execute(
            f"select {columns} from pages order by {_ORDERS[order]}"  # noqa: S608 (our own words)
        ):
            yield IndexEntry(path, entity, key, title, author, time, None, bool(deleted))

    def _flush(self) -> None:
        if self._waiting:
            self._database.executemany(f"insert into pages values ({', '.join('?' * 10)})", self._waiting)  # noqa: S608
            self._waiting = []


def _plain(text: str) -> str:
    """A text that the database takes."""
    return text.encode("utf-8", "replace").decode()


def _folded(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace").casefold()


def _natural(key: str) -> str:
    """9 comes before 10, and A-9 before A-10."""
    return _DIGITS.sub(
        lambda found: f"{len(found[0].lstrip('0')):03}{found[0].lstrip('0')}", _plain(key)[:LONGEST_KEY].casefold()
    )
