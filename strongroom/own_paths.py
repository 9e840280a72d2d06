"""Where Strongroom keeps its own data on this machine: no source may lie there, and what of it lies in a source is left out of
backups, since it would grow with every one of them. Nothing is restored to there either."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from strongroom import environment, local_state, store_access
from strongroom.settings.errors import SettingsFault
from vault.errors import RefusedByRule, UsageError

if TYPE_CHECKING:
    from strongroom.settings import Settings
    from strongroom.settings.models import RepositorySettings
    from strongroom.settings.projects import SourceSettings
    from vault.storage.address import BucketAddress

OF_REPOSITORY = ("projects", "keys", "settings", "audit", "~temp", "strongroom.json")
"""What a repository in a folder consists of; the folder may hold other things, which are nobody's but the person's."""


_ELSEWHERE = "nothing was written; restore to another place"


class OwnPath(Struct, frozen=True):
    """A folder or file of Strongroom itself. what: in words · whole: no source may have it in it, unless by a pattern."""

    path: Path
    what: str
    whole: bool


def own_paths(settings: Settings) -> list[OwnPath]:
    """All of them, whether they are there or not."""
    found = [
        OwnPath(repository / name, what, name == "projects")
        for repository, what in _repositories(settings)
        for name in OF_REPOSITORY
    ]
    places = {environment.cache_folder(): "the cache", environment.state_folder(): "the state folder"}
    places.setdefault(local_state.folder(settings), "the state folder")
    return [*found, *(OwnPath(path, what, whole=False) for path, what in places.items())]


def paths(settings: Settings) -> tuple[bytes, ...]:
    """The same as a scan wants them."""
    return tuple(os.fsencode(one.path) for one in own_paths(settings))


def faults(settings: Settings, sources: Sequence[SourceSettings]) -> Iterator[tuple[int, SettingsFault]]:
    """What is wrong with the places of sources, each with the number of the source. The key of a fault is of that source."""
    own = [(one, one.path.resolve()) for one in own_paths(settings)]
    for number, source in enumerate(sources):
        if source.path is None:
            yield from ((number, fault) for fault in _bucket_faults(settings, source))
            continue
        root = source.path.resolve()
        for one, place in own:
            if root == place or place in root.parents:
                what = f"is {source.path}, which lies in {one.what} ({place})"
                yield number, SettingsFault(("path",), what, "it would grow with every backup; name another folder")
                break
            if one.whole and root in place.parents and _enters(source, place.relative_to(root)):
                pattern = f"/{place.parent.relative_to(root)}/" if place.parent != root else "/projects/"
                what = f"is {source.path}, which has {one.what} in it ({place.parent})"
                hint = f"it would be backed up into itself: write exclude = ['{pattern}'], or name another folder"
                yield number, SettingsFault(("path",), what, hint)
                break


def _bucket_faults(settings: Settings, source: SourceSettings) -> Iterator[SettingsFault]:
    """A bucket as a source that the repository lies in, or that lies in it."""
    from vault.storage.address import BucketAddress, parse_address

    repository = settings.repository
    if not (source.url or "").lower().startswith("s3:") or source.options.get("endpoint") != repository.endpoint:
        return
    own = store_access.settings_address(settings, repository)
    found = parse_address(source.url or "")
    if not isinstance(own, BucketAddress) or not isinstance(found, BucketAddress) or own.bucket != found.bucket:
        return
    above, below = f"{own.text}/", f"{found.text}/"
    if above.startswith(below) or below.startswith(above):
        what = f"is {found.text}, where the repository lies ({own.text})"
        yield SettingsFault(("url",), what, "it would grow with every backup; name another bucket or prefix")


def refuse_target(settings: Settings, path: Path, *, folder: bool) -> None:
    """Raises `RefusedByRule` where what is restored would lie among Strongroom's own data. folder: whether items come below the
    path, under the names of their kinds, which may be those of a repository's parts; a file may lie beside these."""
    place = path.absolute().resolve()
    taken = [(one.path.resolve(), one.what) for one in own_paths(settings)]
    refused = [(taken_path, what) for taken_path, what in taken if place == taken_path or taken_path in place.parents]
    if folder:
        refused += [(place, what) for one, what in _repositories(settings) if one.resolve() == place]
    for taken_path, what in refused:
        raise RefusedByRule(f"{path} lies in {what} ({taken_path})", hint=_ELSEWHERE)


def refuse_bucket(settings: Settings, address: BucketAddress, *, endpoint: str | None) -> None:
    """The same for objects. endpoint: of the server that they go to, where it is not the repository's."""
    for repository, what in _named(settings):
        own = store_access.settings_address(settings, repository)
        if endpoint not in {None, repository.endpoint} or own.text.split("/")[:3] != address.text.split("/")[:3]:
            continue  # another bucket, or none
        below = f"{address.text}/".removeprefix(f"{own.text}/")
        if below == "" or (below != f"{address.text}/" and below.split("/")[0] in OF_REPOSITORY):
            raise RefusedByRule(f"{address.text} lies in {what} ({own.text})", hint=_ELSEWHERE)


def _named(settings: Settings) -> Iterator[tuple[RepositorySettings, str]]:
    """The repository and its copies."""
    yield settings.first or settings.repository, "the repository"
    for name, copy in settings.copies.items():
        yield copy, f"the copy {name!r} of the repository"


def _repositories(settings: Settings) -> Iterator[tuple[Path, str]]:
    """The folders of the repository and its copies, where they are folders."""
    from vault.storage.address import FolderAddress

    for repository, what in _named(settings):
        try:
            address = store_access.settings_address(settings, repository)
        except UsageError:  # told as what it is by whoever opens it
            continue
        if isinstance(address, FolderAddress):
            yield address.path, what


def _enters(source: SourceSettings, relative: Path) -> bool:
    """Whether the patterns of the source let a backup take the packs of a repository below it. relative: its `projects`."""
    from vault.source.patterns import Rules

    try:
        rules = Rules(include=source.include, exclude=source.exclude)
    except UsageError:  # told as what it is
        return False
    above = [*reversed(relative.parents)][1:]
    pack = relative / ("0" * 32) / "packs" / "00" / ("0" * 64)
    return all(rules.enters(os.fsencode(one)) for one in (*above, relative)) and rules.takes(os.fsencode(pack))
