"""`postgresql://host/database`: the tables of a PostgreSQL database."""

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
    from vault.source.sql.postgresql import PostgresqlSource
    from vault.source.sql.postgresql_connection import PgAddress
    from vault.source.sql.postgresql_tokens import KnownBy

WHAT = "a PostgreSQL database"
EXAMPLE = "postgresql://db.example.com/crm"
PORT = 5432
KNOWN_BY = ("versions", "content")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
OPTIONS = {
    "user": "who connects; where it is not said: the user who runs the backup",
    **option.SECRETS,
    "sslmode": "how the connection is protected, as libpq has it; `verify-full` checks the server's certificate (default: "
    "`prefer`)",
    "certificates": "a file of certificate authorities that are trusted, for `sslmode`",
    **TABLE_OPTIONS,
    "known_by": "by what rows are known to be unchanged: `versions` (PostgreSQL's own versions of them) or `content` (a hash "
    "of what is in them; default: `versions`)",
    "restore_user": "who puts rows back with `--in-place`; where it is not said: `user`",
    "restore_password_file": "a file that holds that user's password",
    "restore_password_command": "a command that prints it",
}


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    option.database_place(url, PORT, EXAMPLE)
    option.one_of(options, "step", STEPS, "month")
    option.one_of(options, "sslmode", MODES, "prefer")
    option.one_of(options, "known_by", KNOWN_BY, "versions")


def make(source: SourceSettings, context: SourceContext) -> PostgresqlSource:
    """See `registry.SourceKind`."""
    from vault.source.patterns import Rules
    from vault.source.sql.postgresql import PgOptions, PostgresqlSource

    option.require("psycopg", "postgresql")
    options = source.options
    wanted = PgOptions(
        address_of(source.url or "", options, context.folder),
        option.names(options, "tables"),
        source.time_column,
        cast("Step", option.one_of(options, "step", STEPS, "month")),
        context.zone,
        options.get("version_column"),
        Rules(include=source.include, exclude=source.exclude),
        cast("KnownBy", option.one_of(options, "known_by", KNOWN_BY, "versions")),
    )
    return PostgresqlSource(wanted, source.kind.encode(), context.clock)


def address_of(url: str, options: Mapping[str, str], folder: Path) -> PgAddress:
    """How the server is reached. folder: that relative paths count from. Raises `SettingsError` where the password cannot be
    had."""
    from vault.source.sql.postgresql_connection import PgAddress

    host, port, database = option.database_place(url, PORT, EXAMPLE)
    certificates = options.get("certificates")
    return PgAddress(
        host,
        port,
        database,
        options.get("user"),
        option.password(options, folder),
        options.get("sslmode", "prefer"),
        str(environment.expand(certificates, folder)) if certificates else None,
    )
