"""The table of damage in docs/operations.md, cell by cell: one object of each kind is damaged, and a machine that knows the
repository, or one that has nothing but keys and settings, goes on working.

What every command ends with is compared with the page. Whether the repository is sound is not for `check` to say: an
independent reader is asked, before and after.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from strongroom import context
from tests.docs.pages import DOCS, section
from tests.fault.damaged_repository import Built, build, repository_of, stored
from tests.support import independent_reader
from tests.support.desk import Result
from tests.support.independent_reader import Given
from tests.support.stage import StageClock
from tests.support.trees import contents
from vault.repository import missing_snapshots

DELETED, OLDER, FOREIGN = "deleted", "an older one", "another project's"
DAMAGES = (DELETED, "emptied", "zeroed", "flipped", "cut short", OLDER, FOREIGN)
MACHINES = ("knows it", "is new")
COMMANDS = ("check", "check --read-data", "status", "restore", "backup", "prune", "restore then", "check --read-data then")
ANY = range(256)

FINDINGS = {
    "descriptor": "descriptor",
    "own key": "key object",
    "key of the kit": "key object",
    "mark": "a prune's mark cannot be read",
    "claim": "a claim cannot be read",
    "hold": "hold",
    "note": "forgotten",
    "move": "snapshot",
    "eviction": "snapshot",
    "roll-up": "a roll-up cannot be used",
    "newest record": "snapshot",
    "older record": "snapshot",
    "index segment": "index segment",
    "pack of what the source has": "damaged",
    "pack of what vanished": "damaged",
    "newest catalogue pack": "cannot be read",
    "older catalogue pack": "cannot be read",
    "copy of settings": "copy of settings",
}
"""What a check says of each kind, among other things, wherever it does not call the repository sound."""

UNSEEN = {("newest record", DELETED), ("own key", DELETED)}
"""What nobody can miss who has not seen it: a newer snapshot, and whose key object it was."""

OF_ALL_PROJECTS = ("descriptor", "copy of settings")
"""Kinds that are no project's, so that another project's cannot stand in."""

ALWAYS = {"mark", "move", "index segment", "newest record", "pack of what the source has", "newest catalogue pack"}
"""Kinds of which more than one cell is walked in every run."""


class Cell(Struct, frozen=True):
    """One cell. machine: of `MACHINES`."""

    kind: str
    damage: str
    machine: str

    @property
    def told(self) -> str:
        return f"{self.kind}, {self.damage}, {self.machine}"


@dataclass
class Seen:
    """codes: by `COMMANDS` · found: what the check said · before, after: what the reader had, of the project."""

    codes: dict[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    name: str = ""
    before: Given | None = None
    after: Given | None = None


def page() -> dict[Cell, tuple[str, ...]]:
    """What docs/operations.md says, by cell."""
    rows = [line.strip("|").split("|") for line in section(DOCS / "operations.md", "### Every kind of damage").splitlines()]
    found: dict[Cell, tuple[str, ...]] = {}
    for kind, damages, machine, *codes in (
        tuple(cell.strip() for cell in row) for row in rows if len(row) == 3 + len(COMMANDS)
    ):
        if kind not in FINDINGS:
            continue
        for damage in damages.split(", ") if damages != "any" else DAMAGES:
            for one in MACHINES if machine == "either" else (machine,):
                cell = Cell(kind, damage, one)
                assert cell not in found, f"{cell.told} stands twice"
                found[cell] = tuple(codes)
    return found


PAGE = page()


def walked() -> Iterator[Any]:
    """All cells of the page; most of them only at full depth."""
    kinds = list(FINDINGS)
    for cell in PAGE:
        number = kinds.index(cell.kind)
        some = {(DELETED, MACHINES[number % 2]), ("flipped", MACHINES[1 - number % 2])}
        first = {(DELETED, MACHINES[0])} if number % 2 else {("flipped", MACHINES[1])}
        often = (cell.damage, cell.machine) in (some if cell.kind in ALWAYS else first)
        yield pytest.param(cell, id=cell.told, marks=[] if often else [pytest.mark.slow])


class Bench:
    """The repository, put back as it was before every cell."""

    def __init__(self, built: Built, safe: Path) -> None:
        self.built = built
        self.desk = built.desk
        self._safe = safe
        shutil.copytree(self.desk.folder, safe)
        self.truth = self.given()
        self.source = {f"reports/{name}": data for name, data in contents(self.desk.folder / "acme").items()}

    def given(self) -> Given | None:
        """What the reader has of acme; None where it opens nothing."""
        try:
            found = independent_reader.read(stored(self.desk), self.desk.identity.read_text())
        except independent_reader.Refused:
            return None
        return found.get(self.built.acme["own key"][0].split("/")[1])

    def hurt(self, cell: Cell) -> str:
        """Damage one object; gives its name."""
        shutil.rmtree(self.desk.folder)
        shutil.copytree(self._safe, self.desk.folder)
        if cell.machine == "is new":
            for part in (".cache", ".local"):
                shutil.rmtree(self.desk.folder / "home" / part)
        names = self.built.acme[cell.kind]
        file = repository_of(self.desk) / names[0]
        data = file.read_bytes()
        middle = len(data) // 2
        new: bytes | None = None
        match cell.damage:
            case "emptied":
                new = b""
            case "zeroed":
                new = bytes(len(data))
            case "flipped":
                new = data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]
            case "cut short":
                new = data[: len(data) * 2 // 3]
            case "an older one":
                new = (repository_of(self.desk) / names[1]).read_bytes()
            case "another project's":
                new = (repository_of(self.desk) / self.built.zeta[cell.kind][0]).read_bytes()
        if new is None:
            file.unlink()
        else:
            file.write_bytes(new)
        return names[0]

    def walk(self, cell: Cell) -> Seen:
        """Damage, and go on working."""
        seen = Seen(name=self.hurt(cell), before=self.given())
        seen.codes["check"] = self.call("check").code
        checked = self.call("check", "--read-data", "--json")
        seen.codes["check --read-data"], seen.found = checked.code, said(checked)
        seen.codes["status"] = self.call("status").code
        seen.codes["restore"] = self.restore()
        seen.codes["backup"] = self.call("backup", "acme").code
        seen.codes["prune"] = self.call("prune", "acme", "--yes").code
        seen.codes["restore then"] = self.restore()
        seen.codes["check --read-data then"] = self.call("check", "--read-data", "--json").code
        seen.after = self.given()
        return seen

    def call(self, *words: str) -> Result:
        return self.desk.call(*words, exits=ANY)

    def restore(self) -> int:
        back = self.desk.folder / "back"
        shutil.rmtree(back, ignore_errors=True)
        code = self.call("restore", "acme", "--to", "back", "--yes").code
        if code == 0:
            assert contents(back) in (self.source, self.seen()), "what calls itself whole is the newest snapshot"
        return code

    def seen(self) -> dict[str, bytes]:
        """What the reader finds in the newest snapshot, without what has vanished; a machine that knows more may give more."""
        given = self.given()
        return {name: data for name, data in given.newest.items() if name in self.source} if given else {}


def said(result: Result) -> list[str]:
    """What a check found, in words."""
    document = json.loads(result.out)
    if "error" in document:
        return [document["error"]["message"]]
    damage = [text for one in (*document["projects"], document["repository"]) for text in one["damage"]]
    lost = [f"lost: {one['path']}" for report in document["projects"] for one in report["lost"]]
    return [*damage, *lost, *(one["message"] for one in document["refused"])]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("damage")
    return Bench(build(folder / "desk"), folder / "safe")


def test_the_page_has_every_cell() -> None:
    missing = {
        Cell(kind, damage, machine).told
        for kind in FINDINGS
        for damage in DAMAGES
        for machine in MACHINES
        if Cell(kind, damage, machine) not in PAGE
    }
    without_older = {"own key", "key of the kit", "note", "move", "roll-up"}
    assert missing == {
        Cell(kind, damage, machine).told
        for machine in MACHINES
        for kind, damage in [*((kind, OLDER) for kind in without_older), *((kind, FOREIGN) for kind in OF_ALL_PROJECTS)]
    }


@pytest.mark.parametrize("cell", list(walked()))
def test_a_cell_of_the_table(bench: Bench, cell: Cell) -> None:
    seen = bench.walk(cell)
    told = tuple(str(seen.codes[one]) for one in COMMANDS)
    assert told == PAGE[cell], f"{cell.told}: {told}; {seen.found}"
    whole = bench.truth
    assert whole is not None
    if seen.codes["check --read-data"] == 0:
        assert seen.before is not None, "the reader opens what a check calls sound"
        assert not seen.before.refused
        if not (cell.machine == "is new" and (cell.kind, cell.damage) in UNSEEN):
            assert seen.before.snapshots == whole.snapshots, "the reader has all of what a check calls sound"
    else:
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
    monkeypatch.setattr(context, "SystemClock", lambda: later)
    codes = {command: bench.call(*command.split()).code for command in ("prune acme --yes", "check --read-data", "backup acme")}
    assert codes == dict.fromkeys(codes, 0)
    assert not any(name.endswith(hurt) for name in stored(bench.desk)) or kind == "note", "what is damaged is gone by then"
    given = bench.given()
    assert given is not None
    assert not given.refused
    assert given.newest.items() >= bench.source.items()
