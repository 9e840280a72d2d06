"""Fixed words of the library, in the words of people: none is forgotten, and each is filled in as its language wants it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

import console
import strongroom
from console import vocabulary
from console.accounts import account_log
from console.gateway.proofs import RESULTS
from console.texts import Texts
from console.words import DELETED, Words
from console.words.retention import OLDER, SPANS, WHY
from policies.daemon.job_config import Kind
from policies.retention.calendar_span import UNITS
from policies.retention.rules import ItemRule, Keep
from policies.retention.verdict import Reason, Snapshot, decide
from policies.scheduling import parser
from policies.scheduling.run import Ending
from strongroom.daemon_jobs import DaemonJob
from strongroom.erasure_plan import out_of_reach
from strongroom.mail_preview import SHOWN_HEADERS
from strongroom.project_status import CopyStatus
from strongroom.retention_settings import COUNTS, RetentionRules, _shorter
from strongroom.selection import Unmatched
from strongroom.settings.projects import Expectation, Unit
from vault.format.hold import HeldPeriod, Hold, Scope
from vault.format.log_entry import RESULTS as LOGGED_RESULTS

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
LIBRARY, CONSOLE = Path(strongroom.__file__).parent, Path(console.__file__).parent
LATIN = re.compile("[A-Za-z]{3,}")


@pytest.fixture(params=["ru", "uk"])
def words(request: pytest.FixtureRequest) -> Words:
    return Words(Texts(request.param, UTC_ZONE))


def said(language: str) -> Words:
    return Words(Texts(language, UTC_ZONE))


@cache
def calls() -> tuple[ast.Call, ...]:
    """Of the files that write into the log."""
    texts = (file.read_text() for file in (*LIBRARY.rglob("*.py"), *CONSOLE.rglob("*.py")))
    files = [ast.parse(one) for one in texts if "recorded(" in one or ".note(" in one or "command_log" in one or "_log(" in one]
    return tuple(one for file in files for one in ast.walk(file) if isinstance(one, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def constants(node: ast.AST) -> Iterator[str]:
    yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))


def test_every_action_of_the_log_has_a_name() -> None:
    places = {"recorded": 1, "require_reading": 2, "_read": 5, "drafted": 1, "Recording": 1}
    found = {"kit-check", *account_log.ACTIONS}
    for call in calls():
        place = places.get(name_of(call))
        if place is not None and len(call.args) > place:
            found |= set(constants(call.args[place])) if isinstance(call.args[place], ast.Constant | ast.IfExp) else set()
        if name_of(call) == "_log" and len(call.args) > 2:
            found |= {one for one in constants(call.args[-1]) if one}
    assert {"backup", "restore", "hold-add", "find", "approve", "settings-change", "view"} <= found
    assert found - vocabulary.LOG_ACTIONS.keys() == set()
    assert vocabulary.LOG_ACTIONS.keys() - found == set(), "done by nobody"


def test_every_count_and_fact_of_the_log_has_a_name() -> None:
    counted: set[str] = set()
    for call in calls():
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if name_of(call) in ("count", "note") and isinstance(owner, ast.Name) and owner.id in ("entry", "log"):
            counted |= {one.arg for one in call.keywords if one.arg is not None}
        if name_of(call) == "note" and isinstance(owner, ast.Attribute) and owner.attr in ("_log", "log"):
            counted |= {one.arg for one in call.keywords if one.arg is not None}
        if name_of(call) == "recorded" and len(call.args) > 3 and isinstance(call.args[3], ast.Dict):
            counted |= {str(one.value) for one in call.args[3].keys if isinstance(one, ast.Constant)}
    from strongroom.backup import LOGGED

    assert len(counted) > 30
    assert (counted | set(LOGGED)) - vocabulary.FACTS.keys() == set()


def test_every_word_that_the_library_chooses_from_has_a_name() -> None:
    assert set(LOGGED_RESULTS) | set(RESULTS) <= vocabulary.RESULTS.keys()
    assert set(get_args(Ending)) == vocabulary.ENDINGS.keys()
    assert set(get_args(Kind)) == vocabulary.JOBS.keys()
    assert set(get_args(Unit)) == vocabulary.EVERY.keys()
    assert {*COUNTS, "within"} == vocabulary.KEEP.keys() and set(COUNTS) == OLDER.keys()
    assert set(UNITS) <= SPANS.keys()
    assert set(SHOWN_HEADERS) == vocabulary.MAIL_HEADERS.keys()
    assert set(vocabulary.OUT_OF_REACH) == set(out_of_reach("acme", ()))
    assert set(DELETED) == {"without", "only", "with"}


@pytest.mark.parametrize(
    ("every", "russian", "ukrainian"),
    [
        ("hour at :05", "каждый час в :05", "щогодини о :05"),
        ("2 hours", "каждые 2 часа", "кожні 2 години"),
        ("15 minutes", "каждые 15 минут", "кожні 15 хвилин"),
        ("21 minutes", "каждую 21 минуту", "кожну 21 хвилину"),
        ("day at 02:30, 18:00", "каждый день в 02:30 и 18:00", "щодня о 02:30 і 18:00"),
        ("weekday", "по рабочим дням в 00:00", "у робочі дні о 00:00"),
        ("week on sunday, monday at 04:00", "еженедельно: пн, вс в 04:00", "щотижня: пн, нд о 04:00"),
        ("month on 1, last", "каждый месяц: 1, последний день в 00:00", "щомісяця: 1, останній день о 00:00"),
        ("quarter", "каждый квартал: 1 в 00:00", "щокварталу: 1 о 00:00"),
        (
            "quarter on last",
            "каждый квартал, в последнем месяце: последний день в 00:00",
            "щокварталу, в останньому місяці: останній день о 00:00",
        ),
        ("year on 04-01", "каждый год: 1 апреля в 00:00", "щороку: 1 квітня о 00:00"),
    ],
)
def test_schedules_are_said_as_people_say_them(every: str, russian: str, ukrainian: str) -> None:
    rule = parser.read(every=every, zone=UTC_ZONE).rule
    job = DaemonJob("acme", "backup reports", every, None, NOW, rule, after_backup=False)
    assert (said("ru").schedule(job), said("uk").schedule(job)) == (russian, ukrainian)


def test_a_schedule_by_cron_and_what_runs_after_backups(words: Words) -> None:
    cron = parser.read(cron="5 4 * * *", zone=UTC_ZONE).rule
    assert words.rule(cron) == "cron 5 4 * * *"
    job = DaemonJob("acme", "publish bi", "", None, NOW, parser.on_request(UTC_ZONE).rule, after_backup=True)
    assert words.schedule(job) in ("после резервных копирований", "після резервних копіювань")
    assert words.job(job.job) in ("публикация bi", "публікація bi")


def test_every_reason_of_retention_is_said_in_the_language(words: Words) -> None:
    keep = Keep(last=1, hourly=1, daily=2, weekly=1, monthly=1, quarterly=1, yearly=1)
    moments = [NOW - timedelta(hours=number * 7) for number in range(80)] + [NOW + timedelta(days=1), NOW - timedelta(days=800)]
    taken = [
        Snapshot(f"s{number}", "reports", "reports", at, good=number % 3 > 0, superseded=number > 2)
        for number, at in enumerate(moments)
    ]
    bad = [Snapshot("bad", "mail", "mail", NOW - timedelta(days=400), good=False)]
    holds = [
        Hold("h", Scope(), "суд", "оля (console)", NOW),
        Hold("f", Scope(), "frozen by snapshot s1 of reports", "strongroom", NOW),
    ]
    found: list[Reason] = []
    for held, frozen in ((holds, "snapshot s1 is flagged: it is empty"), ([], "")):
        for within in ("3 days", "1 hour"):
            rules = Keep.parse(keep.as_json() | {"within": within})
            decisions = decide([*taken, *bad], rules, held, NOW, UTC_ZONE, frozen=frozen).decisions
            found += [reason for one in decisions for reason in (*one.keep, *one.forget)]
    assert {one.sort for one in found} == {"one-of", "another", "older", "too-old", "young", "future", "held", *WHY}
    for one in found:
        assert not LATIN.search(words.why(one)), (one, words.why(one))
    assert not any(one.sort == "" for one in found)


def test_other_rules_are_said_in_the_language(words: Words) -> None:
    before = RetentionRules(Keep(daily=30, monthly=1 << 31, last=5), ())
    after = RetentionRules(Keep.parse({"daily": 7, "within": "2 weeks"}), tuple(
        ItemRule.parse("почта", text) for text in ("5 years", "90 days after deletion", "1 month after backup")
    ))  # fmt: skip
    lines = [words.shorter(one) for one in _shorter(before, after)]
    assert len(lines) == 5 and not any(LATIN.search(one) for one in lines), lines
    assert not any(LATIN.search(one) for one in words.rules(after.as_json()))
    assert words.rules({"keep": None}) == []


def test_numbers_of_spans_have_their_plural_forms() -> None:
    assert [said("ru").span(one) for one in ("1 hour", "2 days", "5 years", "quarter", "90 minutes")] == [
        "1 час", "2 дня", "5 лет", "1 квартал", "90 минут",
    ]  # fmt: skip
    assert [said("uk").span(one) for one in ("21 days", "3 weeks", "11 months")] == ["21 день", "3 тижні", "11 місяців"]
    assert said("ru").span("a while") == "a while", "what is not known is not altered"


@pytest.mark.parametrize(
    ("scope", "russian"),
    [
        (Scope(), "весь проект"),
        (Scope(kind="reports, all"), "вид reports, all"),
        (
            Scope(kind="reports", period=HeldPeriod("2024-05", None, None), path="a/**"),
            "вид reports, период май 2024\u202fг., путь a/**",
        ),
        (Scope(path="a, b"), "путь a, b"),
        (Scope(snapshot="20261130t221802z-6b968b4d9d890103"), "снимок 20261130t221802z-6b968b4d9d890103"),
    ],
)
def test_what_a_hold_is_on_is_said_with_its_names(scope: Scope, russian: str) -> None:
    assert said("ru").scope(scope) == russian
    assert said("en").scope(Scope()) == "the whole project"


def test_how_far_a_copy_is_has_no_english_in_it(words: Words) -> None:
    for until in (None, NOW):
        for lacking in (None, 0, 1, 5):
            for unreached in (None, "connection refused"):
                oldest = NOW - timedelta(days=2) if lacking else None
                text = words.copy(CopyStatus("offsite", until, lacking, oldest, None, NOW, unreached))
                assert text and not LATIN.search(text)


def test_what_must_appear_is_said_with_how_late_it_may_be() -> None:
    one = Expectation.model_construct(path="hourly/**", every="hour", grace="90 minutes")
    assert said("ru").expectation(one) == "hourly/**: каждый час, опоздание не больше: 90 минут"
    rows = Expectation.model_construct(path="calls.csv", every="day", grace="1 hour", column="at")
    assert said("uk").expectation(rows) == "calls.csv: щодня рядок за стовпцем at, запізнення не більше: 1 година"


def test_values_of_the_log_are_said_by_what_they_are() -> None:
    russian = said("ru")
    assert russian.value("allow_empty", value=True) == "да"
    assert russian.value("bytes", 1_250_000) == "1,2 МБ" and russian.count("milliseconds", 1400) == "1,4 с"
    assert russian.value("at", "2024-05-17T12:00:00+00:00").startswith("17 мая 2024")
    assert russian.value("on", "kind reports, period 2024-05") == "вид reports, период май 2024\u202fг."
    assert russian.value("reason", "read") == "read", "somebody has written it"
    assert russian.value("selection", {"picked": [{"folders": ["reports/2024"], "deleted": "only"}]}) == (
        "выбрано: папки: reports/2024; удалённое: только оно"
    )
    rules = '{"keep":{"daily":5,"within":"90 days"},"item_retention":{"reports":"7 years after period"}}'
    assert russian.value("before", rules) == ("по одному в день: 5; все моложе: 90 дней; reports: 7 лет после конца периода")


def test_what_was_not_found_is_named_with_why() -> None:
    russian = said("ru")
    assert russian.unmatched(Unmatched("folder", b"reports/\xff", None, "only")) == "папка reports/\\xff: ничего не пропало"
    assert russian.unmatched(Unmatched("period", b"2024-05", None, "without", ("reports",))) == (
        "период май 2024\u202fг., вид reports: файлов не было"
    )
    assert russian.unmatched(Unmatched("item", b"reports/a.csv")) == "файл reports/a.csv"


def test_errors_of_the_console_are_translated_and_those_of_the_library_say_that_they_are_english() -> None:
    assert said("ru").error("there is no such page") == "такой страницы нет"
    assert said("ru").error("disk <b>full</b>, run `strongroom prune`") == (
        '<span lang="en">disk &lt;b&gt;full&lt;/b&gt;, run <code>strongroom prune</code></span>'
    )
    assert said("en").error("disk full") == "disk full" and said("ru").error("") == ""
