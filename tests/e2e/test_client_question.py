"""A client's question end to end: out of two years of calls in PostgreSQL and tickets in a help desk, how many requests about
deliveries came from mobile phones in the second quarter, and how many comments did such a ticket have on average?

Asked of the backup by `query`, and of what `publish` keeps for Power BI by other programs; compared with plain Python over what
was put into both, and with the database's own answer. How long it takes: `python -m benchmarks.client_question`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pytest

from tests.support import courier
from tests.support.desk import Desk
from tests.support.django_helpdesk import PASSWORD as HELPDESK_PASSWORD
from tests.support.django_helpdesk import USER, helpdesk
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from tests.support.rest_double import ModelDesk, serving

DESCRIPTION = """
title = "the model desk"

[resources.tickets]
path = "keyset/tickets"
records = "results"
time = "created"
paging = { type = "keyset", parameter = "after", size_parameter = "size", size = 1000 }

[resources.tickets.children.comments]
path = "tickets/{key}/comments"
records = "results"
"""


def with_calls(desk: Desk, server: PostgresServer, years: courier.TwoYears) -> str:
    """A project whose calls are in a database; the database's name."""
    database = server.new_database(courier.TABLE)
    with server.connected(database) as connection, connection.cursor() as cursor:
        with cursor.copy(f"copy calls ({courier.COLUMNS}) from stdin") as copy:
            for call in years.calls:
                copy.write_row(call)
        connection.commit()
    (desk.folder / "password").write_text(f"{PASSWORD}\n")
    desk.init()
    desk.call("project", "add", "sdek")
    words = ("--time-column", "started_at", "--option", f"user={OWNER}", "--option", "password_file=password", "--yes")
    desk.call("source", "add", "sdek", "raw", server.url(database), "--name", "telephony", *words)
    return database


def asked(desk: Desk, sql: str) -> tuple[int, float]:
    (row,) = desk.call("query", "sdek", sql, "--json").document["rows"]
    requests, comments = row.values() if isinstance(row, dict) else row
    return requests, comments


def published(folder: Path, comments: str, topic: str = "t.topic = 'delivery'") -> tuple[int, float]:
    """The answer out of what was published, by DuckDB alone."""
    with duckdb.connect() as database:
        (found,) = database.execute(
            f"""select count(*), avg({comments}) from read_parquet('{folder}/raw/calls/*.parquet', union_by_name = true) c
            join read_parquet('{folder}/tickets/tickets/*.parquet', union_by_name = true) t on t.id = c.ticket
            where {topic} and c.started_at >= timestamptz '2026-04-01 00:00+00'
            and c.started_at < timestamptz '2026-07-01 00:00+00' and substr(c.caller, 1, 6) in {courier.MOBILE}"""
        ).fetchall()
        return int(found[0]), float(found[1])


@pytest.fixture
def model() -> Iterator[ModelDesk]:
    with serving(ModelDesk()) as desk:
        yield desk


def test_the_backup_and_what_is_published_answer_as_the_sources_do(
    desk: Desk, postgres: PostgresServer, model: ModelDesk, tmp_path: Path
) -> None:
    years = courier.two_years(calls_a_day=2)
    for ticket in years.tickets:
        assert model.add(at=ticket.created, topic=ticket.topic) == ticket.number
        model.tickets[ticket.number]["comments"] = [{"id": place, "text": text} for place, text in enumerate(ticket.comments)]
    database = with_calls(desk, postgres, years)
    (desk.folder / "desk.toml").write_text(DESCRIPTION)
    desk.call("source", "add", "sdek", "tickets", "rest:desk.toml", "--option", f"base={model.url}", "--yes")
    for one in desk.call("backup", "--json").document["snapshots"]:
        assert one["problems"] == 0 and one["files"] == 24 + (one["source"] == "telephony")
    expected = years.answer()
    assert expected[0] > 5
    assert asked(desk, courier.IN_SQL) == pytest.approx(expected)
    months = {f"2026-{number:02}" for number in (4, 5, 6)}
    in_database = postgres.rows(
        database,
        "select count(*) from calls where started_at >= '2026-04-01 00:00+00' and started_at < '2026-07-01 00:00+00'",
    )
    asked_of = "select count(*) from calls where period_start >= '2026-04-01' and period_end <= '2026-07-01'"
    assert list(desk.call("query", "sdek", asked_of, "--json").document["rows"][0]) == [in_database[0][0]]
    bi = tmp_path / "bi"
    desk.call("publish", "sdek", "--as", "parquet", "--to", str(bi))
    tables = ds.dataset(sorted((bi / "raw/calls").glob("*.parquet")))
    assert sum(file.stem in months for file in (bi / "tickets/tickets").iterdir()) == 3
    assert tables.count_rows() == len(years.calls)
    assert published(bi, "json_array_length(t.comments)") == pytest.approx(expected)
    # a ticket more in the help desk, and both know of it
    number = model.add(at=courier.QUARTER[0], topic="delivery")
    model.tickets[number]["comments"] = [{"id": one, "text": "new"} for one in range(3)]
    postgres.run(database, f"insert into calls values ('new', '2026-04-01 00:00+00', '+380670000000', 9, {number})")
    desk.call("backup")
    desk.call("publish", "sdek", "--as", "parquet", "--to", str(bi))
    more = (expected[0] + 1, (expected[0] * expected[1] + 3) / (expected[0] + 1))
    assert asked(desk, courier.IN_SQL) == pytest.approx(more)
    assert published(bi, "json_array_length(t.comments)") == pytest.approx(more)


@pytest.mark.slow
def test_two_years_at_their_size_with_tickets_of_a_real_django_helpdesk(
    desk: Desk, postgres: PostgresServer, tmp_path: Path
) -> None:
    """365,000 calls and every hundredth of their tickets: the help desk's interface takes a second for 100, and is read until
    two readings agree."""
    years = courier.two_years(calls_a_day=500)
    kept = [one for one in years.tickets if one.number % 100 == 0]
    file = tmp_path / "tickets.json"
    file.write_text(
        json.dumps(
            [{"id": one.number, "title": one.topic, "comments": one.comments, "at": one.created.isoformat()} for one in kept]
        )
    )
    numbers = {one.number for one in kept}
    known = courier.TwoYears([one if one.ticket in numbers else one._replace(ticket=None) for one in years.calls], kept)
    with_calls(desk, postgres, known)
    (desk.folder / "secret").write_text(HELPDESK_PASSWORD)
    with helpdesk(tmp_path / "helpdesk", fixture=file) as real:
        words = ("--option", f"base={real.url}", "--option", f"user={USER}", "--option", "password_file=secret", "--yes")
        desk.call("source", "add", "sdek", "tickets", "rest:django-helpdesk", *words)
        for one in desk.call("backup", "--json").document["snapshots"]:
            assert one["problems"] == 0
    sql = courier.IN_SQL.replace("t.comments", "t.followup_set").replace("t.topic", "t.title")
    assert asked(desk, sql) == pytest.approx(known.answer())
    bi = tmp_path / "bi"
    desk.call("publish", "sdek", "--as", "parquet", "--to", str(bi))
    assert published(bi, "json_array_length(t.followup_set)", "t.title = 'delivery'") == pytest.approx(known.answer())
