"""`strongroom init ADDRESS`: a repository, an identity, a recovery kit, a settings file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.options import BUCKET, GLOBAL, Json
from strongroom import context, environment

if TYPE_CHECKING:
    from strongroom.new_repository import NewRepository
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


def init(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A folder, file:/folder, or s3://bucket/prefix.")],
    endpoint: Endpoint = None,
    region: Region = None,
    path_style: PathStyle = None,
    profile: Profile = None,
    config: Annotated[
        Path,
        typer.Option(
            "--config", metavar="FILE", help="Where the settings go.", envvar="STRONGROOM_CONFIG", rich_help_panel=GLOBAL
        ),
    ] = Path("strongroom.toml"),
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity",
            metavar="FILE",
            help="Your identity; made where there is none.",
            envvar="STRONGROOM_IDENTITY",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    recovery_kit: Annotated[
        Path | None, typer.Option("--recovery-kit", metavar="FILE", help="Write the kit there instead of showing it once.")
    ] = None,
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Seal a new identity to a passphrase.")] = False,
    create_bucket: Annotated[
        bool, typer.Option("--create-bucket", help="Make the bucket where there is none; one of yours that is there is used.")
    ] = False,
    object_lock: Annotated[
        bool, typer.Option("--object-lock", help="With --create-bucket: make it with Object Lock, for `lock` in the settings.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a repository at ADDRESS, an identity where there is none, a recovery kit, and a settings file.

    The recovery kit is a second key to everything. Print it, lock it away, and delete the file: it opens the repository
    when the identity is lost.
    """
    from strongroom.new_repository import NewRepositoryOptions, create_repository

    repository = repository_of(portable(address), endpoint, region, profile, path_style=path_style)
    place = identity or environment.identity_file()
    made = create_repository(
        NewRepositoryOptions(
            repository=repository,
            settings=config,
            identity=place,
            recovery_kit=recovery_kit,
            passphrase=prompts.new_passphrase if passphrase else None,
            create_bucket=create_bucket,
            object_lock=object_lock,
        )
    )
    _report(made, config, place, recovery_kit, as_json=as_json)


def repository_of(
    address: str, endpoint: str | None, region: str | None, profile: str | None, *, path_style: bool | None
) -> RepositorySettings:
    """The settings that a command's options make. Raises `UsageError`."""
    from strongroom.settings.models import RepositorySettings
    from strongroom.settings.reader import made

    context.located(address, Path.cwd())  # what is no address is refused in its own words
    values = {"address": address, "endpoint": endpoint, "region": region, "path_style": path_style, "profile": profile}
    return made(RepositorySettings, values)


def portable(address: str) -> str:
    """A relative folder is written down whole, so that the settings file may be moved."""
    is_folder = not address.startswith(("s3:", "file:", "~")) and "://" not in address
    return str(Path(address).absolute()) if is_folder and address.strip() else address


def _report(made: NewRepository, config: Path, identity: Path, kit: Path | None, *, as_json: bool) -> None:
    if as_json:
        output.document(
            "init/1",
            made.as_json() | {"settings": str(config), "identity": str(identity), "recovery_kit_file": kit and str(kit)},
        )
        return
    if made.bucket_created is not None:
        output.result("The bucket was made." if made.bucket_created else "The bucket is there already.")
    output.result(f"Repository {made.repository} is at {made.address}.")
    if made.begun_before:
        output.result("  It was begun before and holds nothing yet: this completes it.")
    for sentence in made.findings:
        output.result(f"  {sentence}")
    output.result(f"Identity: {identity} ({'new; keep a copy somewhere safe' if made.new_identity else 'yours, as it was'}).")
    output.result(f"Settings: {config}")
    if kit is not None:
        output.result(f"Recovery kit: {kit}. Print it, lock it away, and delete the file.")
    else:
        output.result("\nThe recovery kit is shown once, now, and stored nowhere. Print it and lock it away:\n")
        output.result(made.recovery_kit or "")
    output.result("Next: strongroom project add NAME --source KIND=PATH, then strongroom backup.")
