"""How a MariaDB or MySQL server is reached, and what a session is set to.

What a session writes as text, and when the server gives it up, depends on the server's settings: all that do are set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vault.errors import SourceError
from vault.hidden_fields import HidesFields

if TYPE_CHECKING:
    from vault.source.sql.mariadb_session import Session

CONNECT_WITHIN = 30
KILL_WITHIN = 5
WRITE_WITHIN = 300
LOOK_EVERY = 0.5
LOCKS_WITHIN = 120
"""Seconds."""

PORT = 3306
OLDEST_MARIADB, OLDEST_MYSQL = (10, 4), (8, 0)

READING = ""
"""`sql_mode` of a session that reads: what the others change in what is written as text is off."""

Tls = Literal["off", "prefer", "required", "verify"]

_SETTINGS = (
    "time_zone = '+00:00'",
    "sql_quote_show_create = 1",
    "net_read_timeout = 3600",
    "net_write_timeout = 3600",
    "wait_timeout = 86400",
    f"lock_wait_timeout = {LOCKS_WITHIN}",
    f"innodb_lock_wait_timeout = {LOCKS_WITHIN}",
    "group_concat_max_len = 1048576",
    "sql_select_limit = default",
)
_OF_MARIADB = ("max_statement_time = 0", "idle_transaction_timeout = 0", "idle_readonly_transaction_timeout = 0")
_OF_MYSQL = ("max_execution_time = 0", "information_schema_stats_expiry = 0", "show_create_table_verbosity = 0")


class MariadbAddress(HidesFields, frozen=True):
    """How a server is reached.

    - `socket`: a Unix socket in place of host and port
    - `tls`: `off`; `prefer`: where the server offers it; `required`; `verify`: and its certificate is checked
    - `certificates`: a file of authorities that are trusted instead of the system's
    - `timeout`: seconds that the server may say nothing
    """

    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = None
    tls: Tls = "prefer"
    certificates: str | None = None
    socket: str | None = None
    timeout: float = 3600.0
    scheme: str = "mariadb"

    @property
    def text(self) -> str:
        """For people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"


def connect(address: MariadbAddress, sql_mode: str = READING) -> Session:
    """A session that commits each statement. Raises `pymysql.Error`, and `SourceError` for a server that is too old."""
    from vault.source.sql.mariadb_session import Session

    session = Session(address)
    try:
        _refuse_too_old(address, session)
        own = _OF_MARIADB if session.is_mariadb else _OF_MYSQL
        settings = [f"sql_mode = '{sql_mode}'", *_SETTINGS, *own]
        session.run("set " + ", ".join(f"session {text}" for text in settings))
    except BaseException:
        session.close()
        raise
    return session


def _refuse_too_old(address: MariadbAddress, session: Session) -> None:
    oldest = OLDEST_MARIADB if session.is_mariadb else OLDEST_MYSQL
    if session.numbers < oldest:
        name = "MariaDB" if session.is_mariadb else "MySQL"
        raise SourceError(
            f"{address.text} is {name} {session.version}, and too old", hint=f"{'.'.join(map(str, oldest))} or newer is read"
        )


def quoted(name: str) -> str:
    """A name in SQL."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text in SQL, for sessions that these modules make: in their modes the backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"
