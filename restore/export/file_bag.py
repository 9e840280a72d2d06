"""A bag of files that are made in memory, as a ZIP file: the same bytes for the same files, signed like an export."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from restore.export import tags
from restore.export.payload_names import DATA, portable
from restore.export.signature import BagSigner
from restore.outputs.archive_file import whole_file
from restore.planning.conflict_policy import ConflictPolicy
from vault.errors import Interrupted, StrongroomError
from vault.problems import Problem

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Of the files in the archive: when it was made stands in the bag itself."""


def write_zip(
    path: Path, payload: Mapping[str, bytes], info: Sequence[tuple[str, str]], signer: BagSigner | None
) -> list[Problem]:
    """Write a new ZIP file with a bag in a folder of its name. payload: by the names below `data/`. Gives that the signature
    has no time stamp, where it should. Raises `TargetError`."""
    files = {f"{DATA}/{name}": data for name, data in payload.items()}
    manifest = tags.manifest((name, _digest(data)) for name, data in files.items()).encode()
    sizes = [len(data) for data in files.values()]
    described = tags.info([*info, ("Payload-Oxum", tags.oxum(sizes))]).encode()
    tagged = {tags.BAGIT: tags.DECLARATION.encode(), tags.INFO: described, tags.MANIFEST: manifest}
    tag_manifest = tags.manifest((name, _digest(data)) for name, data in tagged.items()).encode()
    signed, problems = _signed(signer, tag_manifest)
    base = portable(path.stem.encode())
    with whole_file(path, ConflictPolicy.REFUSE) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**tagged, tags.TAG_MANIFEST: tag_manifest, **signed, **files}.items():
            entry = zipfile.ZipInfo(f"{base}/{name}", _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return problems


def _signed(signer: BagSigner | None, tag_manifest: bytes) -> tuple[dict[str, bytes], list[Problem]]:
    if signer is None:
        return {}, []
    signature = signer.sign(tag_manifest).encode()
    files = {tags.SIGNATURE: signature}
    if signer.stamp is None:
        return files, []
    try:
        return files | {tags.STAMP: signer.stamp(signature)}, []
    except Interrupted:
        raise
    except StrongroomError as error:
        return files, [Problem(tags.SIGNATURE.encode(), "not-stamped", f"the signature has no time stamp: {error}")]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
