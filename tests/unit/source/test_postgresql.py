"""PostgreSQL as a source, against a real server: exact types, partitions, one moment, what this user may not read."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.clock import StillClock
from tests.support.places import made_on
from tests.support.postgres_server import OWNER, PASSWORD, PostgresServer
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import SourceError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.source.contract import Scan
from vault.source.patterns import Rules
from vault.source.sql import postgresql_arrow, postgresql_rows
from vault.source.sql.postgresql import PgOptions, PostgresqlSource
from vault.source.sql.postgresql_connection import PgAddress
from vault.source.sql.schema_statements import statements_of
from vault.storage.memory import MemoryStore


def source(server: PostgresServer, database: str, user: str = OWNER, **options: Any) -> PostgresqlSource:
    address = PgAddress("127.0.0.1", server.port, database, user, PASSWORD)
    return PostgresqlSource(PgOptions(address, **options), b"raw", SystemClock())


def paths(found: Scan) -> list[str]:
    rows = zip(found.table["path"].to_pylist(), found.table["type"].to_pylist(), strict=True)
    return [path.decode().removeprefix("raw/") for path, kind in rows if not kind]


def read(one: PostgresqlSource, path: str) -> bytes:
    with one.reader() as reader:
        stream = reader.open_large(b"raw/" + path.encode())
        assert not isinstance(stream, Problem)
        with stream:
            data, buffer = b"", bytearray(1 << 20)
            while count := stream.readinto(buffer, len(data)):
                data += buffer[:count]
            return data


def items(one: PostgresqlSource) -> dict[str, bytes]:
    """The content of every item, by its path."""
    with closing(one):
        return {path: read(one, path) for path in paths(one.scan(never))}


def table(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


def tokens(one: PostgresqlSource) -> dict[bytes, int]:
    with closing(one):
        found = one.scan(never).table
        return dict(zip(found["path"].to_pylist(), found["inode"].to_pylist(), strict=True))


PLAIN: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "boolean": ("bool", [("true", True), ("false", False)]),
    "smallint": ("int16", [("-32768", -32768), ("32767", 32767)]),
    "integer": ("int32", [("-2147483648", -(1 << 31)), ("0", 0)]),
    "bigint": ("int64", [("9223372036854775807", (1 << 63) - 1), ("-9223372036854775808", -(1 << 63))]),
    "real": ("float", [("0.1", 0.10000000149011612), ("'-Infinity'", float("-inf"))]),
    "double precision": ("double", [("0.1", 0.1), ("1e-300", 1e-300), ("'Infinity'", float("inf"))]),
    "numeric(12,3)": (
        "decimal128(12, 3)",
        [("-1.5", Decimal("-1.500")), ("123456789.001", Decimal("123456789.001"))],
    ),
    "numeric(38,37)": ("decimal128(38, 37)", [("1." + "7" * 37, Decimal("1." + "7" * 37))]),
    "numeric(60,20)": ("string", [("1" * 40 + "." + "7" * 20, "1" * 40 + "." + "7" * 20)]),
    "numeric": ("string", [("1." + "0" * 30 + "10", "1." + "0" * 30 + "10"), ("'NaN'", "NaN")]),
    "text": (
        "string",
        [("''", ""), ("E'a,\"b\"\\n\\\\.\\r\\n\\tü'", 'a,"b"\n\\.\r\n\tü'), ("'\\N'", "\\N"), ("'null'", "null")],
    ),
    "varchar(5)": ("string", [("' x '", " x ")]),
    "character(4)": ("string", [("'ab'", "ab  ")]),
    "bytea": ("binary", [("'\\x00ff5c'", b"\x00\xff\\"), ("''", b"")]),
    "date": ("date32[day]", [("'0001-01-01'", date(1, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))]),
    "time": ("time64[us]", [("'23:59:59.999999'", time(23, 59, 59, 999999)), ("'00:00'", time(0))]),
    "timestamp": ("timestamp[us]", [("'2024-05-17 10:00:00.000001'", datetime(2024, 5, 17, 10, 0, 0, 1))]),
    "timestamptz": (
        "timestamp[us, tz=UTC]",
        [("'2024-05-17 10:00+05:45'", datetime(2024, 5, 17, 4, 15, tzinfo=UTC))],
    ),
    "timetz": ("string", [("'10:00+03'", "10:00:00+03")]),
    "interval": ("string", [("'1 mon -3 days 04:05:06.7'", "1 mon -3 days +04:05:06.7")]),
    "json": ("string", [('\'{"b": 1,  "a": null}\'', '{"b": 1,  "a": null}')]),
    "jsonb": ("string", [('\'{"b": 1,  "a": null}\'', '{"a": null, "b": 1}')]),
    "uuid": ("string", [("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),
    "inet": ("string", [("'10.1.2.3/8'", "10.1.2.3/8")]),
    "bit(3)": ("string", [("B'101'", "101")]),
    "money": ("string", [("'12.34'", "$12.34")]),
    "int4range": ("string", [("'[1,5)'", "[1,5)")]),
    "integer[]": ("string", [("'{1,null,3}'", "{1,NULL,3}"), ("'{}'", "{}")]),
    "text[]": ("string", [("array['a,b', null, '', 'NULL']", '{"a,b",NULL,"","NULL"}')]),
    "mood": ("string", [("'so so'", "so so")]),
    "pair": ("string", [("row(1, 'a,\"b')", '(1,"a,""b")')]),
    "small": ("int32", [("7", 7)]),
    "money2": ("decimal128(10, 2)", [("7.5", Decimal("7.50"))]),
}
MADE = """
create type mood as enum ('sad', 'so so'); create type pair as (a int, b text);
create domain small as integer check (value < 10); create domain money2 as numeric(10,2);
"""


def _matrix() -> str:
    columns = ", ".join(f'"c {place}" {kind}' for place, kind in enumerate(PLAIN))
    statements = [MADE, f"create table matrix (id integer primary key, {columns});"]
    for number in range(4):
        values = [cells[number][0] if number < len(cells) else "null" for _, cells in PLAIN.values()]
        statements.append(f"insert into matrix values ({number}, {', '.join(values)});")
    return "\n".join(statements)


def test_every_type_is_kept_exactly_and_nulls_are_no_empty_texts(postgres: PostgresServer) -> None:
    database = postgres.new_database(_matrix())
    made = table(items(source(postgres, database))["matrix.parquet"])
    rows = made.to_pylist()
    declared = dict(
        postgres.rows(database, "select attname, format_type(atttypid, atttypmod) from pg_attribute where attnum > 0")
    )
    for place, (kind, (type_, cells)) in enumerate(PLAIN.items()):
        field = made.schema.field(f"c {place}")
        assert str(field.type) == type_, kind
        expected = [cell for _, cell in cells] + [None] * (4 - len(cells))
        assert [row[f"c {place}"] for row in rows] == expected, kind
        assert field.metadata[postgresql_rows.DECLARED].decode().removeprefix("public.") == declared[f"c {place}"], kind


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", ["infinity", "-infinity", "0044-03-15 BC", "12024-01-01", "2024-01-01"]),
        ("timestamp", ["infinity", "0044-03-15 12:00:00 BC", "12024-01-01 00:00:00", "2024-01-01 00:00:00"]),
        ("timestamptz", ["-infinity", "0044-03-15 12:00:00+00 BC", "2024-01-01 00:00:00+00"]),
        ("time", ["24:00:00", "10:00:00"]),
        ("numeric(5,2)", ["NaN", "1.50"]),
    ],
)
def test_values_that_no_parquet_type_holds_are_text_as_the_server_writes_them(
    postgres: PostgresServer, kind: str, values: list[str]
) -> None:
    rows = ", ".join(f"({number}, '{value}')" for number, value in enumerate(values))
    database = postgres.new_database(f"create table t (id int primary key, v {kind}); insert into t values {rows}")
    assert table(items(source(postgres, database))["t.parquet"])["v"].to_pylist() == values


def test_rows_are_in_the_order_of_the_key_and_equal_rows_give_equal_bytes(postgres: PostgresServer) -> None:
    script = "create table t (b text, a int, v text, primary key (a, b)); create table bare (x int, y json);"
    one, other = postgres.new_database(script), postgres.new_database(script)
    postgres.run(one, "insert into t select n::text, n % 7, md5(n::text) from generate_series(1, 20000) n")
    postgres.run(other, "insert into t select n::text, n % 7, md5(n::text) from generate_series(20000, 1, -1) n")
    postgres.run(
        one, "insert into bare select n, to_json(n) from generate_series(1, 50) n; insert into bare values (null, '1')"
    )
    postgres.run(
        other, "insert into bare values (null, '1'); insert into bare select n, to_json(n) from generate_series(1, 50) n"
    )
    first = items(source(postgres, one))
    assert first == items(source(postgres, other)) == items(source(postgres, one))
    keys = [(row["a"], row["b"]) for row in table(first["t.parquet"]).to_pylist()]
    assert keys == sorted(keys) and len(keys) == 20000
    assert table(first["bare.parquet"]).num_rows == 51


CALLS = """
create table calls (id int primary key, at timestamptz, number text);
insert into calls values (1, '2024-04-30 21:30+00', 'a'), (2, '2024-05-31 20:59:59+00', 'b'), (3, '2024-05-31 21:00+00', 'c'),
                         (4, null, 'd'), (5, 'infinity', 'e'), (6, '0044-03-15 00:00:00+00 BC', 'f');
