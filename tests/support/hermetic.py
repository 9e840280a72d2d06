"""Cuts a test run off from the machine: no credentials, no settings, no home, no time zone of the person who runs it."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
import time
from typing import Any

_FOREIGN = ("AWS_", "STRONGROOM_", "BOTO")
_FOR_TESTS = "STRONGROOM_TEST_"
"""Said to the tests themselves: which programs they run."""

_FSYNC = "STRONGROOM_TEST_FSYNC"

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def cut_off() -> None:
    """Change this process's environment; called once, before anything of the SDK is imported."""
    for name in list(os.environ):
        if (name.startswith(_FOREIGN) and not name.startswith(_FOR_TESTS)) or name.lower() in _PROXIES:
            del os.environ[name]
    home = tempfile.mkdtemp(prefix="strongroom-test-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["HOME"] = home
    os.environ["TZ"] = "UTC"
    time.tzset()
    # credentials of test servers that live no longer than this process; an instance role is never asked for
    os.environ["AWS_ACCESS_KEY_ID"] = secrets.token_hex(10)
    os.environ["AWS_SECRET_ACCESS_KEY"] = secrets.token_hex(20)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    if _FSYNC not in os.environ:
        os.fsync = _fsync


def _fsync(fd: Any) -> None:
    """In place of `os.fsync` in this process: its files outlive no power cut. What is no open file is refused. Processes
    that tests start wait for the disk, and at full depth (`make test-full`) so does this one."""
    os.fstat(fd if isinstance(fd, int) else fd.fileno())
