"""A repository of one project, and commands that are asked of it one by one and measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from benchmarks.measure import Cost, run
from benchmarks.scratch import child_environment, empty_folder, require_program
from benchmarks.server import find_weed, s3_server
from benchmarks.tools import BUCKET


class Desk(Struct, frozen=True):
    """Where the commands are run. address: of the repository, with its options."""

    folder: Path
    environment: dict[str, str]
    program: str
    address: tuple[str, ...]

    def call(self, *words: str) -> Cost:
        """One command."""
        return run([self.program, *words], environment=self.environment, folder=self.folder, log=self.folder / "log")

    def make(self, project: str, kind: str) -> Path:
        """A repository with one project; gives the folder of its one source."""
        source = self.folder / "source"
        source.mkdir(exist_ok=True)
        self.call("init", *self.address, "--recovery-kit", str(self.folder / "kit.txt"))
        self.call("project", "add", project, "--source", f"{kind}={source}")
        return source

    def forget(self, what: str = "*") -> None:
        """Clear the cache, or those parts of it that a pattern names."""
        for folder in (self.folder / "home/.cache/strongroom").glob(what):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opened(work: Path, name: str, *, s3: bool, keep: bool = False) -> Iterator[Desk]:
    """A desk in an empty folder. name: of the repository, in a bucket · s3: in a local S3 server instead of a folder · keep:
    leave the folder when the block ends.

    This process is given the desk's environment too."""
    program, weed = require_program("strongroom"), find_weed() if s3 else None
    if s3 and weed is None:
        raise SystemExit("there is no S3 server (weed) to be found")
    with empty_folder(work / "desk", keep=keep) as folder:
        environment = child_environment() | {"HOME": str(folder / "home")}
        if weed is None:
            os.environ.update(environment)
            yield Desk(folder, environment, program, (str(folder / "repository"),))
            return
        with s3_server(weed, work / "s3", environment) as server:
            server.make_bucket(BUCKET)
            os.environ.update(server.environment)
            yield Desk(folder, server.environment, program, (f"s3://{BUCKET}/{name}", "--endpoint", server.url))


def tell(name: str, state: str, cost: Cost, limit: float | None) -> bool:
    """A row of the table; whether it took at most so many seconds."""
    passed = limit is None or cost.wall <= limit
    verdict = "" if limit is None else f"{'passed' if passed else 'FAILED'} ({limit:.0f} s)"
    print(f"| {name} | {state} | {cost.wall:.2f} s | {cost.cpu:.2f} s | {cost.rss / 1e6:.0f} MB | {verdict} |", flush=True)
    return passed


def table_head(title: str) -> None:
    """The head of the table that `tell` fills."""
    print(f"| {title} | state | wall | cpu | memory | |")
    print("| --- | --- | --- | --- | --- | --- |")
