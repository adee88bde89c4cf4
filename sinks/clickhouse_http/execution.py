"""Running one statement in the engine: as a stream of bytes for a reader, or from one for a writer.

A result of any format and size comes out while the query runs: the engine writes it INTO OUTFILE, and the file is
a pipe. So formats with a beginning and an end (JSON, CSVWithNames, Arrow) stream like the others, a reader who is
slow slows the query down, and neither side holds more than a pipe's worth.

Each statement has a connection of its own (opening one takes 0.2 ms), so no session outlives it.
"""

import logging
import os
import select
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sinks.clickhouse_http.errors import ClickHouseError
from sinks.clickhouse_http.settings import SessionSettings

if TYPE_CHECKING:
    from chdb.state.sqlitelike import Connection

    from sinks.engine import Engine

logger = logging.getLogger(__name__)

_CHUNK = 1024 * 1024
_KILL_INTERVAL = 0.2
_PATIENCE = 5.0
_READONLY = 1
_READONLY_BUT_SETTINGS = 2
_NOT_READONLY = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a statement read and made, as X-ClickHouse-Summary tells it."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    elapsed_ns: int = 0

    def as_header(self) -> str:
        """The header's JSON; all numbers are strings in it."""
        names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "result_rows", "elapsed_ns")
        pairs = ", ".join(f'"{name}":"{getattr(self, name)}"' for name in names)
        return "{" + pairs + ', "total_rows_to_read":"0", "result_bytes":"0"}'


@dataclass(frozen=True, slots=True)
class Session:
    """What a statement's connection is set up with."""

    settings: SessionSettings
    database: str | None = None

    def open(self, engine: "Engine", *, readonly: int) -> "Connection":
        """A connection with the database and the settings; read-only from here on, if so asked.

        Raises:
            ClickHouseError: the engine knows no such database or setting, or not with such a value.
        """
        connection = engine.connect()
        try:
            if self.database:
                connection.query(f"USE {_backquoted(self.database)}", "TabSeparated")
            connection.query(self.settings.statement(readonly=readonly), "TabSeparated")
        except Exception as error:
            connection.close()
            raise ClickHouseError.from_engine(str(error)) from error
        return connection


def canonical(engine: "Engine", statement: str) -> str:
    """The statement as ClickHouse's own parser prints it: one line, no comments, plain quoting.

    Raises:
        ClickHouseError: a syntax error, or more than one statement.
    """
    connection = engine.connect()
    try:
        result = connection.query(
            "SELECT formatQuerySingleLine({statement:String})",
            "RawBLOB",
            params={"statement": _escaped(statement)},
        )
        return bytes(result.bytes()).decode()
    except Exception as error:
        failure = ClickHouseError.from_engine(str(error))
        message, found, _ = failure.text.partition(": In scope SELECT formatQuery")
        raise ClickHouseError(failure.code, f"{message} (SYNTAX_ERROR)" if found else message) from error
    finally:
        connection.close()


