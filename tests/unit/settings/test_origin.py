"""Every value that applies, with where it came from; and what looks odd though it is allowed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from strongroom import environment
from strongroom.settings import Settings, load
from strongroom.settings.errors import SettingsFault, placed, written
from strongroom.settings.lint import failing, odd
from strongroom.settings.origin import entries, toml
from strongroom.settings.toml_positions import places

TEXT = """\
[repository]
address = "s3://backups"
[defaults]
zone = "Europe/Kyiv"
keep.daily = 7
schedule.backup = { every = "hour" }
[projects.a]
dates = "month-first"
item_retention.raw = "2 years"
[[projects.a.sources]]
kind = "raw"
path = "/r"
expected = "hourly"
"""
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "strongroom.toml"
    file.write_text(text)
    return load(file)


def origins(settings: Settings) -> dict[str, tuple[str, str]]:
    """By key: the value as TOML, and the origin in words, without the folder."""
    folder = f"{settings.file.parent}/"
    return {
        written(one.key): (toml(one.value), one.origin.text(settings.file).replace(folder, "")) for one in entries(settings)
    }


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def test_every_value_says_where_it_came_from(tmp_path: Path) -> None:
    found = origins(settings_of(tmp_path, TEXT))
    inherited = "inherited from [defaults], strongroom.toml"
    assert found["repository.address"] == ('"s3://backups"', "strongroom.toml:2")
    assert found["repository.path_style"] == ("-", "default")
    assert found["projects.a.zone"] == ('"Europe/Kyiv"', f"{inherited}:4")
    assert found["projects.a.keep.daily"] == ("7", f"{inherited}:5")
    assert found["projects.a.keep.within"] == ('"90 days"', "default")
    assert found["projects.a.schedule.backup.every"] == ('"hour"', f"{inherited}:6")
    assert found["projects.a.schedule.backup.retries"] == ("2", "default")
    assert found["projects.a.schedule.prune.every"] == ('"never"', "default")
    assert "projects.a.schedule.prune.retries" not in found
    assert found["projects.a.dates"] == ('"month-first"', "strongroom.toml:8")
    assert found["projects.a.item_retention.raw"] == ('"2 years"', "strongroom.toml:9")
    assert found["projects.a.sources[0].name"] == ('"raw"', "default")
    assert found["projects.a.sources[0].expected[0].every"] == ('"hour"', "strongroom.toml:13")
    assert found["projects.a.sources[0].include"] == ("[]", "default")
    assert found["daemon.log"] == ('"text"', "default")


def test_what_nobody_keeps_is_kept_by_the_rules_themselves(tmp_path: Path) -> None:
    found = origins(settings_of(tmp_path, "[repository]\naddress = 'x'\n[projects.a]\n"))
    kept = {key: value for key, value in found.items() if ".keep." in key}
    assert kept == {
        "projects.a.keep.daily": ("366", "default"),
        "projects.a.keep.monthly": ('"all"', "default"),
        "projects.a.keep.within": ('"90 days"', "default"),
    }


def test_the_environment_is_named_where_it_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path, TEXT)
    assert origins(settings)["identity.file"] == (toml(environment.identity_file()), "default")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/elsewhere")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib")
    monkeypatch.setenv("AWS_PROFILE", "backup")
    found = origins(settings)
    assert found["identity.file"] == ('"/etc/elsewhere/strongroom/identity.txt"', "environment: XDG_CONFIG_HOME")
    assert found["daemon.state"] == ('"/var/lib/strongroom"', "environment: XDG_STATE_HOME")
    assert found["repository.profile"] == ('"backup"', "environment: AWS_PROFILE")
    said = settings_of(tmp_path, TEXT.replace("[defaults]", 'profile = "mine"\n[defaults]'))
    assert origins(said)["repository.profile"] == ('"mine"', "strongroom.toml:3")


def told(settings: Settings, faults: list[SettingsFault]) -> list[tuple[int | None, str, str]]:
    """Line, key and message, in the order of the file."""
    return [(one.line, written(one.fault.key), one.fault.what) for one in placed(faults, places(settings.text))]


def test_settings_without_a_flaw_are_not_odd(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "url").write_text("https://example.org/x")
    jobs = "schedule.check.every = 'day'\nschedule.drill.every = 'week'"
    more = f"[recovery]\nrecipients = ['age1x']\n[notify.healthchecks]\nurl_file = 'url'\n[defaults]\nrpo = '1 hour'\n{jobs}"
    text = TEXT.replace("[defaults]", more).replace("/r", "r")
    settings = settings_of(tmp_path, text)
    assert list(odd(settings, NOW)) == []
    assert [written(one.key) for one in failing(settings)] == ["recovery.recipients[0]"]


def test_what_looks_odd_is_told_with_its_line_and_once(tmp_path: Path) -> None:
    text = """\
