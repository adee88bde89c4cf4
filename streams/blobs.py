"""Documents too large for a record, by the hash of their bytes, in a folder."""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_SHA256 = re.compile("[0-9a-f]{64}")

INLINE_LIMIT = 512 * 1024
"""Documents up to this many bytes travel in their record."""


@dataclass(frozen=True, slots=True)
class Blobs:
    """A folder of blobs named tenant/sha256. What it returned from `put` is durable; blobs never change."""

    folder: Path

    def put(self, tenant: str, content: bytes) -> str:
        """Keep these bytes; returns their SHA-256. Raises OSError when there is no room; nothing is half kept."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(tenant, digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".half-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).rename(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
        return digest

    def get(self, tenant: str, sha256: str) -> bytes | None:
        """The bytes that have this hash, or None when there are none."""
        if not _SHA256.fullmatch(sha256):
            return None
        path = self._path(tenant, sha256)
        return path.read_bytes() if path.exists() else None

    def _path(self, tenant: str, sha256: str) -> Path:
        return self.folder / quote(tenant, safe="").replace(".", "%2E") / sha256[:2] / sha256


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
