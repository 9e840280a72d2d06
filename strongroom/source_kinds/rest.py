"""`rest:FILE.toml`, `rest:NAME`: records of a REST interface, by a description: a file, or one that comes with the package."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, cast

from strongroom import environment
from strongroom.settings import secrets
from strongroom.source_kinds import options as option
from strongroom.source_kinds.sqlite import STEPS
from vault.errors import SettingsError, SourceError

if TYPE_CHECKING:
    from strongroom.settings.projects import SourceSettings
    from strongroom.source_kinds.context import SourceContext
    from vault.source.rest.client import RestClient
    from vault.source.rest.credentials import Credentials
    from vault.source.rest.description import Description
    from vault.source.rest.source import RestSource
    from vault.source.sql.layout import Step

WHAT = "a REST interface"
EXAMPLE = "rest:zendesk"
LARGEST_DESCRIPTION = 1024 * 1024
OPTIONS = {
    "base": "the interface's address; where it is not said: that of the description",
    "user": "who reads, or the client's id with OAuth 2",
    "password_file": "a file that holds the password, token, key or client's secret",
    "password_command": "a command that prints it; no shell is involved",
    "refresh_token_file": "a file that holds the refresh token of OAuth 2; the new one that a server may give is written there",
    "restore_user": "who creates records with --to rest:NAME, where that is somebody else",
    "restore_password_file": "the same of password_file",
    "restore_password_command": "the same of password_command",
    "restore_refresh_token_file": "the same of refresh_token_file",
    "resources": "what is taken, with commas between the names; where it is not said: all that the description has",
    "full_scan_every": "how often everything is read, so that deletions are seen (default: `1 day`)",
    "step": "how long a period is by which records are cut: `year`, `quarter`, `month`, `day` (default: `month`)",
    "requests_per_second": "at most so many; where it is not said: as many as the description allows",
    "certificates": "a file of certificate authorities that are trusted instead of the system's",
}

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


def check(url: str, options: Mapping[str, str]) -> None:
    """See `registry.SourceKind`."""
    _named(url)
    if "base" in options:
        secrets.plain_url(options["base"])
    option.seconds(options, "full_scan_every", "1 day")
    option.one_of(options, "step", STEPS, "month")
    option.number(options, "requests_per_second", 1, most=10_000)


def make(source: SourceSettings, context: SourceContext) -> RestSource:
    """See `registry.SourceKind`."""
    from vault.source.patterns import Rules
    from vault.source.rest.source import RestOptions, RestSource

    options = source.options
    description = described(source.url or "", context.folder)
    chosen = option.names(options, "resources")
    if unknown := [name for name in chosen if name not in description.resources]:
        there = ", ".join(description.resources)
        raise SettingsError(f"the description has no resource {unknown[0]!r}", hint=f"there are: {there}")
    client = client_of(source.url or "", options, context)
    wanted = RestOptions(
        client.description,
        _base(description, options),
        None if context.state is None else context.state / source.name,
        chosen,
        context.zone,
        cast("Step", option.one_of(options, "step", STEPS, "month")),
        option.seconds(options, "full_scan_every", "1 day"),
        Rules(include=source.include, exclude=source.exclude),
        context.sample,
    )
    return RestSource(wanted, client, source.kind.encode(), context.clock)


def client_of(url: str, options: Mapping[str, str], context: SourceContext) -> RestClient:
    """Asks the interface. Raises `SettingsError` where a secret cannot be had, or the description cannot be used."""
    from msgspec.structs import replace

    from vault.source.rest.client import RestClient

    description = described(url, context.folder)
    if "requests_per_second" in options:
        rate = float(option.number(options, "requests_per_second", 1, most=10_000))
        description = replace(description, limits=replace(description.limits, requests_per_second=rate))
    certificates = options.get("certificates")
    trusted = str(environment.expand(certificates, context.folder)) if certificates else ""
    credentials = _credentials(description, options, context.folder)
    return RestClient(description, _base(description, options), credentials, context.clock, certificates=trusted)


def described(url: str, folder: Path) -> Description:
    """The description that a URL names. folder: that relative paths count from. Raises `SettingsError`."""
    from strongroom.settings.errors import PlacedFault, SettingsFault, SettingsInvalid, placed
    from strongroom.settings.toml_positions import places
    from vault.source.rest.description_faults import DescriptionError
    from vault.source.rest.description_parsing import parse

    file, text = _text(_named(url), folder)
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"\(at line (\d+)", str(error))
        fault = SettingsFault((), f"is not valid TOML: {error}", "correct that line")
        raise SettingsInvalid(file, [PlacedFault(fault, int(line[1]) if line else None)]) from error
    faults = list(secrets.secrets_in(value))
    if not faults:
        try:
            return parse(value)
        except DescriptionError as error:
            faults = [SettingsFault(error.key, error.what, error.hint or "see docs/sources.md for what a description has")]
    raise SettingsInvalid(file, placed(faults, places(text)))


def shipped() -> list[str]:
    """The names of the descriptions that come with the package."""
    found = resources.files("vault.source.rest").joinpath("descriptions").iterdir()
    return sorted(one.name.removesuffix(".toml") for one in found if one.name.endswith(".toml"))


def _named(url: str) -> str:
    """A name, or a path that ends with `.toml`. Raises `SettingsError`."""
    text = url.partition(":")[2]
    text = text.removeprefix("//")
    if not text.endswith(".toml") and not _NAME.match(text):
        raise SettingsError("names no description", hint=f"for example {EXAMPLE}, or rest:FILE.toml")
    if not text.endswith(".toml") and text not in shipped():
        raise SettingsError(
            "names no description that comes with Strongroom", hint=f"there are: {', '.join(shipped())}; or a FILE.toml"
        )
    return text


def _text(name: str, folder: Path) -> tuple[Path, str]:
    if not name.endswith(".toml"):
        found = resources.files("vault.source.rest").joinpath("descriptions", f"{name}.toml")
        return Path(f"{name}.toml"), found.read_text("utf-8")
    file = environment.expand(name, folder)
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST_DESCRIPTION + 1)
            if len(data) > LARGEST_DESCRIPTION:
                raise SettingsError(f"{file} is larger than 1 MiB: it is no description", hint="name the right file")
            return file, data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the description {file} cannot be read", hint=f"a name alone is one of {', '.join(shipped())}"
        ) from error


def _base(description: Description, options: Mapping[str, str]) -> str:
    """With a slash at its end."""
    text = options.get("base") or description.base
    if not text:
        raise SettingsError("the address of the interface is missing", hint="name it with the option base")
    secrets.plain_url(text)
    return text if text.endswith("/") else f"{text}/"


def _credentials(description: Description, options: Mapping[str, str], folder: Path) -> Credentials:
    from vault.source.rest.credentials import Credentials

    kind = description.auth.type
    if kind in ("basic", "oauth2") and "user" not in options:
        raise SettingsError("the interface needs a user", hint="name it with the option user")
    if kind != "none" and not {"password_file", "password_command"} & options.keys():
        raise SettingsError("the interface needs a secret", hint="name it with the option password_file or password_command")
    file = options.get("refresh_token_file")
    token, keep = None, None
    if file is not None:
        path = environment.expand(file, folder)
        token, keep = option.password({"password_file": file}, folder), partial(_keep, path)
    secret = None if kind == "none" else option.password(options, folder)
    return Credentials(secret, options.get("user", ""), token, keep)


def _keep(file: Path, token: str) -> None:
    """The old one is worth nothing any more: the new one is there before it goes."""
    try:
        handle, name = tempfile.mkstemp(prefix=".refresh-token-", dir=file.parent)
        new = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(f"{token}\n")
                out.flush()
                os.fsync(out.fileno())
            new.replace(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SourceError(
            f"the new refresh token cannot be kept in {file}: {error.strerror}", hint="correct the permissions of that folder"
        ) from error
