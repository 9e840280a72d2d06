"""`strongroom support-bundle`: what helps is in it; secrets and names, planted wherever they may lie, are not."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from policies.scheduling.run import Run
from policies.scheduling.run_history import RunHistory
from strongroom.redaction import GONE, OwnMessages, Pseudonyms, Redaction
from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files
from vault.clock import SystemClock

NAMES = ("zaphod", "trillian", "slartibart", "magrathea", "vogsphere", "deepthought", "marvin", "betelgeuse", "hunter2")
"""Of a project, an item, a source, a folder, a person, a column, a host, a repository; a secret. In small letters."""

WHEN = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)

SETTINGS = """
[projects.Zaphod.schedule]
backup = { every = "day at 03:00" }
[projects.Zaphod.item_retention]
slartibart = "7 years after period"
[defaults.alerts]
deleted_share = 0.25
[daemon]
max_parallel = 3
metrics = "127.0.0.1:9898"
[notify.email]
host = "marvin.example.org"
from = "vogsphere@example.org"
to = ["vogsphere@example.org"]
user = "vogsphere"
password_command = "echo hunter2"
[notify.webhook]
url_file = "/etc/magrathea/hunter2"
"""


@pytest.fixture(scope="module")
def desk_with_names(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Names and secrets in settings, items, the repository's path, the history, its messages, alerts and errors."""
    from tests.support.desk import Place

    desk = Desk(tmp_path_factory.mktemp("bundle") / "desk", Place("betelgeuse"))
    desk.init()
    source = desk.folder / "magrathea"
    write_files(source, {"Trillian/+380501234567.csv": b"deepthought\n1\n", "Trillian.csv": b"deepthought\n2\n"})
    desk.add("Zaphod", f"slartibart={source}")
    desk.settings.write_text(desk.settings.read_text() + SETTINGS)
    desk.call("backup")
    source.rename(desk.folder / "away")
    desk.run("daemon", "run", "backup", exits=1)
    (desk.folder / "away").rename(source)
    (books,) = (desk.folder / "home/.local/state/strongroom").glob("*/books.sqlite")
    history = RunHistory.open(books, SystemClock(), lambda _text: None)
    for number, message in enumerate(
        (
            "slartibart/Trillian.csv: Permission denied",
            "cannot write to standard output: Trillian hunter2",
            "Trillian; AGE-SECRET-KEY-PQ-1HUNTER2",
            "380501234567.wav: it changed while it was read",
        )
    ):
        run = Run(f"{number:016x}", "Zaphod", "backup slartibart", WHEN, WHEN, 1, WHEN, WHEN, "problems", 1, message, "marvin")
        history.write(run)
    history.close()
    errors = desk.folder / "home/.local/state/strongroom/errors"
    errors.mkdir(exist_ok=True)
    (errors / "error-00.txt").write_text(
        'Traceback (most recent call last):\n  File "/home/vogsphere/vault/errors.py", line 31, in Trillian\n'
        "    open('magrathea/Trillian.csv')\nPermissionError: [Errno 13] Permission denied: 'magrathea/Trillian.csv'\n"
        "Trillian: hunter2\n"
    )
    return desk


