"""Which files are one table, and what it is called.

    reports/hourly/2024/05/17/14.csv     hourly      folders that only say when are left out of the name
    raw/calls/2024-05-17.jsonl           calls
    tickets/2024-05.csv                  tickets     right in the folder of its kind: the kind

Every table also has its long name, kind and folders joined by `_` (`reports_hourly`); where two tables share a short name, only
the long ones are left. A folder with files of several formats is several tables, `hourly_csv` and `hourly_parquet`. What is no
letter, figure or `_` becomes `_`. Names are the same in capitals.

Of workbooks and SQLite files the sheets that are asked for are read. Where it is one, its rows are in the table of the folder;
of several each is a table, named after itself below the folder: `Calls`, and `reports_hourly_Calls`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from classify.period_recognizer import PeriodRecognizer
from vault.format import manifest

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS: tuple[str, ...] = ("csv", "tsv", "jsonl", "json", "parquet")
"""What DuckDB reads."""

_NOT_A_NAME = re.compile(r"\W+")


class QueryTable(Struct, frozen=True):
    """Files that are one table. names: the short one first, if it has one · folder: kind and folders, for people, and the sheet
    where several are asked for · rows: of the items, in the order of their paths."""

    names: tuple[str, ...]
    folder: str
    format: str
    rows: tuple[int, ...]

    @property
    def name(self) -> str:
        """The shortest."""
        return self.names[0]

    @property
    def stored(self) -> str:
        """The format of the files that DuckDB reads."""
        return self.format if self.format in FORMATS else "parquet"


def find_tables(items: pa.Table, sheets: Mapping[int, str] | None = None) -> list[QueryTable]:
    """All tables among the items, by their folders. sheets: that are wanted of workbooks, by their rows."""
    groups = _groups(items, sheets or {})
    formats = Counter(folder for folder, _ in groups)
    long = {(folder, name): _name([*folder, *([name] if formats[folder] > 1 else [])]) for folder, name in groups}
    short = {(folder, name): _name([folder[-1], *([name] if formats[folder] > 1 else [])]) for folder, name in groups}
    used = Counter(name.casefold() for key in groups for name in {short[key], long[key]})
    views: list[QueryTable] = []
    taken: set[str] = set()
    for key in sorted(groups):
        names = [short[key]] if used[short[key].casefold()] == 1 else []
        names += [long[key]] if long[key] not in names else []
        while names[-1].casefold() in taken:  # `a/b_c` and `a_b/c`
            names[-1] += "_2"
        taken.update(name.casefold() for name in names)
        views.append(QueryTable(tuple(names), "/".join(key[0]), key[1], tuple(sorted(groups[key]))))
    return views


def _groups(items: pa.Table, sheets: Mapping[int, str]) -> dict[tuple[tuple[str, ...], str], list[int]]:
    """Rows by the folders that do not say when, and format."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pc.and_(
        pc.equal(items["type"], manifest.FILE), pc.is_in(items["format"], value_set=pa.array(FORMATS, pa.string()))
    )
    found = pc.indices_nonzero(pc.fill_null(wanted, fill_value=False)).to_pylist()
    rows = pa.array([*found, *sheets], pa.int64())
    several = len(set(sheets.values())) > 1
    near = items.select(["path", "format"]).take(rows)
    folders = pc.replace_substring_regex(near["path"], "(?s)/[^/]*$", "").combine_chunks().dictionary_encode()
    recognizer = PeriodRecognizer(ZoneInfo("UTC"))
    lasting = [_lasting(folder, recognizer) for folder in folders.dictionary.to_pylist()]
    groups: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for row, folder, format_ in zip(rows.to_pylist(), folders.indices.to_pylist(), near["format"].to_pylist(), strict=True):
        sheet = (_of_place(sheets[row]),) if several and row in sheets else ()
        groups.setdefault(((*lasting[folder], *sheet), "xlsx" if format_ == "xlsm" else format_), []).append(row)
    return groups


def _of_place(sheet: str) -> str:
    return f"sheet_{sheet}" if sheet.isdigit() else sheet


def _lasting(folder: bytes, recognizer: PeriodRecognizer) -> tuple[str, ...]:
    """The kind, and the folders below it that say something else than when."""
    parts = folder.split(b"/")
    kept, so_far = [parts[0]], parts[0]
    period_above = recognizer.find(so_far + b"/-")
    for part in parts[1:]:
        so_far += b"/" + part
        period = recognizer.find(so_far + b"/-")
        if period == period_above:
            kept.append(part)
        period_above = period
    return tuple(os.fsdecode(part) for part in kept)


def _name(parts: list[str]) -> str:
    text = _NOT_A_NAME.sub("_", "_".join(parts)).strip("_") or "_"
    return f"_{text}" if text[0].isdigit() else text
