"""Marks: positions that are stored outside a log, and how a log finds out that it is no longer the same."""

import hashlib

from streams.log import LogError, Mark


def record_digest(key: bytes | None, value: bytes | None) -> str:
    """The first 32 hex digits of a SHA-256 over a record's key and value, each with its length."""
    digest = hashlib.sha256()
    for part in (key, value):
        digest.update(b"-" if part is None else len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:32]


def check_mark(mark: Mark, log_id: str, begin: int, end: int, digest: str, distance: int = 1) -> None:
    """Compare a mark with what a log holds now.

    `digest` is that of the record before the mark's offset, "" where the log has no such record (offset 0, or
    removed by retention or compaction): then only the log's id and bounds can be compared. That record is
    `distance` offsets before. Raises LogError.
    """
    where = f"{mark.source.topic}/{mark.source.partition}"
    if mark.log_id != log_id:
        raise LogError(
            f"another log: the position {mark.offset} of {where} was taken in log {mark.log_id}, this is log {log_id}. "
            "Put the former log back, or rebuild what was made from it"
        )
    if end < mark.offset:
        raise LogError(
            f"{where} ends before the position: it ends at {end}, the position is {mark.offset}. The log was cut or "
            "restored from an older backup; put the former log back, or rebuild what was made from it"
        )
    if begin > mark.offset:
        raise LogError(
            f"{where} begins after the position: it begins at {begin}, the position is {mark.offset}. Retention "
            f"removed {begin - mark.offset} offsets that were not read yet; rebuild from what is left"
        )
    if mark.digest and digest and mark.digest != digest:
        raise LogError(
            f"{where} holds another record at {mark.offset - distance}, before the position {mark.offset}: digest {digest}, "
            f"expected {mark.digest}. The log was cut and has grown again; put the former log back, or rebuild what "
            "was made from it"
        )
