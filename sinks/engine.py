"""The one place that opens chDB: ClickHouse, embedded in this process, over one folder.

A process hosts at most one engine, and a folder is open in at most one process. Within the process any number
of connections share the engine and run in parallel, each with its own session (settings, current database).
One connection must not be used by two threads at once, nor for a second statement while a stream on it is open.

Everything else that wants the engine, `clickhouse_connect.get_client(interface="chdb", path=...)` included, shares
what `Engine` opened as long as it is open, and with it the limits that `EngineLimits` sets at the start.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection

_MIB = 1024 * 1024


class WarehouseInUse(Exception):
    """The warehouse's folder is open in another process, or this process has another folder open."""


class WarehouseUnavailable(Exception):
    """The engine can't open the folder for another reason; the message is the engine's own."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much memory the engine may use, in bytes, over all connections; fixed when it starts.

    ClickHouse's own defaults are for a server: gigabytes of caches. `memory` bounds what all queries, inserts
    and merges hold at once; a statement that would exceed it fails with MEMORY_LIMIT_EXCEEDED. `merges` is how many run
    at once for each of the engine's two threads for them: one of mail events takes a hundred megabytes.
    """

    memory: int = 640 * _MIB
    mark_cache: int = 32 * _MIB
    index_cache: int = 32 * _MIB
    condition_cache: int = 8 * _MIB
    merges: int = 1

    def as_server_settings(self) -> dict[str, int]:
        """The settings that chDB takes as start-up arguments."""
        return {
            "max_server_memory_usage": self.memory,
            "background_merges_mutations_concurrency_ratio": self.merges,
            "mark_cache_size": self.mark_cache,
            "index_mark_cache_size": self.mark_cache,
            "primary_index_cache_size": self.index_cache,
            "query_condition_cache_size": self.condition_cache,
            "uncompressed_cache_size": 0,
            "index_uncompressed_cache_size": 0,
            "vector_similarity_index_cache_size": 0,
            "text_index_dictionary_block_cache_size": self.condition_cache,
            "text_index_header_cache_size": self.condition_cache,
            "text_index_postings_cache_size": self.condition_cache,
        }


@dataclass(slots=True)
class Engine:
    """ClickHouse over `folder`, created if need be, and kept open until `close()`.

    Raises:
        WarehouseInUse: the folder is open elsewhere, or this process has another one open.
        WarehouseUnavailable: the engine could not start for another reason.
    """

    folder: Path
    limits: EngineLimits = field(default_factory=EngineLimits)
    _keeper: "Connection | None" = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        if "?" in str(self.folder):
            raise WarehouseUnavailable(
                f"the warehouse {self.folder} can't be opened: no '?' in its path, please"
            )
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if (holder := holder_of(self.folder / "status")) not in (None, os.getpid()):
            raise _in_use(self.folder, f"another process, {holder}")
        self._keeper = self._open(self.limits.as_server_settings())

    def connect(self) -> "Connection":
        """Open another connection (0.2 ms): a session of its own, for one thread at a time.

        Close it when done; the engine ends when its last connection does.
        """
        if self._keeper is None:
            raise WarehouseUnavailable(f"the warehouse {self.folder} is closed")
        return self._open({})

    def close(self) -> None:
        """Let go of the folder, as far as this object holds it. Connections still open keep the engine alive."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, arguments: Mapping[str, int]) -> "Connection":
        import chdb

        options = "&".join(f"{name}={value}" for name, value in arguments.items())
        try:
            connection: Connection = chdb.connect(  # type: ignore[no-untyped-call]
                f"{self.folder}?{options}" if options else str(self.folder)
            )
        except RuntimeError as error:
            raise _explained(self.folder, str(error)) from error
        return connection


def _explained(folder: Path, message: str) -> Exception:
    """Say in mailwake's terms why chDB refused; it reports a locked folder only on standard error."""
    if "already initialized with path" in message:
        return WarehouseInUse(f"this process has another warehouse open; close it before {folder}: {message}")
    if (folder / "status").exists() and _locked(folder / "status"):
        return _in_use(folder, "another process")
    return WarehouseUnavailable(f"the warehouse {folder} can't be opened: {message}")


def _in_use(folder: Path, holder: str) -> WarehouseInUse:
    return WarehouseInUse(
        f"the warehouse {folder} is open in {holder}; stop that one, "
        f"or query it over HTTP (the running process serves ClickHouse's interface)"
    )


def holder_of(path: Path) -> int | None:
    """The process that holds the engine's lock on its status file, where the system tells.

    chDB need not be asked then, which says so on standard error in words of its own. Locks nothing itself, so that it is in
    nobody's way who starts meanwhile.
    """
    try:
        status, locks = path.stat(), Path("/proc/locks").read_text()
    except OSError:
        return None
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in locks.splitlines():
        words = line.split()
        if "->" not in words and words[1:2] == ["FLOCK"] and words[5:6] == [file]:
            return int(words[4])
    return None


def _locked(path: Path) -> bool:
    """Whether some process holds the engine's lock (flock) on its status file."""
    import fcntl

    with path.open("rb") as status:
        try:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False
