"""Where a keyring is: a file, or a secrets engine (KV version 2) of Vault or OpenBao."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

WANTED = "file:///RELATIVE/PATH, file:////ABSOLUTE/PATH, or vault://HOST:PORT/MOUNT/PATH (vaults:// for TLS; no token in it)"


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """A path in a KV version 2 engine of a server."""

    url: str
    mount: str
    path: str


@dataclass(frozen=True, slots=True)
class KeyringAddress:
    """A keyring's URL, understood: one of the two is given."""

    file: Path | None = None
    vault: VaultPlace | None = None

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ValueError, which says what it wants, for a URL that is none."""
        parts = urlsplit(url)
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError(WANTED)
        if parts.scheme == "file" and not parts.netloc and parts.path.strip("/"):
            return cls(file=Path(unquote(parts.path[1:])))
        if parts.scheme in ("vault", "vaults") and parts.hostname:
            mount, _, path = unquote(parts.path).strip("/").partition("/")
            if mount and path.strip("/"):
                scheme = "https" if parts.scheme == "vaults" else "http"
                return cls(vault=VaultPlace(f"{scheme}://{parts.netloc}", mount, path.strip("/")))
        raise ValueError(WANTED)
