"""What a daemon of many projects costs before any job has run: measured by its benchmark, on a smaller crowd."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.crowd import HEAVY, MEMORY_LIMIT_MB


def test_a_crowd_of_projects_is_held_within_the_limits() -> None:
    command = [sys.executable, "-m", "benchmarks.crowd", "--projects", "40", "--ticks", "10"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("passed") == 5
    assert f"| {MEMORY_LIMIT_MB} | passed |" in done.stdout


def test_nothing_heavy_is_imported_before_a_job_runs() -> None:
    imports = "import sys, policies.scheduling.runner, policies.scheduling.periodic_tasks"
    question = f"{imports}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", question], check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.strip() == "[]"
