"""Measurements as values, as JSON and as Markdown, with the machine that they were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

OPERATIONS = ("first backup", "second backup", "restore", "restore of one folder")
BASELINES = {"S3": "restic S3", "folder": "restic folder"}


@dataclass(frozen=True, slots=True)
class Result:
    """One operation of one tool in one round. Seconds, bytes; `requests` and `repository` only where they are known."""

    dataset: str
    tool: str
    round: int
    operation: str
    wall: float
    cpu: float
    rss: int
    requests: int | None = None
    repository: int | None = None


def machine(versions: dict[str, str]) -> dict[str, object]:
    """What one has to know to compare the numbers with others."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def version_of(program: str, words: tuple[str, ...]) -> str:
    """The first line that a program says about itself, or "unknown"."""
    done = subprocess.run([program, *words], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return (done.stdout.splitlines() or ["unknown"])[0].strip() if done.returncode == 0 else "unknown"


def as_json(results: list[Result]) -> list[dict[str, object]]:
    """Plain values."""
    return [asdict(result) for result in results]


def markdown(results: list[Result], shapes: dict[str, str]) -> str:
    """A table for each data set: medians over the rounds, wall seconds with the ratio to restic at the same place."""
    return "\n".join(
        line
        for dataset, shape in shapes.items()
        if (of_set := [result for result in results if result.dataset == dataset])
        for line in _table(shape, of_set)
    )


def _table(shape: str, results: list[Result]) -> list[str]:
    tools = list(dict.fromkeys(result.tool for result in results))
    lines = [f"### {shape}", "", f"| tool | {' | '.join(OPERATIONS)} | repository |", "| --- " * 6 + "|"]
    for tool in tools:
        cells = [_cell(results, tool, operation) for operation in OPERATIONS]
        sizes = [result.repository for result in results if result.tool == tool and result.repository is not None]
        size = f"{median(sizes) / 1e6:.1f} MB" if sizes else ""
        lines.append(f"| {tool} | {' | '.join(cells)} | {size} |")
    return [*lines, ""]


def _cell(results: list[Result], tool: str, operation: str) -> str:
    own = [result for result in results if (result.tool, result.operation) == (tool, operation)]
    if not own:
        return ""
    wall = median(result.wall for result in own)
    baseline = BASELINES["S3" if tool.endswith("S3") else "folder"]
    theirs = [result.wall for result in results if (result.tool, result.operation) == (baseline, operation)]
    ratio = f" ({wall / median(theirs):.2f}×)" if theirs else ""
    asked = [result.requests for result in own if result.requests is not None]
    requests = f", {median(asked):.0f} requests" if asked else ""
    cpu, rss = median(result.cpu for result in own), max(result.rss for result in own)
    return f"**{wall:.2f} s**{ratio}, cpu {cpu:.1f} s, {rss / 1e6:.0f} MB{requests}"
