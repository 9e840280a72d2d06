"""The settings file: one TOML file, read into frozen values. Unknown keys are errors, with a suggestion.

    [repository]    address, endpoint, region, path_style, profile
    [identity]      file | command, passphrase_command
    [recovery]      recipients
    [projects.NAME] sources = [{ name, kind, path, include, exclude }, …]

Secrets are never in it: identities are files or commands, S3 credentials come from the SDK's own chain.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli import environment
from vault.errors import SettingsError

KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class RepositorySettings:
    """Where the repository lies and how to reach it."""

    address: str
    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """Where the identity comes from: a file, or a command that prints it. passphrase_command prints the passphrase of
    an encrypted one."""

    file: Path | None = None
    command: str | None = None
    passphrase_command: str | None = None


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """A folder that is backed up."""

    name: str
    kind: str
    path: Path
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """All of a settings file. file: where it was read from."""

    file: Path
    repository: RepositorySettings
    identity: IdentitySettings
    recovery: tuple[str, ...] = ()
    projects: dict[str, tuple[SourceSettings, ...]] = field(default_factory=dict)


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
    """Read a settings file. Raises `SettingsError` with file, line or key."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "settings are TOML, which is UTF-8 text; name another file with --config FILE"
        raise SettingsError(f"{file} cannot be read: {error}", hint=hint) from error
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}", hint="mend the line that it names") from error
    return _Table(value, file, "").settings()


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the file, and where it stands in it."""

    value: dict[str, Any]
    file: Path
    key: str

    def settings(self) -> Settings:
        self.only("repository", "identity", "recovery", "projects")
        repository = self.table("repository")
        repository.only("address", "endpoint", "region", "path_style", "profile")
        identity = self.table("identity")
        identity.only("file", "command", "passphrase_command")
        recovery = self.table("recovery")
        recovery.only("recipients")
        projects = self.table("projects")
        return Settings(
            file=self.file,
            repository=RepositorySettings(
                address=repository.text("address", required=True) or "",
                endpoint=repository.text("endpoint"),
                region=repository.text("region"),
                path_style=repository.flag("path_style"),
                profile=repository.text("profile"),
            ),
            identity=IdentitySettings(
                file=identity.path("file"),
                command=identity.text("command"),
                passphrase_command=identity.text("passphrase_command"),
            ),
            recovery=recovery.texts("recipients"),
            projects={name: projects.table(name).sources() for name in projects.value},
        )

    def sources(self) -> tuple[SourceSettings, ...]:
        self.only("sources")
        found = self.value.get("sources", [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self.error("sources", "must be a list of tables")
        sources = tuple(_Table(one, self.file, f"{self.key}.sources[{n}]").source() for n, one in enumerate(found))
        names = [source.name for source in sources]
        if len(set(names)) != len(names):
            raise self.error("sources", "has two sources of one name")
        return sources

    def source(self) -> SourceSettings:
        self.only("name", "kind", "path", "include", "exclude")
        kind = self.text("kind", required=True) or ""
        name = self.text("name") or kind
        for key, text in (("kind", kind), ("name", name)):
            if not KIND.match(text):
                raise self.error(key, "must be small letters, digits, - and _, at most 40")
        path = self.path("path")
        if path is None:
            raise self.error("path", "is missing")
        return SourceSettings(name, kind, path, self.texts("include"), self.texts("exclude"))

    def only(self, *known: str) -> None:
        for name in self.value:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
                raise SettingsError(f"{self._place(name)} is not a setting", hint=hint)

    def table(self, name: str) -> _Table:
        found = self.value.get(name, {})
        if not isinstance(found, dict):
            raise self.error(name, "must be a table")
        return _Table(found, self.file, f"{self.key}.{name}".lstrip("."))

    def text(self, name: str, *, required: bool = False) -> str | None:
        found = self.value.get(name)
        if found is None and not required:
            return None
        if not isinstance(found, str) or not found:
            raise self.error(name, "is missing" if found is None else "must be a text that is not empty")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self.value.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.error(name, "must be a list of texts")
        return tuple(found)

    def flag(self, name: str) -> bool | None:
        found = self.value.get(name)
        if found is not None and not isinstance(found, bool):
            raise self.error(name, "must be true or false")
        return found

    def path(self, name: str) -> Path | None:
        found = self.text(name)
        return None if found is None else environment.expand(found, self.file.absolute().parent)

    def error(self, name: str, what: str) -> SettingsError:
        return SettingsError(f"{self._place(name)} {what}", hint="see docs/settings.md for every setting")

    def _place(self, name: str) -> str:
        key = f"{self.key}.{name}".lstrip(".")
        line = _line_of(self.file, name)
        return f"{self.file}{f', line {line}' if line else ''}: {key}"


def _line_of(file: Path, name: str) -> int | None:
    """The line where a key is first written, for people; None where it cannot be told."""
    pattern = re.compile(rf'(^|[\s{{,\[.])"?{re.escape(name)}"?\s*(=|\]|\.)')
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if pattern.search(line):
            return number
    return None
