"""Man pages of every command, which the system's own formatter takes without a complaint."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli import man_pages
from cli.main import app
from tests.docs.generated import commands
from vault.errors import TargetError

ROOT: Any = typer.main.get_command(app)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("man") / "man1"
    man_pages.write(ROOT, made)
    return made


def rendered(*pages: Path) -> str:
    command = ["groff", "-man", "-Tutf8", "-Kutf8", "-ww", "-P-cbou", "-rLL=78n", *map(str, pages)]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0 and done.stderr == b"", done.stderr.decode()[:500]
    return done.stdout.decode()


def test_every_command_and_group_has_a_page(folder: Path) -> None:
    words = {"", *commands(), *(" ".join(name.split()[:depth]) for name in commands() for depth in (1, 2))}
    assert {page.name for page in folder.iterdir()} == {
        f"{' '.join(['strongroom', *one.split()])}.1".replace(" ", "-") for one in words
    }


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_every_page_is_rendered_without_a_warning(folder: Path) -> None:
    text = rendered(*sorted(folder.iterdir()))
    assert text.count("SYNOPSIS") == len(list(folder.iterdir()))
    assert "strongroom restore acme --kind reports --deleted --in-place --dry-run" in " ".join(text.split())


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_a_page_says_what_the_help_says_sign_by_sign(folder: Path) -> None:
    text = " ".join(rendered(folder / "strongroom-restore.1").replace("’", "'").split())
    for shown in (
        "'3 days ago'",
        "--existing refuse|skip|newer|replace|keep-both",
        "s3://bucket/prefix",
        "WHICH ITEMS",
        "SEE ALSO strongroom(1)",
        "strongroom-restore - Bring items back",
    ):
        assert shown in text


def test_a_line_that_begins_with_a_dot_is_no_request() -> None:
    assert man_pages._line(".strongroomignore is read") == "\\&.strongroomignore is read"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="cannot be written"):
        man_pages.write(ROOT, tmp_path / "file")
