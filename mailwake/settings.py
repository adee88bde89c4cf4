"""Settings: environment variables `MAILWAKE_*`, and `mailwake.toml` (or the file that MAILWAKE_CONFIG names).

The environment wins over the file. In URLs three slashes begin a relative path and four an absolute one.
"""

import os
import re
from functools import cache
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from mailwake.unknown_variables import PREFIX, unknown_variables
from streams.kafka.cluster import WANTED, KafkaCluster, KafkaSecurity, Mechanism, Protocol

if TYPE_CHECKING:
    from sinks.warehouse.server import Server

DEFAULT_FILE = "mailwake.toml"
_NOT_IN_TENANTS = re.compile(r"[/\x00-\x1f\x7f]").search


class SettingsError(ValueError):
    """A setting that can't be used; says which, what it got and what it wants."""


class Settings(BaseSettings):
    """Everything that can be set, with the embedded defaults."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    log: str = "sqlite:///mailwake.db"
    """Where events are kept: sqlite:///PATH, or kafka://HOST:PORT[,HOST:PORT ...][/PREFIX]."""
    warehouse: str = "chdb:///warehouse"
    """Where they are queried: chdb:///FOLDER, or clickhouse://USER@HOST:PORT/DATABASE (clickhouses:// for TLS)."""
    warehouse_password: SecretStr = SecretStr("")
    """The password of that user."""
    warehouse_ca: Path | None = None
    """The certificate authority of a clickhouses:// server, as a PEM file; the system's own unless given."""
    warehouse_cluster: Annotated[str | None, Field(pattern=r"^[\w.-]+$")] = None
    """The cluster of replicas that the server belongs to; a single node unless given."""
    warehouse_connect_seconds: Annotated[int, Field(ge=1)] = 10
    """How long a server is waited for to connect."""
    warehouse_answer_seconds: Annotated[int, Field(ge=1)] = 300
    """How long a server is waited for to answer."""
    blobs: Path = Path("blobs")
    """The folder of documents larger than 512 KiB."""
    keyring: str | None = None
    """Where tenants' keys are kept: file:///PATH, or vault://HOST:PORT/MOUNT/PATH (vaults:// for TLS).

    Unless given, a file beside a log in SQLite (mailwake.keys beside mailwake.db), and mailwake.keys here for one in Kafka.
    """
    keyring_token: SecretStr | None = None
    """The token that Vault or OpenBao knows us by; never shown."""
    keyring_token_file: Path | None = None
    """A file that holds the token and may change, as Vault's agent writes it; read again when the token is refused."""
    keyring_ca_file: Path | None = None
    """Certificates (PEM) of whom to trust at vaults://; the operating system's if none is named."""
    tenant: Annotated[str, Field(min_length=1, max_length=256)] = "default"
    """The tenant of what is ingested and emitted without one."""
    http_host: str = "127.0.0.1"
    """Where `mailwake up` serves ClickHouse's HTTP interface."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8123
    """Its port; 0 takes any that is free."""
    metrics_host: str = "127.0.0.1"
    """Where `mailwake up` serves /metrics, /healthz and /readyz; empty: nowhere."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """Its port; 0: nowhere."""
    intake_host: str = "127.0.0.1"
    """Where `mailwake up` and `mailwake intake` take events, documents and webhooks over HTTP; empty: nowhere."""
    intake_port: Annotated[int, Field(ge=0, le=65535)] = 8025
    """Its port; 0: nowhere."""
    intake_url: Annotated[str | None, Field(pattern=r"^https?://[^\s?#]+$")] = None
    """The intake as the world calls it, https://mail.example.com: what the URLs of hooks begin with."""
    intake_proxies: str = "127.0.0.1,::1"
    """The proxies before it whose X-Forwarded-For and -Proto are believed: addresses and networks, or *."""
    intake_certificate_file: Path | None = None
    """Its certificate with the chain (PEM): it speaks TLS then."""
    intake_certificate_key_file: Path | None = None
    """The certificate's key (PEM)."""
    intake_document_bytes: Annotated[int, Field(ge=2**20, le=2**28)] = 64 * 2**20
    """The largest document that it takes."""
    intake_requests: Annotated[int, Field(ge=1, le=100_000)] = 512
    """How many requests it works on at once; one more is told to come again."""
    keys: Path = Path("keys.toml")
    """The file of API keys, hashed."""
    hooks: Path = Path("hooks.toml")
    """The file of webhooks: providers, tokens, secrets."""
    ruleset: str | None = None
    """The ruleset that bounces are classified by: its name, or a folder; the newest unless given."""
    suppressions: Path | None = None
    """The index of who is suppressed, which is made from the log; beside a log in SQLite unless given, and here for Kafka."""
    stall_seconds: Annotated[int, Field(ge=1)] = 120
    """How long a stage may have input and make no progress before /healthz is red."""
    from_domain: str | None = None
    """The From domain of what ingested mails, hooks and MTA logs tell, where they name none."""
    verp: Annotated[tuple[str, ...], NoDecode] = ()
    """Envelope senders that bounces come back to, by what they name, as bounces+{local}={domain}@bounce.example.com.

    Several are separated by blanks in the environment.
    """
    unsubscribe: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses of List-Unsubscribe: a mail to one of them unsubscribes. Written as `verp`."""
    watch: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders from which `mailwake up` takes documents, separated by commas in the environment."""
    step_records: Annotated[int, Field(ge=1, le=1_000_000)] = 25_000
    """The most records in one step of a stage or one load."""
    linger_ms: Annotated[int, Field(ge=0, le=60_000)] = 500
    """How long `mailwake up` waits for more when little came."""
    wait_seconds: Annotated[int, Field(ge=0)] = 20
    """How long `mailwake run`, `replay` and `ingest` wait for room on the disk, a busy warehouse or a keyring that is away
    before they give up.

    And how long `mailwake emit` waits for a log that takes nothing from the spool.
    """
    query_seconds: Annotated[int, Field(ge=1)] = 60
    """The longest a query may run."""
    query_bytes: Annotated[int, Field(ge=10_000_000)] = 400_000_000
    """The most memory a query may take."""
    query_rows: Annotated[int, Field(ge=1)] = 10_000_000
    """The most rows a query may return."""
    spool: str | None = None
    """Where an Emitter keeps events until a log in Kafka has them: sqlite:///PATH; none unless given."""
    spool_bytes: Annotated[int, Field(ge=2**20)] = 2**30
    """The most that the spool holds."""
    kafka_partitions: Annotated[int, Field(ge=1, le=1_000)] = 8
    """How many partitions the topics that spread are made with in Kafka: the most workers that share one stage."""
    kafka_replicas: Annotated[int | None, Field(ge=1)] = None
    """How many brokers have each partition of a topic that is made: 3 unless given, or as many as there are brokers."""
    kafka_kept_days: Annotated[int | None, Field(ge=1)] = None
    """For how long Kafka keeps mail events and what is counted of them; for ever unless given."""
    worker_name: Annotated[str | None, Field(pattern=r"^[\w.-]+$", max_length=200)] = None
    """A worker's own name for good (a host, a pod of a StatefulSet): restarted, it gets its partitions back at once."""
    session_seconds: Annotated[int, Field(ge=6, le=300)] = 10
    """How long a worker may go silent before its partitions are given to others."""
    standby_replicas: Annotated[int, Field(ge=0, le=5)] = 0
    """How many other workers follow the fold's state of each partition, to take over without reading it first."""
    fold_seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """How long the fold lets deltas come together before it writes; what is late anyway waits up to ten times as long."""
    kafka_security_protocol: Protocol = "PLAINTEXT"
    """Whether Kafka's brokers speak TLS (SSL), and ask who we are (SASL)."""
    kafka_sasl_mechanism: Mechanism = "PLAIN"
    """How they ask."""
    kafka_sasl_username: str | None = None
    """The user they know us as."""
    kafka_sasl_password: SecretStr | None = None
    """The user's password; never shown."""
    kafka_ca_file: Path | None = None
    """Certificates (PEM) of whom to trust; the operating system's if none is named."""

    schema_registry: str | None = None
    """The schema registry whose ids records carry: http(s)://[USER@]HOST:PORT[/PATH]; the committed ids unless given."""
    schema_registry_password: SecretStr | None = None
    """The password of that user; never shown."""
    schema_registry_ca_file: Path | None = None
    """Certificates (PEM) of whom to trust at https://; the operating system's if none is named."""

    @field_validator("watch", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("verp", "unsubscribe", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("tenant")
    @classmethod
    def _tenant_name(cls, value: str) -> str:
        if _NOT_IN_TENANTS(value):
            raise ValueError("a tenant's name, without a slash and control characters")
        return value

    @field_validator("from_domain")
    @classmethod
    def _domain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from schemas.mailbox import named_domain
        from schemas.recipient import InvalidAddress

        try:
            return named_domain(value)
        except InvalidAddress as error:
            raise ValueError(str(error)) from None

    @field_validator("log")
    @classmethod
    def _log_scheme(cls, value: str) -> str:
        if is_kafka(value):
            KafkaCluster.of(value)
            return value
        try:
            path_of(value, "sqlite")
        except ValueError as error:
            raise ValueError(f"{error}, or {WANTED}") from None
        return value

    @field_validator("keyring")
    @classmethod
    def _keyring_scheme(cls, value: str | None) -> str | None:
        if value:
            from streams.keyring.address import KeyringAddress

            KeyringAddress.of(value)
        return value or None

    @field_validator("schema_registry")
    @classmethod
    def _registry_scheme(cls, value: str | None) -> str | None:
        if value is not None:
            from streams.registry.address import RegistryAddress

            RegistryAddress.of(value)
        return value

    @field_validator("spool")
    @classmethod
    def _spool_scheme(cls, value: str | None) -> str | None:
        if value:
            path_of(value, "sqlite")
        return value or None

    @field_validator("warehouse")
    @classmethod
    def _warehouse_scheme(cls, value: str) -> str:
        if is_server(value):
            from sinks.warehouse.server import Server

            if Server.at(value).password:
                raise ValueError("the password in MAILWAKE_WAREHOUSE_PASSWORD, not in the URL")
        else:
            _embedded_path(value)
        return value

    @property
    def log_path(self) -> Path:
        """The log's SQLite file. Raises SettingsError where the log is in Kafka."""
        if is_kafka(self.log):
            raise SettingsError(
                f"this is for a log in SQLite, and MAILWAKE_LOG is {self.log}: mailwake worker works on that one; or set "
                "MAILWAKE_LOG to sqlite:///PATH"
            )
        return path_of(self.log, "sqlite")

    @property
    def kafka_security(self) -> KafkaSecurity:
        """How Kafka's brokers let us in."""
        password = self.kafka_sasl_password
        return KafkaSecurity(
            self.kafka_security_protocol,
            self.kafka_sasl_mechanism,
            self.kafka_sasl_username,
            password.get_secret_value() if password else None,
            self.kafka_ca_file,
        )

    @property
    def warehouse_path(self) -> Path:
        """The folder of an embedded warehouse. Raises SettingsError for one on a server."""
        if is_server(self.warehouse):
            raise SettingsError(
                f"the warehouse {self.warehouse} is on a server, and this is for an embedded one: "
                "let MAILWAKE_WAREHOUSE name a folder, chdb:///FOLDER"
            )
        return path_of(self.warehouse, "chdb")

    @property
    def warehouse_server(self) -> "Server | None":
        """The server that the warehouse is on; None for an embedded one."""
        if not is_server(self.warehouse):
            return None
        from sinks.warehouse.server import Server, Timeouts

        return Server.at(
            self.warehouse,
            self.warehouse_password.get_secret_value(),
            cluster=self.warehouse_cluster,
            authority=str(self.warehouse_ca) if self.warehouse_ca else None,
            timeouts=Timeouts(self.warehouse_connect_seconds, self.warehouse_answer_seconds),
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given beats the environment, which beats the file."""
        file = Path(os.environ.get("MAILWAKE_CONFIG") or DEFAULT_FILE)
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


def is_kafka(url: str) -> bool:
    """Whether a log's URL names one in Kafka."""
    return url.startswith("kafka:")


def is_server(url: str) -> bool:
    """Whether a warehouse's URL names a server."""
    return url.startswith(("clickhouse:", "clickhouses:"))


def _embedded_path(url: str) -> Path:
    try:
        return path_of(url, "chdb")
    except ValueError as error:
        from sinks.warehouse.server import WANTED as WANTED_SERVER

        raise ValueError(f"{error}, or {WANTED_SERVER}") from None


def path_of(url: str, scheme: str) -> Path:
    """The path in `scheme:///relative` or `scheme:////absolute`. Raises ValueError, saying what it wants."""
    parts = urlsplit(url)
    plain = not (parts.netloc or parts.query or parts.fragment)
    if parts.scheme != scheme or not plain or not parts.path.strip("/"):
        raise ValueError(f"{scheme}:///RELATIVE/PATH or {scheme}:////ABSOLUTE/PATH (%23 for #, %3F for ?)")
    return Path(unquote(parts.path[1:]))


def load_settings() -> Settings:
    """Settings from the environment and the file. Raises SettingsError."""
    file = os.environ.get("MAILWAKE_CONFIG")
    if file and not Path(file).is_file():
        raise SettingsError(f"MAILWAKE_CONFIG names {file}, and there is no such file")
    _say_what_is_unknown()
    try:
        return Settings()
    except (TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{file or DEFAULT_FILE} is no TOML file that can be read: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        wants = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        got = f"got {_shown(name, first['input'])}, wants "
        if (
            first["type"] == "extra_forbidden"
        ):  # May be a password whose setting's name is mistyped: not shown.
            got, wants = "", "no such setting; there are " + ", ".join(Settings.model_fields)
        raise SettingsError(f"setting {name} (MAILWAKE_{name.upper()}): {got}{wants}") from None


@cache
def _say_what_is_unknown() -> None:
    """Once in a process: a variable of a mistyped name would be taken for one that is set."""
    if strange := unknown_variables(os.environ, Settings.model_fields):
        import logging

        logging.getLogger("mailwake").warning("no such setting, passed over: %s", ", ".join(strange))


def _shown(name: str, value: Any) -> str:
    """A setting as a message may show it: no password, and none of a URL."""
    if "pass" in name or "secret" in name or "token" in name:
        return "what is not shown here"
    return repr(re.sub(r"//.*@", "//...@", value, flags=re.DOTALL)) if isinstance(value, str) else repr(value)
