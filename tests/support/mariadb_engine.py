"""MariaDB for the tests that carry every type through everything."""

from __future__ import annotations

from pathlib import Path

from tests.support.desk import Desk
from tests.support.mariadb_server import OWNER, PASSWORD, MariadbServer
from tests.support.sql_types import Types, matrix

_ODD = r"""'a,"b"\n\\.\r\n\tü☎'"""

TYPES: Types = {
    "tinyint": ("-128", "127"),
    "tinyint unsigned": ("255",),
    "smallint": ("-32768",),
    "smallint unsigned zerofill": ("42",),
    "mediumint": ("-8388608",),
    "mediumint unsigned": ("16777215",),
    "int": ("-2147483648", "0"),
    "int unsigned": ("4294967295",),
    "bigint": ("9223372036854775807", "-9223372036854775808", "9007199254740993"),
    "bigint unsigned": ("18446744073709551615", "9007199254740993", "0"),
    "bit(1)": ("b'1'", "b'0'"),
    "bit(64)": ("18446744073709551615", "1"),
    "float": ("0.1", "0.1234567", "3.4e38", "-0.0"),
    "double": ("0.1", "1e-300", "0.30000000000000004", "1.7976931348623157e308"),
    "decimal(12,3)": ("-1.5", "123456789.001", "0"),
    "decimal(38,38)": (f"0.{'9' * 38}",),
    "decimal(65,30)": ("9" * 35 + "." + "7" * 30, "-0.000000000000000000000000000001"),
    "year": ("2024", "0"),
    "date": ("'0001-01-01'", "'9999-12-31'", "'2024-02-29'"),
    "date ": ("'0000-00-00'", "'2024-02-31'", "'2024-00-10'", "'2024-02-29'"),
    "datetime(6)": ("'2024-05-17 10:00:00.000001'", "'0001-01-01'", "'9999-12-31 23:59:59.999999'"),
    "datetime": ("'0000-00-00'", "'2024-01-01'"),
    "timestamp(3) null": ("'2024-05-17 10:00:00.123'", "'1970-01-01 00:00:01'"),
    "timestamp null": ("'0000-00-00'", "'2024-01-01'"),
    "time(6)": ("'23:59:59.999999'", "'00:00'"),
    "time": ("'-838:59:59'", "'24:00'", "'12:00:01'"),
    "varchar(60)": ("''", _ODD, "'\\\\N'", "'null'", "'NULL'", "' x '", "'=1+1'", "'\ufeffb'", "'0012'", "'true'", "'1e5'"),
    "char(4)": ("'ab'", "''"),
    "varchar(9) character set latin1": ("x'80e9'", "'é'"),
    "varchar(9) character set cp932": ("x'fa54'", "'A'"),
    "longtext character set utf16": ("'😀'",),
    "varbinary(9)": ("x'00ff5c0a'", "''", "x'efbbbf'"),
    "longblob": ("x'00ff'",),
    "enum('a','it''s x')": ("'a'", "'it''s x'"),
    "set('x','y')": ("'x,y'", "''"),
    "json": ('\'{"b": 1,  "a": null}\'',),
    "uuid": ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",),
    "inet6": ("'::1'",),
    "inet4": ("'10.1.2.3'",),
    "point": ("point(0.1, 2)",),
}  # fmt: skip
"""A type stands twice where it has usual values, and some that no Parquet type holds: with a space behind it."""

_KINDS = {
    "float": "float4", "double": "float", "decimal(12,3)": "decimal", "decimal(38,38)": "decimal",
    "date": "date", "datetime(6)": "timestamp", "timestamp(3) null": "timestamptz", "time(6)": "time",
    "varchar(9) character set cp932": "bytes", "varbinary(9)": "bytes", "longblob": "bytes", "point": "bytes",
}  # fmt: skip


class MariadbEngine:
    """A database of the tests' server; see `tests.support.sql_engines.Engine`."""

    def __init__(self, server: MariadbServer, folder: Path) -> None:
        del folder
        self._server = server
        self._database = server.new_database()
        self.declared = {f"c{place}": declared for place, declared in enumerate(TYPES)}
        self.kinds = {name: self._kind(declared) for name, declared in self.declared.items()}
        with server.connected(self._database) as connection, connection.cursor() as cursor:
            for statement in matrix("integer primary key", TYPES):
                cursor.execute(statement)

    def _kind(self, declared: str) -> str:
        numbers = ("tinyint", "smallint", "mediumint", "int", "bigint", "bit", "year")
        return "int" if declared.split("(")[0].split()[0] in numbers else _KINDS.get(declared, "text")

    def add_to(self, desk: Desk) -> None:
        (desk.folder / "password").write_text(PASSWORD, encoding="utf-8")
        options = ("--option", f"user={OWNER}", "--option", "password_file=password")
        desk.call("source", "add", "acme", "raw", self._server.url(self._database), "--name", "db", *options, "--yes")

    def texts(self, *, scratch: bool = False) -> dict[str, list[str | None]]:
        said = {
            "int": "cast({0} + 0 as char)",
            "float": "cast({0} + 0e0 as char)",
            "float4": "cast({0} + 0e0 as char)",
            "bytes": "hex({0})",
            "timestamptz": "concat({0}, '+00:00')",
            "text": "convert({0} using utf8mb4)",
        }
        wanted = ", ".join(said.get(self.kinds[name], "cast({0} as char)").format(name) for name in self.declared)
        database = f"{self._database}_scratch" if scratch else self._database
        rows = self._server.rows(database, f"select {wanted} from matrix order by id")
        return dict(zip(self.declared, map(list, zip(*rows, strict=True)), strict=True))

    @property
    def scratch(self) -> str:
        where = f"127.0.0.1:{self._server.port}/{self._database}"
        return f"mariadb://{OWNER}@{where}?password_file=password&schema={self._database}_scratch"
