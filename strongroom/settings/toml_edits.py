"""Changes of a settings file that a command makes: the text stays as it is but for what changes, and what comes out is compared
with what was meant before it is written."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

from vault.errors import RefusedByRule, UsageError

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")
_KEY = r"(?:[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')"
_HEADER = re.compile(rf"^(?P<begin>[ \t]*\[\[?[ \t]*projects[ \t]*\.[ \t]*)(?P<key>{_KEY})(?=[ \t]*[.\]])", re.MULTILINE)


class ByHand(RefusedByRule):
    """The file is written in a form that a command does not change."""


def renamed_project(text: str, old: str, new: str, project_id: str) -> str:
    """The text with a project under another name, and its id. Raises `ByHand`."""
    wanted = tomllib.loads(text)
    if old not in wanted.get("projects", {}) or new in wanted["projects"]:
        raise ByHand(f"the settings do not name {old!r}, or name {new!r} already")
    wanted["projects"][new] = wanted["projects"].pop(old) | {"id": project_id}

    def put(found: re.Match[str]) -> str:
        return f"{found['begin']}{written_key(new)}" if _key_of(found["key"]) == old else found[0]

    changed = _with_id(_HEADER.sub(put, text), new, project_id)
    return _verified(changed, wanted, f'rename [projects.{written_key(old)}], and add `id = "{project_id}"` to it')


def _with_id(text: str, name: str, project_id: str) -> str:
    """With the id in the project's own table, which is made where it has only tables below it."""
    if tomllib.loads(text).get("projects", {}).get(name, {}).get("id") == project_id:
        return text
    line = f'id = "{project_id}"\n'
    for found in _HEADER.finditer(text):
        if _key_of(found["key"]) != name:
            continue
        end = text.find("\n", found.end())
        end = len(text) if end < 0 else end + 1
        if re.match(r"[ \t]*\][ \t]*(#.*)?$", text[found.end() : end].rstrip("\n")) and "[[" not in found["begin"]:
            return f"{text[:end]}{'' if text[end - 1] == chr(10) else chr(10)}{line}{text[end:]}"
    first = next((found for found in _HEADER.finditer(text) if _key_of(found["key"]) == name), None)
    if first is None:
        return text
    return f"{text[: first.start()]}[projects.{written_key(name)}]\n{line}\n{text[first.start() :]}"


