"""Hosts with their tokens, and leases: where they are written down. Moments are seconds since 1970.

A token of a host is no token of a person: it is in a table of its own, and no operation but those for hosts knows it.
"""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.accounts.tables import digest, words
from console.hosts.messages import ProjectOffer, ReportBody
from vault.errors import UsageError

if TYPE_CHECKING:
    from console.state import ConsoleState
    from vault.randomness import Randomness

AREA = "hosts"
TABLES = (
    """CREATE TABLE host (
        id TEXT PRIMARY KEY, secret TEXT NOT NULL, name TEXT NOT NULL UNIQUE, projects TEXT NOT NULL, created REAL NOT NULL,
        until REAL NOT NULL, asked REAL, machine TEXT NOT NULL, offers BLOB NOT NULL) STRICT""",
    """CREATE TABLE lease (
        task TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, host TEXT NOT NULL, taken REAL NOT NULL, heard REAL NOT NULL,
        expires REAL NOT NULL, done INTEGER NOT NULL, report BLOB NOT NULL) STRICT""",
    "CREATE TABLE gone_host (name TEXT PRIMARY KEY, projects TEXT NOT NULL, ended REAL NOT NULL) STRICT",
)

PREFIX = "strongroom_host_"
"""By which scanners of leaked secrets know one."""

LONGEST_LIFE = timedelta(days=366)
LONGEST_NAME = 100
FAR = 4e9
"""A moment that never comes: of leases that nobody holds any more."""
MOST = 200
REMEMBERED = timedelta(days=31)
"""For so long people are told that a host was removed."""

Offers = dict[str, ProjectOffer]

NOTHING = ReportBody("-")
"""What is known of how far a host is that has said nothing yet. Secrets of leases are not stored."""


class Host(Struct, frozen=True):
    """One that may take work. id: of its token · projects: names, with `*` · asked: for work, the last time · machine: as it
    calls itself · offers: what it said that it would do."""

    id: str
    name: str
    projects: tuple[str, ...]
    created: datetime
    until: datetime
    asked: datetime | None
    machine: str
    offers: Mapping[str, ProjectOffer]

    def may_take(self, project: str) -> bool:
        """Whether it may take work of a project."""
        return any(fnmatchcase(project, one) for one in self.projects)

    def offers_to(self, project: str, goal: str, folder: str) -> bool:
        """Whether it would carry out such a restore, as it said last."""
        offer = self.offers.get(project)
        if offer is None or not self.may_take(project):
            return False
        return offer.in_place if goal == "place" else folder in offer.folders


class GoneHost(Struct, frozen=True):
    """One whose token was ended, or has come to its last day: it takes no more work. projects: as `Host` has them."""

    name: str
    projects: tuple[str, ...]
    ended: datetime

    def may_take(self, project: str) -> bool:
        """Whether it could take work of a project before."""
        return any(fnmatchcase(project, one) for one in self.projects)


class Lease(Struct, frozen=True):
    """That a host is at a task. done: it has said what came of it."""

    task: str
    id: str
    host: str
    taken: datetime
    heard: datetime
    expires: datetime
    done: bool
    report: ReportBody