class RunningQuery:
    """A query that runs in a thread of its own; its result is read with `chunks`.

    `cancel` may be called from another thread at any time, and must be called at the end in any case, until it
    says that the query is over.
    """

    def __init__(
        self,
        engine: "Engine",
        session: Session,
        statement: str,
        output_format: str,
        parameters: Mapping[str, str],
        *,
        changes_settings: bool = False,
    ) -> None:
        """Start the query.

        Args:
            engine: what runs it.
            session: of its connection; `log_comment` among the settings must be unique.
            statement: approved, without a FORMAT clause.
            output_format: ClickHouse's name of one.
            parameters: values for `{name:Type}`, escaped as in TabSeparated.
            changes_settings: leave the settings changeable (readonly = 2), which is for system.settings to say so.
        """
        self.summary = Summary()
        self._error: ClickHouseError | None = None
        self._engine = engine
        self._comment = session.settings.values["log_comment"]
        readonly = _READONLY_BUT_SETTINGS if changes_settings else _READONLY
        self._connection = session.open(engine, readonly=readonly)
        self._output, self._input = os.pipe()
        self._reading = threading.Lock()
        self._done = threading.Event()
        self._left = threading.Event()
        target = f"INTO OUTFILE '/dev/fd/{self._input}' TRUNCATE"
        self._thread = threading.Thread(
            target=self._run,
            args=(f"{statement} {target} FORMAT {output_format}", output_format, dict(parameters)),
            name="clickhouse-http-query",
            daemon=True,
        )
        self._thread.start()

    def chunks(self) -> Iterator[bytes]:
        """The result, as it comes; it ends early when `cancel` is called.

        Raises:
            ClickHouseError: the query failed; what was yielded before is a part of its result.
        """
        while chunk := self._read():
            yield chunk
        while not self._done.wait(_KILL_INTERVAL):
            if self._left.is_set():
                return
        if self._error is not None:
            raise self._error

    def cancel(self) -> bool:
        """Stop the query if it still runs, wait for its end, and let go of everything. Idempotent.

        Returns:
            Whether it is over. The engine notices a KILL between two blocks, and some functions take minutes for
            one (`editDistance` of long strings): after some seconds of waiting it is False; then call again.
        """
        self._left.set()
        until = time.monotonic() + _PATIENCE
        while not self._done.is_set():
            if time.monotonic() > until:
                return False
            self._kill()
            self._drain(until)
        self._thread.join()
        with self._reading:
            if self._output >= 0:
                os.close(self._output)
                self._output = -1
        return True

    def _run(self, statement: str, output_format: str, parameters: dict[str, str]) -> None:
        try:
            result = self._connection.query(statement, output_format, params=parameters)
            self.summary = Summary(
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
                result_rows=result.rows_read(),
                elapsed_ns=int(result.elapsed() * 1e9),
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets it
            self._error = ClickHouseError.from_engine(str(error))
        finally:
            self._connection.close()
            os.close(self._input)
            self._done.set()

    def _read(self) -> bytes:
        with self._reading:
            while self._output >= 0 and not self._left.is_set():
                if _readable(self._output):
                    return os.read(self._output, _CHUNK)
        return b""

    def _kill(self) -> None:
        """KILL QUERY, which finds nothing as long as the query has not quite begun: so it is repeated."""
        try:
            connection = self._engine.connect()
            try:
                connection.query(
                    f"KILL QUERY WHERE Settings['log_comment'] = '{self._comment}' ASYNC FORMAT Null",
                    "TabSeparated",
                )
            finally:
                connection.close()
        except Exception as error:  # noqa: BLE001 - chDB raises its own and RuntimeError alike
            logger.error("can't stop a query that its client has left: %s", str(error)[:200])
            self._done.wait(_KILL_INTERVAL)

    def _drain(self, until: float) -> None:
        """Throw away what the query still writes: it does not notice a KILL while it waits for a full pipe."""
        if self._reading.acquire(timeout=_KILL_INTERVAL):
            try:
                while time.monotonic() < until and _readable(self._output):
                    if not os.read(self._output, _CHUNK):
                        self._done.wait(_KILL_INTERVAL)
                        return
            finally:
                self._reading.release()


def _readable(pipe: int) -> bool:
    """Whether there is something to read, or the end, within a moment."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(_KILL_INTERVAL * 1000))


def write(
    engine: "Engine", session: Session, statement: str, parameters: Mapping[str, str]
) -> tuple[bytes, Summary]:
    """Run a statement that may write; the result, if it has one, in TabSeparated or its own FORMAT.

    Raises:
        ClickHouseError: the statement failed.
    """
    connection = session.open(engine, readonly=_NOT_READONLY)
    try:
        result = connection.query(statement, "TabSeparated", params=dict(parameters))
        body = bytes(result.bytes() or b"")
        return body, Summary(written_rows=result.storage_rows_read(), elapsed_ns=int(result.elapsed() * 1e9))
    except Exception as error:
        raise ClickHouseError.from_engine(str(error)) from error
    finally:
        connection.close()


def insert(
    engine: "Engine", session: Session, statement: str, input_format: str, chunks: Iterable[bytes]
) -> Summary:
    """Insert rows that come in chunks; when a chunk or the end of it fails, the rest is not taken.

    An insert of many blocks is not atomic: blocks already written stay.

    Args:
        engine: what runs it.
        session: of its connection.
        statement: `INSERT INTO t (a, b)`, without FORMAT.
        input_format: ClickHouse's name of one.
        chunks: the rows in that format, cut anywhere.

    Raises:
        ClickHouseError: the statement or the rows are wrong.
    """
    connection = session.open(engine, readonly=_NOT_READONLY)
    try:
        inserter = connection.send_insert(statement, input_format)
        try:
            for chunk in chunks:
                inserter.append(chunk)  # type: ignore[no-untyped-call]
            result = inserter.finish()
        except BaseException:
            inserter.close()  # type: ignore[no-untyped-call]
            raise
        return Summary(
            read_rows=result.rows_written,
            read_bytes=result.bytes_written,
            written_rows=result.rows_written,
            written_bytes=result.bytes_written,
            elapsed_ns=int(result.elapsed * 1e9),
        )
    except RuntimeError as error:
        raise ClickHouseError.from_engine(str(error)) from error
    finally:
        connection.close()


def _backquoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"}
)


def _escaped(text: str) -> str:
    """As a value of a query parameter: like a field in TabSeparated."""
    return text.translate(_ESCAPES)