def moved_source(text: str, project: str, number: int, path: str) -> str:
    """The text with another path for a source. number: its place among those of the project, from 0. Raises `ByHand`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    wanted = tomllib.loads(text)
    by_hand = f"set `path` of source number {number + 1} of [projects.{written_key(project)}] to {path!r}"
    try:
        changed = deepcopy(wanted)
        changed["projects"][project]["sources"][number]["path"] = path
        document: Any = tomlkit.parse(text)
        document["projects"][project]["sources"][number]["path"] = path
        return _verified(tomlkit.dumps(document), changed, by_hand)
    except (TOMLKitError, LookupError, TypeError, ValueError) as error:
        raise ByHand("the settings file is written in a form that is not changed by a command", hint=by_hand) from error


def added_source(text: str, project: str, values: dict[str, Any]) -> str:
    """The text with one more source of a project. values: of the source. Raises `ByHand`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import AoT

    wanted = tomllib.loads(text)
    by_hand = f"add the source to [projects.{written_key(project)}]: {json.dumps(values, ensure_ascii=False)}"
    try:
        wanted["projects"][project].setdefault("sources", []).append(values)
        document: Any = tomlkit.parse(text)
        table = document["projects"][project]
        if "sources" not in table:
            table["sources"] = tomlkit.aot()
        listed = table["sources"]
        entry: Any = tomlkit.table() if isinstance(listed, AoT) else tomlkit.inline_table()
        for key, value in values.items():
            entry[key] = _inline(value) if isinstance(value, dict) else value
        listed.append(entry)
        return _verified(tomlkit.dumps(document), wanted, by_hand)
    except (TOMLKitError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ByHand("the settings file is written in a form that is not changed by a command", hint=by_hand) from error


def _inline(values: dict[str, Any]) -> Any:  # noqa: ANN401 (tomlkit's own)
    import tomlkit

    table = tomlkit.inline_table()
    for key, value in values.items():
        table[key] = value
    return table


def with_recovery(text: str, recipient: str) -> str:
    """The text with one more recovery kit: its public half, `age1pq1…` and behind it the signing key. As it is where it names
    that already; where it knows the first part alone, that is completed. Raises `ByHand`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    by_hand = "add the public key to `recipients` of [recovery] by hand, as a list of texts, and run the command again"
    try:
        wanted = tomllib.loads(text)
        known = wanted.setdefault("recovery", {}).setdefault("recipients", [])
        same = next((number for number, one in enumerate(known) if one.split()[:1] == recipient.split()[:1]), None)
        if same is not None and len(known[same].split()) >= len(recipient.split()):
            return text
        document: Any = tomlkit.parse(text)
        recipients = document.setdefault("recovery", tomlkit.table()).setdefault("recipients", tomlkit.array())
        if same is None:
            known.append(recipient)
            recipients.append(recipient)
        else:
            known[same] = recipients[same] = recipient
        recipients.multiline(len(known) > 1)
        return _verified(tomlkit.dumps(document), wanted, by_hand)
    except (TOMLKitError, tomllib.TOMLDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ByHand("the settings file is written in a form that is not changed by a command", hint=by_hand) from error


def with_values(text: str, values: Mapping[str, Mapping[str, object]]) -> str:
    """The text with other values of some tables; None takes one out. values: by table and key. Raises `ByHand`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    said = ", ".join(f"`{key}` of [{table}] to {value!r}" for table, pairs in values.items() for key, value in pairs.items())
    by_hand = f"set {said}"
    try:
        wanted, document = tomllib.loads(text), cast("Any", tomlkit.parse(text))
        for table, pairs in values.items():
            for where, empty in ((wanted, {}), (document, tomlkit.table())):
                found = where.setdefault(table, empty)
                for key, value in pairs.items():
                    if value is None:
                        found.pop(key, None)
                    else:
                        found[key] = value
        return _verified(tomlkit.dumps(document), wanted, by_hand)
    except (TOMLKitError, tomllib.TOMLDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ByHand("the settings file is written in a form that is not changed by a command", hint=by_hand) from error


def with_retention(text: str, project: str, keep: Mapping[str, object], items: Mapping[str, object]) -> str:
    """The text with the tables `keep` and `item_retention` of a project as they are given, comments of what stays included.
    Raises `ByHand`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    by_hand = retention_by_hand(project, keep, items)
    try:
        wanted, document = tomllib.loads(text), cast("Any", tomlkit.parse(text))
        for name, values in (("keep", keep), ("item_retention", items)):
            if not values and name not in wanted["projects"][project]:
                continue
            wanted["projects"][project][name] = dict(values)
            table = document["projects"][project]
            if name not in table:
                table[name] = tomlkit.table()
            for key in [key for key in table[name] if key not in values]:
                del table[name][key]
            for key, value in values.items():
                if table[name].get(key) != value:
                    table[name][key] = value
        return _verified(tomlkit.dumps(document), wanted, by_hand)
    except (TOMLKitError, tomllib.TOMLDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ByHand("the settings file is written in a form that is not changed by a command", hint=by_hand) from error


def with_copy_keep(text: str, copy: str, keep: Mapping[str, object] | None) -> str:
    """The text with the table `keep` of a copy as it is given, comments of what stays included; without it for None. Raises
    `ByHand`."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    by_hand = copy_keep_by_hand(copy, keep)
    try:
        wanted, document = tomllib.loads(text), cast("Any", tomlkit.parse(text))
        table = document["copies"][copy]
        if keep is None:
            wanted["copies"][copy].pop("keep", None)
            table.pop("keep", None)
        else:
            wanted["copies"][copy]["keep"] = dict(keep)
            _put_keep(table, keep)
        return _verified(tomlkit.dumps(document), wanted, by_hand)
    except (TOMLKitError, tomllib.TOMLDecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ByHand("the settings file is written in a form that is not changed by a command", hint=by_hand) from error


def _put_keep(table: Any, keep: Mapping[str, object]) -> None:  # noqa: ANN401 (tomlkit's own)
    """table: of a copy."""
    import tomlkit

    if "keep" not in table:
        table["keep"] = tomlkit.table()
    for key in [key for key in table["keep"] if key not in keep]:
        del table["keep"][key]
    for key, value in keep.items():
        if table["keep"].get(key) != value:
            table["keep"][key] = value


def copy_keep_by_hand(copy: str, keep: Mapping[str, object] | None) -> str:
    """The same for a person to write."""
    if keep is None:
        return f"take `keep` out of [copies.{written_key(copy)}]"
    said = ", ".join(f"{written_key(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in keep.items())
    return f"write into [copies.{written_key(copy)}]: keep = {{ {said} }}"


def retention_by_hand(project: str, keep: Mapping[str, object], items: Mapping[str, object]) -> str:
    """The same for a person to write."""

    def table(values: Mapping[str, object]) -> str:
        return ", ".join(f"{written_key(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())

    said = f"keep = {{ {table(keep)} }}" + (f" and item_retention = {{ {table(items)} }}" if items else "")
    return f"write into [projects.{written_key(project)}]: {said}"


def replace(file: Path, before: str, after: str) -> None:
    """Write the new text in the file's place, at once, with its rights; through a link, where the link leads. before: what it
    must still hold. Raises `RefusedByRule` where it has changed meanwhile, `UsageError`."""
    real = file.resolve()
    half = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        if real.read_text("utf-8") != before:
            raise RefusedByRule(f"{file} has changed meanwhile, and was left alone", hint="run the command again")
        with os.fdopen(
            os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w", encoding="utf-8"
        ) as out:
            out.write(after)
            out.flush()
            os.fsync(out.fileno())
        shutil.copymode(real, half)
        half.replace(real)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", hint="run it as the user whom the file belongs to"
        ) from error


def is_writable(file: Path) -> bool:
    """Whether this process may replace the file."""
    return os.access(file.resolve().parent, os.W_OK | os.X_OK)


def _verified(text: str, wanted: dict[str, Any], by_hand: str) -> str:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != wanted:
        raise ByHand("the settings file is written in a form that is not changed by a command", hint=by_hand)
    return text


def _key_of(written: str) -> str:
    """What a key means. Raises nothing: what cannot be read is compared with nothing."""
    try:
        return next(iter(tomllib.loads(f"{written} = 0")))
    except tomllib.TOMLDecodeError:
        return ""


def written_key(name: str) -> str:
    """A name as a TOML file has it."""
    return name if _BARE.match(name) else json.dumps(name, ensure_ascii=False)
