"""`check --read-data`: how much is read, that repeated runs cover everything, and what an interrupted one leaves behind."""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli.commands.check import with_amount
from strongroom.rolling_check import ReadData
from tests.support.desk import Desk, refusal
from tests.support.tree_facts import write_files
from vault.errors import UsageError
from vault.repository.check import _Check


@pytest.fixture
def packs(desk: Desk) -> Desk:
    """A project of several packs."""
    desk.init()
    (desk.folder / "source").mkdir()
    desk.add("acme", f"reports={desk.folder / 'source'}")
    for number in range(4):
        write_files(desk.folder / "source", {f"{number}.bin": os.urandom(50_000)})
        desk.call("backup")
    return desk


def checked(desk: Desk, *options: str, exits: int = 0) -> dict[str, Any]:
    (found,) = desk.call("check", *options, "--json", exits=exits).document["projects"]
    assert isinstance(found, dict)
    return found


def pack_files(desk: Desk) -> list[Path]:
    return [file for file in (desk.folder / "repository/projects").rglob("packs/*/*") if file.is_file()]


def test_a_share_again_and_again_covers_everything_and_says_since_when(packs: Desk) -> None:
    assert "coverage" not in checked(packs)
    seen = [checked(packs, "--read-data=20%") for _ in range(12)]
    covered = [one["coverage"] for one in seen]
    total = covered[0]["packs"]
    assert total == checked(packs, "--read-data")["packs_read"] > 4
    growing = [one["packs_read"] for one in covered]
    assert growing == sorted(growing) and growing[0] == seen[0]["packs_read"] < total == growing[-1]
    firsts = [one["packs_read"] for one in seen]
    whole = growing.index(total)
    assert growing[:whole] == list(accumulate(firsts[:whole])), "none was read twice before all were"
    assert covered[whole]["since"] is not None and all(one["since"] is None for one in covered[:whole])
    assert covered[0]["bytes_read"] == seen[0]["bytes_read"] and covered[-1]["bytes_read"] == covered[-1]["bytes"]
    text = packs.call("check", "--read-data=1k").text
    assert f"all stored data ({total} packs, " in text and "was read since 20" in text


def test_a_size_reads_so_much_and_another_machine_begins_anew(packs: Desk, tmp_path: Path) -> None:
    largest = max(file.stat().st_size for file in pack_files(packs))
    # two runs read less than the four packs of 50 kB that there are, whichever comes last in each of them
    found = checked(packs, "--read-data=30KiB")
    assert found["bytes_read"] >= 30 * 1024 > found["bytes_read"] - largest
    text = packs.call("check", "--read-data=30KiB").text
    assert "checks of this machine have read" in text and "the next one reads others first" in text
    elsewhere = replace(packs, variables={"XDG_STATE_HOME": str(tmp_path / "other")})
    assert checked(elsewhere, "--read-data=1k")["coverage"]["packs_read"] == 1


def test_what_an_interrupted_check_has_read_is_kept(packs: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real, done = _Check._read_pack, [0]

    def interrupted(self: _Check, *arguments: Any) -> set[bytes]:
        done[0] += 1
        if done[0] > 2:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(_Check, "_read_pack", interrupted)
        told = packs.call("check", "--read-data", exits=130)
    assert "2 packs were read before the check ended; that is kept" in told.err
    assert checked(packs, "--read-data=1k")["coverage"]["packs_read"] == 3


def test_a_damaged_pack_is_read_by_every_run_until_it_is_whole(packs: Desk) -> None:
    victim = max(pack_files(packs), key=lambda file: file.stat().st_size)
    content = victim.read_bytes()
    victim.chmod(0o600)
    victim.write_bytes(content[:-50] + bytes(50))
    checked(packs, "--read-data", exits=20)
    for _ in range(2):
        assert checked(packs, "--read-data=1k", exits=20)["packs_read"] == 2
    victim.write_bytes(content)
    assert checked(packs, "--read-data=1k")["sound"]
    assert checked(packs, "--read-data=1k")["packs_read"] == 1


def test_spellings_of_before_work_with_a_notice(packs: Desk) -> None:
    total = checked(packs, "--read-data=all")["packs_read"]
    for old, new in (
        (("--data",), "--read-data;"),
        (("--data", "100%"), "--read-data=100%;"),
        (("--data", "--percent", "100"), "--read-data=100%;"),
        (("--rolling",), "--read-data=rolling;"),
    ):
        told = packs.call("check", "acme", *old, "--json")
        read = told.document["projects"][0]["packs_read"]
        assert new in told.err and (1 <= read <= total if old == ("--rolling",) else read == total)
    refusal(packs.call("check", "--data", "--read-data", exits=2))
    refusal(packs.call("check", "--data", "--rolling", exits=2))


def test_the_value_may_be_left_out_before_a_projects_name(packs: Desk) -> None:
    assert with_amount(["--read-data", "acme", "--json"]) == ["--read-data=all", "acme", "--json"]
    assert with_amount(["acme", "--read-data", "10%"]) == ["acme", "--read-data=10%"]
    assert with_amount(["--read-data", "101%"]) == ["--read-data=101%"]
    assert with_amount(["--", "--read-data"]) == ["--", "--read-data"]
    assert checked(packs, "--read-data", "acme")["packs_read"] == checked(packs, "--read-data", "all")["packs_read"]
    for wrong in ("0%", "101%", "many%", "12", "5 apples", "-1%", "0k", ""):
        message = refusal(packs.call("check", f"--read-data={wrong}", exits=2))
        assert "is not a valid" in message, wrong
    assert "rolling" in refusal(packs.call("check", "--read-data=rolling", "--acknowledge", "why", exits=2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", ReadData(share=1.0)),
        ("rolling", ReadData(rolling=True)),
        ("2.5%", ReadData(share=0.025)),
        ("5GiB", ReadData(size=5 << 30)),
        ("5g", ReadData(size=5 << 30)),
        ("1.5 MB", ReadData(size=3 << 19)),
    ],
)
def test_amounts_are_read_as_they_are_written(text: str, expected: ReadData) -> None:
    assert ReadData.parse(text) == expected
    with pytest.raises(UsageError):
        ReadData.parse(f"{text}?")
