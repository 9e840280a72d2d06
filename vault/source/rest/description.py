"""Descriptions of REST interfaces: what a TOML file says about one. `description_parsing` reads it.

    base = "https://desk.example.com/api/"

    [auth]
    type = "bearer"

    [resources.tickets]
    path = "tickets"
    records = "results"
    key = "id"
    time = "created"

    [resources.tickets.paging]
    type = "page"
    size_parameter = "page_size"
    size = 100

A *pointer* is the way to a value within an answer or a record: names of fields with dots between them; empty for the whole. A
*template* has names in braces that are filled in: `tickets/{key}/comments`, `{record.field}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from vault.source.rest.creation import Create
from vault.source.rest.description_faults import Table, duration_faults, template_faults

Scalar: TypeAlias = str | int | float | bool
Parameters: TypeAlias = dict[str, Scalar | list[Scalar]]
TimeFormat: TypeAlias = str
"""`iso`, `seconds`, `milliseconds`, `date` or a pattern of strptime."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}\Z")
MOST_RESOURCES, MOST_CHILDREN = 200, 20


class Auth(Table, frozen=True, forbid_unknown_fields=True):
    """How requests are authorised with the secret that the source's options lead to.

    - `type`: `bearer`, `basic` (with the option `user`), `basic_key` (the secret as the user), `header`, `query`, `path` (the
      secret is a part of the path, behind the base), `oauth2`, or `none`
    - `name`: of the header or the query parameter
    - `prefix`: before the secret, in a header
    - `basic_with_user`: where the source has the option `user`, it is `basic`
    - `token_url`, `grant`, `scope`: of OAuth 2; the URL may be relative to the base
    - `client_parameters`: whether the client's id and secret go as parameters of the request for a token, not as its user
    """

    type: Literal["none", "bearer", "basic", "basic_key", "header", "query", "path", "oauth2"] = "none"
    name: str = ""
    prefix: str = ""
    basic_with_user: bool = False
    token_url: str = ""
    grant: Literal["client_credentials", "refresh_token"] = "client_credentials"
    scope: str = ""
    client_parameters: bool = False

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.type in ("header", "query") and not self.name:
            yield "name", f"is missing: a {self.type} needs one"
        if self.type == "oauth2" and not self.token_url:
            yield "token_url", "is missing: tokens are asked for there"
        if "\n" in self.name + self.prefix or "\r" in self.name + self.prefix:
            yield "name", "has a line break"


class Operating(Table, frozen=True, forbid_unknown_fields=True):
    """A limit of the time that a server works for us. used, reset_at: pointers into each answer (seconds; seconds since 1970) ·
    most: seconds after which the reset is waited for."""

    used: str
    reset_at: str
    most: float

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.most <= 0:
            yield "most", "must be more than 0"


class Limits(Table, frozen=True, forbid_unknown_fields=True):
    """How much may be asked.

    - `requests_per_second`: at most; 0 for no limit
    - `burst`: so many may be sent at once before that counts
    - `busy`: statuses upon which is waited and asked again
    - `busy_errors`: error codes in an answer, whatever its status, that mean the same
    - `longest_wait`: that a server may ask for
    - `largest_answer`: MiB
    """

    requests_per_second: float = 0.0
    burst: int = 1
    busy: list[int] = msgspec.field(default_factory=lambda: [429, 502, 503, 504])
    busy_errors: list[str] = []
    longest_wait: str = "15 minutes"
    operating: Operating | None = None
    largest_answer: int = 32

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.requests_per_second < 0:
            yield "requests_per_second", "must not be negative"
        if self.burst < 1:
            yield "burst", "must be at least 1"
        if not 1 <= self.largest_answer <= 256:
            yield "largest_answer", "must be from 1 to 256 (MiB)"
        yield from duration_faults("longest_wait", self.longest_wait)


class Errors(Table, frozen=True, forbid_unknown_fields=True):
    """Errors in an answer, whatever its status. at: pointer to the code; where something is there, the answer is an error ·
    not_there: codes of what is gone, or never was."""

    at: str = ""
    not_there: list[str] = []

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.not_there and not self.at:
            yield "not_there", "needs `at`, which says where the code is"


