"""The tables of the settings file as frozen models; `projects` and `notifications` have those about projects and messages.

A model says what a table may hold, and nothing more: what a text means is worked out by `resolve`. The descriptions are the
documentation: docs/settings.md and docs/settings.schema.json are made from them.
"""

from typing import Annotated, Literal

from strongroom.settings.tables import Field, Table
from strongroom.settings.value_types import Length, Loopback, Place, PlainUrl, Text, Texts


class RepositorySettings(Table):
    """Where the repository lies and how to reach it."""

    address: Text = Field(description="a folder, `file:/folder`, or `s3://bucket/prefix`")
    endpoint: Text | None = Field(default=None, description="URL of an S3 server other than AWS")
    region: Text | None = Field(
        default=None, description="the bucket's region; else the SDK's own setting, or `us-east-1` with an endpoint"
    )
    path_style: bool | None = Field(
        default=None,
        description="the bucket in the path instead of the host's name; where it is not said: true with an endpoint",
    )
    profile: Text | None = Field(default=None, description="a profile of the AWS configuration files")
    minimum_storage: Length | None = Field(
        default=None,
        description="the store charges for objects that are deleted sooner, such as `30 days`: prune joins no younger packs",
    )


class IdentitySettings(Table):
    """Where the identity comes from. `--identity FILE` comes before all of these."""

    file: Place | None = Field(default=None, description="an age identity file; else `~/.config/strongroom/identity.txt`")
    command: Text | None = Field(
        default=None, description="a command that prints the identity, instead of a file; no shell is involved"
    )
    passphrase_command: Text | None = Field(
        default=None,
        description="a command that prints the passphrase of an identity that is sealed to one; else a person is asked",
    )


class RecoverySettings(Table):
    """Who else can open what will be stored."""

    recipients: Texts = Field(
        default=(),
        description="public keys (`age1pq1…`, behind each its signing key, `ssh-ed25519 …`) that every project added from now "
        "on is sealed to as well: the recovery kit's",
    )
    check_within: Length = Field(
        default="180 days",
        description="within that time each kit is to be proven by `strongroom keys check`; else `status`, drills and the "
        "daemon remind of it",
    )


class DaemonSettings(Table):
    """How the daemon runs."""

    max_parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2,
        description="so many backups run at once; half as many checks, drills, prunes and runs of retention beside them, and "
        "as many copies as those",
    )
    metrics: Loopback | None = Field(
        default=None, description="address and port for metrics and health, on loopback: `127.0.0.1:9898`; else there are none"
    )
    grace: Length = Field(
        default="30 seconds", description="how long running jobs may take to end when the daemon is told to stop"
    )
    log: Literal["text", "json"] = Field(default="text", description="lines for people, or a JSON document a line")
    state: Place | None = Field(
        default=None, description="the folder where it keeps what it ran; else `~/.local/state/strongroom`"
    )


class ErasureSettings(Table):
    """What it takes to erase a project."""

    approvals: Annotated[int, Field(ge=1, le=2)] = Field(
        default=2, description="how many people must want it, whoever asks included; with 1, one person erases alone"
    )
    within: Length = Field(
        default="7 days", description="how long after a request another person may approve it; at most 30 days"
    )


class AuditSettings(Table):
    """How the log is proven to others. That it is kept is no setting."""

    timestamp: PlainUrl | None = Field(
        default=None,
        description="the URL of a time-stamp authority (RFC 3161), which stamps the heads of the log once a day and the "
        "signatures of exports; needs the extra `timestamp`",
    )
    certificates: Place | None = Field(
        default=None,
        description="the authority's root certificate, and those below it, as a PEM file: stamps are verified by it",
    )
