"""`strongroom demo --console`: the console over a small contact centre from which somebody has deleted a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import environment
from vault.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from vault.clock import Clock
    from vault.randomness import Randomness

NAME = "demo"
KINDS = ("reports", "tickets", "raw")
LOST = ("reports", "monthly")
"""Of the first client: what somebody deletes."""

ROLES = """
[console]
zone = "Europe/Kyiv"
restore_folders = ["back"]
"""
ROLE = """
[[console.roles]]
role = "{role}"
people = ["demo"]
"""


def serve(
    folder: Path,
    years: float,
    clock: Clock,
    randomness: Randomness,
    step: Callable[[str], AbstractContextManager[None]],
    say: Callable[[str], None],
) -> None:
    """Until SIGTERM or Ctrl-C. folder: for all of it, the keys and the memory of this machine included · step: announces one ·
    say: for what a person needs to know."""
    own = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in ("CONFIG", "STATE", "CACHE")}
    with environment.replaced(own):
        _serve(folder, years, clock, randomness, step, say)


def _serve(
    folder: Path,
    years: float,
    clock: Clock,
    randomness: Randomness,
    step: Callable[[str], AbstractContextManager[None]],
    say: Callable[[str], None],
) -> None:
    from cli.demo.data import write_contact_centre
    from console import server

    centre, settings = folder / "contact-centre", folder / "strongroom.toml"
    with step("A contact centre opens its archives"):
        summary = write_contact_centre(centre, years=years)
    with step("A repository is made, with keys of its own for each client"):
        _make_repository(folder, settings, summary.clients, centre)
    with step("The first snapshots are taken"):
        _back_up(settings)
    with step(f"Somebody deletes {summary.clients[0]}'s monthly reports, and the next snapshots are taken"):
        shutil.rmtree(centre.joinpath(summary.clients[0], *LOST))
        _back_up(settings)
    from strongroom import settings as settings_files

    where = server.listening(settings_files.load(settings), "127.0.0.1:0")
    with server.opened(settings, [], where, clock, randomness) as site:
        password = "-".join(randomness.token(3).hex() for _ in range(3))
        site.accounts.local.add(NAME, password, "Demo")
        server.serve(
            site,
            where,
            lambda url, _: say(f"\nOpen {url} in a browser: name {NAME}, password {password}. Ctrl-C ends it."),
        )


def _make_repository(folder: Path, settings: Path, clients: tuple[str, ...], centre: Path) -> None:
    import strongroom
    from strongroom import new_project
    from strongroom.new_repository import NewRepositoryOptions, create_repository
    from strongroom.settings.models import RepositorySettings
    from strongroom.settings.projects import SourceSettings

    create_repository(
        NewRepositoryOptions(
            repository=RepositorySettings(address=str(folder / "repository")),
            settings=settings,
            identity=folder / "identity.txt",
        )
    )
    for client in clients:
        sources = [SourceSettings(kind=kind, path=centre / client / kind) for kind in KINDS]
        with strongroom.open_repository(settings) as repository:
            new_project.add_project(repository.context, client, sources, "Europe/Kyiv")
    with settings.open("a", encoding="utf-8") as out:
        out.write(ROLES)
        for role in ("exporter", "restorer", "operator", "auditor", "administrator"):
            out.write(ROLE.format(role=role))


def _back_up(settings: Path) -> None:
    """Raises `StrongroomError` of the first source that fails."""
    import strongroom

    with strongroom.open_repository(settings) as repository:
        for project in repository.projects():
            for done in project.backup():
                if done.error is not None:
                    raise StrongroomError(f"the backup of {project.name} failed: {done.error}") from done.error
