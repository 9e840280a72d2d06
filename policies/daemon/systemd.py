"""Notifies systemd of the daemon's state over its socket; where there is none, nothing is sent."""

from __future__ import annotations

import socket
from contextlib import suppress

from msgspec import Struct


class Systemd(Struct, frozen=True):
    """address: of the socket, None where we were started by somebody else · watchdog: seconds within which a sign of life is
    expected, None where it is not."""

    address: str | None = None
    watchdog: float | None = None

    def notify(self, *words: str) -> None:
        """Such as READY=1. What cannot be sent stops nothing: systemd draws its own conclusions from silence."""
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.connect(address)
            out.send("\n".join(words).encode())


def of(notify_socket: str | None, watchdog_micros: str | None, watchdog_pid: str | None, pid: int) -> Systemd:
    """From what systemd puts into the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
    meant = watchdog_pid in (None, str(pid))
    micros = int(watchdog_micros) if meant and watchdog_micros is not None and watchdog_micros.isdigit() else 0
    return Systemd(notify_socket, micros / 1_000_000 or None)
