"""`strongroom doctor [ADDRESS]`: what a store can be trusted with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from cli import colour, output
from cli.address_options import Endpoint, PathStyle, Profile, Region, repository_of
from cli.options import Config, Json
from strongroom import environment, settings, store_access
from vault.errors import StorageDenied, StorageError
from vault.wording import counted

if TYPE_CHECKING:
    from vault.repository.client_memory import ClientMemory
    from vault.storage.contract import Store
    from vault.storage.probe_report import ProbeReport


def doctor(
    address: Annotated[str | None, typer.Argument(metavar="ADDRESS", help="Default: the settings' repository.")] = None,
    endpoint: Endpoint = None,
    region: Region = None,
    path_style: PathStyle = None,
    profile: Profile = None,
    trust_again: Annotated[
        bool,
        typer.Option("--trust-again", help="Where create-once is found kept, this machine relies on it again."),
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Probe a store with some small objects, say in plain words what it can be trusted with, and leave nothing behind.

    Where a repository stands there, what it believes of the store is compared: create-once that is not kept is not relied on
    by this machine any more. Says what is not locked though the settings ask for it.
    """
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
    services, options = environment.services(), store_access.store_options(repository, brief=True)
    place = store_access.resolve_address(repository.address, folder)

    def make() -> Store:
        return open_bare_store(place, options, services.clock, services.randomness)

    try:
        report = probe(make, services.clock, services.randomness)
        belief = _belief(make, store_access.client_memory(place, repository), report, again=trust_again)
    except StorageDenied as error:
        raise StorageDenied(str(error), hint="check the credentials and the bucket's policy") from error
    if as_json:
        output.document(
            "doctor/1", {"address": repository.address, "usable": report.usable, "relied_on": belief.relied, **report.as_json()}
        )
    else:
        verdict, style = ("fit", colour.Style.GOOD) if report.usable else ("NOT fit", colour.Style.BAD)
        output.result(f"{repository.address}: {verdict} for a repository", paint=(verdict, style))
        for sentence in (*report.sentences(), *belief.said):
            output.result(f"  {sentence}")
    if wanted and not report.object_lock:
        output.notice(f"warning: the settings want Object Lock for {', '.join(wanted)}, which this store does not report")
    elif wanted:
        _report_unlocked(make, store_access.client_memory(place, repository), wanted)
    if not report.usable:
        raise typer.Exit(StorageError.exit_code)


class Belief(NamedTuple):
    """relied: whether this machine relies on create-once at the address; None where no repository stands there · said: in
    sentences, what is to be known of that."""

    relied: bool | None
    said: tuple[str, ...] = ()


def _belief(make: Callable[[], Store], memory: ClientMemory, report: ProbeReport, *, again: bool) -> Belief:
    """What was believed is compared with what was found, and lowered."""
    from vault.errors import StrongroomError
    from vault.repository import store_trust
    from vault.repository.repository import Repository

    with closing(make()) as store:
        try:
            descriptor = Repository.open(store, environment.services()).descriptor
        except StrongroomError:
            return Belief(None)
    why = memory.lines(store_trust.LOWERED, descriptor.repository)
    if report.creates_once:
        store_trust.note_repository(memory, descriptor.repository)
    if why and again and report.creates_once:
        store_trust.restore(memory, descriptor.repository)
        return Belief(descriptor.trust.create_once, ("This machine relies on that again.",))
    if why:
        return Belief(
            relied=False, said=(f"This machine does not rely on create-once here ({why[0]}); --trust-again changes that.",)
        )
    if not descriptor.trust.create_once or report.creates_once:
        return Belief(descriptor.trust.create_once)
    store_trust.lower(memory, descriptor.repository, f"doctor has found it {report.create_once}")
    said = "The repository's descriptor says that create-once is kept here, which this probe does not find: from now on this "
    return Belief(
        relied=False, said=(f"{said}machine does not rely on it. Run `strongroom doctor` on every other machine that uses it.",)
    )


def _report_unlocked(make: Callable[[], Store], memory: ClientMemory, wanted: list[str]) -> None:
    """What lasts as long as a project and can be deleted now, though the settings want it locked."""
    from vault.repository import object_lock

    ids = [one for name, one in memory.projects().items() if name in wanted]
    with closing(make()) as store:
        names = dict.fromkeys(name for one in ids for name in object_lock.lasting(store, one))
        free = object_lock.unlocked(store, names, environment.services().clock.now())
    if free:
        what = counted(len(free), "object")
        output.notice(f"warning: {what} that the settings want locked can be deleted: {', '.join(free[:5])}")