class Paging(Table, frozen=True, forbid_unknown_fields=True):
    """How the pages of a listing follow one another.

    - `type`: `none` (one answer has all), `page` (numbers), `offset`, `cursor` (a value of the last answer), `next` (the last
      answer has the next URL), `link` (its header has), `keyset` (records after the last key)
    - `parameter`: the page, the offset, the cursor or the last key is sent as this; in the body where the resource has one
    - `value`: of `keyset`: a template with `{last}`
    - `start`: the first page, offset or key
    - `size`, `size_parameter`: records asked for
    - `total`, `total_header`: where an answer says how many there are · `total_parameters`: that ask for it
    - `next`: pointer to the next cursor or URL
    - `more`, `last`: pointers to a flag that says that there is more, or that this is the last page
    - `most_pages`: so many may be asked for; then the listing begins anew with the newest modification seen
    - `short_is_last`: a page that is not full is the last one
    - `stable`: records keep their place when others are deleted, so that none is skipped; `keyset` always is
    """

    type: Literal["none", "page", "offset", "cursor", "next", "link", "keyset"] = "none"
    parameter: str = ""
    value: str = "{last}"
    start: str | int = ""
    size: int = 100
    size_parameter: str = ""
    total: str = ""
    total_header: str = ""
    total_parameters: Parameters = {}
    next: str = ""
    more: str = ""
    last: str = ""
    most_pages: int = 0
    short_is_last: bool = False
    stable: bool = False

    @property
    def skips_nothing(self) -> bool:
        """Whether a listing has every record that is there from its beginning to its end."""
        return self.stable or self.type in ("keyset", "none")

    def faults(self) -> Iterator[tuple[str, str]]:
        if self.type in ("page", "offset", "cursor", "keyset") and not self.parameter:
            yield "parameter", f"is missing: paging by {self.type} needs one"
        if self.type in ("cursor", "next") and not self.next:
            yield "next", f"is missing: paging by {self.type} needs one"
        if self.type in ("page", "offset") and not isinstance(self.start, int) and self.start:
            yield "start", "must be a whole number"
        if self.type == "keyset" and "{last}" not in self.value:
            yield "value", "must have {last} in it"
        if not 1 <= self.size <= 100_000:
            yield "size", "must be from 1 to 100000"
        if self.most_pages < 0 or (self.most_pages and self.type not in ("page", "offset")):
            yield "most_pages", "is for paging by page or offset, and not negative"


class Incremental(Table, frozen=True, forbid_unknown_fields=True):
    """How one asks for what was modified.

    - `field`: pointer to the modification of a record · `field_format`: where it is not that of the resource's times
    - `parameters`: templates with `{since}`, added to those of the resource
    - `format`: of `{since}`; see `TimeFormat`
    - `overlap`: how far before the last run is asked
    - `shows_deletions`: deleted records are listed as modified ones, which say so
    - `leaves_out`: what was modified so recently is not listed at all, neither as it is nor as it was; empty where it is
    - `full_from`: a full scan asks with these parameters too, from this moment on; empty where it does without
    """

    field: str
    parameters: Parameters
    field_format: TimeFormat = ""
    shows_deletions: bool = False
    format: TimeFormat = "iso"
    overlap: str = "10 minutes"
    leaves_out: str = ""
    full_from: str = ""

    def faults(self) -> Iterator[tuple[str, str]]:
        yield from template_faults("parameters", self.parameters, {"since"})
        if "{since}" not in repr(self.parameters):
            yield "parameters", "must have {since} in one of them"
        yield from duration_faults("overlap", self.overlap)
        if self.leaves_out:
            yield from duration_faults("leaves_out", self.leaves_out)
        if self.full_from:
            try:
                from datetime import datetime

                datetime.fromisoformat(self.full_from)
            except ValueError:
                yield "full_from", "is not a moment such as 2000-01-01T00:00:00Z"


class Child(Table, frozen=True, forbid_unknown_fields=True):
    """Records that belong to a record, asked for one record after another, and kept in it under the child's name.

    - `path`: template with `{key}` of the record, `{record.FIELD}`
    - `records`: pointer to the list
    - `key`: pointer to what tells one from another, by which they are sorted; empty: they stay as they come
    - `when`: pointer within the record: where nothing is there, or 0, there is nothing to ask for
    - `unless`: by pointer within the record, patterns upon which there is nothing to ask for: `{ status = "deleted" }`
    - `map`: the records are the values of an object
    - `each`: pointer within the record to ids: one request for each, with `{each}` in the path or the parameters, whose
      answer has one child at `records`
    - `below`: by pointer, patterns of children that have children themselves: `{ TYPE = "folder" }`; they are asked for with
      the key of such a one as `{key}`
    - `detail`: template of a path with more of each one, which takes its place: `{key}`, `{child.FIELD}`
    - `detail_if`: by pointer, patterns that a child must match for that: `{ type = "text/*" }`
    - `base64_text`: fields with texts as base64: the texts are kept, where they are ones
    - `drop`: fields that are left out, since they change by themselves
    """

    path: str
    parameters: Parameters = {}
    records: str = ""
    key: str = "id"
    when: str = ""
    unless: dict[str, str] = {}
    map: bool = False
    each: str = ""
    below: dict[str, str] = {}
    detail: str = ""
    detail_record: str = ""
    detail_if: dict[str, str] = {}
    base64_text: list[str] = []
    drop: list[str] = []
    paging: Paging = Paging()

    def faults(self) -> Iterator[tuple[str, str]]:
        known = {"key", "each"} if self.each else {"key"}
        yield from template_faults("path", self.path, known, "record.")
        yield from template_faults("parameters", self.parameters, known, "record.")
        if self.each and "{each}" not in self.path + repr(self.parameters):
            yield "each", "needs {each} in the path or the parameters"
        if self.below and "{key}" not in self.path + repr(self.parameters):
            yield "below", "needs {key} in the path or the parameters"
        yield from template_faults("detail", self.detail, {"key"}, "child.")
        if self.paging.most_pages:
            yield "paging", "cannot have most_pages"


