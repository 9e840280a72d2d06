"""MariaDB as a source, against a real server: exact types, partitions, one moment, what this user may not read."""

from __future__ import annotations

import io
import threading
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.clock import StillClock
from tests.support.mariadb_server import OWNER, PASSWORD, MariadbServer
from tests.support.places import made_on
from vault.backup import run
from vault.clock import SystemClock
from vault.errors import Interrupted, SourceError
from vault.problems import Problem
from vault.progress import never
from vault.repository import snapshots
from vault.source.contract import NO_TOKEN, STRONG, Scan
from vault.source.patterns import Rules
from vault.source.sql import mariadb_rows
from vault.source.sql.mariadb import MariadbSource, MdOptions
from vault.source.sql.mariadb_connection import MariadbAddress
from vault.source.sql.schema_statements import statements_of
from vault.storage.memory import MemoryStore


def source(server: MariadbServer, database: str, user: str = OWNER, **options: Any) -> MariadbSource:
    address = MariadbAddress("127.0.0.1", server.port, database, user, PASSWORD)
    return MariadbSource(MdOptions(address, **options), b"raw", SystemClock())


def paths(found: Scan) -> list[str]:
    rows = zip(found.table["path"].to_pylist(), found.table["type"].to_pylist(), strict=True)
    return [path.decode().removeprefix("raw/") for path, kind in rows if not kind]


def read(one: MariadbSource, path: str) -> bytes:
    with one.reader() as reader:
        stream = reader.open_large(b"raw/" + path.encode())
        assert not isinstance(stream, Problem)
        with stream:
            data, buffer = b"", bytearray(1 << 20)
            while count := stream.readinto(buffer, len(data)):
                data += buffer[:count]
            return data


def items(one: MariadbSource) -> dict[str, bytes]:
    """The content of every item, by its path."""
    with closing(one):
        return {path: read(one, path) for path in paths(one.scan(never))}


