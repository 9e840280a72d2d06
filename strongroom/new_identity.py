"""Making an identity on the machine where it will live, and showing the public half of one: what is sent to whoever grants."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from strongroom import environment
from vault.errors import KeyRefused, RefusedByRule, SettingsError, UsageError

if TYPE_CHECKING:
    from strongroom.settings.models import IdentitySettings
    from vault.age import HybridIdentity
    from vault.format.principal import Principal
    from vault.randomness import Randomness

LONGEST_PRINCIPAL_NAME = 100
"""Characters of a name for a person or a host."""

COMMAND_TIMEOUT = 120
"""Seconds that a command may take which keeps an identity."""

_WHOSE = "Strongroom identity: whoever has this file can open what is granted to it"


class NewIdentityOptions(Struct, frozen=True, kw_only=True):
    """What to make.

    file: where it goes, made with mode 0600; None where a command keeps it · name: of the person or host, a comment in the
    public half; None: user@host · passphrase: asked for one where the file is to be encrypted with it · store_command: takes
    the identity on its standard input · command: prints it, as `[identity] command` of the settings does; so it shows that the
    first has kept it
    """

    file: Path | None
    name: str | None = None
    passphrase: Callable[[], str] | None = None
    store_command: str | None = None
    command: str | None = None

    def check(self) -> None:
        """Raises `UsageError` for what makes no sense together."""
        if (self.store_command is None) is not (self.command is None):
            raise UsageError(
                "an identity that a command keeps needs both --store-command and --command",
                hint="the first takes it on its standard input, the second prints it: that shows that it was kept",
            )
        if (self.file is None) is (self.store_command is None):
            raise UsageError("an identity goes either to a file or to a command", hint="leave one of them out")
        if self.store_command is not None and self.passphrase is not None:
            raise UsageError("--passphrase is for a file; a command keeps its secrets in its own way", hint="leave it out")
        check_name(environment.person() if self.name is None else self.name)


class PublicHalf(Struct, frozen=True):
    """What others may know of an identity. name: a comment · file: where the secret lies; None where a command has it ·
    public_file: where these lines stand as well."""

    principal: Principal
    name: str
    file: Path | None = None
    public_file: Path | None = None

    @property
    def text(self) -> str:
        """Its two lines."""
        return self.principal.as_text(self.name)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        recipient, _, signing_key = self.text.strip().partition("\n")
        return {
            "recipient": recipient,
            "signing_key": signing_key or None,
            "fingerprint": self.principal.fingerprint,
            "name": self.name,
            "file": None if self.file is None else str(self.file),
            "public_file": None if self.public_file is None else str(self.public_file),
        }


def make_identity(options: NewIdentityOptions, randomness: Randomness) -> PublicHalf:
    """A new identity, never over one that is there. Its public half is written beside it, to `FILE.pub`.

    Raises `UsageError`, `RefusedByRule` where a file is there, `SettingsError` where a command fails, `KeyRefused` where it
    gives another identity than it was to keep.
    """
    from strongroom import identities
    from vault.age import HybridIdentity
    from vault.format.principal import Principal

    options.check()
    name = options.name or environment.person()
    if options.file is None:
        identity = HybridIdentity.generate(randomness)
        _hand_over(identity, options.store_command or "", options.command or "")
        return PublicHalf(Principal.of(identity), name)
    public_file = beside(options.file)
    if public_file.exists() and not options.file.exists():
        raise RefusedByRule(
            f"{public_file} exists and may belong to an identity that is somewhere else; it was left alone",
            hint="choose another file, or move that one away",
        )
    secret = None if options.passphrase is None else options.passphrase()
    identity = identities.make(options.file, randomness, secret, f"{_WHOSE} ({name})")
    made = PublicHalf(Principal.of(identity), name, options.file, public_file)
    write_public_half(made)
    return made


def write_public_half(half: PublicHalf) -> None:
    """Write the lines to the public file. Raises `UsageError`."""
    if half.public_file is None:
        return
    try:
        half.public_file.write_text(f"# fingerprint: {half.principal.fingerprint}\n{half.text}", "utf-8")
    except OSError as error:
        raise UsageError(
            f"{half.public_file} cannot be written: {error.strerror}; the identity was made",
            hint="see its public half with `strongroom keys show`",
        ) from error


def beside(file: Path) -> Path:
    """Where the public half of an identity file goes."""
    return file.with_name(f"{file.name}.pub")


def public_halves(files: list[Path], settings_file: Path | None) -> list[PublicHalf]:
    """Of the identities in these files, or of the settings, or of the usual place. settings_file: of the settings, None: the
    usual ones, if there are any. Raises `KeyRefused`, `SettingsError`."""
    from strongroom import identities
    from vault.age import HybridIdentity
    from vault.format.principal import Principal

    source = _identity_settings(settings_file, files)
    found = identities.load(source, files)
    own = [PublicHalf(Principal.of(one), environment.person()) for one in found if isinstance(one, HybridIdentity)]
    if not own:
        raise KeyRefused(
            "this identity is not post-quantum, and projects are encrypted for such alone",
            hint="make one with `strongroom keys new`",
        )
    return own


def _identity_settings(settings_file: Path | None, files: list[Path]) -> IdentitySettings:
    """The table of the settings that apply; an empty one where files are named, or there are no settings."""
    from strongroom import settings
    from strongroom.settings.models import IdentitySettings

    try:
        found = settings.find(settings_file) if not files else None
    except SettingsError:
        if settings_file is not None:
            raise
        found = None
    return IdentitySettings() if found is None else settings.load(found).identity


def check_name(name: str) -> None:
    """Raises `UsageError` where a person or a host cannot be called so."""
    if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > LONGEST_PRINCIPAL_NAME:
        raise UsageError(
            f"invalid name {name!r}", hint=f"use 1 to {LONGEST_PRINCIPAL_NAME} printable characters, without outer spaces"
        )


def _hand_over(identity: HybridIdentity, store_command: str, command: str) -> None:
    """Have a command keep an identity, and see that the other one gives it back."""
    from strongroom import identities
    from strongroom.settings.models import IdentitySettings
    from vault.age import HybridIdentity

    try:
        subprocess.run(  # noqa: S603 (whoever runs this names the command; no shell is involved)
            shlex.split(store_command), input=f"{identity.encode()}\n".encode(), timeout=COMMAND_TIMEOUT, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        program = store_command.split()[0] if store_command.split() else ""
        raise SettingsError(
            f"the command {program!r} did not take the identity; none was made", hint="run it by hand to see why"
        ) from error
    back = identities.load(IdentitySettings(command=command), [])
    if [one.recipient for one in back if isinstance(one, HybridIdentity)] != [identity.recipient]:
        raise KeyRefused(
            "the command gives another identity than the one that was to be kept",
            hint="remove what was stored, and give a pair of commands that store and print the same entry",
        )
