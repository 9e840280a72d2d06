"""A desk with two projects and two kinds, made once for all tests that change nothing of it."""

from __future__ import annotations

import pytest

from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001485fe5e30000000049454e"
    "44ae426082"
)
"""A picture."""


@pytest.fixture(scope="session")
def two_projects(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """acme and parcelo, each with reports and tickets."""
    made = Desk(tmp_path_factory.mktemp("desk"), Place("repository"))
    write_files(made.folder / "reports", {"2024-05.csv": b"agent,calls\nolena,17\n", "logo.png": PIXEL})
    write_files(made.folder / "tickets", {"2024-05.jsonl": b'{"id": 1, "text": "lost"}\n', "logo.png": PIXEL})
    made.init()
    for name in ("acme", "parcelo"):
        made.add(name, f"reports={made.folder / 'reports'}", f"tickets={made.folder / 'tickets'}")
    made.call("backup")
    return made