def table(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


def tokens(one: MariadbSource) -> dict[bytes, int]:
    with closing(one):
        found = one.scan(never).table
        return dict(zip(found["path"].to_pylist(), found["inode"].to_pylist(), strict=True))


LONGEST = "9" * 35 + "." + "7" * 30
PLAIN: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "tinyint(1)": ("int8", [("-128", -128), ("true", 1)]),
    "tinyint(3) unsigned": ("uint8", [("255", 255)]),
    "smallint(6)": ("int16", [("-32768", -32768)]),
    "smallint(5) unsigned zerofill": ("uint16", [("42", 42)]),
    "mediumint(9)": ("int32", [("-8388608", -8388608)]),
    "int(11)": ("int32", [("-2147483648", -(1 << 31)), ("0", 0)]),
    "int(10) unsigned": ("uint32", [("4294967295", (1 << 32) - 1)]),
    "bigint(20)": ("int64", [("-9223372036854775808", -(1 << 63))]),
    "bigint(20) unsigned zerofill": ("uint64", [("18446744073709551615", (1 << 64) - 1), ("7", 7)]),
    "bit(1)": ("uint64", [("b'1'", 1), ("b'0'", 0)]),
    "bit(64)": ("uint64", [("18446744073709551615", (1 << 64) - 1)]),
    "float": ("float", [("0.1234567", 0.12345670163631439), ("16777216", 16777216.0)]),
    "double": ("double", [("0.1", 0.1), ("1e-300", 1e-300), ("1.7976931348623157e308", 1.7976931348623157e308)]),
    "double(10,2)": ("double", [("1.5", 1.5)]),
    "decimal(12,3)": ("decimal128(12, 3)", [("-1.5", Decimal("-1.500"))]),
    "decimal(9,2) unsigned zerofill": ("decimal128(9, 2)", [("1.5", Decimal("1.50"))]),
    "decimal(38,3)": ("decimal128(38, 3)", [("9" * 35 + ".001", Decimal("9" * 35 + ".001"))]),
    "decimal(65,30)": ("string", [(LONGEST, LONGEST), ("-0", "0." + "0" * 30)]),
    "year(4)": ("int16", [("2024", 2024), ("0", 0)]),
    "date": ("date32[day]", [("'0001-01-01'", date(1, 1, 1)), ("'9999-12-31'", date(9999, 12, 31))]),
    "datetime": ("timestamp[us]", [("'2024-05-17 10:00:00'", datetime(2024, 5, 17, 10))]),
    "datetime(6)": ("timestamp[us]", [("'9999-12-31 23:59:59.999999'", datetime(9999, 12, 31, 23, 59, 59, 999999))]),
    "timestamp": ("timestamp[us, tz=UTC]", [("'2024-05-17 10:00:00'", datetime(2024, 5, 17, 10, tzinfo=UTC))]),
    "timestamp(3)": ("timestamp[us, tz=UTC]", [("'1970-01-01 00:00:01.5'", datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=UTC))]),
    "time": ("time64[us]", [("'23:59:59'", time(23, 59, 59))]),
    "time(6)": ("time64[us]", [("'00:00:00.000001'", time(0, 0, 0, 1))]),
    "char(4)": ("string", [("'ab'", "ab")]),
    "varchar(9)": ("string", [("''", ""), ("' x '", " x "), ("'ü\\n\\r\\t\\\\\\0'", "ü\n\r\t\\\0")]),
    "varchar(9) character set latin1 collate latin1_german1_ci": ("string", [("'é€'", "é€"), ("x'80'", "€")]),
    "text character set sjis collate sjis_japanese_ci": ("string", [("'日本'", "日本")]),
    "text character set utf16 collate utf16_general_ci": ("string", [("'😀'", "😀")]),
    "longtext character set utf8mb4 collate utf8mb4_bin": ("string", [("'😀 NULL'", "😀 NULL")]),
    "binary(3)": ("binary", [("x'00ff'", b"\x00\xff\x00")]),
    "varbinary(9)": ("binary", [("''", b""), ("x'00ff5c27'", b"\x00\xff\\'")]),
    "longblob": ("binary", [("x'ff'", b"\xff")]),
    "enum('a','B','it''s')": ("string", [("'it''s'", "it's"), ("'B'", "B")]),
    "set('x','y')": ("string", [("'y,x'", "x,y"), ("''", "")]),
    "uuid": ("string", [("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),
    "inet6": ("string", [("'::FFFF:1.2.3.4'", "::ffff:1.2.3.4")]),
    "inet4": ("string", [("'10.1.2.3'", "10.1.2.3")]),
    "point": ("binary", [("point(1, 2)", bytes.fromhex("000000000101000000000000000000f03f0000000000000040"))]),
}


def _matrix() -> str:
    columns = ", ".join(f"`c {place}` {kind} null" for place, kind in enumerate(PLAIN))
    statements = [f"create table matrix (id integer primary key, j json, {columns})"]
    for number in range(4):
        values = [cells[number][0] if number < len(cells) else "null" for _, cells in PLAIN.values()]
        statements.append(f"""insert into matrix values ({number}, '{{"b": 1,  "a": null}}', {", ".join(values)})""")
    return ";".join(statements)


def test_every_type_is_kept_exactly_and_nulls_are_no_empty_texts(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(_matrix())
    made = table(items(source(mariadb, database))["matrix.parquet"])
    rows = made.to_pylist()
    for place, (kind, (type_, cells)) in enumerate(PLAIN.items()):
        field = made.schema.field(f"c {place}")
        assert str(field.type) == type_, kind
        expected = [cell for _, cell in cells] + [None] * (4 - len(cells))
        assert [row[f"c {place}"] for row in rows] == expected, kind
        assert field.metadata[mariadb_rows.DECLARED].decode().startswith(kind), kind
        assert mariadb_rows.ENCODING not in field.metadata, kind
    assert [row["j"] for row in rows] == ['{"b": 1,  "a": null}'] * 4


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", ["0000-00-00", "2024-01-01", "2024-00-10", "2024-02-31", "0000-05-01"]),
        ("datetime(1)", ["0000-00-00 00:00:00.0", "2024-01-01 00:00:00.5", "2023-02-29 12:00:00.0"]),
        ("timestamp null", ["0000-00-00 00:00:00", "2024-01-01 00:00:00"]),
        ("time(2)", ["-838:59:59.00", "838:59:59.00", "24:00:00.00", "10:00:00.25", "-00:00:01.50"]),
    ],
)
def test_values_that_no_parquet_type_holds_are_text_as_the_server_writes_them(
    mariadb: MariadbServer, kind: str, values: list[str]
) -> None:
    rows = ", ".join(f"({number}, '{value}')" for number, value in enumerate(values))
    database = mariadb.new_database(f"create table t (id int primary key, v {kind}); insert into t values {rows}")
    assert table(items(source(mariadb, database))["t.parquet"])["v"].to_pylist() == values


def test_a_text_that_would_not_be_the_same_again_is_kept_as_its_bytes(mariadb: MariadbServer) -> None:
    """In cp932 some signs have two codes, of which Unicode knows one."""
    database = mariadb.new_database(
        "create table t (id int primary key, v varchar(9) character set cp932, w varchar(9) character set cp932);"
        "insert into t values (1, 'A', 'A'), (2, x'fa54', x'81ca')"
    )
    made = table(items(source(mariadb, database))["t.parquet"])
    assert made["v"].to_pylist() == [b"A", b"\xfa\x54"] and made["w"].to_pylist() == ["A", "￢"]
    assert made.schema.field("v").metadata[mariadb_rows.ENCODING] == mariadb_rows.BYTES


def test_rows_are_in_the_order_of_the_key_and_equal_rows_give_equal_bytes(mariadb: MariadbServer) -> None:
    script = (
        "create table t (b varchar(20), a int, v text, primary key (a, b)); create table bare (x int, y json, z blob, f float);"
    )
    one, other = mariadb.new_database(script), mariadb.new_database(script)
    numbers = "select seq, seq % 7, md5(seq) from seq_1_to_9000 order by seq"
    mariadb.run(one, f"insert into t {numbers}")
    mariadb.run(other, f"insert into t {numbers} desc")
    mariadb.run(one, "insert into bare select seq, seq, repeat(char(seq), 2000), seq / 3 from seq_1_to_50")
    mariadb.run(one, "insert into bare values (null, '1', null, null), (null, '1', null, null), (null, '2', null, null)")
    mariadb.run(other, "insert into bare values (null, '2', null, null), (null, '1', null, null)")
    mariadb.run(other, "insert into bare select seq, seq, repeat(char(seq), 2000), seq / 3 from seq_1_to_50 order by seq desc")
    mariadb.run(other, "insert into bare values (null, '1', null, null)")
    first = items(source(mariadb, one))
    assert first == items(source(mariadb, other)) == items(source(mariadb, one))
    keys = [(row["a"], row["b"]) for row in table(first["t.parquet"]).to_pylist()]
    assert keys == sorted(keys) and len(keys) == 9000
    assert table(first["bare.parquet"]).num_rows == 53
    assert tokens(source(mariadb, one)) == tokens(source(mariadb, other))


CALLS = """
create table calls (id int primary key, at timestamp null, number text);
insert into calls values (1, '2024-04-30 21:30', 'x'), (2, '2024-05-31 20:59:59', 'x'), (3, '2024-05-31 21:00', 'x'),
  (4, null, 'x'), (5, '0000-00-00', 'x'), (6, '2024-10-27 00:30', 'x'), (7, '2024-10-31 21:59:59', 'x'),
  (8, '2024-10-31 22:00', 'x')
"""
AGENTS = ";create table agents (id int primary key, at text); create table nothing (at date)"


def test_tables_are_cut_into_periods_of_the_projects_time_zone_without_the_servers_tables_of_zones(
    mariadb: MariadbServer,
) -> None:
    database = mariadb.new_database(CALLS + AGENTS)
    assert mariadb.rows(database, "select convert_tz('2024-05-01', 'UTC', 'Europe/Kyiv')") == [(None,)]
    with closing(source(mariadb, database, time_column="at", zone="Europe/Kyiv")) as one:
        found = one.scan(never)
        assert paths(found) == [
            "agents.parquet", "calls/2024-05.parquet", "calls/2024-06.parquet", "calls/2024-10.parquet",
            "calls/2024-11.parquet", "calls/undated.parquet", "nothing.parquet", "schema.sql",
        ]  # fmt: skip
        periods = {"2024-05": [1, 2], "2024-06": [3], "2024-10": [6, 7], "2024-11": [8], "undated": [4, 5]}
        for label, ids in periods.items():  # the clocks go back on the 27th of October
            assert table(read(one, f"calls/{label}.parquet"))["id"].to_pylist() == ids
        assert table(read(one, "nothing.parquet")).num_rows == 0
    assert found.coverage is not None and found.coverage.one_moment
    assert "'agents' has no column of times 'at': it is one file" in found.coverage.gaps
    for step, label in (("year", "2024"), ("quarter", "2024-Q2"), ("day", "2024-05-01")):
        with closing(source(mariadb, database, time_column="at", zone="Europe/Kyiv", step=step)) as one:
            assert f"calls/{label}.parquet" in paths(one.scan(never))


@pytest.mark.parametrize("step", ["year", "quarter", "month", "day"])
def test_every_row_lies_in_one_period_whatever_its_time(mariadb: MariadbServer, step: str) -> None:
    times = ["0000-00-00", "0001-01-01", "0044-03-15 12:00", "1969-12-31", "2024-02-29", "2024-02-31", "2024-00-10",
             "9999-12-30", "9999-12-31", "2024-12-31 23:59:59", "0000-05-01"]  # fmt: skip
    rows = ", ".join(f"({number}, '{value}')" for number, value in enumerate(times))
    database = mariadb.new_database(f"create table t (id int primary key, at datetime); insert into t values {rows}")
    found = items(source(mariadb, database, time_column="at", step=step, zone="Asia/Tokyo"))
    ids = {path: table(data)["id"].to_pylist() for path, data in found.items() if path.startswith("t/")}
    assert sorted(one for own in ids.values() for one in own) == list(range(len(times)))
    assert ids["t/undated.parquet"] == [0, 5, 6, 8, 10]
    names = {"year": "0044", "quarter": "0044-Q1", "month": "0044-03", "day": "0044-03-15"}
    assert ids[f"t/{names[step]}.parquet"] == [2]


def test_only_what_changed_has_another_token(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(CALLS)
    before = tokens(source(mariadb, database, time_column="at"))
    assert tokens(source(mariadb, database, time_column="at")) == before
    mariadb.run(database, "update calls set number = 'X' where id = 3")  # a capital letter: equal to the server's eyes
    mariadb.run(database, "optimize table calls")
    after = tokens(source(mariadb, database, time_column="at"))
    assert {path for path in before if before[path] != after[path]} == {b"raw/calls/2024-05.parquet"}  # in UTC
    mariadb.run(database, "delete from calls where id = 4")
    assert tokens(source(mariadb, database, time_column="at")) != after


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("varchar(9)", ["'a'", "'A'", "'a '", "'ä'", "''", "null", "'-'", "'a,-'"]),
        ("longtext", ["'a'", "'A'", "'a '", "''", "null"]),
        ("varbinary(9)", ["x'00'", "x'0000'", "''", "null"]),
        ("float", ["1.0000001", "1.0000002", "0", "null"]),
        ("double", ["1.0000000000000002", "1", "null"]),
        ("decimal(20,10)", ["1.0000000001", "1", "null"]),
        ("bit(9)", ["256", "0", "null"]),
        ("datetime(6)", ["'2024-01-01 00:00:00.000001'", "'2024-01-01'", "'0000-00-00'", "null"]),
        ("time", ["'-00:00:01'", "'00:00:01'", "null"]),
        ("enum('a','A1','')", ["'a'", "''", "null"]),
        ("point", ["point(1,2)", "point(2,1)", "null"]),
        ("json", ["'1'", "'1 '", "null"]),
        ("inet6", ["'::1'", "'::2'", "null"]),
    ],
)
def test_each_change_of_a_value_is_another_token_in_a_neighbouring_column_too(
    mariadb: MariadbServer, kind: str, values: list[str]
) -> None:
    database = mariadb.new_database(
        f"create table t (id int primary key, v {kind}, w {kind}); insert into t values (1, null, null)"
    )
    seen = []
    for value in values:
        for columns in ("v = {0}, w = null", "v = null, w = {0}"):
            mariadb.run(database, f"update t set {columns.format(value)}")
            seen.append(tokens(source(mariadb, database))[b"raw/t.parquet"])
    assert len(set(seen)) == 2 * len(values) - 1  # both are null once


