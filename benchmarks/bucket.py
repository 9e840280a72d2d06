"""Makes a bucket, or adds up what is in it. A program of its own, so that boto3 does not weigh on who measures memory.

python -m benchmarks.bucket make|size URL BUCKET
"""

from __future__ import annotations

import sys

import boto3
from botocore.config import Config


def main(verb: str, url: str, bucket: str) -> None:
    """`size` prints the number of bytes of all objects, and then their number."""
    client = boto3.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}))
    if verb == "make":
        client.create_bucket(Bucket=bucket)
        return
    sizes = [
        entry["Size"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for entry in page.get("Contents", [])
    ]
    print(sum(sizes), len(sizes))


if __name__ == "__main__":
    main(*sys.argv[1:])
