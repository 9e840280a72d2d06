"""DuckDB, shut in: it sees the files that it is given and nothing else of this machine, opens no connection, loads no
extension, writes nothing, and takes no more memory than it may.

What does not fit into memory is refused: it would have to be written to the disk in the clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from restore.query.duckdb_files import PROTOCOL, QueryFiles
from restore.query.sql_quoting import text
from restore.tables.guards import reason
from vault.errors import StrongroomError, UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "512MiB"
THREADS = 2
LONGEST_MESSAGE = 600
_STREAMED_OUT_OF_MEMORY = "Out of Memory Error: "
_STREAMED = ("Invalid Input Error: ", "Conversion Error: ", "Out of Range Error: ")
"""How DuckDB's words about a question begin where they come out of a stream of batches: as an error of Arrow's."""

_OTHERWISE = "narrow it with --period or --path, or restore the items and look at them with other programs"

Result = TypeVar("Result")


class Database:
    """One connection, worked with in a thread of its own, so that Ctrl-C is heard while a question runs."""

    def __init__(self, server: QueryFiles, zone: str) -> None:
        self._server = server
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="query")
        self._connection = self._pool.submit(_open, server, zone).result()

    def do(self, work: Callable[[DuckDBPyConnection], Result]) -> Result:
        """What `work` gives. Raises `UsageError` with DuckDB's words, and what reading the files raised."""
        future = self._pool.submit(work, self._connection)
        try:
            with translated(self._server):
                return future.result()
        except KeyboardInterrupt:
            self._connection.interrupt()
            raise

    def interrupt(self) -> None:
        """End the question that runs; it raises `UsageError`. May be called from another thread."""
        self._connection.interrupt()

    def close(self) -> None:
        """End whatever still runs, and let go of the memory."""
        self._connection.interrupt()
        self._pool.submit(self._connection.close)
        self._pool.shutdown(wait=False)


def _open(server: QueryFiles, zone: str) -> DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY,
            "threads": THREADS,
            "temp_directory": "",
            "python_enable_replacements": False,
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
        },
    )
    connection.register_filesystem(server)
    connection.execute(f"SET TimeZone = {text(zone)}")
    connection.execute(f"SET allowed_directories = ['{PROTOCOL}://']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@contextmanager
def translated(server: QueryFiles) -> Iterator[None]:
    """DuckDB's errors as ours."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise _too_large() from error
    except (duckdb.Error, OSError) as error:
        problem = server.problem
        if problem is not None:
            server.problem = None
            raise problem from error
        streamed = not isinstance(error, duckdb.Error)
        if streamed and str(error).startswith(_STREAMED_OUT_OF_MEMORY):
            raise _too_large() from error
        if type(error) is duckdb.Error or (streamed and not str(error).startswith(_STREAMED)):  # Python raised it below DuckDB
            raise StrongroomError(f"the files cannot be read: {error}") from error
        raise UsageError(_shortened(str(error)), hint="see the tables and their columns with --tables") from error
    except StrongroomError:
        raise
    except Exception as error:  # pyarrow's, or Python's own, about what DuckDB hands over
        raise StrongroomError(f"the query cannot be answered: {reason(error)}", hint=_OTHERWISE) from error


def _too_large() -> UsageError:
    return UsageError(
        f"the query needs more than {MEMORY} of memory",
        hint="narrow it: a shorter --period, fewer columns, an aggregate; nothing is put down on the disk",
    )


def _shortened(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
