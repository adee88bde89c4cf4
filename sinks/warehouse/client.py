"""The seam to ClickHouse: three verbs over clickhouse-connect, the same for the embedded engine and a server.

What it raises is what the rest of the sink knows: SinkBusy, or SinkFull, for what passes, everything else as it came.
"""

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from sinks.engine import Engine, EngineLimits
from sinks.sink import SinkBusy, SinkFull

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
    202,  # TOO_MANY_SIMULTANEOUS_QUERIES
    203,  # NO_FREE_CONNECTION
    209,  # SOCKET_TIMEOUT
    210,  # NETWORK_ERROR
    236,  # ABORTED: shutting down
    241,  # MEMORY_LIMIT_EXCEEDED
    242,  # TABLE_IS_READ_ONLY: its keeper is away
    252,  # TOO_MANY_PARTS
    319,  # UNKNOWN_STATUS_OF_INSERT
    394,  # QUERY_WAS_CANCELLED
    999,  # KEEPER_EXCEPTION
})  # fmt: skip
"""ClickHouse's error codes for what passes by itself (src/Common/ErrorCodes.cpp)."""

FULL_CODES = frozenset({243})
"""NOT_ENOUGH_SPACE."""

_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_WORDS = re.compile(r"No space left on device|Disk quota exceeded|File too large|errno: (28|122|27)\b")
_CODE = re.compile(r"\bCode: (\d+)")


@dataclass(frozen=True, slots=True)
class Client:
    """A connection with its current database. Used by one thread at a time."""

    where: str
    """The warehouse as messages name it: no user, no password."""
    _driver: "Driver"
    _release: Callable[[], None]

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing. Raises SinkBusy."""
        with explained(self.where):
            self._driver.command(sql, parameters=dict(parameters or {}))

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """The result of a query. Raises SinkBusy."""
        with explained(self.where):
            return self._driver.query(sql, parameters=dict(parameters or {})).result_rows

    def insert(
        self, table: str, columns: Sequence[str], block: bytes | BinaryIO, form: str = "ArrowStream"
    ) -> None:
        """Append rows; durable when it returns, but not atomic: cut short, it leaves some of them. Raises SinkBusy."""
        with explained(self.where):
            self._driver.raw_insert(
                table, list(columns), insert_block=block, settings=dict(INSERT_SETTINGS), fmt=form
            )

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


def over_http(url: str, database: str) -> Client:
    """Connect to a server: `clickhouse://user:password@host:8123`. Raises SinkBusy when it is not there."""
    where = re.sub(r"//[^@/]*@", "//", url)
    dsn = url.replace("clickhouse://", "http://", 1)
    with explained(where):
        driver = clickhouse_connect.get_client(dsn=dsn, autogenerate_session_id=False)
        driver.command(f"CREATE DATABASE IF NOT EXISTS {database}")
        driver.database = database
    return Client(where, driver, lambda: None)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Raise SinkBusy, or SinkFull, for what passes, and say so of the warehouse at `where`; everything else as it came."""
    try:
        yield
    except (ClickHouseError, OSError, RuntimeError) as error:
        if _is_full(error):
            raise SinkFull(
                f"the warehouse {where} has no room left: free some space; nothing is lost, loading goes on by itself "
                f"({_short(error)})"
            ) from error
        if isinstance(error, OperationalError | ConnectionError | TimeoutError) or _code(error) in BUSY_CODES:
            raise SinkBusy(
                f"the warehouse {where} is busy or away, trying again later: {_short(error)}"
            ) from error
        raise


def _code(error: Exception) -> int | None:
    given = getattr(error, "code", None)
    found = _CODE.search(str(error))
    return given if isinstance(given, int) else int(found[1]) if found else None


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL_ERRNOS:
        return True
    return _code(error) in FULL_CODES or bool(_FULL_WORDS.search(str(error)))


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno)
    return text if len(text) <= 300 else text[:297] + "..."
