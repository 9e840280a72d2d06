"""The tools that are compared, each behind the same verbs.

All encrypt, and all compress with zstd at its usual level. A tool's home, cache and configuration lie below its own
folder, so that no run leans on another and nothing of the person's is touched.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from benchmarks.measure import Cost, run
from benchmarks.server import Server

PASSPHRASE = "a passphrase of no value"
BUCKET = "benchmark"
REGION = "us-east-1"


class Place(Struct, frozen=True):
    """Where one tool works in one round. `server` is absent when the repository is a folder."""

    source: Path
    home: Path
    server: Server | None
    environment: dict[str, str]
    program: str

    def run(self, *command: str | Path, folder: Path, extra: dict[str, str] | None = None) -> Cost:
        """Runs a command in `folder` with this place's environment."""
        environment = {**self.own_environment(), **(extra or {})}
        return run(command, environment=environment, folder=folder, log=self.home / "log")

    def own_environment(self) -> dict[str, str]:
        """With the credentials of its server, and a home that is there."""
        home = self.home / "home"
        home.mkdir(parents=True, exist_ok=True)
        return {**self.environment, **(self.server.environment if self.server else {}), "HOME": str(home)}

    @property
    def repository(self) -> Path:
        """The repository, when it is a folder."""
        return self.home / "repository"


class Tool(Protocol):
    """One tool at one place. Verbs return what they cost; a restore puts the source's tree into the folder `below` of
    `target`, or straight into `target` where that is empty."""

    below: str

    def __init__(self, place: Place) -> None: ...

    def init(self) -> None:
        """Makes the repository; not measured."""
        ...

    def backup(self) -> Cost:
        """Backs up the whole source; the second time nothing has changed."""
        ...

    def restore_all(self, target: Path) -> Cost:
        """Restores the newest snapshot."""
        ...

    def restore_folder(self, folder: str, target: Path) -> Cost:
        """Restores one folder of the newest snapshot, to its own place below `target`."""
        ...


class Restic:
    """restic, repository format 2, its own default of compression."""

    below = ""

    def __init__(self, place: Place) -> None:
        self._place = place
        address = f"s3:{place.server.url}/{BUCKET}/restic" if place.server else str(place.repository)
        self._environment = {
            "RESTIC_REPOSITORY": address,
            "RESTIC_PASSWORD": PASSPHRASE,
            "RESTIC_CACHE_DIR": str(place.home / "cache"),
        }

    def init(self) -> None:
        self._run("init", "--repository-version", "2", folder=self._place.home)

    def backup(self) -> Cost:
        return self._run("backup", ".", folder=self._place.source)

    def restore_all(self, target: Path) -> Cost:
        return self._run("restore", "latest", "--target", target, folder=self._place.home)

    def restore_folder(self, folder: str, target: Path) -> Cost:
        return self._run("restore", "latest", "--target", target, "--include", f"/{folder}", folder=self._place.home)

    def _run(self, *words: str | Path, folder: Path) -> Cost:
        return self._place.run(self._place.program, "--quiet", *words, folder=folder, extra=self._environment)


class Rustic:
    """rustic, with its own defaults."""

    below = ""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._environment = {
            "RUSTIC_REPOSITORY": "opendal:s3" if place.server else str(place.repository),
            "RUSTIC_PASSWORD": PASSPHRASE,
            "RUSTIC_CACHE_DIR": str(place.home / "cache"),
            "RUSTIC_NO_PROGRESS": "true",
        }
        if place.server:
            options = {"ENDPOINT": place.server.url, "BUCKET": BUCKET, "ROOT": "/rustic", "REGION": REGION}
            self._environment |= {f"RUSTIC_REPO_OPT_{name}": value for name, value in options.items()}

    def init(self) -> None:
        self._run("init", folder=self._place.home)

    def backup(self) -> Cost:
        return self._run("backup", ".", "--as-path", "/", folder=self._place.source)

    def restore_all(self, target: Path) -> Cost:
        return self._run("restore", "latest", target, folder=self._place.home)

    def restore_folder(self, folder: str, target: Path) -> Cost:
        return self._run("restore", f"latest:/{folder}", target / folder, folder=self._place.home)

    def _run(self, *words: str | Path, folder: Path) -> Cost:
        return self._place.run(self._place.program, *words, folder=folder, extra=self._environment)


class Kopia:
    """kopia, compressing with zstd: by default it does not compress."""

    below = ""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._environment = {
            "KOPIA_PASSWORD": PASSPHRASE,
            "KOPIA_CONFIG_PATH": str(place.home / "kopia.config"),
            "KOPIA_CACHE_DIRECTORY": str(place.home / "cache"),
            "KOPIA_LOG_DIR": str(place.home / "logs"),
            "KOPIA_CHECK_FOR_UPDATES": "false",
        }
        self._root = ""

    def init(self) -> None:
        server = self._place.server
        if server:
            where = ["s3", "--bucket", BUCKET, "--prefix", "kopia/", "--region", REGION]
            where += ["--endpoint", server.url.removeprefix("http://"), "--disable-tls"]
        else:
            self._place.repository.mkdir()
            where = ["filesystem", "--path", str(self._place.repository)]
        self._run("repository", "create", *where, folder=self._place.home)
        self._run("policy", "set", "--global", "--compression", "zstd", folder=self._place.home)

    def backup(self) -> Cost:
        cost = self._run("snapshot", "create", ".", "--json", folder=self._place.source)
        self._root = json.loads(cost.output)["rootEntry"]["obj"]
        return cost

    def restore_all(self, target: Path) -> Cost:
        return self._run("restore", self._root, target, folder=self._place.home)

    def restore_folder(self, folder: str, target: Path) -> Cost:
        return self._run("restore", f"{self._root}/{folder}", target / folder, folder=self._place.home)

    def _run(self, *words: str | Path, folder: Path) -> Cost:
        return self._place.run(self._place.program, "--no-progress", *words, folder=folder, extra=self._environment)


