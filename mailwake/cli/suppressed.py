"""`mailwake suppressed`: who is not to be mailed any more; entering, lifting, lists."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

if TYPE_CHECKING:
    from mailwake.settings import Settings
    from mailwake.suppressed.recipients import Suppressed
    from sinks.suppressions.index import Suppression
    from streams.log import Log

app = typer.Typer(
    no_args_is_help=True, help="Who is not to be mailed any more: check, list, add, lift, import, export."
)

AsJson = Annotated[bool, typer.Option("--json", help="A JSON line per result.")]
Addresses = Annotated[
    list[str],
    typer.Argument(help="Addresses, or recipient hashes.", metavar="ADDRESS...", show_default=False),
]
Tenant = Annotated[str | None, typer.Option(help="Whose recipients; MAILWAKE_TENANT unless given.")]
By = Annotated[str, typer.Option(help="Who says so: a person or a program.", show_default=False)]
STREAMS = ("all", "transactional", "marketing", "cold", "other")
REASONS = ("complaint", "unsubscribe", "bounce", "manual", "import")
Stream = Annotated[str, typer.Option(help="Which mail: all, transactional, marketing, cold or other.")]


@app.command()
def check(
    addresses: Addresses,
    stream: Annotated[
        str | None, typer.Option(help="Only what holds for mail of this stream; every stream unless given.")
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Is anyone of these suppressed? Exit code 1 when somebody is, 0 when nobody is."""
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import print_json, print_table

    if stream is not None:
        _one_of("--stream", stream, STREAMS)
    with _looking_up() as (settings, suppressed):
        whose = tenant or settings.tenant
        found = {one: suppressed.look_up(whose, one, stream) for one in dict.fromkeys(addresses)}
        _warn_of_waiting(suppressed)
    if as_json:
        for address, held in found.items():
            print_json(
                {"address": address, "suppressed": bool(held), "suppressions": [_fields(one) for one in held]}
            )
    else:
        rows: list[tuple[Any, ...]] = []
        for address, held in found.items():
            rows += [(address, "suppressed", *_cells(one)) for one in held] or [
                (address, "may be mailed", *[""] * 5)
            ]
        print_table(None, ("address", "", *_HEADINGS), rows)
    if any(found.values()):
        raise typer.Exit(NOT_SO)


