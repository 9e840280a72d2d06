"""`strongroom support-bundle`: what somebody who helps needs, without secrets and names."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import output
from cli.options import Config, Identity, Json
from strongroom import context, environment, settings
from vault import wording
from vault.errors import UsageError

if TYPE_CHECKING:
    from strongroom.support_bundle import SupportBundle


def support_bundle(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.zip", help="Default: strongroom-support-TIME.zip in this folder.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show what would be in it, and write nothing.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show every line of it on stdout, and write nothing.")] = False,
    names: Annotated[
        bool, typer.Option("--names", help="Show which pseudonym stands for which name, for you alone, and write nothing.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the store, and do not probe it.")] = False,
    config: Config = None,
    identity: Identity = None,
    as_json: Json = False,
) -> None:
    """Collect what is needed to look into a fault: versions, settings, what the store can do, status, the daemon's runs, sizes
    of the cache, unexpected errors.

    There are no secrets and no names of items in it; projects, sources, paths, hosts, people and addresses are pseudonyms, the
    same in every bundle of this machine. --list and --show say first what will be in it.
    """
    from strongroom import support_bundle as bundles

    if sum((listing, show, names)) > 1:
        raise UsageError("--list, --show and --names exclude each other", hint="leave all but one of them out")
    opened = None if offline else partial(context.opened, config, identity, brief=True)
    made = bundles.make(lambda: settings.load(settings.find(config), tell_old_names=False), opened)
    now = environment.services().clock.now()
    target = file or Path(f"strongroom-support-{now:%Y%m%dT%H%M%SZ}.zip")
    if names:
        _names(made, as_json=as_json)
        return
    if show:
        for part in made.parts:
            output.result(f"== {part.name}")
            output.result(part.text.rstrip("\n"))
        return
    if not listing:
        made.write(target)
    if as_json:
        output.document(
            "support-bundle/1", {"file": None if listing else str(target), "contents": [part.as_json() for part in made.parts]}
        )
        return
    rows = [(part.name, wording.size(len(part.text.encode())), part.about) for part in made.parts]
    output.table(rows, ["FILE", "SIZE", "WHAT"], right=[1])
    if not listing:
        output.result(f"{target}: written, readable by you alone; look through it before you send it")


def _names(made: SupportBundle, *, as_json: bool) -> None:
    if as_json:
        output.document("support-bundle-names/1", {"pseudonyms": dict(made.names)})
    else:
        output.table([(pseudonym, name) for name, pseudonym in made.names.items()], ["PSEUDONYM", "NAME"])
