"""What is wrong with a settings file: each thing with its line, its key and what to do, all of them at once. `reader` finds
unknown keys, and what they may have been meant to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from strongroom.settings.renamed import as_written
from strongroom.settings.toml_positions import Key, line_of
from vault.errors import SettingsError

SEE = "see docs/settings.md for every setting"


class SettingsFault(Struct, frozen=True):
    """One thing that is wrong, or odd. key: where · what: behind the key, in a sentence · hint: what to do."""

    key: Key
    what: str
    hint: str | None = None


class PlacedFault(Struct, frozen=True):
    """A fault and the line to which it leads; None where the whole file is meant."""

    fault: SettingsFault
    line: int | None

    def sentence(self) -> str:
        """Without the file: `line 4: identity.fiel is not a setting`."""
        place = "" if self.line is None else f"line {self.line}: "
        return f"{place}{written(self.fault.key) or 'it'} {self.fault.what}"

    def as_json(self) -> dict[str, Any]:
        return {
            "line": self.line,
            "setting": written(self.fault.key),
            "key": written(self.fault.key),
            "message": self.fault.what,
            "hint": self.fault.hint,
        }


class SettingsInvalid(SettingsError):
    """A settings file that cannot be used, with all that is wrong with it."""

    def __init__(self, file: Path, faults: Sequence[PlacedFault]) -> None:
        self.file = file
        self.faults = tuple(faults)
        if len(faults) == 1:
            joint = ", " if faults[0].line is not None else ": "
            super().__init__(f"{file}{joint}{faults[0].sentence()}", hint=faults[0].fault.hint or SEE)
        else:
            lines = [f"\n  {one.sentence()}{f' ({one.fault.hint})' if one.fault.hint else ''}" for one in faults]
            super().__init__(f"{file} has {len(faults)} errors:{''.join(lines)}", hint=SEE)


def placed(faults: Iterable[SettingsFault], known: Mapping[Key, int]) -> list[PlacedFault]:
    """With their lines, in the order of the file. What projects have inherited is told once, where it is written."""
    written_at = dict.fromkeys(replace(fault, key=_source(fault.key, known)) for fault in faults)
    found = [PlacedFault(fault, line_of(known, fault.key)) for fault in written_at]
    return sorted(found, key=lambda one: (one.line or 0, written(one.fault.key)))


def _source(key: Key, known: Mapping[Key, int]) -> Key:
    """Where a project's value is written, and under which name: with the project, or in [defaults]."""
    own, above = as_written(key, known), as_written(("defaults", *key[2:]), known)
    return above if key[:1] == ("projects",) and own not in known and above in known else own


def written(key: Key) -> str:
    """A key as people read it: projects.parcelo.sources[0].kind."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).lstrip(".")
