"""`mariadb://host/database`, `mysql://host/database`: the tables of a MariaDB or MySQL database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from strongroom import environment
from strongroom.source_kinds import options as option
from strongroom.source_kinds.sqlite import STEPS, TABLE_OPTIONS

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.sql.layout import Step
    from vault.source.sql.mariadb import MariadbSource
    from vault.source.sql.mariadb_connection import MariadbAddress, Tls

WHAT = "a MariaDB or MySQL database"
EXAMPLE = "mariadb://db.example.com/crm"
PORT = 3306
TLS = ("off", "prefer", "required", "verify")
OPTIONS = {
    "user": "who connects; where it is not said: the user who runs the backup",
    **option.SECRETS,
    "tls": "how the connection is protected: `off`, `prefer` (where the server offers it), `required`, `verify` (the server's "
    "certificate is checked; default: `prefer`, and `verify` with `certificates`)",
    "certificates": "a file of certificate authorities that are trusted instead of the system's",
    "socket": "a Unix socket on this machine, in place of the host and the port",
    "timeout": "how long the server may say nothing while it works (default: `1 hour`)",
    **TABLE_OPTIONS,
    "restore_user": "who puts rows back with `--in-place`; where it is not said: `user`",
    "restore_password_file": "a file that holds that user's password",
    "restore_password_command": "a command that prints it",
}


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    option.database_place(url, PORT, EXAMPLE)
    option.one_of(options, "step", STEPS, "month")
    option.one_of(options, "tls", TLS, "prefer")
    option.seconds(options, "timeout", "1 hour")


def make(source: SourceSettings, context: SourceContext) -> MariadbSource:
    """See `registry.SourceKind`."""
    from vault.source.patterns import Rules
    from vault.source.sql.mariadb import MariadbSource, MdOptions

    option.require("pymysql", "mariadb")
    options = source.options
    wanted = MdOptions(
        address_of(source.url or "", options, context.folder),
        option.names(options, "tables"),
        source.time_column,
        cast("Step", option.one_of(options, "step", STEPS, "month")),
        context.zone,
        options.get("version_column"),
        Rules(include=source.include, exclude=source.exclude),
    )
    return MariadbSource(wanted, source.kind.encode(), context.clock)


def address_of(url: str, options: Mapping[str, str], folder: Path) -> MariadbAddress:
    """How the server is reached. folder: that relative paths count from. Raises `SettingsError` where the password cannot be
    had."""
    from vault.source.sql.mariadb_connection import MariadbAddress

    host, port, database = option.database_place(url, PORT, EXAMPLE)
    certificates, socket = options.get("certificates"), options.get("socket")
    return MariadbAddress(
        host,
        port,
        database,
        options.get("user"),
        option.password(options, folder),
        cast("Tls", option.one_of(options, "tls", TLS, "verify" if certificates else "prefer")),
        str(environment.expand(certificates, folder)) if certificates else None,
        str(environment.expand(socket, folder)) if socket else None,
        option.seconds(options, "timeout", "1 hour"),
        url.partition(":")[0].lower(),
    )
