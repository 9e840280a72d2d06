"""Strongroom as a person installs it: from a wheel, in an environment of its own, far from these sources."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.support.coverage_notes import not_covered
from tests.support.tree_facts import tree_facts, write_files

PACKAGES = {"classify", "cli", "console", "policies", "restore", "strongroom", "vault"}
MODULES = (
    "import os, sys\n"
    "leave = os._exit\n"
    "def listed(code):\n"
    "    sys.stderr.write('\\n'.join({name.partition('.')[0] for name in sys.modules}))\n"
    "    sys.stderr.flush()\n"
    "    leave(code)\n"
    "os._exit = listed\n"
    "from cli.main import run\n"
    "run()\n"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the pip there is, without a network: the build's own package is among those of the tests."""
    try:
        distribution("setuptools")
    except PackageNotFoundError:
        not_covered("a wheel of this version: setuptools is not installed")
        pytest.skip("setuptools is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"  # a build leaves things behind
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    listed = [name for name in files if name.partition("/")[0] in {*PACKAGES, "pyproject.toml", "README.md", "LICENSE"}]
    write_files(sources, {name: (ROOT / name).read_bytes() for name in listed if (ROOT / name).is_file()})
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(sources))
    (found,) = folder.glob("*.whl")
    return found


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PIP_NO_INDEX": "1"})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which the wheel is installed; what it depends on is that of the tests."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # a path in a .pth file brings the packages there, and not what their .pth files add: these sources
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("--python", str(folder / "bin/python"), "install", "--no-deps", str(wheel))
    return folder


def dependencies(name: str) -> set[str]:
    """What a distribution needs, itself included, and what that needs."""
    found, left = set[str](), [name]
    while left:
        one = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if one in found:
            continue
        found.add(one)
        try:
            needed = distribution(one).requires or []
        except PackageNotFoundError:
            continue
        left += [re.match(r"[\w.-]+", line)[0] for line in needed if "extra ==" not in line]  # type: ignore[index]
    return found


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = opened.read(metadata).decode()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    console = ROOT / "console"
    shown = [one for folder in ("locale", "static", "templates") for one in (console / folder).rglob("*") if one.is_file()]
    assert len(shown) > 20 and {str(one.relative_to(ROOT)) for one in shown} <= names
    assert {line.partition(">")[0].removeprefix("Requires-Dist: ") for line in text.splitlines() if "pyarrow" in line} == {
        "pyarrow"
    }


def test_what_is_installed_backs_up_and_restores_without_the_sources(environment: Path, tmp_path: Path) -> None:
    program = environment / "bin/strongroom"
    variables = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def run(*arguments: str) -> str:
        done = subprocess.run(arguments, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    write_files(tmp_path / "source", {f"2026/calls-{day:02}.csv": b"id,n\n%d,1\n" % day for day in range(1, 8)})
    run(str(program), "init", "repository", "--recovery-kit", "kit.txt")
    run(str(program), "project", "add", "acme", "--source", f"reports={tmp_path / 'source'}")
    run(str(program), "backup")
    run(str(program), "restore", "acme", "--to", "back", "--as", "xlsx")
    run(str(program), "restore", "acme", "--to", "same")
    assert tree_facts(tmp_path / "same/reports") == tree_facts(tmp_path / "source")
    assert len(list((tmp_path / "back").rglob("*.xlsx"))) == 7
    loaded = run(str(environment / "bin/python"), "-c", MODULES, "backup", "--quiet").split()
    places = run(str(environment / "bin/python"), "-c", "import vault, cli; print(vault.__file__, cli.__file__)").split()
    assert all(place.startswith(str(environment)) for place in places)
    by_module = packages_distributions()
    needed = {re.sub(r"[-_.]+", "-", one).lower() for name in loaded for one in by_module.get(name, [])}
    assert needed <= dependencies("strongroom"), needed - dependencies("strongroom")
