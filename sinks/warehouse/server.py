"""Where a ClickHouse server is, and how long it is waited for."""

import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

WANTED = "clickhouse://USER@HOST:PORT/DATABASE (clickhouses:// for TLS)"
"""What the URL of a server looks like."""

DATABASE = "mailwake"
"""The database of a warehouse, unless its URL names another."""

_PORTS = {"clickhouse": 8123, "clickhouses": 8443}
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CLUSTER = re.compile(r"[\w.-]+\Z")
_CREDENTIALS = re.compile(r"//.*@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In whole seconds, how long a server may keep its client waiting before it counts as busy or away."""

    connect: int = 10
    """For the connection, and for room to send more of a statement or insert."""
    answer: int = 300
    """For the next byte of an answer; an insert answers when it is on disk, with a quorum on most replicas' disks."""


@dataclass(frozen=True, slots=True)
class Server:
    """A ClickHouse server, the database on it, and who asks."""

    host: str
    port: int
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = DATABASE
    secure: bool = False
    """TLS, the server's certificate checked."""
    authority: str | None = None
    """A file with the certificate authority that signed it; None for the system's own."""
    cluster: str | None = None
    """The cluster whose replicas each hold everything; None for a single node."""
    timeouts: Timeouts = Timeouts()

    def __post_init__(self) -> None:
        """Refuse names that would have to be quoted in SQL. Raises ValueError."""
        if not _DATABASE.match(self.database):
            raise ValueError(f"{WANTED}, with a database named by letters, digits and _")
        if self.cluster is not None and not _CLUSTER.match(self.cluster):
            raise ValueError("a cluster named by letters, digits and _ . -")

    @classmethod
    def at(
        cls,
        url: str,
        password: str | None = None,
        *,
        database: str | None = None,
        cluster: str | None = None,
        authority: str | None = None,
        timeouts: Timeouts | None = None,
    ) -> Self:
        """From a URL; what is given beside it wins. Raises ValueError, which says what it wants and not what it got."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise ValueError(WANTED) from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(WANTED)
        return cls(
            parts.hostname,
            port or _PORTS[parts.scheme],
            unquote(parts.username or "default"),
            unquote(parts.password or "") if password is None else password,
            database or unquote(parts.path.strip("/")) or "mailwake",
            parts.scheme == "clickhouses",
            authority,
            cluster,
            timeouts or Timeouts(),
        )

    @property
    def where(self) -> str:
        """As messages name it: no user, no password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"clickhouse{'s' if self.secure else ''}://{host}:{self.port}/{self.database}"


def without_credentials(url: str) -> str:
    """A URL as it may be shown: whatever it holds of a user and password is left out."""
    return _CREDENTIALS.sub("//***@", url)
