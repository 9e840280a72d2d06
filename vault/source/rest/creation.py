"""How records are created in an interface: the sections `create` of a description, checked.

    [resources.tickets.create]
    path = "tickets"
    body = { subject = "{record.subject}", external_id = "{finished}" }
    id = "ticket.id"

    [resources.tickets.create.find]
    path = "search"
    parameters = { query = "external_id:{finished}" }
    records = "results"

A *template* here may be any value of TOML. A text that is one name in braces keeps what it names, whatever that is: a number, a
list; what is not there is left out. `{ each = "record.fields", name = "{each.name}", value = "{each.value}" }` makes an object
out of a list, and without `name` another list; `if` beside it is for those entries alone for which it is something. Of
`{ first = [ … ] }` the first counts that is there. Names begin with

- `record`, `key`: of the backup · `new`: the new key · `there`: the record as the interface has it
- `child`, `child_new`: of what belongs to a record
- `unfinished`, `finished`: the marker of a record before all of it is there, and afterwards · `child_marker`
- `files`: what is attached, in `each` (`name`, `type`, `size`, `base64`) · `tokens`: of files that were sent before
- the names of `pick`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from vault.source.rest.description_faults import Table, duration_faults, texts_in

Template: TypeAlias = Any
Matches: TypeAlias = dict[str, str | list[str]]
"""By pointer (or several, with commas, of which one must match), a pattern, or several; a template must be equal when it is
filled in."""

PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_.-]+)\}")
_ROOTS = frozenset(
    {"record", "key", "new", "there", "child", "child_new", "child_marker", "unfinished", "finished", "files", "tokens", "each"}
)
_FORMATS = Literal["json", "form", "multipart"]
_METHODS = Literal["POST", "PUT", "PATCH"]


class Pick(Table, frozen=True, forbid_unknown_fields=True):
    """Something within a record that templates need by a name of its own.

    - `records`: where a list is: `record.messages`, `there.comments`
    - `match`: which entry of it; the first one
    """

    records: str
    match: Matches = {}


class Files(Table, frozen=True, forbid_unknown_fields=True):
    """Files that belong to what is created.

    - `records`, `match`: where what describes them is, as with `Pick`; the resource's `attachments` says the rest
    - `type`: pointer to their content type
    - `field`: of a multipart body
    """

    records: str
    match: Matches = {}
    type: str = ""
    field: str = "file"


class Upload(Table, frozen=True, forbid_unknown_fields=True):
    """How a file is sent before what it is attached to.

    - `path`, `parameters`: templates, with `{file.name}`, `{file.type}`
    - `token`: pointer in the answer to what stands for it; `{tokens}` are all, and what describes a file has its own as `token`
    """

    path: str
    token: str
    parameters: dict[str, Template] = {}
    method: _METHODS = "POST"


class Step(Table, frozen=True, forbid_unknown_fields=True):
    """A request that changes something.

    - `method`, `path`, `parameters`: the latter two templates
    - `format`: of the body: `json`, `form`, `multipart`
    - `body`: a template
    - `fields`: patterns of fields that are copied into it under their own names, where they are not empty: of the child, where
      there is one, else of the record
    - `inside`: the body is the value of this name in an object
    """

    path: str
    method: _METHODS = "PATCH"
    parameters: dict[str, Template] = {}
    format: _FORMATS = "json"
    body: dict[str, Template] = {}
    fields: list[str] = []
    inside: str = ""


class NewChild(Table, frozen=True, forbid_unknown_fields=True):
    """What belongs to a record, created after it, one after another.

    - `records`: pointer within the record to the list · `key`: pointer in one that tells them apart
    - `match`: which of them are created
    - `path`, `method`, `parameters`, `format`, `body`, `fields`, `inside`: see `Step` · `id`: pointer in the answer to the new
      key
    - `pick`, `files`, `upload`: what the templates need besides
    - `marker_at`: pointer in one of them where the body has put `{child_marker}`
    - `same`: templates that tell whether one is there already; where nothing is said: what the body takes as it is
    - `then`: afterwards, with `{child_new}`
    """

    path: str
    records: str
    key: str = "id"
    match: Matches = {}
    method: _METHODS = "POST"
    parameters: dict[str, Template] = {}
    format: _FORMATS = "json"
    body: dict[str, Template] = {}
    fields: list[str] = []
    inside: str = ""
    id: str = "id"
    pick: dict[str, Pick] = {}
    files: Files | None = None
    upload: Upload | None = None
    marker_at: str = ""
    same: list[Template] = []
    then: dict[str, Step] = {}

    def step(self) -> Step:
        """The request that creates one."""
        return _step_of(self)


class Find(Table, frozen=True, forbid_unknown_fields=True):
    """How a record that was created before is found by its marker.

    - `path`, `parameters`, `records`, `key`: of a listing; where nothing is said: as the resource has them. With `{finished}`
      in a parameter (or `{unfinished}`) it is asked for each record, else the whole listing is read once
    - `at`: pointer to the marker in a listed record, or in the record's own page; goes through lists
    - `lag`: how long it may take until the interface finds what it has created
    """

    at: str
    path: str = ""
    parameters: dict[str, Template] = {}
    records: str = ""
    key: str = ""
    lag: str = "0 seconds"

    @property
    def asks_for_each(self) -> bool:
        """Whether there is a request for each record."""
        return any("finished}" in text for text in texts_in(self.parameters))

    def faults(self) -> Iterator[tuple[str, str]]:
        yield from duration_faults("lag", self.lag)
        yield from _unknown("parameters", self.parameters, set())


class Reference(Table, frozen=True, forbid_unknown_fields=True):
    """A field that has the key of another record. resource: of which sort · by: pointer to the name by which the record of the
    other interface is found, for what is not created, such as queues."""

    resource: str
    by: str = ""


class Create(Table, frozen=True, forbid_unknown_fields=True):
    """How records of a resource are created.

    - `method`, `path`, `parameters`, `format`, `body`, `fields`, `inside`: see `Step` · `id`: pointer in the answer to the new
      key
    - `read`, `read_record`: template of the path of a record by `{key}`, and pointer to it; where the resource has a `detail`,
      that is taken
    - `find`: how a record is found again; without it, only this machine remembers what it has created
    - `references`: by name (`record.queue`, `child.author`), what they lead to
    - `values`: by name, values in the place of others: `{ "record.status" = { "Open" = "open" } }`
    - `pick`, `files`, `upload`: what the templates need besides
    - `children`: by name, in order
    - `then`: by name, in order, once the children are there
    - `unless`: by pointer, patterns of records that are not created: `{ status = "deleted" }`
    - `gone`: the same of records of the interface that count as not being there · `missing`: the status that it answers for
      what it does not have, beside 404 and 410
    - `losses`: what cannot be set, as sentences · `notes`: what happens besides
    - `unchecked`: names of the body that the record is not compared by afterwards, since the interface shows them otherwise
    - `derived`: pointers of fields that nobody misses: they follow from others · `empty`: texts that mean nothing
    """

    path: str
    method: _METHODS = "POST"
    parameters: dict[str, Template] = {}
    format: _FORMATS = "json"
    body: dict[str, Template] = {}
    fields: list[str] = []
    inside: str = ""
    id: str = "id"
    read: str = ""
    read_record: str = ""
    find: Find | None = None
    references: dict[str, Reference] = {}
    values: dict[str, dict[str, str]] = {}
    pick: dict[str, Pick] = {}
    files: Files | None = None
    upload: Upload | None = None
    children: dict[str, NewChild] = {}
    then: dict[str, Step] = {}
    unless: Matches = {}
    gone: Matches = {}
    missing: int = 0
    losses: list[str] = []
    notes: list[str] = []
    unchecked: list[str] = []
    derived: list[str] = []
    empty: list[str] = []

    def step(self) -> Step:
        """The request that creates one."""
        return _step_of(self)

    def faults(self) -> Iterator[tuple[str, str]]:
        own = set(self.pick)
        for name in ("path", "parameters", "body"):
            yield from _unknown(name, getattr(self, name), own)
        yield from _unknown("read", self.read, set())
        for label, step in self.then.items():
            yield from _unknown(f"then.{label}", [step.path, step.parameters, step.body], own)
        for label, child in self.children.items():
            known = own | set(child.pick)
            yield from _unknown(f"children.{label}", [child.path, child.parameters, child.body, child.same], known)
            for then in child.then.values():
                yield from _unknown(f"children.{label}.then", [then.path, then.parameters, then.body], known)
        for label in (*self.references, *self.values):
            if label.partition(".")[0] not in _ROOTS | own:
                yield "references", f"or values name {label!r}, which is not known: for example record.queue"


def _step_of(one: NewChild | Create) -> Step:
    return Step(one.path, one.method, one.parameters, one.format, one.body, one.fields, one.inside)


def _unknown(name: str, value: object, own: set[str]) -> Iterator[tuple[str, str]]:
    """Names in braces that nobody fills in."""
    for text in texts_in(value):
        for found in PLACEHOLDER.findall(text):
            if found.partition(".")[0] not in _ROOTS | own:
                yield name, f"has {{{found}}}, which is not known"
