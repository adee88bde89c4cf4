"""The seam to ClickHouse: three verbs over clickhouse-connect, the same for the embedded engine and a server.

What it raises is what the rest of the sink knows: SinkBusy, or SinkFull, for what passes, everything else as it came.
"""

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from sinks.engine import Engine, EngineLimits
from sinks.sink import SinkBusy, SinkError, SinkFull
from sinks.warehouse.cluster import CONSISTENT, QUORUM, Cluster
from sinks.warehouse.server import Server

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as Driver

INSERT_SETTINGS: Mapping[str, int] = {
    "max_partitions_per_insert_block": 0,
    "insert_deduplicate": 0,
    "optimize_on_insert": 0,
    "async_insert": 0,
    "max_insert_threads": 1,
    "max_threads": 1,
}
"""One thread and one part per partition and insert; repeats are the tables' business, not deduplication's."""

BUSY_CODES = frozenset({
    159,  # TIMEOUT_EXCEEDED
    173,  # CANNOT_ALLOCATE_MEMORY
    198,  # DNS_ERROR
    202,  # TOO_MANY_SIMULTANEOUS_QUERIES
    203,  # NO_FREE_CONNECTION
    209,  # SOCKET_TIMEOUT
    210,  # NETWORK_ERROR
    225,  # NO_ZOOKEEPER
    236,  # ABORTED: shutting down
    241,  # MEMORY_LIMIT_EXCEEDED
    242,  # TABLE_IS_READ_ONLY: its keeper is away
    252,  # TOO_MANY_PARTS
    279,  # ALL_CONNECTION_TRIES_FAILED
    285,  # TOO_FEW_LIVE_REPLICAS
    286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    289,  # REPLICA_IS_NOT_IN_QUORUM
    319,  # UNKNOWN_STATUS_OF_INSERT
    394,  # QUERY_WAS_CANCELLED
    439,  # CANNOT_SCHEDULE_TASK
    473,  # DEADLOCK_AVOIDED
    745,  # SERVER_OVERLOADED
    999,  # KEEPER_EXCEPTION
})  # fmt: skip
"""ClickHouse's error codes for what passes by itself (src/Common/ErrorCodes.cpp)."""

FULL_CODES = frozenset({243})
"""NOT_ENOUGH_SPACE."""

REFUSED_CODES = frozenset({
    81,  # UNKNOWN_DATABASE
    115,  # UNKNOWN_SETTING
    164,  # READONLY
    170,  # BAD_GET: no such cluster, before 701 was told apart
    192,  # UNKNOWN_USER
    193,  # WRONG_PASSWORD
    194,  # REQUIRED_PASSWORD
    452,  # SETTING_CONSTRAINT_VIOLATION
    497,  # ACCESS_DENIED
    516,  # AUTHENTICATION_FAILED
    701,  # CLUSTER_DOESNT_EXIST
})  # fmt: skip
"""What a server refuses until somebody changes its configuration, or mailwake's."""

LOGIN_CODES = frozenset({
    192,  # UNKNOWN_USER
    193,  # WRONG_PASSWORD
    194,  # REQUIRED_PASSWORD
    516,  # AUTHENTICATION_FAILED
})  # fmt: skip
"""Those among them that speak of user and password."""

_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_WORDS = re.compile(r"No space left on device|Disk quota exceeded|File too large|errno: (28|122|27)\b")
_CODE = re.compile(r"\bCode: (\d+)")
_PASSING_STATUS = re.compile(r"HTTP status (408|429|5\d\d)\b")
"""What is answered in a server's place while it starts, or by what stands before it."""
_REFUSED_STATUS = re.compile(r"HTTP status (401|403)\b")
_LOGIN_STATUS = re.compile(r"HTTP status 401\b")
"""To a wrong password some answer without a code of ClickHouse's."""


class ServerRefuses(SinkError):
    """The server is there and does not let us, or has not what the settings name; waiting does not help."""


class LoginRefused(ServerRefuses):
    """The server knows no such user, or not by this password."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__(
            f"the warehouse {where} refuses the password: MAILWAKE_WAREHOUSE_PASSWORD is not that of the user in "
            f"MAILWAKE_WAREHOUSE ({_short(error)})"
        )


@dataclass(frozen=True, slots=True)
class Client:
    """A connection with its current database. Used by one thread at a time."""

    where: str
    """The warehouse as messages name it: no user, no password."""
    _driver: "Driver"
    _release: Callable[[], None]
    cluster: Cluster | None = None
    """Where definitions go to every node, and inserts to a quorum."""
    is_remote: bool = False
    """Whether answers come over a network, and may break off."""

    def define(self, sql: str) -> None:
        """Create or alter something, on every node of the cluster where there is one. Raises SinkBusy."""
        self.command(self.rendered(sql))

    def rendered(self, sql: str) -> str:
        """A definition as `define` runs it."""
        return self.cluster.rendered(sql) if self.cluster else sql

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing. Raises SinkBusy."""
        with explained(self.where):
            settings = self._where_replicated(QUORUM)
            done = self._driver.command(sql, parameters=dict(parameters or {}), settings=settings)
            if hasattr(done, "summary"):
                self._expect_the_end(done.summary)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """The result of a query. Raises SinkBusy."""
        with explained(self.where):
            settings = self._where_replicated(CONSISTENT)
            result = self._driver.query(sql, parameters=dict(parameters or {}), settings=settings)
            self._expect_the_end(result.summary)
            return result.result_rows

    def insert(
        self, table: str, columns: Sequence[str], block: bytes | BinaryIO, form: str = "ArrowStream"
    ) -> None:
        """Append rows; durable when it returns, but not atomic: cut short, it leaves some of them. Raises SinkBusy."""
        with explained(self.where):
            done = self._driver.raw_insert(
                table,
                list(columns),
                insert_block=block,
                settings={**INSERT_SETTINGS, **self._where_replicated(QUORUM)},
                fmt=form,
            )
            self._expect_the_end(done.summary)

    def _where_replicated(self, settings: Mapping[str, str | int]) -> dict[str, str | int]:
        return dict(settings) if self.cluster else {}

    def _expect_the_end(self, summary: Mapping[str, Any]) -> None:
        """Raise ConnectionError where the answer has no summary, which is the last of what goes before its body.

        HTTP/1.1 without it can't be told from an answer that is whole: http.client takes a connection that was cut
        amid the headers for the end of them, and the empty body that follows for success.
        """
        if self.is_remote and not summary.keys() - {"query_id"}:
            raise ConnectionError("the answer broke off before it said that it was done")

    def close(self) -> None:
        """Close the connection, and the embedded engine where this opened it."""
        self._driver.close()
        self._release()


