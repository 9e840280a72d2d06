"""What docs/install.md and the Containerfile say of paths, files and commands is true of the program."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from strongroom import environment
from tests.docs.pages import ROOT

CONTAINERFILE = (ROOT / "Containerfile").read_text()
PAGE = (ROOT / "docs/install.md").read_text()


def words(instruction: str) -> list[str]:
    """What follows an instruction, wherever it stands, with lines that go on put together."""
    whole = CONTAINERFILE.replace("\\\n", " ")
    return [line.removeprefix(instruction).strip() for line in whole.splitlines() if line.startswith(f"{instruction} ")]


def test_the_image_keeps_state_and_cache_in_its_volumes_and_settings_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in re.findall(r"(\w+)=(\S+)", " ".join(words("ENV"))):
        monkeypatch.setenv(name, value)
    volumes = re.findall(r'"([^"]+)"', words("VOLUME")[0])
    assert [str(environment.state_folder()), str(environment.cache_folder())] == volumes
    assert environment.config_folder() == Path("/etc/strongroom")
    assert Path("/etc/strongroom/strongroom.toml") in environment.settings_files()
    assert all(f":{volume} " in PAGE for volume in volumes)


def test_the_image_is_not_root_and_takes_nothing_along_but_the_program() -> None:
    user, _, group = words("USER")[-1].partition(":")
    assert user.isdigit() and int(user) > 0 and group.isdigit() and f"user {user}" in PAGE
    final = CONTAINERFILE[CONTAINERFILE.rindex("\nFROM ") :]
    assert re.findall(r"^(?:COPY|ADD) .*", final, re.MULTILINE) == ["COPY --from=build /opt/strongroom /opt/strongroom"]
    assert words("ENTRYPOINT") == ['["strongroom"]'] and "--read-only" in PAGE


def test_what_the_build_leaves_out_is_not_part_of_the_wheel() -> None:
    left_out = set((ROOT / ".containerignore").read_text().split())
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    assert not left_out & {*packages, "pyproject.toml", "README.md", "LICENSE"}


@pytest.mark.parametrize(("code", "end"), [(0, "Doing it done\n"), (7, "Doing it failed\n")])
def test_a_long_step_of_make_shows_its_output_only_where_it_fails(code: int, end: str) -> None:
    command = [str(ROOT / ".ci/show"), "Doing it", "sh", "-c", f"echo a warning of a tool; exit {code}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, end)
    assert done.stderr == ("a warning of a tool\n" if code else "")


def test_nothing_is_installed_from_where_it_cannot_be_had() -> None:
    """Strongroom is in no package index: by name it is installed only for the extras of an environment that has it."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for found in re.findall(r"(?:pip|pipx|uv tool) install ([^`\n]*)", page.read_text()):
            assert not re.search(r"(?<![\w/.-])'?strongroom'?(?!\[)(?=\s|$)", found), f"{page.name}: {found}"


def test_the_picture_shows_the_steps_of_the_demo() -> None:
    shown = re.sub(r"<[^>]+>", "", (ROOT / "docs/demo.svg").read_text()).replace("&apos;", "'")
    titles = re.findall(r'_step\(f?"([^"{]+)', (ROOT / "cli/commands/demo.py").read_text())
    assert len(titles) == 8 and all(title in shown for title in titles)
