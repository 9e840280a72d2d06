"""Connections to a PostgreSQL server: how it is reached, what a session is set to, and its errors as ours.

What a session writes as text depends on the server's settings, on the user's and on the environment: all that do are set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, LiteralString

from vault.errors import SourceDenied, SourceError
from vault.hidden_fields import HidesFields
from vault.progress import Stop, never

if TYPE_CHECKING:
    import psycopg

    from vault.source.sql.postgresql_session import StoppableConnection

CONNECT_WITHIN = 30
"""Seconds."""

GONE_AFTER = 60_000
"""Milliseconds that what was sent may stay without an answer of the other machine."""

OLDEST = 120000
"""Server version that is read: 12."""

LOCKS_WITHIN: LiteralString = "120s"

_DENIED = ("authentication failed", "permission denied", "no pg_hba.conf entry", "not permitted to log in")
"""Of the server's messages, which it writes in English to who connects: what the user may not do."""

_SETTINGS: Mapping[LiteralString, LiteralString] = {
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmloption": "content",
    "lc_monetary": "C",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "row_security": "off",
    "lock_timeout": LOCKS_WITHIN,
}

_SETTINGS_SINCE: tuple[LiteralString, ...] = ("idle_session_timeout", "transaction_timeout")
"""Time limits that older servers do not have."""


class PgAddress(HidesFields, frozen=True):
    """How a server is reached. password: None where the server asks for none, or libpq finds it (`~/.pgpass`)."""

    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = None
    sslmode: str = "prefer"
    sslrootcert: str | None = None

    @property
    def text(self) -> str:
        """For people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{self.database}"


def connect(address: PgAddress, stop: Stop = never) -> StoppableConnection:
    """A session that commits each statement. stop: called often while the server is waited for; what it raises ends that.
    Raises `psycopg.Error`, and `SourceError` for a server that is too old."""
    from vault.source.sql.postgresql_session import StoppableConnection

    stop()
    connection = StoppableConnection.connect(connection_string(address), autocommit=True)
    connection.stop = stop
    try:
        _refuse_too_old(address, connection.info.server_version)
        connection.execute(session_settings())
    except BaseException:
        connection.close()
        raise
    return connection


def connection_string(address: PgAddress) -> str:
    """How a server is reached, as libpq takes it; with the password in it."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(
        host=address.host,
        port=address.port,
        dbname=address.database,
        user=address.user,
        password=address.password,
        sslmode=address.sslmode,
        sslrootcert=address.sslrootcert,
        connect_timeout=CONNECT_WITHIN,
        application_name="strongroom",
        client_encoding="utf8",
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=GONE_AFTER,
    )


def session_settings() -> LiteralString:
    """SQL that sets a session, in one statement: one way there and back."""
    of_all = ", ".join(f"('{name}', '{value}')" for name, value in _SETTINGS.items())
    newer = ", ".join(f"('{name}', '0')" for name in _SETTINGS_SINCE)
    known = f"select * from (values {newer}) as newer(n, v) where n in (select name from pg_settings)"  # noqa: S608 (constants)
    return f"select set_config(n, v, false) from (values {of_all} union all {known}) as settings(n, v)"  # noqa: S608


def _refuse_too_old(address: PgAddress, version: int) -> None:
    if version < OLDEST:
        raise SourceError(f"{address.text} is PostgreSQL {version // 10000}, and too old", hint="12 or newer is read")


def reason_of(error: psycopg.Error) -> str:
    """What went wrong, in a line; libpq's own messages do not repeat a password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def source_errors(address: PgAddress) -> Iterator[None]:
    """Errors of the server and the connection as `SourceError`."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        hint = "check the address, the user, its password and its rights"
        reason = reason_of(error)
        kind = SourceDenied if any(words in reason for words in _DENIED) else SourceError
        raise kind(f"the database {address.text} cannot be read: {reason}", hint=hint) from error
