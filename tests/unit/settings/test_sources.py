"""Sources of the settings as a backup takes them; the period that a column of times tells; the zone of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from classify.period import Period
from strongroom import environment, settings, sources
from strongroom.settings.projects import ProjectSettings
from tests.support.randomness import SeededChance
from vault.backup import scan_ahead
from vault.backup.item_classification import UTC_OPTIONS
from vault.source.folder import FolderSource

Ask = Callable[[bytes, str], Period | None]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """What a content of a format tells, by its column `created`, in Kyiv."""

    def asked(content: bytes, format_: str) -> Period | None:
        (tmp_path / "table").write_bytes(content)
        descriptor = os.open(tmp_path / "table", os.O_RDONLY)
        try:
            os.lseek(descriptor, len(content), os.SEEK_SET)
            return sources.of_time_column("created", "Europe/Kyiv", day_first=True)(descriptor, format_)
        finally:
            os.close(descriptor)

    return asked


def test_a_column_of_times_tells_from_its_first_moment_to_its_last(ask: Ask) -> None:
    rows = b"id,Created \n1,03.02.2024 10:00\n2,\n3,01.02.2024 00:30:00.5\n4,nonsense\n"
    period = ask(rows, "csv")
    assert period is not None
    assert period.moments() == (
        datetime(2024, 1, 31, 22, 30, 0, 500_000, tzinfo=UTC),
        datetime(2024, 2, 3, 8, 0, 0, 1, tzinfo=UTC),
    )
    lines = b'{"created": "2024-05-17T12:00:00Z"}\n{"other": 1}\n'
    assert ask(lines, "jsonl") == Period.between(
        datetime(2024, 5, 17, 12, tzinfo=UTC), datetime(2024, 5, 17, 12, 0, 0, 1, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("content", "format_"),
    [
        (b"", "csv"),
        (b"id,when\n1,2024-05-17\n", "csv"),
        (b"id,created\n1,soon\n", "csv"),
        (b"id,created\n1,0001-01-01\n", "csv"),
        (b"created\n2024-05-17\n", "pdf"),
        (b"created\n2024-05-17\n", ""),
        (b"created\n2024-05-17\n", "html"),
        (b"PAR1 and then nothing", "parquet"),
        (b"PK\x03\x04 and then nothing", "xlsx"),
        (b"[" * 100_000, "json"),
        (b"SQLite format 3\0" + b"\xff" * 100, "sqlite"),
    ],
)
def test_what_tells_no_period_is_no_error(ask: Ask, content: bytes, format_: str) -> None:
    assert ask(content, format_) is None


def test_no_bytes_at_all_stop_a_backup(ask: Ask) -> None:
    randomness = SeededChance("columns of times")
    heads = {"csv": b"created\n", "jsonl": b'{"created": ', "json": b'[{"created": ', "parquet": b"PAR1", "xlsx": b"PK\x03\x04"}
    for number in range(100):
        format_, head = sorted(heads.items())[number % len(heads)]
        ask(head + randomness.token(50 + number), format_)


def test_a_source_says_how_its_items_are_to_be_understood() -> None:
    project = ProjectSettings.model_validate(
        {
            "zone": "Europe/Kyiv",
            "dates": "month-first",
            "sources": [
                {"kind": "raw", "path": "/r", "layout": ["{year}"], "time_column": "created", "exclude": ["*.tmp"]},
                {"kind": "reports", "path": "/s"},
            ],
        }
    )
    first, second = (sources.backup_source(project, one) for one in project.sources)
    assert isinstance(first.origin, FolderSource)
    assert (first.name, first.kind, first.origin.path, first.origin.rules.takes(b"a.tmp")) == ("raw", "raw", b"/r", False)
    assert (first.classify_options.zone.key, first.classify_options.day_first) == ("Europe/Kyiv", False)
    assert [layout.text for layout in first.classify_options.layouts] == ["{year}"]
    assert (first.classify_options.content_key, first.classify_options.content is None) == ("time column created", False)
    assert (second.classify_options.content, second.classify_options.layouts) == (None, ())
    assert len({first.classify_options.fingerprint, second.classify_options.fingerprint, UTC_OPTIONS.fingerprint}) == 3


def test_a_source_that_says_nothing_is_described_as_before() -> None:
    project = ProjectSettings.model_validate({"sources": [{"kind": "raw", "path": "/r"}]})
    assert sources.backup_source(project, project.sources[0]).classify_options.fingerprint == UTC_OPTIONS.fingerprint


def test_only_a_folder_that_no_command_comes_before_is_looked_at_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_ahead, "is_possible", lambda: True)
    (tmp_path / "source").mkdir()
    head = '[repository]\naddress = "repository"\n'
    folder = '[[projects.one.sources]]\nkind = "reports"\nname = "first"\npath = "source"\n'
    other = '[[projects.one.sources]]\nkind = "raw"\nname = "second"\npath = "source"\n'

    def begun(text: str, projects: Sequence[str] = (), source: str | None = None) -> str | None:
        file = tmp_path / "strongroom.toml"
        file.write_text(head + text)
        with sources.scanning_ahead(settings.load(file), projects, source) as found:
            return None if found is None else found.settings.name

    assert begun(folder + other) == "first"
    assert begun(folder + other, ["one"], "second") == "second"
    assert begun(folder + other, [], "third") is None and begun(folder, ["two"]) is None and begun("") is None
    assert begun(folder + '[projects.one.hooks]\nbefore = ["dump"]\n') is None
    assert begun(folder + 'hooks = { before = ["dump"] }\n') is None
    assert begun(folder + 'hooks = { after = ["tidy"] }\n[projects.one.hooks]\nbefore = ["dump"]\n') is None
    assert begun(folder + '[projects.one.hooks]\nafter = ["tidy"]\n') == "first"
    assert begun('[[projects.one.sources]]\nkind = "raw"\nurl = "s3://bucket/prefix"\n') is None
    monkeypatch.setattr(scan_ahead, "is_possible", lambda: False)
    assert begun(folder) is None


@pytest.mark.parametrize(
    ("variable", "link", "zone"),
    [
        ("Europe/Kyiv", None, "Europe/Kyiv"),
        (":Europe/Kyiv", "/usr/share/zoneinfo/UTC", "Europe/Kyiv"),
        ("EET-2EEST,M3.5.0/3,M10.5.0/4", "/usr/share/zoneinfo/Europe/Kyiv", None),
        (None, "/usr/share/zoneinfo/Europe/Kyiv", "Europe/Kyiv"),
        (None, "../usr/share/zoneinfo/Etc/UTC", "Etc/UTC"),
        (None, "/usr/share/zoneinfo/posix/nowhere", None),
        (None, "/elsewhere", None),
        (None, None, None),
    ],
)
def test_the_zone_of_this_machine_is_what_its_environment_or_its_clock_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, link: str | None, zone: str | None
) -> None:
    monkeypatch.setattr(environment, "LOCALTIME", tmp_path / "localtime")
    monkeypatch.delenv("TZ", raising=False)
    if link is not None:
        (tmp_path / "localtime").symlink_to(link)
    if variable is not None:
        monkeypatch.setenv("TZ", variable)
    assert environment.time_zone() == zone
