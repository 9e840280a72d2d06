"""Buckets of special kinds, and credentials that may not delete, on the S3 servers of the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import count
from typing import Any

import botocore.session

from tests.support.stores import raw_client

_numbers = count(1)  # names within one run's servers

LOOK = ("s3:ListBucket", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration")
APPEND = ("s3:GetObject", "s3:PutObject")


def locked_bucket(endpoint: str, *, default_days: int | None = None) -> str:
    """A bucket with Object Lock. default_days: a retention (governance) that it gives to whatever is written."""
    bucket = f"locked-{next(_numbers)}"
    with closing(raw_client(endpoint)) as client:
        client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        if default_days is not None:
            rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": default_days}}
            configuration = {"ObjectLockEnabled": "Enabled", "Rule": rule}
            client.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    return bucket


def heads(endpoint: str, bucket: str, *folders: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the store says of each object that stands below projects/<id>/<folder>, or below audit/."""
    with closing(raw_client(endpoint)) as client:
        for row in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
            parts = row["Key"].split("/")
            of_project = "projects" in parts and parts[parts.index("projects") + 2] in folders
            if of_project or ("audit" in folders and "audit" in parts):
                yield row["Key"], client.head_object(Bucket=bucket, Key=row["Key"])


def locks(endpoint: str, bucket: str, *folders: str) -> dict[str, datetime | None]:
    """Until when these objects are locked."""
    return {key: head.get("ObjectLockRetainUntilDate") for key, head in heads(endpoint, bucket, *folders)}


def legal_holds(endpoint: str, bucket: str, *folders: str) -> set[str]:
    """Those of these objects that are under a legal hold."""
    return {key for key, head in heads(endpoint, bucket, *folders) if head.get("ObjectLockLegalHoldStatus") == "ON"}


def append_only_user(endpoint: str, bucket: str) -> dict[str, str]:
    """The credentials, as variables of the environment, of a user who may put, get and list there, and not delete."""
    statements = [
        {"Effect": "Allow", "Action": list(LOOK), "Resource": f"arn:aws:s3:::{bucket}"},
        {"Effect": "Allow", "Action": list(APPEND), "Resource": f"arn:aws:s3:::{bucket}/*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    name = f"writer-{next(_numbers)}"
    made: Any = botocore.session.Session().create_client("iam", region_name="us-east-1", endpoint_url=endpoint)
    with closing(made) as iam:
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        iam.put_user_policy(UserName=name, PolicyName="append-only", PolicyDocument=policy)
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