class Attachments(Table, frozen=True, forbid_unknown_fields=True):
    """Files of a record.

    - `records`: pointer within the record, children included, to what describes them; goes through lists. Several have commas
      between them; an empty one is the record itself
    - `key`, `name`: pointers within such a description
    - `url`: pointer to the address of the bytes; or `path`: a template with `{key}`, `{attachment.FIELD}`
    - `base64`: pointer to the bytes within an answer of JSON; empty where the answer is the bytes
    - `version`: pointers to what changes with the content
    - `size`: pointer to how many bytes there are; a file that has another number of them is none
    - `hosts`: other hosts, from which bytes are fetched without credentials: `*.files.example.com`
    - `when`: pointer within the description: only where something is there it is a file
    """

    records: str
    key: str = "id"
    name: str = "name"
    url: str = ""
    path: str = ""
    base64: str = ""
    size: str = ""
    version: list[str] = []
    hosts: list[str] = []
    when: str = ""

    def faults(self) -> Iterator[tuple[str, str]]:
        if bool(self.url) == bool(self.path):
            yield "url", "or path must say where the bytes are: one of them"
        yield from template_faults("path", self.path, {"key"}, "attachment.")


class RecordPage(Table, frozen=True, forbid_unknown_fields=True):
    """Which fields a page for people begins with. Where nothing is said, the usual names are looked for.

    - `title`, `author`, `body`, `time`: pointers within a record
    - `comments`: pointers to its lists of comments
    - `comment_author`, `comment_body`, `comment_time`: pointers within a comment
    """

    title: str = ""
    author: str = ""
    body: str = ""
    time: str = ""
    comments: list[str] = []
    comment_author: str = ""
    comment_body: str = ""
    comment_time: str = ""


class Resource(Table, frozen=True, forbid_unknown_fields=True):
    """One sort of records.

    - `path`: below the base · `method`: `GET`, or `POST` with `body`
    - `parameters`: of the query
    - `records`: pointer to the list within an answer
    - `key`, `time`: pointers within a record; without `time` all records are one item. Where the pointer of the time goes
      through a list, the earliest counts
    - `time_format`: see `TimeFormat` · `time_may_be_missing`: of some records, by right
    - `detail`, `detail_record`: a template of a path with more of each record, which takes the place of the listed one
    - `drop`: pointers to fields that are left out, since they change by themselves; go through lists
    - `pages_per_minute`: of its listing, at most; 0 for no limit of its own
    - `only_with_full_scan`: it is not looked at between full scans
    - `records_in`: pointer within each entry of the list to the record itself
    - `create`: how records go back; without it they cannot
    - `page`: of pages for people
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    parameters: Parameters = {}
    body: dict[str, Any] = {}
    records: str = ""
    records_in: str = ""
    key: str = "id"
    time: str = ""
    time_format: TimeFormat = "iso"
    time_may_be_missing: bool = False
    detail: str = ""
    detail_record: str = ""
    drop: list[str] = []
    pages_per_minute: float = 0.0
    only_with_full_scan: bool = False
    paging: Paging = Paging()
    incremental: Incremental | None = None
    children: dict[str, Child] = {}
    attachments: Attachments | None = None
    create: Create | None = None
    page: RecordPage = RecordPage()

    def faults(self) -> Iterator[tuple[str, str]]:
        if not self.key:
            yield "key", "must not be empty"
        yield from template_faults("detail", self.detail, {"key"}, "record.")
        if self.create is not None and (self.create.children or self.create.then) and not (self.create.read or self.detail):
            yield "create", "needs read, or a detail of the resource: what belongs to a record is looked at there"
        if self.body and self.method == "GET":
            yield "body", "needs method = 'POST'"
        if self.paging.most_pages and self.incremental is None:
            yield "paging", "has most_pages, which needs [incremental]"
        if len(self.children) > MOST_CHILDREN:
            yield "children", f"are more than {MOST_CHILDREN}"


class Description(Table, frozen=True, forbid_unknown_fields=True):
    """An interface.

    - `title`: for people · `documentation`: the address of the vendor's page
    - `base`: the address that paths are below; empty where the source's option says it
    - `time_zone`: of times without one
    - `headers`: of all requests
    - `notes`: what is not taken, as sentences; they stand in the coverage
    """

    title: str
    resources: dict[str, Resource]
    documentation: str = ""
    base: str = ""
    time_zone: str = "UTC"
    headers: dict[str, str] = {}
    auth: Auth = Auth()
    limits: Limits = Limits()
    errors: Errors = Errors()
    notes: list[str] = []

    def faults(self) -> Iterator[tuple[str, str]]:
        if not self.resources:
            yield "resources", "is empty: there is nothing to take"
        if len(self.resources) > MOST_RESOURCES:
            yield "resources", f"are more than {MOST_RESOURCES}"
        for name in self.resources:
            if not _NAME.match(name):
                yield "resources", f"has the name {name!r}: small letters, digits, - and _"
        if any("\n" in part or "\r" in part for pair in self.headers.items() for part in pair):
            yield "headers", "have a line break"
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            yield "time_zone", "is not the name of a time zone"
