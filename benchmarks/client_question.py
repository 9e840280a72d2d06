"""A client's question to two years of calls in PostgreSQL and tickets in a help desk, and what it takes to publish both.

    python -m benchmarks.client_question [--calls 500] [--work FOLDER]

Starts a PostgreSQL server with 730 days of calls (365,000) and a double of a help desk with the tickets that a third of them
became (122,000, with 264,000 comments), backs both up, and asks `query` how many requests about deliveries came from mobile
phones in the second quarter, and how many comments such a ticket had on average: with nothing kept on this machine (cold), and
once more. The answer is compared with plain Python over what was put in. Then both are published as Parquet, twice. Prints
passed or FAILED beside the limits, and exits with 1 where one failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.desk import Desk, opened, table_head, tell
from benchmarks.scratch import say
from tests.support import courier
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer, postgres_server
from tests.support.rest_double import ModelDesk, serving

QUARTER, ALL = 1.0, 2.0
"""Seconds that `query` may take for what prunes to a quarter, and for everything, as in `benchmarks.questions`."""

PROJECT = "sdek"
DESCRIPTION = """
title = "the model desk"

[resources.tickets]
path = "keyset/tickets"
records = "results"
time = "created"
paging = { type = "keyset", parameter = "after", size_parameter = "size", size = 10000 }
"""
COMMENTS = "answers"
PERIOD = "period_start >= '2026-04-01' and period_end <= '2026-07-01'"
QUESTIONS = {
    "mobile calls of the quarter": (f"select count(*) from calls where caller like '+38067%' and {PERIOD}", QUARTER),
    "deliveries from mobile phones, and comments": (courier.IN_SQL.replace("t.comments", f"t.{COMMENTS}"), ALL),
    "comments of all tickets by topic": (f"select topic, avg(len({COMMENTS})) from tickets group by 1 order by 1", ALL),
}
"""Each with the seconds that it may take."""


class Facts(Struct, frozen=True):
    """What the two sources have. url: of the help desk · answer: to the client's question, by plain Python."""

    url: str
    calls: int
    tickets: int
    comments: int
    answer: tuple[int, float]


@contextmanager
def _filled(server: PostgresServer, database: str, calls: int) -> Iterator[Facts]:
    """Both sources with their data, made in a process of its own: the memory of commands is measured beside this one's."""
    command = [sys.executable, "-m", "benchmarks.client_question", "--serve", str(server.port), database, "--calls", str(calls)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield msgspec.json.decode(process.stdout.readline() if process.stdout else b"", type=Facts)
        finally:
            process.kill()


def _serve(port: int, database: str, calls: int) -> None:
    years, server = courier.two_years(calls), PostgresServer(port)
    with server.connected(database) as connection, connection.cursor() as cursor:
        with cursor.copy(f"copy calls ({courier.COLUMNS}) from stdin") as copy:
            for call in years.calls:
                copy.write_row(call)
        connection.commit()
    with serving(ModelDesk()) as model:
        for ticket in years.tickets:
            answers = [{"id": place, "text": text} for place, text in enumerate(ticket.comments)]
            model.add(at=ticket.created, topic=ticket.topic, **{COMMENTS: answers})
        comments = sum(len(one.comments) for one in years.tickets)
        facts = Facts(model.url, len(years.calls), len(years.tickets), comments, years.answer())
        print(msgspec.json.encode(facts).decode(), flush=True)
        sys.stdin.read()


def _sources(desk: Desk, server: PostgresServer, database: str, url: str) -> None:
    (desk.folder / "password").write_text(f"{PASSWORD}\n")
    (desk.folder / "desk.toml").write_text(DESCRIPTION)
    desk.call("init", *desk.address, "--recovery-kit", str(desk.folder / "kit.txt"))
    desk.call("project", "add", PROJECT)
    words = ("--time-column", "started_at", "--option", f"user={OWNER}", "--option", "password_file=password", "--yes")
    desk.call("source", "add", PROJECT, "raw", server.url(database), "--name", "telephony", *words)
    desk.call("source", "add", PROJECT, "tickets", "rest:desk.toml", "--option", f"base={url}", "--yes")


def main() -> int:
    """Fills both, backs up, asks, publishes, and tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--calls", type=int, default=500, help="a day")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-client-question")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(int(options.serve[0]), options.serve[1], options.calls)
        return 0
    with postgres_server() as server:
        database = server.new_database(courier.TABLE)
        with (
            opened(options.work.resolve(), "client-question", s3=False) as desk,
            _filled(server, database, options.calls) as facts,
        ):
            say(f"{facts.calls} calls, {facts.tickets} tickets, {facts.comments} comments")
            _sources(desk, server, database, facts.url)
            return 0 if _measured(desk, facts, options.calls) else 1


def _measured(desk: Desk, facts: Facts, calls: int) -> bool:
    table_head(f"two years, {calls} calls a day")
    tell("first backup of both", "", desk.call("backup"), None)
    tell("backup, nothing changed", "", desk.call("backup"), None)
    passed = [_asked(desk, name, sql, limit) for name, (sql, limit) in QUESTIONS.items()]
    passed.append(_is_right(desk, facts))
    for state in ("all of it", "unchanged"):
        tell("published as Parquet", state, desk.call("publish", PROJECT, "--as", "parquet", "--to", "bi"), None)
    return all(passed)


def _asked(desk: Desk, name: str, sql: str, limit: float) -> bool:
    desk.forget()
    passed = []
    for state in ("cold", "warm"):
        cost = desk.call("query", PROJECT, sql)
        passed.append(tell(name, state, cost, limit))
    say(cost.output.decode())
    return all(passed)


def _is_right(desk: Desk, facts: Facts) -> bool:
    sql, _ = QUESTIONS["deliveries from mobile phones, and comments"]
    (row,) = json.loads(desk.call("query", PROJECT, sql, "--json").output)["rows"]
    requests, comments = row
    expected = facts.answer
    is_right = bool(requests == expected[0] and abs(comments - expected[1]) < 1e-9)
    say(f"{'passed' if is_right else 'FAILED'}: {requests} requests, {comments:.4f} comments; plain Python: {expected}")
    return is_right


if __name__ == "__main__":
    sys.exit(main())
