"""What a user sees when something is wrong: one line that says what to do, and an exit code; no traceback."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NOT_SO, USAGE, REFUSED, NO_ROOM, INTERRUPTED = 1, 2, 3, 4, 130
"""Exit codes: an input or comparison was not good; settings or arguments; somebody holds it, it is damaged, or log
and warehouse do not belong together; no room, or a neighbour stayed away; Ctrl-C."""


class CommandFailed(Exception):
    """A command can't do what was asked; its message is all the user needs."""

    def __init__(self, message: str, code: int = NOT_SO) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors a user can cause or meet into their line and exit code; bugs keep their traceback."""
    try:
        yield
    except KeyboardInterrupt:
        _exit("interrupted; everything that was told is kept", INTERRUPTED)
    except BrokenPipeError:
        _silence_stdout()
        sys.exit(0)
    except OSError as error:
        if error.errno in _FULL:
            _exit(f"no room: {_said(error)}; make room and run it again, nothing is lost", NO_ROOM)
        _exit(_said(error), USAGE)
    except Exception as error:
        known = code_of(error)
        if known is None:
            raise
        _exit(str(error), known)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _said(error: OSError) -> str:
    return f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")


def code_of(error: Exception) -> int | None:
    """The exit code of an error that a user can cause or meet; None for a bug."""
    from mailwake.intake.server import IntakeCannotListen
    from mailwake.keeping import NoBackup
    from mailwake.monitor.server import MonitorCannotListen
    from mailwake.opening import NoWarehouse
    from mailwake.querying import QueryFailed
    from mailwake.settings import SettingsError
    from schemas.record import InvalidEvent
    from sinks.clickhouse_http.server import CannotListen
    from sinks.engine import WarehouseInUse, WarehouseUnavailable
    from sinks.sink import SinkBusy, SinkError
    from sources.files import UnreadablePath
    from sources.hooks.configured import InvalidHook
    from sources.intake.keys import InvalidKeys
    from streams.log import LogError, LogFull, LogUnavailable, NoLog

    codes: tuple[tuple[type[Exception], int], ...] = (
        (SettingsError, USAGE),
        (UnreadablePath, USAGE),
        (NoLog, USAGE),
        (NoWarehouse, USAGE),
        (NoBackup, USAGE),
        (QueryFailed, NOT_SO),
        (InvalidEvent, NOT_SO),
        (CannotListen, REFUSED),
        (MonitorCannotListen, REFUSED),
        (IntakeCannotListen, REFUSED),
        (InvalidHook, USAGE),
        (InvalidKeys, USAGE),
        (LogFull, NO_ROOM),
        (LogUnavailable, NO_ROOM),
        (SinkBusy, NO_ROOM),
        (LogError, REFUSED),
        (SinkError, REFUSED),
        (WarehouseInUse, REFUSED),
        (WarehouseUnavailable, REFUSED),
    )
    if isinstance(error, CommandFailed):
        return error.code
    return next((code for kind, code in codes if isinstance(error, kind)), None)


def _exit(message: str, code: int) -> None:
    sys.stderr.write(f"mailwake: {message}\n")
    sys.exit(code)


def _silence_stdout() -> None:
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
