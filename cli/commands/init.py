"""`strongroom init ADDRESS`: a repository, an identity, a recovery kit, a settings file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, prompts
from cli.address_options import (
    SETTINGS_FILE,
    Endpoint,
    NewIdentity,
    NewSettings,
    Passphrase,
    PathStyle,
    Profile,
    Region,
    portable,
    repository_of,
)
from cli.options import Json, Shares, Threshold
from strongroom import environment

if TYPE_CHECKING:
    from strongroom.new_repository import NewRepository


def init(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A folder, file:/folder, or s3://bucket/prefix.")],
    endpoint: Endpoint = None,
    region: Region = None,
    path_style: PathStyle = None,
    profile: Profile = None,
    config: NewSettings = SETTINGS_FILE,
    identity: NewIdentity = None,
    recovery_kit: Annotated[
        Path | None, typer.Option("--recovery-kit", metavar="FILE", help="Write the kit there instead of showing it once.")
    ] = None,
    recovery_page: Annotated[
        Path | None,
        typer.Option("--recovery-page", metavar="FILE.html", help="Write it as a page to be printed, with QR codes."),
    ] = None,
    shares: Shares = None,
    threshold: Threshold = None,
    passphrase: Passphrase = False,
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
    when the identity is lost. With --shares 3 --threshold 2 it is in three pieces for three places, of which any two open it;
    each piece goes to a file of its own, such as kit-1-of-3.txt.
    """
    from strongroom.new_repository import NewRepositoryOptions, create_repository
    from strongroom.recovery_kit import KitOptions

    repository = repository_of(portable(address), endpoint, region, profile, path_style=path_style)
    place = identity or environment.identity_file()
    made = create_repository(
        NewRepositoryOptions(
            repository=repository,
            settings=config,
            identity=place,
            kit=KitOptions(shares=shares, needed=threshold, text=recovery_kit, page=recovery_page),
            passphrase=prompts.new_passphrase if passphrase else None,
            create_bucket=create_bucket,
            object_lock=object_lock,
        )
    )
    _report(made, config, place, as_json=as_json)


def _report(made: NewRepository, config: Path, identity: Path, *, as_json: bool) -> None:
    if as_json:
        only = str(made.kit_files[0]) if len(made.kit_files) == 1 else None
        output.document(
            "init/1", made.as_json() | {"settings": str(config), "identity": str(identity), "recovery_kit_file": only}
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
    show_kit(made.kit_files, made.recovery_kit, made.threshold)
    output.result("Next: strongroom project add NAME --source KIND=PATH, then strongroom backup.")


def show_kit(files: Sequence[Path], text: str | None, threshold: int | None) -> None:
    """Where a new recovery kit is, or the kit itself. threshold: None where it is in one piece."""
    apart = ", each in a place of its own" if threshold is not None else ""
    if text is not None:
        output.result(f"\nThe recovery kit is shown once, now, and stored nowhere. Print it and lock it away{apart}:\n")
        with output.standard_output():
            typer.echo(text)  # as it is: on a narrow terminal, too, it can be copied into a file
    elif threshold is None:
        named = " and ".join(map(str, files))
        output.result(
            f"Recovery kit: {named}. Print it, lock it away, and delete the {'file' if len(files) == 1 else 'files'}."
        )
    else:
        output.result(f"Recovery kit: {', '.join(map(str, files))}.")
        output.result(f"  Any {threshold} shares open everything. Print them, lock them away{apart}, and delete the files.")
