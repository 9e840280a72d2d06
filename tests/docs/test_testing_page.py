"""The page about testing: its examples are tests that pass, in a run of their own as a reader would have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import DOCS, blocks


def test_the_examples_of_the_page_are_tests_that_pass(tmp_path: Path) -> None:
    examples = [block.text for block in blocks(DOCS / "testing.md", "python")]
    (tmp_path / "test_examples.py").write_text("\n\n".join(examples))
    options = ["-q", "-p", "strongroom.testing.plugin", "-p", "no:cacheprovider", "--strict-markers"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "10 passed" in done.stdout, done.stdout + done.stderr
    assert sum(f"\n{text}".count("\ndef test_") for text in examples) == 7
