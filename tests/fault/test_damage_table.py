"""The table of damage in docs/operations.md, cell by cell: one object of each kind is damaged, and a machine that knows the
repository, or one that has nothing but keys and settings, goes on working. What a repair makes of each: `test_repair_table.py`.

What every command ends with is compared with the page. Whether the repository is sound is not for `check` to say: an
independent reader is asked, before and after.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from strongroom import environment
from tests.fault.damage_cells import (
    COMMANDS,
    DELETED,
    FINDINGS,
    MACHINES,
    Bench,
    Cell,
    every_cell,
    page,
    said,
    walked,
)
from tests.fault.damaged_repository import build, stored
from tests.support.independent_reader import Given
from tests.support.stage import StageClock
from tests.support.timestamp_authority import TimestampAuthority
from vault.format import grant, hold, layout, snapshot_record
from vault.format.claim import Eviction
from vault.format.moved_packs import MovedPacks
from vault.repository import missing_snapshots

UNSEEN = {("newest record", DELETED), ("own key", DELETED)}
"""What nobody can miss who has not seen it: a newer snapshot, and whose key object it was."""

ALWAYS = {"mark", "move", "index segment", "newest record", "pack of what the source has", "newest catalogue pack"}
"""Kinds of which more than one cell is walked in every run."""

SORTS: dict[type, str] = {
    snapshot_record.Record: "newest record",
    MovedPacks: "move",
    Eviction: "eviction",
    hold.Hold: "hold",
    hold.Release: "release",
    grant.Grant: "grant",
    grant.Revocation: "revocation",
    grant.EpochStatement: "epoch",
}
"""Where a folder holds several sorts of objects: the row of each."""


@dataclass
class Seen:
    """codes: by `COMMANDS` · found: what the check said · before, after: what the reader had, of the project."""

    codes: dict[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    name: str = ""
    before: Given | None = None
    after: Given | None = None


PAGE = page()


def is_common(cell: Cell) -> bool:
    """Whether a cell is walked in every run."""
    number = list(FINDINGS).index(cell.kind)
    some = {(DELETED, MACHINES[number % 2]), ("flipped", MACHINES[1 - number % 2])}
    first = {(DELETED, MACHINES[0])} if number % 2 else {("flipped", MACHINES[1])}
    return (cell.damage, cell.machine) in (some if cell.kind in ALWAYS else first)


def walk(bench: Bench, cell: Cell) -> Seen:
    """Damage, and go on working."""
    seen = Seen(name=bench.hurt(cell), before=bench.given())
    seen.codes["check"] = bench.call("check").code
    checked = bench.call("check", "--read-data", "--json")
    verified = bench.call("audit", "verify", "--json")
    seen.codes["check --read-data"], seen.codes["audit verify"] = checked.code, verified.code
    seen.found = [*said(checked), *said(verified)]
    seen.codes["status"] = bench.call("status").code
    seen.codes["restore"] = bench.restore()
    seen.codes["backup"] = bench.call("backup", "acme").code
    seen.codes["prune"] = bench.call("prune", "acme", "--yes").code
    seen.codes["restore then"] = bench.restore()
    seen.codes["check --read-data then"] = bench.call("check", "--read-data", "--json").code
    seen.after = bench.given()
    return seen


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, timestamp_authority: TimestampAuthority) -> Bench:
    folder = tmp_path_factory.mktemp("damage")
    return Bench(build(folder / "desk", timestamp_authority), folder / "safe")


def test_the_page_has_every_cell() -> None:
    assert {cell.told for cell in every_cell()} == {cell.told for cell in PAGE}


def test_every_kind_of_object_that_the_format_knows_has_a_row(bench: Bench) -> None:
    bench.put_back()
    named = {layout.kind_of(bench.built.acme[kind][0]) for kind in FINDINGS}
    of_projects = set(layout.KINDS) - {"erasures"}  # `test_project_erase.py` damages what is said of projects that are gone
    assert named == of_projects == {layout.kind_of(name) for name in stored(bench.desk)} - {None}


def test_every_sort_of_object_that_a_folder_holds_has_a_row() -> None:
    sorts = {*get_args(snapshot_record.StoredRecord), *get_args(hold.StoredHold), *get_args(grant.Statement)}
    assert sorts == SORTS.keys() and set(SORTS.values()) <= FINDINGS.keys()


@pytest.mark.parametrize("cell", list(walked(list(PAGE), is_common)))
def test_a_cell_of_the_table(bench: Bench, cell: Cell) -> None:
    seen = walk(bench, cell)
    told = tuple(str(seen.codes[one]) for one in COMMANDS)
    assert told == PAGE[cell][: len(COMMANDS)], f"{cell.told}: {told}; {seen.found}"
    whole = bench.truth
    assert whole is not None
    if seen.codes["check --read-data"] == 0:
        assert seen.before is not None, "the reader opens what a check calls sound"
        assert not seen.before.refused
        if not (cell.machine == "is new" and (cell.kind, cell.damage) in UNSEEN):
            assert seen.before.snapshots == whole.snapshots, "the reader has all of what a check calls sound"
    if {20} & {seen.codes["check --read-data"], seen.codes["audit verify"]}:
        assert any(FINDINGS[cell.kind] in text for text in seen.found), seen.found
        leaf = seen.name.rpartition("/")[2].removesuffix(".age")
        assert cell.damage == DELETED or any(leaf in text for text in seen.found), "a check names what is damaged"
    if seen.before is not None and seen.after is not None:
        for snapshot, items in seen.before.snapshots.items():
            left = seen.after.snapshots.get(snapshot, {})
            assert {name: left.get(name) for name in items} == items, "nothing that followed has made it worse"
    if seen.codes["backup"] in (0, 3):
        assert seen.after is not None
        assert seen.after.newest.items() >= bench.source.items(), "the next backup has all of the source"


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[] if kind in ("note", "newest catalogue pack") else [pytest.mark.slow])
        for kind in ("mark", "note", "eviction", "newest record", "older record", "newest catalogue pack")
    ],
)
def test_after_a_person_has_given_up_what_is_damaged_everything_goes_on(
    bench: Bench, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that knows nothing, with all packs in their places for the time being."""
    hurt = bench.hurt(Cell(kind, "flipped", "is new"))
    packs = {name for name in stored(bench.desk) if "/packs/" in name}
    assert "acknowledged by" in bench.call("check", "acme", "--acknowledge", "the disk was wiped").err
    codes = {command: bench.call(*command.split()).code for command in ("check", "backup acme", "prune acme --yes")}
    assert codes == dict.fromkeys(codes, 0)
    assert bench.restore() == 0
    assert packs <= set(stored(bench.desk)), "nobody knows which packs a lost snapshot needs"
    assert "the disk was wiped" in bench.call("retention", "log", "acme").text or kind in ("mark", "eviction")
    later = StageClock(datetime.now(UTC) + missing_snapshots.PACKS_STAY + timedelta(days=1))
    monkeypatch.setattr(environment, "SystemClock", lambda: later)
    codes = {command: bench.call(*command.split()).code for command in ("prune acme --yes", "check --read-data", "backup acme")}
    assert codes == dict.fromkeys(codes, 0)
    assert not any(name.endswith(hurt) for name in stored(bench.desk)) or kind == "note", "what is damaged is gone by then"
    given = bench.given()
    assert given is not None
    assert not given.refused
    assert given.newest.items() >= bench.source.items()
