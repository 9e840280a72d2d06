"""Writing the settings file: what is in it stays, comments too."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vault.errors import UsageError

if TYPE_CHECKING:
    from strongroom.settings.models import IdentitySettings, RepositorySettings
    from strongroom.settings.projects import SourceSettings

HEAD = "Strongroom's settings; docs/settings.md tells every one of them. No secret belongs in here."


def write(file: Path, repository: RepositorySettings, identity: IdentitySettings, recovery: str | None) -> None:
    """A new settings file. recovery: the recovery kit's public half, where it is known. Raises `UsageError` where it cannot be
    written."""
    _save(file, text_of(repository, identity, [] if recovery is None else [recovery]))


def text_of(repository: RepositorySettings, identity: IdentitySettings, recovery: Sequence[str]) -> str:
    """New settings. recovery: the public halves of recovery kits."""
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment(HEAD))
    table = tomlkit.table()
    for name, value in repository.model_dump(exclude_none=True).items():
        table[name] = value
    document["repository"] = table
    own = tomlkit.table()
    own["file"] = str(identity.file)
    document["identity"] = own
    if recovery:
        kit = tomlkit.table()
        kit.comment("public keys that can open every project added from here on: the recovery kit's")
        kit["recipients"] = list(recovery)
        document["recovery"] = kit
    return tomlkit.dumps(document)


def add_project(file: Path, name: str, zone: str | None, sources: Sequence[SourceSettings]) -> None:
    """A project and its sources at the end of the file. zone: None where [defaults] says it. Raises `UsageError` where it
    cannot be written, `RefusedByRule` where somebody else changes it meanwhile."""
    import tomlkit

    from strongroom.settings.edit import SettingsFile

    before = SettingsFile.read(file)
    document = tomlkit.parse(before.text)
    projects = document.setdefault("projects", tomlkit.table(is_super_table=True))
    project = tomlkit.table(is_super_table=zone is None and bool(sources))
    if zone is not None:
        project["zone"] = zone
    listed = tomlkit.aot()
    for source in sources:
        entry = tomlkit.table()
        for key, value in source_values(source).items():
            entry[key] = value
        listed.append(entry)
    if sources:
        project["sources"] = listed
    projects[name] = project
    before.replace(tomlkit.dumps(document))


def source_values(source: SourceSettings) -> dict[str, Any]:
    """A source as the file has it: what is said of it, in the order of the page of settings."""
    values: dict[str, Any] = {"name": source.name} if source.name != source.kind else {}
    values["kind"] = source.kind
    if source.path is not None:
        values["path"] = str(source.path)
    else:
        values["url"] = source.url
    for key in ("include", "exclude", "layout"):
        if getattr(source, key):
            values[key] = list(getattr(source, key))
    if source.time_column is not None:
        values["time_column"] = source.time_column
    if source.header is not None:
        values["header"] = list(source.header) if isinstance(source.header, tuple) else source.header
    if source.options:
        values["options"] = dict(source.options)
    return values


def _save(file: Path, text: str) -> None:
    half = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(text, "utf-8")
        half.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="name another file with --config") from error
