"""What an unchanged backup asks of the store, however old the repository is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from benchmarks.unchanged import WARM, Old, Sizes
from tests.support.places import TickingClock, back_up, made_on, tiny_descriptor
from tests.support.trees import text, write_tree
from vault.storage.contract import Buffer
from vault.storage.memory import MemoryStore

YOUNG = Sizes(projects=2, forgotten=0, kept=2, files=5, changes=2)
AGED = Sizes(projects=6, forgotten=50, kept=10, files=5, changes=6)


def test_a_machine_that_made_the_backups_asks_for_news_only(tmp_path: Path) -> None:
    found = []
    for name, sizes in (("young", YOUNG), ("aged", AGED)):
        (tmp_path / name).mkdir()
        old = Old(sizes, tmp_path / name)
        old.measured(WARM)
        found.append(old.measured(WARM).traffic)
    young, aged = found
    assert aged.requests == young.requests
    # its own key object, and of this very run: the record, marks and claim as they stand after the commit
    assert aged.requests["get"] <= 6
    assert "get_range" not in aged.requests
    assert aged.bytes_down <= young.bytes_down + 1024
    assert aged.requests["put"] == 3  # the claim twice, the record


def test_a_machine_without_a_cache_reads_what_the_project_has_and_nothing_of_others(tmp_path: Path) -> None:
    old = Old(AGED, tmp_path)
    young = Old(YOUNG, _made(tmp_path / "young"))
    cold, of_young = old.measured("cold").traffic, young.measured("cold").traffic
    more = AGED.kept + AGED.changes + AGED.forgotten // 24 + 1  # records, segments of the index and notes
    reads = [one.requests["get"] + one.requests.get("get_range", 0) for one in (of_young, cold)]
    assert reads[1] <= reads[0] + more + AGED.changes


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


class Noting(MemoryStore):
    """Notes the names that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.put_names: list[str] = []

    def put(self, name: str, data: Buffer, *, sha256: bytes | None = None) -> None:
        self.put_names.append(name)
        super().put(name, data, sha256=sha256)

    def count(self, part: str) -> int:
        return sum(f"/{part}/" in name for name in self.put_names)


def test_a_first_backup_names_its_packs_once_a_minute_and_not_one_by_one(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "source", {str(number): text(number, 2900) for number in range(30)})
    for step, most in ((timedelta(milliseconds=1), 1), (timedelta(seconds=2), 12)):
        store = Noting()
        back_up(made_on(store, tiny_descriptor(pack=3000), TickingClock(step=step)), folder)
        assert store.count("packs") >= 15
        assert 1 <= store.count("index") <= most