def read(file: Path) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_nothing_that_was_planted_is_in_the_bundle_and_what_helps_is(desk_with_names: Desk) -> None:
    desk = desk_with_names
    bundle = desk.folder / "bundle.zip"
    listed = desk.call("support-bundle", "--list", "--json")
    assert not bundle.exists() and listed.document["file"] is None
    desk.call("support-bundle", "bundle.zip")
    assert bundle.stat().st_mode & 0o777 == 0o600
    parts = read(bundle)
    assert list(parts) == [one["name"] for one in listed.document["contents"]]
    for name, text in parts.items():
        for planted in (*NAMES, "380501234567", "example.org", str(desk.folder).lower(), "age1", "secret-key"):
            assert planted not in f"{name} {text}".lower(), (name, planted)
        assert "left_out" not in text, text
    found: dict[str, Any] = {name: json.loads(text) for name, text in parts.items() if name.endswith(".json")}
    settings = found["settings.json"]
    assert settings["daemon"]["max_parallel"] == 3 and settings["defaults"]["alerts"]["deleted_share"] == 0.25
    ((project, about),) = settings["projects"].items()
    assert project.startswith("project-") and about["schedule"]["backup"]["every"] == "day at 03:00"
    assert list(about["item_retention"].values()) == ["7 years after period"]
    assert settings["notify"]["email"]["password_command"] == GONE and settings["notify"]["email"]["tls"] == "starttls"
    runs = found["runs.json"]
    assert {one["project"] for one in runs} == {project} and len(runs) == 5
    assert {one["job"].split()[0] for one in runs} == {"backup"}
    messages = [one["message"] for one in runs]
    assert "…: Permission denied" in messages and any("cannot write to standard output" in one for one in messages)
    assert [one["ending"] for one in runs].count("failed") == 1
    assert found["doctor.json"]["usable"] is True and found["doctor.json"]["create_once"] == "kept"
    assert found["doctor.json"]["can_delete"] is True and found["doctor.json"]["store"] == "folder"
    assert found["status.json"]["sources"][0]["project"] == project
    assert found["status.json"]["sources"][0]["items"] == 4
    assert found["cache.json"][0]["parts"]["objects"]["bytes"] > 0
    assert found["versions.json"]["python"].count(".") == 2 and "pyarrow" in found["versions.json"]["packages"]
    (error,) = found["errors.json"]
    assert error["traceback"] == ["  vault/errors.py:31", "PermissionError: …: …", "…: …"]


def test_pseudonyms_are_the_same_in_every_bundle_and_explained_on_this_machine_alone(desk_with_names: Desk) -> None:
    desk = desk_with_names
    for name in ("one.zip", "two.zip"):
        desk.call("support-bundle", name, "--offline")
    first, second = read(desk.folder / "one.zip"), read(desk.folder / "two.zip")
    assert first["settings.json"] == second["settings.json"] and "doctor.json" not in first
    names = desk.call("support-bundle", "--names", "--offline", "--json").document["pseudonyms"]
    assert names["Zaphod"] in first["runs.json"]
    key = desk.folder / "home/.local/state/strongroom/pseudonyms.key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    other = desk.call("support-bundle", "--names", "--offline", "--json").document["pseudonyms"]
    assert other["Zaphod"] != names["Zaphod"], "without this machine's key nobody can try names out"


def test_a_file_that_is_there_is_left_alone(desk_with_names: Desk) -> None:
    mine = desk_with_names.folder / "mine.zip"
    mine.write_text("mine")
    assert "mine.zip" in refusal(desk_with_names.call("support-bundle", "mine.zip", "--offline", exits=1))
    assert mine.read_text() == "mine"


def test_settings_that_cannot_be_read_are_told_by_line_and_without_names(desk_with_names: Desk) -> None:
    desk = desk_with_names
    good = desk.settings.read_text()
    desk.settings.write_text(good + '\n[projects.Zaphod2]\nzone = "Magrathea"\nTrillian = "hunter2"\n')
    text = desk.call("support-bundle", "--show", "--offline").text
    desk.settings.write_text(good)
    assert '"error": "SettingsInvalid"' in text and "is not a setting" in text and "unknown time zone" in text
    assert not any(name in text.lower() for name in NAMES)


def test_a_text_passes_only_where_the_source_has_it() -> None:
    redaction = Redaction(Pseudonyms(b"k" * 32), OwnMessages())
    for text, told in (
        ("slartibart/Trillian.csv: Permission denied", "…: Permission denied"),
        ("Trillian", GONE),
        ("4411", "4411"),
        ("380501234567", GONE),
        ("2024-05-17 Trillian", GONE),
        ("interrupted by Trillian", "interrupted by …"),
    ):
        assert redaction.text(text, "message") == told
    value = redaction.value({"project": "Zaphod", "rows": [{"Trillian": 1}], "at": "2026-03-14T12:00:00+00:00", "x": object()})
    assert value["project"].startswith("project-") and value["at"] == "2026-03-14T12:00:00+00:00" and GONE in value.values()
    assert "Trillian" not in json.dumps(value)
