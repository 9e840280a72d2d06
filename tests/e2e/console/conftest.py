"""A desk with two projects and two kinds, made once for tests that change nothing of it."""

from __future__ import annotations

import pytest

from tests.support.desk import Desk, Place
from tests.support.tree_facts import write_files


@pytest.fixture(scope="module")
def two_projects(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """acme and parcelo, each with reports and tickets."""
    made = Desk(tmp_path_factory.mktemp("desk"), Place("repository"))
    write_files(made.folder / "reports", {"2024-05.csv": b"agent,calls\nolena,17\n"})
    write_files(made.folder / "tickets", {"2024-05.jsonl": b'{"id": 1, "text": "lost"}\n'})
    made.init()
    for name in ("acme", "parcelo"):
        made.add(name, f"reports={made.folder / 'reports'}", f"tickets={made.folder / 'tickets'}")
    made.call("backup")
    return made
