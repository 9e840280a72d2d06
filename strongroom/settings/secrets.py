"""Secrets have no place in the settings: keys that sound like one, values that are one, and URLs that bear one are refused.

The file is copied, shown, mailed and kept in version control. What must stay secret is printed by a command or lies in a file
of its own. No message repeats a value that is refused here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from strongroom.settings.errors import SettingsFault
from strongroom.settings.toml_positions import Key
from vault.errors import SettingsError

INSTEAD = "secrets are never in the settings: name a command or a file that gives it"
TO_A_STORE = "leave them out: credentials come from where the AWS tools find them"

_KEY = re.compile(r"(^|_)(passw(or)?d|passphrase|secret(_key)?|token|api_?key|access_key|private_key|credentials?)$")
_IDENTITY = re.compile(r"AGE-SECRET-KEY-(PQ-)?1", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(?<=[a-z0-9+.-])://[^/\s?#]*@", re.IGNORECASE)
"""From the scheme's last letter on: to look for its first takes 10 ms in the 2,000 letters of a recipient."""
_TOKEN = re.compile(r"(?=.*\d)[\w:.~-]{16,}|[\w~-]{24,}")
"""A part of a path that nobody would choose as a name."""


def sounds_secret(key: str) -> bool:
    """Whether a key, by its name, holds a secret itself."""
    return _KEY.search(key.lower().replace("-", "_")) is not None


def hint_for(key: str, known: list[str]) -> str:
    """What to write in place of a key that sounds secret."""
    for instead in (f"{key}_command", f"{key}_file"):
        if instead in known:
            return f"secrets are never in the settings: name a command that prints it, with {instead}"
    return INSTEAD


def secrets_in(value: object, key: Key = ()) -> Iterator[SettingsFault]:
    """Every text of a parsed file that is a secret or bears one."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from secrets_in(inner, (*key, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from secrets_in(inner, (*key, number))
    elif isinstance(value, str):
        if _IDENTITY.search(value):
            yield SettingsFault(key, "holds a secret key", INSTEAD)
        elif _USER_IN_URL.search(value):
            hint = TO_A_STORE if key[-1] in ("address", "endpoint") else INSTEAD
            yield SettingsFault(key, "is a URL with a user or a password in it", hint)


def plain_url(text: str) -> None:
    """An http URL in which no secret can hide. Raises `SettingsError`, which does not repeat it."""
    try:
        url = urlsplit(text)
        whole = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        whole = False
    if not whole or any(char.isspace() or not char.isprintable() for char in text):
        raise SettingsError("is not a URL", hint="write https://host/path")
    if url.username is not None or url.query or url.fragment or any(map(_TOKEN.fullmatch, url.path.split("/"))):
        raise SettingsError("is a URL that seems to bear a secret", hint="keep it in a file, with url_file, or use url_command")


def loopback(text: str) -> None:
    """An address of this machine alone, with a port. Raises `SettingsError`."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise SettingsError(f"{text!r} is not an address with a port", hint="write '127.0.0.1:9898'") from error
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(f"{text!r} has no port from 1 to 65535", hint="write '127.0.0.1:9898'")
    if not local:
        raise SettingsError(
            f"{text!r} can be reached from other machines",
            hint="it shows clients' names to everybody without a password: write '127.0.0.1:9898', and put a proxy in front",
        )
