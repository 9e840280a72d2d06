"""A MariaDB database as a place of the suite over all kinds of sources."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.mariadb_server import OWNER, PASSWORD, MariadbServer
from tests.support.source_places import PREFIX, SqlitePlace, table_and_month
from vault.clock import SystemClock
from vault.source.contract import Source
from vault.source.sql.mariadb import MariadbSource, MdOptions
from vault.source.sql.mariadb_connection import MariadbAddress


class MariadbPlace(SqlitePlace):
    """As of SQLite: a table for each name, a row for each line."""

    def __init__(self, server: MariadbServer) -> None:
        self._server = server
        self._database = server.new_database()
        self._port = server.port

    def put(self, contents: Mapping[str, bytes]) -> None:
        with self._server.connected(self._database) as connection, connection.cursor() as cursor:
            cursor.execute("show tables")
            for (name,) in cursor.fetchall():
                cursor.execute(f"drop table `{name}`")
            for name, content in contents.items():
                table, month = table_and_month(name)
                cursor.execute(
                    f"create table if not exists `{table}` (id int primary key auto_increment, line text, at datetime)"
                )
                at = f"{month}-03 10:00:00" if month else None
                rows = [(line, at) for line in content.decode().splitlines()]
                cursor.executemany(f"insert into `{table}` (line, at) values (%s, %s)", rows)

    def source(self) -> Source:
        address = MariadbAddress("127.0.0.1", self._port, self._database, OWNER, PASSWORD)
        return MariadbSource(MdOptions(address, time_column="at"), PREFIX, SystemClock())

    def take_away(self) -> None:
        self._port = 1
