"""Signed exports in others' hands: OpenSSH verifies the signature, openssl the time stamp, bagit and sha256sum the rest; and
our own `export verify`, which does it all in one, finds whatever was changed."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.bags import validate
from tests.support.desk import Desk
from tests.support.timestamp_authority import TimestampAuthority
from vault.format import ssh_signature


@pytest.fixture
def stamped(used: Desk, timestamp_authority: TimestampAuthority) -> Desk:
    """A desk whose settings name an authority."""
    lines = f'\n[audit]\ntimestamp = "{timestamp_authority.url}"\ncertificates = "{timestamp_authority.certificates}"\n'
    used.settings.write_text(used.settings.read_text() + lines)
    return used


def signers(bag: Path, to: Path) -> Path:
    """The list of allowed signers that the report explains."""
    report = json.loads((bag / "report.json").read_text())
    to.write_text(f"{report['signature']['allowed_signers']}\n")
    return to


def wrong(desk: Desk, bag: str, *more: str, exits: int = 20) -> set[str]:
    document = desk.call("export", "verify", bag, *more, "--json", exits=exits).document
    assert document["sound"] == (exits != 20)
    return {one["what"] for one in document["problem_list"]}


def test_openssh_openssl_bagit_and_sha256sum_verify_a_bag(
    stamped: Desk, tmp_path: Path, timestamp_authority: TimestampAuthority
) -> None:
    stamped.call("export", "acme", "--to", "bag")
    bag = stamped.folder / "bag"
    validate(bag)
    allowed = signers(bag, tmp_path / "allowed")
    command = json.loads((bag / "report.json").read_text())["signature"]["verify"]
    shutil.copy(allowed, bag / "allowed_signers")
    assert subprocess.run(["sh", "-c", command], cwd=bag, capture_output=True).returncode == 0
    (bag / "allowed_signers").unlink()
    assert timestamp_authority.verifies(bag / "signature.sig", bag / "signature.tsr")
    found = stamped.call("export", "verify", "bag", "--allowed-signers", str(allowed), "--json").document
    assert found["sound"] and found["signer"] and found["stamp_verified"] and found["stamped_at"]
    assert (found["files"], found["files_in_snapshots"], found["snapshots_asked"]) == (2, 2, True)
    assert command in (bag / "report.html").read_text().replace("&lt;", "<")


def test_a_zip_file_is_verified_as_it_is(used: Desk) -> None:
    used.call("export", "acme", "--to", "bag.zip")
    text = used.call("export", "verify", "bag.zip").text
    assert "whole" in text and "of this identity" in text and "2 files as in the snapshots" in text
    text = used.call("export", "verify", "bag.zip", "--offline", exits=3).text
    assert "somebody whom nobody here knows" in text


def test_tables_that_were_converted_are_known_by_their_originals(used: Desk) -> None:
    used.call("export", "acme", "--as", "xlsx", "--to", "bag")
    document = used.call("export", "verify", "bag", "--json").document
    assert (document["files_in_snapshots"], document["originals_in_snapshots"]) == (0, 2)


def test_whatever_is_changed_in_a_bag_is_seen(used: Desk) -> None:
    used.call("export", "acme", "--to", "bag")
    bag = used.folder / "bag"
    for path in sorted(path for path in bag.rglob("*") if path.is_file()):
        data = path.read_bytes()
        name = str(path.relative_to(bag))
        middle = len(data) // 2
        path.write_bytes(bytes([*data[:middle], data[middle] ^ 1, *data[middle + 1 :]]))
        assert wrong(used, "bag"), name
        path.unlink()
        assert wrong(used, "bag", exits=3 if name == "signature.sig" else 20) or name == "signature.sig", name
        path.write_bytes(data)
    assert wrong(used, "bag", exits=0) == set()
    (bag / "data/more.csv").write_bytes(b"x")
    assert wrong(used, "bag") == {"unlisted"}


def test_a_bag_whose_checksums_were_made_anew_is_not_signed_any_more(used: Desk) -> None:
    used.call("export", "acme", "--to", "bag")
    bag = used.folder / "bag"
    (bag / "data/reports/a.csv").write_bytes(b"9")
    for manifest, folders in (("manifest-sha256.txt", ["data"]), ("tagmanifest-sha256.txt", [])):
        names = sorted(str(one.relative_to(bag)) for part in folders for one in (bag / part).rglob("*") if one.is_file())
        names = names or [line.split("  ")[1] for line in (bag / manifest).read_text().splitlines()]
        done = subprocess.run(["sha256sum", *names], cwd=bag, capture_output=True, check=True)
        (bag / manifest).write_bytes(done.stdout)
    validate(bag)  # for everybody but who verifies the signature
    assert wrong(used, "bag") == {"wrong-signature", "not-in-snapshot"}


def test_a_bag_that_somebody_else_has_signed_is_not_allowed(used: Desk, tmp_path: Path) -> None:
    used.call("export", "acme", "--to", "bag")
    key = ssh_signature.public_line(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    (tmp_path / "allowed").write_text(f"# of the office\nolena {key}\n")
    assert wrong(used, "bag", "--allowed-signers", str(tmp_path / "allowed")) == {"unknown-signer"}


def test_an_authority_that_does_not_answer_costs_the_time_stamp_alone(used: Desk) -> None:
    used.settings.write_text(used.settings.read_text() + '\n[audit]\ntimestamp = "http://127.0.0.1:9/tsr"\n')
    result = used.call("export", "acme", "--to", "bag", exits=3)
    assert "no time stamp" in result.err and not (used.folder / "bag/signature.tsr").exists()
    assert wrong(used, "bag", exits=0) == set()


def test_what_is_no_bag_is_refused_without_harm(used: Desk) -> None:
    used.call("export", "verify", "missing", "--offline", exits=1)
    (used.folder / "text").write_text("x")
    used.call("export", "verify", "text", "--offline", exits=20)
    (used.folder / "empty").mkdir()
    assert wrong(used, "empty", "--offline") == {"damaged-bag"}
    with zipfile.ZipFile(used.folder / "odd.zip", "w") as odd:
        odd.writestr("a/bagit.txt", "BagIt-Version: 1.0\n")
        odd.writestr("b/bagit.txt", "x")
    used.call("export", "verify", "odd.zip", "--offline", exits=20)
    used.call("export", "acme", "--to", "bag")
    (used.folder / "bag/data/link").symlink_to("/etc/passwd")
    assert wrong(used, "bag") == {"damaged-bag"}


def test_a_project_called_verify_can_be_exported(used: Desk) -> None:
    used.add("verify", f"reports={used.folder / 'source'}")
    used.call("backup", "verify")
    used.call("export", "--to", "bag", "--", "verify")
    assert (used.folder / "bag/bagit.txt").exists()
