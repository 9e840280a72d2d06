"""What a check found outside of the projects that it may open."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from vault.problems import Problem


class RepositoryReport(Struct):
    """What a check found outside of the projects that it may open.

    keys: key objects that stand · opened: those of them that were opened and are right · outside: those that could be looked
    at from outside only · strays: names of no kind · unsealed: projects that a recovery kit of the settings does not open,
    which is so for those that are older than it · unopened: projects that these identities do not open, of which nothing else
    was looked at · settings: copies of settings that stand · old_settings: such that cannot be used, and of which a newer one
    stands.
    """

    keys: int = 0
    opened: int = 0
    outside: int = 0
    strays: list[str] = field(default_factory=list)
    unsealed: list[str] = field(default_factory=list)
    unopened: list[str] = field(default_factory=list)
    settings: int = 0
    old_settings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def damage(self) -> list[str]:
        """What is damaged or missing, in words."""
        return [one.message for one in self.problems]

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not self.problems

    def found(self, what: str, name: str, message: str) -> None:
        """Damage. name: of the object, or of what misses one."""
        self.problems.append(Problem(name.encode("utf-8", "surrogateescape"), what, message))

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if name != "problems"}
        listed = [one.as_json() for one in self.problems]
        named = {"key_objects": self.keys, "settings_copies": self.settings, "projects_unopened": list(self.unopened)}
        return found | named | {"damage": self.damage, "problem_list": listed, "sound": self.sound}
