"""The cells of the table of damage in docs/operations.md, and a bench on which each is damaged: what `test_damage_table.py` and
`test_repair_table.py` go through.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.docs.pages import DOCS, section
from tests.fault.damaged_repository import Built, repository_of, stored
from tests.support import independent_reader
from tests.support.desk import Result
from tests.support.independent_reader import Given
from tests.support.trees import contents

DELETED, OLDER, FOREIGN = "deleted", "an older one", "another project's"
DAMAGES = (DELETED, "emptied", "zeroed", "flipped", "cut short", OLDER, FOREIGN)
MACHINES = ("knows it", "is new")
COMMANDS = (
    "check",
    "check --read-data",
    "audit verify",
    "status",
    "restore",
    "backup",
    "prune",
    "restore then",
    "check --read-data then",
)
"""Columns of the page: what commands end with that are run one after another."""

REPAIRS = ("repair", "with a copy", "with --drop")
"""Further columns: what a repair ends with that is run instead, and what from; one with a second copy; one that gives up."""

ANY = range(256)

FINDINGS = {
    "descriptor": "descriptor",
    "own key": "key object",
    "own key's second place": "key object",
    "key of the kit": "key object",
    "key of an auditor": "key object",
    "root grant": "grant",
    "grant": "grant",
    "revocation": "",
    "epoch": "grant",
    "log entry": "entr",
    "newest log entry": "entr",
    "time stamp": "time stamp",
    "mark": "a prune's mark cannot be read",
    "claim": "a claim cannot be read",
    "hold": "hold",
    "release": "hold",
    "note": "forgotten",
    "move": "snapshot",
    "eviction": "snapshot",
    "roll-up": "a roll-up cannot be used",
    "record table": "a table of records cannot be used",
    "head chunks": "an object of head chunks cannot be used",
    "newest record": "snapshot",
    "older record": "snapshot",
    "index segment": "index segment",
    "pack of what the source has": "damaged",
    "pack of what vanished": "damaged",
    "newest catalogue pack": "cannot be read",
    "older catalogue pack": "cannot be read",
    "copy of settings": "copy of settings",
}
"""What a check (or `audit verify`) says of each kind, among other things, wherever it does not call the repository sound."""

OF_THE_LOG = ("log entry", "newest log entry", "time stamp")
"""Kinds that `audit verify` looks at, and no check."""

WITHOUT_OLDER = frozenset(
    {
        "own key",
        "own key's second place",
        "key of the kit",
        "key of an auditor",
        "revocation",
        "epoch",
        "release",
        "note",
        "move",
        "roll-up",
        "record table",
        "head chunks",
    }
)
"""Kinds of which there is one only."""

OF_ALL_PROJECTS = frozenset({"descriptor", "copy of settings", "time stamp", "newest log entry"})
"""Kinds that are no project's, so that another project's cannot stand in."""


class Cell(Struct, frozen=True):
    """One cell. machine: of `MACHINES`."""

    kind: str
    damage: str
    machine: str

    @property
    def told(self) -> str:
        return f"{self.kind}, {self.damage}, {self.machine}"


def every_cell() -> list[Cell]:
    """All that there can be."""
    return [
        Cell(kind, damage, machine)
        for kind in FINDINGS
        for machine in MACHINES
        for damage in DAMAGES
        if not (damage == OLDER and kind in WITHOUT_OLDER) and not (damage == FOREIGN and kind in OF_ALL_PROJECTS)
    ]


def page() -> dict[Cell, tuple[str, ...]]:
    """What docs/operations.md says, by cell: a word for each of `COMMANDS` and `REPAIRS`."""
    rows = [line.strip("|").split("|") for line in section(DOCS / "operations.md", "### Every kind of damage").splitlines()]
    found: dict[Cell, tuple[str, ...]] = {}
    for kind, damages, machine, *words in (
        tuple(cell.strip() for cell in row) for row in rows if len(row) == 3 + len(COMMANDS) + len(REPAIRS)
    ):
        if kind not in FINDINGS:
            continue
        for damage in damages.split(", "):
            for one in MACHINES if machine == "either" else (machine,):
                cell = Cell(kind, damage, one)
                assert cell not in found, f"{cell.told} stands twice"
                found[cell] = tuple(words)
    return found


def walked(page: Sequence[Cell], often: Callable[[Cell], bool]) -> Iterator[Any]:
    """All cells of the page, as parameters; often: which of them in every run, the others at full depth only."""
    for cell in page:
        yield pytest.param(cell, id=cell.told, marks=[] if often(cell) else [pytest.mark.slow])


class Bench:
    """The repository, put back as it was before every cell."""

    def __init__(self, built: Built, safe: Path) -> None:
        self.built = built
        self.desk = built.desk
        self._safe = safe
        shutil.copytree(self.desk.folder, safe)
        self.truth = self.given()
        assert self.truth is not None and not self.truth.refused
        self.source = {f"reports/{name}": data for name, data in contents(self.desk.folder / "acme").items()}

    def given(self) -> Given | None:
        """What the reader has of acme; None where it opens nothing."""
        try:
            found = independent_reader.read(stored(self.desk), self.desk.identity.read_text())
        except independent_reader.Refused:
            return None
        return found.get(self.built.acme["own key"][0].split("/")[1])

    def put_back(self) -> None:
        """Everything as it was."""
        shutil.rmtree(self.desk.folder)
        shutil.copytree(self._safe, self.desk.folder)

    def hurt(self, cell: Cell) -> str:
        """Damage one object; gives its name."""
        self.put_back()
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
    if "chains" in document:
        return [one["message"] for one in document["discrepancies"]]
    damage = [text for one in (*document["projects"], document["repository"]) for text in one["damage"]]
    lost = [f"lost: {one['path']}" for report in document["projects"] for one in report["lost"]]
    return [*damage, *lost, *(one["message"] for one in document["refused"])]
