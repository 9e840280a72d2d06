"""The unit under which systemd runs the console, for `strongroom console --systemd`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from policies.daemon.systemd_unit import CREDENTIALS, FOLDERS, SANDBOX, word

STOP_WITHIN = 40
"""Seconds: requests have half of them to end."""


class UnitOptions(Struct, frozen=True):
    """program: of this command · settings: the file · identity: where the identity lies now, None where a command gives it ·
    writable: a repository in a folder, the state folder, folders that may be restored into."""

    program: Path
    settings: Path
    identity: Path | None
    writable: Sequence[Path]


def text(unit: UnitOptions) -> str:
    """The unit file."""
    credential = [f"LoadCredential=identity:{word(str(unit.identity))}"] if unit.identity is not None else []
    option = " --identity ${CREDENTIALS_DIRECTORY}/identity" if unit.identity is not None else ""
    return "\n".join(
        [
            "# /etc/systemd/system/strongroom-console.service, made by `strongroom console --systemd`.",
            "# Install:  systemctl daemon-reload && systemctl enable --now strongroom-console",
            "# It shares the daemon's memory of the repository, and is a process of its own: each can be stopped alone.",
            "[Unit]",
            "Description=Strongroom: the console",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={word(str(unit.program))} console --config {word(str(unit.settings))}{option}",
            "Restart=on-failure",
            "RestartSec=5s",
            f"TimeoutStopSec={STOP_WITHIN}s",
            *credential,
            "# For S3: AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…, a line each; mode 0600, owned by root. May be missing.",
            f"EnvironmentFile=-{CREDENTIALS}",
            *FOLDERS,
            "",
            "# A restore in place needs more: CAP_CHOWN, CAP_FOWNER, and ReadWritePaths= with the folders of the sources.",
            "CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_NET_BIND_SERVICE",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ProtectHome=read-only",
            "PrivateTmp=yes",
            *SANDBOX,
            "LimitNOFILE=8192",
            "UMask=0077",
            *(f"ReadWritePaths={word(str(path))}" for path in unit.writable),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )
