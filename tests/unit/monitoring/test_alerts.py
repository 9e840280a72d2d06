"""Which promises are broken, judged from values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from policies.monitoring.alerts import Alert, CheckState, DrillState, FailedRuns, ProjectState, SourceState, evaluate, span

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOURCE = SourceState("reports", rpo=2 * HOUR, known_since=NOW - 30 * DAY, last=NOW - HOUR)


def alerts(state: ProjectState, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(one.promise, one.subject) for one in evaluate(state, now)]


def of_source(**changes: object) -> ProjectState:
    return ProjectState("sdek", sources=(replace(SOURCE, **changes),))


def test_where_all_is_well_no_promise_is_broken() -> None:
    checks = CheckState(30 * DAY, oldest=NOW - 29 * DAY)
    drills = DrillState(last=NOW - DAY, due=NOW + DAY)
    assert evaluate(ProjectState("sdek", (SOURCE,), checks, drills), NOW) == ()


def test_silence_breaks_the_rpo_by_time_alone() -> None:
    assert alerts(of_source()) == []
    assert alerts(of_source(), NOW + HOUR) == []
    late = evaluate(of_source(), NOW + HOUR + timedelta(minutes=1))
    assert [(one.promise, one.subject) for one in late] == [("rpo", "reports")]
    assert "no success for 2 h 1 min, and 2 h are promised" in late[0].message
    assert "strongroom backup sdek --source reports" in late[0].hint


def test_a_source_that_never_succeeded_has_its_rpo_from_when_it_was_first_met() -> None:
    assert alerts(of_source(last=None, known_since=NOW - HOUR)) == []
    assert "no success at all" in evaluate(of_source(last=None, known_since=NOW - 3 * HOUR), NOW)[0].message


def test_without_a_promise_no_rpo_is_broken() -> None:
    assert alerts(of_source(rpo=None, last=None)) == []


def test_the_last_error_stands_in_the_alert() -> None:
    found = evaluate(of_source(last=NOW - DAY, trouble=FailedRuns(1, "the disk is gone")), NOW)
    assert [one.promise for one in found] == ["rpo"] and "the disk is gone" in found[0].message


def test_problems_that_repeat_are_told_from_the_set_number_on() -> None:
    assert alerts(of_source(trouble=FailedRuns(2, "unreadable"))) == []
    assert alerts(of_source(trouble=FailedRuns(3, "unreadable"))) == [("problems", "reports")]


def test_missing_reports_are_named_and_counted() -> None:
    (alert,) = evaluate(of_source(missing=tuple(f"2026-11-22 {hour:02}h" for hour in range(8))), NOW)
    assert alert.message == (
        "8 reports did not appear: 2026-11-22 00h, 2026-11-22 01h, 2026-11-22 02h, 2026-11-22 03h, 2026-11-22 04h, and 3 more"
    )


def test_a_frozen_project_shows_what_the_flagged_snapshot_did() -> None:
    why = "21270303t080000z-0123456789abcdef of raw data (after 21270303t070000z-fedcba9876543210): 9 of 10 files vanished"
    (alert,) = evaluate(ProjectState("two words", frozen=(why,)), NOW)
    between = "--since 21270303t070000z-fedcba9876543210 --until 21270303t080000z-0123456789abcdef"
    assert f"`strongroom diff 'two words' {between}`" in alert.hint


def test_a_frozen_project_says_how_it_is_accepted() -> None:
    (alert,) = evaluate(ProjectState("sdek", frozen=("snapshot x of reports: 9 of 10 items vanished",)), NOW)
    assert alert.promise == "frozen" and "strongroom snapshot accept sdek" in alert.hint


def test_damage_stands_until_it_is_gone_and_unread_packs_are_told_a_day_later() -> None:
    assert alerts(ProjectState("sdek", checks=CheckState(30 * DAY, None, ("pack ab",)))) == [("damage", "")]
    assert alerts(ProjectState("sdek", checks=CheckState(30 * DAY, NOW - 31 * DAY))) == []
    assert alerts(ProjectState("sdek", checks=CheckState(30 * DAY, NOW - 31 * DAY - HOUR))) == [("checked", "")]


def test_a_drill_is_told_when_it_failed_and_when_it_is_overdue() -> None:
    assert alerts(ProjectState("sdek", drills=DrillState(None, NOW + DAY))) == []
    assert alerts(ProjectState("sdek", drills=DrillState(NOW - 9 * DAY, NOW - HOUR))) == [("drill", "")]
    assert (
        "1 of 3 files"
        in evaluate(ProjectState("sdek", drills=DrillState(NOW, NOW + DAY, "1 of 3 files differ")), NOW)[0].message
    )


def test_other_jobs_in_trouble_are_told_by_name() -> None:
    (alert,) = evaluate(ProjectState("sdek", jobs=(("prune", FailedRuns(3, "denied")),)), NOW)
    assert alert == Alert(
        "sdek",
        "job",
        "prune",
        "failed 3 times in a row; the last time: denied",
        "run `strongroom prune sdek` and read what it says",
        "denied",
    )


def test_a_standing_alerts_keeps_its_key_whatever_its_words() -> None:
    first, later = evaluate(of_source(), NOW + 2 * HOUR)[0], evaluate(of_source(), NOW + 9 * HOUR)[0]
    assert first.key == later.key and first.message != later.message


def test_spans_are_told_in_words() -> None:
    told = [span(timedelta(minutes=minutes)) for minutes in (0, 35, 60, 200, 2879, 2880, 7200)]
    assert told == ["0 min", "35 min", "1 h", "3 h 20 min", "47 h 59 min", "2 days", "5 days"]


def test_a_hint_is_a_command_that_runs_whatever_a_project_is_called() -> None:
    state = ProjectState(
        "two words", (replace(SOURCE, last=NOW - DAY),), frozen=("a flag",), jobs=(("retention", FailedRuns(3, "no")),)
    )
    hints = {one.promise: one.hint for one in evaluate(state, NOW)}
    assert "`strongroom backup 'two words' --source reports`" in hints["rpo"]
    assert "`strongroom diff 'two words' --since '2 days ago'`" in hints["frozen"]
    assert "`strongroom snapshot accept 'two words' --reason '…'`" in hints["frozen"]
    assert "`strongroom retention apply 'two words'`" in hints["job"]


def test_an_alerts_is_critical_by_what_it_means_for_the_data() -> None:
    source = replace(SOURCE, last=NOW - DAY, missing=("2026-11-22",), trouble=FailedRuns(3, "unreadable"))
    state = ProjectState(
        "sdek",
        (source,),
        CheckState(30 * DAY, oldest=NOW - 40 * DAY, damage=("pack 1 is gone",)),
        DrillState(None, NOW, "one file differs"),
        frozen=("many files vanished",),
        jobs=(("prune", FailedRuns(3, "busy")),),
    )
    assert {one.promise: one.severity for one in evaluate(state, NOW)} == {
        "rpo": "critical",
        "frozen": "critical",
        "damage": "critical",
        "drill": "critical",
        "problems": "warning",
        "missing": "warning",
        "checked": "warning",
        "job": "warning",
    }


def test_runs_that_store_nothing_at_all_are_critical_and_an_overdue_drill_is_a_warning() -> None:
    (failed,) = evaluate(of_source(trouble=FailedRuns(3, "no room", failed=3)), NOW)
    (overdue,) = evaluate(ProjectState("sdek", drills=DrillState(NOW - 9 * DAY, NOW - DAY)), NOW)
    assert (failed.severity, overdue.severity) == ("critical", "warning")
    assert failed.as_json()["severity"] == "critical"