@app.command("list")
def list_suppressed(
    reason: Annotated[str | None, typer.Option(help="Only those suppressed for this reason.")] = None,
    stream: Annotated[str | None, typer.Option(help="Only what holds for this stream alone, or all.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 50,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Who is suppressed, in the order of their hashes."""
    from itertools import islice

    from mailwake.cli.output import print_json, print_table

    if reason is not None:
        _one_of("--reason", reason, REASONS)
    if stream is not None:
        _one_of("--stream", stream, STREAMS)
    with _looking_up() as (settings, suppressed):
        every = suppressed.index.every(tenant or settings.tenant)
        wanted = (one for one in every if reason in (None, *one.reasons) and stream in (None, one.stream))
        found = list(islice(wanted, limit))
        _warn_of_waiting(suppressed)
    if as_json:
        for one in found:
            print_json(_fields(one))
    else:
        rows = [(one.recipient_hash, one.recipient_domain or "", *_cells(one)) for one in found]
        print_table(None, ("recipient", "domain", *_HEADINGS), rows)


@app.command()
def add(
    addresses: Addresses,
    by: By,
    stream: Stream = "all",
    note: Annotated[
        str | None, typer.Option(help="Why, in your words; addresses in it are left out.")
    ] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Suppress recipients by hand."""
    from mailwake.suppressed.entries import Entry, safe_name, safe_note

    _one_of("--stream", stream, STREAMS)
    with _entering() as (settings, log, now):
        people = _people(settings, tenant or settings.tenant, addresses)
        _enter(
            log, settings, tenant, as_json,
            [(address, Entry("manual", who, now, stream, by=safe_name(by), note=safe_note(note), recipient_domain=domain))
             for address, (who, domain) in people.items()],
        )  # fmt: skip


@app.command()
def lift(
    addresses: Addresses,
    reason: Annotated[
        list[str],
        typer.Option(
            help="What is lifted (complaint, unsubscribe, bounce, manual, import; may be given again), or why, in your "
            "words: that lifts bounce, manual and import.",
            metavar="(complaint, unsubscribe, bounce, manual, import, or your words)",
            show_default=False,
        ),
    ],
    by: By,
    stream: Stream = "all",
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Let recipients be mailed again. What they said themselves, complaint or unsubscription, must be named.

    Exit code 1 when somebody stays suppressed; the others are lifted.
    """
    from mailwake.cli.failures import NOT_SO
    from mailwake.cli.output import complain
    from mailwake.suppressed.entries import Entry, safe_name, safe_note
    from schemas.record import now_ms

    _one_of("--stream", stream, STREAMS)
    named = tuple(word for word in REASONS if word in reason)
    words = safe_note("; ".join(word for word in reason if word not in REASONS))
    lifts = named or ("bounce", "manual", "import")
    with _looking_up() as (settings, suppressed):
        whose = tenant or settings.tenant
        people = _people(settings, whose, addresses)
        _warn_of_waiting(suppressed)
        entries: list[tuple[str, Entry]] = []
        stays = False
        for address, (who, domain) in people.items():
            every = suppressed.index.of_recipient(whose, who)
            held = [one for one in every if stream in ("all", one.stream)]
            everywhere = [one for one in every if one.stream == "all" != stream]
            kept = sorted({why for one in held for why in one.reasons} - set(lifts))
            if kept:
                stays = True
                complain(
                    f"{address} stays suppressed for {', '.join(kept)}: name it with --reason {kept[0]} to lift it"
                )
            if any(set(one.reasons) & set(lifts) for one in held):
                entry = Entry("lift", who, now_ms(), stream, lifts, safe_name(by), words, domain)
                entries.append((address, entry))
            if everywhere:
                stays = True
                complain(
                    f"{address} stays suppressed for every stream, {stream} too, for {', '.join(everywhere[0].reasons)}: "
                    "--stream all lifts that"
                )
            elif not held:
                complain(
                    f"{address} is not suppressed{'' if stream == 'all' else ' for ' + stream}: there is nothing to lift"
                )
        _enter(suppressed.log, settings, tenant, as_json, entries)
    if stays:
        raise typer.Exit(NOT_SO)


@app.command("import")
def import_list(
    file: Annotated[str, typer.Argument(help="A CSV file of addresses or hashes; - reads it from stdin.")],
    reason: Annotated[str, typer.Option(help="The reason of rows that give none.")] = "import",
    stream: Annotated[str, typer.Option(help="The stream of rows that give none.")] = "all",
    by: Annotated[str | None, typer.Option(help="Who says so, where a row does not.")] = None,
    note: Annotated[str | None, typer.Option(help="Why, where a row says nothing.")] = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Suppress everyone on a list: ours, or an export of SES, SendGrid, Mailgun and others.

    Rows that can't be taken are named with their line and the reason; the others are taken, and the exit code is 1.
    An import lifts nothing.
    """
    from mailwake.cli.failures import NOT_SO, USAGE, CommandFailed
    from mailwake.cli.output import complain, print_json, print_line
    from mailwake.cli.progress import progress
    from mailwake.suppressed.entries import Entry, enter, safe_name, safe_note
    from mailwake.suppressed.lists import BadList, BadRow, Defaults, read_rows

    _one_of("--reason", reason, REASONS)
    _one_of("--stream", stream, STREAMS)
    bad = taken = 0

    def good(rows: Iterator[Entry | BadRow]) -> Iterator[Entry]:
        nonlocal bad
        for row in rows:
            if isinstance(row, Entry):
                yield row
            else:
                bad += 1
                complain(f"line {row.line}: {row.why}")

    with (
        _entering() as (settings, log, now),
        _text_of(file) as lines,
        progress("imported", as_json=as_json) as advance,
    ):
        whose = tenant or settings.tenant
        defaults = Defaults(reason, stream, now, safe_name(by), safe_note(note))
        try:
            for some in enter(
                log, whose, good(read_rows(lines, defaults, _hashing(settings, whose))), "import"
            ):
                taken += some
                advance("rows", some)
        except BadList as error:
            raise CommandFailed(f"{file}: {error}", USAGE) from None
    if as_json:
        print_json({"imported": taken, "bad": bad})
    else:
        print_line(f"{taken:,} imported, {bad:,} bad")
    if bad:
        raise typer.Exit(NOT_SO)


@app.command()
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, not to stdout.")
    ] = None,
    tenant: Tenant = None,
) -> None:
    """Everyone who is suppressed as CSV, which import takes back: by hash, since addresses are not kept."""
    import sys

    from mailwake.suppressed.lists import write_rows

    with _looking_up() as (settings, suppressed):
        _warn_of_waiting(suppressed)
        every = suppressed.index.every(tenant or settings.tenant)
        if output is None:
            write_rows(sys.stdout, every)
            return
        with output.open("w", encoding="utf-8", newline="") as out:
            write_rows(out, every)


_HEADINGS = ("stream", "reason", "since", "by", "note")


def _cells(one: "Suppression") -> tuple[str, ...]:
    why = " + ".join(one.reasons)
    if one.leaf and "bounce" in one.reasons:
        why += f" ({one.bounce_class}.{one.leaf})"
    return one.stream, why, _iso(one.since), one.by or "", one.note or ""


def _fields(one: "Suppression") -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(one), "since": _iso(one.since)}


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _one_of(option: str, given: str, words: tuple[str, ...]) -> None:
    from mailwake.cli.failures import USAGE, CommandFailed

    if given not in words:
        raise CommandFailed(f"{option}: got {given}, wants one of {', '.join(words)}", USAGE)


@contextmanager
def _looking_up() -> Iterator[tuple["Settings", "Suppressed"]]:
    from mailwake.cli.failures import USAGE, CommandFailed
    from mailwake.settings import load_settings
    from mailwake.suppressed.recipients import UnknownRecipient, opened

    settings = load_settings()
    try:
        with opened(settings) as suppressed:
            yield settings, suppressed
    except UnknownRecipient as error:
        raise CommandFailed(str(error), USAGE) from None


@contextmanager
def _entering() -> Iterator[tuple["Settings", "Log", int]]:
    """The log to append to, made if it is missing, and the time."""
    from mailwake.opening import open_any_log
    from mailwake.settings import load_settings
    from schemas.record import now_ms

    settings = load_settings()
    log = open_any_log(settings)
    try:
        yield settings, log, now_ms()
    finally:
        log.close()


@contextmanager
def _text_of(file: str) -> Iterator[Any]:
    import io
    import sys
    from contextlib import nullcontext

    with nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as opened:
        raw = io.BufferedReader(cast("io.RawIOBase", opened))
        # Excel's "Unicode text". What else is no UTF-8 is told of its row, by `read_rows`.
        if raw.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
            yield io.TextIOWrapper(raw, encoding="utf-16", errors="replace", newline="")
        else:
            yield io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _hashing(settings: "Settings", tenant: str) -> Any:
    """Gives hash and domain of an address or hash."""
    from mailwake.keyring.opening import KeysWhenAsked
    from mailwake.suppressed.recipients import UnknownRecipient, hash_and_domain

    keys = KeysWhenAsked(settings)

    def hashed(given: str) -> tuple[str, str | None]:
        try:
            return hash_and_domain(keys, tenant, given)
        except UnknownRecipient as error:
            raise ValueError(str(error)) from None

    return hashed


def _people(settings: "Settings", tenant: str, addresses: list[str]) -> dict[str, tuple[str, str | None]]:
    """Each address or hash with its hash and domain."""
    from mailwake.cli.failures import USAGE, CommandFailed

    hashed = _hashing(settings, tenant)
    try:
        return {address: hashed(address) for address in addresses}
    except ValueError as error:
        raise CommandFailed(str(error), USAGE) from None


def _enter(
    log: "Log", settings: "Settings", tenant: str | None, as_json: bool, entries: list[tuple[str, Any]]
) -> None:
    from mailwake.cli.output import print_json, print_line
    from mailwake.suppressed.entries import enter

    for _ in enter(log, tenant or settings.tenant, [entry for _, entry in entries], "cli"):
        pass
    for address, entry in entries:
        told = "lifted" if entry.kind == "lift" else "suppressed"
        if as_json:
            print_json(
                {
                    "address": address,
                    "recipient_hash": entry.recipient_hash,
                    told: True,
                    "stream": entry.stream,
                }
            )
        else:
            print_line(f"{address} is {told}, as soon as mailwake up or run has taken it in")


def _warn_of_waiting(suppressed: "Suppressed") -> None:
    from mailwake.cli.output import complain
    from mailwake.suppressed.recipients import waiting

    left = waiting(suppressed.log)
    if left:
        some = "1 record is" if left == 1 else f"{left:,} records are"
        complain(f"{some} not taken in yet, and may say otherwise: mailwake up, or run --until-idle")
