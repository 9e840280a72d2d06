"""Sessions of a PostgreSQL server that give rows as Arrow batches: read and converted in C, by the ADBC driver, without the
interpreter's lock.

psycopg gives each row of a `COPY` to Python: a million of them, and Arrow's reader of CSV after it, took 1.6 s of processor
time, where this takes 0.8, and the server writes its binary format in four fifths of the time of its text.

A call of C that waits for a server cannot be told to stop. So a session belongs to the thread that reads ahead, which is left
to itself where even cancelling does not help: a server that says nothing any more.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from vault.source.sql.postgresql_connection import PgAddress, connection_string, session_settings

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_BYTES = 2 * 1024 * 1024
"""Of rows at once, or one row. With 16 MB, 359 MB are in memory in place of 310, and it is no faster."""

_SERVER_SAYS = re.compile(r"(?:ERROR|FATAL):\s+(.*)")


class ArrowSession:
    """A session in a read-only transaction. Raises `psycopg.Error` for what goes wrong, as other sessions do."""

    def __init__(self, address: PgAddress, begin: str, snapshot: str, using: list[ArrowSession]) -> None:
        """using: gets it as soon as it can be cancelled."""
        import adbc_driver_manager
        import adbc_driver_postgresql

        with _errors():
            self._database = adbc_driver_postgresql.connect(connection_string(address))
            self._connection = adbc_driver_manager.AdbcConnection(self._database)
            using.append(self)
            try:
                for sql in (session_settings(), begin, f"set transaction snapshot '{snapshot}'"):
                    self._run(sql)
            except BaseException:
                self.close()
                raise

    def batches(self, query: str, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
        """The rows of a query, as columns of a schema."""
        import adbc_driver_manager
        import pyarrow as pa

        with _errors(), adbc_driver_manager.AdbcStatement(self._connection) as statement:
            statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
            statement.set_sql_query(query)
            stream, _ = statement.execute_query()
            with pa.RecordBatchReader.from_stream(stream) as reader:
                for batch in reader:
                    columns = [one.cast(kind) for one, kind in zip(batch.columns, schema.types, strict=True)]
                    yield pa.record_batch(columns, schema=schema)

    def cancel(self) -> None:
        """End what the server does for this session. Called from another thread; it may take as long as the server likes."""
        with _errors():
            self._connection.cancel()

    def close(self) -> None:
        """End the session."""
        self._connection.close()
        self._database.close()

    def _run(self, sql: str) -> None:
        import adbc_driver_manager

        with adbc_driver_manager.AdbcStatement(self._connection) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()


def cancel_all(sessions: list[ArrowSession]) -> None:
    """Cancel each; a server that does not take it says so to nobody."""
    for one in sessions:
        with suppress(Exception):
            one.cancel()


@contextmanager
def _errors() -> Iterator[None]:
    """Errors of the driver as psycopg's, by the same codes; where there is none, the server said nothing."""
    import adbc_driver_manager
    import psycopg
    import pyarrow as pa

    try:
        yield
    except adbc_driver_manager.Error as error:
        raise _error_of(error.sqlstate, str(error)) from error
    except (OSError, pa.ArrowException) as error:
        if "[libpq]" not in str(error):
            raise
        raise psycopg.DatabaseError(_reason(str(error))) from error


def _error_of(code: str | None, text: str) -> Any:  # noqa: ANN401 (an error that psycopg makes by its code)
    import psycopg

    try:
        kind = psycopg.errors.lookup(code or "")
    except KeyError:
        kind = psycopg.OperationalError
    return kind(_reason(text))


def _reason(text: str) -> str:
    """What the server says, or else the driver; neither repeats the query."""
    found = _SERVER_SAYS.search(text)
    return found.group(1) if found else text.splitlines()[0]
