"""Which keyring a log belongs to: its id is noted in the log, so backups and copies have it as well.

With other keys the same recipient would be another one, and what was sealed could not be read: whoever opens a keyring for
a log asks here first.
"""

from pathlib import Path

from schemas.sealing import MAGIC
from streams.keyring.keyring import Keyring, NoKeyring, OtherKeyring
from streams.log import NotedLog

NOTE = "keyring"
"""What its id is noted as."""

HOLD_HASHES = ("mail.events", "suppressions.evidence")
LOOKED_AT = 50
"""How many documents are looked at to see whether a log holds sealed ones."""


def noted(log: NotedLog) -> str | None:
    """The id of the keyring that a log belongs to; None where none was opened for it yet."""
    known = log.noted(NOTE)
    return None if known is None else known.decode()


def note(log: NotedLog, keyring: Keyring) -> None:
    """Let a log belong to this keyring from now on. Raises LogError."""
    log.note(NOTE, str(keyring.identity()).encode())


def check_copy(source: NotedLog, target: NotedLog) -> None:
    """Raises OtherKeyring where a log can't be copied into one that belongs to another keyring."""
    theirs, ours = noted(source), noted(target)
    if theirs is not None and ours is not None and theirs != ours:
        raise OtherKeyring(
            f"the log to copy was hashed and sealed with a keyring (id {theirs}) and the one to copy to belongs to another "
            f"(id {ours}): what is copied could not be read there. Copy to a log that nothing was opened for yet, and give "
            "its processes the source's keyring"
        )


def carry_over(source: NotedLog, target: NotedLog) -> None:
    """Let the copy of a log belong to the keyring that the log belongs to. Raises LogError."""
    known = source.noted(NOTE)
    if known is not None and target.noted(NOTE) is None:
        target.note(NOTE, known)


def check_new(log: NotedLog, log_name: str, file: Path) -> None:
    """Raises NoKeyring where a keyring must not be made for a log, since what is in there needs the one it had."""
    was = noted(log)
    if (was is not None and _holds_anything(log)) or _holds_sealed(log):
        raise NoKeyring(
            f"there is no keyring at {file.absolute()}, and the log {log_name} was hashed and sealed with one"
            f"{f' (id {was})' if was else ''}: {_INSTEAD}"
        )


def check(log: NotedLog, log_name: str, keyring: Keyring, name: str) -> None:
    """Raises OtherKeyring where a log that holds something belongs to another keyring than this one."""
    if noted(log) not in (None, keyring.identity(create=False)):
        check_same(belongs_to(log), log_name, keyring, name)


def belongs_to(log: NotedLog) -> str | None:
    """The id of the keyring that a log which holds something was hashed and sealed with, as far as it is noted."""
    was = noted(log)
    return was if was is not None and _holds_anything(log) else None


def check_same(was: str | None, log_name: str, keyring: Keyring, name: str) -> None:
    """Raises OtherKeyring where a log belongs to the keyring with the id `was`, and this is another."""
    identity = keyring.identity(create=False)
    if was is not None and identity != was:
        here = f"has the id {identity}" if identity else "is empty"
        raise OtherKeyring(
            f"the log {log_name} was hashed and sealed with another keyring (id {was}) than {name}, which {here}: {_INSTEAD}"
        )


_INSTEAD = (
    "put back the copy of it, or let MAILWAKE_KEYRING name where it is. If it is lost for good, mailwake keyring init "
    "--force begins anew: then nothing that was sealed can be read any more, and who was suppressed is not known by address"
)


def _holds_anything(log: NotedLog) -> bool:
    topics = {"documents", *HOLD_HASHES} & set(log.topics())
    return any(log.end(source) for topic in topics for source in log.partitions(topic))


def _holds_sealed(log: NotedLog) -> bool:
    """Whether one of the latest documents is sealed: of a log that no keyring is noted in."""
    if "documents" not in log.topics():
        return False
    for source in log.partitions("documents"):
        end = log.end(source)
        batch = log.read(source, max(log.begin(source), end - LOOKED_AT), LOOKED_AT)
        if any(value is not None and MAGIC in value for value in batch.values):
            return True
    return False
