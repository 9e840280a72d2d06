"""Rows out of a MariaDB database and back into one: every type, to the last byte, by a real server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from restore.databases.mariadb_target import MariadbTarget, MdPlace
from restore.databases.row_plan import RowPlan
from restore.databases.staged_rows import FetchedItem
from restore.planning.conflict_policy import ConflictPolicy
from tests.support.mariadb_server import OWNER, PASSWORD, MariadbServer
from vault.clock import SystemClock
from vault.errors import Damaged, TargetError
from vault.problems import Problem
from vault.progress import never
from vault.source.sql.mariadb import MariadbSource, MdOptions
from vault.source.sql.mariadb_connection import MariadbAddress

VALUES: dict[str, tuple[str, ...]] = {
    "tinyint unsigned": ("255", "0"),
    "smallint(5) unsigned zerofill": ("42",),
    "mediumint": ("-8388608",),
    "bigint": ("-9223372036854775808",),
    "bigint unsigned": ("18446744073709551615",),
    "bit(1)": ("b'1'", "b'0'"),
    "bit(64)": ("18446744073709551615", "1"),
    "float": ("0.1234567", "16777216", "-3.4e38", "1e-45"),
    "float(7,3)": ("1.2345",),
    "double": ("0.1", "1e-300", "1.7976931348623157e308", "-0.0", "5e-324"),
    "decimal(65,30)": ("9" * 35 + "." + "7" * 30, "-0.000000000000000000000000000001"),
    "decimal(9,2) unsigned zerofill": ("1.5",),
    "year": ("2024", "0", "1901"),
    "date": ("'0000-00-00'", "'2024-02-31'", "'9999-12-31'", "'2024-00-10'"),
    "datetime": ("'0000-00-00'", "'2024-05-17 10:00:00'"),
    "datetime(6)": ("'9999-12-31 23:59:59.999999'", "'0001-01-01'"),
    "timestamp null": ("'1970-01-01 00:00:01'", "'0000-00-00'", "'2038-01-19 03:14:07'"),
    "timestamp(6) null": ("'2024-10-27 00:30:00.000001'", "'2024-10-27 01:30:00.5'"),
    "time": ("'-838:59:59'", "'838:59:59'", "'24:00:00'"),
    "time(6)": ("'23:59:59.999999'", "'00:00:00.000001'"),
    "char(5)": ("'ab'", "''", "' a'"),
    "varchar(20)": ("'a\\\\b'", "'it''s \\\"x\\\"'", "'\\n\\r\\t\\0\\Z'", "'NULL'", "'a '", "'%s %% {}'"),
    "varchar(9) character set latin1": ("x'80e9'", "x'81'", "'é'"),
    "varchar(9) character set cp932": ("x'fa54'", "x'81ca'"),
    "varchar(9) character set utf8mb3": ("'й'",),
    "varchar(9) character set utf16": ("'😀'",),
    "text character set gbk": ("'中文'", "x'815c'"),
    "longtext": ("repeat('ü\\\\', 70000)", "''"),
    "binary(4)": ("x'00'", "x'ff005c27'"),
    "varbinary(300)": ("unhex(concat(repeat('5c27220d0a001a', 20), 'ff'))", "''"),
    "longblob": ("repeat(x'005cff', 100000)",),
    "enum('a','B','it''s, \\\"q\\\"')": ("'B'", "'it''s, \\\"q\\\"'"),
    "set('x','y')": ("'y,x'", "''"),
    "json": ("'{\\\"b\\\":  [1, null]}'",),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",),
    "inet6": ("'::1'", "'2001:db8::ff00:42:8329'"),
    "inet4": ("'10.1.2.3'",),
    "geometry": ("st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))', 4326)", "point(1, 2)"),
}


def items_of(server: MariadbServer, database: str, folder: Path, **options: Any) -> list[FetchedItem]:
    """All items of a database, as files."""
    address = MariadbAddress("127.0.0.1", server.port, database, OWNER, PASSWORD)
    found: list[FetchedItem] = []
    with closing(MariadbSource(MdOptions(address, **options), b"raw", SystemClock())) as one:
        table = one.scan(never).table
        for path, kind in zip(table["path"].to_pylist(), table["type"].to_pylist(), strict=True):
            if kind:
                continue
            with one.reader() as reader:
                stream = reader.open_large(path)
                assert not isinstance(stream, Problem)
                with stream:
                    file = folder / f"{database}-{len(found)}"
                    data, buffer = bytearray(), bytearray(1 << 20)
                    while count := stream.readinto(buffer, len(data)):
                        data += buffer[:count]
                    file.write_bytes(data)
            found.append(FetchedItem(path.removeprefix(b"raw/"), file))
    return found


def put(server: MariadbServer, database: str, items: Sequence[FetchedItem], policy: ConflictPolicy, **place: Any) -> RowPlan:
    address = MariadbAddress("127.0.0.1", server.port, database, OWNER, PASSWORD)
    with MariadbTarget(MdPlace(address, **place), items, policy) as target:
        target.plan()
        return target.apply()


def contents(items: Sequence[FetchedItem]) -> dict[bytes, bytes]:
    return {item.path: item.file.read_bytes() for item in items}


def test_every_type_goes_out_and_back_to_the_last_byte(mariadb: MariadbServer, tmp_path: Path) -> None:
    columns = ", ".join(f"`c{place}` {kind}" for place, kind in enumerate(VALUES))
    first = mariadb.new_database(f"create table t (id int primary key, {columns})")
    with mariadb.connected(first) as connection, connection.cursor() as cursor:
        for number in range(7):
            row = [values[number] if number < len(values) else "null" for values in VALUES.values()]
            cursor.execute(f"insert into t values ({number}, {', '.join(row)})")
    whole = items_of(mariadb, first, tmp_path)
    empty = mariadb.new_database()
    (made,) = put(mariadb, empty, whole, ConflictPolicy.REFUSE).tables
    assert (made.created, made.missing, made.notes) == (True, 7, ())
    assert contents(items_of(mariadb, empty, tmp_path)) == contents(whole)
    scratch = f"{empty}_scratch"
    put(mariadb, empty, whole, ConflictPolicy.REFUSE, schema=scratch)
    again = contents(items_of(mariadb, scratch, tmp_path))
    assert again[b"t.parquet"] == contents(whole)[b"t.parquet"]
    (same,) = put(mariadb, empty, whole, ConflictPolicy.REFUSE).tables
    assert (same.missing, same.equal, same.differing) == (0, 7, 0)
    mariadb.run(empty, "update t set id = id + 100 where id = 3; delete from t where id = 5")
    for place, (kind, values) in enumerate(VALUES.items()):
        mariadb.run(empty, f"update t set c{place} = null where id = 0")
        (done,) = put(mariadb, empty, whole, ConflictPolicy.REPLACE).tables
        assert done.differing == 1, kind
        assert values
    after = mariadb.rows(empty, "select id from t order by id")
    assert after == [(number,) for number in (*range(7), 103)]
    mariadb.run(empty, "delete from t where id = 103")
    assert contents(items_of(mariadb, empty, tmp_path)) == contents(whole)


def test_keys_of_every_sort_find_their_rows(mariadb: MariadbServer, tmp_path: Path) -> None:
    script = """
    create table texts (k varchar(20) character set latin1 collate latin1_swedish_ci primary key, v int);
    create table longs (k text, n int, v int, primary key (k(5), n));
    create table bytes (k varbinary(9) primary key, v int);
    create table times (k datetime(6), z date, v int, primary key (k, z));
    create table numbers (k bigint unsigned, d decimal(30,10), v int, primary key (k, d));
    create table choices (k enum('a','b'), u uuid, v int, primary key (k, u));
    insert into texts values ('a', 1), ('ä', 2), ('x ', 3), ('', 4); insert into longs values ('abcdef', 1, 1), ('abcde', 2, 2);
    insert into bytes values (x'00', 1), (x'0000', 2), ('', 3);
    insert into times values ('2024-01-01 00:00:00.000001', '0000-00-00', 1), ('2024-01-01', '2024-02-31', 2);
    insert into numbers values (18446744073709551615, 1.0000000001, 1), (18446744073709551614, 1, 2);
    insert into choices values ('a', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1)
    """
    database = mariadb.new_database(script)
    whole = items_of(mariadb, database, tmp_path)
    state = contents(whole)
    names = ("texts", "longs", "bytes", "times", "numbers", "choices")
    for name in names:
        mariadb.run(database, f"update {name} set v = v + 10; delete from {name} where v > 11")
    done = put(mariadb, database, whole, ConflictPolicy.REPLACE)
    assert {one.table: one.differing for one in done.tables} == dict.fromkeys(sorted(names), 1)
    assert contents(items_of(mariadb, database, tmp_path)) == state
    put(mariadb, database, whole, ConflictPolicy.REFUSE, schema=f"{database}_plain")
    again = contents(items_of(mariadb, f"{database}_plain", tmp_path))
    assert {path: data for path, data in again.items() if path.endswith(b".parquet")} == {
        path: data for path, data in state.items() if path.endswith(b".parquet")
    }


def test_rows_of_many_statements_and_of_large_values_go_back_whole(mariadb: MariadbServer, tmp_path: Path) -> None:
    database = mariadb.new_database("create table t (id int primary key, v longblob, at datetime)")
    mariadb.run(
        database, "insert into t select seq, repeat(unhex(md5(seq)), 30), '2024-01-01' + interval seq hour from seq_1_to_7000"
    )
    mariadb.run(database, "insert into t values (9001, repeat(x'00', 7000000), null), (9002, repeat(x'ff', 15000000), null)")
    whole = items_of(mariadb, database, tmp_path, time_column="at")
    empty = mariadb.new_database()
    put(mariadb, empty, whole, ConflictPolicy.REFUSE)
    check = "select count(*), sum(crc32(v)), sum(length(v)), max(at) from t"
    assert mariadb.rows(empty, check) == mariadb.rows(database, check)


def test_a_row_that_no_packet_of_the_server_holds_is_refused_and_nothing_stays(mariadb: MariadbServer, tmp_path: Path) -> None:
    database = mariadb.new_database("create table t (id int primary key, v longblob, w longblob)")
    mariadb.run(database, "insert into t values (1, repeat('a', 10000000), null)")
    mariadb.run(database, "update t set w = v")  # each by itself is within a packet
    whole = items_of(mariadb, database, tmp_path)
    empty = mariadb.new_database()
    with pytest.raises(TargetError, match="max_allowed_packet"):
        put(mariadb, empty, whole, ConflictPolicy.REFUSE)
    assert mariadb.rows(empty, "show tables") == []


@pytest.mark.parametrize(
    "text",
    [
        "GRANT ALL ON *.* TO 'x'@'%'",
        "DROP TABLE t",
        "CREATE DEFINER=`root`@`localhost` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        "/*!50000 DROP TABLE t */",
    ],
)
def test_a_schema_that_makes_something_else_than_it_says_is_damage(mariadb: MariadbServer, tmp_path: Path, text: str) -> None:
    from vault.source.sql.schema_statements import Statement, statements_text

    database = mariadb.new_database("create table t (id int primary key)")
    whole = items_of(mariadb, database, tmp_path)
    for item in whole:
        if item.path == b"schema.sql":
            item.file.write_bytes(statements_text([Statement("table", "t", text)], b"x"))
    empty = mariadb.new_database()
    with pytest.raises(Damaged):
        put(mariadb, empty, whole, ConflictPolicy.REFUSE)
    assert mariadb.rows(empty, "show tables") == []