class Hosts:
    """Makes, finds and ends them. state: with the tables of this module."""

    def __init__(self, state: ConsoleState) -> None:
        self._state = state

    def add(self, name: str, projects: Sequence[str], until: datetime, now: datetime, randomness: Randomness) -> str:
        """A new one, in the place of one of this name whose time is over; gives its token, which is shown this once. Raises
        `UsageError`."""
        name = name.strip()
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise UsageError("a host needs a name of at most 100 characters", hint="take that of the machine")
        if not projects or any(not one or len(one) > 200 or not one.isprintable() for one in projects):
            raise UsageError("a host needs projects of which it may take work", hint="name them, with `*` for any letters")
        if not now < until <= now + LONGEST_LIFE:
            raise UsageError("the token of a host ends within a year", hint="choose a day between tomorrow and then")
        id_, secret = words(randomness.token(9)), words(randomness.token(32))
        with self._state.transaction() as database:
            database.execute("DELETE FROM host WHERE name = ? AND until <= ?", (name, now.timestamp()))
            database.execute("DELETE FROM gone_host WHERE name = ? OR ended < ?", (name, (now - REMEMBERED).timestamp()))
            if database.execute("SELECT count(*) FROM host WHERE name = ?", (name,)).fetchone()[0]:
                raise UsageError("there is a host of this name already", hint="end its token first, or take another name")
            if database.execute("SELECT count(*) FROM host").fetchone()[0] >= MOST:
                raise UsageError(f"there are {MOST} hosts already", hint="end those that nobody uses")
            row = (id_, digest(secret), name, json.dumps(list(projects)), now.timestamp(), until.timestamp(), None, "", b"{}")
            database.execute("INSERT INTO host VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return f"{PREFIX}{id_}.{secret}"

    def find(self, sent: str, now: datetime) -> Host | None:
        """Whose token it is; None where it is none, or its time is over."""
        id_, _, secret = sent.removeprefix(PREFIX).partition(".")
        if not sent.startswith(PREFIX) or len(sent) > 200:
            return None
        with self._state.reading() as database:
            row = database.execute("SELECT * FROM host WHERE id = ?", (id_,)).fetchone()
        if row is None or not hmac.compare_digest(row["secret"], digest(secret)) or now.timestamp() >= row["until"]:
            return None
        return _host(row)

    def all(self, now: datetime) -> tuple[Host, ...]:
        """Those whose time is not over, by name."""
        with self._state.reading() as database:
            rows = database.execute("SELECT * FROM host WHERE until > ? ORDER BY name", (now.timestamp(),)).fetchall()
        return tuple(_host(row) for row in rows)

    def gone(self, now: datetime) -> tuple[GoneHost, ...]:
        """Those whose time is over, or was ended, not too long ago; the last one first."""
        since = (now - REMEMBERED).timestamp()
        with self._state.reading() as database:
            rows = database.execute(
                """SELECT name, projects, ended FROM gone_host WHERE ended >= :since
                UNION ALL SELECT name, projects, until AS ended FROM host WHERE until BETWEEN :since AND :now
                ORDER BY ended DESC""",
                {"since": since, "now": now.timestamp()},
            ).fetchall()
        return tuple(GoneHost(row["name"], tuple(json.loads(row["projects"])), _moment(row["ended"])) for row in rows)

    def end(self, name: str, now: datetime) -> bool:
        """End the token of one; what it is at goes to another one. Whether there was one."""
        with self._state.transaction() as database:
            row = database.execute("SELECT id, projects FROM host WHERE name = ?", (name,)).fetchone()
            if row is None:
                return False
            database.execute("INSERT OR REPLACE INTO gone_host VALUES (?, ?, ?)", (name, row["projects"], now.timestamp()))
            database.execute("DELETE FROM host WHERE id = ?", (row["id"],))
            database.execute("UPDATE lease SET expires = 0 WHERE host = ? AND done = 0", (row["id"],))
            return True

    def note(self, host: Host, machine: str, offers: Offers, now: datetime) -> Host:
        """It has asked for work."""
        with self._state.transaction() as database:
            database.execute(
                "UPDATE host SET asked = ?, machine = ?, offers = ? WHERE id = ?",
                (now.timestamp(), machine, msgspec.json.encode(offers), host.id),
            )
        return Host(host.id, host.name, host.projects, host.created, host.until, now, machine, offers)


class Leases:
    """Which host is at what. state: with the tables of this module."""

    def __init__(self, state: ConsoleState) -> None:
        self._state = state

    def give(self, task: str, id_: str, host: str, now: datetime, seconds: float) -> None:
        """A host takes a task, in the place of whoever had it before."""
        at = now.timestamp()
        with self._state.transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
                (task, digest(id_), host, at, at, at + seconds, msgspec.json.encode(NOTHING)),
            )

    def find(self, id_: str, host: str) -> Lease | None:
        """The newest of its task, where a host has it."""
        with self._state.transaction() as database:
            row = database.execute("SELECT * FROM lease WHERE id = ? AND host = ?", (digest(id_), host)).fetchone()
        return None if row is None else _lease(row)

    def of_task(self, task: str) -> Lease | None:
        """The newest of a task."""
        with self._state.transaction() as database:
            row = database.execute("SELECT * FROM lease WHERE task = ?", (task,)).fetchone()
        return None if row is None else _lease(row)

    def renew(self, lease: Lease, report: ReportBody, now: datetime, seconds: float) -> None:
        """Its host is at it still."""
        with self._state.transaction() as database:
            database.execute(
                "UPDATE lease SET heard = ?, expires = ?, report = ? WHERE task = ?",
                (
                    now.timestamp(),
                    now.timestamp() + seconds,
                    msgspec.json.encode(replace(report, lease=NOTHING.lease)),
                    lease.task,
                ),
            )

    def finish(self, lease: Lease) -> None:
        """Its host has said what came of it."""
        with self._state.transaction() as database:
            database.execute("UPDATE lease SET done = 1 WHERE task = ?", (lease.task,))

    def expired(self, now: datetime) -> tuple[str, ...]:
        """Tasks whose hosts have been silent for too long."""
        with self._state.reading() as database:
            rows = database.execute("SELECT task FROM lease WHERE done = 0 AND expires <= ?", (now.timestamp(),)).fetchall()
        return tuple(str(row["task"]) for row in rows)

    def let_go(self, task: str) -> None:
        """Nobody is at it any more; the host that had it may still say that it has finished."""
        with self._state.transaction() as database:
            database.execute("UPDATE lease SET expires = ? WHERE task = ?", (FAR, task))

    def counts(self) -> Mapping[str, int]:
        """How many tasks each host is at."""
        with self._state.reading() as database:
            rows = database.execute(
                "SELECT host, count(*) AS number FROM lease WHERE done = 0 AND expires < ? GROUP BY host", (FAR,)
            )
            return {str(row["host"]): int(row["number"]) for row in rows.fetchall()}


def _host(row: sqlite3.Row) -> Host:
    return Host(
        row["id"],
        row["name"],
        tuple(json.loads(row["projects"])),
        _moment(row["created"]),
        _moment(row["until"]),
        None if row["asked"] is None else _moment(row["asked"]),
        row["machine"],
        msgspec.json.decode(row["offers"], type=Offers),
    )


def _lease(row: sqlite3.Row) -> Lease:
    report = msgspec.json.decode(row["report"], type=ReportBody)
    taken, heard, expires = (_moment(min(row[name], FAR)) for name in ("taken", "heard", "expires"))
    return Lease(row["task"], row["id"], row["host"], taken, heard, expires, bool(row["done"]), report)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
