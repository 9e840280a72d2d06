"""Records of a REST interface: all styles of paging, news, deletions, children, attachments, resumption."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.support.clock import StillClock
from tests.support.rest_double import Answered, Asked, ModelDesk, serving
from tests.support.rest_sources import COMMENTS, FILES, INCREMENTAL, STYLES, described, lines, read, source_of
from vault.errors import Busy, Interrupted, SourceError
from vault.progress import never


@pytest.fixture
def desk() -> Iterator[ModelDesk]:
    with serving(ModelDesk()) as one:
        yield one


def filled(desk: ModelDesk, count: int = 250) -> None:
    for number in range(count):
        desk.add(title=f"звонок {number}", at=datetime(2024, 1 + number % 5, 3, tzinfo=UTC))


def expected(desk: ModelDesk) -> list[str]:
    return [desk.kept(number) for number in sorted(desk.tickets, key=lambda one: (desk.tickets[one]["created"], one))]


@pytest.mark.parametrize("style", STYLES)
def test_all_records_come_by_period_whatever_the_paging(desk: ModelDesk, tmp_path: Path, style: str) -> None:
    filled(desk)
    found, contents = read(source_of(desk, described(style), tmp_path))
    assert found.problems == [] and sorted(contents) == [f"tickets/2024-{month:02}.jsonl" for month in range(1, 6)]
    assert lines(contents) == expected(desk)
    assert found.coverage is not None and found.coverage.deletions and found.coverage.entities[0].key == "id"


@pytest.mark.parametrize("style", STYLES)
def test_an_incremental_run_asks_for_what_was_modified_and_little_else(desk: ModelDesk, tmp_path: Path, style: str) -> None:
    filled(desk)
    description = described(style, incremental=INCREMENTAL)
    before, _ = read(source_of(desk, description, tmp_path))
    desk.now += timedelta(hours=1)
    desk.edit(7, title="changed")
    new = desk.add(title="new", at=datetime(2024, 6, 1, tzinfo=UTC))
    asked = len(desk.asked)
    found, contents = read(source_of(desk, description, tmp_path))
    assert lines(contents) == expected(desk) and f'"id":{new}' in contents["tickets/2024-06.jsonl"].decode()
    assert len(desk.asked) - asked <= 2
    assert found.coverage is not None and not found.coverage.deletions
    same = dict(zip(before.table["path"].to_pylist(), before.table["inode"].to_pylist(), strict=True))
    now = dict(zip(found.table["path"].to_pylist(), found.table["inode"].to_pylist(), strict=True))
    changed = {path for path in now if now[path] != same.get(path)}
    assert changed == {b"tickets/tickets/2024-02.jsonl", b"tickets/tickets/2024-06.jsonl"}


def test_a_deletion_is_seen_by_a_full_scan_alone(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk)
    clock = StillClock()
    description = described("keyset", incremental=INCREMENTAL)
    read(source_of(desk, description, tmp_path, clock=clock))
    kept = desk.kept(5)
    desk.delete(5)
    found, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert kept in lines(contents) and any("deleted" in gap for gap in found.coverage.gaps)  # type: ignore[union-attr]
    clock.sleep(90_000)
    found, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert kept not in lines(contents) and found.coverage.deletions  # type: ignore[union-attr]


def test_what_was_committed_late_is_found_within_the_overlap(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 10)
    description = described("page", incremental=INCREMENTAL)
    read(source_of(desk, description, tmp_path))
    late = desk.now - timedelta(seconds=30)
    desk.edit(3, title="late")
    desk.tickets[3]["modified"] = late.strftime("%Y-%m-%dT%H:%M:%SZ")
    _, contents = read(source_of(desk, description, tmp_path))
    assert desk.kept(3) in lines(contents)


@pytest.mark.parametrize("hours", [-5, 5])
def test_clocks_that_differ_lose_nothing(desk: ModelDesk, tmp_path: Path, hours: int) -> None:
    """The web server's clock is not the one that stamps the records."""
    filled(desk, 10)
    desk.clock_difference = timedelta(hours=hours)
    description = described("page", incremental=INCREMENTAL)
    read(source_of(desk, description, tmp_path))
    desk.edit(4, title="changed")
    _, contents = read(source_of(desk, description, tmp_path))
    assert desk.kept(4) in lines(contents)


