"""The verdict of a status: what a manager is told, in words that follow from what is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from policies.daemon.heartbeat import Heartbeat
from policies.monitoring.alerts import Alert
from strongroom.project_status import (
    AHEAD,
    FAILED,
    LATE,
    NEVER,
    NOT_ASKED,
    NOT_STORED,
    OK,
    PROBLEMS,
    UNLISTED,
    WHOLE_PROJECT,
    FailedBackup,
    LastDrill,
    ProjectStatus,
    SourceStatus,
)
from strongroom.status import RepositoryStatus
from strongroom.status_page import page, write_page
from vault.errors import StorageError, TargetError
from vault.problems import Problem
from vault.wording import rough_duration

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def source(project: str = "acme", name: str = "reports", state: str = OK, minutes: float | None = 32) -> SourceStatus:
    age = None if minutes is None else timedelta(minutes=minutes)
    return SourceStatus(
        project, name, state, taken_at=None if age is None else NOW - age, age=age, snapshot="20261129t1", problems=2
    )


def drill(days: float, trouble: str = "") -> LastDrill:
    return LastDrill(NOW - timedelta(days=days), trouble, timedelta(minutes=4), {"trouble": trouble})


def status_of(*projects: ProjectStatus, **more: object) -> RepositoryStatus:
    found = RepositoryStatus("id", "/srv/repository", projects, (), Heartbeat("none"), (), NOW)
    return replace(found, **more)


def project(
    *rows: SourceStatus, name: str = "acme", made: LastDrill | None = None, alerts: tuple[Alert, ...] = ()
) -> ProjectStatus:
    return ProjectStatus(name, rows, drill=made, alerts=alerts)


def test_where_all_is_well_one_sentence_says_so_with_the_oldest_backup_and_the_last_restore_test() -> None:
    rows = [source(name=str(number), minutes=number) for number in (5, 32, 7)]
    found = status_of(project(*rows, made=drill(2)))
    assert found.verdict.text == (
        "All 3 sources are backed up; the oldest backup is 32 minutes old; the last restore test, 2 days ago, passed."
    )
    assert found.verdict.level == "ok" and not found.has_problems
    assert found.verdict.as_json()["sources_backed_up"] == 3


def test_one_source_is_told_in_the_singular_and_that_no_restore_was_tested() -> None:
    text = status_of(project(source(minutes=0.1))).verdict.text
    assert text == "The only source is backed up; the backup is a few seconds old; no restore was tested yet."


def test_sources_that_are_not_backed_up_are_named_with_why_and_many_are_counted() -> None:
    few = status_of(
        project(source(name="a"), source(name="b", state=LATE, minutes=3000), source(name="c", state=NEVER, minutes=None))
    )
    assert few.verdict.text.startswith(
        "1 of 3 sources is backed up as intended: acme/b is late, acme/c was never backed up; the oldest backup is 2 days old;"
    )
    many = status_of(project(*(source(name=str(number), state=LATE) for number in range(4)), source(state=NEVER, minutes=None)))
    assert many.verdict.text.startswith("None of 5 sources is backed up as intended: 4 are late, 1 was never backed up;")
    assert many.verdict.level == "critical" and "5 problems need attention, 1 of them critical." in many.verdict.text


@pytest.mark.parametrize("state", [LATE, FAILED, NEVER, PROBLEMS, AHEAD])
def test_each_state_that_is_not_well_is_a_problem_with_something_to_do(state: str) -> None:
    row = replace(source(state=state), failed=FailedBackup(NOW, "the folder is gone"))
    (problem,) = status_of(project(row)).problems
    assert problem.title == "acme/reports" and "`strongroom " in problem.hint
    assert ("the folder is gone" in problem.message) == (state in (FAILED, NEVER))


def test_an_alert_about_a_source_takes_the_place_of_its_state_and_critical_ones_come_first() -> None:
    alerts = (
        Alert("acme", "missing", "b", "1 report did not appear", "ask"),
        Alert("acme", "rpo", "reports", "late", "do", severity="critical"),
    )
    found = status_of(project(source(state=LATE), source(name="b"), alerts=alerts))
    assert [(one.severity, one.title) for one in found.problems] == [("critical", "acme/reports"), ("warning", "acme/b")]


def test_what_is_damaged_closed_or_not_there_is_critical() -> None:
    damaged = SourceStatus("acme", WHOLE_PROJECT, "records are damaged", damaged=("x", "y"))
    absent = SourceStatus("gone", WHOLE_PROJECT, NOT_STORED)
    found = status_of(
        project(source(), damaged), not_stored=(absent,), refused=(Problem(b"zeta", "refused-project", "left out"),)
    )
    assert [(one.severity, one.title) for one in found.problems] == [
        ("critical", "zeta"),
        ("critical", "acme"),
        ("critical", "gone"),
    ]
    assert found.verdict.not_backed_up == (absent,)
    assert "gone is not in the repository" in found.verdict.text


def test_sources_that_the_settings_do_not_name_count_for_nothing() -> None:
    found = status_of(project(source(), source(name="old", state=UNLISTED, minutes=99999)))
    assert found.verdict.sources == 1 and "32 minutes old" in found.verdict.text and not found.has_problems
    assert status_of().verdict.text == "Nothing is backed up: the settings name no source."


def test_a_restore_test_that_failed_is_told_whatever_passed_later_and_projects_without_one_are_named() -> None:
    both = [project(source(name), name=name, made=made) for name, made in (("a", drill(3, "2 files differ")), ("b", drill(1)))]
    assert "the last restore test of a, 3 days ago, FAILED." in status_of(*both).verdict.text
    some = [project(source(name), name=name, made=made) for name, made in (("a", drill(3)), ("b", None))]
    assert "the last restore test, 3 days ago, passed; no restore of b was tested yet." in status_of(*some).verdict.text


def test_without_the_store_the_verdict_says_that_it_is_what_this_machine_knows() -> None:
    found = status_of(project(source(state=NOT_ASKED)), repository="", error=StorageError("no route", hint="wait"))
    assert found.verdict.text.startswith("The repository was not reached; as far as this machine knows, the only source is")
    assert "no route" in page(found) and "What to do: wait" in page(found) and 'class="verdict critical"' in page(found)


class Reading(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_has_no_script_loads_nothing_and_escapes_every_text() -> None:
    hostile = '<script>alert("1")</script>&'
    row = replace(source(hostile, hostile, FAILED), failed=FailedBackup(NOW, hostile))
    alert = Alert(hostile, "rpo", "x", hostile, hostile)
    shown = page(status_of(project(row, name=hostile, made=drill(1, hostile), alerts=(alert,)), address=hostile))
    reading = Reading()
    reading.feed(shown)
    assert set(reading.tags) <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "strong", "ul", "li", "br"),
        *("table", "thead", "tbody", "tr", "th", "td", "footer"),
    }
    assert "".join(reading.texts).count(hostile) >= 6


def test_the_page_takes_the_place_of_the_old_one_at_once_and_leaves_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "status.html"
    file.write_text("old")
    write_page(status_of(project(source())), file)
    assert "All is well" in file.read_text() and [one.name for one in tmp_path.iterdir()] == ["status.html"]
    with pytest.raises(TargetError):
        write_page(status_of(), tmp_path / "none" / "status.html")
    file.unlink()
    file.mkdir()
    with pytest.raises(TargetError):
        write_page(status_of(), file)
    assert [one.name for one in tmp_path.iterdir()] == ["status.html"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a few seconds"),
        (34.9, "34 seconds"),
        (60, "1 minute"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172799, "47 hours"),
        (172800, "2 days"),
        (86400 * 1000, "1 000 days"),
    ],
)
def test_a_length_of_time_in_a_sentence_has_one_unit(seconds: float, text: str) -> None:
    assert rough_duration(seconds) == text
