"""numpy and pandas are no dependency: whatever is read or written, neither is needed, and where they are installed nothing here
asks for them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from restore.tables.formats import FORMATS
from restore.tables.write_options import Audience

ROOT = Path(__file__).parents[3]
_NEEDED = re.compile(
    r"^\s*(?:import|from)\s+(?:numpy|pandas)\b|\.(?:to_numpy|to_pandas|from_numpy|from_pandas|fetchnumpy|fetchdf|df)\(",
    re.MULTILINE,
)


def test_every_format_is_written_and_read_where_neither_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.tables.without_numpy", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    formats = {f"{name} for {profile.value}": 4 for name in FORMATS if FORMATS[name].reader for profile in Audience}
    assert told == {"counts": formats | {"period": 3, "merged": 8}, "loaded": []}


def test_no_module_imports_them_or_calls_what_needs_them() -> None:
    modules = [module for room in ("vault", "restore", "policies", "cli") for module in (ROOT / room).rglob("*.py")]
    texts = {module: re.sub(r'"""[\s\S]*?"""', "", module.read_text()) for module in modules}

    assert len(texts) > 100
    assert [str(module) for module, text in texts.items() if _NEEDED.search(text)] == []
