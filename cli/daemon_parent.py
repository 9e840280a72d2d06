"""A run that the daemon started ends when the daemon does, however that ends: nobody would hear what it says any more."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from strongroom import environment
from vault.errors import Interrupted

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def follow() -> None:
    """From now on. Does nothing where a person started this process, or the system is not Linux."""
    parent = environment.parent()
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it was over before we had asked
        raise SystemExit(Interrupted.exit_code)
