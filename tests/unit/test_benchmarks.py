"""The benchmarks' own ground: data that repeats itself, a comparison that notices, costs that are read right."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.datasets import MAKERS, Dataset, an_hour_later, dataset
from benchmarks.many_files import write_small_files
from benchmarks.measure import CommandError, Cost, run
from benchmarks.memory import write_large_file
from benchmarks.report import Result, beside_the_best, markdown
from benchmarks.tools import requests_of
from benchmarks.verify import DifferenceError, same_tree

SCALES = {"reports": 0.01, "records": 0.0005, "recordings": 0.002}


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_data_set_is_the_same_every_time(name: str, tmp_path: Path) -> None:
    one = dataset(name, tmp_path / "one", scale=SCALES[name])
    other = dataset(name, tmp_path / "other", scale=SCALES[name])
    assert same_tree(one.path, other.path) == one.files
    assert one.bytes == sum(path.stat().st_size for path in one.path.rglob("*") if path.is_file())
    assert any((one.path / one.folder).iterdir())


def test_a_data_set_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    made = dataset("recordings", tmp_path, scale=0.001)
    first = next(path for path in made.path.rglob("*") if path.is_file())
    first.write_bytes(b"touched")
    assert dataset("recordings", tmp_path, scale=0.001) == made
    assert first.read_bytes() == b"touched"


def test_a_data_set_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    made = dataset("recordings", tmp_path, scale=0.001)
    (made.path.parent / "made.json").unlink()
    (made.path / "left over").write_bytes(b"x")
    assert isinstance(dataset("recordings", tmp_path, scale=0.001), Dataset)
    assert not (made.path / "left over").exists()


def test_the_formats_of_the_data_sets_can_be_read(tmp_path: Path) -> None:
    reports = dataset("reports", tmp_path, scale=0.01)
    for path in sorted((reports.path / reports.folder).iterdir())[:30]:
        if path.suffix == ".json":
            assert json.loads(path.read_bytes())["rows"]
        elif path.suffix == ".xlsx":
            assert zipfile.ZipFile(io.BytesIO(path.read_bytes())).testzip() is None
    records = dataset("records", tmp_path, scale=0.0005)
    for path in records.path.rglob("*.jsonl"):
        assert all(json.loads(line)["call_id"] for line in path.read_text("utf-8").split("\n")[:-1])
    recordings = dataset("recordings", tmp_path, scale=0.001)
    for path in recordings.path.rglob("*.wav"):
        assert path.read_bytes()[:4] == b"RIFF"


def test_small_and_large_files_have_the_size_that_was_asked_for(tmp_path: Path) -> None:
    write_small_files(tmp_path / "small", 2100, longest=50)
    sizes = [path.stat().st_size for path in (tmp_path / "small").rglob("*.csv")]
    assert (len(sizes), min(sizes), max(sizes)) == (2100, 0, 50)
    write_large_file(tmp_path, 5_000_001)
    assert (tmp_path / "archive.bin").stat().st_size == 5_000_001


@pytest.mark.parametrize("damage", ["byte", "time", "length", "missing", "extra", "folder"])
def test_every_difference_between_two_trees_is_noticed(damage: str, tmp_path: Path) -> None:
    for root in (tmp_path / "a", tmp_path / "b"):
        (root / "sub").mkdir(parents=True)
        (root / "sub" / "file").write_bytes(b"content")
        os.utime(root / "sub" / "file", ns=(1, 1_000_000_001))
    assert same_tree(tmp_path / "a", tmp_path / "b") == 1
    file = tmp_path / "b" / "sub" / "file"
    if damage in {"missing", "folder"}:
        file.unlink()
    if damage == "folder":
        file.mkdir()
    if damage == "extra":
        (tmp_path / "b" / "more").mkdir()
    if damage in {"byte", "length"}:
        file.write_bytes(b"contenT" if damage == "byte" else b"content+")
        os.utime(file, ns=(1, 1_000_000_001))
    if damage == "time":
        os.utime(file, ns=(1, 1_000_000_002))
    with pytest.raises(DifferenceError):
        same_tree(tmp_path / "a", tmp_path / "b")


def test_a_command_is_measured_with_its_children(tmp_path: Path) -> None:
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'b = bytearray(150_000_000); print(len(b))'])"
    cost = run([sys.executable, "-c", burn], environment={}, folder=tmp_path, log=tmp_path / "log")
    assert cost.output == b"150000000\n"
    assert cost.rss > 150_000_000
    assert cost.cpu > 0
    assert 0 < cost.wall < 60


def test_a_command_that_fails_says_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"exit 3\n.*told you"):
        run(
            [sys.executable, "-c", "import sys; print('told you', file=sys.stderr); sys.exit(3)"],
            environment={},
            folder=tmp_path,
            log=tmp_path / "log",
        )


@pytest.mark.parametrize(
    ("output", "requests"),
    [
        (b"", None),
        (b"not json", None),
        (b'{"stats": [{"requests": 7}]}', 7),
        (b'{"storage": {"requests": {"PUT": 3, "GET": 4}}}', 7),
    ],
)
def test_requests_are_found_wherever_the_report_has_them(output: bytes, requests: int | None) -> None:
    assert requests_of(Cost(1, 1, 1, output)) == requests


def _results(tool: str, walls: Sequence[float], requests: int | None) -> list[Result]:
    return [
        Result("reports", tool, number, "restore", wall, 1.0, 2_000_000, requests, 5_000_000)
        for number, wall in enumerate(walls)
    ]


def test_the_table_has_medians() -> None:
    results = _results("restic S3", (4, 2, 3), None) + _results("strongroom S3", (1, 9, 1.5), 12)
    table = markdown(results, {"reports": "reports: 2 files", "records": "records: none"})
    assert "**3.00 s**, cpu 1.0 s, 2 MB, stored 5.0 MB |" in table
    assert "**1.50 s**, cpu 1.0 s, 2 MB, 12 requests, stored 5.0 MB |" in table
    assert "records" not in table


def test_strongroom_is_divided_by_the_best_peer_at_the_same_place_and_by_restic() -> None:
    results = [
        *_results("strongroom S3", (1, 9, 1.5), None),
        *_results("restic S3", (4, 2, 3), None),
        *_results("kopia S3", (2, 2, 2), None),
        *_results("kopia folder", (1, 1, 1), None),
        *_results("tar+zstd+openssl", (1, 1, 1), None),
    ]
    (line,) = [line for line in beside_the_best(results).splitlines() if line.startswith("| restore")]
    assert line == "| restore, S3 | 0.75 of kopia, 0.50 of restic | 1.00 of restic | 1.00 of restic |"


def test_what_an_hour_changes_of_the_reports_is_put_back(tmp_path: Path) -> None:
    made, untouched = (dataset("reports", tmp_path / name, scale=0.01) for name in ("one", "other"))
    with an_hour_later(made) as changed:
        differing = [
            path
            for path in made.path.rglob("*.*")
            if path.read_bytes() != (untouched.path / path.relative_to(made.path)).read_bytes()
        ]
        assert len(differing) == changed == made.files / 50
    assert same_tree(made.path, untouched.path) == made.files
    with an_hour_later(dataset("recordings", tmp_path, scale=0.001)) as changed:
        assert changed == 0