def embedded(folder: Path, database: str, limits: EngineLimits | None = None) -> Client:
    """Open the engine over a folder. Raises WarehouseInUse, WarehouseUnavailable."""
    engine = Engine(folder, limits or EngineLimits())
    try:
        driver = clickhouse_connect.get_client(interface="chdb", path=str(engine.folder))
        driver.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        driver.database = database
    except BaseException:
        engine.close()
        raise
    return Client(str(folder), driver, engine.close)


def over_http(server: Server) -> Client:
    """Connect to a server, and make the database if it is missing. Raises SinkBusy, ServerRefuses."""
    client = connected(server)
    try:
        if not has_database(client, server.database):
            client.define(created(server.database))
        client._driver.database = server.database
    except BaseException:
        client.close()
        raise
    return client


def connected(server: Server) -> Client:
    """Connect to a server, in its default database. Raises SinkBusy, ServerRefuses."""
    with explained(server.where):
        driver = clickhouse_connect.get_client(
            host=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            interface="https" if server.secure else "http",
            ca_cert=server.authority,
            connect_timeout=server.timeouts.connect,
            send_receive_timeout=server.timeouts.answer,
            autogenerate_session_id=False,
            dedicated_pool=True,
        )
    client = Client(server.where, driver, lambda: None, is_remote=True)
    if server.cluster is None:
        return client
    try:
        check_cluster(client, server.cluster)
    except BaseException:
        client.close()
        raise
    return replace(client, cluster=Cluster(server.cluster))


def check_cluster(client: Client, cluster: str) -> None:
    """Raise ServerRefuses unless the server knows the cluster as one shard: a loader fills the one that it asks."""
    ((shards, known),) = client.rows(
        "SELECT uniqExactIf(shard_num, cluster = {name:String}), arraySort(groupUniqArray(cluster)) "
        "FROM system.clusters",
        {"name": cluster},
    )
    if shards != 1:
        raise ServerRefuses(
            f"the warehouse {client.where} can't be on cluster {cluster}: "
            + (
                f"it has {shards} shards, and every replica must hold everything"
                if shards
                else f"the server knows {', '.join(known) or 'no cluster'}"
            )
            + "; let MAILWAKE_WAREHOUSE_CLUSTER name one with a single shard"
        )


def has_database(client: Client, database: str) -> bool:
    """Whether the server has it. Asked first, since many a user may fill a database and not create one."""
    ((found,),) = client.rows(
        "SELECT count() FROM system.databases WHERE name = {name:String}", {"name": database}
    )
    return bool(found)


def created(database: str) -> str:
    """The statement that makes a database."""
    return f"CREATE DATABASE IF NOT EXISTS {database}"


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Raise SinkBusy, or SinkFull, for what passes, ServerRefuses for what is not allowed; everything else as it came.

    Each names the warehouse as `where`.
    """
    try:
        yield
    except (ClickHouseError, OSError, RuntimeError) as error:
        if _is_full(error):
            raise SinkFull(
                f"the warehouse {where} has no room left: free some space; nothing is lost, loading goes on by itself "
                f"({_short(error)})"
            ) from error
        if _passes(error):
            raise SinkBusy(
                f"the warehouse {where} is busy or away, trying again later: {_short(error)}"
            ) from error
        if is_login_refused(error):
            raise LoginRefused(where, error) from error
        if _code(error) in REFUSED_CODES or _REFUSED_STATUS.search(str(error)):
            raise ServerRefuses(
                f"the warehouse {where} refuses: {_short(error)}; look at MAILWAKE_WAREHOUSE (user, database), "
                "MAILWAKE_WAREHOUSE_PASSWORD and MAILWAKE_WAREHOUSE_CLUSTER, and at what that user may do"
            ) from error
        raise


def is_login_refused(error: Exception) -> bool:
    """Whether an error of the server's, or of who answers in its place, speaks of user and password."""
    code = _code(error)
    return code in LOGIN_CODES if code else bool(_LOGIN_STATUS.search(str(error)))


def _passes(error: Exception) -> bool:
    if isinstance(error, OperationalError | ConnectionError | TimeoutError):
        return True
    code = _code(error)
    return code in BUSY_CODES if code else bool(_PASSING_STATUS.search(str(error)))


def _code(error: Exception) -> int | None:
    given = getattr(error, "code", None)
    found = _CODE.search(str(error))
    return given if isinstance(given, int) else int(found[1]) if found else None


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL_ERRNOS:
        return True
    return _code(error) in FULL_CODES or bool(_FULL_WORDS.search(str(error)))


def _short(error: Exception) -> str:
    said = getattr(error.__cause__, "reason", None) or error
    text = " ".join(str(said).split())
    if isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno)
    return text if len(text) <= 300 else text[:297] + "..."