def test_comments_stand_in_their_record_and_a_silent_loss_is_seen_by_a_full_scan(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 12)
    for number in (1, 1, 3):
        desk.comment(number, f"comment on {number}")
    clock = StillClock()
    description = described("page", incremental=INCREMENTAL, children=COMMENTS)
    _, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert desk.kept(1, comments=True) in lines(contents) and len(desk.tickets[1]["comments"]) == 2
    asked = len(desk.asked)
    desk.comment(3, "another")
    _, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert desk.kept(3, comments=True) in lines(contents)
    assert sum("comments" in one.path for one in desk.asked[asked:]) == 1
    whole = desk.kept(1, comments=True)
    desk.lose_comment(1)
    found, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert whole in lines(contents) and any("by full scans alone" in gap for gap in found.coverage.gaps)  # type: ignore[union-attr]
    clock.sleep(90_000)
    _, contents = read(source_of(desk, description, tmp_path, clock=clock))
    assert whole not in lines(contents) and desk.kept(1, comments=True) in lines(contents)


def test_attachments_are_items_with_their_bytes_and_safe_names(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 3)
    names = ("запись.wav", "../../etc/passwd", "a\nb.txt", ".hidden", "x" * 400 + ".csv", "")
    for count, name in enumerate(names):
        desk.attach(2, name, b"%d" % count * (700_000 * (count == 0) + 1))
    found, contents = read(source_of(desk, described("page", attachments=FILES), tmp_path))
    files = {name: data for name, data in contents.items() if "/attachments/" in name}
    assert sorted(files.values()) == sorted(desk.files.values()) and found.problems == []
    assert "tickets/attachments/2/1-запись.wav" in files
    assert all(len(name.split("/")) == 4 and len(name.encode()) < 255 for name in files)
    desk.delete(2)
    _, contents = read(source_of(desk, described("page", attachments=FILES), tmp_path))
    assert not any("/attachments/" in name for name in contents)


def test_an_attachment_that_is_gone_is_a_problem_of_its_own(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 2)
    desk.attach(1, "a.txt", b"a")
    source = source_of(desk, described("page", attachments=FILES), tmp_path)
    source.scan(never)
    desk.files.clear()
    with source.reader() as reader:
        (answer,) = reader.contents([b"tickets/tickets/attachments/1/1-a.txt"])
    source.close()
    assert getattr(answer, "what", "") == "unreadable"


