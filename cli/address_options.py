"""Options of commands that begin with an address, before there are settings: what the bucket needs, and where settings and an
identity go. `init`, `join`, `recover` and `doctor` have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import BUCKET, GLOBAL
from strongroom import store_access

if TYPE_CHECKING:
    from strongroom.settings.models import RepositorySettings

Endpoint = Annotated[
    str | None, typer.Option("--endpoint", metavar="URL", help="An S3 server other than AWS.", rich_help_panel=BUCKET)
]
Region = Annotated[str | None, typer.Option("--region", metavar="NAME", help="The bucket's region.", rich_help_panel=BUCKET)]
PathStyle = Annotated[
    bool | None,
    typer.Option("--path-style/--host-style", help="The bucket in the path, or in the host's name.", rich_help_panel=BUCKET),
]
Profile = Annotated[
    str | None,
    typer.Option("--aws-profile", metavar="NAME", help="A profile of the AWS configuration files.", rich_help_panel=BUCKET),
]
NewSettings = Annotated[
    Path,
    typer.Option("--config", metavar="FILE", help="Where the settings go.", envvar="STRONGROOM_CONFIG", rich_help_panel=GLOBAL),
]
NewIdentity = Annotated[
    Path | None,
    typer.Option(
        "--identity",
        metavar="FILE",
        help="Your identity, or this machine's; made where there is none.",
        envvar="STRONGROOM_IDENTITY",
        rich_help_panel=GLOBAL,
    ),
]
Passphrase = Annotated[bool, typer.Option("--passphrase", help="Encrypt a new identity with a passphrase.")]

SETTINGS_FILE = Path("strongroom.toml")
"""Where settings go by default."""


def repository_of(
    address: str, endpoint: str | None, region: str | None, profile: str | None, *, path_style: bool | None
) -> RepositorySettings:
    """The settings that a command's options make. Raises `UsageError`."""
    from strongroom.settings.models import RepositorySettings
    from strongroom.settings.reader import made

    store_access.resolve_address(address, Path.cwd())  # what is no address is refused in its own words
    values = {"address": address, "endpoint": endpoint, "region": region, "path_style": path_style, "profile": profile}
    return made(RepositorySettings, values)


def portable(address: str) -> str:
    """A relative folder is written down whole, so that the settings file may be moved."""
    is_folder = not address.startswith(("s3:", "file:", "~")) and "://" not in address
    return str(Path(address).absolute()) if is_folder and address.strip() else address
