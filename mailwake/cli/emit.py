"""`mailwake emit`: events from standard input, a JSON object a line."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mailwake.emitter import Emitter
    from streams.spool.spool import Held

BATCH = 10_000

Line = tuple[int, dict[str, Any]]
"""Its number, and the fields of its event."""


def emit(
    retry_refused: Annotated[
        bool,
        typer.Option("--retry-refused", help="Send again what the log refused and the spool set aside."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Append events to the log, durably: JSON lines on stdin, each with the record's name under "type".

    Lines are taken 10,000 at a time, each batch all or nothing. With MAILWAKE_SPOOL they are durable in the spool,
    and what the log takes of that is in the log when this ends.

    The first line that is no event ends it and is named; the batches before its own are in the log.

    Example: echo '{"type": "MessageSent", "from_domain": "example.com"}' | mailwake emit
    """
    from mailwake.cli.embedded_only import what_loads
    from mailwake.cli.output import note, print_json, print_line
    from mailwake.cli.progress import progress
    from mailwake.emitter import Emitter
    from mailwake.settings import load_settings

    settings = load_settings()
    tenant, emitted = settings.tenant, 0
    held: Held | None = None
    with Emitter() as emitter, progress("emitted", at_first="emitting", as_json=as_json) as advance:
        if retry_refused:
            _retry_refused(emitter)
        for first, batch in _batches(tenant):
            _emit(emitter, first, batch)
            emitted += len(batch)
            advance("events", len(batch))
        if emitter.spooled:
            emitter.spooled.drain(settings.wait_seconds)
            held = emitter.spooled.held()
    if as_json:
        left = {"left_in_spool": held.records, "refused_in_spool": held.refused_records} if held else {}
        print_json({"emitted": emitted, **left})
        return
    print_line(f"{emitted:,} events {'emitted' if held else 'appended'}")
    if held and held.records:
        print_line(f"{held.records:,} records are still in the spool: run it again when the log takes them")
    if held and held.refused_records:
        print_line(
            f"{held.refused_records:,} records set aside in the spool: the log refused them (--retry-refused)"
        )
    else:
        note(f"to count and load them: {what_loads(settings)}")


def _retry_refused(emitter: "Emitter") -> None:
    from mailwake.cli.failures import USAGE, CommandFailed

    if emitter.spooled is None:
        raise CommandFailed("--retry-refused is about a spool, and MAILWAKE_SPOOL names none", USAGE)
    emitter.spooled.retry_refused()


def _batches(tenant: str) -> Iterator[tuple[int, list[Line]]]:
    from mailwake.cli.failures import CommandFailed

    first: int = 1
    batch: list[Line] = []
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise CommandFailed(
                f"line {number}: not JSON ({error}); nothing from line {first} on was emitted"
            ) from None
        if not isinstance(fields, dict):
            raise CommandFailed(
                f"line {number}: an object is wanted; nothing from line {first} on was emitted"
            )
        batch.append((number, {"tenant": tenant, **fields}))
        if len(batch) == BATCH:
            yield first, batch
            first, batch = number + 1, []
    if batch:
        yield first, batch


def _emit(emitter: Any, first: int, batch: list[Line]) -> None:
    from mailwake.cli.failures import REFUSED, CommandFailed, code_of
    from schemas.record import InvalidEvent
    from streams.log import LogError

    try:
        emitter.emit_many([fields for _, fields in batch])
    except InvalidEvent as error:
        line, _ = batch[error.index or 0]
        what = str(error).partition(": ")[2]
        raise CommandFailed(f"line {line}: {what}; nothing from line {first} on was emitted") from None
    except LogError as error:
        code = code_of(error) or REFUSED
        raise CommandFailed(f"{error}; nothing from line {first} on was emitted", code) from None
