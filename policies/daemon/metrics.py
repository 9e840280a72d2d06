"""The daemon's numbers in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from policies.monitoring.alerts import Alert, ProjectState


class DaemonMetrics(Struct, frozen=True):
    """started: the daemon · running: runs under way · endings: by project, job and ending, since the start · next_runs: by
    project and job."""

    started: datetime
    running: int
    endings: Mapping[tuple[str, str, str], int]
    next_runs: Mapping[tuple[str, str], datetime]
    states: Sequence[ProjectState]
    alerts: Sequence[Alert]


def text(numbers: DaemonMetrics) -> str:
    """All of it."""
    return "".join(f"{line}\n" for line in _lines(numbers))


def _lines(numbers: DaemonMetrics) -> Iterator[str]:
    yield from _metric("start_time_seconds", "gauge", "When the daemon began.", [({}, numbers.started.timestamp())])
    yield from _metric("running", "gauge", "Runs under way.", [({}, numbers.running)])
    ended = [({"project": p, "job": j, "ending": e}, count) for (p, j, e), count in sorted(numbers.endings.items())]
    yield from _metric("runs_total", "counter", "Runs that have ended since the daemon began.", ended)
    coming = [({"project": p, "job": j}, when.timestamp()) for (p, j), when in sorted(numbers.next_runs.items())]
    yield from _metric("next_run_timestamp_seconds", "gauge", "When a job starts next.", coming)
    sources = [({"project": state.project, "source": one.name}, one) for state in numbers.states for one in state.sources]
    last = [(labels, one.last.timestamp()) for labels, one in sources if one.last is not None]
    yield from _metric("last_success_timestamp_seconds", "gauge", "When the newest snapshot of a source was taken.", last)
    promised = [(labels, one.rpo.total_seconds()) for labels, one in sources if one.rpo is not None]
    yield from _metric("rpo_seconds", "gauge", "How long a source may be without a success.", promised)
    missing = [(labels, len(one.missing)) for labels, one in sources]
    yield from _metric("missing_reports", "gauge", "Reports that should have appeared.", missing)
    frozen = [({"project": state.project}, int(bool(state.frozen))) for state in numbers.states]
    yield from _metric("retention_frozen", "gauge", "Whether retention waits for a person.", frozen)
    drilled = [
        ({"project": state.project}, state.drills.last.timestamp())
        for state in numbers.states
        if state.drills is not None and state.drills.last is not None
    ]
    yield from _metric("last_drill_timestamp_seconds", "gauge", "When a restore drill last succeeded.", drilled)
    copied = [
        ({"project": state.project, "copy": one.name}, one.until.timestamp())
        for state in numbers.states
        for one in state.copies
        if one.until is not None
    ]
    yield from _metric("copied_until_timestamp_seconds", "gauge", "A copy has everything that was there then.", copied)
    firing = [
        ({"project": one.project, "promise": one.promise, "subject": one.subject, "severity": one.severity}, 1)
        for one in numbers.alerts
    ]
    yield from _metric("alert_firing", "gauge", "An alert that is firing.", firing)
    yield from _metric("promise_broken", "gauge", "The same under the name of an earlier version.", firing)


def _metric(name: str, kind: str, about: str, values: Iterable[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield f"# HELP strongroom_{name} {about}"
    yield f"# TYPE strongroom_{name} {kind}"
    for labels, value in values:
        inside = ",".join(f'{label}="{_escaped(word)}"' for label, word in labels.items())
        yield f"strongroom_{name}{{{inside}}} {value:.3f}" if inside else f"strongroom_{name} {value:.3f}"


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
