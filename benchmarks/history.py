"""How long questions of a thousand hourly snapshots of 20,000 items take: find, history, diff.

    python -m benchmarks.history [--snapshots 1000] [--items 20000] [--shape scattered] [--s3] [--work FOLDER]

Snapshots are rolled up and segments joined while they are written, as backups do. Each command is measured cold (nothing on
this machine), with what the cache holds and nothing kept of earlier questions, and warm (an earlier question was asked); one
of them also after one more snapshot, and cold in a repository whose roll-ups are lost. Prints passed or FAILED beside the
limits, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.desk import Desk, opened, table_head, tell
from benchmarks.history_data import SHAPES, SOURCE, Hours, path_of, write_history
from benchmarks.scratch import say
from strongroom import context, maintenance
from vault.format.snapshot_record import Record
from vault.progress import NoProgress

COLD_SECONDS, WARM_SECONDS = 20.0, 2.0
PROJECT = "acme"


def write(desk: Desk, hours: Hours, count: int, last: Record | None = None) -> tuple[list[Record], Hours]:
    """So many more snapshots after `last`; gives them, and the hours as they are then. In a process of its own: a large
    runner would show in every command's memory."""
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        return apart.submit(_written, desk, hours, count, last).result()


def _written(desk: Desk, hours: Hours, count: int, last: Record | None) -> tuple[list[Record], Hours]:
    with context.opened(_settings(desk)) as place:
        written = []
        for record in write_history(place.project(PROJECT), hours, count, last=last):
            written.append(record)
            if len(written) % maintenance.EVERY == 0:
                maintenance.run_maintenance(place.project(PROJECT), SOURCE, NoProgress(), locked=False)
            if len(written) % 100 == 0:
                say(f"{len(written)} snapshots")
    return written, hours


def lose_rollups(desk: Desk) -> None:
    """As if no backup had made any."""
    with context.opened(_settings(desk)) as place:
        project = place.project(PROJECT)
        for info in list(project.store.list(project.folder("rollups"))):
            project.store.delete(info.name)


def _settings(desk: Desk) -> Path:
    return desk.folder / "strongroom.toml"


def questions(first: Record, last: Record, items: int) -> dict[str, tuple[str, ...]]:
    """The commands that are measured."""
    item = path_of(items * 19 // 20).decode()
    return {
        "history of one item": ("history", PROJECT, item),
        "find by a pattern": ("find", PROJECT, "reports/*/01/**", "--json"),
        "find what is deleted": ("find", PROJECT, "--deleted", "--json"),
        "diff of two moments": ("diff", PROJECT, "--since", first.id, "--until", last.id, "--json"),
    }


def main() -> int:
    """Writes the history, asks, and tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--snapshots", type=int, default=1000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="hourly reports")
    parser.add_argument("--s3", action="store_true", help="store it in a local S3 server, instead of a folder")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-history")
    options = parser.parse_args()
    hours = Hours(options.items, SHAPES[options.shape], seed=1)
    with opened(options.work.resolve(), "history", s3=options.s3) as desk:
        desk.make(PROJECT, SOURCE)
        records, hours = write(desk, hours, options.snapshots)
        table_head(f"{options.snapshots} snapshots of {options.items:,} items, {options.shape}")
        asked = questions(records[0], records[-1], options.items)
        passed = [_asked(desk, name, words) for name, words in asked.items()]
        write(desk, hours, 1, records[-1])
        pattern = "find by a pattern"
        passed.append(tell(pattern, "one snapshot more", desk.call(*asked[pattern]), None))
        lose_rollups(desk)
        desk.forget()
        tell(pattern, "cold, without roll-ups", desk.call(*asked[pattern]), None)
    return 0 if all(passed) else 1


def _asked(desk: Desk, name: str, words: Sequence[str]) -> bool:
    desk.forget()
    cold = tell(name, "cold", desk.call(*words), COLD_SECONDS)
    desk.forget("*/history")  # what earlier questions left
    cached = tell(name, "cached", desk.call(*words), COLD_SECONDS)
    return all([cold, cached, tell(name, "warm", desk.call(*words), WARM_SECONDS)])


if __name__ == "__main__":
    sys.exit(main())
