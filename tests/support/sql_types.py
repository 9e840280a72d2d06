"""Every type of an engine with values of it, for tests that carry them through everything: one table of columns per engine.

PG_TYPES["numeric(12,3)"]          SQL of the values, as an INSERT has them
matrix("integer primary key", …)   the statements that make and fill a table `matrix`: a column a type, nulls in its last row
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Types = Mapping[str, Sequence[str]]

_ODD = "E'a,\"b\"\\n\\\\.\\r\\n\\tü\\u2028\\u0001 ☎'"

PG_SETUP = """
create extension if not exists hstore; create extension if not exists citext;
create type mood as enum ('sad', 'so so', 'it''s "fine"'); create type pair as (a int, b text);
create domain small as integer check (value < 10); create domain money2 as numeric(10,2); create domain feeling as mood;
"""
PG_TYPES: Types = {
    "boolean": ("true", "false"),
    "smallint": ("-32768", "32767"),
    "integer": ("-2147483648", "0"),
    "bigint": ("9223372036854775807", "-9223372036854775808", "9007199254740993"),
    "real": ("0.1", "'-Infinity'", "'NaN'", "'-0'", "3.4e38"),
    "double precision": ("0.1", "1e-300", "'Infinity'", "'NaN'", "0.30000000000000004"),
    "numeric(12,3)": ("-1.5", "123456789.001", "0"),
    "numeric(5,0)": ("-99999", "7"),
    "numeric(3,-2)": ("12300", "-100"),
    "numeric(4,6)": ("0.001234",),
    "numeric(38,38)": (f"0.{'9' * 38}", "0.00000000000000000000000000000000000001"),
    "numeric(60,20)": (f"{'1' * 40}.{'7' * 20}", "-0.00000000000000000001"),
    "numeric(100,5)": ("1" * 95, "-1.5"),
    "numeric(6,2)": ("'NaN'", "1.50"),
    "numeric": (f"1.{'0' * 30}10", "'NaN'", "'-Infinity'", f"1{'0' * 200}", "1.00"),
    "text": ("''", _ODD, r"E'\\N'", "'null'", "'NULL'", "' x '", "'=1+1'", "U&'\\FEFFb'", "'0012'", "'true'", "'1e5'"),
    "varchar(5)": ("' x '", "'é́'"),
    "character(4)": ("'ab'", "''"),
    '"char"': ("'a'", "''"),
    "name": ("'a name'",),
    "citext": ("'Ab'", "'aB'"),
    "bytea": (r"'\x00ff5c0a'", "''", r"'\xefbbbf'"),
    "date": ("'0001-01-01'", "'9999-12-31'", "'2024-02-29'"),
    "date ": ("'infinity'", "'-infinity'", "'0044-03-15 BC'", "'5874897-12-31'", "'2024-02-29'"),
    "time": ("'23:59:59.999999'", "'00:00'"),
    "time(0)": ("'24:00'", "'12:00:01'"),
    "timetz": ("'10:00+03'", "'10:00:00.5-11:30'"),
    "timestamp": ("'2024-05-17 10:00:00.000001'", "'0001-01-01'", "'1582-10-10 12:00'"),
    "timestamp(0)": ("'infinity'", "'0044-03-15 12:00 BC'", "'294276-12-31 23:59:59'", "'2024-01-01'"),
    "timestamptz": ("'2024-05-17 10:00+05:45'", "'1890-01-01 00:00+00'", "'2024-03-31 01:30+00'"),
    "timestamptz(3)": ("'-infinity'", "'0044-03-15 12:00+00 BC'", "'2024-05-17 10:00:00.123+00'"),
    "interval": ("'1 mon -3 days 04:05:06.7'", "'-1 year'", "'178000000 years'", "'0'"),
    "json": ('\'{"b": 1,  "a": null, "b": 2}\'', "'null'", "'1.00'"),
    "jsonb": ('\'{"b": 1,  "a": null}\'', "'\"\\u00fc\"'", f"'1{'0' * 40}.50'"),
    "jsonpath": ("'$.a[*] ? (@ > 1)'",),
    "uuid": ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",),
    "inet": ("'10.1.2.3/8'", "'10.1.2.3'", "'::1'"),
    "cidr": ("'10.0.0.0/8'",),
    "macaddr": ("'08:00:2b:01:02:03'",),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'",),
    "bit(3)": ("B'101'",),
    "bit varying": ("B'1'", "B''"),
    "money": ("'12.34'", "'-92233720368547758.08'"),
    "xml": ("'<a b=\"c\">ü</a>'", "'x<y/>'"),
    "hstore": ('\'a=>1, "b c"=>NULL, ""=>""\'', "''"),
    "tsvector": ("'a:1A fat:2 cat'",),
    "tsquery": ("'fat & (rat | !cat)'",),
    "point": ("'(0.1,-1e300)'",),
    "line": ("'{1,2,3}'",),
    "box": ("'(1,1),(0,0)'",),
    "path": ("'[(0,0),(1,1)]'",),
    "polygon": ("'((0,0),(1,1),(2,0))'",),
    "circle": ("'<(0,0),0.1>'",),
    "oid": ("4294967295", "0"),
    "regclass": ("'pg_class'",),
    "pg_lsn": ("'16/B374D848'",),
    "xid8": ("'18446744073709551615'",),
    "int4range": ("'[1,5)'", "'empty'", "'(,3)'"),
    "numrange": ("'[1.0,2.50]'",),
    "tstzrange": ("'[2024-01-01 00:00+00,infinity)'",),
    "datemultirange": ("'{[2024-01-01,2024-02-01),[2024-03-01,)}'",),
    "integer[]": ("'{1,null,3}'", "'{}'", "'{{1,2},{3,4}}'", "'[5:6]={1,2}'"),
    "text[]": ("array['a,b', null, '', 'NULL', 'null', E'q\"\\\\\\n']", "array[['{', '}'], [' ', 'x']]"),
    "bytea[]": (r"array['\x00'::bytea, null]",),
    "timestamptz[]": ("array['2024-05-17 10:00+02'::timestamptz, 'infinity']",),
    "mood": ("'so so'", "'it''s \"fine\"'"),
    "mood[]": ("array['so so', null]::mood[]",),
    "pair": ("row(1, 'a,\"b')", "row(null, '')", "row(null, null)"),
    "pair[]": ("array[row(1, 'x,y')::pair, null]",),
    "small": ("7", "-1"),
    "money2": ("7.5",),
    "feeling": ("'sad'",),
}
"""A type stands twice where it has usual values, and some that no Parquet type holds: with a space behind it."""

SQLITE_TYPES: Types = {
    "integer": ("1", "-9223372036854775808", "9223372036854775807", "9007199254740993"),
    "int ": ("1", "'text'", "1.5", "x'00ff'"),
    "real": ("1", "0.1", "1e300", "-0.0", "9e999", "-9e999", "0.30000000000000004"),
    "text": ("''", "'a,\"b\"' || char(10, 13, 9, 8232, 1)", "'0012'", "'null'", "'=1+1'", "char(65279) || 'b'", "1", "'☎'"),
    "text ": ("'fine'", "cast(x'ff00fe' as text)", "cast(x'410042' as text)"),
    "blob": ("x''", "x'00ff'", "x'efbbbf'"),
    "": ("1", "1.0", "'1'", "x'31'", "9e999", "''", "x''"),
    "numeric": ("1", "1.5", "'1.50'", "'x'", "100000000000000000000"),
    "decimal(10,2)": ("1.10", "12345678901234567890"),
    "boolean": ("true", "false", "'yes'"),
    "datetime": ("'2024-05-17 10:00:00'", "1715940000", "2460447.5"),
    "varchar(3)": ("'longer'", "7"),
    "any": ("'1'", "1"),
}


def matrix(key: str, types: Types, setup: str = "", ending: str = "") -> list[str]:
    """The statements that make and fill a table. key: how the column `id` is declared · ending: of its CREATE TABLE."""
    columns = ", ".join(f"c{place} {declared.strip()}" for place, declared in enumerate(types))
    rows = max(map(len, types.values())) + 1
    found = [text for text in (setup, f"create table matrix (id {key}, {columns}){ending}") if text]
    for number in range(rows):
        values = ", ".join(cells[number] if number < len(cells) else "null" for cells in types.values())
        found.append(f"insert into matrix values ({number}, {values})")
    return found
