"""Every backup of a test run with worker processes, however few its files are:

python -m pytest -p tests.support.all_with_workers tests/unit/backup tests/fault
"""

from __future__ import annotations

from vault.backup import worker_processes

worker_processes.FEWEST_FILES = 1
worker_processes.FEWEST_BYTES = 1
