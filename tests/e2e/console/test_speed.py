"""What measures the console's speed runs, and its limits are looked at: `benchmarks.console`, over a small history."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

LIMITED = {"first page", "a folder", "a search", "a period", "an item", "the timeline", "what vanished", "a folder at a moment"}


@pytest.mark.slow
def test_every_page_of_the_benchmark_is_there_and_within_its_limits(tmp_path: Path) -> None:
    size = ["--snapshots", "20", "--items", "2000", "--people", "4", "--seconds", "3"]
    words = [sys.executable, "-m", "benchmarks.console", *size, "--work", str(tmp_path)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | {"PATH": path}, timeout=300, check=False)
    rows = dict(re.findall(r"^\| ([^|]+) \|.*\| (passed|FAILED) \([^|]+\) \|$", done.stdout, re.MULTILINE))
    assert rows.keys() >= LIMITED, (done.stdout, done.stderr[-3000:])
    assert "4 people at once" in done.stdout and "memory" in rows
    assert done.returncode == ("FAILED" in rows.values())
