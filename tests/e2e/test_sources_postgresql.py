"""A PostgreSQL database as a source, through the command, against a real server: added, tested, backed up, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer

SCRIPT = """
create type mood as enum ('calm', 'cross');
create table agents (id int primary key, name text not null);
create table calls (id serial primary key, at timestamptz, agent int references agents, number text, price numeric(10,3),
  m mood default 'calm', extra jsonb, sound bytea, v int default 1);
create index calls_at on calls (at);
insert into agents values (1, 'Olena'), (2, 'Петро');
insert into calls (at, agent, number, price, extra, sound)
  select timestamptz '2024-01-17 10:00+00' + (n % 4) * interval '1 month', n % 2 + 1, '+38044' || lpad(n::text, 7, '0'),
         n / 7.0, json_build_object('n', n), decode(md5(n::text), 'hex') from generate_series(1, 200) n;
"""
CALLS = "select * from calls order by id"


class Crm:
    """A desk with a project whose source is a database, and that database."""

    def __init__(self, desk: Desk, server: PostgresServer) -> None:
        self.desk, self.server = desk, server
        self.database = server.new_database(SCRIPT)
        self.url = server.url(self.database)
        (desk.folder / "password").write_text(f"{PASSWORD}\n")
        desk.init()
        desk.call("project", "add", "acme")
        options = {"user": OWNER, "password_file": "password", "version_column": "v"}
        words = [word for key, value in options.items() for word in ("--option", f"{key}={value}")]
        desk.call("source", "add", "acme", "raw", self.url, "--name", "crm", "--time-column", "at", *words, "--yes")

    def call(self, *words: str, **more: Any) -> Any:
        result = self.desk.call(*words, **more)
        assert PASSWORD not in result.err and PASSWORD not in result.text
        return result

    def run(self, script: str) -> None:
        self.server.run(self.database, script)

    def rows(self, query: str = CALLS, database: str = "") -> list[tuple[Any, ...]]:
        return self.server.rows(database or self.database, query)

    def backup(self, exits: int = 0) -> dict[str, Any]:
        (found,) = self.call("backup", "--json", exits=exits).document["snapshots"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def crm(desk: Desk, postgres: PostgresServer) -> Crm:
    return Crm(desk, postgres)


def test_a_test_shows_what_would_be_taken_the_clock_and_what_may_not_be_read(crm: Crm) -> None:
    (found,) = crm.call("source", "test", "acme", "--json").document["sources"]
    assert found["entity_names"] == ["agents", "calls"] and found["one_moment"] and found["error"] is None
    assert found["files"] == 7 and found["read_bytes"] > 0 and abs(found["clock_difference"]) < 60
    shown = crm.call("source", "test", "acme", "crm").text
    assert "Olena" not in shown and "xxxxx" in shown and "clock" in shown
    crm.run(f"create role looker_{crm.database} login password '{PASSWORD}'; grant select on agents to looker_{crm.database}")
    crm.desk.settings.write_text(crm.desk.settings.read_text().replace(OWNER, f"looker_{crm.database}"))
    limited = crm.call("source", "test", "acme", exits=3)
    assert "the table 'calls' is not taken: this user may not read it" in limited.err
    (found,) = crm.call("source", "test", "acme", "--json", exits=3).document["sources"]
    assert [one["path"] for one in found["missing_rights"]] == ["raw/calls.parquet"]
    (crm.desk.folder / "password").write_text("wrong")
    assert "password authentication failed" in crm.call("source", "test", "acme", exits=1).err
    (found,) = crm.call("source", "test", "acme", "--json", exits=1).document["sources"]
    assert [one["path"] for one in found["missing_rights"]] == [None] and found["error"]["what"] == "source-denied"


def test_tables_are_listed_asked_and_shown_and_what_is_unchanged_is_not_read(crm: Crm) -> None:
    first = crm.backup()
    assert (first["problems"], first["files"]) == (0, 7)
    again = crm.backup()
    assert (again["changed"], again["added"], again["read_bytes"]) == (0, 0, 0)
    (march,) = crm.call("ls", "acme", "--period", "2024-03", "-r", "--json").document["items"]
    assert march["path"] == "raw/calls/2024-03.parquet"
    asked = crm.call("query", "acme", "select count(*) as n, sum(price) as p from raw.calls", "--json", exits=(0, 2))
    if asked.code == 0:
        assert asked.document["rows"][0][0] in (200, "200")
    assert "postgresql: agents, calls" in crm.call("snapshot", "show", "acme", "latest").text


def test_two_years_one_deletion_a_month_of_snapshots_one_command_and_newer_rows_stay(crm: Crm) -> None:
    """The accident, over SQL."""
    crm.run("insert into calls (at, agent, number) select timestamptz '2022-06-15' + n * interval '9 days', 1, n::text "
            "from generate_series(1, 60) n")  # fmt: skip
    crm.backup()
    whole = crm.rows()
    crm.run("delete from calls where at < '2024-01-01'")
    for week in range(4):
        crm.run(f"insert into calls (at, agent, number) values ('2024-06-0{week + 1}', 1, 'new {week}')")
        crm.backup()
    newer = [row for row in crm.rows() if row not in whole]
    assert len(newer) == 4 and len(crm.rows()) == 204
    command = ("restore", "acme", "raw/calls/**", "--deleted", "--in-place")
    plan = crm.call(*command, "--dry-run", "--json").document
    (calls,) = plan["tables"]
    assert not plan["done"] and (calls["inserted"], calls["replaced"], calls["rows_left"]) == (60, 0, 0)
    assert len(crm.rows()) == 204
    done = crm.call(*command, "--yes").text
    assert "60 rows inserted" in done and crm.rows() == sorted([*whole, *newer])
    again = crm.call(*command, "--yes", "--json").document
    assert (again["tables"][0]["inserted"], again["tables"][0]["equal"]) == (0, 60)


def test_rows_that_differ_are_refused_skipped_kept_where_newer_or_replaced(crm: Crm) -> None:
    crm.backup()
    whole = crm.rows()
    crm.run("update calls set number = 'x', v = 2 where id = 4; update calls set extra = '{}', sound = null where id = 8")
    changed = crm.rows()
    command = ("restore", "acme", "raw/calls/**", "--in-place", "--yes")
    refused = crm.call(*command, exits=1).err
    assert "2 rows are in the way" in refused and "nothing was written" in refused
    crm.call(*command, "--existing", "skip")
    assert crm.rows() == changed
    crm.call(*command, "--existing", "newer")
    assert [row for row in crm.rows() if row not in whole] == [row for row in changed if row[0] == 4]
    crm.call(*command, "--existing", "replace", "--where", "id in (1, 2, 3)")
    assert crm.rows() != whole
    crm.call(*command, "--existing", "replace", "--where", "price < 0.6 and number like '+380%' and m = 'calm'")
    assert crm.rows() == whole


@pytest.mark.parametrize(
    "where", ["nonsense (", "no_such_column = 1", "true); drop table calls; --", "(select setval('calls_id_seq', 1)) = 1"]
)
def test_a_condition_can_ask_for_rows_and_write_nothing(crm: Crm, where: str) -> None:
    crm.backup()
    before = crm.rows("select *, (select last_value from calls_id_seq) from calls order by id")
    result = crm.call("restore", "acme", "raw/calls/**", "--in-place", "--where", where, "--yes", exits=2)
    assert "--where cannot be used" in result.err
    assert crm.rows("select *, (select last_value from calls_id_seq) from calls order by id") == before


def test_an_empty_database_gets_the_tables_with_all_that_belongs_to_them(crm: Crm) -> None:
    crm.backup()
    new = crm.server.new_database()
    address = f"postgresql://{OWNER}@127.0.0.1:{crm.server.port}/{new}?password_file=password"
    done = crm.call("restore", "acme", "raw/**", "--to", address, "--yes", "--json").document
    assert [(one["table"], one["inserted"], one["created"]) for one in done["tables"]] == [
        ("agents", 2, True),
        ("calls", 200, True),
    ]
    assert crm.rows(database=new) == crm.rows()
    assert crm.rows("select * from agents order by id", new) == crm.rows("select * from agents order by id")
    crm.server.run(new, "insert into calls (agent) values (1)")
    assert crm.rows("select max(id) from calls", new) == [(201,)]
    indexes = "select indexdef from pg_indexes where schemaname = 'public' order by 1"
    assert crm.rows(indexes, new) == crm.rows(indexes)
    with pytest.raises(Exception, match="foreign key"):
        crm.server.run(new, "insert into calls (agent) values (99)")


def test_a_scratch_schema_takes_the_rows_and_the_live_tables_are_not_touched(crm: Crm) -> None:
    crm.backup()
    whole = crm.rows()
    crm.run("update calls set number = 'spoilt'; delete from agents where id not in (select agent from calls)")
    spoilt = crm.rows()
    address = f"postgresql://{OWNER}@127.0.0.1:{crm.server.port}/{crm.database}?schema=before&password_file=password"
    crm.call("restore", "acme", "raw/calls/2024-03.parquet", "--to", address, "--yes")
    assert crm.rows("select * from before.calls order by id") == [row for row in whole if row[0] % 4 == 2]
    crm.call("restore", "acme", "raw/**", "--to", address, "--yes")
    assert crm.rows("select * from before.calls order by id") == whole and crm.rows() == spoilt


def test_rows_go_in_the_order_that_foreign_keys_ask_for_or_not_at_all(crm: Crm) -> None:
    crm.backup()
    whole, agents = crm.rows(), crm.rows("select * from agents order by id")
    crm.run("delete from calls; delete from agents")
    alone = crm.call("restore", "acme", "raw/calls/**", "--in-place", "--yes", exits=1)
    assert "do not fit" in alone.err and "nothing was written" in alone.err and crm.rows() == []
    crm.call("restore", "acme", "raw/**", "--in-place", "--yes")
    assert crm.rows() == whole and crm.rows("select * from agents order by id") == agents


def test_what_cannot_be_is_said_in_the_plan(crm: Crm) -> None:
    crm.run("alter table calls add twice int generated always as (v * 2) stored")
    crm.backup()
    crm.run(
        "alter table calls drop column number; alter table calls add note text default 'none';"
        "alter table calls alter price type text; delete from calls where id = 5;"
        "create function nothing() returns trigger language plpgsql as 'begin return new; end';"
        "create trigger counted before insert on calls for each row execute function nothing()"
    )
    done = crm.call("restore", "acme", "raw/calls/2024-02.parquet", "--in-place", "--yes", "--json").document
    (calls,) = done["tables"]
    notes = " / ".join(calls["notes"])
    for part in (
        "left out: number",
        "defaults: note",
        "run: counted",
        "computed anew: twice",
        "another type now are read as that: price",
    ):
        assert part in notes
    assert calls["inserted"] == 1
    assert crm.rows("select note, twice, price from calls where id = 5") == [("none", 2, "0.714")]


def test_tables_without_a_key_are_compared_by_whole_rows_as_often_as_they_are_there(crm: Crm) -> None:
    crm.run(
        "create table log (line text, data json, n int); insert into log values ('a', '{}', 1), ('a', '{}', 1), (null, null, 2)"
    )
    crm.backup()
    crm.run("delete from log; insert into log values ('a', '{}', 1)")
    (log,) = crm.call("restore", "acme", "raw/log.parquet", "--in-place", "--yes", "--json").document["tables"]
    assert (log["inserted"], log["equal"]) == (2, 1)
    assert crm.rows("select line, data::text, n from log order by n") == [("a", "{}", 1), ("a", "{}", 1), (None, None, 2)]


def test_another_user_puts_rows_back_than_reads_them(crm: Crm) -> None:
    crm.run(f"create role looker_{crm.database} login password 'seen'; grant select on agents, calls to looker_{crm.database}")
    (crm.desk.folder / "seen").write_text("seen")
    text = crm.desk.settings.read_text().replace(f'user = "{OWNER}"', f'user = "looker_{crm.database}"')
    crm.desk.settings.write_text(text.replace('"password"', '"seen"'))
    crm.backup()
    whole = crm.rows()
    crm.run("delete from calls where id < 50")
    command = ("restore", "acme", "raw/calls/**", "--in-place", "--yes")
    refused = crm.call(*command, exits=1)
    assert "permission denied" in refused.err and "restore_user" in refused.err
    assert "has not the rights to insert, update" in crm.call(*command, "--dry-run").err
    text = crm.desk.settings.read_text()
    own = f'restore_user = "{OWNER}", restore_password_file = "password", user ='
    crm.desk.settings.write_text(text.replace("user =", own, 1))
    crm.call(*command)
    assert crm.rows() == whole


def test_rows_of_one_kind_of_database_do_not_go_into_another(crm: Crm, tmp_path: Path) -> None:
    crm.backup()
    other = crm.call("restore", "acme", "raw/calls/**", "--to", f"sqlite:{tmp_path / 'x.db'}", "--yes", exits=2)
    assert "is not a table of a SQLite database" in other.err and not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://me:geheim@host/db", "has a password in it"),
        ("postgresql://host", "names no host, or no database"),
        ("postgresql://host/db?nonsense=1", "not known: 'nonsense'"),
        ("postgresql://host/db?password_file=/no/such/file", "cannot be read"),
        ("postgresql://host/db?sslmode=maybe", "must be one of"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_not_repeated(crm: Crm, address: str, message: str) -> None:
    crm.backup()
    result = crm.call("restore", "acme", "raw/calls/**", "--to", address, "--yes", exits=2)
    assert message in result.err and "geheim" not in result.err
