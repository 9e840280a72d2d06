"""Addresses and repositories that cannot be used: named, never guessed at, left as they are."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.used import repository, unchanged
from tests.support.desk import Desk, Place, Result, checked, refusal
from tests.support.store_fixtures import BUCKET
from tests.support.tree_facts import tree_facts, write_files


def test_an_address_without_a_repository_is_told_from_a_missing_disk(used: Desk) -> None:
    repository(used).rename(used.folder / "away")
    message = refusal(used.call("backup", exits=10))
    assert str(repository(used)) in message and "strongroom init" in message and not repository(used).exists()
    repository(used).mkdir()
    refusal(used.call("backup", exits=10))
    assert list(repository(used).iterdir()) == []
    (used.folder / "away").rename(used.folder / "again")
    repository(used).rmdir()
    (used.folder / "again").rename(repository(used))
    unchanged(used)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda value: value | {"format": 2}, 1, "format 2"),
        (lambda value: value | {"features": ["quantum-ink"]}, 1, "'quantum-ink'"),
        (lambda value: value | {"format": 0}, 20, "descriptor"),
        (lambda value: value | {"chunking": {}}, 20, "descriptor"),
        (lambda value: value | {"limits": {"pack": 10**12}}, 20, "descriptor"),
        (lambda value: [value], 20, "descriptor"),
    ],
)
def test_a_descriptor_that_is_newer_or_makes_no_sense_is_refused(
    used: Desk, change: Callable[[dict[str, object]], object], code: int, words: str
) -> None:
    file = repository(used) / "strongroom.json"
    whole = file.read_bytes()
    file.write_text(json.dumps(change(json.loads(whole))))
    before = tree_facts(repository(used))
    for arguments in (["backup"], ["restore", "acme", "--to", "out"], ["check"], ["project", "list"]):
        assert words in refusal(used.call(*arguments, exits=code))
    assert tree_facts(repository(used)) == before and not (used.folder / "out").exists()
    file.write_bytes(whole)
    unchanged(used)


def test_a_descriptor_of_other_bytes_is_damaged(used: Desk) -> None:
    file = repository(used) / "strongroom.json"
    whole = file.read_bytes()
    for damaged in (b"", whole[:-20], b"\xff" * 100, b" " * 100_000, b"[" * 50_000):
        file.write_bytes(damaged)
        assert "descriptor" in refusal(used.call("list", exits=20))


def test_init_twice_is_refused_and_changes_nothing(used: Desk) -> None:
    used.settings.rename(used.folder / "elsewhere.toml")
    before = tree_facts(used.folder)
    assert "already" in refusal(used.call("init", used.place.address, exits=21))
    assert tree_facts(used.folder) == before


def test_init_completes_what_an_interrupted_one_began(desk: Desk) -> None:
    """Killed behind the descriptor: there are no settings yet, and a kit that opens nothing."""
    first = desk.call("init", desk.place.address, "--recovery-kit", str(desk.folder / "kit/first"), "--json").document
    desk.settings.unlink()
    assert not first["begun_before"]
    told = desk.call("init", desk.place.address, "--recovery-kit", str(desk.folder / "kit/second"))
    assert first["repository"] in told.text and "holds nothing yet: this completes it" in told.text
    write_files(desk.folder / "source", {"a.csv": b"a"})
    desk.add("acme", f"reports={desk.folder / 'source'}")
    desk.call("backup")
    desk.call("restore", "acme", "--to", "back", "--identity", str(desk.folder / "kit/second"))
    desk.settings.unlink()
    assert "already" in refusal(desk.call("init", desk.place.address, "--recovery-kit", str(desk.folder / "kit/3"), exits=21))


def test_init_leaves_settings_and_keys_alone_that_are_there(desk: Desk) -> None:
    desk.settings.write_text("# mine\n")
    assert str(desk.settings.name) in refusal(desk.call("init", desk.place.address, exits=21))
    assert desk.settings.read_text() == "# mine\n" and not repository(desk).exists() and not desk.identity.exists()
    desk.settings.unlink()
    desk.kit.parent.mkdir()
    desk.kit.write_text("old kit")
    refusal(desk.call("init", desk.place.address, "--recovery-kit", str(desk.kit), exits=21))
    assert desk.kit.read_text() == "old kit" and not repository(desk).exists()


def test_an_address_that_is_none_is_refused(desk: Desk) -> None:
    for address, words in (
        ("https://s3.example.org/bucket", "endpoint"),
        ("s3:bucket", "s3://bucket/prefix"),
        ("s3://user:secret@bucket/x", "credentials"),
        ("sftp://host/x", "not supported"),
        ("", "the address is empty"),
    ):
        message = refusal(desk.call("init", address, exits=2))
        assert words in message and "secret" not in message
    file = desk.folder / "a file"
    file.write_text("x")
    refusal(desk.call("init", str(file), exits=30))
    refusal(desk.call("init", str(file / "below"), exits=30))
    assert file.read_text() == "x" and not desk.settings.exists() and not desk.identity.exists()


def test_a_bucket_that_does_not_exist_is_named(desk: Desk, moto_endpoint: str) -> None:
    message = refusal(desk.call("init", "s3://no-such-bucket-here/x", "--endpoint", moto_endpoint, exits=30))
    assert "bucket" in message and not desk.settings.exists() and not desk.identity.exists()
    place = desk.folder / "strongroom.toml"
    place.write_text(f'[repository]\naddress = "s3://no-such-bucket-here/x"\nendpoint = "{moto_endpoint}"\n')
    assert "bucket" in refusal(desk.call("list", exits=30))


def test_an_empty_prefix_of_a_bucket_has_no_repository(desk: Desk, moto_endpoint: str) -> None:
    place = f'[repository]\naddress = "s3://{BUCKET}/nothing-here"\nendpoint = "{moto_endpoint}"\n'
    desk.settings.write_text(place)
    assert f"s3://{BUCKET}/nothing-here" in refusal(desk.call("list", exits=10))


def test_missing_credentials_are_told(tmp_path: Path, weed_endpoint: str) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    desk = Desk(tmp_path, Place(f"s3://{BUCKET}/e2e-denied", weed_endpoint), nothing)
    message = refusal(desk.run("init", desk.place.address, *desk.place.options, exits=30))
    assert "credentials" in message and "AWS_ACCESS_KEY_ID" in message
    wrong = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "else"}
    desk = Desk(tmp_path, desk.place, wrong)
    refusal(desk.call("init", desk.place.address, *desk.place.options, exits=30))
    assert not desk.settings.exists()


@pytest.fixture(scope="module", autouse=True)
def absent_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, subprocess.Popen[bytes]]]:
    """A command that asks where nobody answers; it takes its time while the other tests run."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    desk = Desk(tmp_path_factory.mktemp("absent"), Place("s3://bucket/x", f"http://127.0.0.1:{port}"))
    process = desk.start("init", desk.place.address, *desk.place.options)
    with process:
        yield desk, process
        process.kill()


def test_a_server_that_is_not_there_is_given_up_after_a_while(absent_server: tuple[Desk, subprocess.Popen[bytes]]) -> None:
    desk, process = absent_server
    out, err = process.communicate(timeout=60)
    message = refusal(checked(["init"], Result(process.returncode, out, err.decode()), [30]))
    assert str(desk.place.endpoint) in message and not desk.settings.exists() and not desk.identity.exists()