class Borg:
    """borg 1.x with `repokey-blake2` and zstd level 3; folders only."""

    below = ""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._environment = {
            "BORG_REPO": str(place.repository),
            "BORG_PASSPHRASE": PASSPHRASE,
            "BORG_BASE_DIR": str(place.home / "borg"),
        }
        self._archives = 0

    def init(self) -> None:
        self._run("init", "--encryption", "repokey-blake2", folder=self._place.home)

    def backup(self) -> Cost:
        self._archives += 1
        name = f"::run-{self._archives}"
        return self._run("create", "--compression", "zstd,3", name, ".", folder=self._place.source)

    def restore_all(self, target: Path) -> Cost:
        return self._run("extract", f"::run-{self._archives}", folder=target)

    def restore_folder(self, folder: str, target: Path) -> Cost:
        return self._run("extract", f"::run-{self._archives}", folder, folder=target)

    def _run(self, *words: str | Path, folder: Path) -> Cost:
        return self._place.run(self._place.program, *words, folder=folder, extra=self._environment)


class Tar:
    """The limit: `tar | zstd -3 -T0 | openssl enc` into one file. No deduplication, no history, no integrity check."""

    below = ""

    _KEY = "openssl enc -aes-256-ctr -pbkdf2 -pass env:BENCHMARK_PASSPHRASE"

    def __init__(self, place: Place) -> None:
        self._place = place

    def init(self) -> None:
        self._place.repository.mkdir()

    def backup(self) -> Cost:
        archive = self._place.repository / "archive"
        return self._pipe(f"tar --format=posix -cf - . | zstd -q -3 -T0 | {self._KEY} >'{archive}'", self._place.source)

    def restore_all(self, target: Path) -> Cost:
        return self._unpack("", target)

    def restore_folder(self, folder: str, target: Path) -> Cost:
        return self._unpack(f"'./{folder}'", target)

    def _unpack(self, members: str, target: Path) -> Cost:
        archive = self._place.repository / "archive"
        return self._pipe(f"{self._KEY} -d <'{archive}' | zstd -q -d | tar -xf - {members}", target)

    def _pipe(self, line: str, folder: Path) -> Cost:
        command = ("bash", "-c", f"set -o pipefail; {line}")
        return self._place.run(*command, folder=folder, extra={"BENCHMARK_PASSPHRASE": PASSPHRASE})


class Strongroom:
    """This project, through its command line. Items are restored below their kind."""

    below = "reports"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._config = place.home / "strongroom.toml"

    def init(self) -> None:
        place, kit = self._place, ("--recovery-kit", self._place.home / "recovery-kit.txt")
        if place.server:
            self._run("init", f"s3://{BUCKET}/strongroom", "--endpoint", place.server.url, *kit)
        else:
            self._run("init", place.repository, *kit)
        self._run("project", "add", "bench", "--source", f"{self.below}={place.source}")

    def backup(self) -> Cost:
        return self._run("backup", "bench", "--json")

    def restore_all(self, target: Path) -> Cost:
        return self._run("restore", "bench", "--to", target)

    def restore_folder(self, folder: str, target: Path) -> Cost:
        return self._run("restore", "bench", f"{self.below}/{folder}", "--to", target)

    def _run(self, *words: str | Path) -> Cost:
        return self._place.run(self._place.program, *words, "--config", self._config, folder=self._place.home)


class StrongroomDaemon(Strongroom):
    """The same, with backups as the daemon runs them."""

    def backup(self) -> Cost:
        from benchmarks.daemon_runs import forked_runs

        with forked_runs(self._place.own_environment(), s3=self._place.server is not None) as runs:
            return runs.run(["backup", "bench", "--json", "--config", str(self._config)])


class Entry(Struct, frozen=True):
    """A column of the table: a tool with a kind of place. `again`: whether a second backup means something to it."""

    name: str
    program: str
    make: Callable[[Place], Tool]
    on_s3: bool
    version: tuple[str, ...] = ("--version",)
    again: bool = True


ENTRIES = (
    Entry("strongroom S3", "strongroom", Strongroom, on_s3=True),
    Entry("strongroom daemon, S3", "strongroom", StrongroomDaemon, on_s3=True),
    Entry("restic S3", "restic", Restic, on_s3=True, version=("version",)),
    Entry("rustic S3", "rustic", Rustic, on_s3=True),
    Entry("kopia S3", "kopia", Kopia, on_s3=True),
    Entry("strongroom folder", "strongroom", Strongroom, on_s3=False),
    Entry("strongroom daemon, folder", "strongroom", StrongroomDaemon, on_s3=False),
    Entry("restic folder", "restic", Restic, on_s3=False, version=("version",)),
    Entry("rustic folder", "rustic", Rustic, on_s3=False),
    Entry("kopia folder", "kopia", Kopia, on_s3=False),
    Entry("borg folder", "borg", Borg, on_s3=False),
    Entry("tar+zstd+openssl", "tar", Tar, on_s3=False, again=False),
)


def find_program(name: str, beside: Path) -> str | None:
    """A program beside this Python, else on the path."""
    own = beside / name
    return str(own) if own.is_file() else shutil.which(name)


def requests_of(cost: Cost) -> int | None:
    """The number of requests that a JSON report names anywhere, or None: either a number or a count for each verb."""
    try:
        report = json.loads(cost.output)
    except ValueError:
        return None
    waiting = [report]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found = value.get("requests")
            if isinstance(found, int):
                return found
            if isinstance(found, dict):
                return sum(count for count in found.values() if isinstance(count, int))
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return None