def test_with_a_version_column_rows_are_known_by_their_keys_and_its_greatest_value(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table t (id int primary key, v int, x text); insert into t values (1, 1, 'a'), (2, 2, 'b')"
    )
    options = {"version_column": "v"}
    before = tokens(source(mariadb, database, **options))
    mariadb.run(database, "update t set x = 'silent' where id = 1")
    assert tokens(source(mariadb, database, **options)) == before  # as the documentation says
    seen = [before]
    for change in ("update t set x = 'c', v = 3 where id = 1", "delete from t where id = 2", "insert into t values (9, 0, '')"):
        mariadb.run(database, change)
        seen.append(tokens(source(mariadb, database, **options)))
    assert len({one[b"raw/t.parquet"] for one in seen}) == len(seen)


def test_a_column_that_is_named_as_anything_hides_no_change(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table `a b` (t int, `select` int, `q``uo'te%s` int, `%` int); insert into `a b` values (1, 1, 1, 1)"
    )
    before = tokens(source(mariadb, database))
    mariadb.run(database, "update `a b` set `q``uo'te%s` = 2")
    assert tokens(source(mariadb, database)) != before
    assert table(items(source(mariadb, database))["a b.parquet"]).to_pylist() == [{"t": 1, "select": 1, "q`uo'te%s": 2, "%": 1}]


