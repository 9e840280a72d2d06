"""Every value that applies, and where it came from: a line of the file, [defaults], the environment, or nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from strongroom import environment
from strongroom.settings import resolve
from strongroom.settings.effective import Settings
from strongroom.settings.errors import written
from strongroom.settings.projects import JobSettings, KeepSettings
from strongroom.settings.renamed import as_written
from strongroom.settings.tables import Table
from strongroom.settings.toml_positions import Key, places
from strongroom.settings.value_types import NEVER

_VARIABLES: Mapping[Key, tuple[str, ...]] = {
    ("repository", "endpoint"): ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    ("repository", "region"): ("AWS_DEFAULT_REGION",),
    ("repository", "profile"): ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"),
}
"""What the S3 client asks where the settings are silent."""


class Origin(Struct, frozen=True):
    """Where a value came from. line: of the file · variable: of the environment."""

    source: Literal["file", "defaults", "environment", "default"]
    line: int | None = None
    variable: str | None = None

    def text(self, file: Path) -> str:
        """For people."""
        if self.source == "file":
            return f"{file}:{self.line}"
        if self.source == "defaults":
            return f"inherited from [defaults], {file}:{self.line}"
        return "default" if self.source == "default" else f"environment: {self.variable}"

    def as_json(self) -> dict[str, Any]:
        return {"from": self.source} | {
            name: value for name, value in (("line", self.line), ("variable", self.variable)) if value is not None
        }


class SettingOrigin(Struct, frozen=True):
    """A setting as it applies."""

    key: Key
    value: Any
    origin: Origin

    def text(self) -> str:
        """As a settings file would have it; a dash for what is not set."""
        return f"{written(self.key)} = {toml(self.value)}"


def toml(value: Any) -> str:  # noqa: ANN401 (whatever a setting may be)
    """A value as a settings file has it."""
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def entries(settings: Settings) -> Iterator[SettingOrigin]:
    """Every setting that applies, in the order of the models; a project with what it has inherited."""
    known = places(settings.text)
    document = settings.document
    for name in type(document).model_fields:
        if name in ("projects", "copies"):
            for one, table in getattr(document, name).items():
                yield from _table(known, (name, one), table)
        elif name != "defaults":  # they are seen in the projects
            yield from _table(known, (name,), getattr(document, name))


def _table(known: Mapping[Key, int], key: Key, table: Table) -> Iterator[SettingOrigin]:
    if isinstance(table, JobSettings) and not resolve.runs(table):
        yield _entry(known, (*key, "every"), NEVER)
        return
    for name, about in type(table).model_fields.items():
        yield from _value(known, (*key, about.alias or name), getattr(table, name))


def _value(known: Mapping[Key, int], key: Key, value: Any) -> Iterator[SettingOrigin]:  # noqa: ANN401 (whatever a model holds)
    if isinstance(value, KeepSettings):  # what it means says more than its parts
        for name, count in resolve.keep(value).as_json().items():
            yield _entry(known, (*key, name), count)
    elif isinstance(value, Table):
        yield from _table(known, key, value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _value(known, (*key, name), inner)
    elif isinstance(value, tuple) and value and isinstance(value[0], Table):
        for number, inner in enumerate(value):
            yield from _table(known, (*key, number), inner)
    else:
        yield _entry(known, key, value)


def _entry(known: Mapping[Key, int], key: Key, value: Any) -> SettingOrigin:  # noqa: ANN401 (whatever a model holds)
    own, above = as_written(key, known), as_written(("defaults", *key[2:]), known)
    if own in known:
        return SettingOrigin(key, value, Origin("file", known[own]))
    if key[0] == "projects" and above in known:
        return SettingOrigin(key, value, Origin("defaults", known[above]))
    for end, part in enumerate(own):
        if isinstance(part, int) and own[:end] in known and own[: end + 1] not in known:
            return SettingOrigin(key, value, Origin("file", known[own[:end]]))  # of a table that was written in short
    if key == ("identity", "file"):
        return _place(key, environment.identity_file(), "XDG_CONFIG_HOME")
    if key == ("daemon", "state"):
        return _place(key, environment.state_folder(), "XDG_STATE_HOME")
    for variable in _VARIABLES.get(key, ()):
        found = environment.variable(variable)
        if found is not None:
            return SettingOrigin(key, found, Origin("environment", variable=variable))
    return SettingOrigin(key, value, Origin("default"))


def _place(key: Key, path: Path, variable: str) -> SettingOrigin:
    said = environment.variable(variable) is not None
    return SettingOrigin(key, path, Origin("environment", variable=variable) if said else Origin("default"))
