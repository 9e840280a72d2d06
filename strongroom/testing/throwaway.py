"""A repository that lives as long as a test: its settings, identity, state and cache lie below one folder."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from msgspec import Struct, field

from strongroom import environment
from strongroom.new_project import add_project
from strongroom.new_repository import NewRepositoryOptions, create_repository
from strongroom.project import Project
from strongroom.repository import Repository
from strongroom.testing.faults import Faults, FaultyStore
from strongroom.testing.s3_server import ENVIRONMENT


class ThrowawayProject(Project, frozen=True):
    """A `strongroom.Project` and the folders of its sources.

    sources: by kind
    """

    sources: Mapping[str, Path] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """The folder of the first source."""
        return next(iter(self.sources.values()))


class ThrowawayRepository(Struct, frozen=True):
    """A repository of its own, and whatever this machine keeps of it.

    folder: all of it lies there, but for objects in a bucket · address, endpoint: of the repository · faults: of its storage
    """

    folder: Path
    address: str
    endpoint: str | None = None
    faults: Faults = field(default_factory=Faults)
    _opened: ExitStack = field(default_factory=ExitStack)

    @property
    def settings(self) -> Path:
        """The settings file, for the command line and for `strongroom.open_repository`."""
        return self.folder / "strongroom.toml"

    @property
    def identity(self) -> Path:
        """The identity, which no passphrase protects."""
        return self.folder / "config" / "strongroom" / "identity.txt"

    @property
    def environment(self) -> dict[str, str | None]:
        """Variables with which a process finds this repository alone, and nothing of the person's; None for those that have to
        go. It is what `strongroom_repository` sets for the test."""
        named = dict.fromkeys(environment.own_variables())
        folders = {f"XDG_{what}_HOME": str(self.folder / what.lower()) for what in ("CONFIG", "STATE", "CACHE")}
        return {**named, **folders, "STRONGROOM_CONFIG": str(self.settings), **ENVIRONMENT}

    def create(self, *, create_bucket: bool = False) -> None:
        """Make it, with an identity and settings. The environment must be the one above."""
        from strongroom.settings.models import RepositorySettings
        from strongroom.settings.reader import made

        values = {"address": self.address, "endpoint": self.endpoint}
        options = NewRepositoryOptions(
            repository=made(RepositorySettings, values),
            settings=self.settings,
            identity=self.identity,
            create_bucket=create_bucket,
        )
        create_repository(options)

    def add_project(self, name: str, sources: Mapping[str, Path | str], *, zone: str = "UTC") -> ThrowawayProject:
        """A project with these folders, which are made where they are missing. sources: by kind · zone: of its periods."""
        from strongroom.settings.projects import SourceSettings
        from strongroom.settings.reader import made

        folders = {kind: Path(path).absolute() for kind, path in sources.items()}
        for path in folders.values():
            path.mkdir(parents=True, exist_ok=True)
        written = [made(SourceSettings, {"kind": kind, "name": kind, "path": path}) for kind, path in folders.items()]
        with self.open() as repository:
            add_project(repository.context, name, written, zone)
        return self.project(name)

    def write_settings(self, text: str) -> None:
        """Put more tables at the end of the settings file, such as `[projects.acme.keep]`. Raises `SettingsError` where they
        cannot be used, and leaves the file as it was. Projects that are open go on by the old ones: ask for them anew."""
        from strongroom.settings import load

        new = self.settings.with_suffix(".new")
        new.write_text(f"{self.settings.read_text('utf-8')}\n{text}\n", "utf-8")
        try:
            load(new)
            new.replace(self.settings)
        finally:
            new.unlink(missing_ok=True)

    def open(self) -> Repository:
        """Open it by its settings, with the faults in place. It is closed with the test."""
        from strongroom.context import opened

        with ExitStack() as stack:
            wrap = partial(FaultyStore, faults=self.faults)
            context = stack.enter_context(opened(self.settings, commits=True, wrap=wrap))
            repository = Repository(context, stack.pop_all())
        self._opened.callback(repository.close)
        return repository

    def project(self, name: str) -> ThrowawayProject:
        """A project by its name, of the repository opened anew, as another process would see it."""
        repository = self.open()
        found = repository.project(name)
        sources = {source.kind: source.folder for source in repository.context.settings.project(name).sources}
        return ThrowawayProject(found.context, found.stored, sources)

    def close(self) -> None:
        """Close whatever was opened."""
        self._opened.close()
