"""An export as it was asked for. Who and when are values: all else of two exports of one request is equal, byte for byte."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct


class Requester(Struct, frozen=True):
    """by: user@host · at: when, aware · reason: why, a ticket's number; empty where nothing was said."""

    by: str
    at: datetime
    reason: str = ""

    def as_json(self) -> dict[str, str]:
        """For the report."""
        return {"by": self.by, "at": self.at.isoformat(timespec="seconds"), "for": self.reason}


class ExportRequest(Struct, frozen=True):
    """asker: who and when · words: the selection in a sentence · selection, tables: as typed, plain values · zone: in which
    periods are meant and times are told to people · moment: that was asked for, None for the newest state · software: of whom
    the bag is."""

    asker: Requester
    words: str
    selection: dict[str, Any]
    tables: dict[str, Any]
    zone: ZoneInfo
    moment: datetime | None
    software: str

    def fingerprint(self, project: str) -> str:
        """Equal for requests that mean the same of a project, whoever asks."""
        meant = [project, self.selection, self.tables, self.zone.key, self.asker.reason]
        return hashlib.sha256(json.dumps(meant, sort_keys=True).encode("utf-8", "backslashreplace")).hexdigest()
