"""`strongroom init --create-bucket`: the bucket is made where it is missing, and used where it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk, Place, refusal
from tests.support.tree_facts import write_files


@pytest.fixture
def far(tmp_path: Path, moto_endpoint: str) -> Desk:
    """A desk whose bucket is not there yet."""
    return Desk(tmp_path / "desk", Place(f"s3://{tmp_path.name.replace('_', '-').lower()[:60]}/repository", moto_endpoint))


def test_init_makes_the_bucket_and_the_repository_is_used(far: Desk) -> None:
    words = ("init", far.place.address, *far.place.options, "--create-bucket", "--recovery-kit", "kit.txt")
    assert "--create-bucket" in refusal(far.call("init", far.place.address, *far.place.options, exits=30))
    assert far.call(*words, "--json").document["bucket_created"] is True
    write_files(far.folder / "source", {"a.csv": b"1"})
    far.add("acme", f"reports={far.folder / 'source'}")
    far.call("backup")
    far.call("restore", "acme", "--to", "back")
    assert (far.folder / "back/reports/a.csv").read_bytes() == b"1"


def test_a_second_init_uses_the_bucket_of_the_first(far: Desk) -> None:
    words = (*far.place.options, "--create-bucket", "--recovery-kit")
    assert "The bucket was made." in far.call("init", far.place.address, *words, "1.txt", "--config", "one.toml").text
    assert (
        "The bucket is there already."
        in far.call("init", f"{far.place.address}-2", *words, "2.txt", "--config", "two.toml").text
    )


def test_a_bucket_with_object_lock_holds_a_locked_project(far: Desk) -> None:
    far.call("init", far.place.address, *far.place.options, "--create-bucket", "--object-lock", "--recovery-kit", "kit.txt")
    write_files(far.folder / "source", {"a.csv": b"1"})
    far.add("acme", f"reports={far.folder / 'source'}")
    with far.settings.open("a") as file:
        file.write("[projects.acme.lock]\nmode = 'governance'\ndays = 1\n")
    far.call("backup")


def test_a_bucket_that_cannot_be_made_is_refused_before_anything_is_written(far: Desk) -> None:
    assert "is a folder" in refusal(far.call("init", "somewhere", "--create-bucket", exits=2))
    assert "--create-bucket is missing" in refusal(far.call("init", far.place.address, "--object-lock", exits=2))
    assert not list(far.folder.iterdir())
