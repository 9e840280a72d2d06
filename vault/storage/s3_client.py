"""Makes the client that `s3` talks through: botocore itself, the way that every S3-compatible store understands.

boto3 adds nothing that is used here, and half a second matters to a command line. Measured on two shared cores, import
plus client: boto3 0.39 s, botocore 0.32 s, this module 0.25 s. What is saved honestly: the scan of botocore's 400
service folders, and the garbage collector's walks over the models while they are parsed.

Credentials come from the SDK's standard chain (environment, profile, container, instance role), never from us.
"""

from __future__ import annotations

import gc
import io
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from vault.errors import StorageError
from vault.hidden_fields import HidesFields
from vault.storage.s3_errors import s3_errors

Answer = Mapping[str, Any]

_SERVICES = ("s3", "sso", "sso-oidc", "sts", "signin")
"""S3, and what the credential chain may have to call."""

_NO_REGION = "us-east-1"
"""What stores other than AWS take for "no region"."""

_WORTH_ASKING = 1024 * 1024
_HINT = "check the endpoint (a URL such as https://s3.example.org), the region and the profile"


LONGEST_SILENCE = 60.0
"""Seconds; a slow store may need so long for 64 MiB."""


class Credentials(HidesFields, frozen=True):
    """Those of the environment, which the SDK would use before all others. region: that it would sign for; None: none."""

    key_id: str
    secret: str
    token: str | None = None
    region: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.key_id})"


class S3Options(Struct, frozen=True):
    """How to reach the store; all None means AWS with the SDK's own settings.

    endpoint: a URL, for stores other than AWS · region · path_style: the bucket in the path, not in the host's name
    (None: where an endpoint is given) · profile: a section of the SDK's own configuration files · timeout: seconds without
    a byte, after which a request has failed · direct: with these, plain requests need no SDK; None: all go through it.
    """

    endpoint: str | None = None
    region: str | None = None
    path_style: bool | None = None
    profile: str | None = None
    timeout: float = LONGEST_SILENCE
    direct: Credentials | None = None


