"""moto's S3 in this process, with its requests one at a time: the server that the plugin for pytest brings."""

from __future__ import annotations

from strongroom.testing.s3_server import s3_server as moto_server

__all__ = ["moto_server"]
