"""A file with the names of an earlier version means what it meant, is told the new names, and is rewritten to them."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

import pytest

from strongroom import settings
from strongroom.settings import renamed
from strongroom.settings.errors import SettingsInvalid, written
from strongroom.settings.example import EXAMPLE
from strongroom.settings.origin import entries

OLD = """\
[repository]
address = "/srv/backup"  # at_once = 9

[defaults.items]   # seven years
reports = "7 years"

[defaults.alarms]
shrunk   = 0.2
"changed" = 0.4

[projects.a]
alarms.shrunk = 0.1
items = { raw = "2 years" }
[[projects.a.sources]]
kind = "reports"
path = "/srv/at_once/items"
expect = [{ every = "hour" }]

[projects.items]
sources = [
  { kind = "raw", path = "/raw", expect = "daily" },
]
[projects.items.items]
raw = "1 year"

[daemon]
at_once = 3
"""
NEW = """\
[repository]
address = "/srv/backup"  # at_once = 9

[defaults.item_retention]   # seven years
reports = "7 years"

[defaults.alerts]
deleted_share   = 0.2
rewritten_share = 0.4

[projects.a]
alerts.deleted_share = 0.1
item_retention = { raw = "2 years" }
[[projects.a.sources]]
kind = "reports"
path = "/srv/at_once/items"
expected = [{ every = "hour" }]

[projects.items]
sources = [
  { kind = "raw", path = "/raw", expected = "daily" },
]
[projects.items.item_retention]
raw = "1 year"

[daemon]
max_parallel = 3
"""


def loaded(tmp_path: Path, text: str) -> settings.Settings:
    file = tmp_path / "strongroom.toml"
    file.write_text(text, "utf-8")
    return settings.load(file)


def test_a_file_with_old_names_means_the_same_as_one_with_the_new(tmp_path: Path) -> None:
    old, new = loaded(tmp_path, OLD).document, loaded(tmp_path, NEW).document
    assert old == new
    assert (old.daemon.max_parallel, old.projects["a"].alerts.deleted_share, old.projects["a"].alerts.rewritten_share) == (
        3,
        0.1,
        0.4,
    )
    assert old.projects["a"].item_retention == {"reports": "7 years", "raw": "2 years"}
    assert old.projects["items"].sources[0].expected[0].every == "day"


def test_each_old_name_is_told_once_with_the_new_one_and_its_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "strongroom")
    loaded(tmp_path, OLD)
    told = [record.getMessage().partition("strongroom.toml: ")[2].partition(";")[0] for record in caplog.records]
    assert sorted(told) == [
        "the setting 'alarms' is now called 'alerts' (lines 7, 12)",
        "the setting 'at_once' is now called 'max_parallel' (line 27)",
        "the setting 'changed' is now called 'rewritten_share' (line 9)",
        "the setting 'expect' is now called 'expected' (lines 17, 21)",
        "the setting 'items' is now called 'item_retention' (lines 4, 13, 23)",
        "the setting 'shrunk' is now called 'deleted_share' (lines 8, 12)",
    ]
    caplog.clear()
    loaded(tmp_path, NEW)
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "line", "key", "new"),
    [
        ("[daemon]\nat_once = 2\nmax_parallel = 3", 4, "daemon.at_once", "max_parallel"),
        ("[defaults.items]\nraw = '1 year'\n[defaults.item_retention]\nraw = '1 year'", 3, "defaults.items", "item_retention"),
        ("[defaults.alarms]\ndeleted_share = 0.1\nshrunk = 0.1", 5, "defaults.alarms.shrunk", "deleted_share"),
    ],
)
def test_an_old_name_beside_the_new_one_is_an_error(tmp_path: Path, text: str, line: int, key: str, new: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, f'[repository]\naddress = "/b"\n{text}\n')
    (found,) = caught.value.faults
    assert (found.line, written(found.fault.key)) == (line, key)
    assert found.fault.what == f"is there beside {new}, which is its name now"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[daemon]\nat_once = 0", "daemon.at_once", "must be at least 1"),
        ("[defaults.alarms]\nshrunk = 3\n[projects.a]", "defaults.alarms.shrunk", "must be at most 1"),
        ("[defaults]\nitems = { report = '1 year' }", "defaults.items.report", "did you mean 'reports'?"),
        (
            "[projects.a]\nsources = [{ kind = 'raw', path = '/r', expect = [{ evry = 'day' }] }]",
            "projects.a.sources[0].expect[0].evry",
            "did you mean 'every'?",
        ),
    ],
)
def test_a_fault_names_the_key_as_the_file_has_it(tmp_path: Path, text: str, key: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, f'[repository]\naddress = "/b"\n{text}\n')
    (found,) = caught.value.faults
    assert written(found.fault.key) == key and words in f"{found.fault.what} ({found.fault.hint})"


def test_what_applies_is_shown_by_its_new_name_with_the_line_of_the_old_one(tmp_path: Path) -> None:
    shown = {written(one.key): one.origin.text(Path("f")) for one in entries(loaded(tmp_path, OLD))}
    assert shown["daemon.max_parallel"] == "f:27"
    assert shown["projects.a.item_retention.raw"] == "f:13"
    assert shown["projects.a.alerts.rewritten_share"] == "inherited from [defaults], f:9"


def test_migration_changes_the_names_and_nothing_else() -> None:
    assert renamed.migrated(OLD) == NEW
    assert renamed.migrated(NEW) == NEW
    assert renamed.migrated(OLD.replace("\n", "\r\n")) == NEW.replace("\n", "\r\n")
    assert renamed.migrated(EXAMPLE) == EXAMPLE


def test_a_key_of_that_name_elsewhere_stays() -> None:
    text = '[repository]\naddress = "/b"\nitems = 1\n[projects.expect]\nat_once = 2\n[notify]\nchanged = 1\n'
    assert renamed.migrated(text) == text
    assert renamed.with_new_names(tomllib.loads(text)).old == ()
