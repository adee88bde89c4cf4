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
        _exit("interrupted; nothing that was reported as done is lost", INTERRUPTED)
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


_CODES = (
    ("mailwake.settings", "SettingsError", USAGE),
    ("sources.files", "UnreadablePath", USAGE),
    ("streams.log", "NoLog", USAGE),
    ("mailwake.opening", "NoWarehouse", USAGE),
    ("mailwake.backup", "NoBackup", USAGE),
    ("mailwake.querying", "QueryFailed", NOT_SO),
    ("schemas.record", "InvalidEvent", NOT_SO),
    ("sinks.clickhouse_http.server", "CannotListen", REFUSED),
    ("mailwake.monitor.server", "MonitorCannotListen", REFUSED),
    ("mailwake.intake.server", "IntakeCannotListen", REFUSED),
    ("sources.hooks.configured", "InvalidHook", USAGE),
    ("sources.intake.keys", "InvalidKeys", USAGE),
    ("streams.log", "LogFull", NO_ROOM),
    ("streams.log", "LogUnavailable", NO_ROOM),
    ("sinks.sink", "SinkBusy", NO_ROOM),
    ("mailwake.privacy.holdings", "UnknownTenant", USAGE),
    ("streams.log", "LogError", REFUSED),
    ("sinks.sink", "SinkError", REFUSED),
    ("sinks.engine", "WarehouseInUse", REFUSED),
    ("sinks.engine", "WarehouseUnavailable", REFUSED),
)
"""Module, error, exit code; of several that an error is, the first counts."""


def code_of(error: Exception) -> int | None:
    """The exit code of an error that a user can cause or meet; None for a bug.

    A module that nobody loaded has raised nothing, and need not be loaded to say so.
    """
    if isinstance(error, CommandFailed):
        return error.code
    for module, name, code in _CODES:
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], name)):
            return code
    return None


def _exit(message: str, code: int) -> None:
    sys.stderr.write(f"mailwake: {message}\n")
    sys.exit(code)


def _silence_stdout() -> None:
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
