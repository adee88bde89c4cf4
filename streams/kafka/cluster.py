"""Which Kafka cluster, how it lets us in, and what mailwake's topics and groups are called there."""

import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from streams.log import LogError

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

WANTED = "kafka://HOST:PORT[,HOST:PORT ...][/PREFIX]"


class KafkaPartition(NamedTuple):
    """A partition by the name that its topic has in Kafka."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How to be let in: TLS (certificates are always checked), and a user's name and password. Never printed."""

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    def options(self) -> dict[str, Any]:
        """As aiokafka's clients (and Faust's) take them. Raises LogError."""
        options: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            options["ssl_context"] = self._context()
        if self.protocol.startswith("SASL"):
            if not self.username or self.password is None:
                raise LogError(
                    f"the security protocol {self.protocol} needs a user: set MAILWAKE_KAFKA_SASL_USERNAME and "
                    "MAILWAKE_KAFKA_SASL_PASSWORD"
                )
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        except (OSError, ssl.SSLError) as error:
            raise LogError(
                f"MAILWAKE_KAFKA_CA_FILE {self.ca_file} can't be read as certificates (PEM): {error}"
            ) from None


@dataclass(frozen=True, slots=True)
class KafkaCluster:
    """Addresses to begin with, and a prefix that keeps several logs in one cluster apart."""

    servers: tuple[str, ...]
    prefix: str = ""
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    replicas: int | None = None
    """Of each partition of a topic that is made; 3 unless given, or as many as there are brokers."""

    @classmethod
    def of(cls, url: str, security: KafkaSecurity | None = None) -> "KafkaCluster":
        """The cluster that a URL names. Raises ValueError, saying what it wants."""
        parts = urlsplit(url)
        servers = tuple(server.strip() for server in parts.netloc.split(","))
        prefix = parts.path.strip("/")
        plain = parts.scheme == "kafka" and not parts.query and not parts.fragment
        if (
            not plain
            or not all(_SERVER.fullmatch(server) for server in servers)
            or not _PREFIX.fullmatch(prefix)
        ):
            raise ValueError(f"{WANTED}; a user's name and password have settings of their own")
        return cls(
            tuple(s if _HAS_PORT.search(s) else f"{s}:9092" for s in servers),
            prefix,
            security or KafkaSecurity(),
        )

    def __str__(self) -> str:
        return f"kafka://{','.join(self.servers)}" + (f"/{self.prefix}" if self.prefix else "")

    def options(self) -> dict[str, Any]:
        """As aiokafka's clients take them. Raises LogError."""
        return {"bootstrap_servers": list(self.servers), **self.security.options()}

    def topic(self, name: str) -> str:
        """Kafka's name of a topic of ours: letters, digits, dots and hyphens stay, other characters become _XX."""
        escaped = _OTHER.sub(lambda found: "".join(f"_{byte:02x}" for byte in found[0].encode()), name)
        return self._prefixed(escaped)

    def our_state_topics(self, topics: Iterable[str]) -> list[str]:
        """Those of Kafka's topics that are changelogs of this log's stages."""
        start = self.state_topic("")
        return sorted(name for name in topics if name.startswith(start))

    def state_topic(self, stage: str) -> str:
        """The changelog of a stage's state."""
        return self.topic(f"mailwake.state.{stage}")

    @property
    def meta_topic(self) -> str:
        """Where the log's id is, and how many partitions its topics were made with."""
        return self.topic("mailwake.meta")

    @property
    def positions_topic(self) -> str:
        """Where groups' positions are, for good: Kafka forgets those of its groups after days without commits."""
        return self.topic("mailwake.positions")

    def group(self, name: str) -> str:
        """Kafka's name of a group of ours."""
        return self._prefixed(f"mailwake.{name}")

    def transactional_id(self, name: str) -> str:
        """A producer's name for its transactions."""
        return self._prefixed(f"mailwake.{name}")

    def named(self, topic: str) -> str | None:
        """Our name of a topic that Kafka has; None if it is no log's topic, or another log's."""
        start = self._prefixed("")
        if not topic.startswith(start) or topic.startswith((f"{start}mailwake.", "__")):
            return None
        return re.sub(
            r"(?:_[0-9a-f]{2})+", lambda found: bytes.fromhex(found[0].replace("_", "")).decode(errors="replace"),
            topic.removeprefix(start),
        )  # fmt: skip

    def _prefixed(self, name: str) -> str:
        return f"{self.prefix}.{name}" if self.prefix else name


_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?")
_HAS_PORT = re.compile(r":\d+$(?<!\])")
_PREFIX = re.compile(r"[A-Za-z0-9-]*")
_OTHER = re.compile(r"[^A-Za-z0-9.-]")
