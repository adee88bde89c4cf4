"""`mailwake dead-letters`: records that could not be understood."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from streams.log import Log

app = typer.Typer(no_args_is_help=True, help="Records that could not be understood: list, show, retry.")

Offset = Annotated[int, typer.Argument(help="The dead letter's offset, as list shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON.")]


@app.command("list")
def list_letters(
    limit: Annotated[int, typer.Option(min=1, help="The most to show, newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest dead letters: where each was read, by which stage, and why it was not understood."""
    from mailwake.cli.output import print_json, print_table
    from mailwake.cli.progress import waiting

    with waiting("reading", as_json=as_json), _log() as log:
        newest = list(_letters(log, limit))
    if as_json:
        for offset, letter in newest:
            print_json({"offset": offset} | _fields(letter))
        return
    rows = [
        (offset, f"{e.origin_topic}/{e.origin_partition}", e.origin_offset, e.stage, e.size, e.reason)
        for offset, e in newest
    ]
    print_table(None, ("offset", "origin", "at", "stage", "bytes", "reason"), rows)


@app.command()
def show(offset: Offset, as_json: AsJson = False) -> None:
    """One dead letter, with its bytes (base64, at most the first 64 KiB), unsealed.

    Where nobody can unseal them any more the rest is shown, and the exit code is 1.
    """
    from mailwake.cli.failures import CommandFailed
    from schemas.sealing import DamagedSeal, Forgotten

    with _log() as log:
        letter = _letter(log, offset)
    try:
        content = _bytes_of(letter)
    except (Forgotten, DamagedSeal) as error:
        reason = f"the bytes of this dead letter can't be read: {error}"
        _print(_fields(letter) | {"content": None, "content_reason": reason}, as_json)
        raise CommandFailed(reason) from None
    _print(_fields(letter) | {"content": base64.b64encode(content).decode()}, as_json)


@app.command()
def retry(offset: Offset, as_json: AsJson = False) -> None:
    """Append the origin's bytes again to the topic they were read from, for today's code to try."""
    from mailwake.cli.failures import CommandFailed
    from mailwake.cli.output import print_json, print_line
    from schemas.record import now_ms
    from streams.log import Record, TopicPartition

    with _log() as log:
        letter = _letter(log, offset)
        origin = TopicPartition(letter.origin_topic, letter.origin_partition)
        batch = log.read(origin, letter.origin_offset, 1)
        if list(batch.offsets) != [letter.origin_offset]:
            raise CommandFailed(
                f"{origin.topic}/{origin.partition} no longer holds offset {letter.origin_offset}: retention removed it"
            )
        record = Record(batch.keys[0], batch.values[0], now_ms())
        (again,) = log.append(origin.topic, [record], origin.partition)
    if as_json:
        where = {"origin_topic": origin.topic, "origin_partition": origin.partition}
        print_json({"offset": offset, **where, "appended_offset": again})
    else:
        print_line(f"appended again to {origin.topic}/{origin.partition} at {again}")


@contextmanager
def _log() -> Iterator["Log"]:
    from mailwake.opening import existing_any_log
    from mailwake.registry import use_registry
    from mailwake.settings import load_settings

    settings = load_settings()
    use_registry(settings)
    log = existing_any_log(settings)
    try:
        yield log
    finally:
        log.close()


def _letters(log: "Log", limit: int) -> Iterator[tuple[int, Any]]:
    from mailwake.cli.output import complain
    from schemas.codec import Undecodable, decode

    for offset, value in reversed(_newest(log, limit)):
        try:
            if value is not None:
                yield offset, decode(value)
        except Undecodable as error:
            complain(f"offset {offset} holds no dead letter: {error}")


def _newest(log: "Log", limit: int) -> list[tuple[int, bytes | None]]:
    """The last records, oldest first; offsets may have gaps, so more is looked at until there are enough."""
    from streams.log import TopicPartition

    letters = TopicPartition("dead.letters")
    begin, end, back = log.begin(letters), log.end(letters), limit
    while True:
        offset, found = max(begin, end - back), list[tuple[int, bytes | None]]()
        start = offset
        while offset < end and (batch := log.read(letters, offset, limit)).next > offset:
            found += zip(batch.offsets, batch.values, strict=True)
            offset = batch.next
        if len(found) >= limit or start == begin:
            return found[-limit:]
        back *= 4


def _letter(log: "Log", offset: int) -> Any:
    from mailwake.cli.failures import USAGE, CommandFailed
    from schemas.codec import Undecodable, decode
    from streams.log import TopicPartition

    letters = TopicPartition("dead.letters")
    there = log.begin(letters) <= offset < log.end(letters)
    batch = log.read(letters, offset, 1) if there else None
    value = batch.values[0] if batch and list(batch.offsets) == [offset] else None
    if value is None:
        raise CommandFailed(f"no dead letter at offset {offset}: mailwake dead-letters list", USAGE)
    try:
        return decode(value)
    except Undecodable as error:
        raise CommandFailed(f"offset {offset} holds no dead letter: {error}") from None


def _bytes_of(letter: Any) -> bytes:
    """Unsealed. Raises Forgotten and DamagedSeal, and what opening the keyring raises."""
    from mailwake.keyring.opening import KeysWhenAsked
    from mailwake.settings import load_settings
    from streams.sealed_letters import OpensLetters

    return OpensLetters(KeysWhenAsked(load_settings())).content(letter)


def _print(fields: dict[str, Any], as_json: bool) -> None:
    from mailwake.cli.output import plain, print_json, print_line

    if as_json:
        print_json(fields)
        return
    for name, value in fields.items():
        print_line(plain(f"{name:>17}  {_readable(name, value)}"))


def _readable(name: str, value: Any) -> str:
    """A value for people: a time with what its milliseconds mean."""
    if value is None:
        return ""
    if name.endswith("_at") and isinstance(value, int):
        from datetime import UTC, datetime, timedelta

        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)
        return f"{value}  {at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
    return str(value)


def _fields(letter: Any) -> dict[str, Any]:
    return dict(letter.model_dump(exclude={"content"}))