def test_everything_is_of_one_moment_whatever_is_moved_emptied_or_dropped_meanwhile(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table here (id int primary key, at date); create table there (id int primary key, at date);"
        "insert into here select seq, '2024-01-01' from seq_1_to_500"
    )
    stopped = threading.Event()

    def move() -> None:
        number = 0
        with mariadb.connected(database) as connection, connection.cursor() as cursor:
            while not stopped.is_set():
                number = number % 500 + 1
                one, other = ("here", "there") if number % 2 else ("there", "here")
                cursor.execute("begin")
                cursor.execute(f"insert into {other} select * from {one} where id = {number}")
                cursor.execute(f"delete from {one} where id = {number}")
                cursor.execute("commit")

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for _ in range(5):
            found = items(source(mariadb, database))
            ids = [table(found[name])["id"].to_pylist() for name in ("here.parquet", "there.parquet")]
            assert sorted(ids[0] + ids[1]) == list(range(1, 501))
    finally:
        stopped.set()
        thread.join()
    with closing(source(mariadb, database)) as one:
        one.scan(never)
        with mariadb.connected(database) as connection, connection.cursor() as cursor:
            cursor.execute("set lock_wait_timeout = 1")
            for statement in ("truncate here", "drop table there"):
                with pytest.raises(Exception, match="ock wait timeout"):
                    cursor.execute(statement)
            cursor.execute("delete from here")
            cursor.execute("delete from there")
        assert sum(table(read(one, name)).num_rows for name in ("here.parquet", "there.parquet")) == 500


