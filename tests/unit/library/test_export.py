"""Exports through the library: a bag in a folder or a ZIP file, planned first."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from strongroom.export import export, plan_export
from strongroom.selection import SelectionOptions
from strongroom.table_options import TableOptions
from tests.support.bags import files_of, unzipped, validate
from tests.unit.library.repositories import EVERYTHING, OLD_NOTES, OpenProject, contents, restorable
from vault.errors import Interrupted, RefusedByRule, TargetError, UsageError


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    with restorable(tmp_path_factory.mktemp("export")) as opened:
        yield opened


def payload(bag: Path) -> dict[str, bytes]:
    """The items of a bag, by their paths in a restore."""
    return {name.removeprefix("data/"): data for name, data in files_of(bag).items() if name.startswith("data/")}


def test_a_bag_has_everything_and_says_who_asked_and_why(acme: OpenProject, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    planned = plan_export(acme.context, acme.select(), bag, reason="ticket 17")
    assert not bag.exists() and planned.plans[0].files == 4 and planned.estimate.seconds > 0
    assert planned.where == str(bag) and planned.request.asker.reason == "ticket 17"
    result = export(planned)
    validate(bag)
    assert payload(bag) == EVERYTHING
    assert (result.path, result.files, result.bytes) == (bag, 4, sum(map(len, EVERYTHING.values())))
    assert result.problems == [] and result.outcomes is None
    asked = json.loads((bag / "report.json").read_text())["asked"]
    document = result.as_json()
    assert document["by"] == asked and asked["for"] == "ticket 17" and document["bag"] == str(bag)
    assert document["plan"] == planned.plans[0].as_json() and document["files"] == 4 and document["missing_snapshots"] == []


def test_a_zip_file_holds_the_same_bag_and_one_that_exists_stays(acme: OpenProject, tmp_path: Path) -> None:
    archive = tmp_path / "bag.zip"
    result = export(plan_export(acme.context, acme.select(SelectionOptions(kinds=["tickets"])), archive))
    bag = unzipped(archive, tmp_path / "out")
    validate(bag)
    assert payload(bag) == {"tickets/t1.json": EVERYTHING["tickets/t1.json"]} and result.files == 1
    before = archive.read_bytes()
    with pytest.raises(TargetError, match="is there already"):
        plan_export(acme.context, acme.select(), archive)
    assert archive.read_bytes() == before


def test_tables_are_converted_or_merged_and_older_versions_come_too(acme: OpenProject, tmp_path: Path) -> None:
    tables = acme.select(SelectionOptions(formats=["csv"]))
    result = export(plan_export(acme.context, tables, tmp_path / "merged", tables=TableOptions(merge=True)))
    assert [name.rpartition("/")[2] for name in payload(tmp_path / "merged")] == ["acme.csv"]
    assert result.outcomes is not None and result.outcomes[-1].tables[0].rows == 3
    versions = acme.select(SelectionOptions(patterns=["reports/notes.txt"], versions=2))
    export(plan_export(acme.context, versions, tmp_path / "versions"))
    assert OLD_NOTES in payload(tmp_path / "versions").values() and len(payload(tmp_path / "versions")) == 2
    report = json.loads((tmp_path / "versions/report.json").read_text())
    assert report["selection"]["as_typed"] == {"patterns": ["reports/notes.txt"], "versions": "2"}


def test_an_interrupted_export_is_begun_anew_by_the_same_request_alone(
    acme: OpenProject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop() -> None:
        raise Interrupted("somebody has had enough")

    bag = tmp_path / "bag"
    with pytest.raises(Interrupted):
        export(plan_export(acme.context, acme.select(), bag), stop=stop)
    with pytest.raises(TargetError, match="another request"):
        plan_export(acme.context, acme.select(), bag, reason="another one")
    with caplog.at_level(logging.INFO, "strongroom"):
        planned = plan_export(acme.context, acme.select(), bag)
    assert caplog.messages == [f"{bag} holds an interrupted export of the same request: it is begun anew"]
    assert export(planned).files == 4
    validate(bag)


def test_nothing_is_exported_among_other_files_or_into_the_repository(acme: OpenProject, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    with pytest.raises(TargetError, match="is not empty"):
        plan_export(acme.context, acme.select(), tmp_path)
    with pytest.raises(RefusedByRule, match="lies in the repository"):
        plan_export(acme.context, acme.select(), acme.desk.folder / "repository")
    with pytest.raises(UsageError, match="missing period for --rows-in-period"):
        plan_export(acme.context, acme.select(), tmp_path / "new", tables=TableOptions(rows_in_period=True))
    assert contents(tmp_path) == {"mine": b"mine"}
