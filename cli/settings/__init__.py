"""The settings file: one TOML file, read into frozen models.

    [repository]          address, endpoint, …                  [identity], [recovery]
    [projects.NAME]       sources, zone, schedule, keep, …      [defaults] for all of them
    [daemon], [notify.…]

    tables, projects, notices    the models: what a table may hold; document is the whole file
    reading                      text -> models, or every fault with its line and key (places, faults, secrecy)
    effective                    what commands get: a project with all that applies to it
    meaning                      models -> schedules, rules and layouts of the other floors
    origin, oddities             where a value came from; what is allowed and still looks wrong

Unknown keys are errors, with a suggestion. Secrets are never in the file: identities are files or commands, S3 credentials come
from the SDK's own chain. The models are imported when a file is read: `--help` does not wait for them.
"""

from __future__ import annotations

from pathlib import Path

from cli import environment
from cli.settings.effective import Settings
from vault.errors import SettingsError

__all__ = ["Settings", "find", "load"]


def find(named: Path | None) -> Path:
    """The settings file that applies. Raises `SettingsError`."""
    candidates = [named] if named is not None else environment.settings_files()
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise SettingsError(
        f"there is no settings file ({', '.join(map(str, candidates))})",
        hint="make one with `strongroom init ADDRESS`, or name it with --config FILE",
    )


def load(file: Path) -> Settings:
    """Read a settings file; a run of the daemon's reads what the daemon has read, whatever the file says meanwhile. Raises
    `SettingsError` with file, line and key of everything that is wrong."""
    try:
        text = _in_use() or file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "settings are TOML, which is UTF-8 text; name another file with --config FILE"
        raise SettingsError(f"{file} cannot be read: {error}", hint=hint) from error
    from cli.settings import reading

    return Settings(file, text, reading.read(file, text))


def _in_use() -> str | None:
    copy = environment.settings_in_use()
    if copy is None:
        return None
    try:
        return copy.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
