"""The settings file: one TOML file, read into frozen models.

    [repository]          address, endpoint, …                  [identity], [recovery]
    [projects.NAME]       sources, zone, schedule, keep, …      [defaults] for all of them
    [copies.NAME]         address, endpoint, …, keep            [daemon], [notify.…]

    tables, value_readers            what models are made of, and how a value is read; value_types has the kinds of values
    models, projects, notifications, console  the models: what a table may hold; document is the whole file, with [copies.NAME]
    reader                           text -> models, or all errors with line and key (toml_positions, errors, secrets)
    renamed                          names of earlier versions, taken as those of today
    effective                        what commands get: a project with all that applies to it
    resolve                          models -> schedules, rules and layouts of the other floors
    origin, lint                     where a value came from; what is allowed and still looks wrong
    writer, edit                     adding to a file, new names, a person's editor; comments stay, and never half of it
    example                          a file that explains every setting

Unknown keys are errors, with a suggestion. Secrets are never in the file: identities are files or commands, S3 credentials come
from the SDK's own chain. The models are imported when a file is read: `--help` does not wait for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from strongroom import environment, notices
from strongroom.settings.effective import Settings
from vault.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from strongroom.settings.models import RepositorySettings
    from strongroom.settings.toml_positions import Key

__all__ = ["Settings", "find", "in_address", "load", "of_address", "read_text"]

LARGEST = 4 << 20
"""Bytes of a settings file."""

_NAME_ANOTHER = "name another file with --config FILE"

_OF_ADDRESS = ("endpoint", "region", "profile", "path_style")
"""What an address may say besides, of the settings' [repository]."""


def find(named: Path | None) -> Path:
    """The settings file that applies. Raises `SettingsError`."""
    candidates = [named] if named is not None else environment.settings_files()
    if named is not None and environment.settings_in_use() is not None:
        return named  # a run of the daemon's goes by what the daemon has read, though the file is gone
    for candidate in candidates:
        if candidate.is_file() or (candidate is named and candidate.exists() and not candidate.is_dir()):
            return candidate  # one that is named may be a pipe
    raise SettingsError(
        f"there is no settings file ({', '.join(map(str, candidates))})",
        hint="make one with `strongroom init ADDRESS`, name one with --config FILE, or a repository with --repository ADDRESS",
    )


def of_address(text: str) -> Settings:
    """Settings for a repository that is named by its address alone: everything else is as if it were not set. text: a folder,
    or s3://bucket/prefix, with `?endpoint=URL&region=NAME&profile=NAME&path_style=true` where it needs them. Raises
    `UsageError`."""
    from strongroom.settings import reader
    from strongroom.settings.document import Document
    from strongroom.settings.models import RepositorySettings

    address, mark, query = text.partition("?") if text.lower().startswith("s3:") else (text, "", "")
    values: dict[str, object] = {"address": address}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OF_ADDRESS:
            raise UsageError(f"unknown option {name!r} in the address", hint=f"known ones: {', '.join(_OF_ADDRESS)}")
        values[name] = value.lower() == "true" if name == "path_style" else value
    if mark and len(values) == 1:
        raise UsageError(f"the address {text!r} has nothing after the ?", hint="write s3://bucket/prefix?endpoint=URL")
    document = Document(repository=reader.made(RepositorySettings, values))
    return Settings(Path("strongroom.toml"), "", document)


def in_address(repository: RepositorySettings) -> str:
    """The address of a repository with all that is needed to reach it, as `of_address` reads it."""
    values = {name: value for name, value in repository.model_dump(exclude_none=True).items() if name in _OF_ADDRESS}
    query = urlencode(
        {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}, safe=":/"
    )
    return f"{repository.address}?{query}" if query else repository.address


def load(file: Path, *, tell_old_names: bool = True) -> Settings:
    """Read a settings file; a run of the daemon's reads what the daemon has read, whatever the file says meanwhile.
    tell_old_names: say which settings have another name now; to a run of the daemon's nobody listens. Raises `SettingsError`
    with file, line and key of everything that is wrong."""
    text = read_text(file)
    from strongroom.settings import reader, renamed
    from strongroom.settings.toml_positions import places

    old: list[Key] = []
    document = reader.read(file, text, old.append)
    if old and tell_old_names and environment.settings_in_use() is None:
        for sentence in renamed.notices(old, places(text)):
            notices.notice(f"{file}: {sentence}")
    return Settings(file, text, document)


def read_text(file: Path) -> str:
    """What a settings file holds, or what the daemon has read where this is a run of it. Raises `SettingsError`."""
    try:
        return _in_use() or _bounded(file)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} cannot be read: {error}", hint=f"settings are TOML, which is UTF-8 text; {_NAME_ANOTHER}"
        ) from error


def _bounded(file: Path) -> str:
    """Raises `OSError`, `UnicodeDecodeError`, `SettingsError` for what is too large to be settings, a device for example."""
    with file.open("rb") as opened:
        data = opened.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise SettingsError(f"{file} is too large for a settings file: more than {LARGEST >> 20} MiB", hint=_NAME_ANOTHER)
    return data.decode("utf-8").replace("\r\n", "\n")


def _in_use() -> str | None:
    copy = environment.settings_in_use()
    if copy is None:
        return None
    try:
        return copy.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