def test_a_table_that_is_emptied_between_the_snapshot_and_the_first_look_at_it_makes_the_scan_begin_again(
    mariadb: MariadbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vault.source.sql import mariadb as module

    database = mariadb.new_database("create table a (id int primary key); insert into a values (1)")
    seen: list[int] = []
    listed = vars(module)["relations"]

    def relations(session: Any) -> Any:
        found = listed(session)
        if not seen:
            mariadb.run(database, "truncate a; insert into a values (2)")
        seen.append(1)
        return found

    monkeypatch.setattr(module, "relations", relations)
    found = items(source(mariadb, database))
    assert table(found["a.parquet"])["id"].to_pylist() == [2]


def test_several_partitions_are_read_beside_each_other_and_one_that_is_given_up_hurts_no_other(mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (id int primary key, v text); create table u (id int primary key)")
    mariadb.run(database, "insert into t select seq, repeat(md5(seq), 20) from seq_1_to_30000; insert into u values (1)")
    with closing(source(mariadb, database)) as one:
        one.scan(never)
        mariadb.run(database, "delete from t where id > 5")
        with one.reader() as reader:
            half, other = reader.open_large(b"raw/t.parquet"), reader.open_large(b"raw/t.parquet")
            assert not isinstance(half, Problem) and not isinstance(other, Problem)
            assert half.readinto(bytearray(1000), 0) == other.readinto(bytearray(1000), 0) == 1000
            half.close()
            assert other.readinto(bytearray(1000), 1000) == 1000
            other.close()  # the server is told to stop, and the moment stays what it was
        assert table(read(one, "t.parquet")).num_rows == 30000
        assert table(read(one, "u.parquet")).num_rows == 1
        with one.reader() as reader:
            both = [reader.open_large(path) for path in (b"raw/t.parquet", b"raw/u.parquet")]
            contents = [b"", b""]
            for place in (0, 1, 0):
                stream = both[place]
                assert not isinstance(stream, Problem)
                buffer = bytearray(1 << (20 if place == 0 and not contents[0] else 26))
                count = stream.readinto(buffer, len(contents[place]))
                contents[place] += buffer[:count]
            for stream in both:
                assert not isinstance(stream, Problem)
                stream.close()
        assert contents == [read(one, "t.parquet"), read(one, "u.parquet")]


def test_rows_larger_than_a_packet_of_the_protocol_come_whole(mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (id int primary key, v longblob, w longtext)")
    mariadb.run(
        database, "insert into t values (1, repeat('a', 15000000), repeat('ü', 3000000)), (2, repeat('b', 9000000), 'x')"
    )
    made = table(items(source(mariadb, database))["t.parquet"])
    assert [len(value) for value in made["v"].to_pylist()] == [15000000, 9000000]
    assert made["w"].to_pylist() == ["ü" * 3000000, "x"]


def made_user(server: MariadbServer, database: str, rights: str) -> str:
    """A user with some rights; `{0}` in them is the user."""
    name = f"reader_{database}"
    server.run(database, f"create user {name}@localhost identified by '{PASSWORD}'; {rights.format(f'{name}@localhost')}")
    return name


def test_what_this_user_may_not_read_is_a_problem_and_has_not_vanished(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table open (id int primary key); create table closed (id int primary key);"
        "create table unseen (id int primary key); create table half (id int primary key, secret int);"
        "create view seen as select * from open; insert into open values (1)"
    )
    project = made_on(MemoryStore())
    whole = run.back_up(project, run.Source("db", "raw", source(mariadb, database)), run.BackupOptions())
    assert whole.problems == () and whole.record.counts.files == 5
    user = made_user(
        mariadb, database, "grant select on open to {0}; grant insert on closed to {0}; grant select (id) on half to {0}"
    )
    report = run.back_up(project, run.Source("db", "raw", source(mariadb, database, user)), run.BackupOptions())
    assert {problem.path: problem.message.partition(" (")[0] for problem in report.problems} == {
        b"raw/closed.parquet": "the table 'closed' is not taken: this user may not read it",
        b"raw/half.parquet": "the table 'half' is not taken: this user may not read it",
    }
    assert report.record.counts.vanished == 0  # not `unseen` either, of which the server says nothing
    coverage = report.record.coverage
    assert coverage is not None and not coverage.deletions
    assert any("may read single tables alone" in gap for gap in coverage.gaps)
    with closing(source(mariadb, database, user, tables=("open",))) as one:
        found = one.scan(never)
    assert found.problems == [] and paths(found) == ["open.parquet", "schema.sql"] and found.unlisted == []
    with closing(source(mariadb, database, user, tables=("open", "unseen"))) as one:
        assert [problem.path for problem in one.scan(never).problems] == [b"raw/unseen.parquet"]
    with closing(source(mariadb, database, user, rules=Rules(exclude=("closed.parquet", "half.parquet")))) as one:
        assert one.scan(never).problems == []


def test_a_user_who_may_read_all_tables_by_a_role_sees_deletions_and_says_what_it_does_not_see(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table t (id int primary key); create view v as select * from t; create trigger g before insert on t"
        " for each row set new.id = new.id"
    )
    user = made_user(
        mariadb, database,
        f"create role all_{database}; grant select on {database}.* to all_{database}; grant all_{database} to {{0}};"
        f"set default role all_{database} for {{0}}",
    )  # fmt: skip
    with closing(source(mariadb, database, user)) as one:
        found = one.scan(never)
        text = read(one, "schema.sql")
    assert found.problems == [] and found.unlisted == []
    assert found.coverage is not None and found.coverage.deletions
    gaps = " / ".join(found.coverage.gaps)
    assert "triggers are seen" in gaps and "what made the view 'v' is not kept" in gaps and "the view 'v' is not taken" in gaps
    assert [one.kind for one in statements_of(text)] == ["table"]
    mariadb.run(database, f"grant trigger, show view on {database}.* to {user}@localhost")
    with closing(source(mariadb, database, user)) as one:
        found = one.scan(never)
        text = read(one, "schema.sql")
    assert found.coverage is not None and "triggers are seen" not in " ".join(found.coverage.gaps)
    assert [one.kind for one in statements_of(text)] == ["table", "view", "trigger"]


def test_a_view_that_fails_is_a_problem_and_the_rest_is_taken(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table gone (id int); create table t (id int); create view bad as select id from gone; drop table gone;"
        "create view good as select id + 1 as n from t; insert into t values (7)"
    )
    with closing(source(mariadb, database, tables=("t", "bad", "good"))) as one:
        found = one.scan(never)
        assert table(read(one, "good.parquet"))["n"].to_pylist() == [8]
    assert paths(found) == ["good.parquet", "schema.sql", "t.parquet"]
    (problem,) = found.problems
    assert problem.message.startswith("the view 'bad' cannot be read: View")


def test_tables_without_transactions_are_read_every_time_and_said_to_be_of_another_moment(mariadb: MariadbServer) -> None:
    database = mariadb.new_database(
        "create table i (id int primary key); create table m (id int primary key) engine=MyISAM;"
        "create table a (id int primary key) engine=Aria; insert into m values (1)"
    )
    with closing(source(mariadb, database)) as one:
        found = one.scan(never)
        mariadb.run(database, "insert into m values (2); insert into i values (2)")
        assert table(read(one, "m.parquet")).num_rows == 2 and table(read(one, "i.parquet")).num_rows == 0
    trusted = dict(zip(found.table["path"].to_pylist(), found.table["ctime_ns"].to_pylist(), strict=True))
    assert trusted[b"raw/m.parquet"] == trusted[b"raw/a.parquet"] == NO_TOKEN and trusted[b"raw/i.parquet"] == STRONG
    assert found.coverage is not None and not found.coverage.one_moment
    assert "'m' is a table of MyISAM: its rows are not of one moment with the others" in found.coverage.gaps


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "wrong"}, "Access denied"),
        ({"database": "nowhere"}, "Unknown database"),
        ({"port": 1}, "refused"),
        ({"socket": "/nowhere/at/all"}, "No such file"),
    ],
)
def test_a_server_that_does_not_let_us_in_is_an_error_without_a_secret(
    mariadb: MariadbServer, change: dict[str, Any], message: str
) -> None:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": mariadb.port,
        "database": "mysql",
        "user": OWNER,
        "password": PASSWORD,
    } | change
    one = MariadbSource(MdOptions(MariadbAddress(**fields)), b"raw", SystemClock())
    with closing(one), pytest.raises(SourceError, match=message) as caught:
        one.scan(never)
    assert fields["password"] not in f"{caught.value} {caught.value.hint} {one.options.address!r}"


