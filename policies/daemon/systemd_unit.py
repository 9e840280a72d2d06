"""The unit under which systemd runs the daemon, for `strongroom daemon --systemd`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

STOP_MARGIN = 15
"""Seconds that systemd waits beyond the daemon's own grace."""

CREDENTIALS = Path("/etc/strongroom/s3.env")
"""Where the unit looks for S3 credentials."""

FOLDERS = (
    "StateDirectory=strongroom",
    "StateDirectoryMode=0700",
    "CacheDirectory=strongroom",
    "CacheDirectoryMode=0700",
    "Environment=XDG_STATE_HOME=/var/lib XDG_CACHE_HOME=/var/cache",
)
"""What each process of ours keeps, whichever unit it has."""

SANDBOX = (
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
)
"""What none of our processes needs."""

SHARED = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 (what lies there is not ours)
"""Folders of which a service with `PrivateTmp` sees empty ones of its own."""


class UnitOptions(Struct, frozen=True):
    """program: of this command · settings: the file · identity: where the identity lies now, None where a command gives it ·
    writable: a repository in a folder · grace: seconds for runs to end · read: folders that are backed up."""

    program: Path
    settings: Path
    identity: Path | None
    writable: Sequence[Path]
    grace: float
    read: Sequence[Path] = ()


def text(unit: UnitOptions) -> str:
    """The unit file."""
    credential = [f"LoadCredential=identity:{word(str(unit.identity))}"] if unit.identity is not None else []
    option = " --identity ${CREDENTIALS_DIRECTORY}/identity" if unit.identity is not None else ""
    # a repository in a folder may be somebody else's
    override = " CAP_DAC_OVERRIDE" if unit.writable else ""
    writes = [f"ReadWritePaths={word(str(path))}" for path in unit.writable]
    seen = (unit.program, unit.settings, *unit.writable, *unit.read)
    temporary = [] if any(path.is_relative_to(shared) for path in seen for shared in SHARED) else ["PrivateTmp=yes"]
    return "\n".join(
        [
            "# /etc/systemd/system/strongroom.service, made by `strongroom daemon --systemd`.",
            "# Install:  systemctl daemon-reload && systemctl enable --now strongroom",
            "[Unit]",
            "Description=Strongroom: scheduled backups, checks and restore drills",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "Type=notify",
            "NotifyAccess=main",
            f"ExecStart={word(str(unit.program))} daemon --config {word(str(unit.settings))}{option}",
            "ExecReload=/bin/kill -HUP $MAINPID",
            "Restart=on-failure",
            "RestartSec=30s",
            "WatchdogSec=180s",
            "KillMode=mixed",
            f"TimeoutStopSec={int(unit.grace) + STOP_MARGIN}s",
            *credential,
            "# For S3: AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, a line each; mode 0600, owned by root. May be missing.",
            f"EnvironmentFile=-{CREDENTIALS}",
            "# its memory of runs, checks and keys, and its cache: /var/lib/strongroom, /var/cache/strongroom",
            *FOLDERS,
            "",
            "# It reads every file of its sources whoever owns it, and may do nothing else that root may.",
            f"CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_CHOWN CAP_FOWNER{override}",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ProtectHome=read-only",
            *temporary,
            *SANDBOX,
            "UMask=0077",
            *writes,
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def word(text: str) -> str:
    """As systemd reads a word: % and $ doubled, quoted where that is needed."""
    text = text.replace("%", "%%").replace("$", "$$")
    if re.search(r"""[\s"'\\;]""", text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
