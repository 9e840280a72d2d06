"""`strongroom settings`, and what settings do to a backup: faults, origins, the example, zones, layouts, columns of times."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from strongroom import environment
from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files

FAULTS = """\
[repository]
address = "repository"
endpont = "x"
[defaults]
zone = "Europe/Kiyv"
keep = { daily = "many" }
[projects.a]
schedule = { backup = { every = "huor" } }
[[projects.a.sources]]
kind = "reports"
path = 3
layout = "{yaer}"
[[projects.a.sources]]
kind = "raw"
path = "x"
[[projects.a.sources]]
kind = "raw"
path = "y"
[notify.email]
host = "x"
from = "a"
to = "b"
password = "hunter2"
"""


def test_every_fault_is_told_at_once_by_every_command(desk: Desk) -> None:
    desk.settings.write_text(FAULTS)
    message = refusal(desk.call("backup", exits=2))
    assert "strongroom.toml has 7 errors:" in message
    for words in (
        "line 3: repository.endpont is not a setting (did you mean 'endpoint'?)",
        "line 5: defaults.zone cannot be used: unknown time zone 'Europe/Kiyv' (did you mean 'Europe/Kyiv'?)",
        "line 6: defaults.keep.daily must be a whole number that is not negative, or 'all'",
        "line 8: projects.a.schedule.backup.every cannot be used: invalid schedule 'huor'",
        "line 11: projects.a.sources[0].path must be a text",
        "line 12: projects.a.sources[0].layout cannot be used",
        "line 23: notify.email.password is a secret by its name",
    ):
        assert words in message
    assert "hunter2" not in message


def test_a_check_tells_every_fault_and_ends_with_an_error(desk: Desk) -> None:
    desk.settings.write_text(FAULTS)
    result = desk.call("settings", "check", exits=1)
    lines = result.text.splitlines()
    assert lines[-1] == "strongroom.toml: 7 errors, 0 warnings" and len(lines) == 8
    assert all(line.startswith("error: line ") for line in lines[:-1]) and "hunter2" not in result.text
    document = desk.call("settings", "check", "--json", exits=1).document
    assert [one["line"] for one in document["errors"]] == [3, 5, 6, 8, 11, 12, 23]
    assert document["errors"][0] == {
        "line": 3,
        "setting": "repository.endpont",
        "key": "repository.endpont",
        "message": "is not a setting",
        "hint": "did you mean 'endpoint'?",
    }
    desk.settings.write_text("[repository\n")
    assert "is not valid TOML" in desk.call("settings", "check", exits=1).text
    desk.settings.unlink()
    refusal(desk.call("settings", "check", exits=2))


def test_the_settings_that_commands_write_are_right_and_not_odd(used: Desk) -> None:
    result = used.call("settings", "check")
    assert result.text == "strongroom.toml: 0 errors, 0 warnings\n"
    text = used.settings.read_text()
    used.settings.write_text(text.replace('recipients = ["age1', 'recipients = ["age2'))
    assert "error: line" in used.call("settings", "check", exits=1).text
    used.settings.write_text(f'{text}[projects.zeta]\nkeep = {{ within = "1 day" }}\n')
    document = used.call("settings", "check", "--json").document
    assert [one["key"] for one in document["warnings"]] == ["projects.zeta", "projects.zeta.keep.within"]


def test_the_example_passes_its_own_check(desk: Desk) -> None:
    example = desk.call("settings", "example").text
    desk.settings.write_text(example)
    document = desk.call("settings", "check", "--json").document
    assert document["errors"] == []
    assert all("names" in one["message"] for one in document["warnings"]), "but for what this machine has not"


def test_what_applies_is_shown_with_its_origin(used: Desk) -> None:
    used.settings.write_text(used.settings.read_text() + '[defaults]\nrpo = "1 hour"\n')
    lines = used.settings.read_text().splitlines()
    plain = used.call("settings", "show")
    assert 'projects.acme.zone = "UTC"\n' in plain.text and plain.err == ""
    result = used.call("settings", "show", "--origin")
    shown = {line.split(" = ")[0]: line for line in result.text.splitlines()}
    assert shown["projects.acme.rpo"].endswith(f"inherited from [defaults], strongroom.toml:{len(lines)}")
    zone = lines.index('zone = "UTC"') + 1
    assert shown["projects.acme.zone"].endswith(f"strongroom.toml:{zone}")
    assert shown["daemon.max_parallel"].endswith("default")
    assert "found where settings may lie" in result.err
    long = next(line for line in shown.values() if line.startswith("recovery.recipients"))
    assert len(long) > 1000 > 3 * max(len(line) for line in shown.values() if line != long), (
        "one long value widens its own line"
    )
    document = used.call("settings", "show", "--origin", "--json", "--config", "strongroom.toml").document
    rows = {tuple(row["key"]): row for row in document["settings"]}
    assert rows["projects", "acme", "rpo"]["origin"] == {"from": "defaults", "line": len(lines)}
    assert rows["projects", "acme", "sources", 0, "path"]["value"] == str(used.folder / "source")
    assert "origin" not in used.call("settings", "show", "--json").document["settings"][0]
    elsewhere = Desk(used.folder, used.place, {"STRONGROOM_CONFIG": str(used.settings)})
    assert "named by STRONGROOM_CONFIG" in elsewhere.call("settings", "show", "--origin").err


def test_a_new_project_has_this_machines_zone_or_the_one_that_is_asked_for(desk: Desk) -> None:
    write_files(desk.folder / "source", {"a.csv": b"1"})
    desk.init()
    source = ["--source", f"reports={desk.folder / 'source'}"]
    there = Desk(desk.folder, desk.place, {"TZ": "Europe/Kyiv"})
    assert there.call("project", "add", "here", *source, "--json").document["zone"] == "Europe/Kyiv"
    desk.call("project", "add", "asked", *source, "--zone", "America/New_York")
    message = refusal(desk.call("project", "add", "wrong", *source, "--zone", "Kyiv", exits=2))
    assert "unknown time zone" in message and "did you mean 'Europe/Kyiv'?" in message
    message = refusal(desk.call("project", "add", "wrong", *source, "--layout", "{yaer}", exits=2))
    assert "did you mean {year}?" in message
    desk.settings.write_text(desk.settings.read_text() + '[defaults]\nzone = "Asia/Tokyo"\n')
    assert there.call("project", "add", "above", *source, "--json").document["zone"] == "Asia/Tokyo"
    zones = {
        row["key"][1]: (row["value"], row["origin"]["from"])
        for row in desk.call("settings", "show", "--origin", "--json").document["settings"]
        if row["key"][-1] == "zone" and row["key"][0] == "projects"
    }
    assert zones == {
        "here": ("Europe/Kyiv", "file"),
        "asked": ("America/New_York", "file"),
        "above": ("Asia/Tokyo", "defaults"),
    }


def test_options_with_a_secret_are_refused_before_anything_is_made(desk: Desk) -> None:
    message = refusal(desk.call("init", "s3://bucket/x", "--endpoint", "https://me:hunter2@s3.example.org", exits=2))
    assert "hunter2" not in message and not desk.settings.exists() and not desk.identity.exists()
    message = refusal(desk.call("doctor", "s3://bucket/x", "--endpoint", "https://me:hunter2@s3.example.org", exits=2))
    assert "hunter2" not in message
    refusal(desk.call("init", "", exits=2))


def test_layouts_zones_and_columns_of_times_tell_what_items_are_about(desk: Desk) -> None:
    files = {
        "2024/Q3/sums.csv": b"a\n1\n",
        "calls-north.csv": b"id,created\n1,01.02.2024 00:30\n2,03.02.2024 10:00\n",
        "calls-broken.csv": b"id,created\n1,never\n",
        "notes.txt": b"nothing to see",
    }
    write_files(desk.folder / "source", files)
    desk.init()
    desk.call(
        *("project", "add", "acme", "--source", f"raw={desk.folder / 'source'}", "--zone", "Europe/Kyiv"),
        *("--layout", "{year}/Q{quarter}/{any}.csv", "--layout", "{year}", "--time-column", "Created"),
    )
    desk.call("backup")
    about = {item["path"]: item for item in desk.call("ls", "acme", "-r", "--json").document["items"]}
    quarter, calls = about["raw/2024/Q3/sums.csv"], about["raw/calls-north.csv"]
    assert (quarter["period"], quarter["period_origin"]) == ("2024-Q3", "layout")
    assert (calls["period_origin"], calls["period_start"]) == ("content", "2024-01-31T22:30:00+00:00")
    assert calls["period_end"].startswith("2024-02-03T08:00:00.000001")
    for name in ("calls-broken.csv", "notes.txt"):
        assert about[f"raw/{name}"]["period_origin"] == "mtime"
    desk.settings.write_text(desk.settings.read_text().replace('zone = "Europe/Kyiv"', 'zone = "UTC"\ndates = "month-first"'))
    os.utime(desk.folder / "source/calls-north.csv")
    (desk.folder / "source/calls-north.csv").write_bytes(files["calls-north.csv"] + b"3,\n")
    desk.call("backup")
    about = {item["path"]: item for item in desk.call("ls", "acme", "-r", "--json").document["items"]}
    assert about["raw/calls-north.csv"]["period_start"] == "2024-01-02T00:30:00+00:00"


def test_commands_are_listed_without_waiting_for_the_models() -> None:
    code = "import sys, cli.main; print([name for name in ('pydantic', 'tomlkit', 'cronsim') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("key", ["time_column", "expected", "layout"])
def test_old_settings_gain_keys_without_a_new_form(used: Desk, key: str) -> None:
    value = {"time_column": '"created"', "expected": '"hourly"', "layout": '"{year}"'}[key]
    with used.settings.open("a") as settings:
        settings.write(f"{key} = {value}\n")
    used.call("backup")
    assert used.call("settings", "check").text.endswith("0 warnings\n")


def test_a_run_of_the_daemon_goes_by_what_the_daemon_has_read_though_the_file_is_gone(desk: Desk) -> None:
    desk.init()
    copy = desk.folder / "copy.toml"
    desk.settings.rename(copy)
    ours = {environment.SETTINGS_IN_USE: str(copy), environment.PARENT: str(os.getpid())}
    run = replace(desk, variables={**desk.variables, **ours})
    assert run.run("project", "list", "--config", str(desk.settings), "--json").document["projects"] == []
    assert "no settings file" in desk.run("project", "list", "--config", str(desk.settings), exits=2).err
