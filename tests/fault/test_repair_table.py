"""What `repair` makes of each cell of the table of damage in docs/operations.md: by itself, with a second copy at hand, and
where a person gives up what nobody has. Then life goes on.

Whether the repository is sound is not for `repair` and `check` to say alone: an independent reader is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fault.damage_cells import (
    COMMANDS,
    DELETED,
    FINDINGS,
    MACHINES,
    OF_THE_LOG,
    Bench,
    Cell,
    page,
    walked,
)
from tests.fault.damaged_repository import WITH_COPY, build
from tests.support.desk import Result
from tests.support.timestamp_authority import TimestampAuthority

ALWAYS = ("descriptor", "revocation", "own key", "pack of what vanished", "index segment")
"""Kinds of which one cell is walked in every run."""

NOT_NEEDED = "—"
"""Where a repair has nothing left to do by itself."""

REPAIR = ("repair", "acme", "--read-data", "--yes", "--json")
DROP = ("--drop", "--reason", "the disk was wiped")

ORIGINS: dict[str, Callable[[str], bool]] = {
    "taken away": lambda text: "is taken away" in text or "is deleted" in text,
    "the copy": lambda text: "the copy at " in text,
    "this machine": lambda text: "this machine" in text,
    "the other place": lambda text: "put back from keys/" in text or "put back from projects/" in text,
    "a roll-up": lambda text: "a roll-up" in text,
    "the packs": lambda text: "the packs' own" in text,
    "the source": lambda text: "(the source " in text,
    "other packs": lambda text: "(other packs" in text,
    "written anew": lambda text: "what these settings are" in text,
}
"""What the page calls what a repair says."""

PAGE = page()


def is_common(cell: Cell) -> bool:
    """Whether a cell is walked in every run."""
    return cell.kind in ALWAYS and cell.damage == DELETED and cell.machine == MACHINES[ALWAYS.index(cell.kind) % 2]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, timestamp_authority: TimestampAuthority) -> Bench:
    folder = tmp_path_factory.mktemp("repair")
    return Bench(build(folder / "desk", timestamp_authority), folder / "safe")


def in_words(result: Result) -> str:
    """A repair's exit code, and what it has mended something from, as the page has it."""
    document = json.loads(result.out)
    if "error" in document:
        return str(result.code)
    steps = [one["message"] for one in document["repository"]["repaired_objects"]]
    steps += [f"{one['message']} ({one['copied_from']})" for it in document["projects"] for one in it["steps_done"]]
    found = {next((word for word, fits in ORIGINS.items() if fits(text)), text) for text in steps}
    return ", ".join([str(result.code), *sorted(found)])


def unmended(result: Result) -> list[str]:
    """What it names, with what to do about it, in words."""
    document = json.loads(result.out)
    if "error" in document:
        return [f"{document['error']['message']} {document['error']['hint']}"]
    left = [one["message"] for one in document["repository"]["unrepaired_objects"]]
    for one in document["projects"]:
        left += [json.dumps(it) for it in (*one["left_to_repair"]["unrepaired"], *one["left_to_repair"]["lost_items"])]
    return [*left, *(one["message"] for one in document["refused"])]


def look(bench: Bench, cell: Cell, *words: str) -> tuple[str, str]:
    """Damage, and repair; whatever it says, nothing is worse than before, and what it calls sound is so. Gives what it said,
    and what a check says then."""
    name = bench.hurt(cell)
    before = bench.given()
    result = bench.call(*REPAIR, *words)
    repaired = bench.given()
    checked = bench.call(*(("audit", "verify") if cell.kind in OF_THE_LOG else ("check", "--read-data"))).code
    if before is not None:
        assert repaired is not None, "the reader opens what it opened before"
        for snapshot, items in before.snapshots.items():
            left = repaired.snapshots.get(snapshot, {})
            assert {path: left.get(path) for path in items} == items, f"{cell.told}: the repair has made it worse"
    if result.code != 0:
        leaf = name.rpartition("/")[2].removesuffix(".age")
        assert unmended(result), f"{cell.told}: what is left is named"
        assert cell.damage == DELETED or "--drop" in words or any(leaf in text for text in unmended(result)), (
            f"{cell.told}: {unmended(result)}"
        )
    elif checked == 0 and "--drop" not in words:
        assert repaired is not None and not repaired.refused, f"{cell.told}: the reader finds nothing wrong"
        assert bench.call("repair", "acme", "--read-data", "--dry-run", *words).text.count("nothing to repair") == 1
    return in_words(result), str(checked)


def life_goes_on(bench: Bench) -> dict[str, int]:
    """The next backup and prune, and a check; the next backup has all of the source."""
    commands = ("backup acme", "prune acme --yes", "check --read-data")
    codes = {command: bench.call(*command.split()).code for command in commands}
    after = bench.given()
    assert after is not None and after.newest.items() >= bench.source.items()
    return codes


SOUND = {"backup acme": 0, "prune acme --yes": 0, "check --read-data": 0}


def told(bench: Bench, cell: Cell) -> Iterator[tuple[str, Any]]:
    """What the page should say in the columns about repairs; besides, what must be."""
    alone, checked = look(bench, cell)
    yield alone, checked
    if alone.startswith("0"):
        yield "life", life_goes_on(bench)
        return
    copied, checked = look(bench, cell, "--config", WITH_COPY)
    yield copied, checked
    if copied.startswith("0"):
        yield "life", life_goes_on(bench)
    dropped, checked = look(bench, cell, *DROP)
    yield dropped.partition(",")[0], checked
    if dropped.startswith("0"):
        yield "life", life_goes_on(bench)


@pytest.mark.parametrize("cell", list(walked(list(PAGE), is_common)))
def test_what_a_repair_makes_of_a_cell_of_the_table(bench: Bench, cell: Cell) -> None:
    words = list(PAGE[cell][len(COMMANDS) :])
    found = [(word, checked) for word, checked in told(bench, cell)]
    said = [word for word, _ in found if word != "life"]
    assert [*said, NOT_NEEDED, NOT_NEEDED][: len(words)] == words, f"{cell.told}: {found}"
    for word, checked in found:
        if word == "life":
            assert checked == SOUND, f"{cell.told}: {found}"
        else:
            assert checked == word.partition(",")[0], f"{cell.told}: a check says the same"


def test_the_table_names_every_kind() -> None:
    assert {cell.kind for cell in PAGE} == FINDINGS.keys()
