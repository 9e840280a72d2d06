"""What the options of sources have in common."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from strongroom import environment
from strongroom.settings import durations
from vault.errors import SettingsError, UsageError

LARGEST_SECRET = 64 * 1024
COMMAND_TIMEOUT = 120
"""Seconds that a command which prints a secret may take."""

SECRETS = {
    "password_file": "a file that holds the password",
    "password_command": "a command that prints the password; no shell is involved",
}
"""Options of kinds that need a password."""

_YES, _NO = ("yes", "true"), ("no", "false")


def names(options: Mapping[str, str], name: str) -> tuple[str, ...]:
    """A list: names with commas between them."""
    return tuple(part.strip() for part in options.get(name, "").split(",") if part.strip())


def seconds(options: Mapping[str, str], name: str, default: str) -> float:
    """A duration. Raises `UsageError`."""
    return durations.read(options.get(name, default)).total_seconds()


def flag(options: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    """Yes or no. Raises `UsageError`."""
    text = options.get(name, "yes" if default else "no").lower()
    if text not in (*_YES, *_NO):
        raise SettingsError("must be yes or no")
    return text in _YES


def one_of(options: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    """One of some words. Raises `UsageError`."""
    text = options.get(name, default)
    if text not in choices:
        raise SettingsError(f"must be one of {', '.join(choices)}")
    return text


def number(options: Mapping[str, str], name: str, default: int, *, least: int = 1, most: int = 1_000_000_000) -> int:
    """A whole number. Raises `UsageError`."""
    text = options.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise SettingsError(f"must be a whole number from {least} to {most}")
    return int(text)


def item_path(text: str) -> bytes:
    """The relative path of an item. Raises `UsageError`."""
    path = text.encode("utf-8", "surrogateescape")
    if not path or b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise SettingsError("must be a relative path without . and ..", hint="for example 'dumps/crm.dump'")
    return path


def require(module: str, extra: str) -> None:
    """Raises `UsageError` where a library that a kind of source needs is not installed."""
    if find_spec(module) is None:
        raise UsageError(
            f"this source needs the Python package {module}", hint=f"install it: pip install 'strongroom[{extra}]'"
        )


def password(options: Mapping[str, str], folder: Path) -> str | None:
    """The password that the options lead to; None where they name none. folder: that relative paths count from. Raises
    `SettingsError`, which repeats nothing of it."""
    file, command = options.get("password_file"), options.get("password_command")
    if file is not None:
        return _in_file(environment.expand(file, folder))
    return None if command is None else _printed(command, folder)


def writer_of(options: Mapping[str, str]) -> dict[str, str]:
    """The options with the user who puts things back in the place of the one who reads them."""
    own = {name.removeprefix("restore_"): value for name, value in options.items() if name.startswith("restore_")}
    readers = (*SECRETS, "token_file", "token_command", "user") if own else ()
    return {name: value for name, value in options.items() if name not in readers} | own


def server_and_parameters(text: str, known: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The URL of `--to` without its user and parameters, and both as options (`user` for the first). known: parameters that
    there are. Raises `UsageError`; no message repeats the URL, since it may bear a password."""
    try:
        parts = urlsplit(text)
        user, secret = parts.username, parts.password
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise UsageError("--to is not an address", hint="write SCHEME://USER@host/path") from error
    if secret is not None:
        raise UsageError(
            "--to has a password in it, which others on this machine see", hint="put it into a file: ?password_file=FILE"
        )
    if unknown := [name for name in parameters if name not in known]:
        raise UsageError(f"--to has a parameter that is not known: {unknown[0]!r}", hint=f"there are: {', '.join(known)}")
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    return url, parameters | ({"user": unquote(user)} if user else {})


def database_place(url: str, port: int, example: str) -> tuple[str, int, str]:
    """Host, port and database of a server's URL. port: where it names none · example: for the hint. Raises `UsageError`, which
    does not repeat the URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or port
    except ValueError as error:
        raise SettingsError("is not the address of a database", hint=f"for example {example}") from error
    if parts.username is not None or parts.query or parts.fragment:
        raise SettingsError(
            "has more than a host and a database in it", hint="name the user with the option user, and password_file"
        )
    database = unquote(parts.path.removeprefix("/"))
    if not host or not database or "/" in database:
        raise SettingsError("names no host, or no database", hint=f"for example {example}")
    return host, port, database


def _in_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_SECRET).decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the password file {file} cannot be read", hint="it is named by password_file") from error


def _printed(command: str, folder: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (the settings' owner names the command; no shell is involved)
            shlex.split(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT, check=True, cwd=folder
        )
        return done.stdout[:LARGEST_SECRET].decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError, subprocess.SubprocessError):
        program = command.split()[0] if command.split() else ""
        raise SettingsError(f"the command {program!r} of password_command failed", hint="run it by hand to see why") from None
