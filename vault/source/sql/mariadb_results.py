"""Results of one session that are read as streams, one at a time: the protocol knows no second one beside it.

A stream that is not through when another query comes gives way: what is left of it goes into a file without a name, out of
which it is read on. Where streams are read one after another, as backups read them, there is no such file.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from vault.source.sql.mariadb_rows import as_batch
from vault.source.sql.parquet_stream import BATCH_ROWS

if TYPE_CHECKING:
    import pyarrow as pa

    from vault.source.sql.mariadb_session import Session

BATCH_BYTES = 8 * 1024 * 1024
"""A batch of rows has so many, or a few more."""


class _Result:
    """The rest of a result: in the session, or in a file."""

    def __init__(self, session: Session, schema: pa.Schema) -> None:
        self._session = session
        self._schema = schema
        self._file: IO[bytes] | None = None
        self._spilt: pa.RecordBatchStreamReader | None = None
        self._error: pa.ArrowException | None = None

    def next(self) -> pa.RecordBatch | None:
        """The next rows; None at the end. Raises `pa.ArrowException` for a value that cannot be kept."""
        if self._error is not None:
            raise self._error
        if self._spilt is not None:
            try:
                return self._spilt.read_next_batch()
            except StopIteration:
                return None
        rows = self._session.next_rows(BATCH_ROWS, BATCH_BYTES)
        return as_batch(rows, self._schema) if rows else None

    def give_way(self) -> None:
        """Put what is left into a file."""
        import pyarrow as pa

        file = self._file = tempfile.TemporaryFile(prefix="strongroom-")  # noqa: SIM115 (closed with the result)
        with pa.ipc.new_stream(file, self._schema) as writer:
            try:
                while (batch := self.next()) is not None:
                    writer.write_batch(batch)
            except pa.ArrowException as error:  # it is told to whoever reads this, not to whoever comes
                self._error = error
                self._session.end_stream()
        file.seek(0)
        self._spilt = pa.ipc.open_stream(file)

    def close(self) -> None:
        """The rest is not wanted."""
        if self._spilt is None:
            self._session.end_stream()
        if self._file is not None:
            self._file.close()


class SharedSession:
    """A session that several readers ask, from several threads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.RLock()
        self._current: _Result | None = None

    @contextmanager
    def alone(self) -> Iterator[Session]:
        """The session, with no result under way."""
        with self._lock:
            current, self._current = self._current, None
            if current is not None:
                current.give_way()
            yield self._session

    def batches(self, query: str, schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
        """The rows of a query, as columns of a schema."""
        with self.alone() as session:
            session.begin_stream(query)
            result = self._current = _Result(session, schema)
        try:
            while True:
                with self._lock:
                    batch = result.next()
                if batch is None:
                    return
                yield batch
        finally:
            with self._lock:
                if self._current is result:
                    self._current = None
                result.close()

    def close(self) -> None:
        """End the session."""
        with self._lock:
            self._current = None
            self._session.close()