create table agents (id int primary key, at text); create table nothing (at date);
"""


def test_tables_are_cut_into_periods_of_the_projects_time_zone(postgres: PostgresServer) -> None:
    database = postgres.new_database(CALLS)
    with closing(source(postgres, database, time_column="at", zone="Europe/Kyiv")) as one:
        found = one.scan(never)
        assert paths(found) == [
            "agents.parquet", "calls/2024-05.parquet", "calls/2024-06.parquet", "calls/undated.parquet",
            "nothing.parquet", "schema.sql",
        ]  # fmt: skip
        assert table(read(one, "calls/2024-05.parquet"))["id"].to_pylist() == [1, 2]
        assert table(read(one, "calls/undated.parquet"))["id"].to_pylist() == [4, 5, 6]
        assert table(read(one, "nothing.parquet")).num_rows == 0
    assert found.coverage is not None and found.coverage.one_moment
    assert "'agents' has no column of times 'at': it is one file" in found.coverage.gaps
    for step, label in (("year", "2024"), ("quarter", "2024-Q2"), ("day", "2024-05-01")):
        with closing(source(postgres, database, time_column="at", zone="Europe/Kyiv", step=step)) as one:
            assert f"calls/{label}.parquet" in paths(one.scan(never))


@pytest.mark.parametrize("known_by", ["versions", "content"])
def test_only_what_changed_has_another_token(postgres: PostgresServer, known_by: str) -> None:
    database = postgres.new_database(CALLS)
    options = {"time_column": "at", "known_by": known_by}
    before = tokens(source(postgres, database, **options))
    assert tokens(source(postgres, database, **options)) == before
    postgres.run(database, "update calls set number = 'z' where id = 2")
    after = tokens(source(postgres, database, **options))
    assert {path for path in before if before[path] != after[path]} == {b"raw/calls/2024-05.parquet"}
    postgres.run(database, "vacuum full calls")  # the rows lie elsewhere
    assert (tokens(source(postgres, database, **options)) == after) is (known_by == "content")
    postgres.run(database, "delete from calls where id = 4")
    assert tokens(source(postgres, database, **options)) != after


CHANGED = {
    "values that two rows exchange": ("a int, b int", "(1, 1), (2, 2)", "update t set a = 3 - a"),
    "a number with the halves of another": ("a bigint", "(-1)", "update t set a = 4294967295"),
    "a zero more": ("a numeric", "(1.0)", "update t set a = 1.00"),
    "a negative zero": ("a float8", "(0)", "update t set a = '-0'"),
    "days for a month": ("a interval", "('1 mon')", "update t set a = '30 days'"),
    "a space at the end": ("a bpchar", "('a')", "update t set a = 'a '"),
    "nothing for an empty text": ("a text", "('')", "update t set a = null"),
    "a number in a document": ("a jsonb", "('1.0')", "update t set a = '1.00'"),
    "the name of a value": ("a mood", "('sad')", "alter type mood rename value 'sad' to 'glum'"),
    "one more part": ("a pair", "('(1,2)')", "alter type pair add attribute c int"),
    "a column that came later": (
        "a int",
        "(1)",
        "alter table t add b int default 1",
        "alter table t drop b; alter table t add b int default 2",
    ),
}


@pytest.mark.parametrize("change", CHANGED)
@pytest.mark.parametrize("known_by", ["versions", "content"])
def test_no_change_of_a_value_hides(postgres: PostgresServer, change: str, known_by: str) -> None:
    columns, rows, *changes = CHANGED[change]
    database = postgres.new_database(
        "create type mood as enum ('sad'); create type pair as (a int, b int);"
        f"create table t ({columns}); insert into t values {rows}"
    )
    contents, seen = [], []
    for script in ("select 1", *changes):
        postgres.run(database, script)
        one = source(postgres, database, known_by=known_by)
        seen.append(tokens(one)[b"raw/t.parquet"])
        contents.append(items(one)["t.parquet"])
    for earlier, later in pairwise(zip(contents, seen, strict=True)):
        assert earlier[0] == later[0] or earlier[1] != later[1]
    assert len(set(contents)) == len(contents)


def test_a_type_without_a_binary_form_is_hashed_as_text(postgres: PostgresServer) -> None:
    database = postgres.new_database("create table t (a aclitem); insert into t values ('owner=r/owner')")
    before = tokens(source(postgres, database, known_by="content"))
    postgres.run(database, "update t set a = 'owner=w/owner'")
    assert tokens(source(postgres, database, known_by="content")) != before


@pytest.mark.parametrize("known_by", ["versions", "content"])
def test_a_row_that_moves_between_the_partitions_of_a_table_or_stays_is_known(postgres: PostgresServer, known_by: str) -> None:
    database = postgres.new_database(
        "create table t (id int primary key, x text) partition by range (id);"
        "create table t1 partition of t for values from (0) to (10);"
        "create table t2 partition of t for values from (10) to (20);"
        "insert into t values (1, 'a'), (11, 'b')"
    )
    seen = [tokens(source(postgres, database, known_by=known_by))]
    assert tokens(source(postgres, database, known_by=known_by)) == seen[0]
    for change in ("update t set id = 12 where id = 1", "alter table t detach partition t2"):
        postgres.run(database, change)
        seen.append(tokens(source(postgres, database, known_by=known_by)))
    assert len({one[b"raw/t.parquet"] for one in seen}) == len(seen)


def test_with_a_version_column_rows_are_known_by_their_keys_and_its_greatest_value(postgres: PostgresServer) -> None:
    database = postgres.new_database(
        "create table t (id int primary key, v int, x text); insert into t values (1, 1, 'a'), (2, 2, 'b')"
    )
    options = {"version_column": "v"}
    before = tokens(source(postgres, database, **options))
    postgres.run(database, "update t set x = 'silent' where id = 1")
    assert tokens(source(postgres, database, **options)) == before  # as the documentation says
    seen = [before]
    for change in ("update t set x = 'c', v = 3 where id = 1", "delete from t where id = 2", "insert into t values (9, 0, '')"):
        postgres.run(database, change)
        seen.append(tokens(source(postgres, database, **options)))
    assert len({one[b"raw/t.parquet"] for one in seen}) == len(seen)


def test_a_column_that_is_named_as_anything_hides_no_change(postgres: PostgresServer) -> None:
    database = postgres.new_database(
        'create table "a b" (t int, strongroom_row int, "select" int, "q""uote" int); insert into "a b" values (1, 1, 1, 1)'
    )
    before = tokens(source(postgres, database))
    postgres.run(database, 'update "a b" set "q""uote" = 2')
    assert tokens(source(postgres, database)) != before


def test_everything_is_of_one_moment_whatever_is_moved_truncated_or_dropped_meanwhile(postgres: PostgresServer) -> None:
    database = postgres.new_database(
        "create table here (id int primary key, at date); create table there (id int primary key, at date);"
        "insert into here select n, '2024-01-01' from generate_series(1, 500) n"
    )
    stopped = threading.Event()

    def move() -> None:
        number = 0
        with postgres.connected(database) as connection:
            while not stopped.is_set():
                number = number % 500 + 1
                one, other = ("here", "there") if number % 2 else ("there", "here")
                connection.execute(
                    f"with moved as (delete from {one} where id = {number} returning *) insert into {other} select * from moved"
                )

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(5):
            found = items(source(postgres, database))
            ids = [table(found[name])["id"].to_pylist() for name in ("here.parquet", "there.parquet")]
            assert sorted(ids[0] + ids[1]) == list(range(1, 501))
    finally:
        stopped.set()
        thread.join()
    with closing(source(postgres, database)) as one:
        one.scan(never)
        with postgres.connected(database) as connection:
            connection.execute("set lock_timeout = '200ms'")
            for statement in ("truncate here", "drop table there"):
                with pytest.raises(Exception, match="lock timeout"):
                    connection.execute(statement)
            connection.execute("delete from here; delete from there")
        assert sum(table(read(one, name)).num_rows for name in ("here.parquet", "there.parquet")) == 500


def test_several_partitions_are_read_at_once_and_a_reading_that_is_given_up_hurts_no_other(postgres: PostgresServer) -> None:
    database = postgres.new_database("create table t (id int primary key, v text); create table u (id int primary key)")
    postgres.run(
        database, "insert into t select n, repeat(md5(n::text), 20) from generate_series(1, 30000) n; insert into u values (1)"
    )
    with closing(source(postgres, database)) as one:
        one.scan(never)
        with one.reader() as reader:
            half, other = reader.open_large(b"raw/t.parquet"), reader.open_large(b"raw/t.parquet")
            assert not isinstance(half, Problem) and not isinstance(other, Problem)
            assert half.readinto(bytearray(1000), 0) == other.readinto(bytearray(1000), 0) == 1000
            half.close()
            assert other.readinto(bytearray(1000), 1000) == 1000
            other.close()
        assert table(read(one, "t.parquet")).num_rows == 30000
        assert table(read(one, "u.parquet")).num_rows == 1


def test_a_row_larger_than_a_block_comes_whole(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_arrow, "BATCH_BYTES", 4096)
    database = postgres.new_database("create table t (id int primary key, v text)")
    postgres.run(database, "insert into t select n, repeat('x', 100) from generate_series(1, 500) n")
    postgres.run(
        database, "update t set v = repeat('y', 300000) where id = 250; update t set v = E'\"\\n\"\\n\\n\"' where id % 7 = 0"
    )
    made = table(items(source(postgres, database))["t.parquet"])
    assert made["id"].to_pylist() == list(range(1, 501))
    assert [len(value) for value in made["v"].to_pylist()][248:251] == [100, 300000, 100]
    assert {made["v"].to_pylist()[number - 1] for number in range(7, 501, 7)} == {'"\n"\n\n"'}


@contextmanager
def reader_role(server: PostgresServer, database: str, rights: str) -> Iterator[str]:
    """A user with some rights."""
    name = f"reader_{database}"
    server.run(database, f"create role {name} login password '{PASSWORD}'; {rights.format(name)}")
    yield name


def test_what_this_user_may_not_read_is_a_problem_and_has_not_vanished(postgres: PostgresServer) -> None:
    database = postgres.new_database(
        "create table open (id int primary key); create table closed (id int primary key);"
        "create table rows (id int primary key);"
        "create schema other; create table other.far (id int); create view seen as select * from open;"
        "insert into open values (1); alter table rows enable row level security; create policy p on rows using (id < 5)"
    )
    project = made_on(MemoryStore())
    whole = run.back_up(project, run.Source("db", "raw", source(postgres, database)), run.BackupOptions())
    assert whole.problems == () and whole.record.counts.files == 5
    with reader_role(postgres, database, "grant select on open, rows to {}") as user:
        report = run.back_up(project, run.Source("db", "raw", source(postgres, database, user)), run.BackupOptions())
        assert {problem.path: problem.message.partition(";")[0] for problem in report.problems} == {
            b"raw/closed.parquet": "the table 'closed' is not taken: this user may not read it",
            b"raw/other.far.parquet": "the table 'other.far' is not taken: this user may not use its schema",
            b"raw/rows.parquet": "the table 'rows' is not taken: row-level security hides rows of it from this user",
        }
        assert report.record.counts.vanished == 0
        with closing(source(postgres, database, user, tables=("open",))) as one:
            found = one.scan(never)
        assert found.problems == [] and paths(found) == ["open.parquet", "schema.sql"]
        rules = Rules(exclude=("closed.parquet", "rows.parquet", "other.*"))
        with closing(source(postgres, database, user, rules=rules)) as one:
            assert one.scan(never).problems == []


def test_a_view_that_fails_is_a_problem_and_the_rest_is_taken(postgres: PostgresServer) -> None:
    database = postgres.new_database(
        "create table t (id int); insert into t values (0); create view bad as select 1 / id as x from t"
    )
    with closing(source(postgres, database, tables=("t", "bad"))) as one:
        found = one.scan(never)
    assert paths(found) == ["schema.sql", "t.parquet"]
    assert [problem.message for problem in found.problems] == ["the view 'bad' cannot be read: division by zero"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"database": "nowhere"}, "does not exist"),
        ({"port": 1}, "refused"),
        ({"sslmode": "require"}, "SSL"),
    ],
)
def test_a_server_that_does_not_let_us_in_is_an_error_without_a_secret(
    postgres: PostgresServer, change: dict[str, Any], message: str
) -> None:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": postgres.port,
        "database": "postgres",
        "user": OWNER,
        "password": PASSWORD,
    } | change
    one = PostgresqlSource(PgOptions(PgAddress(**fields)), b"raw", SystemClock())
    with closing(one), pytest.raises(SourceError, match=message) as caught:
        one.scan(never)
    assert fields["password"] not in f"{caught.value} {caught.value.hint} {one.options.address!r}"


def test_a_table_that_is_not_there_is_named(postgres: PostgresServer) -> None:
    database = postgres.new_database("create table calls (id int)")
    with closing(source(postgres, database, tables=("cals",))) as one, pytest.raises(SourceError, match="'cals'") as caught:
        one.scan(never)
    assert "calls" in (caught.value.hint or "")


def test_a_connection_that_is_cut_commits_nothing(postgres: PostgresServer) -> None:
    database = postgres.new_database("create table t (id int primary key); insert into t values (1)")

    class Cut(PostgresqlSource):
        def _open_ahead(self, scanning: Any) -> None:
            """A session that has the snapshot already, and comes too late to be ended, would read all of it."""

        def reader(self, stop: Any = never) -> Any:
            made = super().reader(stop)
            postgres.run(
                "postgres", f"select pg_terminate_backend(pid, 60000) from pg_stat_activity where datname = '{database}'"
            )
            return made

    options = source(postgres, database).options
    project = made_on(MemoryStore())
    with pytest.raises(SourceError):
        run.back_up(project, run.Source("db", "raw", Cut(options, b"raw", SystemClock())), run.BackupOptions())
    assert snapshots.read_all(project) == []


def test_the_schema_makes_an_equal_database_again(postgres: PostgresServer) -> None:
    script = (
        MADE
        + """
    create schema other; create sequence counter start 5 increment 2;
    create table kinds (code text primary key, m mood default 'sad', p pair);
    create table t (id serial primary key, g int generated always as identity, n int default nextval('counter'), kind text
      references kinds, double int generated always as (n * 2) stored, v varchar(9) collate "C" not null default 'x;
y', unique (n, v), check (n > 0));
    create index on t (lower(v)) where n > 3; comment on table t is 'it''s; a
-- strongroom {"kind":"table","of":"t","bytes":9}
table'; comment on column t.v is 'a column';
    create table other.log (at date, x int) partition by range (at);
    create table other.log_24 partition of other.log for values from ('2024-01-01') to ('2025-01-01');
    create view seen as select * from t where n > 1;
    insert into kinds values ('a'); insert into t (kind) values ('a'), ('a'); insert into other.log values ('2024-05-05', 1);
    """
    )
    first = postgres.new_database(script)
    found = items(source(postgres, first))
    assert table(found["other.log.parquet"]).num_rows == 1 and "other.log_24.parquet" not in found
    assert b'"id": 2' in found["sequences.json"]
    second = postgres.new_database(found["schema.sql"].decode())
    again = items(source(postgres, second))
    assert again["schema.sql"] == found["schema.sql"]
    third = postgres.new_database()
    for one in statements_of(found["schema.sql"]):
        postgres.run(third, one.text)
    assert items(source(postgres, third))["schema.sql"] == found["schema.sql"]


def test_a_table_without_columns_is_named_and_not_taken(postgres: PostgresServer) -> None:
    database = postgres.new_database("create table bare (); insert into bare default values; create table t (id int)")
    one = source(postgres, database)
    assert sorted(items(one)) == ["schema.sql", "t.parquet"]
    with closing(one):
        coverage = one.scan(never).coverage
    assert coverage is not None and "the table 'bare' has no columns: it is not taken" in coverage.gaps


def test_inherited_rows_are_in_their_own_table_alone(postgres: PostgresServer) -> None:
    database = postgres.new_database(
        "create table a (id int); create table b () inherits (a); insert into a values (1); insert into b values (2)"
    )
    found = items(source(postgres, database))
    assert [table(found[f"{name}.parquet"])["id"].to_pylist() for name in "ab"] == [[1], [2]]


def test_a_scan_says_how_far_the_servers_clock_is_from_ours(postgres: PostgresServer) -> None:
    database = postgres.new_database("create table t (id int)")
    clock = StillClock()
    with closing(source(postgres, database)) as one:
        found = one.scan(never)
    assert found.clock_difference is not None and abs(found.clock_difference) < 60
    with closing(PostgresqlSource(source(postgres, database).options, b"raw", clock)) as one:
        away = one.scan(never).clock_difference
    assert away is not None
    assert abs(datetime.now(UTC) - clock.now() - timedelta(seconds=away)) < timedelta(seconds=60)
