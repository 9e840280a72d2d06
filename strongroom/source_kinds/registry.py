"""Which kinds of sources there are, by the scheme of their URL."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from strongroom.settings import secrets
from vault.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.contract import Source

MODULES: Mapping[str, str] = {
    "command": "command",
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "mariadb": "mariadb",
    "mysql": "mariadb",
    "s3": "bucket",
    "webdav": "webdav",
    "webdavs": "webdav",
    "rest": "rest",
    "sftp": "sftp",
    "ftp": "ftp",
    "ftps": "ftp",
    "imap": "imap",
    "imaps": "imap",
    "smb": "smb",
    "fsspec+PROTOCOL": "fsspec_files",
}
"""By scheme, the module of this package."""


class SourceKind(Protocol):
    """What a module of this package has."""

    WHAT: str
    EXAMPLE: str
    OPTIONS: Mapping[str, str]

    def check(self, url: str, options: Mapping[str, str]) -> None:
        """Raises `UsageError` for a URL, or an option, that cannot be used."""
        ...

    def make(self, source: SourceSettings, context: SourceContext) -> Source:
        """The source. Raises `SettingsError` where a secret that the options name cannot be had."""
        ...


def scheme_of(url: str) -> str:
    """The scheme of a URL, in small letters; empty where it has none."""
    scheme, colon, _ = url.partition(":")
    return scheme.lower() if colon and scheme.replace("+", "").isalnum() else ""


def module_name(url: str) -> str | None:
    """The module for a URL, by name; None where there is none."""
    scheme = scheme_of(url)
    return MODULES.get("fsspec+PROTOCOL" if scheme.startswith("fsspec+") else scheme)


def kind_of(url: str) -> SourceKind:
    """The module for a URL. Raises `UsageError` where there is none."""
    scheme, name = scheme_of(url), module_name(url)
    if name is None:
        close = difflib.get_close_matches(scheme, MODULES, n=1)
        hint = f"did you mean {close[0]}:…?" if close else f"there are: {', '.join(f'{one}:…' for one in MODULES)}"
        raise SettingsError("is not the URL of a source", hint=hint)
    return cast(SourceKind, import_module(f"strongroom.source_kinds.{name}"))


def check_url(url: str) -> None:
    """Raises `UsageError` where a URL alone cannot be that of a source. No message repeats it: it may bear a secret."""
    if any(not char.isprintable() for char in url):
        raise SettingsError("has a character that cannot be printed", hint="write the URL in one line")
    kind_of(url).check(url, {})


class OptionFault(UsageError):
    """An option that cannot be used. name: which."""

    def __init__(self, name: str, message: str, hint: str | None) -> None:
        super().__init__(message, hint=hint)
        self.name = name


def check_options(url: str, options: Mapping[str, str]) -> None:
    """Raises `OptionFault` for the first option that the kind of a URL does not know, or that cannot be used."""
    kind = kind_of(url)
    accepts = getattr(kind, "accepts", None)  # of kinds that hand options on
    for name in options:
        if name in kind.OPTIONS or (accepts is not None and accepts(name)):
            continue
        if secrets.sounds_secret(name):
            raise OptionFault(name, "is a secret by its name", secrets.hint_for(name, list(kind.OPTIONS)))
        close = difflib.get_close_matches(name, kind.OPTIONS, n=1)
        known = ", ".join(kind.OPTIONS) or "none"
        raise OptionFault(
            name, f"is not an option of {kind.WHAT}", f"did you mean {close[0]!r}?" if close else f"there are: {known}"
        )
    for name in options:
        try:
            kind.check(url, {name: options[name]})
        except UsageError as error:
            raise OptionFault(name, str(error), error.hint) from error
