"""Which keyring a log in SQLite belongs to: its id is noted in the log, so backups have it as well.

With other keys the same recipient would be another one, and what was sealed could not be read: whoever opens a keyring for
a log asks here first.
"""

from pathlib import Path

from schemas.sealing import MAGIC
from streams.keyring.keyring import Keyring, NoKeyring, OtherKeyring
from streams.sqlite_log import SqliteLog

STAGE, ID = "keyring", b"id"
"""Where it is noted, among the state of stages."""

HOLD_HASHES = ("mail.events", "suppressions.evidence")
LOOKED_AT = 50
"""How many documents are looked at to see whether a log holds sealed ones."""


def noted(log: SqliteLog) -> str | None:
    """The id of the keyring that a log belongs to; None where none was opened for it yet."""
    return next((value.decode() for key, value in log.state(STAGE) if key == ID), None)


def note(log: SqliteLog, keyring: Keyring) -> None:
    """Let a log belong to this keyring from now on. Raises LogError."""
    log.note(STAGE, ID, str(keyring.identity()).encode())


def check_new(log: SqliteLog, file: Path) -> None:
    """Raises NoKeyring where a keyring must not be made for a log, since what is in there needs the one it had."""
    was = noted(log)
    if (was is not None and _holds_anything(log)) or _holds_sealed(log):
        raise NoKeyring(
            f"there is no keyring at {file.absolute()}, and the log {log.path} was hashed and sealed with one"
            f"{f' (id {was})' if was else ''}: {_INSTEAD}"
        )


def check(log: SqliteLog, keyring: Keyring, name: str) -> None:
    """Raises OtherKeyring where a log that holds something belongs to another keyring than this one."""
    was = noted(log)
    if was is None:
        return
    identity = keyring.identity(create=False)
    if identity != was and _holds_anything(log):
        here = f"has the id {identity}" if identity else "is empty"
        raise OtherKeyring(
            f"the log {log.path} was hashed and sealed with another keyring (id {was}) than {name}, which {here}: {_INSTEAD}"
        )


_INSTEAD = (
    "put back the copy of it, or let MAILWAKE_KEYRING name where it is. If it is lost for good, mailwake keyring init "
    "--force begins anew: then nothing that was sealed can be read any more, and who was suppressed is not known by address"
)


def _holds_anything(log: SqliteLog) -> bool:
    topics = {"documents", *HOLD_HASHES} & set(log.topics())
    return any(log.end(source) for topic in topics for source in log.partitions(topic))


def _holds_sealed(log: SqliteLog) -> bool:
    """Whether one of the latest documents is sealed: of a log that no keyring is noted in."""
    if "documents" not in log.topics():
        return False
    for source in log.partitions("documents"):
        end = log.end(source)
        batch = log.read(source, max(log.begin(source), end - LOOKED_AT), LOOKED_AT)
        if any(value is not None and MAGIC in value for value in batch.values):
            return True
    return False
