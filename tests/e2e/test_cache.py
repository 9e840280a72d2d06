"""`strongroom cache`: what is kept of a repository, and clearing it without losing what cannot be fetched anew."""

from __future__ import annotations

from pathlib import Path

from strongroom import cache_folder
from tests.e2e.used import unchanged
from tests.support.desk import Desk, refusal
from vault.clock import SystemClock
from vault.storage import cache_lock


def folder_of(desk: Desk) -> Path:
    (folder,) = (desk.folder / "home/.cache/strongroom").iterdir()
    return folder


def with_saved_copy(desk: Desk) -> Path:
    copy = folder_of(desk) / "saved/projects" / ("0" * 32) / "forgotten" / ("1" * 32)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"the last whole one")
    return copy


def test_what_is_kept_is_shown_and_cleared_and_fetched_anew(used: Desk) -> None:
    used.call("find", "acme", "a.csv")
    (shown,) = used.call("cache", "info", "--json").document["repositories"]
    assert shown["address"].endswith("repository") and not shown["in_use"] and shown["repository_id"] == folder_of(used).name
    assert shown["bytes"] == sum(part["bytes"] for part in shown["parts"].values()) > 0
    assert shown["parts"]["history"]["files"] == 1 and shown["parts"]["saved"]["files"] == 0
    assert shown["parts"]["objects"]["oldest"] <= shown["parts"]["objects"]["last_used"]
    tried = used.call("cache", "clear", "--dry-run", "--json").document["cleared"][0]
    assert used.call("cache", "info", "--json").document["repositories"] == [shown]
    done = used.call("cache", "clear", "--json").document["cleared"][0]
    assert done == tried and done["freed_bytes"] == shown["bytes"]
    (left,) = used.call("cache", "info", "--json").document["repositories"]
    assert left["bytes"] == 0
    assert {file.name for file in folder_of(used).iterdir()} == {cache_lock.NAME, cache_folder.OWNER}
    unchanged(used)


def test_the_last_whole_copies_stay_unless_a_person_insists(used: Desk) -> None:
    copy = with_saved_copy(used)
    assert "saved" in used.call("cache", "info").text
    kept = used.call("cache", "clear")
    assert "1 whole copy of what is damaged or gone in the store kept" in kept.err and copy.exists()
    used.call("cache", "clear", "--all")
    assert copy.exists()
    used.call("cache", "clear", "--force")
    assert not copy.exists()
    unchanged(used)


def test_a_cache_that_is_used_is_left_alone(used: Desk) -> None:
    before = sorted(folder_of(used).rglob("*"))
    with cache_lock.shared(folder_of(used), SystemClock()):
        assert used.call("cache", "info", "--json").document["repositories"][0]["in_use"]
        assert "is in use" in refusal(used.call("cache", "clear", exits=11))
        with cache_lock.shared(folder_of(used), SystemClock()):
            assert "left alone" in used.call("cache", "clear", "--all", exits=3).err
        used.call("list")
    assert sorted(folder_of(used).rglob("*")) == before
    used.call("cache", "clear")


def test_every_command_that_opens_the_repository_uses_its_cache(used: Desk) -> None:
    from strongroom import open_repository

    with used.surroundings([]), open_repository(used.settings):
        assert cache_lock.is_used(folder_of(used))
    assert not cache_lock.is_used(folder_of(used))


def test_caches_are_cleared_without_settings_and_nothing_else_is(used: Desk, tmp_path: Path) -> None:
    root = used.folder / "home/.cache/strongroom"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    (root / ("f" * 32)).symlink_to(precious)
    (root / "notes").mkdir()
    (root / "notes/mine").write_text("x")
    (folder_of_only(root) / "aa").mkdir(exist_ok=True)
    (folder_of_only(root) / "aa" / "link").symlink_to(precious / "file")
    used.settings.rename(used.folder / "away.toml")
    cleared = used.call("cache", "clear", "--all", "--json").document["cleared"]
    assert [one["address"] for one in cleared] == [None]
    assert (precious / "file").exists() and (root / "notes/mine").exists()
    assert "no settings file" in refusal(used.call("cache", "clear", exits=2))
    (used.folder / "away.toml").rename(used.settings)
    assert "has not opened" in refusal(used.call("cache", "clear", "--repository", "elsewhere", exits=2))
    unchanged(used)


def folder_of_only(root: Path) -> Path:
    return next(one for one in root.iterdir() if len(one.name) == 32 and not one.is_symlink())
