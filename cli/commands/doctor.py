"""`strongroom doctor [ADDRESS]`: what a store can be trusted with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output, settings, workplace
from cli.commands.init import Endpoint, PathStyle, Profile, Region, repository_of
from cli.options import Config, Json
from vault.errors import StorageDenied, StorageError

if TYPE_CHECKING:
    from vault.storage.contract import Store


def doctor(
    address: Annotated[str | None, typer.Argument(metavar="[ADDRESS]", help="Default: the settings' repository.")] = None,
    endpoint: Endpoint = None,
    region: Region = None,
    path_style: PathStyle = None,
    profile: Profile = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Probe a store with some small objects, say in plain words what it can be trusted with, and leave nothing behind."""
    from vault.storage.address import open_bare_store
    from vault.storage.probe import probe

    wanted: list[str] = []
    if address is None:
        found = settings.load(settings.find(config))
        repository, folder = found.repository, found.file.absolute().parent
        wanted = [name for name in found.projects if found.project(name).lock.mode != "none"]
    else:
        folder = Path.cwd()
        repository = repository_of(address, endpoint, region, profile, path_style=path_style)
    services, options = workplace.services(), workplace.store_options(repository, brief=True)
    place = workplace.located(repository.address, folder)

    def make() -> Store:
        return open_bare_store(place, options, services.clock, services.chance)

    try:
        report = probe(make, services.clock, services.chance)
    except StorageDenied as error:
        raise StorageDenied(str(error), hint="check the credentials and the bucket's policy") from error
    if as_json:
        output.document({"address": repository.address, "usable": report.usable, **report.as_json()})
    else:
        output.result(f"{repository.address}: {'fit for a repository' if report.usable else 'NOT fit for a repository'}")
        for sentence in report.sentences():
            output.result(f"  {sentence}")
    if wanted and not report.object_lock:
        output.notice(f"warning: the settings want Object Lock for {', '.join(wanted)}, which this store does not say it has")
    if not report.usable:
        raise typer.Exit(StorageError.exit_code)