def test_certificates_are_checked_and_tls_that_is_asked_for_is_never_left_out(mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (id int primary key)")
    user = made_user(mariadb, database, f"grant select on {database}.* to {{0}} require ssl")

    def tried(**change: Any) -> Scan:
        address = MariadbAddress("127.0.0.1", mariadb.port, database, user, PASSWORD, **change)
        with closing(MariadbSource(MdOptions(address), b"raw", SystemClock())) as one:
            return one.scan(never)

    for wanted in ({"tls": "prefer"}, {"tls": "required"}, {"tls": "verify", "certificates": str(mariadb.certificates)}):
        assert paths(tried(**wanted)) == ["schema.sql", "t.parquet"]
    with pytest.raises(SourceError, match="certificate verify failed"):
        tried(tls="verify")
    with pytest.raises(SourceError, match="Access denied"):
        tried(tls="off")
    with pytest.raises(SourceError, match="cannot be read"):
        tried(tls="verify", certificates="/nowhere/at/all")


def test_a_table_that_is_not_there_is_named(mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table calls (id int)")
    with closing(source(mariadb, database, tables=("cals",))) as one, pytest.raises(SourceError, match="'cals'") as caught:
        one.scan(never)
    assert "calls" in (caught.value.hint or "")


def test_a_connection_that_is_cut_commits_nothing(mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (id int primary key); insert into t values (1)")

    class Cut(MariadbSource):
        def reader(self, stop: Any = never) -> Any:
            made = super().reader(stop)
            assert self._session is not None
            mariadb.run("mysql", f"kill connection {self._session.id}")
            return made

    options = source(mariadb, database).options
    project = made_on(MemoryStore())
    with pytest.raises(SourceError):
        run.back_up(project, run.Source("db", "raw", Cut(options, b"raw", SystemClock())), run.BackupOptions())
    assert snapshots.read_all(project) == []


@pytest.mark.parametrize("reading", ["", "reading"])
def test_a_stop_in_the_middle_of_a_long_query_ends_it_on_the_server_too(mariadb: MariadbServer, reading: str) -> None:
    database = mariadb.new_database(
        "create table pace (n int) engine=MyISAM; insert into pace values (0);"  # which no snapshot holds back
        "create view slow as select sleep(n) as s from pace"
    )
    running = f"select count(*) from information_schema.processlist where db = '{database}' and info like '%slow%'"

    def stop() -> None:
        if mariadb.rows("mysql", running)[0][0] and mariadb.rows(database, "select n from pace") == [(600,)]:
            raise Interrupted("stopped")

    with closing(source(mariadb, database, tables=("slow",))) as one:
        if reading:
            one.scan(never)
        mariadb.run(database, "update pace set n = 600")
        with pytest.raises(Interrupted):
            if not reading:
                one.scan(stop)
            with one.reader(stop) as reader:
                stream = reader.open_large(b"raw/slow.parquet")
                assert not isinstance(stream, Problem)
                with stream:
                    stream.readinto(bytearray(10), 0)
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while mariadb.rows("mysql", running) != [(0,)]:
        assert datetime.now(UTC) < deadline


def test_a_server_that_says_nothing_for_too_long_is_an_error(mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (id int primary key); insert into t values (1)")
    mariadb.run(database, "create view slow as select sleep(600) as s from t")
    address = MariadbAddress("127.0.0.1", mariadb.port, database, OWNER, PASSWORD, timeout=1.0)
    with (
        closing(MariadbSource(MdOptions(address, tables=("slow",)), b"raw", SystemClock())) as one,
        pytest.raises(SourceError, match="said nothing for 1 seconds"),
    ):
        one.scan(never)


def test_the_schema_makes_an_equal_database_again_and_is_the_same_while_numbers_are_counted(mariadb: MariadbServer) -> None:
    script = """
    create sequence counter start 5 increment 2;
    create table t (id int unsigned auto_increment primary key, n int default nextval(counter),
      kind char(1), parent int unsigned,
      doubled int generated always as (n * 2) stored, v varchar(9) character set latin1 collate latin1_bin not null default 'x;
y', j json, unique u (n, v), check (n > 0), constraint k foreign key (kind) references zinds (code) on delete cascade,
      constraint `self, too` foreign key (parent) references t (id)) comment 'it''s; a
-- strongroom {"kind":"table","of":"t","bytes":9}
table ) ENGINE=InnoDB AUTO_INCREMENT=7' auto_increment=100;
    create table zinds (code char(1) primary key, inv int invisible default 4) row_format=compressed;
    create index i on t (kind, n desc);
    create table log (at date, x int) partition by range (year(at)) (partition a values less than (2024), partition b values
      less than maxvalue);
    create view seen as select * from t where n > 1; create view a_seen as select * from seen;
    create trigger g before insert on zinds for each row begin set new.inv = 5; end;
    insert into zinds values ('a'); insert into t (kind) values ('a'), ('a'); insert into log values ('2024-05-05', 1);
    """
    head = "set foreign_key_checks = 0;"
    first = mariadb.new_database()
    mariadb.run(first, head + script.partition("create trigger")[0])
    with mariadb.connected(first) as connection, connection.cursor() as cursor:
        cursor.execute("create trigger g before insert on zinds for each row begin set new.inv = 5; end")
    mariadb.run(first, script.partition("end;")[2])
    found = items(source(mariadb, first))
    assert table(found["log.parquet"]).num_rows == 1 and table(found["zinds.parquet"])["inv"].to_pylist() == [5]
    assert b'"id": 101' in found["sequences.json"] and b'"counter"' in found["sequences.json"]
    text = found["schema.sql"]
    assert b"AUTO_INCREMENT=10" not in text and b"DEFINER" not in text.replace(b"SQL SECURITY DEFINER", b"")
    assert first.encode() not in text
    mariadb.run(first, "insert into t (kind) values ('a')")
    assert items(source(mariadb, first))["schema.sql"] == text
    second = mariadb.new_database()
    with mariadb.connected(second) as connection, connection.cursor() as cursor:
        cursor.execute("set sql_mode = ''")
        for one in statements_of(text):
            cursor.execute(one.text)
    assert items(source(mariadb, second))["schema.sql"] == text


def test_a_scan_says_how_far_the_servers_clock_is_from_ours(mariadb: MariadbServer) -> None:
    database = mariadb.new_database("create table t (id int)")
    clock = StillClock()
    with closing(source(mariadb, database)) as one:
        found = one.scan(never)
    assert found.clock_difference is not None and abs(found.clock_difference) < 60
    with closing(MariadbSource(source(mariadb, database).options, b"raw", clock)) as one:
        away = one.scan(never).clock_difference
    assert away is not None
    assert abs(datetime.now(UTC) - clock.now() - timedelta(seconds=away)) < timedelta(seconds=60)
