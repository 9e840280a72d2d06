"""How long the history of one ticket takes out of months of tickets, an unchanged publication, and pages for people.

    python -m benchmarks.records [--tickets 200000] [--months 12] [--versions 6] [--s3] [--work FOLDER]

JSON Lines by month of creation; between two snapshots fifty tickets of the newest month change, and the one that is asked for
in every second; twenty others are lost. Asked with nothing kept on this machine (cold) and once more (warm); then the newest
month is published twice, with and without what was lost, and written as pages; limit of memory for these: 400 MB.
Prints passed or FAILED beside the limit, and exits with 1 when one failed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.desk import Desk, opened, table_head, tell
from benchmarks.scratch import say

HISTORY, UNCHANGED = 30.0, 5.0
"""Seconds that the history of a ticket may take, and a publication of what has not changed."""

PROJECT = "parcelo"
EDITED, LOST = 50, 20
MOST_MEMORY = 400_000_000


def ticket(number: int, version: int) -> str:
    """A line. version: how often it was edited."""
    randomness = random.Random(number * 1000 + version)
    comments = [{"id": number * 10 + one, "text": f"{randomness.getrandbits(400):0100x}"} for one in range(2)]
    status = randomness.choice(["open", "closed"])
    facts = {"comments": comments, "edited": version, "id": number, "status": status, "subject": f"parcel {number}"}
    return json.dumps(facts, sort_keys=True) + "\n"


def write_month(folder: Path, month: int, versions: dict[int, int]) -> None:
    """The tickets of a month, by number; versions: of each."""
    lines = (ticket(number, version) for number, version in sorted(versions.items()))
    (folder / f"{2024 + month // 12}-{month % 12 + 1:02}.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> int:
    """Writes tickets and snapshots, asks, and tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--tickets", type=int, default=200_000, help="a month")
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--versions", type=int, default=6, help="snapshots")
    parser.add_argument("--s3", action="store_true", help="store it in a local S3 server, instead of a folder")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "strongroom-records")
    options = parser.parse_args()
    with opened(options.work.resolve(), "records", s3=options.s3) as desk:
        source, newest = desk.make(PROJECT, "tickets"), options.months - 1
        for month in range(options.months):
            versions = dict.fromkeys(range(month * options.tickets, (month + 1) * options.tickets), 0)
            write_month(source, month, versions)
        size = sum(path.stat().st_size for path in source.iterdir())
        wanted, randomness = newest * options.tickets + options.tickets // 3, random.Random(26)
        for snapshot in range(options.versions):
            desk.call("backup", "--quiet")
            for number in randomness.sample(sorted(versions), EDITED):
                versions[number] += 1
            versions[wanted] += snapshot % 2
            for number in randomness.sample(sorted(versions.keys() - {wanted}), LOST):
                del versions[number]
            write_month(source, newest, versions)
        table_head(f"{options.months} months of {options.tickets:,} tickets, {size / 1e6:.0f} MB, {options.versions} snapshots")
        return 0 if all(_measured(desk, str(wanted))) else 1


def _measured(desk: Desk, wanted: str) -> list[bool]:
    desk.forget()
    passed = []
    for state in ("cold", "warm"):
        cost = desk.call("history", PROJECT, "tickets", "--record", wanted)
        passed.append(tell("history of a ticket", state, cost, HISTORY))
    say(cost.output.decode())
    newest = sorted((desk.folder / "source").iterdir())[-1].name
    publication = ("publish", PROJECT, f"tickets/{newest}", "--as", "parquet", "--to", "published", "--quiet")
    tell("a month published", "first", desk.call(*publication), None)
    passed.append(tell("a month published", "unchanged", desk.call(*publication), UNCHANGED))
    deleted = (*publication[:-2], "published-deleted", "--include-deleted", "--quiet")
    passed.append(_within(desk, "the same with what is gone", "first", deleted))
    tell("the same with what is gone", "unchanged", desk.call(*deleted), UNCHANGED)
    pages = ("restore", PROJECT, f"tickets/{newest}", "--as", "pages", "--quiet", "--to")
    passed.append(_within(desk, "a month as pages", "in a ZIP", (*pages, "pages.zip")))
    passed.append(_within(desk, "a month as pages", "in a folder", (*pages, "pages")))
    tell("one ticket as a page", "in a ZIP", desk.call(*pages, "page.zip", "--record", wanted), None)
    return passed


def _within(desk: Desk, name: str, state: str, words: tuple[str, ...]) -> bool:
    cost = desk.call(*words)
    tell(name, state, cost, None)
    return cost.rss <= MOST_MEMORY


if __name__ == "__main__":
    sys.exit(main())
