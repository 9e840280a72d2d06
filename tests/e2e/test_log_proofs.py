"""The log in others' hands: an entry is opened with age, verified with ssh-keygen, and its time stamp with openssl."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.age_js import PATIENCE
from tests.support.desk import Desk
from tests.support.timestamp_authority import TimestampAuthority
from vault.age import NoMatchingIdentity, open_sealed, parse_identities
from vault.format.ssh_signature import public_line


def audit_identity(desk: Desk) -> str:
    """What opens the log of the one project."""
    identities = parse_identities(desk.identity.read_text())
    with desk.store() as store:
        for info in store.list("keys"):
            try:
                secrets = json.loads(open_sealed(store.get(info.name), identities))
            except NoMatchingIdentity:  # the recovery kit's
                continue
            return str(secrets["audit_identity"])
    raise AssertionError("no key object opens")


def objects(desk: Desk, folder: str) -> dict[str, bytes]:
    with desk.store() as store:
        return {info.name: store.get(info.name) for info in store.list(folder)}


@pytest.fixture
def stamped(used: Desk, timestamp_authority: TimestampAuthority) -> Desk:
    lines = f'\n[audit]\ntimestamp = "{timestamp_authority.url}"\ncertificates = "{timestamp_authority.certificates}"\n'
    used.settings.write_text(used.settings.read_text() + lines)
    return used


def test_age_and_ssh_keygen_alone_open_and_verify_every_entry(used: Desk, tmp_path: Path, age_program: Path) -> None:
    used.call("restore", "acme", "--to", "out")
    key = tmp_path / "audit.txt"
    key.write_text(f"{audit_identity(used)}\n")
    environment = os.environ | {"PATH": f"{age_program}{os.pathsep}{os.environ['PATH']}"}
    found = []
    for name in sorted(objects(used, "audit")):
        file = used.folder / "repository" / name
        command = ["age", "-d", "-i", str(key), str(file)]
        plain = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=PATIENCE).stdout
        (tmp_path / "entry").write_bytes(plain)
        signing_key = public_line(bytes.fromhex(json.loads(plain.splitlines()[0])["signing_key"]))
        (tmp_path / "allowed").write_text(f"olena {signing_key}\n")
        verify = (
            "head -n 1 entry > body; tail -n +2 entry > body.sig; "
            "ssh-keygen -Y verify -f allowed -I olena -n strongroom-audit -s body.sig < body"
        )
        assert subprocess.run(["sh", "-c", verify], cwd=tmp_path, capture_output=True).returncode == 0
        found.append(json.loads(plain.splitlines()[0]))
    assert [one["action"] for one in found] == ["backup", "restore"]


def test_openssl_verifies_the_time_stamp_of_a_head(
    stamped: Desk, tmp_path: Path, timestamp_authority: TimestampAuthority
) -> None:
    (made,) = stamped.call("audit", "stamp", "--json").document["stamps"]
    assert stamped.call("audit", "stamp", "--json").document["stamps"] == []  # it is stamped already
    principal, number, digest = made["head"].split("/")
    found = objects(stamped, "audit")
    (stamp,) = [data for name, data in found.items() if "/stamps/" in name]
    (entry,) = [data for name, data in found.items() if name.startswith(f"audit/{principal}/{int(number):012d}")]
    value = json.loads(open_sealed(stamp, parse_identities(audit_identity(stamped))))
    (tmp_path / "entry").write_bytes(entry)
    (tmp_path / "response").write_bytes(base64.b64decode(value["response"]))
    assert timestamp_authority.verifies(tmp_path / "entry", tmp_path / "response")
    assert value["head"]["sha256"] == digest
    document = stamped.call("audit", "verify", "--json").document
    assert (document["stamps_verified"], document["stamps_compared"]) == (1, 0) and document["latest_stamp_at"]


def test_a_time_stamp_tells_a_machine_that_knows_nothing_that_the_log_was_cut(stamped: Desk) -> None:
    stamped.call("restore", "acme", "--to", "out")
    stamped.call("audit", "stamp")
    (stamped.folder / "home/.local/state").rename(stamped.folder / "gone")
    with stamped.store() as store:
        last = max(name for name in objects(stamped, "audit") if "/stamps/" not in name)
        store.delete(last)
    (finding,) = stamped.call("audit", "verify", "--json", exits=20).document["discrepancies"]
    assert finding["what"] == "cut-off" and "the time stamp of" in finding["message"]


def test_a_time_stamp_of_another_authority_or_of_something_else_is_not_believed(stamped: Desk, tmp_path: Path) -> None:
    stamped.call("audit", "stamp")
    other = tmp_path / "other.pem"
    command: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        tmp_path / "key",
        "-out",
        other,
    ]
    subprocess.run([*command, "-subj", "/CN=Other root"], check=True, capture_output=True)
    text = stamped.settings.read_text()
    stamped.settings.write_text("\n".join(line for line in text.splitlines() if not line.startswith("certificates")) + "\n")
    result = stamped.call("audit", "verify")
    assert "nobody vouches for the authority" in result.err
    stamped.settings.write_text(f'{stamped.settings.read_text()}certificates = "{other}"\n')
    (finding,) = stamped.call("audit", "verify", "--json", exits=20).document["discrepancies"]
    assert finding["what"] == "damaged-stamp" and "not signed by the authority" in finding["message"]


def test_without_an_authority_in_the_settings_the_command_says_what_to_write(used: Desk) -> None:
    assert "[audit] timestamp" in used.call("audit", "stamp", exits=2).err
