"""A MariaDB database as a source, through the command, against a real server: added, tested, backed up, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import Desk
from tests.support.mariadb_server import OWNER, PASSWORD, MariadbServer

SCRIPT = """
create table agents (id int primary key, name varchar(40) not null);
create table calls (id int auto_increment primary key, at timestamp null, agent int, number varchar(20), price decimal(10,3),
  m enum('calm', 'cross') default 'calm', extra json, sound blob, zero date, f float, v int default 1, key calls_at (at),
  constraint who foreign key (agent) references agents (id));
insert into agents values (1, 'Olena'), (2, 'Петро');
insert into calls (at, agent, number, price, extra, sound, zero, f)
  select '2024-01-17 10:00' + interval seq % 4 month, seq % 2 + 1, concat('+38044', lpad(seq, 7, '0')), seq / 7,
         json_object('n', seq), unhex(md5(seq)), if(seq % 5, '2024-05-05', '0000-00-00'), seq / 3 from seq_1_to_200
"""
CALLS = "select * from calls order by id"


class Crm:
    """A desk with a project whose source is a database, and that database."""

    def __init__(self, desk: Desk, server: MariadbServer) -> None:
        self.desk, self.server = desk, server
        self.database = server.new_database(SCRIPT)
        self.url = server.url(self.database)
        (desk.folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
        desk.init()
        desk.call("project", "add", "acme")
        options = {"user": OWNER, "password_file": "password", "version_column": "v", "certificates": str(server.certificates)}
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

    def to(self, database: str, more: str = "") -> str:
        """As `--to` names it."""
        return f"mariadb://{OWNER}@127.0.0.1:{self.server.port}/{database}?password_file=password{more}"


@pytest.fixture
def crm(desk: Desk, mariadb: MariadbServer) -> Crm:
    return Crm(desk, mariadb)


def test_a_test_shows_what_would_be_taken_the_clock_and_what_may_not_be_read(crm: Crm) -> None:
    (found,) = crm.call("source", "test", "acme", "--json").document["sources"]
    assert found["entity_names"] == ["agents", "calls"] and found["one_moment"] and found["error"] is None
    assert found["files"] == 7 and found["read_bytes"] > 0 and abs(found["clock_difference"]) < 60
    shown = crm.call("source", "test", "acme", "crm").text
    assert "Olena" not in shown and "xxxxx" in shown and "clock" in shown
    looker = f"looker_{crm.database}"
    crm.run(f"create user {looker}@localhost identified by '{PASSWORD}'; grant select on agents to {looker}@localhost;"
            f"grant insert on calls to {looker}@localhost")  # fmt: skip
    crm.desk.settings.write_text(crm.desk.settings.read_text().replace(OWNER, looker))
    limited = crm.call("source", "test", "acme", exits=3)
    assert "the table 'calls' is not taken: this user may not read it" in limited.err
    (crm.desk.folder / "password").write_text("wrong")
    assert "Access denied" in crm.call("source", "test", "acme", exits=1).err


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
    assert "mariadb: agents, calls" in crm.call("snapshot", "show", "acme", "latest").text


def test_two_years_one_deletion_a_month_of_snapshots_one_command_and_newer_rows_stay(crm: Crm) -> None:
    """The accident, over SQL."""
    crm.run("insert into calls (at, agent, number) select '2022-06-15' + interval 9 * seq day, 1, seq from seq_1_to_60")
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
    assert "60 rows inserted" in done and crm.rows() == sorted([*whole, *newer], key=lambda row: row[0])
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
    "where",
    ["nonsense (", "no_such_column = 1", "true); drop table calls; -- ", "nextval(counter) = 1", "spoil() = 1", "id = 1 /*"],
)
def test_a_condition_can_ask_for_rows_and_write_nothing(crm: Crm, where: str) -> None:
    crm.run("create sequence counter; create function spoil() returns int modifies sql data return 1")
    with crm.server.connected(crm.database) as connection, connection.cursor() as cursor:
        cursor.execute("drop function spoil")
        cursor.execute("create function spoil() returns int modifies sql data begin delete from calls; return 1; end")
    crm.backup()
    state = "select *, (select next_not_cached_value from counter) from calls order by id"
    before = crm.rows(state)
    result = crm.call("restore", "acme", "raw/calls/**", "--in-place", "--where", where, "--yes", exits=2)
    assert "--where cannot be used" in result.err
    assert crm.rows(state) == before


def test_an_empty_database_gets_the_tables_with_all_that_belongs_to_them(crm: Crm) -> None:
    crm.run("create sequence ticks start 7; alter table calls add tick int default nextval(ticks), auto_increment = 500")
    with crm.server.connected(crm.database) as connection, connection.cursor() as cursor:
        cursor.execute("create trigger upper_name before insert on agents for each row set new.name = upper(new.name)")
    crm.backup()
    new = crm.server.new_database()
    done = crm.call("restore", "acme", "raw/**", "--to", crm.to(new), "--yes", "--json").document
    assert [(one["table"], one["inserted"], one["created"], one["notes"]) for one in done["tables"]] == [
        ("agents", 2, True, []),
        ("calls", 200, True, []),
    ]
    assert crm.rows(database=new) == crm.rows()
    assert crm.rows("select * from agents order by id", new) == crm.rows("select * from agents order by id")
    crm.server.run(new, "insert into calls (agent) values (1); insert into agents values (3, 'eva')")
    assert crm.rows("select max(id), max(tick) >= 7 from calls", new) == [(500, 1)]
    assert crm.rows("select name from agents where id = 3", new) == [("EVA",)]
    made = "show create table calls"
    assert crm.rows(made, new)[0][1].split(") ENGINE")[0].replace(new, "") == crm.rows(made)[0][1].split(") ENGINE")[0].replace(
        crm.database, ""
    )
    with pytest.raises(Exception, match="foreign key"):
        crm.server.run(new, "insert into calls (agent) values (99)")


def test_tables_that_are_made_are_taken_away_again_where_their_rows_do_not_fit(crm: Crm) -> None:
    crm.backup()
    new = crm.server.new_database("create table agents (id int primary key, name varchar(3))")
    address = crm.to(new)
    for more, message in (("", "do not fit"), ("&schema=" + new + "_x", "")):
        result = crm.call("restore", "acme", "raw/**", "--to", address + more, "--yes", exits=1 if message else 0)
        assert message in result.err
    assert crm.rows("show tables", new) == [("agents",)] and crm.rows("select * from agents", new) == []
    assert crm.rows("select count(*) from calls", f"{new}_x") == [(200,)]


def test_a_scratch_database_takes_the_rows_and_the_live_tables_are_not_touched(crm: Crm) -> None:
    crm.backup()
    whole = crm.rows()
    crm.run("update calls set number = 'spoilt'; delete from agents where id not in (select agent from calls)")
    spoilt = crm.rows()
    scratch = f"{crm.database}_before"
    address = crm.to(crm.database, f"&schema={scratch}")
    crm.call("restore", "acme", "raw/calls/2024-03.parquet", "--to", address, "--yes")
    assert crm.rows(database=scratch) == [row for row in whole if row[0] % 4 == 2]
    crm.call("restore", "acme", "raw/**", "--to", address, "--yes")
    assert crm.rows(database=scratch) == whole and crm.rows() == spoilt


def test_rows_go_in_the_order_that_foreign_keys_ask_for_or_not_at_all(crm: Crm) -> None:
    crm.backup()
    whole, agents = crm.rows(), crm.rows("select * from agents order by id")
    crm.run("delete from calls; delete from agents")
    alone = crm.call("restore", "acme", "raw/calls/**", "--in-place", "--yes", exits=1)
    assert "do not fit" in alone.err and "nothing was written" in alone.err and crm.rows() == []
    crm.call("restore", "acme", "raw/**", "--in-place", "--yes")
    assert crm.rows() == whole and crm.rows("select * from agents order by id") == agents


def test_rows_that_refer_to_themselves_and_in_a_circle_go_back_and_none_is_left_without_its_other(crm: Crm) -> None:
    crm.run(
        "create table tree (id int primary key, above int, foreign key (above) references tree (id));"
        "create table a (id int primary key, b int);"
        "create table b (id int primary key, a int, foreign key (a) references a (id));"
        "alter table a add foreign key (b) references b (id); insert into tree values (9, null), (1, 9), (2, 1), (3, 3);"
        "insert into a values (1, null); insert into b values (1, 1); update a set b = 1"
    )
    crm.backup()
    state = {name: crm.rows(f"select * from {name} order by id") for name in ("tree", "a", "b")}
    crm.run("set foreign_key_checks = 0; delete from tree; delete from a; delete from b")
    command = ("restore", "acme", "--in-place", "--yes", "raw/tree.parquet")
    alone = crm.call(*command, "--where", "id in (1, 2)", exits=1).err
    assert "1 of the table 'tree' refer to rows of 'tree' that are not there" in alone and "nothing was written" in alone
    assert crm.rows("select * from tree") == []
    assert "a foreign key constraint fails" in crm.call("restore", "acme", "--in-place", "--yes", "raw/a.parquet", exits=1).err
    crm.call(*command, "raw/a.parquet", "raw/b.parquet")
    assert state == {name: crm.rows(f"select * from {name} order by id") for name in state}


def test_what_cannot_be_is_said_in_the_plan(crm: Crm) -> None:
    crm.run("alter table calls add twice int generated always as (v * 2) stored;"
            "create table old (id int primary key) engine=MyISAM; insert into old values (1)")  # fmt: skip
    crm.backup()
    crm.run(
        "alter table calls drop column number, add note varchar(9) default 'none', modify price text;"
        "delete from calls where id = 5; delete from old;"
        "create trigger counted before insert on calls for each row set @n = 1"
    )
    done = crm.call("restore", "acme", "raw/calls/2024-02.parquet", "raw/old.parquet", "--in-place", "--yes", "--json").document
    calls, old = done["tables"]
    notes = " / ".join(calls["notes"])
    for part in (
        "left out: number",
        "defaults: note",
        "run: counted",
        "computed anew: twice",
        "another type now are read as that: price",
    ):
        assert part in notes
    assert calls["inserted"] == 1 and "MyISAM, which knows no transactions" in " ".join(old["notes"])
    assert crm.rows("select note, twice, price from calls where id = 5") == [("none", 2, "0.714")]
    assert crm.rows("select * from old") == [(1,)]


def test_what_a_table_without_transactions_keeps_after_a_failure_is_said(crm: Crm) -> None:
    crm.run("create table old (id int primary key, x int) engine=MyISAM;"
            "create table very_old (id int primary key) engine=MyISAM; insert into old values (1, 1), (2, 2);"
            "insert into very_old values (3)")  # fmt: skip
    crm.backup()
    crm.run("delete from old; delete from very_old; alter table old add unique (x); insert into old values (7, 2)")
    failed = crm.call("restore", "acme", "raw/*old.parquet", "raw/agents.parquet", "--in-place", "--yes", exits=1).err
    assert "what was written into old" in failed and "stays" in failed


def test_tables_without_a_key_are_compared_by_whole_rows_as_often_as_they_are_there(crm: Crm) -> None:
    crm.run(
        "create table log (line text, data json, n int);"
        "insert into log values ('a', '{}', 1), ('a', '{}', 1), (null, null, 2), ('A', '{}', 1)"
    )
    crm.backup()
    crm.run("delete from log; insert into log values ('a', '{}', 1)")
    (log,) = crm.call("restore", "acme", "raw/log.parquet", "--in-place", "--yes", "--json").document["tables"]
    assert (log["inserted"], log["equal"]) == (3, 1)
    assert crm.rows("select line, data, n from log order by n, binary line") == [
        ("A", "{}", 1), ("a", "{}", 1), ("a", "{}", 1), (None, None, 2),
    ]  # fmt: skip


def test_a_difference_of_case_of_blanks_or_of_a_last_digit_is_a_difference(crm: Crm) -> None:
    crm.run(
        "create table fine (id int primary key, a varchar(9), b longtext, c double, d float, e varbinary(9), g point);"
        "insert into fine values (1, 'a', 'x', 0.1, 0.1234567, x'00', point(1, 2))"
    )
    crm.backup()
    whole = crm.rows("select *, hex(a), hex(b), hex(g), d + 0e0 from fine")
    for change in ("a = 'A'", "a = 'a '", "b = 'x '", "b = null", "c = 0.10000000000000002", "d = 0.1234568", "e = x'0000'",
                   "g = point(1, 3)"):  # fmt: skip
        crm.run(f"update fine set {change}")
        done = crm.call(
            "restore", "acme", "raw/fine.parquet", "--in-place", "--existing", "replace", "--yes", "--json"
        ).document
        assert done["tables"][0]["replaced"] == 1, change
        assert crm.rows("select *, hex(a), hex(b), hex(g), d + 0e0 from fine") == whole, change


def test_another_user_puts_rows_back_than_reads_them(crm: Crm) -> None:
    looker = f"looker_{crm.database}"
    crm.run(f"create user {looker}@localhost identified by 'seen';"
            f"grant select, create temporary tables, lock tables on {crm.database}.* to {looker}@localhost")  # fmt: skip
    (crm.desk.folder / "seen").write_text("seen")
    text = crm.desk.settings.read_text().replace(f'user = "{OWNER}"', f'user = "{looker}"')
    crm.desk.settings.write_text(text.replace('"password"', '"seen"'))
    crm.backup()
    whole = crm.rows()
    crm.run("delete from calls where id < 50")
    command = ("restore", "acme", "raw/calls/**", "--in-place", "--yes")
    refused = crm.call(*command, exits=1)
    assert "denied" in refused.err and "restore_user" in refused.err
    shown = crm.call(*command, "--dry-run").err
    assert "has not the rights to insert, update" in shown and "right to see whether there are any" in shown
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
        ("mariadb://me:geheim@host/db", "has a password in it"),
        ("mysql://host", "names no host, or no database"),
        ("mariadb://host/db?nonsense=1", "not known: 'nonsense'"),
        ("mariadb://host/db?password_file=/no/such/file", "cannot be read"),
        ("mysql://host/db?tls=maybe", "must be one of"),
    ],
)
def test_an_address_that_cannot_be_is_refused_and_not_repeated(crm: Crm, address: str, message: str) -> None:
    crm.backup()
    result = crm.call("restore", "acme", "raw/calls/**", "--to", address, "--yes", exits=2)
    assert message in result.err and "geheim" not in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mysql://me:geheim@host/db",), "more than a host and a database"),
        (("mariadb://host",), "names no host, or no database"),
        (("mariadb://host/db", "--option", "tls=perhaps"), "must be one of"),
        (("mariadb://host/db", "--option", "timeout=soon"), "soon"),
        (("mariadb://host/db", "--option", "password=geheim"), "is a secret by its name"),
        (("maria://host/db",), "did you mean mariadb"),
    ],
)
def test_a_source_that_cannot_be_is_not_added(desk: Desk, words: tuple[str, ...], message: str) -> None:
    desk.init()
    desk.call("project", "add", "acme")
    before = desk.settings.read_text()
    refused = desk.call("source", "add", "acme", "raw", *words, "--yes", exits=2)
    assert message in refused.err and desk.settings.read_text() == before
