"""Measurements as values, as JSON and as Markdown, with the machine that they were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from statistics import median

from msgspec import Struct
from msgspec.structs import asdict

OPERATIONS = ("first backup", "unchanged", "an hour", "restore", "one folder")
PEERS = ("restic", "rustic", "kopia", "borg")
PLACES = ("S3", "folder")
MEASURES = ("wall", "cpu", "stored")
BY_DAEMON = ("unchanged", "an hour")
"""What a schedule runs every hour."""


class Result(Struct, frozen=True):
    """One operation of one tool in one round. Seconds, bytes; requests: where its report says them · stored: bytes that the
    repository has more."""

    dataset: str
    tool: str
    round: int
    operation: str
    wall: float
    cpu: float
    rss: int
    requests: int | None = None
    stored: int | None = None


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
    """A table for each data set: medians over the rounds."""
    return "\n".join(
        line
        for dataset, shape in shapes.items()
        if (of_set := [result for result in results if result.dataset == dataset])
        for line in _table(shape, of_set)
    )


def beside_the_best(results: list[Result]) -> str:
    """A table for each data set: Strongroom's medians divided by those of the best peer, which is named, and by restic's."""
    lines: list[str] = []
    for dataset in dict.fromkeys(result.dataset for result in results):
        of_set = [result for result in results if result.dataset == dataset]
        lines += [
            f"### {dataset}: Strongroom beside the best peer",
            "",
            "| operation | wall | cpu | stored |",
            "| --- | --- | --- | --- |",
        ]
        for place in PLACES:
            for operation in OPERATIONS:
                cells = [_ratio(of_set, place, operation, measure) for measure in MEASURES]
                if any(cells):
                    lines.append(f"| {operation}, {place} | {' | '.join(cells)} |")
            for operation in BY_DAEMON:
                cells = [_ratio(of_set, place, operation, measure, ours=f"strongroom daemon, {place}") for measure in MEASURES]
                if any(cells):
                    lines.append(f"| {operation} by the daemon, {place} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _ratio(results: list[Result], place: str, operation: str, measure: str, ours: str = "") -> str:
    """`0.62 of rustic, 0.55 of restic`; nothing where one side was not measured. ours: the tool; else the command."""
    own = _median(results, ours or f"strongroom {place}", operation, measure)
    theirs = {peer: _median(results, f"{peer} {place}", operation, measure) for peer in PEERS}
    known = {peer: value for peer, value in theirs.items() if value}
    if own is None or not known:
        return ""
    named = dict.fromkeys([min(known, key=known.__getitem__), *(["restic"] if "restic" in known else [])])
    return ", ".join(f"{own / known[peer]:.2f} of {peer}" for peer in named)


def _median(results: list[Result], tool: str, operation: str, measure: str) -> float | None:
    own = [result for result in results if (result.tool, result.operation) == (tool, operation)]
    found = [value for result in own if (value := getattr(result, measure)) is not None]
    return median(found) if found else None


def _table(shape: str, results: list[Result]) -> list[str]:
    tools = list(dict.fromkeys(result.tool for result in results))
    shown = [operation for operation in OPERATIONS if any(result.operation == operation for result in results)]
    lines = [f"### {shape}", "", f"| tool | {' | '.join(shown)} |", "| --- " * (len(shown) + 1) + "|"]
    lines += [f"| {tool} | {' | '.join(_cell(results, tool, operation) for operation in shown)} |" for tool in tools]
    return [*lines, ""]


def _cell(results: list[Result], tool: str, operation: str) -> str:
    """Medians over the rounds, of memory the maximum."""
    own = [result for result in results if (result.tool, result.operation) == (tool, operation)]
    if not own:
        return ""
    wall, cpu = median(result.wall for result in own), median(result.cpu for result in own)
    memory = max(result.rss for result in own)  # 0: not measured
    parts = [f"**{wall:.2f} s**", f"cpu {cpu:.1f} s", *([f"{memory / 1e6:.0f} MB"] if memory else [])]
    asked = _median(results, tool, operation, "requests")
    stored = _median(results, tool, operation, "stored")
    parts += [f"{asked:.0f} requests"] if asked is not None else []
    parts += [f"stored {stored / 1e6:.1f} MB"] if stored is not None else []
    return ", ".join(parts)
