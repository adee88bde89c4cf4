"""Opening the log and the warehouse that the settings name, and saying so when what is there can't be either."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mailwake.registry import use_registry
from mailwake.settings import Settings, SettingsError, is_kafka, path_of
from streams.kafka.cluster import KafkaCluster
from streams.log import LogError, NoLog, NotedLog
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS, declared

if TYPE_CHECKING:
    from sinks.warehouse.warehouse import Warehouse
    from streams.spool.spooled_log import SpooledLog

ROOM_TO_OPEN = 8 * 2**20
"""Bytes; what must be free where the warehouse is."""


class NoWarehouse(LogError):
    """There is no warehouse yet."""


def open_log_at(path: Path) -> SqliteLog:
    """The log at a path, made if it is missing, its folder too. Raises SettingsError, LogError."""
    if path.is_dir():
        raise SettingsError(f"the log {path} is a folder: let MAILWAKE_LOG name a file in it")
    _make_folder(path.parent, "log")
    return SqliteLog.open(path, TOPICS)


def open_any_log(settings: Settings, url: str | None = None) -> NotedLog:
    """The log at a URL, else the one that the settings name, made if it is missing: in SQLite or in Kafka.

    Raises SettingsError, LogError (LogUnavailable when no broker answers); ValueError for a URL that is none.
    """
    use_registry(settings)
    named = url or settings.log
    if not is_kafka(named):
        return open_log_at(path_of(named, "sqlite"))
    from streams.kafka.log import KafkaLog

    return KafkaLog.open(
        kafka_cluster(settings, named), declared(settings.kafka_partitions, settings.kafka_kept_days)
    )


def kafka_cluster(settings: Settings, url: str | None = None) -> KafkaCluster:
    """The cluster at a URL, else the one that the settings name. Raises ValueError for a URL that is none."""
    cluster = KafkaCluster.of(url or settings.log, settings.kafka_security)
    return replace(cluster, replicas=settings.kafka_replicas)


def open_spooled_log(
    settings: Settings, url: str | None = None, meets: Callable[[NotedLog], None] = lambda log: None
) -> "SpooledLog | None":
    """The log behind the spool that the settings name, whether or not its brokers answer; None without a spool.

    `meets` is told of the log when it is there (`SpooledLog.open`).
    Raises SettingsError for a log that is not in Kafka; LogError; ValueError for a URL that is none.
    """
    named = url or settings.log
    if settings.spool is None:
        return None
    if not is_kafka(named):
        raise SettingsError(
            f"MAILWAKE_SPOOL is for a log in Kafka, and the log is {named}, which needs no spool: leave it out"
        )
    from streams.spool.spool import Spool
    from streams.spool.spooled_log import SpooledLog

    path = path_of(settings.spool, "sqlite")
    _make_folder(path.parent, "spool")
    cluster = KafkaCluster.of(named, settings.kafka_security)
    return SpooledLog.open(
        Spool.open(path, settings.spool_bytes, str(cluster)),
        cluster,
        declared(settings.kafka_partitions, settings.kafka_kept_days),
        meets=meets,
    )


def open_log_as_it_is(settings: Settings, url: str) -> NotedLog:
    """The log at a URL, which must exist, with the topics and partitions that it has.

    Raises NoLog, LogError, LogUnavailable; ValueError for a URL that is none.
    """
    if not is_kafka(url):
        path = path_of(url, "sqlite")
        if not path.is_file():
            raise NoLog(f"there is no log at {path.absolute()}: check the path")
        return SqliteLog.open(path, (), create=False)
    from streams.kafka.log import KafkaLog

    return KafkaLog.open(KafkaCluster.of(url, settings.kafka_security), (), create=False)


def open_log(settings: Settings) -> SqliteLog:
    """The log in SQLite that the settings name, made if it is missing, for whoever writes events.

    Raises SettingsError, LogError (RegistryError where they name a schema registry).
    """
    use_registry(settings)
    return open_log_at(settings.log_path)


def existing_any_log(settings: Settings) -> NotedLog:
    """The log that the settings name, which must exist: in SQLite or in Kafka. Raises NoLog, SettingsError, LogError."""
    return open_log_as_it_is(settings, settings.log) if is_kafka(settings.log) else existing_log(settings)


def existing_log(settings: Settings) -> SqliteLog:
    """The log that the settings name, which must exist, for whoever reads no events, or calls `use_registry` first.

    Raises NoLog, SettingsError, LogError.
    """
    path = settings.log_path
    if not path.exists():
        raise NoLog(
            f"there is no log at {path.absolute()} yet: mailwake emit, ingest or demo makes one; or let "
            "MAILWAKE_LOG name another"
        )
    return open_log_at(path)


def open_warehouse(settings: Settings) -> "Warehouse":
    """The warehouse that the settings name, made if it is missing.

    Raises SettingsError, WarehouseInUse, WarehouseUnavailable, SinkBusy; ServerRefuses for one on a server.
    """
    from sinks.engine import WarehouseUnavailable
    from sinks.warehouse.warehouse import Warehouse

    server = settings.warehouse_server
    if server is not None:
        if server.authority and not Path(server.authority).is_file():
            raise SettingsError(f"MAILWAKE_WAREHOUSE_CA names {server.authority}, and there is no such file")
        return Warehouse.on(server)
    folder = usable_warehouse(settings)
    _make_folder(folder.parent, "warehouse")
    _need_room(folder.parent)
    try:
        return Warehouse.open(f"chdb://{quote(str(folder))}")
    except WarehouseUnavailable as error:
        raise WarehouseUnavailable(
            f"{str(error).partition(', Stack trace')[0]} If it is damaged, move {folder} away: a new one is filled from "
            "the log by mailwake run --until-idle"
        ) from error


def existing_warehouse(settings: Settings) -> Path:
    """The folder of the warehouse that the settings name, which must exist. Raises NoWarehouse, SettingsError."""
    folder = usable_warehouse(settings)
    if not folder.exists():
        raise NoWarehouse(f"there is no warehouse at {folder} yet: mailwake run --until-idle fills it")
    return folder


def usable_warehouse(settings: Settings) -> Path:
    """The folder that the settings name, which need not exist. Raises SettingsError where it can't be a warehouse."""
    folder = settings.warehouse_path.absolute()
    if "?" in str(folder):
        raise SettingsError(
            f"the warehouse {folder}: chDB can open no path with a ? in it; let MAILWAKE_WAREHOUSE name another"
        )
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"the warehouse {folder} is a file: let MAILWAKE_WAREHOUSE name a folder")
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise SettingsError(f"the warehouse {folder} is a folder that this user may not write to")
    return folder


def usable_folders(settings: Settings) -> None:
    """Raises SettingsError for a folder to watch that is none."""
    for folder in settings.watch:
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"{folder} is a file: let MAILWAKE_WATCH name folders")


def _make_folder(folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the folder {folder.absolute()} of the {what} can't be made: {error.strerror}; let MAILWAKE_{what.upper()} "
            "name another place"
        ) from None


def _need_room(folder: Path) -> None:
    """Raise SinkFull where the engine would find no room for its files: it leaves empty ones and never opens again."""
    from sinks.sink import SinkFull

    left = shutil.disk_usage(folder).free
    if left < ROOM_TO_OPEN:
        raise SinkFull(
            f"the warehouse in {folder} has no room left ({left // 2**20} MiB; opening it takes "
            f"{ROOM_TO_OPEN // 2**20}): free some space; nothing is lost, run it again"
        )
