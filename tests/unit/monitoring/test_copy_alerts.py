"""When a copy is too far behind, and what a failing job of one is told to be done about."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from policies.monitoring.alerts import CopyState, FailedRuns, ProjectState, evaluate
from tests.support.stage import NOON

HOUR = timedelta(hours=1)


def fired(*copies: CopyState, **more: Any) -> list[tuple[str, str, str]]:
    state = ProjectState("acme", copies=copies, **more)
    return [(one.promise, one.subject, f"{one.message} {one.hint}") for one in evaluate(state, NOON)]


def test_a_copy_within_its_promise_is_quiet() -> None:
    assert not fired(CopyState("offsite", 2 * HOUR, NOON - 90 * HOUR, NOON - 2 * HOUR))
    assert not fired(CopyState("offsite", None, NOON - 90 * HOUR, None))
    assert not fired(CopyState("offsite", 2 * HOUR, NOON - HOUR, None))


def test_a_copy_that_is_late_is_told_with_what_its_run_said() -> None:
    ((promise, subject, said),) = fired(CopyState("offsite", 2 * HOUR, NOON - 90 * HOUR, NOON - 3 * HOUR, "no room"))
    assert (promise, subject) == ("copy", "offsite")
    assert "in the last 3 h, and 2 h are promised; the last run said: no room" in said
    assert "`strongroom copy offsite --project acme`" in said


def test_a_copy_that_was_never_complete_is_late_from_when_it_was_named() -> None:
    ((_, _, said),) = fired(CopyState("offsite", 2 * HOUR, NOON - 5 * HOUR, None))
    assert "was never complete, in 5 h" in said


def test_jobs_of_copies_name_the_command_that_does_them() -> None:
    failed = FailedRuns(3, "away", 3)
    jobs = (("copy offsite", failed), ("retention offsite", failed), ("check offsite", failed), ("prune", failed))
    said = "\n".join(text for _, _, text in fired(jobs=jobs))
    assert "`strongroom copy offsite --project acme`" in said
    assert "`strongroom retention apply acme --from offsite`" in said
    assert "`strongroom check --read-data=rolling acme --from offsite`" in said
    assert "`strongroom prune acme`" in said
