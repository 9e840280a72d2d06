"""Files that would take gigabytes or break their readers: each costs itself alone, whatever format is asked for."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

from restore.tables.formats import FORMATS
from tests.support.desk import STRONGROOM, Desk
from tests.support.hostile_tables import hostile_tables
from tests.support.tree_facts import write_files

MOST_MEMORY = 1536 * 1024
"""KiB of a process that meets all of them one after another; one of them alone would take 4 GiB if it were believed."""

GOOD = {"2024-05.csv": b"id,text\n1,a\n2,b\n", "2024-06.csv": b"id,text\n3,c\n"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return hostile_tables(tmp_path_factory.mktemp("made"))


@pytest.fixture
def attacked(desk: Desk, hostile: dict[str, bytes]) -> Desk:
    write_files(desk.folder / "source", {**GOOD, **hostile})
    desk.init()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    return desk


MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=2)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""A program begins with its parent's peak of memory, so that the parent has to be a small one."""


def ended(desk: Desk, *arguments: str) -> tuple[int, int, str]:
    """Exit code of a process, the most memory that it had (KiB), and what it said."""
    command = [sys.executable, "-c", MEASURED, str(STRONGROOM), *arguments]
    done = subprocess.run(
        command, cwd=desk.folder, env=desk.environment, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    code, memory = done.stdout.split()
    return int(code), int(memory), done.stderr.decode()


def test_hostile_tables_are_given_as_they_are_and_the_others_are_converted(attacked: Desk, hostile: dict[str, bytes]) -> None:
    code, memory, said = ended(attacked, "restore", "acme", "--as", "xlsx", "--to", "out")
    assert code == 3 and "Traceback" not in said
    assert memory < MOST_MEMORY
    out = attacked.folder / "out/reports"
    same = {name for name, data in hostile.items() if (out / name).is_file() and (out / name).read_bytes() == data}
    converted = {name for name in hostile if name.endswith(".xlsx")}  # one that is xlsx already is given as it is
    assert same == set(hostile)
    assert {path.name for path in out.iterdir()} == set(hostile) | {"2024-05.xlsx", "2024-06.xlsx"}
    report = json.loads((attacked.folder / "out/strongroom-report.json").read_text())
    told = {problem["path"] for item in report["items"] for problem in item.get("problems", ())}
    assert told == {f"reports/{name}" for name in set(hostile) - converted}


@pytest.mark.parametrize("target", [name for name in FORMATS if name != "xlsx"])
@pytest.mark.slow
def test_whatever_format_is_asked_for(attacked: Desk, hostile: dict[str, bytes], target: str) -> None:
    code, memory, said = ended(attacked, "restore", "acme", "--as", target, "--to", "out")
    assert code == 3 and "Traceback" not in said and memory < MOST_MEMORY
    names = {path.name for path in (attacked.folder / "out/reports").iterdir()}
    assert set(hostile) <= names
    assert {f"2024-05.{FORMATS[target].endings[0]}", f"2024-06.{FORMATS[target].endings[0]}"} <= names


def test_a_merged_table_has_the_rows_of_the_good_files_and_names_the_others(attacked: Desk, hostile: dict[str, bytes]) -> None:
    names = set(hostile) - {"nulls.feather"}  # of which two million rows come before it is given up
    wanted = [f"reports/{name}" for name in (*names, *GOOD)]
    code, memory, said = ended(attacked, "restore", "acme", *wanted, "--merge", "--to", "all.csv")
    assert code == 3 and "Traceback" not in said and memory < MOST_MEMORY
    with (attacked.folder / "all.csv").open() as table:
        assert [(row["id"], row["text"]) for row in csv.DictReader(table)] == [("1", "a"), ("2", "b"), ("3", "c")]
    assert all(f"reports/{name}: it cannot be read as a table: " in said for name in names)


def test_an_export_goes_on_too(attacked: Desk, hostile: dict[str, bytes]) -> None:
    code, memory, said = ended(attacked, "export", "acme", "--to", "bag", "--as", "csv")
    assert code == 3 and "Traceback" not in said and memory < MOST_MEMORY
    assert {path.name for path in (attacked.folder / "bag/data/reports").iterdir()} == set(hostile) | set(GOOD)


def test_a_comparison_of_rows_names_what_it_could_not_compare(attacked: Desk, hostile: dict[str, bytes]) -> None:
    (first,) = attacked.call("list", "acme", "--json").document["projects"][0]["snapshots"]
    for name in [*hostile, *GOOD]:
        path = attacked.folder / "source" / name
        path.write_bytes(path.read_bytes() + b"3,c\n")
    attacked.call("backup")
    code, memory, said = ended(attacked, "diff", "acme", "--rows", "--since", first["snapshot"], "--max-tables", "100")
    assert code == 3 and "Traceback" not in said and memory < MOST_MEMORY
    assert "2024-05.csv" not in said
