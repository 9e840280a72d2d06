"""The example of a project whose CI proves restores: its own commands are run, as they stand in its workflows."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/ci"
GITHUB, GITLAB = EXAMPLE / ".github/workflows/restores.yml", EXAMPLE / ".gitlab-ci.yml"
PACKAGED = ("classify", "cli", "console", "policies", "restore", "strongroom", "vault")


def commands() -> tuple[str, str, str]:
    """What the workflow for GitHub runs: installing, testing, and the test of restoring."""
    install, tests, restores = re.findall(r"^ +- run: (.+)$", GITHUB.read_text("utf-8"), re.MULTILINE)
    return install, tests, restores


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "project"))


def shell(command: str, folder: Path, variables: Mapping[str, str]) -> str:
    """One command of a workflow; gives what it printed."""
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment(binaries: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1", **more}


def proven(folder: Path) -> None:
    """What both reports say."""
    tests, restores = (ElementTree.parse(folder / name).getroot() for name in ("tests.xml", "restores.xml"))
    [suite] = tests.iter("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("5", "0", "0", "0")
    assert [(one.get("classname"), one.get("name")) for one in restores.iter("testcase")] == [
        ("parcelo", "reports"),
        ("parcelo", "tickets"),
    ]
    assert (restores.get("failures"), restores.get("errors")) == ("0", "0")


def test_both_workflows_and_the_readme_name_the_same_commands() -> None:
    script = GITLAB.read_text("utf-8").partition("  script:\n")[2].partition("  artifacts:")[0]
    assert tuple(re.findall(r"^    - (.+)$", script, re.MULTILINE)) == commands()
    assert all(line in (EXAMPLE / "README.md").read_text("utf-8") for line in commands())


def test_the_commands_of_the_workflow_pass_with_what_is_installed(project: Path, tmp_path: Path) -> None:
    _, tests, restores = commands()
    temporary = tmp_path / "temporary"  # pytest tidies up what other runs have left beside its own files, for minutes
    temporary.mkdir()
    variables = environment(Path(sys.executable).parent, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", TMPDIR=str(temporary))
    shell(f"{tests} -p strongroom.testing.plugin -p no:cacheprovider", project, variables)
    assert "parcelo/tickets: passed" in shell(restores, project, variables)
    proven(project)


def test_pytest_finds_the_plugin_by_the_entry_point_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [module] = declared["entry-points"]["pytest11"].values()
    assert importlib.import_module(module).pytest_addoption
    assert {re.split(r"[\[>=]", one)[0] for one in declared["optional-dependencies"]["testing"]} == {"moto", "pytest"}


@pytest.mark.slow
def test_the_commands_of_the_workflow_pass_in_a_fresh_environment(project: Path, tmp_path: Path) -> None:
    source = tmp_path / "checkout"
    source.mkdir()
    for name in PACKAGED:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv.create(tmp_path / "environment", with_pip=True)
    variables = environment(tmp_path / "environment/bin", PIP_DISABLE_PIP_VERSION_CHECK="1")
    shell(f"python -m pip wheel --quiet --no-deps --wheel-dir wheels {source}", project, variables)
    shell(commands()[0], project, variables)
    where = shell("python -P -c 'import strongroom; print(strongroom.__file__)'", project, variables)
    assert where.startswith(str(tmp_path / "environment"))
    for command in commands()[1:]:
        shell(command, project, variables)
    proven(project)
