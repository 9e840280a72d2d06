"""What a project has in the end, from itself and from [defaults]; and what the texts mean to the other floors."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.retention.calendar_span import CalendarSpan
from policies.retention.rules import ALL, DEFAULT_KEEP, After, ItemRule, Keep
from policies.scheduling import parser
from policies.scheduling.job_policy import JobPolicy, JobRetries, TimeWindow
from strongroom.settings import durations, load, resolve
from strongroom.settings.example import EXAMPLE
from strongroom.settings.projects import JobSettings, KeepSettings, ProjectSettings, inherited
from vault.errors import SettingsError

usual = settings(derandomize=True, deadline=None, max_examples=100)

DEFAULTS = """
[repository]
address = "/srv/backup"
[defaults]
zone = "Europe/Kyiv"
rpo = "2 hours"
keep = { daily = 30, within = "100 days" }
item_retention = { reports = "7 years after period", raw = "90 days after deletion" }
[defaults.schedule]
backup = { every = "hour at :05", jitter = "10 minutes" }
drill = { every = "week" }
check = { timeout = "2 h" }
"""


def project(tmp_path: Path, text: str, name: str = "a") -> ProjectSettings:
    file = tmp_path / "strongroom.toml"
    file.write_text(DEFAULTS + text)
    return load(file).project(name)


def test_a_project_has_what_it_does_not_say_from_the_defaults_key_by_key(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        "[projects.a]\nzone = 'UTC'\nkeep = { hourly = 48 }\nlock = { days = 3 }\n"
        "item_retention = { raw = '1 year', tickets = 'forever' }\n",
    )
    assert (found.zone, found.rpo, found.lock.days, found.lock.mode) == ("UTC", "2 hours", 3, "none")
    assert found.item_retention == {"reports": "7 years after period", "raw": "1 year", "tickets": "forever"}
    assert resolve.keep(found.keep) == Keep(hourly=48, daily=30, within=CalendarSpan(100, "day"))
    assert resolve.items(found).of("raw") == ItemRule("raw", CalendarSpan(1, "year"))
    assert resolve.items(found).of("reports").after is After.PERIOD
    assert resolve.rpo(found) == timedelta(hours=2)


def test_who_says_when_has_said_it_whole(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        "[projects.a.schedule]\nbackup = { cron = '5 * * * *' }\ndrill = { every = 'never' }\ncheck = { every = 'day' }\n",
    )
    jobs = {job.name: job for job in resolve.scheduled(found)}
    assert jobs.keys() == {"backup", "check"}
    assert jobs["backup"].schedule == parser.read(cron="5 * * * *", zone=ZoneInfo("Europe/Kyiv"))
    assert jobs["backup"].policy.jitter == timedelta(minutes=10)
    assert jobs["check"].policy.timeout == timedelta(hours=2)
    assert found.schedule.check.all_within == "30 days"


def test_a_project_that_is_not_named_has_the_defaults_and_no_sources(tmp_path: Path) -> None:
    found = project(tmp_path, "[projects.b]\nzone = 'UTC'\n", "a")
    assert (found.zone, found.sources) == ("Europe/Kyiv", ())
    assert resolve.keep(found.keep).daily == 30
    file = tmp_path / "small.toml"
    file.write_text('[repository]\naddress = "x"\n')
    assert load(file).zone("a") == "UTC"
    assert resolve.day_first(load(file).project("a"))


def test_nothing_said_means_what_the_rules_take_for_nothing() -> None:
    assert resolve.keep(KeepSettings()) == DEFAULT_KEEP
    assert resolve.policy(JobSettings()) == JobPolicy()
    assert not resolve.runs(JobSettings()) and not resolve.runs(JobSettings(every="never"))


def test_everything_about_a_job_reaches_its_policy() -> None:
    job = JobSettings(
        every="day", catch_up="skip", jitter="5 min", window="22:00-06:00", timeout="3 h", retries=0, back_off="30 s"
    )
    assert resolve.policy(job) == JobPolicy(
        catch_up="skip",
        jitter=timedelta(minutes=5),
        window=TimeWindow(time(22), time(6)),
        timeout=timedelta(hours=3),
        retries=JobRetries(attempts=1, first=timedelta(seconds=30)),
    )


def test_layouts_are_of_the_zone_of_their_project(tmp_path: Path) -> None:
    found = project(tmp_path, "[[projects.a.sources]]\nkind = 'raw'\npath = '/r'\nlayout = ['{year}', '{year}-{month:02}']\n")
    first, second = resolve.layouts(found, found.sources[0])
    assert (first.text, second.text) == ("{year}", "{year}-{month:02}")
    month = second.find(b"2024-05")
    assert month is not None and month.period.moments()[0] == datetime(2024, 4, 30, 21, tzinfo=UTC)


def test_everything_in_the_example_means_something(tmp_path: Path) -> None:
    file = tmp_path / "strongroom.toml"
    file.write_text(EXAMPLE)
    found = load(file)
    for name in found.projects:
        one = found.project(name)
        assert {job.name for job in resolve.scheduled(one)} == set(resolve.JOBS)
        assert resolve.keep(one.keep).monthly == ALL
        assert {rule.kind for rule in resolve.items(one).rules} == {"reports", "tickets", "raw"}
        assert all(source.expected for source in one.sources if source.kind == "reports")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30 s", timedelta(seconds=30)),
        ("1 second", timedelta(seconds=1)),
        (" 15  Minutes ", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("30 days", timedelta(days=30)),
        ("1 week", timedelta(weeks=1)),
    ],
)
def test_lengths_are_read_as_people_write_them(text: str, length: timedelta) -> None:
    assert durations.read(text) == length


@pytest.mark.parametrize(
    "text", ["", "1", "minute", "-1 minute", "1.5 hours", "0 s", "1 month", "1234567 s", "1 minute ago", "٣ days"]
)
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        durations.read(text)
    assert caught.value.hint


@usual
@given(st.integers(1, 10**7))
def test_a_length_that_was_written_is_read_back(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    text = durations.written(length)
    assert len(text.split()[0]) > 6 or durations.read(text) == length


tables = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from(["every", "cron", "a", "b"]), inner, max_size=3), max_leaves=8
)


@usual
@given(tables, tables)
def test_inheriting_changes_nothing_that_is_said_and_inheriting_again_changes_nothing(own: object, above: object) -> None:
    once = inherited(own, above)
    assert inherited(once, above) == once
    if isinstance(own, dict) and isinstance(once, dict):
        assert all(inherited(once[key], own[key]) == once[key] for key in own)
        assert all(once[key] == value for key, value in own.items() if not isinstance(value, dict))
    else:
        assert once == own
