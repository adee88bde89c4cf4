"""Documents too large for a record, by the digest of their bytes, in a folder."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from streams.durable_file import sync

_SHA256 = re.compile("[0-9a-f]{64}")

INLINE_LIMIT = 512 * 1024
"""Documents up to this many bytes travel in their record."""


@dataclass(frozen=True, slots=True)
class Blobs:
    """A folder of blobs named tenant/digest. What it returned from `put` is durable; only an erasure changes one."""

    folder: Path

    def put(self, tenant: str, content: bytes) -> str:
        """Keep these bytes; returns their SHA-256. Raises OSError when there is no room; nothing is half kept."""
        digest = hashlib.sha256(content).hexdigest()
        if not self._path(tenant, digest).exists():
            self.replace(tenant, digest, content)
        return digest

    def replace(self, tenant: str, digest: str, content: bytes) -> None:
        """Keep bytes under a digest that the caller made: of sealed ones, of what they hold.

        Whoever reads what was in their place has the ones or the others. Raises as `put`.
        """
        path = self._path(tenant, digest)
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
        sync(path.parent)

    def get(self, tenant: str, sha256: str) -> bytes | None:
        """The bytes that have this hash, or None when there are none."""
        if not _SHA256.fullmatch(sha256):
            return None
        path = self._path(tenant, sha256)
        return path.read_bytes() if path.exists() else None

    def digests(self, tenant: str) -> Iterator[str]:
        """The digests of a tenant's blobs."""
        yield from sorted(p.name for p in self._folder(tenant).glob("??/*") if _SHA256.fullmatch(p.name))

    def remove_half_written(self, tenant: str, before_s: float) -> None:
        """Delete what processes that were killed left half-written, and nobody has touched since that time (epoch, s)."""
        for path in self._folder(tenant).glob("??/.half-*"):
            if path.stat().st_mtime < before_s:
                path.unlink(missing_ok=True)

    def remove_all(self, tenant: str) -> int:
        """Delete a tenant's blobs, half-written ones too; returns how many there were. Raises OSError."""
        count = sum(1 for _ in self.digests(tenant))
        if self._folder(tenant).exists():
            shutil.rmtree(self._folder(tenant))
            sync(self.folder)
        return count

    def _path(self, tenant: str, sha256: str) -> Path:
        return self._folder(tenant) / sha256[:2] / sha256

    def _folder(self, tenant: str) -> Path:
        return self.folder / quote(tenant, safe="").replace(".", "%2E")
