"""Where a schema registry is, and how it lets us in."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

WANTED = "http(s)://[USER@]HOST:PORT[/PATH]; a password has a setting of its own"


@dataclass(frozen=True, slots=True)
class RegistryAddress:
    """Where the registry is, and how it lets us in. The password is never printed."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @classmethod
    def of(cls, url: str, password: str | None = None, ca_file: Path | None = None) -> "RegistryAddress":
        """The registry that a URL names. Raises ValueError, saying what it wants."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(WANTED)
        if parts.password is not None:
            raise ValueError(WANTED)
        where = parts.netloc.rpartition("@")[2]
        username = unquote(parts.username) if parts.username else None
        return cls(f"{parts.scheme}://{where}{parts.path.rstrip('/')}", username, password, ca_file)

    def __str__(self) -> str:
        return self.url
