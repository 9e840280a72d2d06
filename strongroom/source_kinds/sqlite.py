"""`sqlite:FILE`: the tables of a SQLite database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from strongroom import environment
from strongroom.source_kinds import options as option
from vault.errors import SettingsError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.sql.layout import Step
    from vault.source.sql.sqlite import SqliteSource

WHAT = "a SQLite database"
EXAMPLE = "sqlite:/srv/telephony/cdr.db"
STEPS = ("year", "quarter", "month", "day")
TABLE_OPTIONS = {
    "tables": "tables and views that are taken, with commas between them; where it is not said: all tables",
    "step": "how long a period is into which tables with the time column are cut: `year`, `quarter`, `month`, `day` (default: "
    "`month`)",
    "version_column": "a column whose value grows with every change of a row: what has not changed is then not read",
}
OPTIONS = TABLE_OPTIONS


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    path_of(url, Path())
    option.one_of(options, "step", STEPS, "month")


def make(source: SourceSettings, context: SourceContext) -> SqliteSource:
    """See `registry.SourceKind`."""
    from vault.source.patterns import Rules
    from vault.source.sql.sqlite import SqliteOptions, SqliteSource

    options = source.options
    wanted = SqliteOptions(
        path_of(source.url or "", context.folder),
        option.names(options, "tables"),
        source.time_column,
        cast("Step", option.one_of(options, "step", STEPS, "month")),
        options.get("version_column"),
        Rules(include=source.include, exclude=source.exclude),
    )
    return SqliteSource(wanted, source.kind.encode(), context.clock)


def path_of(url: str, folder: Path) -> Path:
    """The file of a URL; a relative path counts from a folder. Raises `UsageError`."""
    text = url.partition(":")[2]
    if text.startswith("//"):
        text = text.removeprefix("//")
    if not text or text.endswith("/"):
        raise SettingsError("names no file", hint=f"for example {EXAMPLE}")
    return environment.expand(text, folder)