[repository]
address = "/x"
[identity]
file = "nowhere.txt"
[defaults]
keep.within = "30 days"
schedule.backup.every = "day at 02:30"
schedule.retention.every = "day"
[projects.a]
[projects.b]
rpo = "12 hours"
schedule.check.window = "22:00-06:00"
sources = [{ kind = "raw", path = "gone" }]
[projects.c]
rpo = "1 hour"
schedule.backup.every = "never"
[notify.healthchecks]
url_file = "url"
"""
    settings = settings_of(tmp_path, text)
    shown = [(line, key, words.split(" ")[0]) for line, key, words in told(settings, list(odd(settings, NOW)))]
    assert shown == [
        (None, "recovery", "names"),
        (4, "identity.file", "names"),
        (6, "defaults.keep.within", "is"),
        (7, "defaults.schedule", "has"),
        (7, "defaults.schedule.backup", "is"),
        (8, "defaults.schedule.retention", "runs"),
        (9, "projects.a", "has"),
        (11, "projects.b.rpo", "cannot"),
        (12, "projects.b.schedule", "has"),
        (12, "projects.b.schedule.check", "says"),
        (13, "projects.b.sources[0].path", "names"),
        (14, "projects.c", "has"),
        (15, "projects.c.rpo", "is"),
        (18, "notify.healthchecks.url_file", "names"),
    ]
    assert all(one.hint for one in odd(settings, NOW))


def test_the_longest_wait_between_backups_is_measured_against_the_promise(tmp_path: Path) -> None:
    for every, rpo, kept in (
        ("hour", "1 hour", True),
        ("day at 09:00, 18:00", "15 hours", True),
        ("day at 09:00, 18:00", "12 hours", False),
        ("weekday at 20:00", "2 days", False),
        ("weekday at 20:00", "3 days", True),
    ):
        text = f"[repository]\naddress = 'x'\n[projects.a]\nrpo = '{rpo}'\nschedule.backup.every = '{every}'\n"
        settings = settings_of(tmp_path, text)
        assert [one for one in odd(settings, NOW) if one.key[-1] == "rpo"] == [] or not kept
        assert any("cannot be kept" in one.what for one in odd(settings, NOW)) is not kept


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[repository]\naddress = 'https://x.example'", "repository.address", "not of a bucket"),
        ("[repository]\naddress = 'x'\n[recovery]\nrecipients = ['age1x']", "recovery.recipients[0]", "key"),
        ("[repository]\naddress = 'x'\n[identity]\ncommand = \"a 'b\"", "identity.command", "not whole"),
        ("[repository]\naddress = 'x'\n[identity]\npassphrase_command = ' '", "identity.passphrase_command", "empty"),
        ("[repository]\naddress = 'x'\n[notify.apprise]\nurls_command = '\"'", "notify.apprise.urls_command", "not whole"),
        (
            "[repository]\naddress = 'x'\n[projects.a]\nsources = [{ kind = 'raw', path = '.', exclude = ['[z-a]'] }]",
            "projects.a.sources[0].exclude",
            "invalid pattern",
        ),
    ],
)
def test_what_would_fail_later_is_found_by_a_closer_look(tmp_path: Path, text: str, key: str, words: str) -> None:
    (found,) = failing(settings_of(tmp_path, text))
    assert written(found.key) == key and words in found.what and found.hint


def test_promises_that_nobody_hears_of_and_alerts_that_cannot_ring_are_odd(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    text = """\
[repository]
address = "/x"
[recovery]
recipients = ["age1x"]
[projects.a]
rpo = "2 hours"
alerts.deleted_share = 1
schedule = { backup = { every = "hour" }, check = { every = "day" } }
sources = [{ kind = "raw", path = "r" }]
"""
    settings = settings_of(tmp_path, text)
    shown = [(line, key, words.split(",")[0]) for line, key, words in told(settings, list(odd(settings, NOW)))]
    assert shown == [
        (None, "notify", "is missing"),
        (7, "projects.a.alerts.deleted_share", "cannot be reached: of a source that has lost everything no snapshot is taken"),
        (8, "projects.a.schedule", "has no drill"),
    ]