class S3Client(Protocol):
    """The requests that a store needs, as botocore offers them."""

    # botocore's methods take their parameters by these names
    def put_object(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def get_object(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def head_object(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def list_objects_v2(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def delete_object(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def get_object_tagging(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def get_object_acl(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def list_object_versions(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def get_bucket_versioning(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def get_object_lock_configuration(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def put_object_retention(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def put_object_legal_hold(self, **parameters: Any) -> Answer: ...  # noqa: ANN401
    def close(self) -> None: ...


class RequestListener(Protocol):
    """Is told of every request that is really sent, and of its answer. Called from any thread."""

    def wait_for_turn(self) -> None:
        """Before each request; it may wait."""
        ...

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer has come."""
        ...


def make_client(options: S3Options, listener: RequestListener | None = None) -> S3Client:
    """The SDK's client, which may be used from many threads. Raises `StorageError` where its configuration is unusable."""
    with _without_collector(), s3_errors("use", "the S3 settings"):
        try:
            plain = (options.endpoint or "").lower().startswith("http:")
            client = _create(options, "signed" if plain else "unsigned")
            if not plain and client.meta.endpoint_url.lower().startswith("http:"):  # the SDK's configuration said so
                client.close()
                client = _create(options, "signed")
        except ValueError as error:
            raise StorageError(f"the S3 settings are invalid: {error}", hint=_HINT) from error
    client.meta.events.register_last("before-call.s3.PutObject", _send_at_once)
    if listener is not None:
        client.meta.events.register("before-send.s3", partial(_before, listener))
        client.meta.events.register("response-received.s3", partial(_after, listener))
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=partial(_let_go_of_connections, weakref.ref(client)))
    return cast(S3Client, client)


class StoreClients(NamedTuple):
    """plain: for a repository's five requests, and what a `Store` wants to know of their answers · whole: for all others."""

    plain: S3Client
    whole: S3Client


def make_store_clients(options: S3Options) -> StoreClients:
    """As `make_client`, for a store of ours: without the SDK while all that it would find out is known, and all goes well."""
    known = options.direct
    own_way = options.profile is not None or options.path_style is False
    if known is None or options.endpoint is None or own_way or not _is_plain(options.endpoint):
        client = make_client(options)
        return StoreClients(client, client)
    from vault.storage import s3_direct

    region = options.region or known.region or _NO_REGION
    direct = s3_direct.DirectClient(options.endpoint, region, known, options.timeout, partial(make_client, options))
    return StoreClients(cast(S3Client, direct), cast(S3Client, s3_direct.Whole(direct)))


def _is_plain(endpoint: str) -> bool:
    """Whether this is the URL of a server, and nothing else."""
    try:
        found = urlsplit(endpoint)
        port = found.port
    except ValueError:
        return False
    bare = found.scheme in {"http", "https"} and found.hostname and not (found.query or found.fragment or found.username)
    return bool(bare) and found.path in {"", "/"} and port != 0 and endpoint.isascii()


def _before(listener: RequestListener, **_: object) -> None:
    listener.wait_for_turn()


def _after(listener: RequestListener, response_dict: Mapping[str, Any] | None = None, **_: object) -> None:
    if response_dict is not None:
        listener.heard(int(response_dict.get("status_code") or 0), dict(response_dict.get("headers") or {}))


def _let_go_of_connections(client: weakref.ref[Any]) -> None:
    """A forked process makes connections of its own: two that speak over one would read each other's answers."""
    found = client()
    if found is not None:
        found.close()  # it can be used again


class ViewedBody(io.BytesIO):
    """Stands for memory that botocore takes no view of, and that is sent out of its place all the same. It can be sent once:
    where the store asks for it somewhere else, botocore's `UnseekableStreamError` is raised."""

    def __init__(self, whole: memoryview) -> None:
        super().__init__()
        self.whole = whole


def _send_at_once(params: dict[str, Any], **_: object) -> None:
    """Send a body with one call, and ask beforehand whether it is welcome only where it is long.

    botocore makes a file of the bytes, which goes out in pieces of 16 KiB, and waits for the server's consent (a round
    trip) however short they are. For a long body consent is worth it: a refusal then arrives before the connection is cut.
    """
    body = params.get("body")
    if isinstance(body, io.BytesIO):
        params["body"] = body.whole if isinstance(body, ViewedBody) else body.getvalue()
        if len(params["body"]) < _WORTH_ASKING:
            params["headers"].pop("Expect", None)


def _create(options: S3Options, payload: Literal["signed", "unsigned"]) -> Any:  # noqa: ANN401
    """The client of botocore's own. Over TLS the payload needs no signature: it would cost one more SHA-256 of all."""
    import botocore.session
    from botocore.config import Config

    session = botocore.session.Session(profile=options.profile)
    session.register_component("data_loader", _lean_loader())
    region = options.region or session.get_config_variable("region")
    if region is None and options.endpoint is not None:
        region = _NO_REGION
    path_style = options.path_style if options.path_style is not None else options.endpoint is not None
    config = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=options.timeout,
        max_pool_connections=32,
        tcp_keepalive=True,
        user_agent_extra="strongroom",
        s3={
            "addressing_style": "path" if path_style else "auto",
            "payload_signing_enabled": payload == "signed",
        },
    )
    client = session.create_client("s3", region_name=region, endpoint_url=options.endpoint, config=config)
    if payload == "signed":
        client.meta.events.register_first("choose-signer.s3.PutObject", cast("Callable[..., None]", _signer_of_uploads))
    return client


def _signer_of_uploads(context: Mapping[str, Any], **_: object) -> str | None:
    return _knowing_signer() if context.get("auth_type") == "v4" else None


@cache
def _knowing_signer() -> str:
    """The name by which botocore knows a signer that takes the SHA-256 of a long body from the checksum that goes with it, in
    place of computing it once more: 0.55 s of processor time a gigabyte. The checksum is signed as well, and a store that is
    sent other bytes refuses them. Short bodies are hashed, those of `probe` among them, whose checksum is wrong on purpose."""
    import base64

    from botocore import auth

    class Knowing(auth.S3SigV4Auth):
        def payload(self, request: Any) -> str:  # noqa: ANN401 (botocore's own)
            known = request.headers.get("x-amz-checksum-sha256")
            if known is None or len(request.data) < _WORTH_ASKING:
                return str(super().payload(request))
            return base64.b64decode(known).hex()

    name = "strongroom-s3v4"
    auth.AUTH_TYPE_MAPS[name] = Knowing
    return name


@cache
def _lean_loader() -> object:
    """One for all clients: it keeps the models that it has parsed."""
    import gzip

    from botocore.loaders import JSONFileLoader, Loader

    class QuickFiles(JSONFileLoader):
        """Reads botocore's models as botocore does, which has the standard library read them, in a third of the time."""

        def load_file(self, file_path: str) -> Any:  # noqa: ANN401 (botocore's own)
            try:
                plain = Path(f"{file_path}.json")
                found = plain.read_bytes() if plain.exists() else gzip.decompress(Path(f"{file_path}.json.gz").read_bytes())
                return msgspec.json.decode(found)
            except (OSError, ValueError):
                return super().load_file(file_path)

    class LeanLoader(Loader):
        """Looks for no other services than those."""

        FILE_LOADER_CLASS = QuickFiles

        def list_available_services(self, type_name: str) -> list[str]:
            return list(_SERVICES)

    return LeanLoader()


@contextmanager
def _without_collector() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
