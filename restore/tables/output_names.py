"""Names of converted files: `report.csv` becomes `report.xlsx`, a workbook's sheets `report.Sheet1.csv`, `report.Sheet2.csv`.

The sheets' files lie beside each other where the workbook lay. No two items get one name, case aside: when `report.csv` is
`report.xlsx` already, `report.json` becomes `report.json.xlsx`.
"""

from __future__ import annotations

from collections.abc import Sequence

from restore.tables.formats import FORMATS

LONGEST = 255
"""Bytes of a file's name that every usual file system takes."""

_ENDINGS = {ending for made in FORMATS.values() for ending in made.endings} | {"txt", "htm", "xls", "ipc", "fods"}
_FORBIDDEN = '<>:"/\\|?*'


class OutputNames:
    """Gives names and remembers them."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def take(self, path: str) -> str:
        """A path that is kept for an item that is not converted; said as it is."""
        self._used.add(path.casefold())
        return path

    def give(self, path: str, target: str, tables: Sequence[str]) -> list[str]:
        """For an item at `path` in the format `target`: one name, or as many as there are tables where it holds one only.
        tables: their names."""
        folder, slash, leaf = path.rpartition("/")
        stem, _, ending = leaf.rpartition(".")
        if not stem or ending.casefold() not in _ENDINGS:
            stem = leaf
        suffix = FORMATS[target].endings[0]
        if FORMATS[target].several or len(tables) == 1:
            return [self._free(folder + slash, [stem, leaf], suffix)]
        names = (_safe(name) or f"table{place}" for place, name in enumerate(tables, 1))
        return [self._free(folder + slash, [f"{stem}.{name}", f"{leaf}.{name}"], suffix) for name in names]

    def _free(self, folder: str, stems: list[str], suffix: str) -> str:
        candidates = [f"{folder}{_cut(stem, suffix)}" for stem in stems]
        count = 2
        while all(candidate.casefold() in self._used for candidate in candidates):
            candidates = [f"{folder}{_cut(stems[-1], f'_{count}.{suffix}', '')}"]
            count += 1
        name = next(candidate for candidate in candidates if candidate.casefold() not in self._used)
        return self.take(name)


def _cut(stem: str, suffix: str, point: str = ".") -> str:
    """A leaf that is not too long."""
    end = f"{point}{suffix}"
    room = LONGEST - len(end.encode("utf-8", "surrogateescape"))
    whole = stem.encode("utf-8", "surrogateescape")
    return (whole[:room].decode("utf-8", "ignore") if len(whole) > room else stem) + end


def _safe(name: str) -> str:
    """A sheet's name as a part of a file's name, on any system."""
    plain = "".join(char if char.isprintable() and char not in _FORBIDDEN else "_" for char in name)
    return plain.strip(" .")
