"""Identities: files or commands that give an age identity, encrypted ones with their passphrase; or the shares of a recovery
kit."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import environment
from vault import age
from vault.errors import Damaged, KeyRefused, RefusedByRule, SettingsError, UsageError
from vault.format import identity_shares
from vault.format.identity_shares import Share
from vault.hidden_fields import HidesFields
from vault.randomness import Randomness

if TYPE_CHECKING:
    from strongroom.settings.models import IdentitySettings

LARGEST_IDENTITY_FILE = 1024 * 1024
LARGEST_WORK_FACTOR = 20
"""Of the passphrase of an identity file: 1 GiB of memory and a few seconds."""

COMMAND_TIMEOUT = 120
WHOSE = "Strongroom identity: whoever has this file can read everything"
"""The first line of a new one."""


class KeyText(HidesFields, frozen=True):
    """The text of an identity or of a share. where: its file, or what it is called in messages."""

    where: str
    text: str


def load(settings: IdentitySettings, named: Sequence[Path]) -> list[age.Identity]:
    """The identities of the files in `named`, or else of the settings. Raises `KeyRefused`, `SettingsError`."""
    if not named and settings.command is not None:
        where = "what the identity command printed"
        return parsed([KeyText(where, _plain(_run(settings.command), where, settings))])
    files = named or [settings.file or environment.identity_file()]
    return parsed([KeyText(str(file), _plain(_read(file), str(file), settings)) for file in files])


def parsed(texts: Iterable[KeyText]) -> list[age.Identity]:
    """The identities that texts hold, and those that their shares give. Raises `KeyRefused` with the text's name."""
    found: list[age.Identity] = []
    shares: list[Share] = []
    for one in texts:
        if identity_shares.is_share(one.text):
            shares.append(Share.parse(one.text, one.where))
        else:
            found += _identities(one)
    return [*found, *identity_shares.combined(shares)]


def make(file: Path, randomness: Randomness, passphrase: str | None, comment: str) -> age.HybridIdentity:
    """A new identity in a file (0600) that must not exist yet, sealed to `passphrase` where there is one."""
    identity = age.HybridIdentity.generate(randomness)
    text = f"# {comment}\n# public key: {identity.recipient.encode()}\n{identity.encode()}\n".encode()
    if passphrase is not None:
        text = age.armor.encode(age.seal(text, [age.ScryptRecipient(passphrase)], randomness).data)
    write_secret(file, text)
    return identity


def write_secret(file: Path, text: bytes) -> None:
    """A file that only its owner may read; never over one that is there. Raises `RefusedByRule`, `UsageError`."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError as error:
        raise RefusedByRule(f"{file} exists and may hold a key; it was left alone", hint="choose another file") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="choose another file") from error


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:  # a pipe or a device does not say how much it has
            data = stream.read(LARGEST_IDENTITY_FILE + 1)
    except OSError as error:
        raise KeyRefused(
            f"the identity {file} cannot be read: {error.strerror}",
            hint="name it with --identity FILE, or in the settings as [identity] file",
        ) from error
    if len(data) > LARGEST_IDENTITY_FILE:
        raise KeyRefused(f"{file} is too large for an identity file")
    return data


def _plain(data: bytes, what: str, settings: IdentitySettings) -> str:
    """The text, of one that is encrypted with a passphrase too. Raises `KeyRefused`."""
    try:
        if age.armor.is_armored(data):
            data = age.armor.decode(data)
        if data.startswith(b"age-encryption.org/"):
            secret = age.ScryptIdentity(_passphrase(what, settings), LARGEST_WORK_FACTOR)
            data = bytes(age.open_sealed(data, [secret]))
    except Damaged as error:
        raise KeyRefused(f"{what} is damaged or cut off: {error}", hint="copy it again from where it was kept") from error
    except age.NoMatchingIdentity as error:
        raise KeyRefused(f"this passphrase does not open {what}", hint="try again, or use the recovery kit") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise KeyRefused(f"{what} is not an identity file", hint="an identity is a line AGE-SECRET-KEY-…") from error


def _identities(one: KeyText) -> list[age.Identity]:
    try:
        return list(age.parse_identities(one.text))
    except KeyRefused as error:
        raise KeyRefused(f"{one.where}: {error}", hint=error.hint) from error


def _passphrase(what: str, settings: IdentitySettings) -> str:
    if settings.passphrase_command is not None:
        return _run(settings.passphrase_command).decode("utf-8", "surrogateescape").rstrip("\r\n")
    if not environment.is_interactive():
        raise KeyRefused(
            f"{what} is encrypted with a passphrase, and there is no terminal to ask for it",
            hint="set [identity] passphrase_command in the settings, or run this on a terminal",
        )
    try:
        return getpass.getpass(f"Passphrase of {what}: ")
    except EOFError as error:
        raise KeyRefused(
            f"{what} is encrypted with a passphrase, and none was given", hint="run this again and type it"
        ) from error


def _run(command: str) -> bytes:
    """What a command of the settings prints; its own messages go to the terminal. Raises `SettingsError`."""
    try:
        done = subprocess.run(  # noqa: S603 (the settings' owner names the command; no shell is involved)
            shlex.split(command), stdout=subprocess.PIPE, timeout=COMMAND_TIMEOUT, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        program = command.split()[0] if command.split() else ""
        raise SettingsError(f"the command {program!r} of [identity] failed", hint="run it by hand to see why") from error
    return done.stdout