def test_numbers_and_texts_stay_as_they_were_sent(desk: ModelDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = b'{"id": 1, "created": "2024-05-01T00:00:00Z", "a": 1.10, "b": 12345678901234567890123, "c": 1E400, "d": -0.0, '
    exact += b'"e": "\\u0437\\u0432\\u043e\\ud83d\\ude00 \\ud800 \\u0000", "f": 0.1e-7, "g": [], "h": {"z": null, "a": true}}'
    monkeypatch.setattr(desk, "_answered", lambda asked: _answer(asked, exact))
    _, contents = read(source_of(desk, described("page"), tmp_path))
    line = contents["tickets/2024-05.jsonl"].decode()
    assert line == (
        '{"a":1.10,"b":12345678901234567890123,"c":1E400,"created":"2024-05-01T00:00:00Z","d":-0.0,'
        '"e":"зво😀 \\ud800 \\u0000","f":0.1e-7,"g":[],"h":{"a":true,"z":null},"id":1}\n'
    )


def _answer(asked: Asked, record: bytes) -> Answered:
    return Answered(b'{"count": 1, "results": [' + record + b"]}")


def test_a_full_scan_that_was_killed_goes_on_where_it_was(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 1000)

    def stop() -> None:
        if len(desk.asked) > 40:
            raise Interrupted("killed")

    description = described("keyset", size=20, incremental=INCREMENTAL)
    source = source_of(desk, description, tmp_path)
    with pytest.raises(Interrupted):
        source.scan(stop)
    source.close()
    asked = len(desk.asked)
    _, contents = read(source_of(desk, description, tmp_path))
    assert lines(contents) == expected(desk)
    afters = [int(one.query.get("after", 0)) for one in desk.asked[asked:]]
    assert afters[0] >= 700


PROGRAM = """
import sys
from pathlib import Path
from tests.support.rest_sources import INCREMENTAL, described, read, source_of
desk = type("Desk", (), {"url": sys.argv[1]})
read(source_of(desk, described(sys.argv[3], size=20, incremental=INCREMENTAL), Path(sys.argv[2])))
"""


@pytest.mark.parametrize("style", ["keyset", "page", "cursor", "next"])
def test_after_kill_9_a_scan_goes_on_without_asking_for_everything_again(desk: ModelDesk, tmp_path: Path, style: str) -> None:
    filled(desk, 1000)
    command = [sys.executable, "-c", PROGRAM, desk.url, str(tmp_path), style]
    child = subprocess.Popen(command, cwd=Path(__file__).parents[4])
    desk.between = lambda number: child.kill() if number == 40 else None
    assert child.wait(timeout=120) == -SIGKILL
    asked = len(desk.asked)
    _, contents = read(source_of(desk, described(style, size=20, incremental=INCREMENTAL), tmp_path))
    assert lines(contents) == expected(desk)
    begun = {"keyset": ("after", "780"), "page": ("page", "40")}.get(style, ("cursor", "780"))
    assert begun in desk.asked[asked].query.items()


def test_a_mirror_that_was_deleted_or_damaged_costs_a_full_reading(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 50)
    description = described("page", incremental=INCREMENTAL)
    first, contents = read(source_of(desk, description, tmp_path))
    file = tmp_path / "mirror.sqlite"
    assert file.stat().st_mode & 0o077 == 0
    file.write_bytes(b"nonsense" * 1000)
    again, same = read(source_of(desk, description, tmp_path))
    assert same == contents and again.table["inode"].to_pylist() == first.table["inode"].to_pylist()
    file.unlink()
    assert read(source_of(desk, description, tmp_path))[1] == contents


def test_a_mirror_with_a_damaged_page_is_dropped_and_read_again(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 400)
    description = described("page", incremental=INCREMENTAL)
    _, contents = read(source_of(desk, description, tmp_path))
    file = tmp_path / "mirror.sqlite"
    data = bytearray(file.read_bytes())
    for page in range(2, len(data) // 4096):  # all but the first, which has the schema
        data[page * 4096 : page * 4096 + 12] = b"not a b-tree"
    file.write_bytes(data)
    desk.edit(7, title="changed")
    again, now = read(source_of(desk, description, tmp_path))
    assert again.problems == [] and lines(now) == expected(desk) and now != contents


def test_a_mirror_that_cannot_be_written_is_an_error(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 5)
    (tmp_path / "state").write_text("no folder")
    with pytest.raises(SourceError, match="no mirror can be kept"):
        read(source_of(desk, described("page"), tmp_path / "state"))


def test_two_processes_do_not_read_one_source_at_once(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 5)
    one = source_of(desk, described("page"), tmp_path)
    one.scan(never)
    with pytest.raises(Busy, match="another process"):
        source_of(desk, described("page"), tmp_path).scan(never)
    one.close()
    read(source_of(desk, described("page"), tmp_path))


def test_without_modifications_every_run_reads_all_and_an_unchanged_one_once(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 250)
    read(source_of(desk, described("page"), tmp_path))
    asked = len(desk.asked)
    found, _ = read(source_of(desk, described("page"), tmp_path))
    assert len(desk.asked) - asked == 3 and found.coverage.deletions  # type: ignore[union-attr]
    desk.delete(17)
    assert lines(read(source_of(desk, described("page"), tmp_path))[1]) == expected(desk)


def test_what_changes_without_end_while_it_is_read_is_named_and_stays_as_it_was(desk: ModelDesk, tmp_path: Path) -> None:
    filled(desk, 250)
    read(source_of(desk, described("page"), tmp_path))
    desk.between = lambda number: desk.edit(1 + number % 250, title=f"{number}")
    with pytest.raises(SourceError, match="changed during each of 5 readings"):
        read(source_of(desk, described("page"), tmp_path))
